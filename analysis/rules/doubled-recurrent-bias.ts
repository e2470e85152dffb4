/** @file `doubled-recurrent-bias`: two biases of a recurrent layer that only enter as their sum. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { type Graph, numberAttribute, producers } from "../graph/graph";
import type { CheckedFile, CheckedModel, Layer } from "./checked";
import { layerName, placeKey } from "./layers";
import type { Detection, Rule } from "./rule";
import { unseenShifts } from "./shifts";
import { code, values } from "./words";

/** Pairs of biases of one layer that can be traded against each other. */
export const doubledRecurrentBias: Rule = {
  id: "doubled-recurrent-bias",
  title: "Two biases that only enter as a sum",
  severity: "hint",
  category: "redundancy",
  since: "0.1.0",
  documentation: {
    what: "A recurrent layer adds one bias to the input's part and one to the state's part of the same sum.",
    why:
      "f(b_ih + c, b_hh - c) = f(b_ih, b_hh) for every c: on all gates of an LSTM and a plain RNN, on the reset and update gates of " +
      "a GRU (its candidate multiplies the state's part by the reset gate, so that both biases count there). Both get the same " +
      "gradient, so their sum moves twice as fast as one bias would under SGD, and the difference never moves.",
    whenNot:
      "PyTorch's layers have both biases for compatibility with cuDNN; there is no argument for one of them alone, and their cost is " +
      "small. It matters when parameters are counted, when biases are initialised (a forget bias of 1 is half in each, or whole in " +
      "one), and for the learning rate of biases.",
    references: [
      "PyTorch issue 36905 on redundant biases of recurrent layers",
      "Jozefowicz, Zaremba and Sutskever 2015, An Empirical Exploration of Recurrent Network Architectures (forget bias)",
    ],
  },
  examples: examplesFrom(
    `from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0])
`,
    {
      fixed: [["True)", "True, bias=False)"]],
      good: `import torch
from torch import nn


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.x = nn.Linear(6, 8)
        self.h = nn.Linear(8, 8, bias=False)

    def forward(self, x, h):
        return torch.tanh(self.x(x) + self.h(h))
`,
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "Of the 64 entries of both biases 32 directions do not move the function.",
      parameters: ["lstm.bias_ih_l0", "lstm.bias_hh_l0"],
      bad: 32,
    },
  ],
  check: (file) => (file.language === "python" ? file.models.flatMap((model) => detections(file, model)) : []),
};

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  const candidates = model.layers.flatMap((layer) => {
    const pairs = biasPairs(model, layer);
    return pairs.length > 0 ? [{ layer, pairs }] : [];
  });
  if (candidates.length === 0) return [];
  const shares = sharesOfOperators(model.graph);
  const key = (p: string, q: string): string => `${p} ${q}`;
  const questions = candidates.flatMap(({ pairs }) =>
    pairs
      .filter(([p, q]) => !shares.has(key(p, q)))
      .map(([p, q]) => ({
        key: key(p, q),
        shape: model.graph.parameters.get(p)!.shape,
        moves: [
          { parameter: p, sign: 1 as const },
          { parameter: q, sign: -1 as const },
        ],
      })),
  );
  const unseen = unseenShifts(model.graph, questions);
  const seen = new Set<string>();
  return candidates.flatMap(({ layer, pairs }): Detection[] => {
    const place = placeKey(layer.constructor);
    if (layer.constructor.file !== file.file || seen.has(place)) return [];
    let count = 0;
    let total = 0;
    for (const [p, q] of pairs) {
      const size = model.graph.parameters.get(p)!.shape[0]!;
      total += size;
      const share = shares.get(key(p, q));
      if (share !== undefined) count += size * share;
      else for (const { segment } of unseen.get(key(p, q)) ?? []) count += segment ? segment.end - segment.start : size;
    }
    if (count === 0) return [];
    seen.add(place);
    const [first] = pairs;
    const leaf = (p: string): string => p.slice(p.lastIndexOf(".") + 1);
    const part = count < total ? say` (${count} of ${total} entries)` : "";
    return [
      {
        message: [
          say`biases ${code(leaf(first![0]))} and ${code(leaf(first![1]))} of ${code(layerName(model, first![0]))} only enter as a sum${part}`,
          say`${values(count)} too many: adding to one what is taken from the other changes nothing. Their sum learns twice as fast as one bias.`,
        ].join("\n"),
        range: layer.constructor,
        file: file.file,
        related: [],
        symmetry: `R^${count} on ${first![0]}, ${first![1]}`,
      },
    ];
  });
}

/**
 * Pairs of biases that ONNX's recurrent operators add to each other, with the share of their entries for which that holds:
 * all of them, but for a GRU whose reset gate multiplies the state's part the candidate's third (ONNX, operator GRU,
 * linear_before_reset).
 */
function sharesOfOperators(graph: Graph): Map<string, number> {
  const out = new Map<string, number>();
  const writers = producers(graph);
  const behind = (value: string, depth = 0): string[] => {
    if (graph.parameters.has(value)) return [value];
    const node = writers.get(value);
    if (!node || depth > 8 || !["Concat", "Slice", "Unsqueeze", "Reshape", "Identity"].includes(node.operator)) return [];
    const carriers = node.operator === "Concat" ? node.inputs : node.inputs.slice(0, 1);
    return [...new Set(carriers.flatMap((i) => behind(i, depth + 1)))];
  };
  for (const node of graph.nodes) {
    if (!["LSTM", "GRU", "RNN"].includes(node.operator) || node.domain !== "") continue;
    const both = writers.get(node.inputs[3] ?? "");
    if (both?.operator !== "Concat" || both.inputs.length !== 2) continue;
    const [inputs, states] = both.inputs.map((i) => behind(i));
    const share = node.operator === "GRU" && numberAttribute(node, "linear_before_reset", 0) !== 0 ? 2 / 3 : 1;
    inputs!.forEach((p, i) => {
      const q = states![i];
      if (q !== undefined && inputs!.length === states!.length) out.set(`${p} ${q}`, share);
    });
  }
  return out;
}

/** Pairs of biases of one layer with the same shape: one of the input's part and one of the state's. */
function biasPairs(model: CheckedModel, layer: Layer): (readonly [string, string])[] {
  const vectors = layer.parameters.filter((p) => {
    const found = model.graph.parameters.get(p);
    return found?.trainable === true && found.shape.length === 1;
  });
  const out: (readonly [string, string])[] = [];
  for (const p of vectors) {
    const q = p.replace(/_ih(?=_|$)/, "_hh");
    if (q !== p && vectors.includes(q)) out.push([p, q]);
  }
  return out;
}
