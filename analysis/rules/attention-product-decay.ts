/** @file `attention-product-decay`: weight decay on the two factors of attention's products. */
import { say } from "../texts/say";
import type { CheckedFile, CheckedModel } from "./checked";
import { attentionProducts } from "./attention";
import { optimisedGroups } from "./decay";
import { layerName } from "./layers";
import { type Detection, optionOf, type Rule } from "./rule";
import { code, few, number } from "./words";

/** Query-key and value-output products both of whose factors decay. */
export const attentionProductDecay: Rule = {
  id: "attention-product-decay",
  title: "Weight decay on attention's products",
  severity: "info",
  category: "collapse",
  since: "0.1.0",
  documentation: {
    what: "Weight decay acts on query and key weights, or value and output weights, which only count as products per head.",
    why:
      "Scores depend on W_Q^T W_K only and outputs on W_O W_V: GL(d_h) acts on each head's inner space. For a product W = U V the " +
      "penalty lambda/2 (|U|^2 + |V|^2), minimised over that group, is lambda times the nuclear norm of W: singular directions " +
      "whose gradient stays below lambda vanish, the others lose lambda. Heads become low-rank.",
    whenNot:
      "Low rank may be welcome (it compresses), and most large models are trained this way: the finding states the threshold. Rotary " +
      "positions leave one complex scale per frequency pair, and norms of queries and keys take the scale away; such products " +
      "are not counted.",
    references: [
      "Kobayashi, Akram and von Oswald 2024, Weight Decay Induces Low-Rank Attention Layers (arXiv 2410.23819)",
      "Ziyin 2024, Symmetry Induces Structure and Constraint of Learning, section 4 (arXiv 2309.16932)",
    ],
  },
  options: {
    least: { takes: { kind: "number", minimum: 0 }, default: 0, description: "Weight decay up to which nothing is reported." },
  },
  examples: {
    bad: `import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(6, 2, bias=False, batch_first=True)

    def forward(self, x):
        return x + self.attn(x, x, x, need_weights=False)[0]


model = Block()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
`,
    fixed: `import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(6, 2, bias=False, batch_first=True)

    def forward(self, x):
        return x + self.attn(x, x, x, need_weights=False)[0]


model = Block()
factors = ("attn.in_proj_weight", "out_proj.weight")
optimizer = torch.optim.AdamW([
    {"params": [p for n, p in model.named_parameters() if not n.endswith(factors)]},
    {"params": [p for n, p in model.named_parameters() if n.endswith(factors)], "weight_decay": 0.0},
], lr=3e-4, weight_decay=0.1)
`,
    good: `import torch
from torch import nn


class Mlp(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.up = nn.Linear(dim, 64, bias=False)
        self.down = nn.Linear(64, dim, bias=False)

    def forward(self, x):
        return x + self.down(torch.nn.functional.gelu(self.up(x)))


model = Mlp()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
`,
  },
  claims: [
    {
      kind: "flat",
      says: "36 directions of the projections do not move the function: GL(3) on queries and keys and on values and outputs, for 2 heads.",
      parameters: ["attn.in_proj_weight", "attn.out_proj.weight"],
      bad: 36,
    },
  ],
  check: (file, options) => detections(file, optionOf(attentionProductDecay, "least", options)),
};

function detections(file: CheckedFile, least: number): Detection[] {
  const groups = optimisedGroups(file).filter((g) => g.weightDecay > least && g.optimiser.range.file === file.file);
  return [...new Set(groups.map((g) => g.optimiser))].flatMap((optimiser): Detection[] => {
    const own = groups.filter((g) => g.optimiser === optimiser);
    const { model } = own[0]!;
    const decays = new Map(own.flatMap((g) => g.parameters.map((p) => [p, g.weightDecay] as const)));
    const products = attentionProducts(model.normal()).filter((p) => decays.has(p.first) && decays.has(p.second));
    if (products.length === 0) return [];
    const decay = Math.min(...products.flatMap((p) => [decays.get(p.first)!, decays.get(p.second)!]));
    const counts = (["query-key", "value-output"] as const).flatMap((kind) => {
      const n = products.filter((p) => p.kind === kind).length;
      return n > 0 ? [kind === "query-key" ? say`${n} query-key` : say`${n} value-output`] : [];
    });
    return [
      {
        message: [
          products.length === 1
            ? say`weight decay ${number(decay)} acts on ${few(counts)} product of attention: it favours low rank`
            : say`weight decay ${number(decay)} acts on ${few(counts)} products of attention: it favours low rank`,
          say`${examples(model, products)}: singular directions whose gradient stays below ${number(decay)} shrink to zero (closed form for SGD).`,
        ].join("\n"),
        range: optimiser.range,
        file: file.file,
        related: [],
        symmetry: `GL(d) per head on ${products[0]!.first}, ${products[0]!.second}`,
        subject: { model, parameters: products.flatMap((p) => [p.first, p.second]), optimiser },
      },
    ];
  });
}

function examples(model: CheckedModel, products: ReturnType<typeof attentionProducts>): string {
  const [{ first, second }] = products as [(typeof products)[number]];
  const [a, b] = [layerName(model, first), layerName(model, second)];
  return first === second || a === b ? say`In ${code(a)}` : say`For ${code(a)} and ${code(b)}`;
}
