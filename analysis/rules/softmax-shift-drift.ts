/** @file `softmax-shift-drift`: the common shift of all logits, which the loss does not see and Adam moves. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { producers } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import type { CheckedFile, CheckedModel } from "./checked";
import { linearStructure } from "./contractions";
import { decayOf, isAdaptive } from "./decay";
import { layerName, placeOf } from "./layers";
import type { Detection, Rule } from "./rule";
import { code, number } from "./words";

/** Class scores of a linear head under softmax cross-entropy and an adaptive optimiser. */
export const softmaxShiftDrift: Rule = {
  id: "softmax-shift-drift",
  title: "Drift of the logits' common shift",
  severity: "hint",
  category: "optimisation",
  since: "0.1.0",
  documentation: {
    what: "A linear head before a softmax cross-entropy is trained by an adaptive optimiser without decay.",
    why:
      "Softmax forgets what is added to all logits: adding one vector v to all rows of the head's weight, and one number to its " +
      "bias, changes no probability: d_in + 1 directions. Their gradient is exactly zero. Under SGD they stay where they are; " +
      "Adam divides each entry by its own size, so that the update has a component along them and the logits drift together.",
    whenNot:
      "Weight decay on the head pulls the shift back, (1 - lr lambda)^n, and in float32 short runs drift little. In half precision " +
      "and long runs large logits lose digits; a z-loss (log Z)^2 or centring the rows stops it.",
    references: [
      "Kunin et al. 2020, Neural Mechanics (translation symmetry of softmax; arXiv 2012.04728)",
      "Chowdhery et al. 2022, PaLM (z-loss; arXiv 2204.02311)",
    ],
  },
  examples: examplesFrom(
    `import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.fc1(x).relu())


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def train(x, y):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


train(torch.randn(32, 8), torch.zeros(32, dtype=torch.long))
`,
    {
      fixed: [["torch.optim.Adam(model.parameters(), lr=1e-3)", "torch.optim.SGD(model.parameters(), lr=0.1)"]],
      good: [
        ["self.head = nn.Linear(16, 10)", "self.head = nn.Linear(16, 1)"],
        ["F.cross_entropy", "F.mse_loss"],
        ["torch.zeros(32, dtype=torch.long))", "torch.randn(32, 1))"],
      ],
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "Under a softmax cross-entropy 17 directions of the head do not move the loss: its 16 inputs and one.",
      parameters: ["head.weight", "head.bias"],
      loss: "softmax",
      bad: 17,
    },
    {
      kind: "flat",
      says: "Without the softmax all of them do.",
      parameters: ["head.weight", "head.bias"],
      bad: 0,
    },
  ],
  check: (file) => {
    const facts = file.facts?.();
    if (!facts?.losses.some((l) => /cross_?entropy/i.test(l.kind) && !/binary|bce/i.test(l.kind))) return [];
    return facts.optimisers.flatMap((optimiser): Detection[] => {
      const model = file.models.find((m) => m.name === optimiser.model);
      return model && isAdaptive(optimiser.kind) ? detections(file, model) : [];
    });
  },
};

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  const normal = model.normal();
  const writers = producers(normal);
  const linear = linearStructure(normal);
  for (const output of normal.outputs) {
    let node = writers.get(output);
    let bias = 0;
    if (node?.operator === "Add") {
      const p = node.inputs.map((i) => linear.parameterBehind(i)).find((x) => x?.trainable);
      bias = p ? 1 : 0;
      node = p ? node.inputs.map((i) => writers.get(i)).find((n) => n && linear.contractions.has(n)) : undefined;
    }
    const c = node && linear.contractions.get(node);
    const classes = normal.types.get(output)?.shape?.at(-1);
    if (!c || classes === undefined || classes < 2) continue;
    const weight = c.weight.name;
    const decay = decayOf(file, model, [weight]);
    const place = placeOf(file, model, weight);
    if (!place || decay === undefined || decay.value > 0) continue;
    const directions = elementCount(c.weight.shape) / classes + bias;
    return [
      {
        message: [
          say`${number(directions)} directions of ${code(layerName(model, weight))} drift under ${decay.optimiser.kind}: softmax cancels what all logits share`,
          say`Their gradient is exactly zero, but steps that are divided entry by entry move along them. Decay on the head, or a z-loss, holds them.`,
        ].join("\n"),
        ...place,
        related: [{ label: say`${decay.optimiser.kind} without decay`, range: decay.optimiser.range }],
        symmetry: `R^${directions} on ${weight}`,
      },
    ];
  }
  return [];
}
