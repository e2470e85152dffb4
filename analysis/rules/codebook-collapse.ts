/** @file `codebook-collapse`: a codebook whose unused codes get no gradient, and nothing that brings them back. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { type Graph, producers } from "../graph/graph";
import type { CheckedFile, CheckedModel } from "./checked";
import { LAYOUT } from "./contractions";
import { layerName, placeOf } from "./layers";
import { withoutComments } from "./python-code";
import type { Detection, Rule } from "./rule";
import { code } from "./words";

/** What keeps codes alive goes by one of these names in code. */
const REVIVING =
  /\bema\b|_ema|ema_|cluster_size|restart|revive|re_?init|reset_(codes|codebook|dead|unused)|expire|dead_code|k_?means|entropy|usage|gumbel|replace_(dead|unused)|rotation_trick|\.data(\[[^\]]*\])?\s*(=|\.copy_|\.mul_|\.lerp_)/i;

/** Nearest-neighbour lookup in a trained table without restart, moving average or entropy term. */
export const codebookCollapse: Rule = {
  id: "codebook-collapse",
  title: "Codebook without anything that revives codes",
  severity: "warning",
  category: "collapse",
  since: "0.1.0",
  documentation: {
    what: "A vector quantiser picks the nearest code of a trained table, and unused codes are never moved or restarted.",
    why:
      "Codes are interchangeable, S(K), and argmin passes a gradient to the chosen ones only. A code that starts far from the data is " +
      "never chosen and never moves, so the number of codes in use can only fall: perplexities of 40 of 512 codes are typical. A " +
      "moving average with restarts, k-means at the start, or an entropy term on the usage brings them back.",
    whenNot:
      "Tables that are set from data (k-means) or updated by a moving average in another file cannot be seen: silence the rule there " +
      "with a reason. Lookup-free and finite scalar quantisation have no table and are not reported.",
    references: [
      "van den Oord, Vinyals and Kavukcuoglu 2017, Neural Discrete Representation Learning, appendix A (arXiv 1711.00937)",
      "Dhariwal et al. 2020, Jukebox (random restarts; arXiv 2005.00341)",
      "Mentzer et al. 2023, Finite Scalar Quantization (arXiv 2309.15505)",
    ],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Quantizer(nn.Module):
    def __init__(self, codes=32, dim=8):
        super().__init__()
        self.codebook = nn.Embedding(codes, dim)

    def forward(self, z):
        distances = torch.cdist(z, self.codebook.weight)
        chosen = distances.argmin(-1)
        return self.codebook(chosen)
`,
    {
      fixed: [
        [
          "return self.codebook(chosen)",
          "shares = torch.softmax(-distances, dim=-1).flatten(0, -2).mean(0)\n        entropy = -(shares * shares.log()).sum()\n        return self.codebook(chosen), entropy",
        ],
      ],
      good: `import torch
from torch import nn


class Lookup(nn.Module):
    def __init__(self, codes=32, dim=8):
        super().__init__()
        self.table = nn.Embedding(codes, dim)
        self.score = nn.Linear(dim, codes)

    def forward(self, ids):
        return self.score(self.table(ids)).argmax(-1)
`,
    },
  ),
  claims: [
    {
      kind: "exchange",
      says: "Codes 0 and 1 may change places.",
      pairs: [
        [
          { parameter: "codebook.weight", axis: 0, index: 0 },
          { parameter: "codebook.weight", axis: 0, index: 1 },
        ],
      ],
    },
    {
      kind: "no-gradient",
      says: "A code that is far from the data gets no gradient.",
      at: [{ parameter: "codebook.weight", axis: 0, index: 0, to: 100 }],
      slices: [{ parameter: "codebook.weight", axis: 0, index: 0 }],
    },
  ],
  check: (file) => (file.language === "python" ? file.models.flatMap((model) => detections(file, model)) : []),
};

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  const { graph } = model;
  const choices = graph.nodes.filter((n) => ["ArgMin", "ArgMax", "TopK"].includes(n.operator));
  if (choices.length === 0 || REVIVING.test(withoutComments(file.text ?? ""))) return [];
  const tables = new Set<string>();
  for (const choice of choices) {
    const compared = trainedBehind(graph, choice.inputs.slice(0, 1));
    for (const table of lookedUp(graph, choice.outputs)) if (compared.has(table)) tables.add(table);
  }
  return [...tables].flatMap((name): Detection[] => {
    const place = placeOf(file, model, name);
    const codes = graph.parameters.get(name)?.shape[0];
    if (!place || codes === undefined || codes < 2) return [];
    return [
      {
        message: [
          say`codes of ${code(layerName(model, name))} that are not chosen get no gradient, and nothing restarts them (${codes} codes)`,
          say`The number of codes in use can only fall. Start from k-means, restart dead codes, use a moving average, or reward entropy.`,
        ].join("\n"),
        ...place,
        related: choices[0]?.origin.range
          ? [{ label: say`the nearest code is chosen here`, range: choices[0].origin.range }]
          : [],
        symmetry: `S(${codes}) on ${name}/0`,
      },
    ];
  });
}

/** Trainable tables that values are computed from. */
function trainedBehind(graph: Graph, values: readonly string[]): Set<string> {
  const writers = producers(graph);
  const seen = new Set<string>();
  const out = new Set<string>();
  const pending = [...values];
  while (pending.length > 0) {
    const value = pending.pop()!;
    if (seen.has(value)) continue;
    seen.add(value);
    const p = graph.parameters.get(value);
    if (p?.trainable && p.shape.length === 2) out.add(value);
    for (const i of writers.get(value)?.inputs ?? []) pending.push(i);
  }
  return out;
}

/** Tables that are looked up at the given positions, directly or by one-hot rows. */
function lookedUp(graph: Graph, positions: readonly string[]): Set<string> {
  const at = new Set(positions);
  const hot = new Set<string>();
  const out = new Set<string>();
  for (const n of graph.nodes) {
    const [first = "", second = ""] = n.inputs;
    if (n.operator === "Gather" || n.operator === "GatherElements") {
      if (at.has(second) && graph.parameters.has(first)) out.add(first);
    } else if (n.operator === "MatMul") {
      if (hot.has(first) && graph.parameters.has(second)) out.add(second);
    } else if (n.operator === "OneHot" || n.operator === "ScatterElements" || n.operator === "Equal") {
      if (n.inputs.some((i) => at.has(i))) for (const o of n.outputs) hot.add(o);
    } else if (LAYOUT.has(n.operator) || n.operator === "Slice") {
      if (at.has(first)) for (const o of n.outputs) at.add(o);
      if (hot.has(first)) for (const o of n.outputs) hot.add(o);
    }
  }
  return out;
}
