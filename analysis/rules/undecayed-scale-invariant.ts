/** @file `undecayed-scale-invariant`: without decay the effective learning rate of normalised weights falls by itself. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { roundedDown } from "../dynamics/risk/levers";
import { isDecoupled } from "./decay";
import { codes, layerName } from "./layers";
import type { Rule } from "./rule";
import { invariantGroups, type InvariantGroup } from "./scale-decay";
import { few } from "./words";

/** Scale-invariant weights without decay. */
export const undecayedScaleInvariant: Rule = {
  id: "undecayed-scale-invariant",
  title: "Scale-invariant weights without decay",
  severity: "hint",
  category: "optimisation",
  since: "0.1.0",
  documentation: {
    what: "Weights before a normalisation have no weight decay: their norm only grows and their learning rate falls by itself.",
    why:
      "The gradient of a scale-invariant weight is orthogonal to it, so every step of SGD lengthens it: |w|^2 grows by lr^2 |g|^2 / " +
      "|w|^2. Then |w|^4 = |w_0|^4 + 2 lr^2 n E|g|^2 after n steps, and the rate at which the direction turns, lr / |w|^2, falls " +
      "like n^(-1/2), on top of any schedule.",
    whenNot:
      "A schedule that falls anyway makes little of it, and adaptive optimisers behave alike with other constants. It matters in " +
      "long training and when a run is continued on new data: the old part learns slowly.",
    references: [
      "Arora, Li and Lyu 2018, Theoretical Analysis of Auto Rate-Tuning by Batch Normalization (arXiv 1812.03981)",
      "Tanaka and Kunin 2021, Noether's Learning Dynamics (arXiv 2105.02716)",
    ],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Sound(nn.Module):
    def __init__(self):
        super().__init__()
        self.wave = nn.Conv1d(1, 12, 5, bias=False)
        self.norm = nn.BatchNorm1d(12)
        self.head = nn.Linear(12, 6)

    def forward(self, x):
        return self.head(self.norm(self.wave(x)).relu().mean(-1))


model = Sound()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
`,
    {
      fixed: [
        [
          "optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)",
          'optimizer = torch.optim.SGD([\n    {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 2.5e-5},\n    {"params": [p for p in model.parameters() if p.ndim <= 1]},\n], lr=0.1, momentum=0.9)',
        ],
      ],
      good: `import torch
from torch import nn


class Sound(nn.Module):
    def __init__(self):
        super().__init__()
        self.wave = nn.Conv1d(1, 12, 5)
        self.gate = nn.Conv1d(1, 12, 5)
        self.head = nn.Linear(12, 6)

    def forward(self, x):
        return self.head((self.wave(x) * self.gate(x).sigmoid()).mean(-1))


model = Sound()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
`,
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "Each of the 12 kernels has one direction that does not move the function, its size; without a norm none has.",
      parameters: ["wave.weight"],
      bad: 12,
      good: 0,
    },
  ],
  check: (file) => {
    const seen = new Set<InvariantGroup["optimiser"]>();
    return invariantGroups(file).flatMap((g) => {
      const { optimiser, model, weights } = g;
      if (g.weightDecay !== 0 || seen.has(optimiser)) return [];
      seen.add(optimiser);
      const n = weights.length;
      const names = few(codes(weights.map((w) => layerName(model, w))));
      return [
        {
          message: [
            say`${n} scale-invariant ${n === 1 ? say`weight` : say`weights`} without decay: their effective learning rate falls by itself`,
            say`The norm of ${names} grows with every step, the rate at which the direction turns falls like 1/sqrt(steps) (closed form).`,
          ].join("\n"),
          range: optimiser.range,
          file: file.file,
          related: [],
          symmetry: `R+ on ${weights.slice(0, 3).join(", ")}${n > 3 ? ` and ${n - 3} more` : ""}`,
          subject: { model, parameters: weights, optimiser, ...wanted(g) },
        },
      ];
    });
  },
};

/** Steps within which the norm should reach its equilibrium. */
const SETTLED = 10_000;

/** The decay with which (1 - b) / (4 lr lambda) is that number of steps, where the closed form holds. */
function wanted({ optimiser, learningRate, momentum }: InvariantGroup): { readonly values?: { readonly weightDecay: number } } {
  const decoupled = isDecoupled(optimiser.kind);
  if (learningRate === undefined || !(learningRate > 0) || (!decoupled && optimiser.kind !== "SGD")) return {};
  return { values: { weightDecay: roundedDown((1 - (decoupled ? 0 : momentum)) / (4 * learningRate * SETTLED)) } };
}
