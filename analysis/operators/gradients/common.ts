/** @file What gradient rules share: sums over broadcast axes, zeros, moves of axes. */
import { elementCount, int64Vector, isFloating, scalar, type Shape } from "../../graph/tensor";
import { ints, range, reduce, reshape, transpose } from "../lower/build";
import type { Builder, Gradient, Operator } from "../operator";

/** A column of the operator table. */
export type GradientRule = NonNullable<Operator["gradient"]>;

/** Whether two shapes are equal. */
export function equalShapes(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** The only gradient of a node with one output. */
export function only(g: Gradient): string {
  const dy = g.dy[0];
  if (dy === undefined || g.dy.some((d, k) => k > 0 && d !== undefined)) {
    throw new Error("a gradient flows into an output other than the first, which the rule does not cover");
  }
  return dy;
}

/** x summed over the axes along which `shape` was broadcast to the shape of x. */
export function unbroadcast(g: Gradient, x: string, shape: Shape): string {
  const from = g.shape(x);
  if (equalShapes(from, shape)) return x;
  const lead = from.length - shape.length;
  const axes = range(0, from.length).filter((i) => i < lead || (shape[i - lead] === 1 && from[i] !== 1));
  const summed = axes.length === 0 ? x : reduce(g, "ReduceSum", x, axes, lead > 0 ? 0 : 1);
  return equalShapes(g.shape(summed), shape) ? summed : reshape(g, summed, shape);
}

/** x expanded to a shape. */
export function expandTo(g: Gradient, x: string, shape: Shape): string {
  return equalShapes(g.shape(x), shape) ? x : g.add("Expand", [x, ints(g, shape)]);
}

/** A scalar of the floating type of another value. */
export function number(g: Builder, like: string, value: number): string {
  const { type } = g.type(like);
  return g.addConstant(scalar(value, isFloating(type) ? type : "float32"));
}

/** Zeros of a shape, made at run time. */
export function zeros(g: Gradient, like: string, shape: Shape): string {
  return g.add("Expand", [number(g, like, 0), ints(g, shape)]);
}

/** From this many entries on a product with a mask is faster than ONNX Runtime's Where, which makes three passes. */
const LARGE = 16_384;

/** dy where a condition holds, else 0. */
export function where(g: Gradient, condition: string, dy: string): string {
  const shape = g.shape(condition);
  const isLarge = elementCount(shape) >= LARGE && equalShapes(shape, g.shape(dy));
  return isLarge ? g.add("Mul", [dy, mask(g, condition, dy)]) : g.add("Where", [condition, dy, number(g, dy, 0)]);
}

/** 1 where a condition holds, else 0, in the type of another value. */
export function mask(g: Gradient, condition: string, like: string): string {
  return g.add("CastLike", [condition, like]);
}

/** Axis `axis` moved to the front, and the permutation that moves it back. */
export function toFront(g: Gradient, x: string, axis: number): { readonly value: string; readonly back: readonly number[] } {
  const rank = g.shape(x).length;
  if (axis === 0) return { value: x, back: range(0, rank) };
  const perm = [axis, ...range(0, rank).filter((a) => a !== axis)];
  const back = new Array<number>(rank);
  perm.forEach((from, to) => {
    back[from] = to;
  });
  return { value: transpose(g, x, perm), back };
}

/** A slice of several axes with strides. */
export function sliceAxes(
  g: Builder,
  x: string,
  axes: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
  steps: readonly number[],
): string {
  return g.add("Slice", [x, ints(g, starts), ints(g, ends), ints(g, axes), ints(g, steps)]);
}

/** x with zeros (or another value) around it: `before` and `after` per axis. */
export function pad(g: Gradient, x: string, before: readonly number[], after: readonly number[], value = 0): string {
  if (before.every((p) => p === 0) && after.every((p) => p === 0)) return x;
  const pads = g.addConstant(int64Vector([...before, ...after]));
  return g.add("Pad", [x, pads, number(g, x, value)], { mode: "constant" });
}

/** Product of sizes. */
export const product = (sizes: Shape): number => elementCount(sizes);
