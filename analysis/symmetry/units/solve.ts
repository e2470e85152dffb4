/** @file Null space of a sparse homogeneous system, over the reals or modulo 2. */
import type { Equation } from "./equations";

/** One basis vector of the null space: coefficient by unknown. */
export type Solution = ReadonlyMap<number, number>;

/** Arithmetic of the field that a system is solved over. */
interface Arithmetic {
  /** Maps tiny or even values to zero. */
  reduce(x: number): number;
  inverse(x: number): number;
}

const REALS: Arithmetic = { reduce: (x) => (Math.abs(x) < 1e-9 ? 0 : x), inverse: (x) => 1 / x };
const MODULO_2: Arithmetic = { reduce: (x) => Math.abs(Math.round(x)) % 2, inverse: () => 1 };

/**
 * A basis of the null space, one vector per connected unknown that stays free. Equations with one or two terms, nearly all
 * of them, are solved by union-find with factors; the rest by sparse elimination.
 */
export function nullSpace(count: number, equations: readonly Equation[], field: "scales" | "signs"): Solution[] {
  const k = field === "signs" ? MODULO_2 : REALS;
  const classes = new FactorClasses(count, k);
  const longer: Equation[] = [];
  for (const raw of equations) {
    const e = combine(raw, k);
    if (e.length === 0) continue;
    if (e.length === 1) classes.setZero(e[0]![0]);
    else if (e.length === 2) classes.relate(e[0]![0], e[1]![0], k.reduce(-e[1]![1] * k.inverse(e[0]![1])));
    else longer.push(e);
  }
  const pivots = eliminate(longer, classes, k);
  // Express every class by the free ones: back-substitution over pivots in any order, memoised.
  const expressed = new Map<number, ReadonlyMap<number, number>>();
  const express = (root: number): ReadonlyMap<number, number> => {
    const pending = [root];
    while (pending.length > 0) {
      const r = pending.at(-1)!;
      if (expressed.has(r)) {
        pending.pop();
        continue;
      }
      const row = pivots.get(r);
      if (!row) {
        expressed.set(r, new Map([[r, 1]]));
        pending.pop();
        continue;
      }
      const missing = [...row.keys()].filter((u) => u !== r && !expressed.has(u));
      if (missing.length > 0) {
        pending.push(...missing);
        continue;
      }
      const sum = new Map<number, number>();
      for (const [u, c] of row) {
        if (u === r) continue;
        for (const [f, v] of expressed.get(u)!) {
          const x = k.reduce((sum.get(f) ?? 0) - c * v);
          if (x === 0) sum.delete(f);
          else sum.set(f, x);
        }
      }
      expressed.set(r, sum);
      pending.pop();
    }
    return expressed.get(root)!;
  };
  const basis = new Map<number, Map<number, number>>();
  for (let u = 0; u < count; u++) {
    const { root, factor } = classes.find(u);
    if (classes.isZero(root)) continue;
    for (const [free, c] of express(root)) {
      const x = k.reduce(c * factor);
      if (x === 0) continue;
      let vector = basis.get(free);
      if (!vector) {
        vector = new Map();
        basis.set(free, vector);
      }
      vector.set(u, x);
    }
  }
  return [...basis.values()];
}

/** Adds up repeated unknowns. */
function combine(e: Equation, k: Arithmetic): [number, number][] {
  if (e.length === 1) return k.reduce(e[0]![1]) === 0 ? [] : [[e[0]![0], e[0]![1]]];
  const sum = new Map<number, number>();
  for (const [u, c] of e) sum.set(u, k.reduce((sum.get(u) ?? 0) + c));
  return [...sum].filter(([, c]) => c !== 0);
}

/** Classes of unknowns that are multiples of each other: x = factor * root. */
class FactorClasses {
  private readonly parent: Int32Array;
  private readonly factor: Float64Array;
  private readonly zero: Uint8Array;

  constructor(
    count: number,
    private readonly k: Arithmetic,
  ) {
    this.parent = Int32Array.from({ length: count }, (_, i) => i);
    this.factor = new Float64Array(count).fill(1);
    this.zero = new Uint8Array(count);
  }

  find(u: number): { root: number; factor: number } {
    let root = u;
    let factor = 1;
    while (this.parent[root] !== root) {
      factor = this.k.reduce(factor * this.factor[root]!);
      root = this.parent[root]!;
    }
    // Path compression with factors.
    let rest = factor;
    while (this.parent[u] !== root && u !== root) {
      const next = this.parent[u]!;
      const own = this.factor[u]!;
      this.parent[u] = root;
      this.factor[u] = rest;
      rest = this.k.reduce(rest * this.k.inverse(own));
      u = next;
    }
    return { root, factor };
  }

  isZero(root: number): boolean {
    return this.zero[root] === 1;
  }

  setZero(u: number): void {
    this.zero[this.find(u).root] = 1;
  }

  /** States x = ratio * y. */
  relate(x: number, y: number, ratio: number): void {
    const a = this.find(x);
    const b = this.find(y);
    if (a.root === b.root) {
      if (this.k.reduce(a.factor - ratio * b.factor) !== 0) this.zero[a.root] = 1;
      return;
    }
    // a.factor * A = ratio * b.factor * B
    this.parent[a.root] = b.root;
    this.factor[a.root] = this.k.reduce(ratio * b.factor * this.k.inverse(a.factor));
    if (this.zero[a.root]) this.zero[b.root] = 1;
  }
}

/** Sparse elimination of the longer equations over class representatives; returns rows by pivot with coefficient 1 there. */
function eliminate(equations: readonly Equation[], classes: FactorClasses, k: Arithmetic): Map<number, Map<number, number>> {
  const pivots = new Map<number, Map<number, number>>();
  let pending = [...equations];
  // Representatives change when a row shrinks to two terms, so go round until nothing does.
  for (;;) {
    let shrunk = false;
    const kept: Equation[] = [];
    for (const e of pending) {
      const row = overRoots(e, classes, k);
      if (row.size === 0) continue;
      const terms = [...row];
      if (terms.length === 1) {
        classes.setZero(terms[0]![0]);
        shrunk = true;
      } else if (terms.length === 2) {
        classes.relate(terms[0]![0], terms[1]![0], k.reduce(-terms[1]![1] * k.inverse(terms[0]![1])));
        shrunk = true;
      } else kept.push(terms);
    }
    pending = kept;
    if (!shrunk) break;
  }
  for (const e of pending) {
    const row = overRoots(e, classes, k);
    for (;;) {
      const hit = [...row.keys()].find((u) => pivots.has(u));
      if (hit === undefined) break;
      const c = row.get(hit)!;
      for (const [u, v] of pivots.get(hit)!) {
        const x = k.reduce((row.get(u) ?? 0) - c * v);
        if (x === 0) row.delete(u);
        else row.set(u, x);
      }
    }
    if (row.size === 0) continue;
    let pivot = -1;
    for (const [u, c] of row) if (pivot < 0 || Math.abs(Math.abs(c) - 1) < Math.abs(Math.abs(row.get(pivot)!) - 1)) pivot = u;
    const scale = k.inverse(row.get(pivot)!);
    for (const [u, c] of row) row.set(u, k.reduce(c * scale));
    pivots.set(pivot, row);
  }
  return pivots;
}

function overRoots(e: Equation, classes: FactorClasses, k: Arithmetic): Map<number, number> {
  const row = new Map<number, number>();
  for (const [u, c] of e) {
    const { root, factor } = classes.find(u);
    if (classes.isZero(root)) continue;
    const x = k.reduce((row.get(root) ?? 0) + c * factor);
    if (x === 0) row.delete(root);
    else row.set(root, x);
  }
  return row;
}
