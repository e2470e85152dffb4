/** @file Dense, convolution, embedding and normalisation layers of Flax. Kernels are (..., in, out), channels are last. */
import { torch, torchTensor } from "../arrays/support";
import { notUnderstood, raise } from "../evaluator/errors";
import { iterate } from "../evaluator/iterate";
import { call } from "../evaluator/functions";
import { dense } from "../keras/basic";
import { convolve } from "../keras/convolution";
import { channelsBack, channelsFirst } from "../keras/layout";
import { batchNormAlong, groupNormAlong, layerNormOver, rmsNormOver } from "../keras/normalisation";
import { axisOf, shapeOf } from "../torch/arguments";
import { einsum } from "../torch/operations/contractions";
import { embedding } from "../torch/operations/normalisation";
import { intOf, is } from "../values/inspect";
import { int, positional, tuple } from "../values/make";
import type { TensorValue, Value } from "../values/value";
import { type FlaxContext, type FlaxSpec, KERNEL, ONES, ZEROS } from "./context";

const MORE = "dtype param_dtype precision kernel_init bias_init";

/** Contraction of several axes with a kernel (in axes, out axes). */
function denseGeneral(c: FlaxContext, x: TensorValue): TensorValue {
  const b = c.builder;
  const i = c.interpreter;
  const shape = shapeOf(i, x);
  const axes = (c.ints("axis") ?? [-1]).map((d) => axisOf(d, shape.length));
  const features = c.ints("features") ?? c.ints("out_features") ?? [];
  const ins = axes.map((a) => shape[a]!);
  const rest = shape.map((_, k) => k).filter((k) => !axes.includes(k));
  const kernel = c.weight("kernel", [...ins, ...features], c.start("kernel_init", KERNEL));
  const bias = c.bool("use_bias", true) ? c.weight("bias", features, c.start("bias_init", ZEROS)) : undefined;
  const n = ins.reduce((p, d) => p * d, 1);
  const m = features.reduce((p, d) => p * d, 1);
  const outer = rest.map((k) => shape[k]!);
  const flat = b.reshape(b.transpose(x, [...rest, ...axes]), [...outer, n]);
  const product = b.node("MatMul", [flat, b.reshape(kernel, [n, m])]);
  const shifted = bias ? b.node("Add", [product, b.reshape(bias, [m])]) : product;
  return b.reshape(shifted, [...outer, ...features]);
}

function sizes(c: FlaxContext, name: string, spatial: number): number[] {
  return c.has(name) ? c.repeated(name, spatial, 1) : new Array<number>(spatial).fill(1);
}

function kernelSize(c: FlaxContext): number[] {
  return c.ints("kernel_size") ?? notUnderstood("the size of a kernel is not known");
}

/** `SAME`, `VALID`, `CAUSAL`, one number, or pairs. */
export function padding(c: FlaxContext, spatial: number): string | [number, number][] {
  const v = c.value("padding");
  if (typeof v === "string") return v.toLowerCase();
  const one = intOf(v);
  if (one !== undefined) return Array.from({ length: spatial }, () => [one, one]);
  const items = v === null ? [] : (iterate(c.interpreter, v) ?? notUnderstood("the padding is not known"));
  return items.map((p): [number, number] => {
    const n = intOf(p);
    if (n !== undefined) return [n, n];
    const [before, after] = p === null ? [] : (iterate(c.interpreter, p) ?? []).map(intOf);
    return before !== undefined && after !== undefined ? [before, after] : notUnderstood("the padding is not known");
  });
}

function conv(c: FlaxContext): TensorValue {
  const size = kernelSize(c);
  const spatial = size.length;
  const x = c.shaped({ rank: spatial + 2, channelsLast: true });
  const out = convolve(c.interpreter, channelsFirst(c.interpreter, x), c.required("kernel"), c.variable("bias"), {
    strides: sizes(c, "strides", spatial),
    dilations: sizes(c, "kernel_dilation", spatial),
    groups: c.int("feature_group_count", 1),
    padding: padding(c, spatial),
  });
  return channelsBack(c.interpreter, out);
}

/** lax.conv_transpose: the dilated input under an unflipped kernel. ONNX's own flips, so the kernel is flipped first. */
function convTranspose(c: FlaxContext): TensorValue {
  const b = c.builder;
  const size = kernelSize(c);
  const spatial = size.length;
  const x = c.shaped({ rank: spatial + 2, channelsLast: true });
  const strides = sizes(c, "strides", spatial);
  const mode = padding(c, spatial);
  if (c.bool("transpose_kernel", false)) return notUnderstood("a transposed convolution with transpose_kernel");
  const before: number[] = [];
  const after: number[] = [];
  const extra: number[] = [];
  size.forEach((k, i) => {
    const s = strides[i]!;
    let a: number;
    let total: number;
    if (typeof mode !== "string") return notUnderstood("a transposed convolution with pads of its own");
    if (mode === "same") {
      total = k + s - 2;
      a = s > k - 1 ? k - 1 : Math.ceil(total / 2);
    } else {
      total = k + s - 2 + Math.max(k - s, 0);
      a = k - 1;
    }
    before.push(k - 1 - a);
    const cut = k - 1 - (total - a);
    after.push(Math.max(cut, 0));
    extra.push(Math.max(-cut, 0));
  });
  const kernel = c.required("kernel");
  const axes = size.map((_, i) => i);
  const flipped = torchTensor(c.interpreter, "flip", [kernel, tuple(axes.map(int))]);
  const weight = b.transpose(flipped, [spatial, spatial + 1, ...axes]);
  const bias = c.variable("bias");
  const out = b.node(
    "ConvTranspose",
    bias ? [channelsFirst(c.interpreter, x), weight, bias] : [channelsFirst(c.interpreter, x), weight],
    {
      dilations: size.map(() => 1),
      group: 1,
      kernel_shape: size,
      output_padding: extra,
      pads: [...before, ...after],
      strides,
    },
  );
  return channelsBack(c.interpreter, out);
}

function buildConv(c: FlaxContext, groups: number): void {
  const n = c.width();
  const features = c.has("out_features") ? c.int("out_features") : c.int("features");
  if (n % groups !== 0) raise("ValueError", `${n} channels do not split into ${groups} groups`);
  c.weight("kernel", [...kernelSize(c), n / groups, features], c.start("kernel_init", KERNEL));
  if (c.bool("use_bias", true)) c.weight("bias", [features], c.start("bias_init", ZEROS));
}

/** Gain and shift of a norm. */
function gains(c: FlaxContext, size: readonly number[], withBias: boolean): void {
  if (c.bool("use_scale", true)) c.weight("scale", size, c.start("scale_init", ONES));
  if (withBias && c.bool("use_bias", true)) c.weight("bias", size, c.start("bias_init", ZEROS));
}

function over(c: FlaxContext, x: TensorValue): number[] {
  const rank = shapeOf(c.interpreter, x).length;
  return (c.ints("reduction_axes") ?? [-1]).map((d) => axisOf(d, rank)).sort((p, q) => p - q);
}

function sizesOver(c: FlaxContext): number[] {
  const axes = c.ints("feature_axes") ?? [-1];
  return axes.length === 1 ? [c.width()] : notUnderstood("a norm with several feature axes");
}

/** Whether a batch norm uses running statistics: what the call says, else the field; in training it does not. */
function running(c: FlaxContext): boolean {
  const said = c.value("use_running_average");
  return typeof said === "boolean" ? said : !c.interpreter.training;
}

/** Layers of Flax by name: linear, convolution, norms, embeddings, dropout. */
export const BASIC_LAYERS: readonly FlaxSpec[] = [
  {
    name: "Dense",
    params: `features use_bias=True ${MORE}`,
    build(c) {
      c.weight("kernel", [c.width(), c.int("features")], c.start("kernel_init", KERNEL));
      if (c.bool("use_bias", true)) c.weight("bias", [c.int("features")], c.start("bias_init", ZEROS));
    },
    call: (c) => dense(c.interpreter, c.shaped({ minimumRank: 2 }), c.required("kernel"), c.variable("bias")),
  },
  {
    name: "Linear",
    params: "",
    nnx: `in_features out_features use_bias=True ${MORE}`,
    widthField: "in_features",
    build(c) {
      c.weight("kernel", [c.width(), c.int("out_features")], c.start("kernel_init", KERNEL));
      if (c.bool("use_bias", true)) c.weight("bias", [c.int("out_features")], c.start("bias_init", ZEROS));
    },
    call(c) {
      const x = c.x;
      if (x.shape === undefined) c.builder.needShape(x, { minimumRank: 2, sizes: new Map([[-1, c.width()]]) });
      return dense(c.interpreter, x, c.required("kernel"), c.variable("bias"));
    },
  },
  {
    name: "DenseGeneral",
    params: `features axis=-1 batch_dims use_bias=True ${MORE}`,
    call: (c) => denseGeneral(c, c.shaped({ minimumRank: 3 })),
  },
  {
    name: "Einsum",
    params: "shape einsum_str=None use_bias=True dtype param_dtype precision kernel_init bias_init",
    inputs: "inputs einsum_str",
    call(c) {
      const equation = c.text("einsum_str", "").replace(/\s+/g, "");
      const kernel = c.weight("kernel", c.ints("shape") ?? [], c.start("kernel_init", KERNEL));
      const out = einsum(c.interpreter, equation, [c.x, kernel]);
      if (!c.bool("use_bias", true)) return out;
      // The bias has the kernel's axes that are left.
      const [, weights = "", to = ""] = /^[^,]*,([^-]*)->(.*)$/.exec(equation) ?? [];
      const letters = to.replace("...", "");
      const shape = [...letters].map((l) => (weights.includes(l) ? kernel.shape![weights.indexOf(l)]! : 1));
      const own = shape.filter((_, k) => weights.includes(letters[k]!));
      const bias = c.weight("bias", own, c.start("bias_init", ZEROS));
      return c.builder.node("Add", [out, c.builder.reshape(bias, shape)]);
    },
  },
  {
    name: "Conv",
    params: `features kernel_size strides=1 padding=SAME input_dilation=1 kernel_dilation=1 feature_group_count=1 use_bias=True mask ${MORE}`,
    nnx: `in_features out_features kernel_size strides=1 padding=SAME input_dilation=1 kernel_dilation=1 feature_group_count=1 use_bias=True mask ${MORE}`,
    widthField: "in_features",
    build(c) {
      if (c.int("feature_group_count", 1) > 0) buildConv(c, c.int("feature_group_count", 1));
    },
    call: conv,
  },
  {
    name: "ConvTranspose",
    params: `features kernel_size strides=1 padding=SAME kernel_dilation=1 use_bias=True mask ${MORE} transpose_kernel=False`,
    nnx: `in_features out_features kernel_size strides=1 padding=SAME kernel_dilation=1 use_bias=True mask ${MORE} transpose_kernel=False`,
    widthField: "in_features",
    build: (c) => buildConv(c, 1),
    call: convTranspose,
  },
  {
    name: "Embed",
    params: "num_embeddings features dtype param_dtype embedding_init",
    nnx: "num_embeddings features dtype param_dtype embedding_init",
    build(c) {
      c.weight("embedding", [c.int("num_embeddings"), c.int("features")], c.start("embedding_init", { scheme: "normal_" }));
    },
    call(c) {
      if (c.x.shape === undefined) c.builder.needShape(c.x, { rank: 2, integer: true });
      c.builder.integerInput(c.x);
      return embedding(c.interpreter, c.x, c.required("embedding"));
    },
    methods: {
      attend: {
        params: "query",
        run: (c) => c.builder.node("MatMul", [c.tensor("query"), c.builder.transpose(c.required("embedding"), [1, 0])]),
      },
    },
  },
  {
    name: "BatchNorm",
    params:
      "use_running_average=None axis=-1 momentum=0.99 epsilon=1e-5 dtype param_dtype use_bias=True use_scale=True bias_init scale_init",
    nnx: "num_features use_running_average=False axis=-1 momentum=0.99 epsilon=1e-5 dtype param_dtype use_bias=True use_scale=True bias_init scale_init",
    widthField: "num_features",
    inputs: "inputs use_running_average mask",
    build(c) {
      const n = [c.width()];
      gains(c, n, true);
      c.statistic("mean", n);
      c.statistic("var", n);
    },
    call: (c) =>
      batchNormAlong(c.interpreter, c.shaped({ minimumRank: 2 }), c.int("axis", -1), {
        gain: c.variable("scale"),
        shift: c.variable("bias"),
        mean: c.variable("mean"),
        variance: c.variable("var"),
        training: !running(c),
        momentum: c.number("momentum", 0.99),
        eps: c.number("epsilon", 1e-5),
      }),
  },
  {
    name: "LayerNorm",
    params: "epsilon=1e-6 dtype param_dtype use_bias=True use_scale=True bias_init scale_init reduction_axes=-1 feature_axes=-1",
    nnx: "num_features epsilon=1e-6 dtype param_dtype use_bias=True use_scale=True bias_init scale_init reduction_axes=-1 feature_axes=-1",
    widthField: "num_features",
    build: (c) => gains(c, sizesOver(c), true),
    call(c) {
      const x = c.shaped({ minimumRank: 2 });
      const axes = over(c, x);
      if (axes.length > 1 && (c.variable("scale") || c.variable("bias"))) return notUnderstood("a layer norm over several axes");
      return layerNormOver(c.interpreter, x, axes, c.variable("scale"), c.variable("bias"), c.number("epsilon", 1e-6));
    },
  },
  {
    name: "RMSNorm",
    params: "epsilon=1e-6 dtype param_dtype use_scale=True scale_init reduction_axes=-1 feature_axes=-1",
    nnx: "num_features epsilon=1e-6 dtype param_dtype use_scale=True scale_init reduction_axes=-1 feature_axes=-1",
    widthField: "num_features",
    build: (c) => gains(c, sizesOver(c), false),
    call(c) {
      const x = c.shaped({ minimumRank: 2 });
      return rmsNormOver(c.interpreter, x, over(c, x), c.variable("scale"), c.number("epsilon", 1e-6));
    },
  },
  ...(["GroupNorm", "InstanceNorm"] as const).map(
    (name): FlaxSpec => ({
      name,
      params: `${name === "GroupNorm" ? "num_groups=32 group_size=None " : ""}epsilon=1e-6 dtype param_dtype use_bias=True use_scale=True bias_init scale_init`,
      nnx: `num_features ${name === "GroupNorm" ? "num_groups=32 group_size=None " : ""}epsilon=1e-6 dtype param_dtype use_bias=True use_scale=True bias_init scale_init`,
      widthField: "num_features",
      build: (c) => gains(c, [c.width()], true),
      call(c) {
        const x = c.shaped({ minimumRank: 3, channelsLast: true });
        const n = shapeOf(c.interpreter, x).at(-1)!;
        const size = intOf(c.self.attributes.get("group_size"));
        const groups = name === "InstanceNorm" ? n : size !== undefined ? n / size : c.int("num_groups", 32);
        return groupNormAlong(c.interpreter, x, -1, groups, c.variable("scale"), c.variable("bias"), c.number("epsilon", 1e-6));
      },
    }),
  ),
  {
    name: "Dropout",
    params: "rate broadcast_dims deterministic=None rng_collection",
    nnx: "rate broadcast_dims deterministic=False rng_collection",
    inputs: "inputs deterministic rng rngs",
    call(c) {
      if (c.value("deterministic") === true || !c.interpreter.training) return c.value("inputs");
      const rate = c.value("rate");
      const x = c.value("inputs");
      if (!is(x, "tensor") || (is(rate, "float") && rate.v === 0)) return x;
      return torch(c.interpreter, "dropout", [x, rate, true]);
    },
  },
  {
    name: "Sequential",
    params: "layers",
    inputs: "inputs",
    call(c) {
      let x: Value = c.value("inputs");
      for (const f of iterate(c.interpreter, c.value("layers")) ?? []) {
        x = call(c.interpreter, f, is(x, "tuple") ? { positional: [...x.items], keywords: new Map() } : positional(x));
      }
      return x;
    },
  },
];
