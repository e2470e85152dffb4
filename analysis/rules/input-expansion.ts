/** @file `input-expansion`: first layers whose training constant inputs would speed up. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import type { CheckedFile, CheckedModel } from "./checked";
import { linearStructure } from "./contractions";
import { layerName, layerOf, placeOf } from "./layers";
import type { Detection, Rule } from "./rule";
import { code } from "./words";

/** Dense first layers of models that are trained in the file. */
export const inputExpansion: Rule = {
  id: "input-expansion",
  title: "Room for constant inputs",
  severity: "hint",
  category: "opportunity",
  since: "0.1.0",
  documentation: {
    what: "The first layer of a model that is trained here reads its input as it is: constants could be appended to it.",
    why:
      "Appending m constant inputs of value c to a dense layer gives each unit m weights that all act as its bias: f(w, b) = sum w x + " +
      "c sum v + b. The function class stays the same; the effective bias learns 1 + m c^2 times as fast. Between units that start " +
      "alike the extra weights differ, so that interchangeable units separate earlier.",
    whenNot:
      "It is an aid to optimisation, no removal of a symmetry, and the gain differs from task to task: measure it with a paired " +
      "probe. With a normalisation behind the first layer a faster bias does nothing.",
    references: ["Zhang et al. 2024, Exploring and Exploiting Symmetry Breaking by Input Dimension Expansion (arXiv 2409.06402)"],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss = nn.functional.cross_entropy(model(torch.zeros(4, 8)), torch.zeros(4, dtype=torch.long))
loss.backward()
optimizer.step()
`,
    {
      fixed: [
        ["nn.Linear(8", "nn.Linear(8 + 4"],
        ["self.fc2(self.fc1(x).relu", "self.fc2(self.fc1(nn.functional.pad(x, (0, 4), value=1.0)).relu"],
      ],
      good: `from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())
`,
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "Each of the 4 constants acts on each of the 16 units as its bias does: 64 directions more that do not move the function.",
      parameters: ["fc1.weight", "fc1.bias"],
      bad: 0,
      fixed: 64,
    },
  ],
  check: (file) => {
    const facts = file.language === "python" ? file.facts?.() : undefined;
    if (!facts?.trains) return [];
    const trained = new Set(facts.optimisers.map((o) => o.model));
    return file.models.filter((m) => trained.has(m.name)).flatMap((model) => detections(file, model));
  },
};

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  const normal = model.normal();
  const inputs = new Set(normal.inputs.map((i) => i.name));
  const first = [...linearStructure(normal).contractions.values()].filter(
    (c) => inputs.has(c.data) && c.node.operator === "MatMul",
  );
  return first.slice(0, 1).flatMap(({ weight }): Detection[] => {
    const layer = layerOf(model, weight.name);
    const bias = layer?.parameters.find((p) => p.endsWith(".bias") && model.graph.parameters.get(p)?.trainable);
    const place = placeOf(file, model, weight.name);
    if (!place || bias === undefined) return [];
    return [
      {
        message: [
          say`${code(layerName(model, weight.name))} reads the input as it is: appended constants would make its bias learn faster`,
          say`An aid to optimisation, not the removal of a symmetry; whether it helps here a paired probe can measure.`,
        ].join("\n"),
        ...place,
        related: [],
        symmetry: `R^m per unit on ${weight.name} once m constants are appended`,
        subject: { model, parameters: [weight.name] },
      },
    ];
  });
}
