/** @file Convolutions of Keras: kernels are (spatial, in, out), data has its channels last unless told otherwise. */
import { notUnderstood, raise, raiseConflict } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { shapeOf } from "../torch/arguments";
import type { ClassValue, TensorValue } from "../values/value";
import { activate } from "./activations";
import { channelsBack, channelsFirst, samePads } from "./layout";
import { type KerasContext, kerasLayer, type KerasSpec } from "./spec";

const REGULARISED =
  "kernel_initializer=glorot_uniform bias_initializer=zeros kernel_regularizer bias_regularizer activity_regularizer kernel_constraint bias_constraint";

/** A convolution of a tensor with channels first by a kernel (spatial, in / groups, out). */
export function convolve(
  interpreter: Interpreter,
  x: TensorValue,
  kernel: TensorValue,
  bias: TensorValue | undefined,
  options: {
    readonly strides: readonly number[];
    readonly dilations: readonly number[];
    readonly groups: number;
    readonly padding: string | readonly (readonly [number, number])[];
  },
): TensorValue {
  const b = interpreter.builder;
  const spatial = (kernel.shape?.length ?? 2) - 2;
  const shape = shapeOf(interpreter, x);
  if (shape.length !== spatial + 2)
    raise("ValueError", `a ${spatial}-d convolution is applied to a tensor of rank ${shape.length}`);
  const size = kernel.shape!.slice(0, spatial);
  const inputs = kernel.shape![spatial]! * options.groups;
  if (shape[1] !== inputs) raiseConflict(`a convolution of ${inputs} channels is applied to ${shape[1]}`, shape[1]!, inputs);
  const weight = b.transpose(kernel, [spatial + 1, spatial, ...size.map((_, i) => i)]);
  const { strides, dilations, padding } = options;
  let before = size.map(() => 0);
  let after = before;
  if (typeof padding !== "string") {
    before = padding.map((p) => p[0]);
    after = padding.map((p) => p[1]);
  } else if (padding === "same") ({ before, after } = samePads(shape.slice(2), size, strides, dilations));
  else if (padding === "causal") before = size.map((k, i) => (k - 1) * dilations[i]!);
  else if (padding !== "valid") return notUnderstood(`padding ${padding}`);
  shape.slice(2).forEach((n, i) => {
    const reach = (size[i]! - 1) * dilations[i]! + 1;
    const room = n + before[i]! + after[i]!;
    if (reach > room) raiseConflict(`a kernel of ${reach} does not fit an axis of ${room}`, room, reach);
  });
  return b.node("Conv", bias ? [x, weight, bias] : [x, weight], {
    dilations,
    group: options.groups,
    kernel_shape: size,
    pads: [...before, ...after],
    strides,
  });
}

function channelAxis(c: KerasContext): number {
  return c.channelsLast ? -1 : 1;
}

/** Runs on channels first, and gives back the layout that came in. */
export function inChannelsFirst(c: KerasContext, x: TensorValue, run: (x: TensorValue) => TensorValue): TensorValue {
  if (!c.channelsLast) return run(x);
  return channelsBack(c.interpreter, run(channelsFirst(c.interpreter, x)));
}

function hint(c: KerasContext, spatial: number): ReturnType<NonNullable<KerasSpec["hint"]>> {
  const channelsLast = c.channelsLast;
  return { rank: spatial + 2, channelsLast };
}

function channels(c: KerasContext, shapes: readonly (readonly number[])[]): number {
  return shapes[0]?.at(channelAxis(c)) ?? notUnderstood("the number of channels is not known");
}

function options(c: KerasContext, spatial: number, groups: number): Parameters<typeof convolve>[4] {
  return {
    strides: c.repeated("strides", spatial, 1),
    dilations: c.repeated("dilation_rate", spatial, 1),
    groups,
    padding: c.text("padding", "valid").toLowerCase(),
  };
}

function finish(c: KerasContext, x: TensorValue): TensorValue {
  return activate(c.interpreter, c.value("activation"), x);
}

/** (spatial, in, multiplier) -> (spatial, 1, in * multiplier), as a grouped convolution wants it. */
function depthwiseKernel(c: KerasContext, kernel: TensorValue): TensorValue {
  const shape = kernel.shape!;
  const [inputs, times] = shape.slice(-2);
  return c.builder.reshape(kernel, [...shape.slice(0, -2), 1, inputs! * times!]);
}

/** Pads of the transposed convolution that undo "same" and "valid" as TensorFlow has them, from the output's end. */
function transposedOptions(c: KerasContext, spatial: number, size: readonly number[]): { pads: number[]; extra: number[] } {
  const strides = c.repeated("strides", spatial, 1);
  const dilations = c.repeated("dilation_rate", spatial, 1);
  const same = c.text("padding", "valid").toLowerCase() === "same";
  if (c.has("output_padding")) return notUnderstood("a transposed convolution with output_padding");
  const reach = size.map((k, i) => (k - 1) * dilations[i]! + 1);
  // Full output: (n - 1) * s + reach. Wanted: n * s for "same", n * s + max(reach - s, 0) for "valid".
  const before: number[] = [];
  const after: number[] = [];
  const extra: number[] = [];
  reach.forEach((k, i) => {
    const s = strides[i]!;
    const cut = same ? k - s : Math.min(k - s, 0);
    before.push(cut > 0 ? Math.floor(cut / 2) : 0);
    after.push(cut > 0 ? cut - Math.floor(cut / 2) : 0);
    extra.push(cut < 0 ? -cut : 0);
  });
  return { pads: [...before, ...after], extra };
}

/** Convolutions of Keras; `base` is keras.Layer. */
export function convolutionLayers(base: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const add = (names: readonly string[], spec: KerasSpec): void => {
    for (const name of names) out.push(kerasLayer(base, name, spec));
  };
  for (const spatial of [1, 2, 3]) {
    const d = `${spatial}D`;
    add([`Conv${d}`, `Convolution${d}`], {
      params: `filters kernel_size strides=1 padding=valid data_format=channels_last dilation_rate=1 groups=1 activation=None use_bias=True ${REGULARISED}`,
      hint: (c) => hint(c, spatial),
      build(c, shapes) {
        const n = channels(c, shapes);
        const groups = c.int("groups", 1);
        const filters = c.int("filters");
        if (n % groups !== 0) raise("ValueError", `${n} channels do not split into ${groups} groups`);
        c.weight("kernel", [...c.repeated("kernel_size", spatial, 1), n / groups, filters]);
        if (c.bool("use_bias", true)) c.weight("bias", [filters]);
      },
      call: (c) =>
        finish(
          c,
          inChannelsFirst(c, c.x, (x) =>
            convolve(c.interpreter, x, c.required("kernel"), c.variable("bias"), options(c, spatial, c.int("groups", 1))),
          ),
        ),
    });
    add([`Conv${d}Transpose`, `Convolution${d}Transpose`], {
      params: `filters kernel_size strides=1 padding=valid output_padding=None data_format=channels_last dilation_rate=1 activation=None use_bias=True ${REGULARISED}`,
      hint: (c) => hint(c, spatial),
      build(c, shapes) {
        const filters = c.int("filters");
        c.weight("kernel", [...c.repeated("kernel_size", spatial, 1), filters, channels(c, shapes)]);
        if (c.bool("use_bias", true)) c.weight("bias", [filters]);
      },
      call(c) {
        const kernel = c.required("kernel");
        const bias = c.variable("bias");
        const size = kernel.shape!.slice(0, spatial);
        const { pads, extra } = transposedOptions(c, spatial, size);
        // Keras's (spatial, out, in) -> ONNX's (in, out, spatial).
        const weight = c.builder.transpose(kernel, [spatial + 1, spatial, ...size.map((_, i) => i)]);
        return finish(
          c,
          inChannelsFirst(c, c.x, (x) =>
            c.builder.node("ConvTranspose", bias ? [x, weight, bias] : [x, weight], {
              dilations: c.repeated("dilation_rate", spatial, 1),
              group: 1,
              kernel_shape: size,
              output_padding: extra,
              pads,
              strides: c.repeated("strides", spatial, 1),
            }),
          ),
        );
      },
    });
    if (spatial === 3) continue;
    add([`DepthwiseConv${d}`], {
      params: `kernel_size strides=1 padding=valid depth_multiplier=1 data_format=channels_last dilation_rate=1 activation=None use_bias=True depthwise_initializer=glorot_uniform bias_initializer=zeros`,
      hint: (c) => hint(c, spatial),
      build(c, shapes) {
        const n = channels(c, shapes);
        const times = c.int("depth_multiplier", 1);
        c.weight("kernel", [...c.repeated("kernel_size", spatial, 1), n, times], "depthwise_initializer");
        if (c.bool("use_bias", true)) c.weight("bias", [n * times]);
      },
      call(c) {
        const kernel = c.required("kernel");
        const groups = kernel.shape!.at(-2)!;
        return finish(
          c,
          inChannelsFirst(c, c.x, (x) =>
            convolve(c.interpreter, x, depthwiseKernel(c, kernel), c.variable("bias"), options(c, spatial, groups)),
          ),
        );
      },
    });
    add([`SeparableConv${d}`, `SeparableConvolution${d}`], {
      params: `filters kernel_size strides=1 padding=valid data_format=channels_last dilation_rate=1 depth_multiplier=1 activation=None use_bias=True depthwise_initializer=glorot_uniform pointwise_initializer=glorot_uniform bias_initializer=zeros`,
      hint: (c) => hint(c, spatial),
      build(c, shapes) {
        const n = channels(c, shapes);
        const times = c.int("depth_multiplier", 1);
        const filters = c.int("filters");
        c.weight("depthwise_kernel", [...c.repeated("kernel_size", spatial, 1), n, times], "depthwise_initializer");
        c.weight("pointwise_kernel", [...new Array<number>(spatial).fill(1), n * times, filters], "pointwise_initializer");
        if (c.bool("use_bias", true)) c.weight("bias", [filters]);
      },
      call(c) {
        const kernel = c.required("depthwise_kernel");
        const one = new Array<number>(spatial).fill(1);
        return finish(
          c,
          inChannelsFirst(c, c.x, (x) => {
            const deep = convolve(
              c.interpreter,
              x,
              depthwiseKernel(c, kernel),
              undefined,
              options(c, spatial, kernel.shape!.at(-2)!),
            );
            const plain = { strides: one, dilations: one, groups: 1, padding: "valid" };
            return convolve(c.interpreter, deep, c.required("pointwise_kernel"), c.variable("bias"), plain);
          }),
        );
      },
    });
  }
  return out;
}
