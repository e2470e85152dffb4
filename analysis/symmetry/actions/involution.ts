/** @file Mirrors and fixed sets of actions that move entries about or change their signs: read off the action itself. */
import { UnionFind } from "../../numerics/unionFind";
import type { Element, FixedSet, Mirror, ParameterValues } from "../symmetry";

/** An action of elements on weights. */
export type Act = (weights: ParameterValues, element: Element) => ParameterValues;

/** The mirror of an involution: P theta = (theta - g theta) / 2. */
export function mirrorOf(act: Act, element: Element, orthogonal = true): Mirror {
  return {
    element,
    orthogonal,
    project(weights) {
      const out = new Map<string, Float64Array>();
      for (const [name, moved] of act(weights, element)) {
        const own = weights.get(name)!;
        const half = own.map((x, i) => (x - moved[i]!) / 2);
        if (half.some((x) => x !== 0)) out.set(name, half);
      }
      return out;
    },
  };
}

/**
 * The fixed set of elements that move entries and may change their signs: entries are equal up to the sign that led from one
 * to the other, and zero where signs contradict.
 */
export function averagingSet(
  act: Act,
  parameters: readonly string[],
  sizes: (p: string) => number,
  by: Iterable<Element>,
): FixedSet {
  const offsets = new Map<string, number>();
  let total = 0;
  for (const p of parameters) {
    offsets.set(p, total);
    total += sizes(p);
  }
  // Entries that carry their own number, from 1 on, show where they went and with which sign.
  const numbered: ParameterValues = new Map(
    parameters.map((p) => [p, Float64Array.from({ length: sizes(p) }, (_, i) => offsets.get(p)! + i + 1)]),
  );
  // Each entry twice, as it is and with the other sign: an orbit that holds both of one is zero.
  const sets = new UnionFind(2 * total);
  for (const element of by) {
    for (const [p, moved] of act(numbered, element)) {
      moved.forEach((from, i) => {
        const [a, b, flips] = [Math.abs(from) - 1, offsets.get(p)! + i, from < 0 ? 1 : 0];
        if (a === b && flips === 0) return;
        sets.union(2 * a, 2 * b + flips);
        sets.union(2 * a + 1, 2 * b + 1 - flips);
      });
    }
  }
  const orbit = new Int32Array(total);
  const signs = new Int8Array(total);
  const size = new Int32Array(2 * total);
  for (let i = 0; i < total; i++) {
    const [own, mirrored] = [sets.find(2 * i), sets.find(2 * i + 1)];
    orbit[i] = Math.min(own, mirrored);
    signs[i] = own === mirrored ? 0 : own < mirrored ? 1 : -1;
    size[orbit[i]!]!++;
  }
  let dimension = 0;
  for (let o = 0; o < 2 * total; o++) if (size[o]! > 0 && sets.find(o) !== sets.find(o ^ 1)) dimension++;
  return {
    codimension: total - dimension,
    project(weights) {
      const sums = new Float64Array(2 * total);
      for (const [p, offset] of offsets)
        weights.get(p)?.forEach((x, i) => void (sums[orbit[offset + i]!]! += signs[offset + i]! * x));
      const out = new Map<string, Float64Array>();
      for (const [p, offset] of offsets) {
        const own = weights.get(p);
        if (!own) continue;
        const mean = own.map((x, i) => {
          const [o, sign] = [orbit[offset + i]!, signs[offset + i]!];
          if (sign === 0) return 0;
          return size[o] === 1 ? x : (sign * sums[o]!) / size[o]!;
        });
        if (mean.some((x, i) => x !== own[i])) out.set(p, mean);
      }
      return out;
    },
  };
}

/** A fixed set in which the listed entries are zero. */
export function vanishingSet(entries: ReadonlyMap<string, Iterable<number>>): FixedSet {
  const listed = new Map([...entries].map(([p, flat]) => [p, Int32Array.from(new Set(flat))] as const));
  return {
    codimension: [...listed.values()].reduce((n, l) => n + l.length, 0),
    project(weights) {
      const out = new Map<string, Float64Array>();
      for (const [p, flat] of listed) {
        const own = weights.get(p);
        if (!own || !flat.some((i) => own[i] !== 0)) continue;
        const zeroed = own.slice();
        for (const i of flat) zeroed[i] = 0;
        out.set(p, zeroed);
      }
      return out;
    },
  };
}
