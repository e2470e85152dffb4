/**
 * @file How a shift is laid out in a tensor. A shift of a value is a multiple of a *pattern*, a tensor that is unknown but
 * fixed, placed in the value so that each of the value's axes either carries a digit of a pattern's index or leaves it
 * constant. Two shifts with the same pattern in the same place are the same up to their coefficients.
 */
import type { Shape } from "../../graph/tensor";

/** floor(index / stride) mod size of the pattern's index along `axis`. */
export interface Digit {
  readonly axis: number;
  readonly stride: number;
}

/** One factor of a value's axis, of size above 1; constant along it where it has no digit. */
export interface Factor {
  readonly size: number;
  readonly digit?: Digit;
}

/** A value's axis as a row-major product of factors, outermost first; empty for size 1. */
export type AxisPlacement = readonly Factor[];

/** Where a pattern's indices are in a value, axis by axis. */
export type Placement = readonly AxisPlacement[];

/** Whether the shift is the same at all indices of an axis. */
export function isConstant(axis: AxisPlacement): boolean {
  return axis.every((f) => f.digit === undefined);
}

/** An axis along which nothing changes. */
export function constantAxis(size: number): AxisPlacement {
  return size === 1 ? [] : [{ size }];
}

/** An axis that carries the whole of the pattern's axis. */
export function fullAxis(axis: number, size: number): AxisPlacement {
  return size === 1 ? [] : [{ size, digit: { axis, stride: 1 } }];
}

/** A key that tells placements apart. */
export function placementKey(placement: Placement): string {
  return placement
    .map((a) => a.map((f) => (f.digit ? `${f.size}d${f.digit.axis}s${f.digit.stride}` : `${f.size}c`)).join("*"))
    .join("|");
}

/** Joins neighbours that are one factor: constants, and digits that follow each other. */
function merged(factors: readonly Factor[]): Factor[] {
  const out: Factor[] = [];
  for (const f of factors) {
    const last = out.at(-1);
    if (last === undefined) out.push(f);
    else if (!last.digit && !f.digit) out[out.length - 1] = { size: last.size * f.size };
    else if (last.digit && f.digit && last.digit.axis === f.digit.axis && last.digit.stride === f.digit.stride * f.size) {
      out[out.length - 1] = { size: last.size * f.size, digit: f.digit };
    } else out.push(f);
  }
  return out;
}

/** The outer and inner part of a factor that is read as a product of two. */
function split(f: Factor, inner: number): [Factor, Factor] {
  if (!f.digit) return [{ size: f.size / inner }, { size: inner }];
  const { axis, stride } = f.digit;
  return [
    { size: f.size / inner, digit: { axis, stride: stride * inner } },
    { size: inner, digit: { axis, stride } },
  ];
}

/** The placement of the same tensor in another shape (ONNX Reshape); undefined where digits would be cut at odd places. */
export function reshapePlacement(placement: Placement, to: Shape): Placement | undefined {
  const pending = merged(placement.flat()).reverse();
  const out: AxisPlacement[] = [];
  for (const size of to) {
    const axis: Factor[] = [];
    let rest = size;
    while (rest > 1) {
      const next = pending.pop();
      if (next === undefined) return undefined;
      if (rest % next.size === 0) {
        axis.push(next);
        rest /= next.size;
      } else if (next.size % rest === 0) {
        const [outer, inner] = split(next, next.size / rest);
        axis.push(outer);
        pending.push(inner);
        rest = 1;
      } else return undefined;
    }
    out.push(merged(axis));
  }
  return pending.length === 0 ? out : undefined;
}

/** The placement after broadcasting to a shape: axes of size 1 and absent leading axes become constant. */
export function broadcastPlacement(placement: Placement, from: Shape, to: Shape): Placement {
  const missing = to.length - from.length;
  return to.map((size, k) => {
    const i = k - missing;
    return i >= 0 && from[i] === size ? placement[i]! : constantAxis(size);
  });
}
