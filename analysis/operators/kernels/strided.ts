/**
 * @file Walking over strided views of row-major arrays: copies, broadcasting, permutations. All loops run over plain
 * offsets; adjacent axes that lie contiguous in every operand are merged first, so that inner loops are long.
 */
import { type Shape, elementCount, strides } from "../../graph/tensor";

/** Sizes and, per operand, strides of a joint walk after merging; `sizes` is never empty. */
interface Walk {
  readonly sizes: number[];
  readonly steps: number[][];
}

/** Drops axes of size 1 and merges neighbours that every operand walks through contiguously. */
function merge(shape: Shape, operands: readonly (readonly number[])[]): Walk {
  const sizes: number[] = [];
  const steps: number[][] = operands.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis]!;
    if (size === 1) continue;
    const last = sizes.length - 1;
    let mergeable = last >= 0;
    for (let k = 0; mergeable && k < operands.length; k++) {
      if (steps[k]![last] !== operands[k]![axis]! * size) mergeable = false;
    }
    if (mergeable) {
      sizes[last] = sizes[last]! * size;
      for (let k = 0; k < operands.length; k++) steps[k]![last] = operands[k]![axis]!;
    } else {
      sizes.push(size);
      for (let k = 0; k < operands.length; k++) steps[k]!.push(operands[k]![axis]!);
    }
  }
  if (sizes.length === 0) {
    sizes.push(1);
    for (const s of steps) s.push(0);
  }
  return { sizes, steps };
}

/** Copies the view of `source` with the given shape, strides and offset into a new row-major array. */
export function copyStrided(source: Float64Array, shape: Shape, steps: readonly number[], offset = 0): Float64Array {
  const total = elementCount(shape);
  const out = new Float64Array(total);
  if (total === 0) return out;
  const walk = merge(shape, [steps]);
  const sizes = walk.sizes;
  const step = walk.steps[0]!;
  const outer = sizes.length - 1;
  const inner = sizes[outer]!;
  const innerStep = step[outer]!;
  const counter = new Int32Array(outer);
  let from = offset;
  for (let to = 0; to < total; to += inner) {
    if (innerStep === 1 && inner > 16) {
      out.set(source.subarray(from, from + inner), to);
    } else {
      for (let j = 0, p = from; j < inner; j++, p += innerStep) out[to + j] = source[p]!;
    }
    for (let axis = outer - 1; axis >= 0; axis--) {
      from += step[axis]!;
      if (++counter[axis]! < sizes[axis]!) break;
      counter[axis] = 0;
      from -= step[axis]! * sizes[axis]!;
    }
  }
  return out;
}

/** Strides with which an operand of `shape` is read when it is broadcast to `target`: 0 along broadcast axes. */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const own = strides(shape);
  const missing = target.length - shape.length;
  return target.map((_, axis) => (axis < missing || shape[axis - missing] === 1 ? 0 : own[axis - missing]!));
}

/** Whether two shapes are the same. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** The data of an operand broadcast to `target`; the same array where nothing is to be repeated. */
export function expandTo(data: Float64Array, shape: Shape, target: Shape): Float64Array {
  // Of equal size means that only axes of size 1 are added.
  if (data.length === elementCount(target)) return data;
  return copyStrided(data, target, broadcastStrides(shape, target));
}

/** f(a, b) cell by cell over the broadcast `target` shape. */
export function broadcastBinary(
  a: Float64Array,
  aShape: Shape,
  b: Float64Array,
  bShape: Shape,
  target: Shape,
  f: (a: number, b: number) => number,
): Float64Array {
  const total = elementCount(target);
  const out = new Float64Array(total);
  if (total === 0) return out;
  if (a.length === total && b.length === total) {
    for (let i = 0; i < total; i++) out[i] = f(a[i]!, b[i]!);
    return out;
  }
  if (b.length === 1) {
    const scalar = b[0]!;
    for (let i = 0; i < total; i++) out[i] = f(a[i]!, scalar);
    return out;
  }
  if (a.length === 1) {
    const scalar = a[0]!;
    for (let i = 0; i < total; i++) out[i] = f(scalar, b[i]!);
    return out;
  }
  const walk = merge(target, [broadcastStrides(aShape, target), broadcastStrides(bShape, target)]);
  const sizes = walk.sizes;
  const aStep = walk.steps[0]!;
  const bStep = walk.steps[1]!;
  const outer = sizes.length - 1;
  const inner = sizes[outer]!;
  const aInner = aStep[outer]!;
  const bInner = bStep[outer]!;
  const counter = new Int32Array(outer);
  let p = 0;
  let q = 0;
  for (let to = 0; to < total; to += inner) {
    for (let j = 0, u = p, v = q; j < inner; j++, u += aInner, v += bInner) out[to + j] = f(a[u]!, b[v]!);
    for (let axis = outer - 1; axis >= 0; axis--) {
      p += aStep[axis]!;
      q += bStep[axis]!;
      if (++counter[axis]! < sizes[axis]!) break;
      counter[axis] = 0;
      p -= aStep[axis]! * sizes[axis]!;
      q -= bStep[axis]! * sizes[axis]!;
    }
  }
  return out;
}

/** The data with its axes in the order `permutation`: output axis k is input axis permutation[k]. */
export function permute(data: Float64Array, shape: Shape, permutation: readonly number[]): Float64Array {
  if (permutation.every((axis, k) => axis === k)) return data;
  const own = strides(shape);
  return copyStrided(
    data,
    permutation.map((axis) => shape[axis]!),
    permutation.map((axis) => own[axis]!),
  );
}

/**
 * Reads `source` through one table of positions per axis: out[i, j, ..] = source[t0[i], t1[j], ..]; a negative position
 * anywhere gives `fill`. Serves padding, and picking by index along several axes.
 */
export function copyByTables(source: Float64Array, shape: Shape, tables: readonly Int32Array[], fill: number): Float64Array {
  const own = strides(shape);
  const rank = shape.length;
  const sizes = tables.map((t) => t.length);
  const total = elementCount(sizes);
  const out = new Float64Array(total);
  if (total === 0) return out;
  if (rank === 0) {
    out[0] = source[0]!;
    return out;
  }
  const lastTable = tables[rank - 1]!;
  const inner = lastTable.length;
  const counter = new Int32Array(rank);
  for (let to = 0; to < total; to += inner) {
    let base = 0;
    let outside = false;
    for (let axis = 0; axis < rank - 1; axis++) {
      const at = tables[axis]![counter[axis]!]!;
      if (at < 0) outside = true;
      base += at * own[axis]!;
    }
    if (outside) {
      out.fill(fill, to, to + inner);
    } else {
      for (let j = 0; j < inner; j++) {
        const at = lastTable[j]!;
        out[to + j] = at < 0 ? fill : source[base + at]!;
      }
    }
    for (let axis = rank - 2; axis >= 0; axis--) {
      if (++counter[axis]! < sizes[axis]!) break;
      counter[axis] = 0;
    }
  }
  return out;
}
