/** @file `low-rank`: products of weights that lost their rank in a probe. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { layerName } from "./layers";
import type { CheckedFile, CheckedModel } from "./checked";
import { atParameter, measuredBy, ownSetting, shareOf, withError } from "./measured";
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
  examples: examplesFrom(
    `import torch
from torch import nn


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Linear(8, 6, bias=False)
        self.up = nn.Linear(6, 8, bias=False)

    def forward(self, x):
        return x + self.up(self.down(x))


model = Head()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=0.3)
`,
    {
      fixed: [
        [
          "self.down = nn.Linear(8, 6, bias=False)\n        self.up = nn.Linear(6, 8, bias=False)",
          "self.all = nn.Linear(8, 8, bias=False)",
        ],
        ["self.up(self.down(x))", "self.all(x)"],
      ],
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
  ),
  claims: [
    {
      kind: "no-gradient",
      says: "A direction of the product that is zero on both sides has a gradient of exactly zero: lost rank does not come back.",
      at: [
        { parameter: "down.weight", axis: 0, index: 0, to: 0 },
        { parameter: "up.weight", axis: 1, index: 0, to: 0 },
      ],
      slices: [
        { parameter: "down.weight", axis: 0, index: 0 },
        { parameter: "up.weight", axis: 1, index: 0 },
      ],
    },
    {
      kind: "flat",
      says: "36 directions do not move the product: GL(6).",
      parameters: ["down.weight", "up.weight"],
      bad: 36,
    },
  ],
  check: (file, options) => file.models.flatMap((model) => detections(file, model, options)),
};

function detections(file: CheckedFile, model: CheckedModel, options: Parameters<Rule["check"]>[1]): Detection[] {
  const record = model.probed?.();
  if (!record) return [];
  const least = optionOf(lowRank, "share", options);
  return ownSetting(record).products.flatMap(({ first, second, full, ...ranks }): Detection[] => {
    const [start, end] = [shareOf(ranks.start, full), shareOf(ranks.end, full)];
    // Random matrices do not use all of their rank either: what was lost counts.
    if (!(end.value <= least) || !(end.value + 2 * (end.error || 0) < 0.7 * start.value)) return [];
    const percent = (x: number): string => `${Math.round(100 * x)}%`;
    const lines = [
      say`product of ${code(layerName(model, first))} and ${code(layerName(model, second))} uses ${percent(end.value)} of its rank after the probe, ${percent(start.value)} before`,
      say`Effective rank ${withError(ranks.end)} of ${full}. ${measuredBy(record)} Less decay on one of the two keeps directions alive.`,
    ];
    return atParameter(file, model, first, lines, `GL(r) on ${first}, ${second}`);
  });
}
