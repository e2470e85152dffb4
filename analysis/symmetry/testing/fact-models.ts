/** @file Test support: the small networks that testFixtures/facts/operator_symmetry_facts.json speaks about. */
import type { Graph } from "../../graph/graph";
import { GraphBuilder } from "../../lowering/testing/graph-builder";

/** x W + b, or without b. W is [in, out]. */
export function linear(g: GraphBuilder, x: string, name: string, from: number, to: number, bias = true): string {
  const y = g.add("MatMul", [x, g.parameter(`${name}.w`, [from, to])]);
  return bias ? g.add("Add", [y, g.parameter(`${name}.b`, [to])]) : y;
}

const int64 = (g: GraphBuilder, ...values: number[]): string => g.constant([values.length], values, "int64");

/** The activations of the facts, by name. */
const ACTIVATIONS: Readonly<Record<string, (g: GraphBuilder, x: string) => string>> = {
  relu: (g, x) => g.add("Relu", [x]),
  leaky_relu: (g, x) => g.add("LeakyRelu", [x], { alpha: 0.1 }),
  // Larger, so that its upper bound is met.
  relu6: (g, x) => g.add("Clip", [g.add("Mul", [x, g.constant([], [20])]), g.constant([], [0]), g.constant([], [6])]),
  gelu: (g, x) => {
    const e = g.add("Erf", [g.add("Div", [x, g.constant([], [Math.SQRT2])])]);
    return g.add("Mul", [g.add("Mul", [x, g.add("Add", [e, g.constant([], [1])])]), g.constant([], [0.5])]);
  },
  silu: (g, x) => g.add("Mul", [x, g.add("Sigmoid", [x])]),
  hardswish: (g, x) => g.add("HardSwish", [x]),
  tanh: (g, x) => g.add("Tanh", [x]),
  sigmoid: (g, x) => g.add("Sigmoid", [x]),
  elu: (g, x) => g.add("Elu", [x]),
  softplus: (g, x) => g.add("Softplus", [x]),
  sin: (g, x) => g.add("Sin", [x]),
  identity: (g, x) => g.add("Identity", [x]),
  relu_sq: (g, x) => {
    const y = g.add("Relu", [x]);
    return g.add("Mul", [y, y]);
  },
  abs: (g, x) => g.add("Abs", [x]),
  cos: (g, x) => g.add("Cos", [x]),
};

/** The activations that {@link perceptron} takes. */
export const activationNames: readonly string[] = Object.keys(ACTIVATIONS);

/** Two linear layers 3 -> 4 -> 3 with an activation between. */
export function perceptron(activation: string): Graph {
  const g = new GraphBuilder();
  const h = ACTIVATIONS[activation]!(g, linear(g, g.input("x", [8, 3]), "in", 3, 4));
  return g.build(linear(g, h, "out", 4, 3));
}

/** Eight channels, a norm over images, tanh, a 1 x 1 convolution behind. Groups: 1, 4, 8, or the operator's name. */
export function normedConvolution(norm: number | "InstanceNormalization" | "BatchNormalization"): Graph {
  const g = new GraphBuilder(18);
  const y = g.add("Conv", [g.input("x", [4, 2, 3, 3]), g.parameter("conv.w", [8, 2, 1, 1]), g.parameter("conv.b", [8])]);
  const [gain, shift] = [g.parameter("gain", [8]), g.parameter("shift", [8])];
  let z: string;
  if (norm === "BatchNormalization") {
    const statistics = [g.parameter("mean", [8], false), g.parameter("var", [8], false)];
    z = g.addAll(norm, [y, gain, shift, ...statistics], 3, { training_mode: 1, epsilon: 0 })[0]!;
  } else if (norm === "InstanceNormalization") z = g.add(norm, [y, gain, shift], { epsilon: 0 });
  else {
    // As PyTorch writes it: instance norm of groups, then gains of channels.
    const grouped = g.add("Reshape", [y, int64(g, 0, norm, -1)]);
    const [ones, zeros] = [
      g.constant([norm], new Array<number>(norm).fill(1)),
      g.constant([norm], new Array<number>(norm).fill(0)),
    ];
    const flat = g.add("InstanceNormalization", [grouped, ones, zeros], { epsilon: 0 });
    const whole = g.add("Reshape", [flat, int64(g, 4, 8, 3, 3)]);
    const column = (p: string) => g.add("Unsqueeze", [p, int64(g, 1, 2)]);
    z = g.add("Add", [g.add("Mul", [whole, column(gain)]), column(shift)]);
  }
  return g.build(g.add("Conv", [g.add("Tanh", [z]), g.parameter("out.w", [3, 8, 1, 1]), g.parameter("out.b", [3])]));
}

/** Linear, training batch norm, rectifier, linear. */
export function batchNormed(): Graph {
  const g = new GraphBuilder();
  const y = linear(g, g.input("x", [16, 3]), "in", 3, 4);
  const affine = [g.parameter("gain", [4]), g.parameter("shift", [4])];
  const statistics = [g.parameter("mean", [4], false), g.parameter("var", [4], false)];
  const z = g.addAll("BatchNormalization", [y, ...affine, ...statistics], 3, { training_mode: 1, epsilon: 0 })[0]!;
  return g.build(linear(g, g.add("Relu", [z]), "out", 4, 3));
}

/** Linear, layer or RMS norm over the features, with or without gains and shifts, linear. */
export function streamNormed(kind: "layer" | "rms", affine: boolean): Graph {
  const g = new GraphBuilder();
  let x = linear(g, g.input("x", [8, 3]), "in", 3, 4, kind === "layer");
  const mean = (v: string) => g.add("ReduceMean", [v], { axes: [-1] });
  if (kind === "layer") x = g.add("Sub", [x, mean(x)]);
  let y = g.add("Div", [x, g.add("Sqrt", [mean(g.add("Mul", [x, x]))])]);
  if (affine) y = g.add("Mul", [y, g.parameter("gain", [4])]);
  if (affine && kind === "layer") y = g.add("Add", [y, g.parameter("shift", [4])]);
  return g.build(linear(g, y, "out", 4, 5));
}

/** Attention of two heads of two coordinates; with rotary positions, or with normalised queries and keys. */
export function attention(variant: "plain" | "rotary" | "normed"): Graph {
  const g = new GraphBuilder();
  const x = g.input("x", [4, 4, 4]);
  const head = (name: string) => {
    const y = g.add("Reshape", [linear(g, x, name, 4, 4), int64(g, 4, 4, 2, 2)]);
    const z = g.add("Transpose", [y], { perm: [0, 2, 1, 3] });
    if (name === "v" || variant === "plain") return z;
    if (variant === "normed") {
      const square = g.add("ReduceSum", [g.add("Mul", [z, z]), int64(g, -1)]);
      return g.add("Div", [z, g.add("Sqrt", [square])]);
    }
    const angles = [0, 1, 2, 3];
    const table = (f: (a: number) => number) => g.constant([4, 1], angles.map(f));
    const part = (k: number) => g.add("Slice", [z, int64(g, k), int64(g, k + 1), int64(g, 3)]);
    const [a, b, cos, sin] = [part(0), part(1), table(Math.cos), table(Math.sin)];
    const turned = [
      g.add("Sub", [g.add("Mul", [a, cos]), g.add("Mul", [b, sin])]),
      g.add("Add", [g.add("Mul", [a, sin]), g.add("Mul", [b, cos])]),
    ];
    return g.add("Concat", turned, { axis: 3 });
  };
  const [q, k, v] = [head("q"), head("k"), head("v")];
  const scores = g.add("Softmax", [g.add("MatMul", [q, g.add("Transpose", [k], { perm: [0, 1, 3, 2] })])], { axis: -1 });
  const y = g.add("Transpose", [g.add("MatMul", [scores, v])], { perm: [0, 2, 1, 3] });
  return g.build(linear(g, g.add("Reshape", [y, int64(g, 4, 4, 4)]), "o", 4, 5));
}

/** A gated layer: the product of a linear map and the SiLU of another one, read by a third. */
export function swiGlu(): Graph {
  const g = new GraphBuilder();
  const x = g.input("x", [8, 3]);
  const gate = ACTIVATIONS.silu!(g, linear(g, x, "gate", 3, 4, false));
  return g.build(linear(g, g.add("Mul", [gate, linear(g, x, "up", 3, 4, false)]), "down", 4, 3, false));
}

/** A frozen layer beside a thin product. */
export function lowRank(): Graph {
  const g = new GraphBuilder();
  const x = g.input("x", [8, 4]);
  const base = g.add("MatMul", [x, g.parameter("base", [4, 4], false)]);
  return g.build(g.add("Add", [base, linear(g, linear(g, x, "a", 4, 2, false), "b", 2, 4, false)]));
}

/** A recurrent operator of ONNX whose last state is read. */
export function recurrent(operator: "LSTM" | "GRU"): Graph {
  const g = new GraphBuilder();
  const gates = operator === "LSTM" ? 4 : 3;
  const weights = [g.parameter("w", [1, 2 * gates, 3]), g.parameter("r", [1, 2 * gates, 2]), g.parameter("bias", [1, 4 * gates])];
  const attributes = { hidden_size: 2, ...(operator === "GRU" ? { linear_before_reset: 1 } : {}) };
  const last = g.addAll(operator, [g.input("x", [3, 8, 3]), ...weights], 2, attributes)[1]!;
  return g.build(linear(g, g.add("Squeeze", [last, int64(g, 0)]), "out", 2, 3));
}

/** A grouped convolution between two plain ones. */
export function groupedConvolution(): Graph {
  const g = new GraphBuilder();
  const conv = (x: string, name: string, shape: number[], group = 1) =>
    g.add("Conv", [x, g.parameter(`${name}.w`, shape), g.parameter(`${name}.b`, [shape[0]!])], { group });
  const a = g.add("Relu", [conv(g.input("x", [4, 2, 3, 3]), "a", [4, 2, 1, 1])]);
  const b = g.add("Relu", [conv(a, "b", [6, 2, 1, 1], 2)]);
  return g.build(conv(b, "c", [3, 6, 1, 1]));
}

/** A convolution, flattened by channel and place, and a linear reader. */
export function flattened(): Graph {
  const g = new GraphBuilder();
  const y = g.add("Conv", [g.input("x", [8, 1, 3, 3]), g.parameter("conv.w", [3, 1, 1, 1]), g.parameter("conv.b", [3])]);
  const h = g.add("Reshape", [g.add("Relu", [y]), int64(g, 8, 27)]);
  return g.build(linear(g, h, "out", 27, 3));
}

/** Squeeze and excite on rectified channels. */
export function squeezeExcite(): Graph {
  const g = new GraphBuilder();
  const y = g.add("Conv", [g.input("x", [4, 2, 3, 3]), g.parameter("conv.w", [4, 2, 1, 1]), g.parameter("conv.b", [4])]);
  const h = g.add("Relu", [y]);
  const pooled = g.add("ReduceMean", [h], { axes: [2, 3], keepdims: 0 });
  const gate = g.add("Sigmoid", [linear(g, g.add("Relu", [linear(g, pooled, "s1", 4, 3)]), "s2", 3, 4)]);
  const gated = g.add("Mul", [h, g.add("Reshape", [gate, int64(g, 4, 4, 1, 1)])]);
  return g.build(g.add("Conv", [gated, g.parameter("out.w", [3, 4, 1, 1]), g.parameter("out.b", [3])]));
}

/** A weight divided by the norms of its rows, times a gain. */
export function weightNormed(): Graph {
  const g = new GraphBuilder();
  const v = g.parameter("v", [4, 3]);
  const norm = g.add("Sqrt", [g.add("ReduceSum", [g.add("Mul", [v, v]), int64(g, 1)])]);
  const w = g.add("Mul", [g.add("Div", [v, norm]), g.parameter("gain", [4, 1])]);
  const h = g.add("MatMul", [g.input("x", [8, 3]), g.add("Transpose", [w], { perm: [1, 0] })]);
  return g.build(linear(g, g.add("Tanh", [h]), "out", 4, 3));
}

/** Unit embeddings against unit class weights. */
export function cosineHead(): Graph {
  const g = new GraphBuilder();
  const unit = (v: string) => g.add("Div", [v, g.add("ReduceL2", [v], { axes: [-1] })]);
  const e = unit(linear(g, g.input("x", [8, 4]), "embed", 4, 3, false));
  const w = g.add("Transpose", [unit(g.parameter("classes", [5, 3]))], { perm: [1, 0] });
  return g.build(g.add("MatMul", [e, w]));
}

/** Two linear towers and the cosines of all pairs. */
export function contrastive(): Graph {
  const g = new GraphBuilder();
  const unit = (v: string) => g.add("Div", [v, g.add("ReduceL2", [v], { axes: [-1] })]);
  const a = unit(linear(g, g.input("x", [8, 4]), "a", 4, 3, false));
  const b = unit(linear(g, g.input("y", [8, 4]), "b", 4, 3, false));
  return g.build(g.add("MatMul", [a, g.add("Transpose", [b], { perm: [1, 0] })]));
}

/** The nearest of five codes is looked up and decoded. */
export function quantised(): Graph {
  const g = new GraphBuilder();
  const z = linear(g, g.input("x", [8, 3]), "enc", 3, 2);
  const codes = g.parameter("codes", [5, 2]);
  const apart = g.add("Sub", [g.add("Unsqueeze", [z, int64(g, 1)]), codes]);
  const distance = g.add("ReduceSum", [g.add("Mul", [apart, apart]), int64(g, 2)], { keepdims: 0 });
  const nearest = g.add("ArgMin", [distance], { axis: 1, keepdims: 0 });
  return g.build(linear(g, g.add("Gather", [codes, nearest]), "dec", 2, 3));
}

/** Stacked experts: all of them by the router's softmax, or the best two with what is left renormalised. */
export function experts(best?: number): Graph {
  const g = new GraphBuilder();
  const x = g.input("x", [8, 3]);
  let p = linear(g, x, "router", 3, 4);
  if (best !== undefined) {
    const values = g.addAll("TopK", [p, int64(g, best)], 2, { axis: -1 })[0]!;
    const least = g.add("ReduceMin", [values], { axes: [-1] });
    p = g.add("Where", [g.add("GreaterOrEqual", [p, least]), p, g.constant([], [Number.NEGATIVE_INFINITY])]);
  }
  p = g.add("Softmax", [p], { axis: -1 });
  const h = g.add("Relu", [g.add("Einsum", [x, g.parameter("up", [4, 3, 2])], { equation: "bi,eih->beh" })]);
  const y = g.add("Einsum", [h, g.parameter("down", [4, 2, 3])], { equation: "beh,eho->beo" });
  return g.build(g.add("Einsum", [p, y], { equation: "be,beo->bo" }));
}

/** Means of a variational autoencoder: their squared length and a linear reconstruction. */
export function variational(): Graph {
  const g = new GraphBuilder();
  const mean = linear(g, g.input("x", [8, 4]), "mean", 4, 3, false);
  const length = g.add("ReduceSum", [g.add("Mul", [mean, mean]), int64(g, 1)]);
  return g.build(length, linear(g, mean, "decode", 3, 4));
}
