/**
 * @file What lowerings are written with: small constructors of nodes in the one form that the normal form uses (the
 * standard operator set from version 18 on: axes, bounds and targets are constant inputs, not attributes).
 */
import { elementCount, type ElementType, int64Vector, isFloating, scalar, type Shape } from "../../graph/tensor";
import type { Builder, Lowering } from "../operator";

/** The shape of a value, undefined where it is unknown or the value is absent. */
export function shapeOf(l: Builder, value: string | undefined): Shape | undefined {
  return value === undefined || value === "" ? undefined : l.type(value).shape;
}

/** Input `index` of the node being lowered, undefined where it is absent. */
export function input(l: Lowering, index: number): string | undefined {
  const name = l.node.inputs[index];
  return name === undefined || name === "" ? undefined : name;
}

/** Whether somebody may read output `index` of the node being lowered. */
export function wants(l: Lowering, index: number): boolean {
  const name = l.node.outputs[index];
  return name !== undefined && name !== "";
}

/**
 * The values that take the place of the node's outputs, made on demand: an output that the node does not have, or that
 * nothing reads, is not built. The result has one entry per output of the node, "" for those.
 */
export function outputs(l: Lowering, ...make: readonly (() => string)[]): readonly string[] {
  return l.node.outputs.map((_, i) => (l.isUsed(i) ? (make[i]?.() ?? "") : ""));
}

/** The axis counted from the front. */
export function positive(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** The whole numbers from `from` up to, not including, `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

/** A constant int64 vector. */
export function ints(l: Builder, values: readonly number[]): string {
  return l.addConstant(int64Vector(values));
}

/** A constant scalar of the element type of another value (float32 where that is no floating type). */
export function scalarLike(l: Builder, like: string, value: number): string {
  const type: ElementType = l.type(like).type;
  return l.addConstant(scalar(value, isFloating(type) ? type : "float32"));
}

/** x times a number; x itself for 1. */
export function scaled(l: Builder, x: string, factor: number): string {
  return factor === 1 ? x : l.add("Mul", [x, scalarLike(l, x, factor)]);
}

/** x plus a number; x itself for 0. */
export function shifted(l: Builder, x: string, term: number): string {
  return term === 0 ? x : l.add("Add", [x, scalarLike(l, x, term)]);
}

/** x plus y where y is there. */
export function plus(l: Builder, x: string, y: string | undefined): string {
  return y === undefined ? x : l.add("Add", [x, y]);
}

/** x reshaped to a known shape. */
export function reshape(l: Builder, x: string, shape: Shape): string {
  return l.add("Reshape", [x, ints(l, shape)]);
}

/** x with its axes permuted: axis i of the result is axis `perm[i]` of x. */
export function transpose(l: Builder, x: string, perm: readonly number[]): string {
  return l.add("Transpose", [x], { perm });
}

/** Entries [start, end) of one axis of x. */
export function slice(l: Builder, x: string, axis: number, start: number, end: number): string {
  return l.add("Slice", [x, ints(l, [start]), ints(l, [end]), ints(l, [axis]), ints(l, [1])]);
}

/** Values joined along an axis; a single one is itself. */
export function concat(l: Builder, parts: readonly string[], axis: number): string {
  return parts.length === 1 ? parts[0]! : l.add("Concat", parts, { axis });
}

/** A reduction over the given axes (counted from the front), which stay as axes of size 1 unless told. */
export function reduce(l: Builder, operator: string, x: string, axes: readonly number[], keepdims = 1): string {
  return l.add(operator, [x, ints(l, axes)], { keepdims, noop_with_empty_axes: 0 });
}

/**
 * A vector of C entries, one per index of axis `axis` of a tensor of the given rank, reshaped so that it broadcasts:
 * [C, 1, ..] with as many ones as axes follow.
 */
export function perChannel(l: Builder, vector: string, rank: number, axis = 1): string {
  const after = rank - axis - 1;
  const shape = shapeOf(l, vector);
  if (after <= 0 || shape === undefined) return vector;
  return reshape(l, vector, [elementCount(shape), ...new Array<number>(after).fill(1)]);
}

/** Element-wise maximum with 0. */
export function relu(l: Builder, x: string): string {
  return l.add("Relu", [x]);
}

/** The exact Gaussian error linear unit, x (1 + erf(x / sqrt 2)) / 2. */
export function geluExact(l: Builder, x: string): string {
  const erf = l.add("Erf", [scaled(l, x, Math.SQRT1_2)]);
  return scaled(l, l.add("Mul", [x, shifted(l, erf, 1)]), 0.5);
}

/** The tanh form of the Gaussian error linear unit. */
export function geluTanh(l: Builder, x: string): string {
  const cube = l.add("Mul", [l.add("Mul", [x, x]), x]);
  const inner = scaled(l, l.add("Add", [x, scaled(l, cube, 0.044715)]), Math.sqrt(2 / Math.PI));
  return scaled(l, l.add("Mul", [x, shifted(l, l.add("Tanh", [inner]), 1)]), 0.5);
}

/** x sigmoid(alpha x). */
export function swish(l: Builder, x: string, alpha = 1): string {
  return l.add("Mul", [x, l.add("Sigmoid", [scaled(l, x, alpha)])]);
}
