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

/** A fixed set that averages entries: those that some of the elements exchange are equal in it. */
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
  // Entries that carry their own number show where they went.
  const numbered: ParameterValues = new Map(
    parameters.map((p) => [p, Float64Array.from({ length: sizes(p) }, (_, i) => offsets.get(p)! + i)]),
  );
  const sets = new UnionFind(total);
  for (const element of by) {
    for (const [p, moved] of act(numbered, element)) moved.forEach((from, i) => void sets.union(from, offsets.get(p)! + i));
  }
  const orbit = Int32Array.from({ length: total }, (_, i) => sets.find(i));
  const size = new Int32Array(total);
  for (const root of orbit) size[root]!++;
  return {
    codimension: total - size.reduce((n, s) => n + (s > 0 ? 1 : 0), 0),
    project(weights) {
      const sums = new Float64Array(total);
      for (const [p, offset] of offsets) weights.get(p)?.forEach((x, i) => void (sums[orbit[offset + i]!]! += x));
      const out = new Map<string, Float64Array>();
      for (const [p, offset] of offsets) {
        const own = weights.get(p);
        if (!own) continue;
        const mean = own.map((x, i) => {
          const root = orbit[offset + i]!;
          return size[root] === 1 ? x : sums[root]! / size[root]!;
        });
        if (mean.some((x, i) => x !== own[i])) out.set(p, mean);
      }
      return out;
    },
  };
}

/**
 * The fixed set of elements that move entries and change signs: entries are equal up to the sign that led from one to the
 * other, and zero where signs contradict.
 */
export function signedAveragingSet(
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
  const numbered: ParameterValues = new Map(
    parameters.map((p) => [p, Float64Array.from({ length: sizes(p) }, (_, i) => offsets.get(p)! + i + 1)]),
  );
  const edges: { readonly to: number; readonly sign: number }[][] = Array.from({ length: total }, () => []);
  for (const element of by) {
    for (const [p, moved] of act(numbered, element)) {
      moved.forEach((from, i) => {
        const [a, b, sign] = [Math.abs(from) - 1, offsets.get(p)! + i, Math.sign(from)];
        if (a === b && sign === 1) return;
        edges[a]!.push({ to: b, sign });
        edges[b]!.push({ to: a, sign });
      });
    }
  }
  // The sign of each entry against the first of its orbit; orbits with a contradiction vanish.
  const orbit = new Int32Array(total).fill(-1);
  const signs = new Int8Array(total);
  const vanishing: boolean[] = [];
  const members: number[] = [];
  for (let first = 0; first < total; first++) {
    if (orbit[first] !== -1) continue;
    const own = vanishing.length;
    vanishing.push(false);
    members.push(0);
    orbit[first] = own;
    signs[first] = 1;
    const pending = [first];
    while (pending.length > 0) {
      const at = pending.pop()!;
      members[own]!++;
      for (const { to, sign } of edges[at]!) {
        if (orbit[to] === -1) {
          orbit[to] = own;
          signs[to] = signs[at]! * sign;
          pending.push(to);
        } else if (signs[to] !== signs[at]! * sign) vanishing[own] = true;
      }
    }
  }
  return {
    codimension: total - vanishing.filter((v) => !v).length,
    project(weights) {
      const sums = new Float64Array(members.length);
      for (const [p, offset] of offsets)
        weights.get(p)?.forEach((x, i) => void (sums[orbit[offset + i]!]! += signs[offset + i]! * x));
      const out = new Map<string, Float64Array>();
      for (const [p, offset] of offsets) {
        const own = weights.get(p);
        if (!own) continue;
        const mean = own.map((x, i) => {
          const o = orbit[offset + i]!;
          if (vanishing[o]) return 0;
          return members[o] === 1 ? x : (signs[offset + i]! * sums[o]!) / members[o]!;
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
