/** @file `foldable-norm-gain`: the gain of a norm that the matrices behind it can take over. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { consumers, type Graph, producers } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import type { CheckedFile, CheckedModel, Layer } from "./checked";
import { linearStructure } from "./contractions";
import { codes, layerName, layerOf, placeKey, placeOf, registeredParameter } from "./layers";
import type { Detection, Rule } from "./rule";
import { code, few, values } from "./words";

/** Gains that only linear layers read. */
export const foldableNormGain: Rule = {
  id: "foldable-norm-gain",
  title: "Norm gain that the next layer can hold",
  severity: "hint",
  category: "redundancy",
  since: "0.1.0",
  documentation: {
    what: "A norm's gain is read by linear layers only: each channel's gain can be multiplied into their weights.",
    why:
      "W (g * x) = (W diag(g)) x: for every a with non-zero entries f(g a, W diag(1/a)) = f(g, W). n gains are n directions that " +
      "change nothing. Under weight decay gain and columns are balanced against each other, which favours few channels.",
    whenNot:
      "Gains make training easier to tune (no decay, their own learning rate) and folding matters for export and quantisation only: " +
      "a hint. With `elementwise_affine=False` the next layer starts where the gain would, at one.",
    references: [
      "Ashkboos et al. 2024, SliceGPT (folding the gains of RMS norms; arXiv 2401.15024)",
      "Kunin et al. 2020, Neural Mechanics (rescale symmetry; arXiv 2012.04728)",
    ],
  },
  examples: examplesFrom(
    `from torch import nn


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 3)

    def forward(self, ids):
        return self.head(self.norm(self.embed(ids)))
`,
    {
      fixed: [["nn.LayerNorm(16)", "nn.LayerNorm(16, elementwise_affine=False)"]],
      good: [["return self.head(self.norm(self.embed(ids)))", "return self.head(self.norm(self.embed(ids)).tanh())"]],
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "Gains and the columns behind them trade scale: 16 directions; behind a tanh none.",
      parameters: ["norm.weight", "head.weight"],
      bad: 16,
      good: 0,
    },
  ],
  check: (file) => (file.language === "python" ? file.models.flatMap((model) => detections(file, model)) : []),
};

/** What a graph says about gains. */
interface FoldableGains {
  /** By parameter: how many gains there are, and the weights of the contractions, the only ones that read them. */
  readonly gains: ReadonlyMap<string, { readonly count: number; readonly weights: readonly string[] }>;
  /** How many contractions each weight is in. */
  readonly uses: ReadonlyMap<string, number>;
}

const known = new WeakMap<Graph, FoldableGains>();

/** Found once for each graph: an edit leaves those of other classes as they are. */
function foldableGains(model: CheckedModel): FoldableGains {
  let found = known.get(model.graph);
  if (!found) {
    found = findFoldableGains(model);
    known.set(model.graph, found);
  }
  return found;
}

function findFoldableGains(model: CheckedModel): FoldableGains {
  const gains = new Map<string, number>();
  for (const n of model.graph.nodes) {
    const scale = n.inputs[1];
    const p = /Norm/.test(n.operator) && scale !== undefined ? model.graph.parameters.get(scale) : undefined;
    if (p?.trainable) gains.set(p.name, elementCount(p.shape));
  }
  const normal = model.normal();
  const readers = consumers(normal);
  const writers = producers(normal);
  const linear = linearStructure(normal);
  const foldable = new Map<string, { count: number; weights: string[] }>();
  for (const [name, count] of gains) {
    // The gain is one factor of a product; behind its shift, only contractions by trained weights read that.
    const products = gainProducts(name, normal.parameters.get(name) ? readers : new Map(), writers);
    const weights = products.flatMap((product) => {
      const followers = linear.followers(product);
      return followers ? followers.next.map((c) => c.weight.name) : [undefined];
    });
    if (weights.length > 0 && !weights.includes(undefined)) foldable.set(name, { count, weights: weights as string[] });
  }
  const uses = new Map<string, number>();
  for (const c of linear.contractions.values()) uses.set(c.weight.name, (uses.get(c.weight.name) ?? 0) + 1);
  return { gains: foldable, uses };
}

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  const foldable = foldableGains(model);
  const seen = new Set<string>();
  return [...foldable.gains].flatMap(([name, { count, weights }]): Detection[] => {
    const place = placeOf(file, model, name);
    if (!place?.range || seen.has(placeKey(place.range))) return [];
    seen.add(placeKey(place.range));
    const norm = layerOf(model, name);
    const next = [...new Set(weights.map((w) => layerName(model, w)))];
    return [
      {
        message: [
          say`gain of ${code(layerName(model, name))} can be folded into ${few(codes(next))}: only linear layers read it (${values(count)})`,
          say`Multiplying a channel's gain and dividing the matching columns of ${few(codes(next))} changes nothing.`,
        ].join("\n"),
        ...place,
        related: weights.slice(0, 3).flatMap((w) => {
          const layer = layerOf(model, w);
          return layer ? [{ label: say`${layerName(model, w)} reads it`, range: layer.constructor }] : [];
        }),
        symmetry: `(R*)^${count} on ${name}, ${weights.slice(0, 2).join(", ")}`,
        ...(norm && canDrop(model, norm, foldable)
          ? { remedy: { kind: "drop-gain" as const, call: norm.constructor, scope: norm.scope } }
          : {}),
      },
    ];
  });
}

/** The products in which a gain is a factor. */
function gainProducts(
  name: string,
  readers: ReadonlyMap<string, readonly ReturnType<typeof linearStructure>["graph"]["nodes"][number][]>,
  writers: ReadonlyMap<string, ReturnType<typeof linearStructure>["graph"]["nodes"][number]>,
): ReturnType<typeof linearStructure>["graph"]["nodes"][number][] {
  const out: ReturnType<typeof linearStructure>["graph"]["nodes"][number][] = [];
  const pending = [name];
  for (let steps = 0; pending.length > 0 && steps < 16; steps++) {
    const value = pending.pop()!;
    for (const reader of readers.get(value) ?? []) {
      if (reader.operator === "Mul") out.push(reader);
      else if (["Reshape", "Unsqueeze", "Expand", "Identity", "Cast"].includes(reader.operator)) pending.push(reader.outputs[0]!);
    }
  }
  return out.filter((n) => writers.has(n.outputs[0]!));
}

/**
 * Whether the layers behind can hold the gains and shifts of all norms that one call makes: linear layers with a bias, each read
 * by one norm alone and by nothing else.
 */
function canDrop(model: CheckedModel, norm: Layer, { gains, uses }: FoldableGains): boolean {
  if (norm.kind !== "LayerNorm" && norm.kind !== "RMSNorm") return false;
  return model.layers
    .filter((l) => placeKey(l.constructor) === placeKey(norm.constructor))
    .every((l) => {
      const gain = l.parameters.find((p) => gains.has(p));
      const hasShift = l.parameters.some((p) => p.endsWith(".bias"));
      if (gain === undefined) return false;
      return gains.get(gain)!.weights.every((w) => {
        const reader = layerOf(model, w);
        const isTied = (registeredParameter(model, w)?.aliases.length ?? 0) > 0;
        if (reader?.kind !== "Linear" || uses.get(w) !== 1 || isTied) return false;
        return !hasShift || reader.parameters.some((p) => p.endsWith(".bias"));
      });
    });
}
