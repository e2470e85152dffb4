/** @file The values of normalisations in float64, computed directly: what their lowered forms are tested against. */
import { type Node, numberAttribute, numbersAttribute } from "../../graph/graph";
import { elementCount, type Shape, strides, type Tensor } from "../../graph/tensor";
import type { Operator } from "../operator";

const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const range = (from: number, to: number): number[] => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

/** Mean and mean square deviation over some axes, one number per remaining index, and where each element belongs. */
interface Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  /** Index into the above of each element of x. */
  readonly cell: Int32Array;
  /** Shape with the reduced axes at size 1. */
  readonly shape: number[];
}

/** For each element of a tensor, its index in the tensor whose given axes are reduced to size 1. */
function cells(shape: Shape, axes: readonly number[]): { cell: Int32Array; shape: number[] } {
  const reduced = shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const step = strides(reduced).map((s, i) => (axes.includes(i) ? 0 : s));
  const cell = new Int32Array(elementCount(shape));
  const index = new Array<number>(shape.length).fill(0);
  let at = 0;
  for (let k = 0; k < cell.length; k++) {
    cell[k] = at;
    for (let a = shape.length - 1; a >= 0; a--) {
      at += step[a]!;
      if (++index[a]! < shape[a]!) break;
      at -= step[a]! * shape[a]!;
      index[a] = 0;
    }
  }
  return { cell, shape: reduced };
}

function moments(x: Tensor, axes: readonly number[], centred = true): Moments {
  const { cell, shape } = cells(x.shape, axes);
  const n = elementCount(shape);
  const count = x.data.length / n;
  const mean = new Float64Array(n);
  const variance = new Float64Array(n);
  if (centred) {
    for (let k = 0; k < cell.length; k++) mean[cell[k]!]! += x.data[k]!;
    for (let i = 0; i < n; i++) mean[i]! /= count;
  }
  for (let k = 0; k < cell.length; k++) variance[cell[k]!]! += (x.data[k]! - mean[cell[k]!]!) ** 2;
  for (let i = 0; i < n; i++) variance[i]! /= count;
  return { mean, variance, cell, shape };
}

/** (x - mean) / sqrt(variance + epsilon), cell by cell. */
function standardised(x: Tensor, m: Moments, epsilon: number): Float64Array {
  return x.data.map((v, k) => (v - m.mean[m.cell[k]!]!) / Math.sqrt(m.variance[m.cell[k]!]! + epsilon));
}

/** data * gain + shift in place, with the gain and shift of element k at index `at(k)`. */
function affine(
  data: Float64Array,
  at: (k: number) => number,
  gain: Tensor | undefined,
  shift: Tensor | undefined,
): Float64Array {
  for (let k = 0; k < data.length; k++) {
    if (gain !== undefined) data[k]! *= gain.data[at(k)]!;
    if (shift !== undefined) data[k]! += shift.data[at(k)]!;
  }
  return data;
}

/** Index of axis 1 of element k of a tensor. */
function channelOf(shape: Shape): (k: number) => number {
  const inner = elementCount(shape.slice(2));
  return (k) => Math.floor(k / inner) % shape[1]!;
}

function like(x: Tensor, data: Float64Array, shape: Shape = x.shape): Tensor {
  return { type: x.type, shape: [...shape], data };
}

function required(node: Node, inputs: readonly (Tensor | undefined)[], index: number): Tensor {
  const x = inputs[index];
  if (x === undefined) throw new Error(`${node.operator}: input ${index} is missing`);
  return x;
}

/** Value of the operator of this name. */
export function evaluateBatchNormalization(
  node: Node,
  inputs: readonly (Tensor | undefined)[],
  opset = Number.POSITIVE_INFINITY,
): Tensor[] {
  const [x, scale, shift, mean, variance] = [0, 1, 2, 3, 4].map((i) => required(node, inputs, i)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const epsilon = numberAttribute(node, "epsilon", 1e-5);
  const channel = channelOf(x.shape);
  const training = opset < 14 ? (node.outputs[1] ?? "") !== "" : numberAttribute(node, "training_mode", 0) === 1;
  if (!training) {
    const data = x.data.map((v, k) => (v - mean.data[channel(k)]!) / Math.sqrt(variance.data[channel(k)]! + epsilon));
    return [like(x, affine(data, channel, scale, shift))];
  }
  const m = moments(x, [0, ...range(2, x.shape.length)]);
  const momentum = numberAttribute(node, "momentum", 0.9);
  const running = (old: Tensor, batch: Float64Array) =>
    like(
      old,
      old.data.map((v, i) => v * momentum + batch[i]! * (1 - momentum)),
    );
  return [
    like(x, affine(standardised(x, m, epsilon), channel, scale, shift)),
    running(mean, m.mean),
    running(variance, m.variance),
    like(mean, m.mean),
    like(variance, m.variance),
  ].slice(0, Math.max(1, node.outputs.length));
}

/** Value of the operator of this name. */
export function evaluateInstanceNormalization(node: Node, inputs: readonly (Tensor | undefined)[]): Tensor[] {
  const x = required(node, inputs, 0);
  const m = moments(x, range(2, x.shape.length));
  const data = standardised(x, m, numberAttribute(node, "epsilon", 1e-5));
  return [like(x, affine(data, channelOf(x.shape), required(node, inputs, 1), required(node, inputs, 2)))];
}

/** Value of the operator of this name. */
export function evaluateGroupNormalization(node: Node, inputs: readonly (Tensor | undefined)[], opset = 21): Tensor[] {
  const [x, scale, shift] = [0, 1, 2].map((i) => required(node, inputs, i)) as [Tensor, Tensor, Tensor];
  const groups = numberAttribute(node, "num_groups", 1);
  const [batch, channels, ...space] = x.shape as [number, number, ...number[]];
  const grouped = like(x, x.data, [batch, groups, channels / groups, ...space]);
  const data = standardised(grouped, moments(grouped, range(2, grouped.shape.length)), numberAttribute(node, "epsilon", 1e-5));
  const perGroup = opset < 21 && scale.data.length === groups;
  return [like(x, affine(data, channelOf(perGroup ? grouped.shape : x.shape), scale, shift))];
}

/** Layer norm and RMS norm over the axes from `axis` on; the gain broadcasts from the right. */
function evaluateOverTrailingAxes(
  node: Node,
  x: Tensor,
  gain: Tensor | undefined,
  shift: Tensor | undefined,
  axis: number,
  centred: boolean,
  fallback: number,
): { y: Tensor; mean: Tensor; inverse: Tensor } {
  const axes = range(positive(axis, x.shape.length), x.shape.length);
  const m = moments(x, axes, centred);
  const epsilon = numberAttribute(node, "epsilon", fallback);
  const y = standardised(x, m, epsilon);
  for (const [p, apply] of [
    [gain, (a: number, b: number) => a * b],
    [shift, (a: number, b: number) => a + b],
  ] as const) {
    if (p === undefined) continue;
    const padded = [...new Array<number>(x.shape.length - p.shape.length).fill(1), ...p.shape];
    const { cell } = cells(
      x.shape,
      range(0, x.shape.length).filter((a) => padded[a] === 1 && x.shape[a] !== 1),
    );
    for (let k = 0; k < y.length; k++) y[k] = apply(y[k]!, p.data[cell[k]!]!);
  }
  const inverse = m.variance.map((v) => 1 / Math.sqrt(v + epsilon));
  return { y: like(x, y), mean: like(x, m.mean, m.shape), inverse: like(x, inverse, m.shape) };
}

function sum(a: Tensor, b: Tensor | undefined): Tensor {
  // Skip connections have the same shape, biases that of the last axis: either repeats along the data.
  return b === undefined
    ? a
    : like(
        a,
        a.data.map((v, k) => v + b.data[k % b.data.length]!),
      );
}

/** Values of SkipLayerNormalization, and of its simplified form. */
export function evaluateSkip(simplified: boolean): NonNullable<Operator["evaluate"]> {
  return (node, inputs) => {
    const total = sum(sum(required(node, inputs, 0), inputs[1]), inputs[simplified ? 3 : 4]);
    const shift = simplified ? undefined : inputs[3];
    const r = evaluateOverTrailingAxes(node, total, inputs[2], shift, -1, !simplified, 1e-12);
    const mean = simplified ? evaluateOverTrailingAxes(node, total, undefined, undefined, -1, true, 0).mean : r.mean;
    return [r.y, mean, r.inverse, total].slice(0, node.outputs.length);
  };
}

/** Value of the operator of this name. */
export function evaluateLpNormalization(node: Node, inputs: readonly (Tensor | undefined)[]): Tensor[] {
  const x = required(node, inputs, 0);
  const p = numberAttribute(node, "p", 2);
  const { cell, shape } = cells(x.shape, [positive(numberAttribute(node, "axis", -1), x.shape.length)]);
  const sums = new Float64Array(elementCount(shape));
  for (let k = 0; k < cell.length; k++) sums[cell[k]!]! += p === 1 ? Math.abs(x.data[k]!) : x.data[k]! ** 2;
  return [
    like(
      x,
      x.data.map((v, k) => v / (p === 1 ? sums[cell[k]!]! : Math.sqrt(sums[cell[k]!]!))),
    ),
  ];
}

/** Value of the operator of this name. */
export function evaluateMeanVarianceNormalization(node: Node, inputs: readonly (Tensor | undefined)[]): Tensor[] {
  const x = required(node, inputs, 0);
  const axes = (numbersAttribute(node, "axes") ?? [0, 2, 3]).map((a) => positive(a, x.shape.length));
  const m = moments(x, axes);
  return [
    like(
      x,
      x.data.map((v, k) => (v - m.mean[m.cell[k]!]!) / (Math.sqrt(m.variance[m.cell[k]!]!) + 1e-9)),
    ),
  ];
}

/** Value of LayerNormalization. */
export const evaluateLayerNormalization: NonNullable<Operator["evaluate"]> = (node, inputs) => {
  const axis = numberAttribute(node, "axis", -1);
  const r = evaluateOverTrailingAxes(node, required(node, inputs, 0), inputs[1], inputs[2], axis, true, 1e-5);
  return [r.y, r.mean, r.inverse].slice(0, node.outputs.length);
};

/** Value of RMSNormalization and SimplifiedLayerNormalization. */
export const evaluateRmsNormalization: NonNullable<Operator["evaluate"]> = (node, inputs) => {
  const axis = numberAttribute(node, "axis", -1);
  const r = evaluateOverTrailingAxes(node, required(node, inputs, 0), inputs[1], undefined, axis, false, 1e-5);
  return [r.y, r.inverse].slice(0, node.outputs.length);
};
