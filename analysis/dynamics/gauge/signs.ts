/** @file Sign symmetries as sets of entries that flip together, and which weights of a unit flip with it. */
import type { Symmetry } from "../../symmetry/symmetry";
import type { UnitSet } from "./units";

/** A sign symmetry's entries by index, those that it flips (odd coefficients) only. */
export interface SignEntries {
  readonly symmetry: Symmetry;
  readonly byIndex: ReadonlyMap<number, readonly { readonly parameter: string; readonly flat: number }[]>;
  /** Indices that flip an entry, by parameter and place. */
  readonly indices: ReadonlyMap<string, ReadonlyMap<number, ReadonlySet<number>>>;
}

/** Reads the flips of a sign symmetry off its diagonal action. */
export function signEntries(symmetry: Symmetry): SignEntries {
  const indices = new Map<string, Map<number, Set<number>>>();
  for (const { parameter, flat, index, coefficient } of symmetry.diagonal!()) {
    const own = indices.get(parameter) ?? new Map<number, Set<number>>();
    indices.set(parameter, own);
    flat.forEach((at, k) => {
      if (Math.round(coefficient[k]!) % 2 === 0) return;
      const set = own.get(at) ?? new Set<number>();
      own.set(at, set);
      // Twice flipped is not flipped.
      if (!set.delete(index[k]!)) set.add(index[k]!);
    });
  }
  const byIndex = new Map<number, { parameter: string; flat: number }[]>();
  for (const [parameter, own] of indices) {
    for (const [flat, set] of own) {
      for (const d of set) {
        const list = byIndex.get(d);
        if (list) list.push({ parameter, flat });
        else byIndex.set(d, [{ parameter, flat }]);
      }
    }
  }
  return { symmetry, byIndex, indices };
}

/** Which features of the units some sign symmetry of the units themselves flips. */
export function oddFeatures(set: UnitSet, signs: readonly SignEntries[]): Uint8Array[] {
  return set.blocks.map(({ parameter, features, flat }) => {
    const out = new Uint8Array(features);
    for (const { indices } of signs) {
      const own = indices.get(parameter);
      if (!own) continue;
      for (let k = 0; k < features; k++) {
        const [first, second] = [own.get(flat[k]!), own.get(flat[features + k]!)];
        if (first && [...first].some((d) => !second?.has(d))) out[k] = 1;
      }
    }
    return out;
  });
}
