/** @file Reductions over axes: ReduceSum to ReduceLogSumExp, ArgMax, ArgMin. */
import { type Node, numberAttribute } from "../graph/graph";
import type { Shape, Tensor } from "../graph/tensor";
import { zeroTangent } from "./factories";
import { keptSizes, rowsAlong } from "./kernels/rows";
import type { Operator } from "./operator";
import {
  type Known,
  axesOf,
  axisOf,
  elementType,
  fail,
  inputShape,
  knownConstants,
  knownInputs,
  listArgument,
  required,
  unknownShape,
} from "./rules";

/** A reduction of one row x[start, end), and its derivative along dx given the row's value y. */
interface Reducer {
  value(x: Float64Array, start: number, end: number): number;
  tangent(x: Float64Array, dx: Float64Array, start: number, end: number, y: number): number;
}

function rowSum(x: Float64Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += x[i]!;
  return sum;
}

function rowDot(x: Float64Array, y: Float64Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += x[i]! * y[i]!;
  return sum;
}

function rowMax(x: Float64Array, start: number, end: number): number {
  let best = Number.NEGATIVE_INFINITY;
  for (let i = start; i < end; i++) {
    const v = x[i]!;
    if (v > best || Number.isNaN(v)) best = v;
  }
  return best;
}

function rowMin(x: Float64Array, start: number, end: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = start; i < end; i++) {
    const v = x[i]!;
    if (v < best || Number.isNaN(v)) best = v;
  }
  return best;
}

/** The direction's component at the first place where the row takes its extreme value. */
function atExtreme(x: Float64Array, dx: Float64Array, start: number, end: number, y: number): number {
  for (let i = start; i < end; i++) if (x[i] === y) return dx[i]!;
  return 0;
}

const REDUCERS: Readonly<Record<string, Reducer>> = {
  ReduceSum: { value: rowSum, tangent: (_x, dx, start, end) => rowSum(dx, start, end) },
  ReduceMean: {
    value: (x, start, end) => rowSum(x, start, end) / (end - start),
    tangent: (_x, dx, start, end) => rowSum(dx, start, end) / (end - start),
  },
  ReduceMax: { value: rowMax, tangent: atExtreme },
  ReduceMin: { value: rowMin, tangent: atExtreme },
  ReduceProd: {
    value(x, start, end) {
      let product = 1;
      for (let i = start; i < end; i++) product *= x[i]!;
      return product;
    },
    // Forward mode of the running product, so that zeros in the row do no harm.
    tangent(x, dx, start, end) {
      let product = 1;
      let slope = 0;
      for (let i = start; i < end; i++) {
        slope = slope * x[i]! + product * dx[i]!;
        product *= x[i]!;
      }
      return slope;
    },
  },
  ReduceL1: {
    value(x, start, end) {
      let sum = 0;
      for (let i = start; i < end; i++) sum += Math.abs(x[i]!);
      return sum;
    },
    tangent(x, dx, start, end) {
      let sum = 0;
      for (let i = start; i < end; i++) sum += Math.sign(x[i]!) * dx[i]!;
      return sum;
    },
  },
  ReduceL2: {
    value: (x, start, end) => Math.sqrt(rowDot(x, x, start, end)),
    tangent: (x, dx, start, end, y) => (y === 0 ? 0 : rowDot(x, dx, start, end) / y),
  },
  ReduceSumSquare: {
    value: (x, start, end) => rowDot(x, x, start, end),
    tangent: (x, dx, start, end) => 2 * rowDot(x, dx, start, end),
  },
  ReduceLogSum: {
    value: (x, start, end) => Math.log(rowSum(x, start, end)),
    tangent: (x, dx, start, end) => rowSum(dx, start, end) / rowSum(x, start, end),
  },
  ReduceLogSumExp: {
    value(x, start, end) {
      const top = rowMax(x, start, end);
      if (!Number.isFinite(top)) return top;
      let sum = 0;
      for (let i = start; i < end; i++) sum += Math.exp(x[i]! - top);
      return top + Math.log(sum);
    },
    tangent(x, dx, start, end, y) {
      let sum = 0;
      for (let i = start; i < end; i++) sum += Math.exp(x[i]! - y) * dx[i]!;
      return sum;
    },
  },
};

/**
 * The axes that a Reduce* node reduces, counted from the front; an empty list leaves the tensor as it is
 * (noop_with_empty_axes). Undefined where the axes are an input of unknown value. Attribute up to opset 12 (ReduceSum) or
 * 17 (others), input later.
 */
export function reducedAxes(node: Node, rank: number, known: Known): number[] | undefined {
  const listed = listArgument(node, known, "axes", 1);
  if (listed === undefined) return undefined;
  if (listed === "absent" || listed.length === 0) {
    if (numberAttribute(node, "noop_with_empty_axes", 0) === 1) return [];
    return Array.from({ length: rank }, (_, axis) => axis);
  }
  const axes = axesOf(node, listed, rank);
  // Sorting allocates, and nearly all lists are in order.
  return axes.every((a, i) => i === 0 || axes[i - 1]! <= a) ? axes : axes.sort((a, b) => a - b);
}

/** Shape after reducing `axes`, which stay with size 1 under keepdims. */
function reducedShape(node: Node, shape: Shape, axes: ReadonlySet<number>): number[] {
  if (numberAttribute(node, "keepdims", 1) === 0) return keptSizes(shape, axes);
  return shape.map((size, axis) => (axes.has(axis) ? 1 : size));
}

function reduction(name: string, reducer: Reducer): Operator {
  /** A no-op reduction still applies its function to single elements (ReduceSumSquare of one element is its square). */
  const axesIn = (node: Node, x: Tensor, known: Known): Set<number> =>
    new Set(reducedAxes(node, x.shape.length, known) ?? fail(node, "the axes are not known"));
  return {
    name,
    infer(node, context) {
      const shape = inputShape(context, 0);
      const type = elementType(context, 0);
      if (shape === undefined) return [unknownShape(type)];
      const axes = reducedAxes(node, shape.length, knownConstants(node, context));
      return [axes === undefined ? unknownShape(type) : { type, shape: reducedShape(node, shape, new Set(axes)) }];
    },
    evaluate(node, inputs) {
      const x = required(node, inputs, 0);
      const axes = axesIn(node, x, knownInputs(inputs));
      const rows = rowsAlong(x.data, x.shape, axes);
      const data = new Float64Array(rows.count);
      for (let r = 0, at = 0; r < rows.count; r++, at += rows.length) data[r] = reducer.value(rows.data, at, at + rows.length);
      return [{ type: x.type, shape: reducedShape(node, x.shape, axes), data }];
    },
    tangent(node, inputs, y, dx) {
      const direction = dx[0];
      if (direction === undefined) return undefined;
      const x = required(node, inputs, 0);
      const axes = axesIn(node, x, knownInputs(inputs));
      const rows = rowsAlong(x.data, x.shape, axes);
      const moved = rowsAlong(direction.data, x.shape, axes);
      const data = new Float64Array(rows.count);
      for (let r = 0, at = 0; r < rows.count; r++, at += rows.length) {
        data[r] = reducer.tangent(rows.data, moved.data, at, at + rows.length, y.data[r]!);
      }
      return { type: y.type, shape: y.shape, data };
    },
  };
}

function argument(name: string, better: (a: number, b: number) => boolean): Operator {
  return {
    name,
    infer(node, context) {
      const shape = inputShape(context, 0);
      if (shape === undefined) return [unknownShape("int64")];
      const axis = axisOf(node, numberAttribute(node, "axis", 0), shape.length);
      return [{ type: "int64", shape: reducedShape(node, shape, new Set([axis])) }];
    },
    evaluate(node, inputs) {
      const x = required(node, inputs, 0);
      const axes = new Set([axisOf(node, numberAttribute(node, "axis", 0), x.shape.length)]);
      const last = numberAttribute(node, "select_last_index", 0) === 1;
      const rows = rowsAlong(x.data, x.shape, axes);
      const data = new Float64Array(rows.count);
      for (let r = 0; r < rows.count; r++) {
        const at = r * rows.length;
        let best = 0;
        for (let i = 1; i < rows.length; i++) {
          const v = rows.data[at + i]!;
          const top = rows.data[at + best]!;
          if (better(v, top) || (last && v === top)) best = i;
        }
        data[r] = best;
      }
      return [{ type: "int64", shape: reducedShape(node, x.shape, axes), data }];
    },
    tangent: zeroTangent,
  };
}

/** Reductions over axes. */
export const reductionOperators: readonly Operator[] = [
  ...Object.entries(REDUCERS).map(([name, reducer]) => reduction(name, reducer)),
  argument("ArgMax", (a, b) => a > b),
  argument("ArgMin", (a, b) => a < b),
];
