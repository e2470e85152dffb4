/**
 * The same networks as different exporters write them: fused or decomposed norms, attention and GELU, folded batch norm,
 * ONNX Runtime's fused operators, other names, channels last between Transpose nodes. What is found must not depend on it.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import type { Graph } from "../graph/graph";
import { GraphBuilder } from "../lowering/testing/graph-builder";
import { analyse } from "./analyse";
import { formatAddress } from "./symmetry";
import { linear } from "./testing/fact-models";

const MICROSOFT = "com.microsoft";
const int64 = (g: GraphBuilder, ...values: number[]): string => g.constant([values.length], values, "int64");
const number = (g: GraphBuilder, value: number): string => g.constant([], [value]);

/** What is found, in a form that can be compared. */
function found(graph: Graph): unknown {
  const { spaces, continuous, symmetries, opaque, swaps } = analyse(graph);
  const signs = symmetries.filter((s) => s.kind === "sign").map((s) => `${s.group} on ${[...s.parameters].sort().join(" ")}`);
  return {
    opaque: opaque.map((o) => o.operator),
    continuous,
    spaces: spaces.map((s) => `${s.group}: ${s.acts.map(formatAddress).sort().join(" ")}`).sort(),
    signs: signs.sort(),
    swaps,
  };
}

type Writing = (g: GraphBuilder, x: string) => string;

/** Asserts that all ways of writing a layer give what the first one gives, within the same network around it. */
function agree(
  around: (g: GraphBuilder, layer: Writing) => Graph,
  writings: Readonly<Record<string, Writing>>,
  opset = 18,
): void {
  const [[, first], ...others] = Object.entries(writings) as [[string, Writing], ...[string, Writing][]];
  const wanted = found(around(new GraphBuilder(opset), first));
  assert.deepEqual((wanted as { opaque: string[] }).opaque, []);
  for (const [name, writing] of others) assert.deepEqual(found(around(new GraphBuilder(opset), writing)), wanted, name);
}

/** An embedding, the layer, a perceptron with a residual, a head. */
function stream(g: GraphBuilder, layer: Writing): Graph {
  const x = linear(g, g.input("x", [3, 4, 3]), "embed", 3, 4);
  const h = g.add("Tanh", [linear(g, layer(g, x), "up", 4, 3)]);
  return g.build(linear(g, g.add("Add", [x, linear(g, h, "down", 3, 4)]), "head", 4, 5));
}

const mean = (g: GraphBuilder, x: string): string => g.add("ReduceMean", [x, int64(g, -1)], { keepdims: 1 });
const gains = (g: GraphBuilder): [string, string] => [g.parameter("norm.gain", [4]), g.parameter("norm.shift", [4])];

/** (x - mean) / std with the quotient written by `divide`, then gains. */
function layerNorm(square: Writing, divide: (g: GraphBuilder, x: string, variance: string) => string): Writing {
  return (g, x) => {
    const c = g.add("Sub", [x, mean(g, x)]);
    const y = divide(g, c, g.add("Add", [mean(g, square(g, c)), number(g, 1e-5)]));
    const [gain, shift] = gains(g);
    return g.add("Add", [g.add("Mul", [y, gain]), shift]);
  };
}

const power: Writing = (g, x) => g.add("Pow", [x, number(g, 2)]);
const product: Writing = (g, x) => g.add("Mul", [x, x]);
const overRoot = (g: GraphBuilder, x: string, v: string): string => g.add("Div", [x, g.add("Sqrt", [v])]);
const timesReciprocal = (g: GraphBuilder, x: string, v: string): string =>
  g.add("Mul", [x, g.add("Reciprocal", [g.add("Sqrt", [v])])]);
const timesPower = (g: GraphBuilder, x: string, v: string): string => g.add("Mul", [x, g.add("Pow", [v, number(g, -0.5)])]);

describe("the same network by different exporters", () => {
  it("layer norm: one operator, or its parts in several orders", () => {
    agree(stream, {
      operator: (g, x) => g.add("LayerNormalization", [x, ...gains(g)], { axis: -1 }),
      decomposed: layerNorm(power, overRoot),
      products: layerNorm(product, timesReciprocal),
      powers: layerNorm(product, timesPower),
      "one over": layerNorm(power, (g, x, v) => g.add("Mul", [g.add("Div", [number(g, 1), g.add("Sqrt", [v])]), x])),
      "squared difference, as TensorFlow folds it": (g, x) => {
        const m = mean(g, x);
        const variance = mean(g, product(g, g.add("Sub", [x, m])));
        const [gain, shift] = gains(g);
        const factor = timesPower(g, gain, g.add("Add", [variance, number(g, 1e-5)]));
        const moved = g.add("Sub", [shift, g.add("Mul", [m, factor])]);
        return g.add("Add", [g.add("Mul", [x, factor]), moved]);
      },
      "skip and norm": (g, x) =>
        g.add("SkipLayerNormalization", [x, g.constant([3, 4, 4], new Array<number>(48).fill(0)), ...gains(g)], {}, MICROSOFT),
    });
  });

  it("RMS norm: RMSNormalization, SimplifiedLayerNormalization, its parts", () => {
    const gain = (g: GraphBuilder): string => g.parameter("norm.gain", [4]);
    agree(stream, {
      decomposed: (g, x) => g.add("Mul", [overRoot(g, x, g.add("Add", [mean(g, power(g, x)), number(g, 1e-6)])), gain(g)]),
      reciprocal: (g, x) => g.add("Mul", [gain(g), timesReciprocal(g, x, mean(g, product(g, x)))]),
      operator: (g, x) => g.add("RMSNormalization", [x, gain(g)], { axis: -1 }),
      simplified: (g, x) => g.add("SimplifiedLayerNormalization", [x, gain(g)], { axis: -1 }),
      "length times a root": (g, x) => {
        const unit = g.add("Div", [x, g.add("ReduceL2", [x, int64(g, -1)], { keepdims: 1 })]);
        return g.add("Mul", [g.add("Mul", [unit, number(g, 2)]), gain(g)]);
      },
    });
  });

  it("GELU: by erf, by tanh, as an operator, with its bias inside", () => {
    const bias = (g: GraphBuilder): string => g.parameter("in.b", [4]);
    const around = (g: GraphBuilder, layer: Writing): Graph => {
      const z = g.add("MatMul", [g.input("x", [8, 3]), g.parameter("in.w", [3, 4])]);
      return g.build(linear(g, layer(g, z), "out", 4, 3));
    };
    const plus = (g: GraphBuilder, x: string): string => g.add("Add", [x, bias(g)]);
    agree(around, {
      erf: (g, x) => {
        const z = plus(g, x);
        const e = g.add("Add", [g.add("Erf", [g.add("Div", [z, number(g, Math.SQRT2)])]), number(g, 1)]);
        return g.add("Mul", [g.add("Mul", [z, e]), number(g, 0.5)]);
      },
      tanh: (g, x) => {
        const z = plus(g, x);
        const cubic = g.add("Add", [z, g.add("Mul", [g.add("Pow", [z, number(g, 3)]), number(g, 0.044715)])]);
        const t = g.add("Add", [g.add("Tanh", [g.add("Mul", [cubic, number(g, 0.7978845608)])]), number(g, 1)]);
        return g.add("Mul", [g.add("Mul", [z, number(g, 0.5)]), t]);
      },
      operator: (g, x) => g.add("Gelu", [plus(g, x)]),
      fused: (g, x) => g.add("Gelu", [plus(g, x)], {}, MICROSOFT),
      "bias inside": (g, x) => g.add("BiasGelu", [x, bias(g)], {}, MICROSOFT),
      fast: (g, x) => g.add("FastGelu", [x, bias(g)], {}, MICROSOFT),
      quick: (g, x) => g.add("QuickGelu", [plus(g, x)], { alpha: 1.702 }, MICROSOFT),
    });
  });

  it("attention: its parts, ONNX's operator, ONNX Runtime's; also with einsum", () => {
    const projected = (g: GraphBuilder, x: string): string[] => ["q", "k", "v"].map((n) => linear(g, x, n, 4, 4));
    const split = (g: GraphBuilder, z: string, perm: number[]): string =>
      g.add("Transpose", [g.add("Reshape", [z, int64(g, 3, 4, 2, 2)])], { perm });
    const out = (g: GraphBuilder, y: string): string => linear(g, y, "o", 4, 4);
    const merged = (g: GraphBuilder, y: string): string =>
      out(g, g.add("Reshape", [g.add("Transpose", [y], { perm: [0, 2, 1, 3] }), int64(g, 3, 4, 4)]));
    agree(
      stream,
      {
        parts: (g, x) => {
          const [q, k, v] = projected(g, x);
          const s = g.add("MatMul", [split(g, q!, [0, 2, 1, 3]), split(g, k!, [0, 2, 3, 1])]);
          const p = g.add("Softmax", [g.add("Mul", [s, number(g, Math.SQRT1_2)])], { axis: -1 });
          return merged(g, g.add("MatMul", [p, split(g, v!, [0, 2, 1, 3])]));
        },
        "scaled before": (g, x) => {
          const [q, k, v] = projected(g, x);
          const root = number(g, 2 ** -0.25);
          const [a, b] = [g.add("Mul", [split(g, q!, [0, 2, 1, 3]), root]), g.add("Mul", [split(g, k!, [0, 2, 3, 1]), root])];
          const p = g.add("Softmax", [g.add("MatMul", [a, b])], { axis: 3 });
          return merged(g, g.add("MatMul", [p, split(g, v!, [0, 2, 1, 3])]));
        },
        einsum: (g, x) => {
          const [q, k, v] = projected(g, x).map((z) => g.add("Reshape", [z, int64(g, 3, 4, 2, 2)]));
          const s = g.add("Einsum", [q!, k!], { equation: "bqhd,bkhd->bhqk" });
          const y = g.add("Einsum", [g.add("Softmax", [s], { axis: -1 }), v!], { equation: "bhqk,bkhd->bqhd" });
          return out(g, g.add("Reshape", [y, int64(g, 3, 4, 4)]));
        },
        operator: (g, x) => out(g, g.add("Attention", projected(g, x), { q_num_heads: 2, kv_num_heads: 2 })),
        fused: (g, x) => out(g, g.add("MultiHeadAttention", projected(g, x), { num_heads: 2 }, MICROSOFT)),
      },
      23,
    );
  });

  it("matrix products: Gemm, MatMul and Add, FusedMatMul, Einsum, a 1 x 1 convolution's weight squeezed", () => {
    const around = (g: GraphBuilder, layer: Writing): Graph =>
      g.build(linear(g, g.add("Relu", [layer(g, g.input("x", [8, 3]))]), "out", 4, 3));
    const [w, b] = [(g: GraphBuilder) => g.parameter("in.w", [4, 3]), (g: GraphBuilder) => g.parameter("in.b", [4])];
    const flipped = (g: GraphBuilder): string => g.add("Transpose", [w(g)], { perm: [1, 0] });
    agree(around, {
      gemm: (g, x) => g.add("Gemm", [x, w(g), b(g)], { transB: 1 }),
      matmul: (g, x) => g.add("Add", [b(g), g.add("MatMul", [x, flipped(g)])]),
      fused: (g, x) => g.add("Add", [g.add("FusedMatMul", [x, w(g)], { transB: 1 }, MICROSOFT), b(g)]),
      einsum: (g, x) => g.add("Add", [g.add("Einsum", [x, w(g)], { equation: "bi,oi->bo" }), b(g)]),
      convolution: (g, x) => {
        const image = g.add("Unsqueeze", [x, int64(g, 2)]);
        return g.add("Squeeze", [g.add("Conv", [image, g.add("Unsqueeze", [w(g), int64(g, 2)]), b(g)]), int64(g, 2)]);
      },
    });
  });

  it("images: channels first, channels last between transposes, fused activations; flattened in either order", () => {
    const conv = (g: GraphBuilder, x: string, name: string, o: number, i: number): string =>
      g.add("Conv", [x, g.parameter(`${name}.w`, [o, i, 3, 3]), g.parameter(`${name}.b`, [o])], { pads: [1, 1, 1, 1] });
    const first = (g: GraphBuilder, x: string): string => g.add("Transpose", [x], { perm: [0, 3, 1, 2] });
    const last = (g: GraphBuilder, x: string): string => g.add("Transpose", [x], { perm: [0, 2, 3, 1] });
    const around = (g: GraphBuilder, layer: Writing): Graph => g.build(layer(g, g.input("x", [4, 3, 3, 2])));
    const head = (g: GraphBuilder, x: string): string =>
      linear(g, g.add("ReduceMean", [x, int64(g, 2, 3)], { keepdims: 0 }), "out", 3, 3);
    agree(around, {
      "channels first": (g, x) => head(g, g.add("Relu", [conv(g, g.add("Relu", [conv(g, first(g, x), "a", 4, 2)]), "b", 3, 4)])),
      "channels last": (g, x) => {
        const a = g.add("Relu", [last(g, conv(g, first(g, x), "a", 4, 2))]);
        const b = g.add("Relu", [last(g, conv(g, first(g, a), "b", 3, 4))]);
        return linear(g, g.add("ReduceMean", [b, int64(g, 1, 2)], { keepdims: 0 }), "out", 3, 3);
      },
      "fused activations": (g, x) => {
        const fused = (v: string, name: string, o: number, i: number): string =>
          g.add(
            "FusedConv",
            [v, g.parameter(`${name}.w`, [o, i, 3, 3]), g.parameter(`${name}.b`, [o])],
            { pads: [1, 1, 1, 1], activation: "Relu" },
            MICROSOFT,
          );
        return head(g, fused(fused(first(g, x), "a", 4, 2), "b", 3, 4));
      },
      "pooled by an operator": (g, x) => {
        const y = g.add("Relu", [conv(g, g.add("Relu", [conv(g, first(g, x), "a", 4, 2)]), "b", 3, 4)]);
        return linear(g, g.add("Flatten", [g.add("GlobalAveragePool", [y])], { axis: 1 }), "out", 3, 3);
      },
    });
  });

  it("batch norm of inference: the operator, its parts, and folded into the convolution", () => {
    const around = (g: GraphBuilder, layer: Writing): Graph => {
      const y = g.add("Conv", [g.input("x", [4, 2, 3, 3]), g.parameter("a.w", [4, 2, 1, 1]), g.parameter("a.b", [4])]);
      const z = g.add("Relu", [layer(g, y)]);
      return g.build(g.add("Conv", [z, g.parameter("b.w", [3, 4, 1, 1]), g.parameter("b.b", [3])]));
    };
    const statistics = (g: GraphBuilder): [string, string] => [
      g.parameter("norm.mean", [4], false),
      g.parameter("norm.var", [4], false),
    ];
    const column = (g: GraphBuilder, p: string): string => g.add("Unsqueeze", [p, int64(g, 1, 2)]);
    agree(around, {
      operator: (g, x) => g.add("BatchNormalization", [x, ...gains(g), ...statistics(g)], { epsilon: 1e-5 }),
      parts: (g, x) => {
        const [[gain, shift], [m, v]] = [gains(g), statistics(g)];
        const y = overRoot(g, g.add("Sub", [x, column(g, m)]), g.add("Add", [column(g, v), number(g, 1e-5)]));
        return g.add("Add", [g.add("Mul", [y, column(g, gain)]), column(g, shift)]);
      },
    });
    // Folded, nothing of the norm is left: the graph is that of a plain network, by whatever exporter.
    agree(around, { none: (_g, x) => x, identity: (g, x) => g.add("Identity", [x]), dropout: (g, x) => g.add("Dropout", [x]) });
  });

  it("group norm: the operator, over an instance norm, ONNX Runtime's with what is added before it", () => {
    const around = (g: GraphBuilder, layer: Writing): Graph => {
      const y = g.add("Conv", [g.input("x", [4, 2, 3, 3]), g.parameter("a.w", [4, 2, 1, 1]), g.parameter("a.b", [4])]);
      return g.build(g.add("Conv", [g.add("Relu", [layer(g, y)]), g.parameter("b.w", [3, 4, 1, 1]), g.parameter("b.b", [3])]));
    };
    const first = (g: GraphBuilder, x: string): string => g.add("Transpose", [x], { perm: [0, 3, 1, 2] });
    const last = (g: GraphBuilder, x: string): string => g.add("Transpose", [x], { perm: [0, 2, 3, 1] });
    const fused = { groups: 2, activation: 0, channels_last: 1 };
    agree(
      around,
      {
        operator: (g, x) => g.add("GroupNormalization", [x, ...gains(g)], { num_groups: 2 }),
        "instance norm": (g, x) => {
          const ones = [g.constant([2], [1, 1]), g.constant([2], [0, 0])];
          const n = g.add("InstanceNormalization", [g.add("Reshape", [x, int64(g, 4, 2, -1)]), ...ones]);
          const [gain, shift] = gains(g).map((p) => g.add("Unsqueeze", [p, int64(g, 1, 2)]));
          return g.add("Add", [g.add("Mul", [g.add("Reshape", [n, int64(g, 4, 4, 3, 3)]), gain!]), shift!]);
        },
        fused: (g, x) => first(g, g.add("GroupNorm", [last(g, x), ...gains(g)], fused, MICROSOFT)),
        "fused with a skip": (g, x) =>
          first(
            g,
            g.add(
              "SkipGroupNorm",
              [last(g, x), ...gains(g), g.constant([4, 1, 1, 4], new Array<number>(16).fill(0))],
              fused,
              MICROSOFT,
            ),
          ),
        "fused with a skip per channel": (g, x) =>
          first(
            g,
            g.add(
              "SkipGroupNorm",
              [last(g, x), ...gains(g), g.constant([4, 4], new Array<number>(16).fill(0))],
              fused,
              MICROSOFT,
            ),
          ),
      },
      21,
    );
  });

  it("names carry no meaning: dynamo's, numbers, anything", () => {
    const plain = stream(new GraphBuilder(18), layerNorm(power, overRoot));
    const rename = (name: (value: string, k: number) => string): Graph => {
      const values = new Map(plain.nodes.flatMap((n) => n.outputs).map((v, k) => [v, name(v, k)] as const));
      const known = (v: string): string => values.get(v) ?? v;
      const nodes = plain.nodes.map((n, k) => ({
        ...n,
        name: name(n.name, k),
        inputs: n.inputs.map(known),
        outputs: n.outputs.map(known),
        origin: {},
      }));
      return { ...plain, nodes, outputs: plain.outputs.map(known) };
    };
    const wanted = found(plain);
    assert.deepEqual(found(rename((_v, k) => `val_${k}`)), wanted, "dynamo");
    assert.deepEqual(found(rename((_v, k) => `${900 - k}`)), wanted, "numbers");
    assert.deepEqual(found(rename((_v, k) => `StatefulPartitionedCall/model/dense_${k}/Softmax;gelu`)), wanted, "TensorFlow");
  });

  it("rectifiers: Relu, a Clip without ceiling, Max with zero, a Where", () => {
    const around = (g: GraphBuilder, layer: Writing): Graph =>
      g.build(linear(g, layer(g, linear(g, g.input("x", [8, 3]), "in", 3, 4)), "out", 4, 3));
    agree(around, {
      relu: (g, x) => g.add("Relu", [x]),
      clip: (g, x) => g.add("Clip", [x, number(g, 0)]),
      max: (g, x) => g.add("Max", [x, number(g, 0)]),
      where: (g, x) => g.add("Where", [g.add("Greater", [x, number(g, 0)]), x, number(g, 0)]),
      gated: (g, x) => g.add("Mul", [x, g.add("Cast", [g.add("Greater", [x, number(g, 0)])], { to: 1 })]),
      leaky: (g, x) => g.add("LeakyRelu", [x], { alpha: 0 }),
      slopes: (g, x) => g.add("PRelu", [x, g.constant([1], [0])]),
    });
  });

  it("both directions of a recurrence in one tensor are not taken for interchangeable", () => {
    const g = new GraphBuilder(18);
    const weights = [g.parameter("w", [2, 6, 3]), g.parameter("r", [2, 6, 2]), g.parameter("b", [2, 12])];
    const y = g.add("GRU", [g.input("x", [4, 3, 3]), ...weights], {
      hidden_size: 2,
      direction: "bidirectional",
      linear_before_reset: 1,
    });
    const flat = g.add("Reshape", [g.add("Transpose", [y], { perm: [0, 2, 1, 3] }), int64(g, 4, 3, 4)]);
    const { spaces } = analyse(g.build(linear(g, flat, "head", 4, 2)));
    const acts = spaces.flatMap((s) => s.acts.map(formatAddress));
    assert.equal(spaces.length, 2, "units of either direction");
    assert.ok(acts.includes("r[0]/1") && acts.includes("r[1]/1"), "units are found");
    assert.deepEqual(
      acts.filter((a) => ["w/0", "r/0", "b/0"].includes(a)),
      [],
    );
  });

  it("entries of a parameter that go to different places one by one are not taken for interchangeable", () => {
    const g = new GraphBuilder(18);
    const p = g.parameter("p", [2]);
    const entry = (k: number): string =>
      g.add("Squeeze", [g.add("Slice", [p, int64(g, k), int64(g, k + 1), int64(g, 0)]), int64(g, 0)]);
    const h = g.add("Tanh", [g.add("Mul", [linear(g, g.input("x", [6, 3]), "in", 3, 4), entry(0)])]);
    const { spaces, opaque } = analyse(g.build(g.add("Add", [linear(g, h, "out", 4, 3), entry(1)])));
    assert.deepEqual(opaque, []);
    const acts = spaces.flatMap((s) => s.acts.map(formatAddress));
    assert.equal(spaces.length, 1, "the hidden units");
    assert.ok(!acts.includes("p/0"));
  });

  it("entries of a weight by index: GatherND, Gather from a merged axis", () => {
    const around = (g: GraphBuilder, layer: Writing): Graph =>
      g.build(
        linear(g, g.add("Relu", [g.add("MatMul", [g.input("x", [8, 3]), layer(g, g.parameter("w", [2, 3, 4]))])]), "out", 4, 3),
      );
    agree(around, {
      "by rows": (g, w) => g.add("GatherND", [w, g.constant([3, 2], [1, 0, 1, 1, -1, 2], "int64")]),
      merged: (g, w) => g.add("Gather", [g.add("Reshape", [w, int64(g, 6, 4)]), int64(g, 3, 4, 5)], { axis: 0 }),
    });
  });

  it("a layer norm without gains: none, or gains that are constant ones", () => {
    agree(stream, {
      none: (g, x) => g.add("LayerNormalization", [x], { axis: -1 }),
      "as PyTorch 1.13 leaves it out": (g, x) => g.add("LayerNormalization", [x, ""], { axis: -1 }),
      ones: (g, x) => g.add("LayerNormalization", [x, g.constant([4], [1, 1, 1, 1])], { axis: -1 }),
    });
  });

  it("zeros in the type of an activation are zeros", () => {
    const around = (g: GraphBuilder, layer: Writing): Graph =>
      g.build(linear(g, layer(g, linear(g, g.input("x", [8, 3]), "in", 3, 4)), "out", 4, 3));
    agree(around, {
      relu: (g, x) => g.add("Relu", [x]),
      "like x": (g, x) => g.add("Max", [x, g.add("CastLike", [g.constant([], [0], "int64"), x])]),
    });
  });

  it("random numbers of the shape of a value know nothing else of it", () => {
    const noisy = (noise: Writing): Graph => {
      const g = new GraphBuilder(18);
      const x = g.input("x", [8, 3]);
      const logits = linear(g, x, "router", 3, 4);
      const shares = g.add("Softmax", [g.add("Add", [logits, noise(g, logits)])], { axis: -1 });
      return g.build(linear(g, g.add("Mul", [shares, linear(g, x, "experts", 3, 4)]), "out", 4, 2));
    };
    const sized = noisy((g) => g.add("RandomNormal", [], { shape: [8, 4] }));
    assert.equal(analyse(sized).continuous.translation, 4, "the same added to all logits");
    assert.deepEqual(found(noisy((g, x) => g.add("RandomNormalLike", [x]))), found(sized));
  });

  it("a shortcut that is widened by channels of zeros: Pad and Concat", () => {
    const around = (g: GraphBuilder, layer: Writing): Graph => {
      const h = g.add("Relu", [linear(g, g.input("x", [8, 3]), "in", 3, 2)]);
      const wide = g.add("Relu", [linear(g, h, "wide", 2, 4)]);
      return g.build(linear(g, g.add("Add", [wide, layer(g, h)]), "out", 4, 3));
    };
    agree(around, {
      concatenated: (g, h) =>
        g.add("Concat", [g.constant([8, 1], new Array(8).fill(0)), h, g.constant([8, 1], new Array(8).fill(0))], { axis: 1 }),
      padded: (g, h) => g.add("Pad", [h, int64(g, 0, 1, 0, 1)]),
      "padded along an axis": (g, h) => g.add("Pad", [h, int64(g, 1, 1), number(g, 0), int64(g, -1)]),
    });
    const { spaces, continuous } = analyse(around(new GraphBuilder(18), (g, h) => g.add("Pad", [h, int64(g, 0, 1, 0, 1)])));
    assert.deepEqual([spaces.map((s) => s.size), continuous.rescaling], [[2], 4]);
    const ones = around(new GraphBuilder(18), (g, h) => g.add("Pad", [h, int64(g, 0, 1, 0, 1), number(g, 1)]));
    assert.ok(analyse(ones).continuous.rescaling < 4, "ones do not scale along");
  });

  it("quantised weights and activations: units change places unless each is rounded in its own way", () => {
    const rounded = (g: GraphBuilder, x: string, scales: number[], axis: number): string => {
      const scale = g.constant(scales.length === 1 ? [] : [scales.length], scales, "float32");
      return g.add("DequantizeLinear", [g.add("QuantizeLinear", [x, scale], { axis }), scale], { axis });
    };
    const net = (scales: number[]): Graph => {
      const g = new GraphBuilder(17);
      const first = rounded(g, g.parameter("a.w", [4, 3]), scales, 0);
      const h = g.add("Relu", [g.add("Gemm", [g.input("x", [8, 3]), first, g.parameter("a.b", [4])], { transB: 1 })]);
      const second = rounded(g, g.parameter("b.w", [2, 4]), [0.02], 0);
      return g.build(g.add("Gemm", [rounded(g, h, [0.05], 1), second, g.parameter("b.b", [2])], { transB: 1 }));
    };
    const { opaque, spaces, continuous } = analyse(net([0.02]));
    assert.deepEqual(opaque, []);
    assert.deepEqual(
      spaces.map((s) => `${s.group}: ${s.acts.map(formatAddress).join(" ")}`),
      ["S(4): a.w/0 a.b/0 b.w/1"],
    );
    assert.equal(continuous.total, 0);
    assert.deepEqual(analyse(net([0.02, 0.03, 0.05, 0.07])).spaces, []);
  });

  it("modules as functions: constants in a function's body are constants", () => {
    const read = (file: string) => analyse(readOnnx({ path: `testFixtures/${file}` }).graph);
    const [functions, plain] = [read("exports/modules-as-functions.onnx"), read("architectures/onnx/GroupNormRelu.onnx")];
    assert.equal(functions.parameters, plain.parameters);
    assert.deepEqual(functions.continuous, plain.continuous);
    assert.deepEqual(
      functions.spaces.map((s) => s.group),
      plain.spaces.map((s) => s.group),
    );
  });

  it("assignments to slices of channels, as PyTorch writes them", () => {
    const around = (g: GraphBuilder, layer: Writing): Graph => {
      const h = g.add("Tanh", [linear(g, g.input("x", [8, 3]), "in", 3, 6)]);
      return g.build(linear(g, layer(g, h), "out", 6, 3));
    };
    const cut = (g: GraphBuilder, x: string, from: number, to: number): string =>
      g.add("Slice", [x, int64(g, from), int64(g, to), int64(g, 1), int64(g, 1)]);
    const twice = (g: GraphBuilder, x: string): string => g.add("Sin", [x]);
    agree(around, {
      concatenated: (g, x) => g.add("Concat", [cut(g, x, 0, 2), twice(g, cut(g, x, 2, 6))], { axis: 1 }),
      assigned: (g, x) => {
        const places = Array.from({ length: 8 }, (_, i) => [2, 3, 4, 5].flatMap((k) => [i, k])).flat();
        return g.add("ScatterND", [x, g.constant([8, 4, 2], places, "int64"), twice(g, cut(g, x, 2, 6))]);
      },
      "assigned after a transpose": (g, x) => {
        const [columns, part] = [x, twice(g, cut(g, x, 2, 6))].map((v) => g.add("Transpose", [v], { perm: [1, 0] }));
        const y = g.add("ScatterND", [columns!, g.constant([4, 1], [2, 3, 4, 5], "int64"), part!]);
        return g.add("Transpose", [y], { perm: [1, 0] });
      },
    });
  });
});
