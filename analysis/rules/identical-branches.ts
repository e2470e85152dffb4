/** @file `identical-branches`: parallel copies with equal weights, which training cannot tell apart. */
import { say } from "../texts/say";
import type { Symmetry } from "../symmetry/symmetry";
import type { CheckedFile, CheckedModel } from "./checked";
import { codes, layerName, placeOf, registeredParameter } from "./layers";
import type { Detection, Rule } from "./rule";
import { isCopy, startEqual, trainingAnalysis } from "./starts";
import { few } from "./words";

/** Swaps of branches that start with equal parameters. */
export const identicalBranches: Rule = {
  id: "identical-branches",
  title: "Parallel branches that start equal",
  severity: "error",
  category: "collapse",
  since: "0.1.0",
  documentation: {
    what: "Parallel branches that meet in a sum or product start with the same weights, as `deepcopy` or a shared state makes them.",
    why:
      "Exchanging the branches is a symmetry: L(a, b) = L(b, a). On the set a = b both gradients are equal, dL/da = dL/db, so " +
      "gradient descent, momentum and Adam never leave it: k branches compute k times one branch for ever, with k times the cost. " +
      "The set a = b is the fixed set of the swap (Ziyin 2024, theorem 1).",
    whenNot:
      "Copies in series (the layers of nn.TransformerEncoder) get different gradients and separate by themselves; so do copies " +
      "whose outputs go to different targets, and those with their own dropout. None of these is reported. A frozen copy (a " +
      "target network) is no branch that trains.",
    references: [
      "Ziyin 2024, Symmetry Induces Structure and Constraint of Learning, theorem 1 (arXiv 2309.16932)",
      "Chen et al. 2016, Net2Net (noise after widening, arXiv 1511.05641)",
    ],
  },
  examples: {
    bad: `import copy

from torch import nn


class Mixture(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        branch = nn.Sequential(nn.Linear(dim, 16), nn.ReLU(), nn.Linear(16, dim))
        self.left = branch
        self.right = copy.deepcopy(branch)

    def forward(self, x):
        return self.left(x) + self.right(x)
`,
    fixed: `import copy

from torch import nn
import torch


def redrawn(module: nn.Module) -> nn.Module:
    """Draws the parameters of a copy anew: equal branches would stay equal for ever."""
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
        else:
            for p in part.parameters(recurse=False):
                p.data.add_(0.02 * torch.randn_like(p))
    return module


class Mixture(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        branch = nn.Sequential(nn.Linear(dim, 16), nn.ReLU(), nn.Linear(16, dim))
        self.left = branch
        self.right = redrawn(copy.deepcopy(branch))

    def forward(self, x):
        return self.left(x) + self.right(x)
`,
    good: `import copy

from torch import nn


class Stack(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        layer = nn.Sequential(nn.Linear(dim, 16), nn.ReLU(), nn.Linear(16, dim))
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(3))

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x)
        return x
`,
  },
  claims: [
    {
      kind: "equal-gradients",
      says: "Branches that start equal get equal gradients, at the start and after each of 2 steps.",
      at: [
        { parameter: "right.0.weight", to: { parameter: "left.0.weight" } },
        { parameter: "right.0.bias", to: { parameter: "left.0.bias" } },
        { parameter: "right.2.weight", to: { parameter: "left.2.weight" } },
        { parameter: "right.2.bias", to: { parameter: "left.2.bias" } },
      ],
      steps: 2,
      pairs: [
        [{ parameter: "left.0.weight" }, { parameter: "right.0.weight" }],
        [{ parameter: "left.2.weight" }, { parameter: "right.2.weight" }],
      ],
    },
  ],
  check: (file) => file.models.flatMap((model) => detections(file, model)),
};

/** The pairs of parameters that a swap exchanges. */
function pairsOf(s: Symmetry): readonly (readonly [string, string])[] {
  return s.exchange?.().parameters ?? [];
}

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  // Without copies there is nothing to find, and no need to ask for symmetries.
  const copied = (model.inventory?.parameters ?? []).some((p) => p.initialisation?.scheme.startsWith("copy of "));
  if (!copied) return [];
  const groups = new Map<string, { branches: Set<string>; count: number; copy: string }>();
  for (const s of trainingAnalysis(model).symmetries) {
    if (s.kind !== "swap") continue;
    const pairs = pairsOf(s);
    const isEqual = pairs.every(([p, q]) => startEqual(model, p, q)) && pairs.some(([p, q]) => isCopy(model, p, q));
    if (!isEqual) continue;
    const [p, q] = pairs.find(([a, b]) => isCopy(model, a, b))!;
    const group = groups.get(p) ?? { branches: new Set([branchOf(p, q)]), count: pairs.length, copy: q };
    group.branches.add(branchOf(q, p));
    groups.set(p, group);
  }
  return [...groups.values()].flatMap(({ branches, count, copy }): Detection[] => {
    const origin = registeredParameter(model, copy)?.initialisation?.origin?.range;
    const place = origin?.file === file.file ? { range: origin, file: file.file } : placeOf(file, model, copy);
    if (!place) return [];
    const made = placeOf(file, model, copy)?.range;
    const names = [...branches];
    const both = names.length === 2 ? say`both` : say`all ${names.length}`;
    return [
      {
        message: [
          say`${few(codes(names))} start as copies in parallel: equal gradients keep ${both} equal for ever`,
          say`Exchanging them changes nothing, so ${both} get the same gradient in each of ${count} parameter tensors. Draw each one anew, or add noise.`,
        ].join("\n"),
        ...place,
        related: made && made !== place.range ? [{ label: say`${layerName(model, copy)} is made here`, range: made }] : [],
        symmetry: `S(${names.length}) on ${few(names)}`,
        ...(place.range ? { subject: { model, parameters: [copy], call: place.range } } : {}),
      },
    ];
  });
}

/** The part of a parameter's path in which it differs from its partner's, with all before it. */
function branchOf(parameter: string, partner: string): string {
  const [a, b] = [parameter.split("."), partner.split(".")];
  let differs = 0;
  a.forEach((part, i) => {
    if (part !== b[i] && differs === 0) differs = i + 1;
  });
  return a.slice(0, Math.max(1, differs)).join(".");
}
