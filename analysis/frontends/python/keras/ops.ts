/** @file keras.ops: array functions under Keras's names, and convolutions, pooling and attention as functions. */
import { arrays } from "../arrays/index";
import { ELEMENT_TYPES, torchTensor } from "../arrays/support";
import { notUnderstood } from "../evaluator/errors";
import { counted, type Reader, shapeOf } from "../torch/arguments";
import { namespaceOf } from "../values/namespaces";
import { is } from "../values/inspect";
import { int, native, tuple } from "../values/make";
import type { NamespaceValue, TensorValue, Value } from "../values/value";
import { activationEntries } from "./activations";
import { softmaxAttention } from "./attention";
import { convolve } from "./convolution";
import { channelsBack, channelsFirst } from "./layout";
import { layerNormOver, rmsNormOver } from "./normalisation";
import { poolWindows } from "./pooling";

/** Names of keras.ops -> names of the array table. */
const RENAMED: Readonly<Record<string, string>> = {
  leaky_relu: "leaky_relu_02",
  absolute: "absolute",
  inner: "inner",
  eye: "eye",
  identity: "identity_matrix",
};

/** `ops.conv(inputs, kernel, strides, padding, data_format, dilation_rate)`. */
const CONVOLUTIONS: readonly [string, Value][] = [
  counted("conv", "inputs kernel strides padding data_format dilation_rate", (a) => {
    const x = a.tensor("inputs");
    const kernel = a.tensor("kernel");
    const spatial = shapeOf(a.interpreter, kernel).length - 2;
    if (a.text("data_format", "channels_last") !== "channels_last") return notUnderstood("ops.conv with channels first");
    const inputs = kernel.shape![spatial]!;
    const channels = shapeOf(a.interpreter, x).at(-1)!;
    const out = convolve(a.interpreter, channelsFirst(a.interpreter, x), kernel, undefined, {
      strides: a.repeated("strides", spatial, 1),
      dilations: a.repeated("dilation_rate", spatial, 1),
      groups: channels / inputs,
      padding: a.text("padding", "valid").toLowerCase(),
    });
    return channelsBack(a.interpreter, out);
  }),
  ...(["max_pool", "average_pool"] as const).map((name) =>
    counted(name, "inputs pool_size strides padding data_format", (a) => {
      const x = a.tensor("inputs");
      const spatial = shapeOf(a.interpreter, x).length - 2;
      if (a.text("data_format", "channels_last") !== "channels_last") return notUnderstood("ops pooling with channels first");
      const size = a.repeated("pool_size", spatial, 1);
      const strides = a.has("strides") ? a.repeated("strides", spatial, 1) : size;
      const kind = name === "max_pool" ? "MaxPool" : "AveragePool";
      return channelsBack(
        a.interpreter,
        poolWindows(a, kind, channelsFirst(a.interpreter, x), size, strides, a.text("padding", "valid")),
      );
    }),
  ),
  counted("dot_product_attention", "query key value bias mask scale is_causal", (a) => {
    const b = a.builder;
    // (batch, steps, heads, size) in and out.
    const [q, k, v] = (["query", "key", "value"] as const).map((n) => {
      const t = a.tensor(n);
      if (t.shape === undefined) b.needShape(t, { rank: 4 });
      return b.transpose(t, [0, 2, 1, 3]);
    });
    const mask = a.optionalTensor("mask");
    const bias = a.optionalTensor("bias");
    const { output } = softmaxAttention(a.interpreter, q!, k!, v!, {
      scale: a.has("scale") ? a.number("scale") : 1 / Math.sqrt(q!.shape!.at(-1)!),
      causal: a.bool("is_causal", false),
      ...(mask ? { mask } : {}),
      ...(bias ? { bias } : {}),
    });
    return b.transpose(output, [0, 2, 1, 3]);
  }),
  counted("layer_normalization", "x gamma beta axis epsilon", (a) => {
    const x = a.tensor("x");
    const rank = shapeOf(a.interpreter, x).length;
    const over = (a.ints("axis") ?? [-1]).map((d) => (d < 0 ? d + rank : d));
    const eps = a.has("epsilon") ? a.number("epsilon") : 1e-3;
    return layerNormOver(a.interpreter, x, over, a.optionalTensor("gamma"), a.optionalTensor("beta"), eps);
  }),
  counted("rms_normalization", "x scale axis epsilon", (a) => {
    const x = a.tensor("x");
    const rank = shapeOf(a.interpreter, x).length;
    const over = (a.ints("axis") ?? [-1]).map((d) => (d < 0 ? d + rank : d));
    return rmsNormOver(a.interpreter, x, over, a.optionalTensor("scale"), a.has("epsilon") ? a.number("epsilon") : 1e-6);
  }),
];

/** `ops.image.resize(images, size)`. */
const IMAGE = namespaceOf("keras.ops.image", [
  counted("resize", "images size interpolation", (a) => {
    const x = channelsFirst(a.interpreter, a.tensor("images"));
    const size = a.ints("size") ?? [];
    if (shapeOf(a.interpreter, x).length !== 4) return notUnderstood("resizing of something that is not a batch of images");
    const mode = a.text("interpolation", a.text("method", "bilinear"));
    const out = torchTensor(a.interpreter, "interpolate", [x], { size: tuple(size.map(int)), mode });
    return a.builder.transpose(out, [0, 2, 3, 1]);
  }),
  counted("extract_patches", "images size strides dilation_rate padding", (a) => {
    // TensorFlow's own has sizes and strides with batch and channels.
    const own = a.has("sizes");
    const inner = (name: string): number[] => (a.ints(name) ?? []).slice(1, -1);
    const size = own ? inner("sizes") : a.repeated("size", 2, 1);
    const strides = own ? inner("strides") : a.has("strides") ? a.repeated("strides", 2, 1) : size;
    return extractPatches(a, size, strides, a.text("padding", "valid"));
  }),
]);

/** Patches of images, as `ops.image.extract_patches` and TensorFlow's function of that name lay them out: (row, column, channel). */
function extractPatches(a: Reader, size: readonly number[], strides: readonly number[], padding: string): TensorValue {
  const b = a.builder;
  const x = a.tensor("images");
  if (x.shape === undefined) b.needShape(x, { rank: 4, channelsLast: true });
  const [n, h, w, c] = shapeOf(a.interpreter, x) as [number, number, number, number];
  const [p, q] = size as [number, number];
  if (strides.some((s, i) => s !== size[i]) || padding.toLowerCase() !== "valid")
    return notUnderstood("patches that overlap or are padded");
  const [rows, columns] = [Math.floor(h / p), Math.floor(w / q)];
  let whole = x;
  if (rows * p !== h) whole = b.slice(whole, 1, 0, rows * p);
  if (columns * q !== w) whole = b.slice(whole, 2, 0, columns * q);
  const apart = b.transpose(b.reshape(whole, [n, rows, p, columns, q, c]), [0, 1, 3, 2, 4, 5]);
  return b.reshape(apart, [n, rows, columns, p * q * c]);
}

/** The namespace keras.ops (and, with fewer names, keras.backend of old). */
export function opsNamespace(): NamespaceValue {
  const activations = new Map(activationEntries());
  const out: NamespaceValue = namespaceOf("keras.ops", [...CONVOLUTIONS, ["image", IMAGE], ...ELEMENT_TYPES], (name) => {
    if (name === "numpy" || name === "nn" || name === "linalg" || name === "math" || name === "core") return out;
    if (name === "stop_gradient") return native(name, (_, a) => a.positional[0] ?? null);
    const known = RENAMED[name];
    return (known !== undefined ? arrays.callable(known) : undefined) ?? activations.get(name) ?? arrays.callable(name);
  });
  return out;
}

/** Draws of keras.random: `normal(shape, mean, stddev)`; dropout is the layer's. */
export function randomNamespace(name: string): NamespaceValue {
  const draw = (scheme: string): Value | undefined => arrays.callable(`random_${scheme}`);
  return namespaceOf(name, [["SeedGenerator", native("SeedGenerator", () => null)]], (member) => {
    if (member === "dropout") return native(member, (_, a) => a.positional[0] ?? null);
    if (member === "stateless_normal") return draw("normal");
    return draw(member);
  });
}

/** Whether a value is a tensor. */
export const isTensor = native("is_tensor", (_, a) => is(a.positional[0], "tensor"));
