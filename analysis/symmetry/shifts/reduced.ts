/**
 * @file Reduced bases: each vector has a pivot, an entry that all others leave alone. Directions that move different entries
 * come out one by one, whatever combinations of them were given.
 */
import { norm } from "../../numerics/matrix";

/** Gauss and Jordan with the largest entry of each vector as its pivot; what depends on others is left out. */
export function reduced(vectors: readonly Float64Array[]): { readonly vectors: Float64Array[]; readonly pivots: number[] } {
  const out: Float64Array[] = [];
  const pivots: number[] = [];
  for (const given of vectors) {
    const v = Float64Array.from(given);
    const length = norm(v);
    out.forEach((w, k) => {
      const f = v[pivots[k]!]!;
      if (f !== 0) for (let i = 0; i < v.length; i++) v[i]! -= f * w[i]!;
    });
    let at = 0;
    for (let i = 1; i < v.length; i++) if (Math.abs(v[i]!) > Math.abs(v[at]!)) at = i;
    if (!(Math.abs(v[at]!) > 1e-8 * length)) continue;
    const scale = v[at]!;
    for (let i = 0; i < v.length; i++) v[i]! /= scale;
    const clean = cleaned(v);
    for (const w of out) {
      const f = w[at]!;
      if (f !== 0) for (let i = 0; i < w.length; i++) w[i]! -= f * clean[i]!;
    }
    out.push(clean);
    pivots.push(at);
  }
  return { vectors: out.map(cleaned), pivots };
}

/** Without the entries that only rounding filled. */
export function cleaned(v: Float64Array): Float64Array {
  const floor = 1e-11 * norm(v);
  return v.map((x) => (Math.abs(x) < floor ? 0 : x));
}
