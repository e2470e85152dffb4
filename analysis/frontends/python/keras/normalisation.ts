/** @file Normalisation layers of Keras. */
import { notUnderstood, raise } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { axisOf, shapeOf } from "../torch/arguments";
import { batchNorm, groupNorm, layerNorm } from "../torch/operations/normalisation";
import { like } from "../torch/operations/pointwise";
import { reduce } from "../torch/operations/reductions";
import { is } from "../values/inspect";
import type { ClassValue, TensorValue } from "../values/value";
import { channelsBack, channelsFirst } from "./layout";
import { type KerasContext, kerasLayer, type KerasSpec } from "./spec";

/** The axes that a normalisation keeps apart or runs over, sorted. */
function axes(c: KerasContext, rank: number, fallback: number): number[] {
  return (c.ints("axis") ?? [fallback]).map((d) => axisOf(d, rank)).sort((p, q) => p - q);
}

function sizesAt(c: KerasContext, shape: readonly number[], fallback: number): number[] {
  return axes(c, shape.length, fallback).map((i) => shape[i]!);
}

/** Batch normalisation along any axis: the channels are moved behind the batch and back. */
export function batchNormAlong(
  interpreter: Interpreter,
  x: TensorValue,
  axis: number,
  p: {
    readonly gain: TensorValue | undefined;
    readonly shift: TensorValue | undefined;
    readonly mean: TensorValue | undefined;
    readonly variance: TensorValue | undefined;
    readonly training: boolean;
    readonly momentum: number;
    readonly eps: number;
  },
): TensorValue {
  const shape = shapeOf(interpreter, x);
  const at = axisOf(axis, shape.length);
  const run = (t: TensorValue): TensorValue =>
    batchNorm(interpreter, t, {
      channels: shape[at]!,
      weight: p.gain,
      bias: p.shift,
      mean: p.mean,
      variance: p.variance,
      training: p.training,
      momentum: 1 - p.momentum,
      eps: p.eps,
    });
  if (shape.length === 1) return notUnderstood("batch normalisation of a vector");
  if (shape.length === 2 || at === 1) return run(x);
  return channelsBack(interpreter, run(channelsFirst(interpreter, x, at)), at);
}

/** Layer normalisation over given axes; over the last ones with ONNX's own operator. */
export function layerNormOver(
  interpreter: Interpreter,
  x: TensorValue,
  over: readonly number[],
  gain: TensorValue | undefined,
  shift: TensorValue | undefined,
  eps: number,
): TensorValue {
  const b = interpreter.builder;
  const shape = shapeOf(interpreter, x);
  const sizes = over.map((i) => shape[i]!);
  if (over.every((d, i) => d === shape.length - over.length + i)) return layerNorm(interpreter, x, sizes, gain, shift, eps);
  const centred = b.node("Sub", [x, reduce(b, "ReduceMean", x, over, true)]);
  const variance = reduce(b, "ReduceMean", b.node("Mul", [centred, centred]), over, true);
  let out = b.node("Div", [centred, b.node("Sqrt", [b.node("Add", [variance, like(b, x, eps)])])]);
  const spread = (t: TensorValue): TensorValue =>
    b.reshape(
      t,
      shape.map((d, i) => (over.includes(i) ? d : 1)),
    );
  if (gain) out = b.node("Mul", [out, spread(gain)]);
  if (shift) out = b.node("Add", [out, spread(shift)]);
  return out;
}

/** x / sqrt(mean(x^2) + eps) * gain over given axes. */
export function rmsNormOver(
  interpreter: Interpreter,
  x: TensorValue,
  over: readonly number[],
  gain: TensorValue | undefined,
  eps: number,
): TensorValue {
  const b = interpreter.builder;
  const shape = shapeOf(interpreter, x);
  const square = reduce(b, "ReduceMean", b.node("Mul", [x, x]), over, true);
  const out = b.node("Div", [x, b.node("Sqrt", [b.node("Add", [square, like(b, x, eps)])])]);
  if (!gain) return out;
  const last = over.every((d, i) => d === shape.length - over.length + i);
  return b.node("Mul", [
    out,
    last
      ? gain
      : b.reshape(
          gain,
          shape.map((d, i) => (over.includes(i) ? d : 1)),
        ),
  ]);
}

/** Group normalisation with the channels on any axis. */
export function groupNormAlong(
  interpreter: Interpreter,
  x: TensorValue,
  axis: number,
  groups: number,
  gain: TensorValue | undefined,
  shift: TensorValue | undefined,
  eps: number,
): TensorValue {
  const shape = shapeOf(interpreter, x);
  const at = axisOf(axis, shape.length);
  const n = groups === -1 ? shape[at]! : groups;
  const run = (t: TensorValue): TensorValue => groupNorm(interpreter, t, n, gain, shift, eps);
  if (shape.length < 3) {
    // Groups of a vector: a third axis of one entry.
    const b = interpreter.builder;
    return b.node("Squeeze", [run(b.unsqueeze(x, [2])), b.ints([2])]);
  }
  return at === 1 ? run(x) : channelsBack(interpreter, run(channelsFirst(interpreter, x, at)), at);
}

const COMMON =
  "beta_initializer=zeros gamma_initializer=ones beta_regularizer gamma_regularizer beta_constraint gamma_constraint moving_mean_initializer=zeros moving_variance_initializer=ones";

/** Normalisations of Keras; `base` is keras.Layer. */
export function normalisationLayers(base: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const add = (name: string, spec: KerasSpec): void => {
    out.push(kerasLayer(base, name, spec));
  };
  for (const name of ["BatchNormalization", "SyncBatchNormalization"])
    add(name, {
      params: `axis=-1 momentum=0.99 epsilon=0.001 center=True scale=True ${COMMON} synchronized=False`,
      inputs: "inputs training mask",
      hint: () => ({ minimumRank: 2 }),
      build(c, shapes) {
        const size = sizesAt(c, shapes[0] ?? [], -1);
        if (c.bool("scale", true)) c.weight("gamma", size);
        if (c.bool("center", true)) c.weight("beta", size);
        c.statistic("moving_mean", size);
        c.statistic("moving_variance", size);
      },
      call(c) {
        const x = c.x;
        const [axis, ...more] = axes(c, shapeOf(c.interpreter, x).length, -1);
        if (axis === undefined || more.length > 0) return notUnderstood("batch normalisation along several axes");
        const frozen = c.self.attributes.get("_trainable") === false;
        return batchNormAlong(c.interpreter, x, axis, {
          gain: c.variable("gamma"),
          shift: c.variable("beta"),
          mean: c.variable("moving_mean"),
          variance: c.variable("moving_variance"),
          training: c.training && !frozen,
          momentum: c.number("momentum", 0.99),
          eps: c.number("epsilon", 1e-3),
        });
      },
    });
  add("LayerNormalization", {
    params: `axis=-1 epsilon=0.001 center=True scale=True rms_scaling=False ${COMMON}`,
    hint: () => ({ minimumRank: 2 }),
    build(c, shapes) {
      const size = sizesAt(c, shapes[0] ?? [], -1);
      if (c.bool("scale", true) || c.bool("rms_scaling", false)) c.weight("gamma", size);
      if (c.bool("center", true) && !c.bool("rms_scaling", false)) c.weight("beta", size);
    },
    call(c) {
      const over = axes(c, shapeOf(c.interpreter, c.x).length, -1);
      if (c.bool("rms_scaling", false)) return notUnderstood("layer normalisation with rms_scaling");
      return layerNormOver(c.interpreter, c.x, over, c.variable("gamma"), c.variable("beta"), c.number("epsilon", 1e-3));
    },
  });
  add("RMSNormalization", {
    params: "axis=-1 epsilon=1e-6",
    hint: () => ({ minimumRank: 2 }),
    build(c, shapes) {
      c.put("scale_initializer", "ones");
      c.weight("scale", sizesAt(c, shapes[0] ?? [], -1));
    },
    call(c) {
      const over = axes(c, shapeOf(c.interpreter, c.x).length, -1);
      return rmsNormOver(c.interpreter, c.x, over, c.variable("scale"), c.number("epsilon", 1e-6));
    },
  });
  add("GroupNormalization", {
    params: `groups=32 axis=-1 epsilon=0.001 center=True scale=True ${COMMON}`,
    hint: () => ({ minimumRank: 3, channelsLast: true }),
    build(c, shapes) {
      const size = sizesAt(c, shapes[0] ?? [], -1);
      const groups = c.int("groups", 32);
      if (groups !== -1 && size[0]! % groups !== 0) raise("ValueError", `${size[0]} channels do not split into ${groups} groups`);
      if (c.bool("scale", true)) c.weight("gamma", size);
      if (c.bool("center", true)) c.weight("beta", size);
    },
    call: (c) =>
      groupNormAlong(
        c.interpreter,
        c.x,
        c.int("axis", -1),
        c.int("groups", 32),
        c.variable("gamma"),
        c.variable("beta"),
        c.number("epsilon", 1e-3),
      ),
  });
  add("UnitNormalization", {
    params: "axis=-1",
    call(c) {
      const b = c.builder;
      const over = axes(c, shapeOf(c.interpreter, c.x).length, -1);
      const sum = reduce(b, "ReduceSum", b.node("Mul", [c.x, c.x]), over, true);
      return b.node("Div", [c.x, b.node("Sqrt", [b.node("Max", [sum, like(b, sum, 1e-12)])])]);
    },
  });
  add("SpectralNormalization", {
    params: "layer power_iterations=1",
    call(c) {
      const layer = c.value("layer");
      return notUnderstood(is(layer, "instance") ? `spectral normalisation of ${layer.cls.name}` : "spectral normalisation");
    },
  });
  return out;
}
