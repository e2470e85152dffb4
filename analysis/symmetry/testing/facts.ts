/**
 * @file The measured facts of testFixtures/facts/operator_symmetry_facts.json, all of them: what holds is claimed, what does not is
 * refused. Continuous facts are tangent vectors that lie in the span of the claimed ones or do not, permutations are spaces
 * with an address or without it, signs are symmetries that move just these parameters. Each vector is also differentiated.
 */
import { readFileSync } from "node:fs";
import type { Graph } from "../../graph/graph";
import { normalForm } from "../../lowering/normal-form";
import { analyse, equivarianceOf } from "../analyse";
import { ParameterSpace, Span } from "../counting/families";
import { certifyGenerators } from "../counting/jacobian";
import { Network } from "../counting/network";
import { runNumericEngines } from "../numeric";
import { inferAxes } from "../spaces/infer";
import { formatAddress, type ParameterValues } from "../symmetry";
import * as models from "./fact-models";
import { findUnits } from "../units/scalings";

const PATH = new URL("../../../testFixtures/facts/operator_symmetry_facts.json", import.meta.url).pathname;
/** The facts: sentences, and whether they were measured to hold. */
export const facts = JSON.parse(readFileSync(PATH, "utf8")) as readonly { readonly symmetry: string; readonly holds: boolean }[];

/** Everything that is claimed of a graph. */
class Claims {
  private readonly normal: Graph;
  private readonly weights: ParameterValues;
  private readonly space: ParameterSpace;
  private readonly span: Span;
  private readonly found: ReturnType<typeof analyse>;

  constructor(graph: Graph, loss?: "softmax") {
    const options = loss ? { loss } : {};
    this.normal = normalForm(graph, options).graph;
    const axes = inferAxes(this.normal, { equivariance: equivarianceOf, softPins: false });
    const { scalings } = findUnits(this.normal, axes, equivarianceOf);
    const result = runNumericEngines(this.normal, axes, scalings, equivarianceOf);
    this.weights = result.weights;
    const trained = Network.of(this.normal).trainable;
    this.space = new ParameterSpace(trained.map((p) => [p, this.weights.get(p)!.length] as const));
    this.span = new Span(this.space.size);
    this.span.add(result.generators.map((g) => this.space.flatten(g.vector)));
    this.found = analyse(graph, { ...options, numeric: false });
  }

  direction(make: Direction): { claimed: boolean; changes: number } {
    const vector = new Map<string, Float64Array>();
    for (const [name, move] of Object.entries(make)) {
      const { shape } = this.normal.parameters.get(name)!;
      vector.set(name, move(this.weights.get(name)!, shape));
    }
    const changes = certifyGenerators(this.normal, this.weights, [vector]);
    return { claimed: this.span.contains(this.space.flatten(vector)), changes };
  }

  /** Whether some space has all these addresses. */
  space_(...addresses: readonly string[]): boolean {
    return this.found.spaces.some((s) => {
      const own = new Set(s.acts.map(formatAddress));
      return s.permutable && addresses.every((a) => own.has(a));
    });
  }

  /** Whether some sign symmetry moves exactly these parameters. */
  sign(...parameters: readonly string[]): boolean {
    const wanted = [...parameters].sort().join();
    return this.found.symmetries.some((s) => s.kind === "sign" && [...s.parameters].sort().join() === wanted);
  }
}

/** How each parameter moves. */
type Move = (values: Float64Array, shape: readonly number[]) => Float64Array;
type Direction = Readonly<Record<string, Move>>;

/** The place along an axis of a flat index. */
function place(shape: readonly number[], axis: number, flat: number): number {
  const inner = shape.slice(axis + 1).reduce((n, d) => n * d, 1);
  return Math.floor(flat / inner) % shape[axis]!;
}

/** In proportion to the values themselves, at the given places of an axis; everywhere without one. */
const scaled =
  (factor: number, axis = 0, at?: readonly number[]): Move =>
  (values, shape) =>
    values.map((v, i) => (at === undefined || at.includes(place(shape, axis, i)) ? factor * v : 0));

/** By the same amount at the given places of an axis. */
const shifted =
  (by: number, axis = 0, at?: readonly number[]): Move =>
  (values, shape) =>
    values.map((_, i) => (at === undefined || at.includes(place(shape, axis, i)) ? by : 0));

/** The matrix W, [rows, columns], by W A on the right, or A W on the left. */
const times =
  (a: readonly (readonly number[])[], side: "left" | "right", sign = 1): Move =>
  (values, [rows, columns]) =>
    values.map((_, flat) => {
      const [i, j] = [Math.floor(flat / columns!), flat % columns!];
      let sum = 0;
      if (side === "right") for (let k = 0; k < columns!; k++) sum += values[i * columns! + k]! * a[k]![j]!;
      else for (let k = 0; k < rows!; k++) sum += a[i]![k]! * values[k * columns! + j]!;
      return sign * sum;
    });

/** A vector as a row times A. */
const rowTimes =
  (a: readonly (readonly number[])[], sign = 1): Move =>
  (values) =>
    values.map((_, j) => sign * values.reduce((s, v, k) => s + v * a[k]![j]!, 0));

/** One per column, the same in all rows or for each row by itself, absorbed with the other sign. */
const minusThrough =
  (other: readonly number[]): Move =>
  (_, shape) =>
    new Float64Array(shape[0]!).map((_v, j) => -other[j]!);

const GENERAL = (n: number) =>
  Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_v, j) => Math.sin(3 * i + 7 * j + 1)));
const transposed = (a: readonly (readonly number[])[]) => a.map((row, i) => row.map((_, j) => a[j]![i]!));
const negated = (a: readonly (readonly number[])[]) => a.map((row) => row.map((v) => -v));
const SKEW = (n: number) => GENERAL(n).map((row, i) => row.map((v, j) => v - GENERAL(n)[j]![i]!));
/** The block of head 0 of a matrix on two heads. */
const inHead = (a: readonly (readonly number[])[]) =>
  Array.from({ length: 4 }, (_, i) => Array.from({ length: 4 }, (_v, j) => a[i]?.[j] ?? 0));

type Check = (claims: Claims) => boolean | { readonly claimed: boolean; readonly changes: number };
interface Case {
  readonly model: string;
  readonly check: Check;
}

const builders: Readonly<Record<string, () => Claims>> = {
  ...Object.fromEntries(models.activationNames.map((a) => [`mlp ${a}`, () => new Claims(models.perceptron(a))])),
  bn: () => new Claims(models.batchNormed()),
  GroupNorm4: () => new Claims(models.normedConvolution(4)),
  GroupNorm1: () => new Claims(models.normedConvolution(1)),
  GroupNorm8_Instance: () => new Claims(models.normedConvolution(8)),
  InstanceNorm: () => new Claims(models.normedConvolution("InstanceNormalization")),
  BatchNorm_train: () => new Claims(models.normedConvolution("BatchNormalization")),
  layer: () => new Claims(models.streamNormed("layer", true)),
  "layer plain": () => new Claims(models.streamNormed("layer", false)),
  rms: () => new Claims(models.streamNormed("rms", true)),
  "rms plain": () => new Claims(models.streamNormed("rms", false)),
  classifier: () => new Claims(models.perceptron("tanh"), "softmax"),
  attention: () => new Claims(models.attention("plain")),
  rotary: () => new Claims(models.attention("rotary")),
  normed: () => new Claims(models.attention("normed")),
  swiglu: () => new Claims(models.swiGlu()),
  lora: () => new Claims(models.lowRank()),
  lstm: () => new Claims(models.recurrent("LSTM")),
  gru: () => new Claims(models.recurrent("GRU")),
  grouped: () => new Claims(models.groupedConvolution()),
  flattened: () => new Claims(models.flattened()),
  se: () => new Claims(models.squeezeExcite()),
  "weight norm": () => new Claims(models.weightNormed()),
  cosine: () => new Claims(models.cosineHead()),
  contrastive: () => new Claims(models.contrastive()),
  vq: () => new Claims(models.quantised()),
  "top two": () => new Claims(models.experts(2)),
  experts: () => new Claims(models.experts()),
  vae: () => new Claims(models.variational()),
};

const perceptronChecks: Readonly<Record<string, Check>> = {
  "hidden permutation": (c) => c.space_("in.w/1", "in.b/0", "out.w/0"),
  "positive rescale in*a,out/a": (c) => rescaled(c, -1),
  "rescale in*a,out/a^2": (c) => rescaled(c, -2),
  "sign flip in,out": (c) => c.sign("in.w", "in.b", "out.w"),
  "sign flip in only (even act)": (c) => c.sign("in.w", "in.b"),
  "flip in, out negated, bias absorbs": (c) => c.sign("in.w", "in.b", "out.w", "out.b"),
};

function rescaled(c: Claims, exponent: number): ReturnType<Claims["direction"]> {
  return c.direction({ "in.w": scaled(1, 1, [1]), "in.b": scaled(1, 0, [1]), "out.w": scaled(exponent, 0, [1]) });
}

/** Convolutions before norms: single channels, and pairs of channels. */
const normChecks: readonly (readonly [prefix: string, Check])[] = [
  ["conv bias arbitrary translation", (c) => c.direction({ "conv.b": shifted(1, 0, [1]) })],
  ["conv bias group-constant translation", (c) => c.direction({ "conv.b": shifted(1, 0, [2, 3]) })],
  ["conv per-channel positive scale", (c) => c.direction({ "conv.w": scaled(1, 0, [1]), "conv.b": scaled(1, 0, [1]) })],
  ["conv per-group positive scale", (c) => c.direction({ "conv.w": scaled(1, 0, [2, 3]), "conv.b": scaled(1, 0, [2, 3]) })],
  // Without constraints: one space of all channels.
  ["channel perm commutes", (c) => c.space_("conv.w/0", "gain/0", "out.w/1")],
  [
    "channel perm inside groups",
    (c) => c.space_("conv.w/0", "gain/0", "out.w/1") || c.space_("conv.w/0=(4,2):1", "gain/0=(4,2):1", "out.w/1=(4,2):1"),
  ],
];

const A = GENERAL(2);
const HEAD = inHead(A);
const scoresOf = (q: typeof A, k: typeof A): Direction => ({
  "q.w": times(inHead(q), "right"),
  "q.b": rowTimes(inHead(q)),
  "k.w": times(inHead(k), "right"),
  "k.b": rowTimes(inHead(k)),
});
const turn = [
  [0.3, -0.8],
  [0.8, 0.3],
];

const others: Readonly<Record<string, Case>> = {
  "BN(train): bias translation before BN": { model: "bn", check: (c) => c.direction({ "in.b": shifted(1, 0, [2]) }) },
  "BN(train): per-channel weight scale (a>0)": {
    model: "bn",
    check: (c) => c.direction({ "in.w": scaled(1, 1, [2]), "in.b": scaled(1, 0, [2]) }),
  },
  "BN(train): weight sign + gamma sign": { model: "bn", check: (c) => c.sign("in.w", "in.b", "gain") },
  "BN->ReLU: gamma,beta *a , next /a": {
    model: "bn",
    check: (c) => c.direction({ gain: scaled(1, 0, [2]), shift: scaled(1, 0, [2]), "out.w": scaled(-1, 0, [2]) }),
  },
  "LayerNorm: bias translation along 1": { model: "layer", check: (c) => c.direction({ "in.b": shifted(1) }) },
  "LayerNorm: arbitrary bias translation": { model: "layer", check: (c) => c.direction({ "in.b": shifted(1, 0, [2]) }) },
  "LayerNorm: global weight scale": { model: "layer", check: (c) => c.direction({ "in.w": scaled(1), "in.b": scaled(1) }) },
  "LayerNorm: per-channel scale": {
    model: "layer",
    check: (c) => c.direction({ "in.w": scaled(1, 1, [2]), "in.b": scaled(1, 0, [2]) }),
  },
  "RMSNorm: rotation equivariance (no gamma)": {
    model: "rms plain",
    check: (c) => c.direction({ "in.w": times(SKEW(4), "right"), "out.w": times(SKEW(4), "left", -1) }),
  },
  "RMSNorm with gamma: rotation": {
    model: "rms",
    check: (c) => c.direction({ "in.w": times(SKEW(4), "right"), "out.w": times(SKEW(4), "left", -1) }),
  },
  "RMSNorm with gamma: permutation": { model: "rms", check: (c) => c.space_("in.w/1", "gain/0", "out.w/0") },
  "LayerNorm no affine: rotation": {
    model: "layer plain",
    check: (c) =>
      c.direction({
        "in.w": times(SKEW(4), "right"),
        "in.b": rowTimes(SKEW(4)),
        "out.w": times(SKEW(4), "left", -1),
      }),
  },
  "softmax head: add same row vector to all class rows": {
    model: "classifier",
    check: (c) => c.direction({ "out.w": shifted(1, 0, [2]) }),
  },
  "softmax head: bias + c": { model: "classifier", check: (c) => c.direction({ "out.b": shifted(1) }) },
  "MHA: head permutation": {
    model: "attention",
    check: (c) => c.space_("q.w/1=(2,2):0", "k.w/1=(2,2):0", "v.w/1=(2,2):0", "o.w/0=(2,2):0"),
  },
  "MHA: per-head GL on QK": { model: "attention", check: (c) => c.direction(scoresOf(A, negated(transposed(A)))) },
  "MHA: per-head GL on VO": {
    model: "attention",
    check: (c) => c.direction({ "v.w": times(HEAD, "right"), "v.b": rowTimes(HEAD), "o.w": times(HEAD, "left", -1) }),
  },
  "MHA: key bias translation": { model: "attention", check: (c) => c.direction({ "k.b": shifted(1, 0, [1]) }) },
  "MHA: query bias translation": { model: "attention", check: (c) => c.direction({ "q.b": shifted(1, 0, [1]) }) },
  "MHA: value bias absorbed in output bias": {
    model: "attention",
    check: (c) => {
      const rows: number[] = [];
      c.direction({ "o.w": (w) => (rows.push(...w), new Float64Array(w.length)) });
      return c.direction({ "v.b": shifted(1, 0, [1]), "o.b": minusThrough(rows.slice(5, 10)) });
    },
  },
  "MHA+RoPE: key bias translation": { model: "rotary", check: (c) => c.direction({ "k.b": shifted(1, 0, [1]) }) },
  "MHA+RoPE: per-head GL on QK": { model: "rotary", check: (c) => c.direction(scoresOf(A, negated(transposed(A)))) },
  "MHA+RoPE: per-pair rotation x scale on QK": {
    model: "rotary",
    check: (c) => c.direction(scoresOf(turn, negated(transposed(turn)))),
  },
  "MHA+QKnorm: per-head GL on QK": { model: "normed", check: (c) => c.direction(scoresOf(A, negated(transposed(A)))) },
  "MHA+QKnorm: per-head O(d) on QK": { model: "normed", check: (c) => c.direction(scoresOf(SKEW(2), SKEW(2))) },
  "MHA+QKnorm: key bias translation": { model: "normed", check: (c) => c.direction({ "k.b": shifted(1, 0, [1]) }) },
  "MHA+QKnorm: Wq,bq scale": {
    model: "normed",
    check: (c) => c.direction({ "q.w": scaled(1, 1, [0, 1]), "q.b": scaled(1, 0, [0, 1]) }),
  },
  "SwiGLU: permutation": { model: "swiglu", check: (c) => c.space_("gate.w/1", "up.w/1", "down.w/0") },
  "SwiGLU: rescale up*a,down/a": {
    model: "swiglu",
    check: (c) => c.direction({ "up.w": scaled(1, 1, [2]), "down.w": scaled(-1, 0, [2]) }),
  },
  "SwiGLU: sign flip up,down": { model: "swiglu", check: (c) => c.sign("up.w", "down.w") },
  "SwiGLU: rescale gate*a,down/a": {
    model: "swiglu",
    check: (c) => c.direction({ "gate.w": scaled(1, 1, [2]), "down.w": scaled(-1, 0, [2]) }),
  },
  "LoRA BA: GL(r)": {
    model: "lora",
    check: (c) => c.direction({ "a.w": times(A, "right"), "b.w": times(A, "left", -1) }),
  },
  "LSTM: hidden permutation over 4 gates": {
    model: "lstm",
    check: (c) => c.space_("w/1=(4,2):1", "r/1=(4,2):1", "r/2", "out.w/0"),
  },
  "LSTM: bias_ih/bias_hh translation": {
    model: "lstm",
    check: (c) => c.direction({ bias: (b) => b.map((_, i) => (i < 8 ? 1 : -1) * Math.sin((i % 8) + 1)) }),
  },
  "GRU: bias_ih/bias_hh translation all gates": {
    model: "gru",
    check: (c) => c.direction({ bias: (b) => b.map((_, i) => (i < 6 ? 1 : -1) * Math.sin((i % 6) + 1)) }),
  },
  "GRU: bias translation on r,z gates only": {
    model: "gru",
    check: (c) => c.direction({ bias: (b) => b.map((_, i) => (i % 6 < 4 ? (i < 6 ? 1 : -1) * Math.sin((i % 6) + 1) : 0)) }),
  },
  "grouped conv: input perm inside groups": { model: "grouped", check: (c) => c.space_("a.w/0=(2,2):1", "b.w/1") },
  "grouped conv: output perm inside groups": { model: "grouped", check: (c) => c.space_("b.w/0=(2,3):1", "c.w/1=(2,3):1") },
  "grouped conv: whole-group perm jointly in+out": {
    model: "grouped",
    check: (c) => c.space_("a.w/0=(2,2):0", "b.w/0=(2,3):0", "c.w/1=(2,3):0"),
  },
  "grouped conv: unconstrained output perm": { model: "grouped", check: (c) => c.space_("b.w/0", "c.w/1") },
  "conv->flatten->fc: channel perm with 9-wide blocks": {
    model: "flattened",
    check: (c) => c.space_("conv.w/0", "conv.b/0", "out.w/0=(3,9):0"),
  },
  "SE: channel perm joint (conv,S1 in,S2 out,next)": {
    model: "se",
    check: (c) => c.space_("conv.w/0", "s1.w/0", "s2.w/1", "s2.b/0", "out.w/1"),
  },
  "SE: channel rescale with S1/a compensated": {
    model: "se",
    check: (c) =>
      c.direction({
        "conv.w": scaled(1, 0, [1]),
        "conv.b": scaled(1, 0, [1]),
        "s1.w": scaled(-1, 0, [1]),
        "out.w": scaled(-1, 1, [1]),
      }),
  },
  "SE: channel rescale without S1 compensation": {
    model: "se",
    check: (c) => c.direction({ "conv.w": scaled(1, 0, [1]), "conv.b": scaled(1, 0, [1]), "out.w": scaled(-1, 1, [1]) }),
  },
  "weight_norm: scale of v": { model: "weight norm", check: (c) => c.direction({ v: scaled(1, 0, [2]) }) },
  "cosine head: class weight scale": { model: "cosine", check: (c) => c.direction({ classes: scaled(1, 0, [2]) }) },
  "VQ: codebook permutation": { model: "vq", check: (c) => c.space_("codes/0") },
  "MoE top-2: expert permutation with router rows": {
    model: "top two",
    check: (c) => c.space_("router.w/1", "router.b/0", "up/0", "down/0"),
  },
  "MoE softmax router: translate all rows": { model: "experts", check: (c) => c.direction({ "router.w": shifted(1, 0, [1]) }) },
  "VAE isotropic prior: KL mu-term rotation invariant": {
    model: "vae",
    check: (c) => c.direction({ "mean.w": times(SKEW(3), "right"), "decode.w": times(SKEW(3), "left", -1) }),
  },
  "VAE: recon linear path rotation": {
    model: "vae",
    check: (c) => c.direction({ "mean.w": times(SKEW(3), "right"), "decode.w": times(SKEW(3), "left", -1) }),
  },
  "InfoNCE/cosine: embedding rotation invariant": {
    model: "contrastive",
    check: (c) => c.direction({ "a.w": times(SKEW(3), "right"), "b.w": times(SKEW(3), "right") }),
  },
};

/** The case that a fact's sentence names; undefined for a sentence that no case is written for. */
function caseOf(sentence: string): Case | undefined {
  const mlp = /^MLP (\w+): (.*)$/.exec(sentence);
  if (mlp) {
    const check = perceptronChecks[mlp[2]!];
    return check && { model: `mlp ${mlp[1]}`, check };
  }
  for (const [prefix, check] of normChecks) {
    const norm = sentence.startsWith(prefix) ? /(GroupNorm\w+|InstanceNorm|BatchNorm_train)/.exec(sentence)?.[1] : undefined;
    if (norm) return { model: norm, check };
  }
  return others[sentence];
}

const known = new Map<string, Claims>();

/** Whether a case is written for a fact. */
export function hasCase(sentence: string): boolean {
  return caseOf(sentence) !== undefined;
}

/** What is claimed where the fact holds or not, and by how much the outputs change along its direction, where it has one. */
export function claimedOf(sentence: string): { readonly claimed: boolean; readonly changes?: number } {
  const { model, check } = caseOf(sentence)!;
  const claims = known.get(model) ?? builders[model]!();
  known.set(model, claims);
  const found = check(claims);
  return typeof found === "boolean" ? { claimed: found } : found;
}
