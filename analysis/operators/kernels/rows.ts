/** @file Views of a tensor as rows along some of its axes: what reductions, softmax, scans and sorting work on. */
import { type Shape, elementCount } from "../../graph/tensor";
import { permute } from "./strided";

/** The data regrouped as `count` rows of `length` numbers, one row per index of the kept axes. */
export interface Rows {
  readonly data: Float64Array;
  readonly count: number;
  readonly length: number;
}

/** Sizes of the axes that are not in `axes`. */
export function keptSizes(shape: Shape, axes: ReadonlySet<number>): number[] {
  return shape.filter((_, axis) => !axes.has(axis));
}

/** Regroups row-major data into rows along `axes` (in the order of the tensor's own axes). Copies only where needed. */
export function rowsAlong(data: Float64Array, shape: Shape, axes: ReadonlySet<number>): Rows {
  const kept: number[] = [];
  const gone: number[] = [];
  shape.forEach((_, axis) => (axes.has(axis) ? gone : kept).push(axis));
  const length = elementCount(gone.map((axis) => shape[axis]!));
  const count = elementCount(kept.map((axis) => shape[axis]!));
  return { data: permute(data, shape, [...kept, ...gone]), count, length };
}

/** Puts rows along one axis back into the tensor's own order. */
export function fromRows(rows: Float64Array, shape: Shape, axis: number): Float64Array {
  const rank = shape.length;
  const regrouped = [...shape.slice(0, axis), ...shape.slice(axis + 1), shape[axis]!];
  const back = Array.from({ length: rank }, (_, k) => (k < axis ? k : k === axis ? rank - 1 : k - 1));
  return permute(rows, regrouped, back);
}
