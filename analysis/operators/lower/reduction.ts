/** @file Reductions and softmaxes that others make up, all with their axes as a constant input and counted from the front. */
import { numberAttribute, numbersAttribute } from "../../graph/graph";
import { elementCount, scalar, type Shape } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { input, positive, range, reduce, reshape, shapeOf } from "./build";

interface Reduction {
  readonly x: string;
  readonly shape: Shape;
  readonly axes: readonly number[];
  readonly keepdims: number;
}

/** What a reduction node reduces, whichever way it says it; undefined where that is not known. */
function reduction(l: Lowering): Reduction | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (x === undefined || shape === undefined) return undefined;
  const keepdims = numberAttribute(l.node, "keepdims", 1);
  const attribute = numbersAttribute(l.node, "axes");
  const given = attribute === undefined ? input(l, 1) : undefined;
  const values = given === undefined ? attribute : l.constant(given)?.data;
  if (given !== undefined && values === undefined) return undefined;
  if (values === undefined || values.length === 0) {
    const none = numberAttribute(l.node, "noop_with_empty_axes", 0) === 1;
    return { x, shape, axes: none ? [] : range(0, shape.length), keepdims };
  }
  const axes = [...new Set(Array.from(values, (a) => positive(a, shape.length)))].sort((a, b) => a - b);
  return { x, shape, axes, keepdims };
}

/** Whether a reduction is written in the one form of the normal form: axes are an input, constant, rising, none negative. */
function isCanonical(l: Lowering): boolean {
  if (l.node.attributes["axes"] !== undefined) return false;
  const given = input(l, 1);
  const axes = given === undefined ? undefined : l.constant(given)?.data;
  if (axes === undefined || axes.length === 0) return false;
  for (let k = 0; k < axes.length; k++) if (axes[k]! < (k === 0 ? 0 : axes[k - 1]! + 1)) return false;
  return true;
}

/** ReduceMean, ReduceSum, ReduceMax, ReduceMin, ReduceProd and ReduceSumSquare in one form. */
export function lowerReduction(l: Lowering): readonly string[] | undefined {
  if (isCanonical(l)) return undefined;
  const r = reduction(l);
  if (r === undefined) return undefined;
  if (r.axes.length === 0) return l.node.operator === "ReduceSumSquare" ? [l.add("Mul", [r.x, r.x])] : [r.x];
  return [reduce(l, l.node.operator, r.x, r.axes, r.keepdims)];
}

/** A lowering of f(reduction of g(x)). */
function composed(inner: string | undefined, operator: string, outer: string | undefined) {
  return (l: Lowering): readonly string[] | undefined => {
    const r = reduction(l);
    if (r === undefined) return undefined;
    const x = inner === undefined ? r.x : l.add(inner, [r.x]);
    let y = x;
    if (r.axes.length > 0) y = reduce(l, operator, x, r.axes, r.keepdims);
    else if (operator === "ReduceSumSquare") y = l.add("Mul", [x, x]);
    return [outer === undefined ? y : l.add(outer, [y])];
  };
}

/** ReduceL1: the sum of absolute values. */
export const lowerReduceL1 = composed("Abs", "ReduceSum", undefined);
/** ReduceL2: the root of the sum of squares. */
export const lowerReduceL2 = composed(undefined, "ReduceSumSquare", "Sqrt");
/** ReduceLogSum: the logarithm of the sum. */
export const lowerReduceLogSum = composed(undefined, "ReduceSum", "Log");
/** ReduceLogSumExp: the logarithm of the sum of exponentials. */
export const lowerReduceLogSumExp = composed("Exp", "ReduceSum", "Log");

/**
 * Softmax (or Hardmax) over one axis counted from the front. Up to opset 12 the axes from `axis` on are flattened, which is
 * the same for the last axis and becomes Reshape, Softmax, Reshape elsewhere.
 */
function alongOneAxis(l: Lowering, operator: string): string | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (x === undefined || shape === undefined || shape.length === 0) return undefined;
  const flattens = l.opset < 13;
  const axis = positive(numberAttribute(l.node, "axis", flattens ? 1 : -1), shape.length);
  if (!flattens || (axis < shape.length && elementCount(shape.slice(axis + 1)) === 1)) {
    if (l.node.operator === operator && axis === l.node.attributes["axis"]) return undefined;
    return l.add(operator, [x], { axis });
  }
  const flat = reshape(l, x, [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))]);
  return reshape(l, l.add(operator, [flat], { axis: 1 }), shape);
}

/** Softmax over one axis. */
export function lowerSoftmax(l: Lowering): readonly string[] | undefined {
  const y = alongOneAxis(l, "Softmax");
  return y === undefined ? undefined : [y];
}

/** Hardmax over one axis: a one where the largest entry is. */
export function lowerHardmax(l: Lowering): readonly string[] | undefined {
  const y = alongOneAxis(l, "Hardmax");
  if (y !== undefined) return [y];
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  const axis = l.node.attributes["axis"];
  if (x === undefined || shape === undefined || typeof axis !== "number" || shape[axis] === undefined) return undefined;
  const depth = l.addConstant(scalar(shape[axis], "int64"));
  const values = l.addConstant({ type: l.type(x).type, shape: [2], data: Float64Array.of(0, 1) });
  return [l.add("OneHot", [l.add("ArgMax", [x], { axis, keepdims: 0 }), depth, values], { axis })];
}

/** LogSoftmax: the logarithm of Softmax. */
export function lowerLogSoftmax(l: Lowering): readonly string[] | undefined {
  const y = alongOneAxis(l, "Softmax");
  return y === undefined ? undefined : [l.add("Log", [y])];
}

/** CumSum along one axis: a product with a constant triangular matrix. */
export function lowerCumSum(l: Lowering): readonly string[] | undefined {
  const [x, axisInput] = l.node.inputs;
  const shape = shapeOf(l, x);
  const given = axisInput === undefined ? undefined : l.constant(axisInput)?.data[0];
  if (!x || !shape || given === undefined) return undefined;
  const axis = positive(given, shape.length);
  const n = shape[axis]!;
  if (n > 1024) return undefined;
  const exclusive = numberAttribute(l.node, "exclusive", 0);
  const reverse = numberAttribute(l.node, "reverse", 0) === 1;
  const data = new Float64Array(n * n);
  // y[j] = sum over i of x[i] data[i, j]
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const distance = reverse ? i - j : j - i;
      if (distance >= exclusive) data[i * n + j] = 1;
    }
  }
  const matrix = l.addConstant({ type: l.type(x).type, shape: [n, n], data });
  const last = shape.length - 1;
  if (axis === last) return [l.add("MatMul", [x, matrix])];
  const swap = range(0, shape.length);
  swap[axis] = last;
  swap[last] = axis;
  const moved = l.add("Transpose", [x], { perm: swap });
  return [l.add("Transpose", [l.add("MatMul", [moved, matrix])], { perm: swap })];
}
