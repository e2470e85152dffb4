/** @file Core layers of Keras: dense, embedding, dropout, reshaping, lambda, and what only prepares data. */
import type { TensorValue } from "../values/value";
import { intOf, is } from "../values/inspect";
import { int, positional, tuple } from "../values/make";
import type { ClassValue, Value } from "../values/value";
import { torch, torchTensor } from "../arrays/support";
import { notUnderstood, raise, raiseConflict } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { axisOf, shapeOf } from "../torch/arguments";
import { tensorBinary } from "../torch/arithmetic";
import { einsum } from "../torch/operations/contractions";
import { embedding } from "../torch/operations/normalisation";
import { activate } from "./activations";
import { channelsFirst } from "./layout";
import { type KerasContext, kerasLayer, type KerasSpec, lastSize } from "./spec";

/** x @ kernel + bias over the last axis; the kernel is (in, out). */
export function dense(interpreter: Interpreter, x: TensorValue, kernel: TensorValue, bias: TensorValue | undefined): TensorValue {
  const b = interpreter.builder;
  const shape = shapeOf(interpreter, x);
  const inner = kernel.shape?.[0];
  if (inner !== undefined && shape.at(-1) !== inner)
    raiseConflict(`a dense layer with ${inner} inputs is applied to [${shape.join(", ")}]`, shape.at(-1) ?? 0, inner);
  const product = b.node("MatMul", [x, kernel]);
  return bias ? b.node("Add", [product, bias]) : product;
}

const REGULARISED = "kernel_regularizer bias_regularizer activity_regularizer kernel_constraint bias_constraint lora_rank";

/** The shape of the kernel of an EinsumDense, and that of its bias, from the equation and the sizes that are given. */
function einsumShapes(c: KerasContext, input: readonly number[]): { kernel: number[]; bias: number[] | undefined } {
  const equation = c.text("equation", "").replace(/\s+/g, "");
  const match = /^([a-zA-Z.]+),([a-zA-Z]+)->([a-zA-Z.]+)$/.exec(equation);
  if (!match) return notUnderstood(`the equation ${equation}`);
  const [, from, weights, to] = match as unknown as [string, string, string, string];
  const sizes = new Map<string, number>();
  const read = (term: string, shape: readonly (number | undefined)[]): void => {
    const [head = "", tail] = term.split("...");
    [...head].forEach((l, i) => {
      const d = shape[i];
      if (d !== undefined) sizes.set(l, d);
    });
    if (tail !== undefined)
      [...tail].reverse().forEach((l, i) => {
        const d = shape.at(-1 - i);
        if (d !== undefined) sizes.set(l, d);
      });
  };
  const given = c.value("output_shape");
  const output = (is(given, "tuple") || is(given, "list") ? given.items : [given]).map((v) => (is(v, "int") ? v.v : undefined));
  const letters = to.replace("...", "");
  const missing = letters.length - output.length;
  read(to.includes("...") ? to : to.slice(missing > 0 ? missing : 0), output);
  read(from, input);
  const size = (l: string): number => sizes.get(l) ?? notUnderstood(`the size of ${l} in ${equation}`);
  const axes = c.value("bias_axes");
  let bias: number[] | undefined;
  if (typeof axes === "string") {
    const first = Math.min(...[...axes].map((l) => letters.indexOf(l)));
    bias = [...letters.slice(first)].map((l) => (axes.includes(l) ? size(l) : 1));
  }
  return { kernel: [...weights].map(size), bias };
}

function reshapeTarget(c: KerasContext, shape: readonly number[]): number[] {
  const target = c.ints("target_shape") ?? [];
  const n = shape.slice(1).reduce((m, d) => m * d, 1);
  const known = target.reduce((m, d) => (d === -1 ? m : m * d), 1);
  if (known === 0 || n % known !== 0 || (!target.includes(-1) && known !== n))
    raise("ValueError", `[${shape.slice(1).join(", ")}] cannot be reshaped to [${target.join(", ")}]`);
  return [shape[0]!, ...target.map((d) => (d === -1 ? n / known : d))];
}

function dropout(c: KerasContext): Value {
  const training = c.training && c.number("rate", 0.5) > 0;
  return training ? torch(c.interpreter, "dropout", [c.x, c.value("rate"), true]) : c.x;
}

/** Layers that only change the data on its way in; with fixed or adapted numbers that do not train. */
const AUGMENTATION =
  "RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness RandomHue RandomSaturation AutoContrast";

/** Basic layers of Keras: dense, embedding, shapes, noise; `base` is keras.Layer. */
export function basicLayers(base: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const add = (name: string, spec: KerasSpec): void => {
    out.push(kerasLayer(base, name, spec));
  };
  add("Dense", {
    params: `units activation=None use_bias=True kernel_initializer=glorot_uniform bias_initializer=zeros ${REGULARISED}`,
    hint: () => ({ minimumRank: 2 }),
    build(c, shapes) {
      const units = c.int("units");
      c.weight("kernel", [lastSize(shapes), units]);
      if (c.bool("use_bias", true)) c.weight("bias", [units]);
    },
    call: (c) =>
      activate(c.interpreter, c.value("activation"), dense(c.interpreter, c.x, c.required("kernel"), c.variable("bias"))),
  });
  add("EinsumDense", {
    params: `equation output_shape activation=None bias_axes=None kernel_initializer=glorot_uniform bias_initializer=zeros ${REGULARISED}`,
    hint: (c) => ({ rank: (c.text("equation", "ab,bc->ac").split(",")[0] ?? "").replace("...", "ab").length }),
    build(c, shapes) {
      const { kernel, bias } = einsumShapes(c, shapes[0] ?? []);
      c.weight("kernel", kernel);
      if (bias) c.weight("bias", bias);
    },
    call(c) {
      const product = einsum(c.interpreter, c.text("equation", ""), [c.x, c.required("kernel")]);
      const bias = c.variable("bias");
      return activate(c.interpreter, c.value("activation"), bias ? c.builder.node("Add", [product, bias]) : product);
    },
  });
  add("Embedding", {
    params:
      "input_dim output_dim embeddings_initializer=uniform embeddings_regularizer embeddings_constraint mask_zero=False weights lora_rank",
    hint: () => ({ rank: 2, integer: true }),
    build(c) {
      c.weight("embeddings", [c.int("input_dim"), c.int("output_dim")]);
    },
    call(c) {
      if (c.bool("mask_zero", false)) c.interpreter.notes.add("sequences are taken as full: padding is not masked");
      c.builder.integerInput(c.x);
      return embedding(c.interpreter, c.x, c.required("embeddings"));
    },
  });
  add("Lambda", {
    params: "function output_shape mask arguments=None",
    inputs: "inputs mask",
    call(c) {
      const f = c.value("function");
      const given = c.value("arguments");
      const keywords = new Map<string, Value>();
      if (is(given, "dict")) for (const e of given.entries.values()) if (typeof e.key === "string") keywords.set(e.key, e.value);
      return call(c.interpreter, f, { positional: [c.value("inputs")], keywords });
    },
  });
  for (const name of ["Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "AlphaDropout"])
    add(name, { params: "rate noise_shape seed", inputs: "inputs training", call: dropout });
  add("GaussianNoise", { params: "stddev seed", inputs: "inputs training", call: (c) => c.x });
  for (const name of ["Identity", "ActivityRegularization"]) add(name, { params: "l1 l2", call: (c) => c.value("inputs") });
  for (const name of AUGMENTATION.split(" ")) add(name, { params: "factor", inputs: "inputs training", call: (c) => c.x });
  add("Flatten", {
    params: "data_format=channels_last",
    call(c) {
      const shape = shapeOf(c.interpreter, c.x);
      const x = c.channelsLast
        ? c.x
        : shape.length > 2
          ? c.builder.transpose(c.x, [0, ...shape.slice(2).map((_, i) => i + 2), 1])
          : c.x;
      return c.builder.reshape(x, [shape[0]!, shape.slice(1).reduce((m, d) => m * d, 1)]);
    },
  });
  add("Reshape", {
    params: "target_shape",
    call: (c) => c.builder.reshape(c.x, reshapeTarget(c, shapeOf(c.interpreter, c.x))),
  });
  add("Permute", {
    params: "dims",
    call(c) {
      const dims = c.ints("dims") ?? [];
      if (c.x.shape === undefined) c.builder.needShape(c.x, { rank: dims.length + 1 });
      return c.builder.transpose(c.x, [0, ...dims]);
    },
  });
  add("RepeatVector", {
    params: "n",
    hint: () => ({ rank: 2 }),
    call(c) {
      const [batch, width] = shapeOf(c.interpreter, c.x);
      return c.builder.node("Expand", [c.builder.unsqueeze(c.x, [1]), c.builder.ints([batch!, c.int("n"), width!])]);
    },
  });
  add("Rescaling", {
    params: "scale offset=0.0",
    call(c) {
      const scaled = tensorBinary(c.interpreter, "*", c.x, c.value("scale"));
      return tensorBinary(c.interpreter, "+", scaled, c.value("offset"));
    },
  });
  add("Normalization", {
    params: "axis=-1 mean=None variance=None invert=False",
    build(c, shapes) {
      // Adapted to data: frozen numbers of which nothing is known, one per entry of the axis.
      const axis = c.value("axis");
      const shape = shapes[0] ?? [];
      const n = axis === null ? 1 : (shape[axisOf(intOf(axis) ?? -1, shape.length)] ?? 1);
      c.statistic("adapted_mean", axis === null ? [] : [n]);
      c.statistic("adapted_variance", axis === null ? [] : [n]);
    },
    call(c) {
      const mean = c.required("adapted_mean");
      const variance = c.required("adapted_variance");
      const b = c.builder;
      return b.node("Div", [b.node("Sub", [c.x, mean]), b.node("Sqrt", [variance])]);
    },
  });
  for (const name of ["Resizing", "CenterCrop"])
    add(name, {
      params: "height width interpolation=bilinear crop_to_aspect_ratio=False",
      call(c) {
        const [h, w] = [c.int("height"), c.int("width")];
        const x = channelsFirst(c.interpreter, c.x);
        if (x.shape?.length !== 4 || name === "CenterCrop")
          return notUnderstood(`${name} of something that is not a batch of images`);
        const resized = torchTensor(c.interpreter, "interpolate", [x], {
          size: tuple([int(h), int(w)]),
          mode: c.text("interpolation", "bilinear"),
        });
        return c.builder.transpose(resized, [0, 2, 3, 1]);
      },
    });
  add("CategoryEncoding", {
    params: "num_tokens output_mode=multi_hot",
    call(c) {
      if (c.text("output_mode", "multi_hot") !== "one_hot") return notUnderstood("an encoding other than one-hot");
      return torch(c.interpreter, "one_hot", [c.builder.cast(c.x, "int64"), c.value("num_tokens")]);
    },
  });
  // Composes functions given in a list.
  add("Pipeline", {
    params: "layers",
    call(c) {
      let x = c.value("inputs");
      for (const f of iterate(c.interpreter, c.value("layers")) ?? []) x = call(c.interpreter, f, positional(x));
      return x;
    },
  });
  return out;
}
