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
  /** Values at which it became a function of the inputs: there it could be kept from doing so. */
  readonly origins?: readonly string[];
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

/** The same change of a value of higher rank (new axes of size 1 in front). */
export function ofRank(c: Change, rank: number): Change {
  if (c.shape.length === rank) return c;
  return { ...c, shape: [...new Array<number>(rank - c.shape.length).fill(1), ...c.shape] };
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
  const at = sources(c.shape, shape);
  const data = Float64Array.from(at, (i) => c.data[i]!);
  return c.from ? { shape, data, from: at.map((i) => c.from![i]!) } : { shape, data };
}

/** For each entry of a shape, the entry of a narrower one that it is a copy of. */
export function sources(from: readonly number[], to: readonly number[]): Int32Array {
  const own = strides(from);
  const total = to.reduce((n, d) => n * d, 1);
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
    const data = x.data.map((v, i) => {
      const w = v + sign * y.data[i]!;
      return Math.abs(w) <= 1e-12 * Math.abs(v) ? 0 : w;
    });
    if (data.every((v) => v === 0)) return undefined;
    const from = data.map((v, i) => {
      if (v === 0) return NONE;
      const [p, q] = [x.from?.[i] ?? MIXED, y.from?.[i] ?? MIXED];
      return q === NONE || p === q ? p : p === NONE ? q : MIXED;
    });
    return known(shape, data, Int32Array.from(from));
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
  let { shape, data, from } = c as { shape: readonly number[]; data: Float64Array; from?: Int32Array };
  for (let axis = 0; axis < shape.length; axis++) {
    const n = shape[axis]!;
    if (n === 1) continue;
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    let equal = true;
    for (let k = 0; equal && k < data.length; k++) {
      const first = k - (Math.floor(k / inner) % n) * inner;
      if (data[k] !== data[first] || (from && from[k] !== from[first])) equal = false;
    }
    if (!equal) continue;
    const keep = Int32Array.from({ length: data.length / n }, (_, k) => Math.floor(k / inner) * inner * n + (k % inner));
    data = Float64Array.from(keep, (k) => data[k]!);
    if (from) {
      const before = from;
      from = keep.map((k) => before[k]!);
    }
    shape = shape.map((d, i) => (i === axis ? 1 : d));
  }
  return from ? { shape, data, from } : { shape, data };
}
