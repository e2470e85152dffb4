/** @file TensorFlow's own functions, as far as models in Keras use them. */
import { arrays } from "../arrays/index";
import { elementType, ELEMENT_TYPES, torch } from "../arrays/support";
import { notUnderstood } from "../evaluator/errors";
import { counted, Reader, shapeOf } from "../torch/arguments";
import { tensorBinary } from "../torch/arithmetic";
import { namespaceOf } from "../values/namespaces";
import { is } from "../values/inspect";
import { int, native, tuple, unknown } from "../values/make";
import type { NamespaceValue, Value } from "../values/value";
import { activationEntries } from "./activations";
import { convolve } from "./convolution";
import { channelsBack, channelsFirst } from "./layout";
import { isTensor, opsNamespace, randomNamespace } from "./ops";
import { poolWindows } from "./pooling";
import { variableFrom } from "./weights";

/** TensorFlow's names -> those of the array table. Arguments are in the same order. */
const RENAMED: Readonly<Record<string, string>> = {
  reduce_mean: "mean",
  reduce_sum: "sum",
  reduce_max: "max",
  reduce_min: "min",
  reduce_prod: "prod",
  reduce_any: "any",
  reduce_all: "all",
  reduce_logsumexp: "logsumexp",
  reduce_variance: "var",
  reduce_std: "std",
  concat: "concatenate",
  convert_to_tensor: "convert_to_tensor",
  constant: "array",
  gather: "take",
  mod: "mod",
  floormod: "mod",
  rsqrt: "rsqrt",
  pow: "pow",
  clip_by_value: "clip",
  cast: "cast",
  l2_normalize: "normalize",
  unstack: "unstack",
  identity: "copy",
  stop_gradient: "copy",
  ensure_shape: "copy",
  sigmoid: "sigmoid",
  tensordot: "tensordot",
  fill: "full",
  one_hot: "one_hot",
  size: "size",
  reverse: "flip",
};

function call(a: Reader, name: string, positional: readonly Value[], keywords: Readonly<Record<string, Value>> = {}): Value {
  const callable = arrays.callable(name);
  if (!callable) return notUnderstood(`${name} is not in the tables`);
  a.interpreter.calls--;
  return callable.call(a.interpreter, { positional, keywords: new Map(Object.entries(keywords)) });
}

/** Sizes of strides and windows in TensorFlow's convention: one number, one per spatial axis, or with batch and channels. */
function spatialSizes(a: Reader, name: string, spatial: number): number[] {
  const v = a.ints(name) ?? [1];
  if (v.length === 1) return new Array<number>(spatial).fill(v[0]!);
  return v.length === spatial + 2 ? v.slice(1, -1) : v;
}

const OWN: readonly [string, Value][] = [
  counted("matmul", "a b transpose_a transpose_b", (a) => {
    const turn = (name: string, flag: string): Value =>
      a.bool(flag, false) ? torch(a.interpreter, "transpose", [a.tensor(name), int(-1), int(-2)]) : a.value(name);
    return tensorBinary(a.interpreter, "@", turn("a", "transpose_a"), turn("b", "transpose_b"));
  }),
  counted("transpose", "a perm", (a) => call(a, "transpose", [a.tensor("a"), a.value("perm")])),
  counted("split", "value num_or_size_splits axis", (a) =>
    call(a, "split_sizes", [a.tensor("value"), a.value("num_or_size_splits"), int(a.int("axis", 0))]),
  ),
  counted("pad", "tensor paddings mode constant_values", (a) =>
    call(a, "pad", [
      a.tensor("tensor"),
      a.value("paddings"),
      a.text("mode", "CONSTANT").toLowerCase(),
      a.value("constant_values"),
    ]),
  ),
  counted("gather", "params indices validate_indices axis", (a) =>
    call(a, "take", [a.tensor("params"), a.value("indices"), int(a.int("axis", 0))]),
  ),
  counted("range", "start limit delta", (a) => {
    const bounds = a.has("limit")
      ? [a.value("start"), a.value("limit"), a.has("delta") ? a.value("delta") : int(1)]
      : [a.value("start")];
    return call(a, "arange", bounds);
  }),
  counted("squeeze", "input axis", (a) => call(a, "squeeze", [a.tensor("input"), a.value("axis")])),
  counted("cast", "x dtype", (a) => {
    const to = elementType(a.value("dtype"));
    return to ? a.builder.cast(a.tensor("x"), to) : a.tensor("x");
  }),
  counted("shape", "input", (a) => call(a, "shape", [a.tensor("input")])),
  counted("slice", "input begin size", (a) => {
    let x = a.tensor("input");
    const shape = shapeOf(a.interpreter, x);
    const [begin, size] = [a.ints("begin") ?? [], a.ints("size") ?? []];
    begin.forEach((from, axis) => {
      const to = size[axis] === -1 ? shape[axis]! : from + size[axis]!;
      if (from !== 0 || to !== shape[axis]) x = a.builder.slice(x, axis, from, to);
    });
    return x;
  }),
  counted("add_n", "inputs", (a) => a.tensors("inputs").reduce((x, y) => a.builder.node("Add", [x, y]))),
  counted("rank", "input", (a) => call(a, "ndim", [a.tensor("input")])),
  ["is_tensor", isTensor],
];

const NN: readonly [string, Value][] = [
  counted("softmax", "logits axis", (a) => call(a, "softmax", [a.tensor("logits"), int(a.int("axis", -1))])),
  counted("log_softmax", "logits axis", (a) => call(a, "log_softmax", [a.tensor("logits"), int(a.int("axis", -1))])),
  counted("gelu", "features approximate", (a) => call(a, "gelu", [a.tensor("features"), a.bool("approximate", false)])),
  counted("leaky_relu", "features alpha", (a) =>
    call(a, "leaky_relu_02", [a.tensor("features")], a.has("alpha") ? { alpha: a.value("alpha") } : {}),
  ),
  counted("dropout", "x rate", (a) => a.value("x")),
  counted("moments", "x axes", (a) =>
    call(a, "moments", [a.tensor("x")], { axes: a.value("axes"), keepdims: a.value("keepdims") }),
  ),
  counted("l2_normalize", "x axis epsilon", (a) =>
    call(a, "normalize", [a.tensor("x"), int(a.int("axis", -1))], a.has("epsilon") ? { epsilon: a.value("epsilon") } : {}),
  ),
  counted("bias_add", "value bias", (a) => tensorBinary(a.interpreter, "+", a.value("value"), a.value("bias"))),
  counted("embedding_lookup", "params ids", (a) => call(a, "take", [a.tensor("params"), a.value("ids"), int(0)])),
  ...(["conv1d", "conv2d", "conv3d"] as const).map((name, k) =>
    counted(name, "input filters strides padding", (a) => {
      const x = a.tensor("input");
      const kernel = a.tensor("filters");
      const spatial = k + 1;
      if (x.shape === undefined) a.builder.needShape(x, { rank: spatial + 2, channelsLast: true });
      const out = convolve(a.interpreter, channelsFirst(a.interpreter, x), kernel, undefined, {
        strides: spatialSizes(a, "strides", spatial),
        dilations: spatialSizes(a, "dilations", spatial),
        groups: shapeOf(a.interpreter, x).at(-1)! / shapeOf(a.interpreter, kernel)[spatial]!,
        padding: a.text("padding", "VALID").toLowerCase(),
      });
      return channelsBack(a.interpreter, out);
    }),
  ),
  ...(["max_pool2d", "avg_pool2d"] as const).map((name) =>
    counted(name, "input ksize strides padding", (a) => {
      const x = channelsFirst(a.interpreter, a.tensor("input"));
      const size = spatialSizes(a, "ksize", 2);
      const kind = name === "max_pool2d" ? "MaxPool" : "AveragePool";
      return channelsBack(
        a.interpreter,
        poolWindows(a, kind, x, size, spatialSizes(a, "strides", 2), a.text("padding", "VALID")),
      );
    }),
  ),
  counted("depth_to_space", "input block_size", (a) => {
    // Channels hold (block row, block column, channel).
    const b = a.builder;
    const x = a.tensor("input");
    const [n, h, w, c] = shapeOf(a.interpreter, x) as [number, number, number, number];
    const r = a.int("block_size");
    const apart = b.transpose(b.reshape(x, [n, h, w, r, r, c / (r * r)]), [0, 1, 3, 2, 4, 5]);
    return b.reshape(apart, [n, h * r, w * r, c / (r * r)]);
  }),
  counted("space_to_depth", "input block_size", (a) => {
    const b = a.builder;
    const x = a.tensor("input");
    const [n, h, w, c] = shapeOf(a.interpreter, x) as [number, number, number, number];
    const r = a.int("block_size");
    const apart = b.transpose(b.reshape(x, [n, h / r, r, w / r, r, c]), [0, 1, 3, 2, 4, 5]);
    return b.reshape(apart, [n, h / r, w / r, r * r * c]);
  }),
  counted("top_k", "input k", (a) => call(a, "top_k", [a.tensor("input"), a.value("k")])),
];

/** `tf.function`, with and without arguments. */
const decorator = native("function", (_, a) => a.positional[0] ?? native("function", (__, b) => b.positional[0] ?? null));

const VARIABLE = native("Variable", (i, args) => {
  const a = new Reader(i, ["initial_value", "trainable"], args);
  const given = a.value("initial_value");
  if (is(given, "unknown") || is(given, "function")) return unknown("a variable of unknown shape");
  const value = call(a, "array", [given]);
  i.calls++;
  return is(value, "tensor") ? variableFrom(i, value, a.bool("trainable", true)) : value;
});

/** The module tree `tensorflow`. `keras` is the namespace of Keras itself. */
export function tensorflowModules(keras: NamespaceValue): ReadonlyMap<string, Value> {
  const activations = new Map(activationEntries());
  const ops = opsNamespace();
  const known = (name: string): Value | undefined => {
    const to = RENAMED[name];
    return (to !== undefined ? arrays.callable(to) : undefined) ?? arrays.callable(name);
  };
  const nn = namespaceOf("tensorflow.nn", NN, (name) => activations.get(name) ?? known(name));
  const math = namespaceOf("tensorflow.math", OWN, known);
  const random = randomNamespace("tensorflow.random");
  const tf: NamespaceValue = namespaceOf(
    "tensorflow",
    [
      ...OWN,
      ...ELEMENT_TYPES,
      ["keras", keras],
      ["nn", nn],
      ["math", math],
      ["linalg", math],
      ["random", random],
      ["image", ops.get("image") ?? unknown("tensorflow.image")],
      ["function", decorator],
      ["Variable", VARIABLE],
      ["newaxis", null],
      ["TensorShape", native("TensorShape", (_, a) => a.positional[0] ?? tuple([]))],
      ["__version__", "2.19.0"],
    ],
    (name) => known(name) ?? (name === "name_scope" ? native(name, () => null) : undefined),
  );
  return new Map<string, Value>([
    ["tensorflow", tf],
    ["tensorflow.nn", nn],
    ["tensorflow.math", math],
  ]);
}
