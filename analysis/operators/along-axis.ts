/** @file Operators that work along one axis and keep it: Softmax and its kin, CumSum, TopK. */
import { type Node, numberAttribute } from "../graph/graph";
import type { Shape, Tensor } from "../graph/tensor";
import { elementCount } from "../graph/tensor";
import { linear, sameAsFirst } from "./factories";
import { fromRows, rowsAlong } from "./kernels/rows";
import type { Operator } from "./operator";
import { axisOf, elementType, fail, hasInput, inputShape, knownConstants, required, unknownShape } from "./rules";

/** A map of one row into another, and its derivative; both write out[at, at + n). */
interface RowMap {
  value(x: Float64Array, out: Float64Array, at: number, n: number): void;
  tangent(y: Float64Array, dx: Float64Array, out: Float64Array, at: number, n: number): void;
}

function softmaxRow(x: Float64Array, out: Float64Array, at: number, n: number): void {
  let top = Number.NEGATIVE_INFINITY;
  for (let i = at; i < at + n; i++) if (x[i]! > top) top = x[i]!;
  let sum = 0;
  for (let i = at; i < at + n; i++) {
    const e = Math.exp(x[i]! - top);
    out[i] = e;
    sum += e;
  }
  for (let i = at; i < at + n; i++) out[i] = out[i]! / sum;
}

const softmax: RowMap = {
  value: softmaxRow,
  tangent(y, dx, out, at, n) {
    let mean = 0;
    for (let i = at; i < at + n; i++) mean += y[i]! * dx[i]!;
    for (let i = at; i < at + n; i++) out[i] = y[i]! * (dx[i]! - mean);
  },
};

const logSoftmax: RowMap = {
  value(x, out, at, n) {
    let top = Number.NEGATIVE_INFINITY;
    for (let i = at; i < at + n; i++) if (x[i]! > top) top = x[i]!;
    let sum = 0;
    for (let i = at; i < at + n; i++) sum += Math.exp(x[i]! - top);
    const shift = top + Math.log(sum);
    for (let i = at; i < at + n; i++) out[i] = x[i]! - shift;
  },
  tangent(y, dx, out, at, n) {
    let mean = 0;
    for (let i = at; i < at + n; i++) mean += Math.exp(y[i]!) * dx[i]!;
    for (let i = at; i < at + n; i++) out[i] = dx[i]! - mean;
  },
};

const hardmax: RowMap = {
  value(x, out, at, n) {
    let best = at;
    for (let i = at; i < at + n; i++) {
      out[i] = 0;
      if (x[i]! > x[best]!) best = i;
    }
    if (n > 0) out[best] = 1;
  },
  tangent(_y, _dx, out, at, n) {
    out.fill(0, at, at + n);
  },
};

/**
 * The shape as which rows are taken, and the axis of the rows. Up to opset 12 the axes from `axis` on are flattened into
 * one (default axis 1); later only `axis` itself is meant (default -1).
 */
function rowShape(node: Node, shape: Shape, opset: number | undefined): { shape: Shape; axis: number } {
  if (opset === undefined || opset >= 13) {
    return { shape, axis: axisOf(node, numberAttribute(node, "axis", -1), shape.length) };
  }
  const written = numberAttribute(node, "axis", 1);
  const axis = written === shape.length ? written : axisOf(node, written, shape.length);
  return { shape: [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))], axis: 1 };
}

function alongAxis(name: string, map: RowMap): Operator {
  const apply = (
    node: Node,
    x: Tensor,
    opset: number | undefined,
    write: (rows: Float64Array, out: Float64Array, at: number, n: number) => void,
  ): Tensor => {
    if (x.shape.length === 0) return { ...apply({ ...node, attributes: {} }, { ...x, shape: [1] }, 13, write), shape: [] };
    const flat = rowShape(node, x.shape, opset);
    const rows = rowsAlong(x.data, flat.shape, new Set([flat.axis]));
    const out = new Float64Array(rows.data.length);
    for (let r = 0, at = 0; r < rows.count; r++, at += rows.length) write(rows.data, out, at, rows.length);
    return { type: x.type, shape: x.shape, data: fromRows(out, flat.shape, flat.axis) };
  };
  return {
    name,
    infer(node, context) {
      const shape = inputShape(context, 0);
      if (shape !== undefined && shape.length > 0) rowShape(node, shape, context.opset);
      return sameAsFirst(node, context);
    },
    evaluate: (node, inputs, opset) => [apply(node, required(node, inputs, 0), opset, map.value)],
    tangent(node, _x, y, dx, opset) {
      const direction = dx[0];
      if (direction === undefined || map === hardmax || y.shape.length === 0) return undefined;
      const flat = rowShape(node, y.shape, opset);
      const moved = rowsAlong(direction.data, flat.shape, new Set([flat.axis])).data;
      return apply(node, y, opset, (rows, out, at, n) => map.tangent(rows, moved, out, at, n));
    },
  };
}

const evaluateCumSum: NonNullable<Operator["evaluate"]> = (node, inputs) => {
  const x = required(node, inputs, 0);
  const axis = axisOf(node, required(node, inputs, 1).data[0] ?? 0, x.shape.length);
  const exclusive = numberAttribute(node, "exclusive", 0) === 1;
  const reverse = numberAttribute(node, "reverse", 0) === 1;
  const rows = rowsAlong(x.data, x.shape, new Set([axis]));
  const out = new Float64Array(rows.data.length);
  for (let r = 0, at = 0; r < rows.count; r++, at += rows.length) {
    let sum = 0;
    for (let i = 0; i < rows.length; i++) {
      const p = at + (reverse ? rows.length - 1 - i : i);
      if (exclusive) out[p] = sum;
      sum += rows.data[p]!;
      if (!exclusive) out[p] = sum;
    }
  }
  return [{ type: x.type, shape: x.shape, data: fromRows(out, x.shape, axis) }];
};

/** The number of elements TopK keeps: attribute up to opset 9, input later; undefined where unknown. */
function topKCount(node: Node, k: Tensor | undefined): number | undefined {
  if (!hasInput(node, 1)) return numberAttribute(node, "k", Number.NaN);
  return k?.data[0];
}

/** Per row the positions of the k largest (or smallest) elements, best first; equal ones in order of position. */
function topKPositions(
  node: Node,
  x: Tensor,
  axis: number,
  k: number,
): { rows: Float64Array; length: number; picks: Int32Array } {
  const rows = rowsAlong(x.data, x.shape, new Set([axis]));
  const sign = numberAttribute(node, "largest", 1) === 1 ? -1 : 1;
  const picks = new Int32Array(rows.count * k);
  const order = Array.from({ length: rows.length }, (_, i) => i);
  for (let r = 0; r < rows.count; r++) {
    const at = r * rows.length;
    order.sort((i, j) => sign * (rows.data[at + i]! - rows.data[at + j]!) || i - j);
    for (let i = 0; i < k; i++) picks[r * k + i] = order[i]!;
  }
  return { rows: rows.data, length: rows.length, picks };
}

function topKPlan(node: Node, inputs: readonly (Tensor | undefined)[]): { x: Tensor; axis: number; k: number; shape: number[] } {
  const x = required(node, inputs, 0);
  const axis = axisOf(node, numberAttribute(node, "axis", -1), x.shape.length);
  const k = topKCount(node, inputs[1]) ?? fail(node, "the number k of elements is not known");
  const shape = x.shape.map((size, i) => (i === axis ? k : size));
  return { x, axis, k, shape };
}

const topK: Operator = {
  name: "TopK",
  infer(node, context) {
    const type = elementType(context, 0);
    const shape = inputShape(context, 0);
    const k = topKCount(node, knownConstants(node, context)(1));
    if (shape === undefined || k === undefined) return [unknownShape(type), unknownShape("int64")];
    const axis = axisOf(node, numberAttribute(node, "axis", -1), shape.length);
    if (!(k >= 0 && k <= shape[axis]!)) fail(node, `k = ${k} is more than the ${shape[axis]} elements of axis ${axis}`);
    const out = shape.map((size, i) => (i === axis ? k : size));
    return [
      { type, shape: out },
      { type: "int64", shape: out },
    ];
  },
  evaluate(node, inputs) {
    const { x, axis, k, shape } = topKPlan(node, inputs);
    const { rows, length, picks } = topKPositions(node, x, axis, k);
    const values = new Float64Array(picks.length);
    for (let i = 0; i < picks.length; i++) values[i] = rows[Math.floor(i / k) * length + picks[i]!]!;
    return [
      { type: x.type, shape, data: fromRows(values, shape, axis) },
      { type: "int64", shape, data: fromRows(Float64Array.from(picks), shape, axis) },
    ];
  },
  tangent(node, inputs, y, dx) {
    const direction = dx[0];
    if (direction === undefined) return undefined;
    const { x, axis, k, shape } = topKPlan(node, inputs);
    const { length, picks } = topKPositions(node, x, axis, k);
    const moved = rowsAlong(direction.data, x.shape, new Set([axis])).data;
    const values = new Float64Array(picks.length);
    for (let i = 0; i < picks.length; i++) values[i] = moved[Math.floor(i / k) * length + picks[i]!]!;
    return { type: y.type, shape: y.shape, data: fromRows(values, shape, axis) };
  },
};

/** Operators along one axis. */
export const alongAxisOperators: readonly Operator[] = [
  alongAxis("Softmax", softmax),
  alongAxis("LogSoftmax", logSoftmax),
  alongAxis("Hardmax", hardmax),
  linear("CumSum", sameAsFirst, evaluateCumSum, [0]),
  topK,
];
