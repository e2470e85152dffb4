/** @file `decay-on-norm`: weight decay on gains and shifts of norms, and on biases. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { elementCount } from "../graph/tensor";
import type { CheckedFile } from "./checked";
import { optimisedGroups } from "./decay";
import { registeredParameter } from "./layers";
import { type Detection, optionOf, type Rule } from "./rule";
import { code, few, number } from "./words";

/** Vectors in a parameter group that decays. */
export const decayOnNorm: Rule = {
  id: "decay-on-norm",
  title: "Weight decay on norms and biases",
  severity: "warning",
  category: "optimisation",
  since: "0.1.0",
  documentation: {
    what: "An optimiser's weight decay also acts on the gains and shifts of normalisations and on biases.",
    why:
      "Decay is meant for matrices: it limits how strongly units react. A gain g before a linear layer can trade scale with it, so " +
      "that decay on both equals an L1-like penalty on their product and switches channels off (g -> 0); a bias or shift that " +
      "decays, b <- (1 - lr * lambda) b, only biases the function towards zero mean. Recipes of residual networks, transformers " +
      "and vision transformers exclude both.",
    whenNot:
      "Where gains should go to zero (channel pruning by network slimming) decay on them is the point. With a tiny decay " +
      "(1e-5 and less over short training) it makes no measurable difference; set the rule's option `least` accordingly.",
    references: [
      "Jia et al. 2018, Highly Scalable Deep Learning Training System (no decay on bias, gamma, beta; arXiv 1807.11205)",
      "He et al. 2019, Bag of Tricks for Image Classification (no bias decay; arXiv 1812.01187)",
      "Radford et al. 2019, GPT-2, and its re-implementations (decay on matrices only)",
    ],
  },
  options: {
    least: { takes: { kind: "number", minimum: 0 }, default: 0, description: "Weight decay up to which nothing is reported." },
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.cut = nn.Conv2d(3, 16, 4, stride=4, bias=False)
        self.norm = nn.GroupNorm(4, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        return self.head(self.norm(self.cut(x)).relu().mean((2, 3)))


model = Patches()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
`,
    {
      fixed: [
        [
          "optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)",
          'optimizer = torch.optim.AdamW([\n    {"params": [p for p in model.parameters() if p.ndim > 1]},\n    {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},\n], lr=3e-4, weight_decay=0.1)',
        ],
      ],
      good: [
        ["torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)", "torch.optim.Adam(model.parameters(), lr=3e-4)"],
      ],
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "Each of the 16 gains, with its shift, trades scale with the column behind it: decay on both is a penalty on their product.",
      parameters: ["norm.weight", "norm.bias", "head.weight"],
      bad: 16,
    },
  ],
  check: (file, options) => byOptimiser(file, optionOf(decayOnNorm, "least", options)),
};

function byOptimiser(file: CheckedFile, least: number): Detection[] {
  const groups = optimisedGroups(file).filter((g) => g.weightDecay > least);
  return [...new Set(groups.map((g) => g.optimiser))].flatMap((optimiser): Detection[] => {
    const own = groups.filter((g) => g.optimiser === optimiser);
    const [{ model, weightDecay, certainty }] = own as [(typeof own)[number]];
    if (optimiser.range.file !== file.file) return [];
    const vectors = own
      .flatMap((g) => g.parameters)
      .flatMap((name) => {
        const shape = model.graph.parameters.get(name)?.shape ?? registeredParameter(model, name)?.shape;
        return shape && shape.length <= 1 ? [{ name, entries: elementCount(shape) }] : [];
      });
    if (vectors.length === 0) return [];
    const isBias = (name: string) => /(^|[._])bias/.test(name) && !isNormParameter(model.graph.nodes, name);
    const biases = vectors.filter((v) => isBias(v.name));
    const norms = vectors.length - biases.length;
    const parts = [
      ...(norms > 0 ? [norms === 1 ? say`1 norm parameter` : say`${norms} norm parameters`] : []),
      ...(biases.length > 0 ? [biases.length === 1 ? say`1 bias` : say`${biases.length} biases`] : []),
    ];
    // A model of another file may be made with other sizes here.
    const entries = vectors.reduce((n, v) => n + v.entries, 0);
    const size = file.models.includes(model) ? say` (${number(entries)} values)` : "";
    // The library's own default is nobody's decision.
    const isDefault = certainty === "default" && !/weight_decay/.test(optimiser.source);
    return [
      {
        message: [
          say`weight decay ${number(weightDecay)} also acts on ${few(parts)} of ${code(model.name)}${size}`,
          isDefault
            ? say`${optimiser.kind} decays by ${number(weightDecay)} unless told otherwise. Give vectors a group with weight_decay=0.`
            : say`Decay is for matrices. Give vectors a parameter group with weight_decay=0.`,
        ].join("\n"),
        ...(isDefault ? { severity: "info" as const } : {}),
        range: optimiser.range,
        file: file.file,
        related: [],
        symmetry: `decay along ${vectors
          .slice(0, 3)
          .map((v) => v.name)
          .join(", ")}${vectors.length > 3 ? say` and ${vectors.length - 3} more` : ""}`,
        ...(optimiser.groups.length === 1 ? { remedy: { kind: "parameter-groups" as const, call: optimiser.range } } : {}),
      },
    ];
  });
}

/** Whether a parameter is an operand of a normalisation. */
function isNormParameter(nodes: CheckedFile["models"][number]["graph"]["nodes"], name: string): boolean {
  return nodes.some((n) => /Norm/.test(n.operator) && n.inputs.includes(name));
}
