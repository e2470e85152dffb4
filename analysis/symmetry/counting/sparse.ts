/**
 * @file Derivatives of single operators as sparse matrices, found through the operators' own tangents: one for each entry where
 * nothing else is known; one or two where the operator moves entries or sums them, which is guessed and then verified.
 */
import { numbersAttribute } from "../../graph/graph";
import { elementCount, strides, type Tensor } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { operatorsThat } from "../../operators/movers";
import type { Step } from "./network";

/** The tangent along one input only. */
export function tangentAlong(
  step: Step,
  operand: number,
  x: readonly (Tensor | undefined)[],
  y: Tensor,
  direction: Float64Array,
): Tensor | undefined {
  const own = x[operand]!;
  const dx = x.map((_, k) => (k === operand ? { type: own.type, shape: own.shape, data: direction } : undefined));
  return step.operator.tangent?.(step.node, x, y, dx);
}

/** For each entry of the broadcast shape, the entry of the operand that it reads. */
export function broadcastSource(from: readonly number[], to: readonly number[]): Int32Array {
  const own = strides(from);
  const wide = strides(to);
  const out = new Int32Array(elementCount(to));
  const lead = to.length - from.length;
  for (let k = 0; k < out.length; k++) {
    let at = 0;
    for (let axis = Math.max(0, -lead); axis < from.length; axis++) {
      if (from[axis]! > 1) at += (Math.floor(k / wide[lead + axis]!) % to[lead + axis]!) * own[axis]!;
    }
    out[k] = at;
  }
  return out;
}

/** A sparse matrix by output entry. */
export interface Sparse {
  readonly start: Int32Array;
  readonly source: Int32Array;
  readonly value: Float64Array;
}

/** The whole derivative, one tangent per input entry. */
function probe(step: Step, operand: number, x: readonly (Tensor | undefined)[], y: Tensor): Sparse {
  const direction = new Float64Array(x[operand]!.data.length);
  const rows: number[] = [];
  const columns: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < direction.length; i++) {
    direction[i] = 1;
    const data = tangentAlong(step, operand, x, y, direction)?.data;
    // Movement may hand the direction itself on: read before resetting it.
    for (let k = 0; data && k < data.length; k++) {
      if (data[k] === 0) continue;
      rows.push(k);
      columns.push(i);
      values.push(data[k]!);
    }
    direction[i] = 0;
  }
  return sparse(rows, columns, values, y.data.length);
}

/** Operators that treat all planes of an image (batch, channel) alike and each by itself. */
const BY_PLANE: ReadonlySet<string> = new Set(["AveragePool"]);

/** The derivative of an operator that treats planes alike: the same entry of all planes at a time. */
function probePlanes(step: Step, operand: number, x: readonly (Tensor | undefined)[], y: Tensor): Sparse | undefined {
  const { shape, data } = x[operand]!;
  const planes = shape[0]! * shape[1]!;
  const [area, count] = [data.length / planes, y.data.length / planes];
  if (planes === 0 || !Number.isInteger(count)) return undefined;
  const direction = new Float64Array(data.length);
  const rows: number[] = [];
  const columns: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < area; i++) {
    for (let at = i; at < data.length; at += area) direction[at] = 1;
    const slopes = tangentAlong(step, operand, x, y, direction)?.data;
    for (let k = 0; slopes && k < slopes.length; k++) {
      if (slopes[k] === 0) continue;
      rows.push(k);
      columns.push(Math.floor(k / count) * area + i);
      values.push(slopes[k]!);
    }
    for (let at = i; at < data.length; at += area) direction[at] = 0;
  }
  return sparse(rows, columns, values, y.data.length);
}

/** Entries by their rows: where each row begins in the order, and the order. */
export function byRow(rows: ArrayLike<number>, count: number): { readonly start: Int32Array; readonly order: Int32Array } {
  const start = new Int32Array(count + 1);
  for (let k = 0; k < rows.length; k++) start[rows[k]! + 1]!++;
  for (let r = 0; r < count; r++) start[r + 1]! += start[r]!;
  const next = start.slice();
  const order = new Int32Array(rows.length);
  for (let k = 0; k < rows.length; k++) order[next[rows[k]!]!++] = k;
  return { start, order };
}

/** Vectors that are pulled back together: what is looked up for one serves all. Loops over them are written out. */
export const PANEL = 4;

/** gx += D^T gy for a panel of vectors, whose entries stand side by side. */
export function pullSparse({ start, source, value }: Sparse, gy: Float64Array, gx: Float64Array): void {
  for (let k = 0, at = 0; at < gy.length; k++, at += PANEL) {
    const a = gy[at]!;
    const b = gy[at + 1]!;
    const c = gy[at + 2]!;
    const d = gy[at + 3]!;
    if (a === 0 && b === 0 && c === 0 && d === 0) continue;
    for (let e = start[k]!; e < start[k + 1]!; e++) {
      const to = PANEL * source[e]!;
      const v = value[e]!;
      gx[to]! += a * v;
      gx[to + 1]! += b * v;
      gx[to + 2]! += c * v;
      gx[to + 3]! += d * v;
    }
  }
}

/** Operators of which each output entry is an input entry, or zero; which one it is may hang on the values. */
const MOVING: ReadonlySet<string> = new Set([
  ...operatorsThat("reshapes", "transposes", "regroups", "picks", "repeats", "joins"),
  ..."Pad Trilu MaxPool GlobalMaxPool ReduceMax ReduceMin".split(" "),
]);
/** Operators of which each output entry is a multiple of the sum of some input entries, or of their squares. */
const SUMMING: ReadonlySet<string> = new Set(["ReduceSum", "ReduceMean", "ReduceSumSquare"]);
/** Largest relative error of a derivative that was guessed. */
const TOLERANCE = 1e-12;

/** The derivative of a step with respect to an operand. */
export function sparseOf(step: Step, operand: number, x: readonly (Tensor | undefined)[], y: Tensor): Sparse {
  const { node } = step;
  const guessed = MOVING.has(node.operator)
    ? moved(step, operand, x, y)
    : SUMMING.has(node.operator)
      ? summed(step, operand, x, y)
      : BY_PLANE.has(node.operator)
        ? probePlanes(step, operand, x, y)
        : undefined;
  return guessed && agrees(guessed, step, operand, x, y) ? guessed : probe(step, operand, x, y);
}

/** Along a direction that holds its own indices, each output entry shows which input entry it is. */
function moved(step: Step, operand: number, x: readonly (Tensor | undefined)[], y: Tensor): Sparse | undefined {
  const codes = Float64Array.from({ length: x[operand]!.data.length }, (_, i) => i + 1);
  const data = tangentAlong(step, operand, x, y, codes)?.data;
  if (!data) return undefined;
  const rows: number[] = [];
  const columns: number[] = [];
  for (let k = 0; k < data.length; k++) {
    const from = data[k]! - 1;
    if (from < 0) continue;
    if (!Number.isInteger(from) || from >= codes.length) return undefined;
    rows.push(k);
    columns.push(from);
  }
  return sparse(rows, columns, new Float64Array(rows.length).fill(1), y.data.length);
}

/** All entries along some axes in one output entry, each as much as the others. */
function summed(step: Step, operand: number, x: readonly (Tensor | undefined)[], y: Tensor): Sparse | undefined {
  const { shape } = x[operand]!;
  const given = numbersAttribute(step.node, "axes") ?? (x[1] ? Array.from(x[1].data) : undefined);
  if (operand !== 0 || given === undefined || given.length === 0) return undefined;
  const axes = new Set(given.map((a) => (a < 0 ? a + shape.length : a)));
  const columns = Int32Array.from({ length: elementCount(shape) }, (_, i) => i);
  const ones = tangentAlong(step, 0, x, y, new Float64Array(columns.length).fill(1))?.data;
  if (!ones || y.data.length === 0) return undefined;
  const rows = broadcastSource(
    shape.map((n, a) => (axes.has(a) ? 1 : n)),
    shape,
  );
  const value = (ones[0]! * y.data.length) / columns.length;
  return sparse(rows, columns, new Float64Array(columns.length).fill(value), y.data.length);
}

function sparse(rows: ArrayLike<number>, columns: ArrayLike<number>, values: ArrayLike<number>, count: number): Sparse {
  const { start, order } = byRow(rows, count);
  return { start, source: Int32Array.from(order, (k) => columns[k]!), value: Float64Array.from(order, (k) => values[k]!) };
}

/** Whether a matrix does what the operator's tangent does, along a random direction. */
function agrees(
  { start, source, value }: Sparse,
  step: Step,
  operand: number,
  x: readonly (Tensor | undefined)[],
  y: Tensor,
): boolean {
  const direction = new Random(1).normals(x[operand]!.data.length);
  const data = tangentAlong(step, operand, x, y, direction)?.data;
  if (!data) return value.length === 0;
  for (let k = 0; k < data.length; k++) {
    let sum = 0;
    let size = 0;
    for (let e = start[k]!; e < start[k + 1]!; e++) {
      const term = direction[source[e]!]! * value[e]!;
      sum += term;
      size += Math.abs(term);
    }
    if (!(Math.abs(sum - data[k]!) <= TOLERANCE * size)) return false;
  }
  return true;
}
