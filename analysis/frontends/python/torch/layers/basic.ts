/** @file Linear, embedding, convolution, pooling, dropout and reshaping layers. */
import { notUnderstood } from "../../evaluator/errors";
import { intOf, is } from "../../values/inspect";
import { float, int, native, positional, tuple } from "../../values/make";
import type { ClassValue, Value } from "../../values/value";
import { convolution, linear, transposedConvolution } from "../operations/contractions";
import { embedding } from "../operations/normalisation";
import { operations } from "../operations/index";
import { adaptivePool, adaptiveSize, pool } from "../operations/spatial";
import { resolveShape } from "../operations/views";
import { axisOf, shapeOf } from "../arguments";
import { findInClass } from "../../evaluator/attributes";
import { call } from "../../evaluator/functions";
import { functionNamed } from "../written";
import { DEFAULT, layerClass, LayerContext } from "./layer";

function ints(values: readonly number[]): Value {
  return tuple(values.map(int));
}

function numbers(v: Value): number[] {
  return is(v, "tuple") || is(v, "list") ? v.items.map((i) => intOf(i) ?? 0) : [intOf(v) ?? 0];
}

function initConvolution(c: LayerContext, spatial: number, transposed: boolean): void {
  const inputs = c.int("in_channels");
  const outputs = c.int("out_channels");
  const groups = c.int("groups", 1);
  const kernel = c.repeated("kernel_size", spatial, 1);
  c.put("in_channels", int(inputs));
  c.put("out_channels", int(outputs));
  c.put("groups", int(groups));
  c.put("kernel_size", ints(kernel));
  c.put("stride", ints(c.repeated("stride", spatial, 1)));
  const mode = c.value("padding");
  c.put("padding", typeof mode === "string" ? mode : ints(c.repeated("padding", spatial, 0)));
  c.put("dilation", ints(c.repeated("dilation", spatial, 1)));
  c.put("output_padding", ints(c.repeated("output_padding", spatial, 0)));
  c.put("padding_mode", c.text("padding_mode", "zeros"));
  c.put("transposed", transposed);
  const shape = transposed ? [inputs, outputs / groups, ...kernel] : [outputs, inputs / groups, ...kernel];
  c.parameter("weight", shape, DEFAULT);
  if (c.bool("bias", true)) c.parameter("bias", [outputs], DEFAULT);
  else c.put("bias", null);
}

function forwardConvolution(c: LayerContext, spatial: number): Value {
  // Subclasses may replace the step between the weights and the convolution.
  const own = findInClass(c.self.cls, "_conv_forward");
  if (is(own, "function")) {
    return call(
      c.interpreter,
      own,
      positional(c.self, c.value("input"), c.weight("weight") ?? c.tensor("weight"), c.weight("bias") ?? null),
    );
  }
  return plainConvolution(c, spatial);
}

function plainConvolution(c: LayerContext, spatial: number, given?: { weight: Value; bias: Value }): Value {
  const padding = c.attribute("padding");
  const weight = is(given?.weight, "tensor") ? given.weight : (c.weight("weight") ?? c.tensor("weight"));
  const bias = given ? (is(given.bias, "tensor") ? given.bias : undefined) : c.weight("bias");
  return convolution(c.interpreter, c.tensor("input"), weight, bias, spatial, {
    stride: numbers(c.attribute("stride")),
    padding: padding === "same" || padding === "valid" ? padding : numbers(padding),
    dilation: numbers(c.attribute("dilation")),
    groups: intOf(c.attribute("groups")) ?? 1,
    paddingMode: typeof c.attribute("padding_mode") === "string" ? (c.attribute("padding_mode") as string) : "zeros",
  });
}

/** Runs an operation with attributes of the layer as its arguments. */
export function functional(c: LayerContext, operation: string, attributes: string): Value {
  const keywords = new Map<string, Value>();
  for (const n of attributes.split(" ").filter((p) => p !== "")) {
    const v = c.attribute(n);
    if (v !== null) keywords.set(n, v);
  }
  const callable = operations.callable(operation);
  if (!callable) return notUnderstood(`${operation} is not in the tables`);
  c.interpreter.calls--;
  return callable.call(c.interpreter, { positional: [c.value("input")], keywords });
}

/** Basic layers of torch.nn: linear, embedding, convolution, pooling, padding, dropout, shapes; `module` is torch.nn.Module. */
export function basicLayers(module: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const add = (name: string, spec: Parameters<typeof layerClass>[2]): ClassValue => {
    const cls = layerClass(module, name, spec);
    out.push(cls);
    return cls;
  };

  const linearSpec: Parameters<typeof layerClass>[2] = {
    params: "in_features out_features bias device dtype",
    init(c) {
      const inputs = c.int("in_features");
      const outputs = c.int("out_features");
      c.put("in_features", int(inputs));
      c.put("out_features", int(outputs));
      c.parameter("weight", [outputs, inputs], DEFAULT);
      if (c.bool("bias", true)) c.parameter("bias", [outputs], DEFAULT);
      else c.put("bias", null);
    },
    forward: (c) => linear(c.interpreter, c.tensor("input"), c.weight("weight") ?? c.tensor("weight"), c.weight("bias")),
  };
  const linearClass = add("Linear", linearSpec);
  add("NonDynamicallyQuantizableLinear", { ...linearSpec, base: linearClass });
  add("LazyLinear", {
    ...linearSpec,
    params: "out_features bias device dtype",
    init: (c) => c.keep("out_features bias", { bias: true }),
    forward(c) {
      if (!c.weight("weight")) {
        const outputs = intOf(c.attribute("out_features")) ?? notUnderstood("the size of a lazy layer is not known");
        const x = shapeOf(c.interpreter, c.tensor("input"));
        const hasBias = c.attribute("bias") !== false;
        c.parameter("weight", [outputs, x.at(-1)!], DEFAULT);
        if (hasBias) c.parameter("bias", [outputs], DEFAULT);
        else c.put("bias", null);
      }
      return linear(c.interpreter, c.tensor("input"), c.weight("weight")!, c.weight("bias"));
    },
  });
  add("Bilinear", {
    params: "in1_features in2_features out_features bias device dtype",
    init(c) {
      c.keep("in1_features in2_features out_features");
      c.parameter("weight", [c.int("out_features"), c.int("in1_features"), c.int("in2_features")], DEFAULT);
      if (c.bool("bias", true)) c.parameter("bias", [c.int("out_features")], DEFAULT);
      else c.put("bias", null);
    },
    inputs: "input1 input2",
    forward(c) {
      const callable = operations.callable("bilinear")!;
      return callable.call(c.interpreter, {
        positional: [c.value("input1"), c.value("input2"), c.attribute("weight"), c.attribute("bias")],
        keywords: new Map(),
      });
    },
  });
  add("Embedding", {
    params: "num_embeddings embedding_dim padding_idx max_norm norm_type scale_grad_by_freq sparse _weight _freeze device dtype",
    init(c) {
      c.keep("num_embeddings embedding_dim padding_idx");
      c.parameter("weight", [c.int("num_embeddings"), c.int("embedding_dim")], { scheme: "normal_", std: 1 });
    },
    forward: (c) => embedding(c.interpreter, c.tensor("input"), c.weight("weight") ?? c.tensor("weight")),
  });
  add("EmbeddingBag", {
    params: "num_embeddings embedding_dim max_norm norm_type scale_grad_by_freq mode",
    init(c) {
      c.keep("num_embeddings embedding_dim mode", { mode: "mean" });
      c.parameter("weight", [c.int("num_embeddings"), c.int("embedding_dim")], { scheme: "normal_", std: 1 });
    },
    inputs: "input offsets per_sample_weights",
    forward(c) {
      const options = new Map<string, Value>([["mode", c.attribute("mode") ?? null]]);
      for (const name of ["offsets", "per_sample_weights"]) if (c.has(name)) options.set(name, c.value(name));
      const bag = functionNamed(c.interpreter, "embedding_bag")!;
      return call(c.interpreter, bag, { positional: [c.tensor("input"), c.weight("weight")!], keywords: options });
    },
  });

  for (const spatial of [1, 2, 3]) {
    const plain = add(`Conv${spatial}d`, {
      params: "in_channels out_channels kernel_size stride padding dilation groups bias padding_mode device dtype",
      init: (c) => initConvolution(c, spatial, false),
      forward: (c) => forwardConvolution(c, spatial),
    });
    plain.attributes.set(
      "_conv_forward",
      native("_conv_forward", (i, a) => {
        const [self, input, weight, bias] = a.positional;
        if (!is(self, "instance")) return notUnderstood("_conv_forward without a layer");
        const c = new LayerContext(i, self, ["input"], { positional: [input ?? null], keywords: new Map() });
        return plainConvolution(c, spatial, { weight: weight ?? null, bias: bias ?? null });
      }),
    );
    add(`ConvTranspose${spatial}d`, {
      params: "in_channels out_channels kernel_size stride padding output_padding groups bias dilation padding_mode device dtype",
      init: (c) => initConvolution(c, spatial, true),
      inputs: "input output_size",
      forward: (c) =>
        transposedConvolution(c.interpreter, c.tensor("input"), c.weight("weight")!, c.weight("bias"), spatial, {
          stride: numbers(c.attribute("stride")),
          padding: numbers(c.attribute("padding")),
          outputPadding: numbers(c.attribute("output_padding")),
          dilation: numbers(c.attribute("dilation")),
          groups: intOf(c.attribute("groups")) ?? 1,
        }),
    });
    const pooling = (kind: "MaxPool" | "AveragePool"): Parameters<typeof layerClass>[2] => ({
      params:
        kind === "MaxPool"
          ? "kernel_size stride padding dilation return_indices ceil_mode"
          : "kernel_size stride padding ceil_mode count_include_pad divisor_override",
      init: (c) => c.keep("kernel_size stride padding dilation return_indices ceil_mode count_include_pad"),
      forward(c) {
        for (const n of ["kernel_size", "stride", "padding", "dilation", "ceil_mode", "count_include_pad"]) {
          const v = c.attribute(n);
          if (v !== null) c.set(n, v);
        }
        if (c.attribute("return_indices") === true) return notUnderstood("max pooling with indices");
        return pool(c, kind, c.tensor("input"), spatial);
      },
    });
    add(`MaxPool${spatial}d`, pooling("MaxPool"));
    add(`AvgPool${spatial}d`, pooling("AveragePool"));
    const adaptive = (kind: "Max" | "Average"): Parameters<typeof layerClass>[2] => ({
      params: "output_size",
      init: (c) => c.keep("output_size"),
      forward(c) {
        c.set("output_size", c.attribute("output_size"));
        return adaptivePool(c, kind, c.tensor("input"), spatial, adaptiveSize(c, spatial));
      },
    });
    add(`AdaptiveAvgPool${spatial}d`, adaptive("Average"));
    add(`AdaptiveMaxPool${spatial}d`, adaptive("Max"));
    for (const [name, mode] of [
      ["ReflectionPad", "reflect"],
      ["ReplicationPad", "replicate"],
      ["ConstantPad", "constant"],
      ["ZeroPad", "constant"],
      ["CircularPad", "circular"],
    ] as const) {
      add(`${name}${spatial}d`, {
        params: "padding value",
        init(c) {
          c.put("pad", ints(c.repeated("padding", 2 * spatial, 0)));
          c.put("padding", c.attribute("pad"));
          c.put("mode", mode);
          c.put("value", c.has("value") ? c.value("value") : float(0));
        },
        forward(c) {
          const x = c.tensor("input");
          if (x.shape === undefined) c.builder.needShape(x, { rank: spatial + 2 });
          return functional(c, "pad", "pad mode value");
        },
      });
    }
  }

  for (const name of ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]) {
    add(name, {
      params: "p inplace",
      init: (c) => c.keep("p inplace", { p: float(0.5) }),
      forward: (c) => functional(c, "dropout", "p inplace"),
    });
  }
  add("Identity", { params: "", init: () => undefined, forward: (c) => c.value("input") });
  add("Flatten", {
    params: "start_dim end_dim",
    init: (c) => c.keep("start_dim end_dim", { start_dim: int(1), end_dim: int(-1) }),
    forward: (c) => functional(c, "flatten", "start_dim end_dim"),
  });
  add("Unflatten", {
    params: "dim unflattened_size",
    init: (c) => c.keep("dim unflattened_size"),
    forward(c) {
      const x = c.tensor("input");
      const shape = shapeOf(c.interpreter, x);
      const axis = axisOf(intOf(c.attribute("dim")) ?? 1, shape.length);
      const inner = resolveShape([shape[axis]!], numbers(c.attribute("unflattened_size")));
      return c.builder.reshape(x, [...shape.slice(0, axis), ...inner, ...shape.slice(axis + 1)]);
    },
  });
  add("Upsample", {
    params: "size scale_factor mode align_corners",
    init: (c) => c.keep("size scale_factor mode align_corners", { mode: "nearest" }),
    forward(c) {
      const x = c.tensor("input");
      if (x.shape === undefined) c.builder.needShape(x, { rank: 4 });
      return functional(c, "interpolate", "size scale_factor mode align_corners");
    },
  });
  add("UpsamplingNearest2d", {
    params: "size scale_factor",
    init: (c) => c.keep("size scale_factor"),
    forward: (c) => functional(c, "interpolate", "size scale_factor"),
  });
  add("UpsamplingBilinear2d", {
    params: "size scale_factor",
    init(c) {
      c.keep("size scale_factor");
      c.put("mode", "bilinear");
      c.put("align_corners", true);
    },
    forward: (c) => functional(c, "interpolate", "size scale_factor mode align_corners"),
  });
  add("PixelShuffle", {
    params: "upscale_factor",
    init: (c) => c.keep("upscale_factor"),
    forward: (c) => functional(c, "pixel_shuffle", "upscale_factor"),
  });
  add("PixelUnshuffle", {
    params: "downscale_factor",
    init: (c) => c.keep("downscale_factor"),
    forward: (c) => functional(c, "pixel_unshuffle", "downscale_factor"),
  });
  add("ChannelShuffle", {
    params: "groups",
    init: (c) => c.keep("groups"),
    forward: (c) => functional(c, "channel_shuffle", "groups"),
  });
  add("Unfold", {
    params: "kernel_size dilation padding stride",
    init: (c) => c.keep("kernel_size dilation padding stride"),
    forward: (c) => functional(c, "im2col", "kernel_size dilation padding stride"),
  });
  add("Fold", {
    params: "output_size kernel_size dilation padding stride",
    init: (c) => c.keep("output_size kernel_size dilation padding stride"),
    forward: (c) => functional(c, "fold", "output_size kernel_size dilation padding stride"),
  });
  add("CosineSimilarity", {
    params: "dim eps",
    init: (c) => c.keep("dim eps", { dim: int(1), eps: float(1e-8) }),
    inputs: "input other",
    forward(c) {
      const callable = operations.callable("cosine_similarity")!;
      return callable.call(c.interpreter, {
        positional: [c.value("input"), c.value("other"), c.attribute("dim"), c.attribute("eps")],
        keywords: new Map(),
      });
    },
  });
  return out;
}
