/** @file `low-rank`: products of weights that lost their rank in a probe. */
import { productSpectrum, spectrumMeasures } from "../dynamics/measures/rank";
import { estimate } from "../dynamics/measures/statistics";
import { Matrix } from "../numerics/matrix";
import type { ParameterValues } from "../symmetry/symmetry";
import { linearStructure } from "./contractions";
import { layerName } from "./layers";
import type { CheckedFile, CheckedModel } from "./checked";
import { atParameter, measuredBy } from "./measured";
import { type Detection, optionOf, type Rule } from "./rule";
import { code } from "./words";

/** Low rank, as a probe measured it. */
export const lowRank: Rule = {
  id: "low-rank",
  title: "Low rank",
  severity: "info",
  category: "collapse",
  since: "0.1.0",
  measured: true,
  documentation: {
    what: "A product of weights with nothing nonlinear between its factors uses few of its directions at the end of a probe.",
    why: "Decay lambda on both factors of W = U V is lambda times the nuclear norm of W: singular values shrink to max(sigma - lambda, 0). The effective rank exp(-sum p log p), p_i = sigma_i / sum sigma, tells how many directions are left.",
    whenNot: "Low rank may be wanted, for compression. The number is of the weights, not of what data makes of them.",
    references: [
      "Roy and Vetterli 2007, The effective rank: a measure of effective dimensionality",
      "Kobayashi, Akram and von Oswald 2024, Weight Decay Induces Low-Rank Attention Layers (arXiv 2410.23819)",
    ],
  },
  options: {
    share: {
      takes: { kind: "number", minimum: 0 },
      default: 0.25,
      description: "Share of the full rank up to which a product is reported.",
    },
  },
  examples: {
    bad: `from torch import nn


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Linear(16, 12, bias=False)
        self.up = nn.Linear(12, 16, bias=False)

    def forward(self, x):
        return x + self.up(self.down(x))
`,
    fixed: `from torch import nn


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.all = nn.Linear(16, 16, bias=False)

    def forward(self, x):
        return x + self.all(x)
`,
    good: `from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 32)
        self.fc2 = nn.Linear(32, 3)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())
`,
  },
  check: (file, options) => file.models.flatMap((model) => detections(file, model, options)),
};

function detections(file: CheckedFile, model: CheckedModel, options: Parameters<Rule["check"]>[1]): Detection[] {
  const { probed } = model;
  if (!probed) return [];
  const least = optionOf(lowRank, "share", options);
  return matrixProducts(model).flatMap(([first, second]): Detection[] => {
    const rank = (index: number) =>
      estimate(probed.runs.flatMap((r) => share(r.recordings.at(index)?.parameters, model, first, second) ?? []));
    const [start, end] = [rank(0), rank(-1)];
    if (!(end.value <= least) || !(end.value < 0.7 * start.value)) return [];
    const percent = (x: number): string => `${Math.round(100 * x)}%`;
    const lines = [
      `product of ${code(layerName(model, first))} and ${code(layerName(model, second))} uses ${percent(end.value)} of its rank after the probe, ${percent(start.value)} before`,
      `Effective rank over full rank. ${measuredBy(probed)} Less decay on one of the two keeps directions alive.`,
    ];
    return atParameter(file, model, first, lines, `GL(r) on ${first}, ${second}`);
  });
}

/** Pairs of matrices that are multiplied without anything between that bends. */
function matrixProducts(model: CheckedModel): (readonly [string, string])[] {
  const linear = linearStructure(model.normal());
  const out: (readonly [string, string])[] = [];
  for (const c of linear.contractions.values()) {
    if (c.weight.shape.length !== 2) continue;
    for (const next of linear.followers(c.node)?.next ?? [])
      if (next.weight.shape.length === 2) out.push([c.weight.name, next.weight.name]);
  }
  return out;
}

/** Effective rank of a product over its full rank; layouts are PyTorch's, rows being outputs. */
function share(parameters: ParameterValues | undefined, model: CheckedModel, first: string, second: string): number | undefined {
  const [a, b] = [parameters?.get(first), parameters?.get(second)];
  const [p, q] = [model.graph.parameters.get(first)?.shape, model.graph.parameters.get(second)?.shape];
  if (!a || !b || !p || !q || q[1] !== p[0]) return undefined;
  const { effectiveRank, full } = spectrumMeasures(productSpectrum(new Matrix(q[0]!, q[1]!, b), new Matrix(p[0]!, p[1]!, a)));
  return full > 0 ? effectiveRank / full : undefined;
}
