/**
 * @file What a small change of one parameter does to a value: constant along some of the value's axes, known entry by entry as
 * long as it depends on weights alone, and some function of the inputs from there on.
 */
import { strides } from "../../graph/tensor";

/** A change of a value, linear in the coordinates of what moves. */
export interface Change {
  /** As long as the value's shape; 1 along axes on which the change does not depend. */
  readonly shape: readonly number[];
  /** Entries, row-major; absent where the change is some function of the network's inputs. */
  readonly data?: Float64Array;
  /** For each entry the coordinate of the source that it is a multiple of; -1 for zero, -2 for a mixture. */
  readonly from?: Int32Array;
  /** Names the function where there are no entries: equal names and factors mean equal functions. */
  readonly token?: string;
  readonly factor?: number;
  /** Of a function: the axis along which it is the same for so many consecutive entries at a time (channels of a group). */
  readonly runs?: Runs;
  /** Values at which it became a function of the inputs: there it could be kept from doing so. */
  readonly origins?: readonly string[];
}

/** Equal consecutive entries along an axis. */
export interface Runs {
  readonly axis: number;
  readonly length: number;
}

/** A mixture of several coordinates. */
export const MIXED = -2;
/** No coordinate: zero whatever the source does. */
export const NONE = -1;

/** Whether the change is known entry by entry. */
export function isKnown(c: Change): c is Change & { readonly data: Float64Array } {
  return c.data !== undefined;
}

/** A known change. */
export function known(shape: readonly number[], data: Float64Array, from?: Int32Array): Change {
  return from ? { shape, data, from } : { shape, data };
}

/** A function of the inputs that is constant along the axes where `shape` is 1. */
export function unknown(shape: readonly number[], token: string, origins: readonly string[], factor = 1): Change {
  return { shape, token, origins, factor };
}

/** The same function with equal entries in runs. */
export function inRuns(c: Change, runs: Runs | undefined): Change {
  return runs ? { ...c, runs } : c;
}

/** The change where nothing is said of runs. */
export function withoutRuns(c: Change): Change {
  if (!c.runs) return c;
  const { runs: _, ...rest } = c;
  return rest;
}

/** The same change of a value of higher rank (new axes of size 1 in front). */
export function ofRank(c: Change, rank: number): Change {
  if (c.shape.length === rank) return c;
  const more = rank - c.shape.length;
  const shape = [...new Array<number>(more).fill(1), ...c.shape];
  return c.runs ? { ...c, shape, runs: { ...c.runs, axis: c.runs.axis + more } } : { ...c, shape };
}

/** Sizes that two shapes of equal rank broadcast to. */
export function wider(a: readonly number[], b: readonly number[]): number[] {
  return a.map((n, i) => Math.max(n, b[i]!));
}

/** Entries copied along axes of size 1 until the shape is the given one. */
export function stretched(
  c: Change & { readonly data: Float64Array },
  shape: readonly number[],
): Change & { data: Float64Array } {
  if (c.shape.every((n, i) => n === shape[i])) return c;
  return listed(c, sources(c.shape, shape), shape);
}

/** The listed entries, in this order. */
export function listed(
  { data, from }: Change & { readonly data: Float64Array },
  at: Int32Array,
  shape: readonly number[],
): Change & { data: Float64Array } {
  // Plain loops: these run for every node that every source passes.
  const entries = new Float64Array(at.length);
  for (let k = 0; k < at.length; k++) entries[k] = data[at[k]!]!;
  if (!from) return { shape, data: entries };
  const origin = new Int32Array(at.length);
  for (let k = 0; k < at.length; k++) origin[k] = from[at[k]!]!;
  return { shape, data: entries, from: origin };
}

/** A change of too many entries to be written down, or shapes that contradict each other: nothing can be said of it. */
export class Unfollowable extends Error {
  override readonly name = "Unfollowable";
}

/** Entries up to which changes are written down: half a gigabyte of numbers. */
const MOST_ENTRIES = 2 ** 26;

/** For each entry of a shape, the entry of a narrower one that it is a copy of. @throws Unfollowable */
export function sources(from: readonly number[], to: readonly number[]): Int32Array {
  const own = strides(from);
  const total = to.reduce((n, d) => n * d, 1);
  if (!(total <= MOST_ENTRIES)) throw new Unfollowable(`${total} entries`);
  const out = new Int32Array(total);
  const index = new Int32Array(to.length);
  let at = 0;
  for (let k = 0; k < total; k++) {
    out[k] = at;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      const step = from[axis] === 1 ? 0 : own[axis]!;
      if (++index[axis]! < to[axis]!) {
        at += step;
        break;
      }
      at -= step * (to[axis]! - 1);
      index[axis] = 0;
    }
  }
  return out;
}

/** a + sign * b, of equal rank; undefined where they are known to cancel. */
export function sum(a: Change | undefined, b: Change | undefined, sign: 1 | -1, token: string): Change | undefined {
  if (!b) return a;
  if (!a) return sign === 1 ? b : scaled(b, -1);
  const shape = wider(a.shape, b.shape);
  if (isKnown(a) && isKnown(b)) {
    const [x, y] = [stretched(a, shape), stretched(b, shape)];
    const data = new Float64Array(x.data.length);
    const from = new Int32Array(data.length);
    let isZero = true;
    for (let i = 0; i < data.length; i++) {
      const v = x.data[i]!;
      const w = v + sign * y.data[i]!;
      if (w === 0 || Math.abs(w) <= 1e-12 * Math.abs(v)) {
        from[i] = NONE;
        continue;
      }
      isZero = false;
      data[i] = w;
      const p = x.from ? x.from[i]! : MIXED;
      const q = y.from ? y.from[i]! : MIXED;
      from[i] = q === NONE || p === q ? p : p === NONE ? q : MIXED;
    }
    return isZero ? undefined : known(shape, data, from);
  }
  const same = a.token !== undefined && a.token === b.token && a.shape.every((n, i) => n === b.shape[i]);
  if (same) {
    const factor = a.factor! + sign * b.factor!;
    return Math.abs(factor) < 1e-12 ? undefined : { ...a, factor };
  }
  return unknown(shape, token, [...new Set([...(a.origins ?? []), ...(b.origins ?? [])])]);
}

/** A multiple of a change. */
export function scaled(c: Change, factor: number): Change {
  return isKnown(c) ? { ...c, data: c.data.map((x) => factor * x) } : { ...c, factor: c.factor! * factor };
}

/** Without axes along which all entries turn out to be equal. */
export function narrowed(c: Change & { readonly data: Float64Array }): Change & { readonly data: Float64Array } {
  let { shape, data, from } = c as { shape: readonly number[]; data: Float64Array; from: Int32Array | undefined };
  for (let axis = 0; axis < shape.length; axis++) {
    const n = shape[axis]!;
    if (n === 1) continue;
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const outer = data.length / (n * inner);
    let equal = true;
    for (let o = 0; equal && o < outer; o++) {
      const start = o * n * inner;
      for (let k = inner; equal && k < n * inner; k++) {
        // Each entry like the one before it along the axis.
        const [at, before] = [start + k, start + k - inner];
        if (data[at] !== data[before] || (from && from[at] !== from[before])) equal = false;
      }
    }
    if (!equal) continue;
    const keep = new Int32Array(outer * inner);
    for (let o = 0, k = 0; o < outer; o++) for (let i = 0; i < inner; i++) keep[k++] = o * n * inner + i;
    const kept = listed(from ? { shape, data, from } : { shape, data }, keep, shape);
    data = kept.data;
    from = kept.from;
    shape = shape.map((d, i) => (i === axis ? 1 : d));
  }
  return from ? { shape, data, from } : { shape, data };
}
