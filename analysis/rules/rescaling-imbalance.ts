/** @file `rescaling-imbalance`: layers that trade scale and start with very different norms. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { balanceHalfLife } from "../dynamics/closed-forms/charges";
import type { Parameter } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import type { CheckedFile, CheckedModel } from "./checked";
import { optimisedGroups } from "./decay";
import { layerName, placeOf } from "./layers";
import { type Detection, optionOf, type Rule } from "./rule";
import { code, number } from "./words";

/** Steps beyond which a half-life outlives training where its length is not known. */
const LONG_RUN = 10_000;

/** Rescalings whose charge starts large and decays slowly. */
export const rescalingImbalance: Rule = {
  id: "rescaling-imbalance",
  title: "Imbalance between layers that outlives training",
  severity: "info",
  category: "optimisation",
  since: "0.1.0",
  documentation: {
    what: "Two layers around a homogeneous activation start with very different norms, and SGD conserves the difference.",
    why:
      "For a > 0, f(a W1, W2 / a) = f(W1, W2) through ReLU and its like. Gradient flow then conserves |W2 column|^2 - |W1 row|^2 for " +
      "each unit: the layer with small weights learns with large gradients and the other one hardly. Decay makes the imbalance fall " +
      "like exp(-2 lr lambda n), with half-life ln 2 / (2 lr lambda) steps (times 1 - b with momentum b).",
    whenNot:
      "Adaptive optimisers do not conserve it, and normalised weights have no such partner; neither is reported. Imbalance by design " +
      "(a small last layer) is mild with the usual schemes and stays below the option `ratio`.",
    references: [
      "Du, Hu and Lee 2018, Algorithmic Regularization in Learning Deep Homogeneous Models (arXiv 1806.00900)",
      "Kunin et al. 2020, Neural Mechanics (arXiv 2012.04728)",
    ],
  },
  options: {
    ratio: {
      takes: { kind: "number", minimum: 1 },
      default: 1000,
      description: "Ratio of squared norms from which on an imbalance is reported.",
    },
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 3)
        nn.init.normal_(self.fc1.weight, std=1.0)
        nn.init.normal_(self.fc2.weight, std=0.001)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
`,
    {
      fixed: [
        ["self.fc1 = nn.Linear(8, 16)", "self.fc1 = nn.Linear(8, 16)\n        self.fc1_norm = nn.LayerNorm(16)"],
        ["self.fc2(self.fc1(x).relu", "self.fc2(self.fc1_norm(self.fc1(x)).relu"],
      ],
      good: [["self.fc2(self.fc1(x).relu())", "self.fc2(torch.nn.functional.gelu(self.fc1(x)))"]],
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "Each of the 16 units trades scale between its two sides under ReLU, and none does under GELU.",
      parameters: ["fc1.weight", "fc1.bias", "fc2.weight"],
      bad: 16,
      good: 0,
    },
  ],
  check: (file, options) => detections(file, optionOf(rescalingImbalance, "ratio", options)),
};

function detections(file: CheckedFile, ratio: number): Detection[] {
  const seen = new Set<CheckedModel>();
  const training = file.facts?.().steps?.value ?? LONG_RUN;
  return optimisedGroups(file).flatMap(({ optimiser, model, group, weightDecay }): Detection[] => {
    if (optimiser.kind !== "SGD" || seen.has(model)) return [];
    seen.add(model);
    const rate = group.learningRate ?? optimiser.learningRate?.value;
    const halfLife = rate === undefined ? undefined : balanceHalfLife(rate, weightDecay, optimiser.momentum?.value ?? 0);
    if (halfLife === undefined || halfLife < training) return [];
    return imbalances(model, ratio).flatMap(({ large, small, times }): Detection[] => {
      const place = placeOf(file, model, large);
      if (!place) return [];
      const [a, b] = [layerName(model, large), layerName(model, small)];
      const life = Number.isFinite(halfLife)
        ? say`halves in about ${number(halfLife)} steps`
        : say`never decays: there is no weight decay`;
      return [
        {
          message: [
            say`squared norm of ${code(a)} starts ${number(times)} times that of ${code(b)}, and SGD keeps the difference`,
            say`The imbalance of squared norms per unit is conserved and ${life} (closed form). Draw both at one scale.`,
          ].join("\n"),
          ...place,
          related: [],
          symmetry: `R+ per unit on ${large}, ${small}`,
          subject: { model, parameters: [large, small], optimiser },
        },
      ];
    });
  });
}

/** Pairs of weights of one rescaling whose expected squared norms per unit differ by the given ratio. */
function imbalances(model: CheckedModel, ratio: number): { large: string; small: string; times: number }[] {
  const { spaces, symmetries } = model.analysis();
  const out: { large: string; small: string; times: number }[] = [];
  for (const s of symmetries) {
    if (s.kind !== "rescaling") continue;
    // What starts of one of several weights in a tensor is not told apart.
    for (const space of spaces.filter((x) => s.spaces.includes(x.id) && !x.acts.some((a) => a.slice))) {
      const matrices = [...new Set(space.acts.map((a) => a.parameter))].flatMap((name) => {
        const p = model.graph.parameters.get(name);
        const square = p && s.parameters.includes(name) && p.shape.length >= 2 ? squarePerUnit(p, space.size) : undefined;
        return square === undefined ? [] : [{ name, square, said: p!.initialisation!.scheme !== "default" }];
      });
      // Only where the author chose a scale; the library's own are mild.
      if (matrices.length !== 2 || !matrices.some((m) => m.said)) continue;
      const [p, q] = matrices as [(typeof matrices)[number], (typeof matrices)[number]];
      const [large, small] = p.square > q.square ? [p, q] : [q, p];
      const times = large.square / small.square;
      if (times >= ratio && !out.some((o) => o.large === large.name)) out.push({ large: large.name, small: small.name, times });
    }
  }
  return out;
}

/** Expected squared norm of one unit's part of a weight; undefined where its distribution is not known. */
function squarePerUnit(p: Parameter, units: number): number | undefined {
  const entries = elementCount(p.shape) / units;
  const { std, scheme, constant } = p.initialisation ?? {};
  if (constant !== undefined) return undefined;
  // PyTorch's default: uniform with variance 1 / (3 fan in).
  if (std === undefined && scheme === "default") return entries / (3 * (elementCount(p.shape) / p.shape[0]!));
  return std === undefined || std === 0 ? undefined : entries * std * std;
}
