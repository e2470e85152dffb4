/**
 * @file Which scalings are *scale* and which *rescaling* (ALGORITHM.md 3.3). Scale: no activation that weights
 * contract changes, and all parameters grow together (the span of the cone of non-negative coefficients). The first condition is
 * needed: without it a gain in front of a batch-normed convolution would count.
 */
import { nonNegativeLeastSquares } from "../../numerics/leastSquares";
import { Matrix } from "../../numerics/matrix";
import type { RootVector } from "./solve";

/** Whether the parameters of a root follow it (1), go against it (-1) or do both (0); undefined where it has none. */
type SignOf = (root: number) => number | undefined;

/** A basis in two parts. */
export interface FamilySplit {
  readonly scale: readonly RootVector[];
  readonly rescaling: readonly RootVector[];
}

/**
 * Splits the span of a basis. `signs` says of each root that parameters have whether they follow it (1), go against it (-1)
 * or do both (0); `mustVanish` are the roots of activations that scale may not change. The scale part is a basis of its
 * own, the rescaling part are those given vectors that complete it.
 */
export function splitFamilies(basis: readonly RootVector[], signs: SignOf, mustVanish: ReadonlySet<number>): FamilySplit {
  const scale: RootVector[] = [];
  const rescaling: RootVector[] = [];
  let most = -1;
  for (const v of basis) for (const root of v.keys()) if (root > most) most = root;
  const first = new Int32Array(most + 1);
  for (const component of components(basis, first)) {
    if (component.length === 1) {
      (isScale(component[0]!, signs, mustVanish) ? scale : rescaling).push(component[0]!);
      continue;
    }
    const quiet = vanishingOn(component, (root) => mustVanish.has(root));
    const grow = components(quiet, first).flatMap((c) => coneSpan(c, signs, first).filter((v) => movesParameter(v, signs)));
    scale.push(...grow);
    if (grow.length < component.length) rescaling.push(...complement(component, grow));
  }
  return { scale, rescaling };
}

/** Whether a vector on its own is scale. */
function isScale(v: RootVector, signs: SignOf, mustVanish: ReadonlySet<number>): boolean {
  let direction = 0;
  for (const [root, c] of v) {
    if (mustVanish.has(root)) return false;
    const sign = signs(root);
    if (sign === undefined) continue;
    const own = sign * Math.sign(c);
    if (own === 0 || own === -direction) return false;
    direction = own;
  }
  return direction !== 0;
}

function movesParameter(v: RootVector, signs: SignOf): boolean {
  for (const root of v.keys()) if (signs(root) !== undefined) return true;
  return false;
}

/**
 * Groups vectors that share a root.
 * @param first room to work in, zero for each root: one more than the position of the first vector that has it
 */
function components(vectors: readonly RootVector[], first: Int32Array): RootVector[][] {
  const parent = vectors.map((_, i) => i);
  const find = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!;
    return i;
  };
  vectors.forEach((v, i) => {
    v.forEach((_, root) => {
      if (first[root] === 0) first[root] = i + 1;
      else parent[find(i)] = find(first[root]! - 1);
    });
  });
  for (const v of vectors) for (const root of v.keys()) first[root] = 0;
  const groups = new Array<RootVector[] | undefined>(vectors.length);
  const out: RootVector[][] = [];
  vectors.forEach((v, i) => {
    const at = find(i);
    const group = groups[at];
    if (group !== undefined) group.push(v);
    else out.push((groups[at] = [v]));
  });
  return out;
}

/** v + factor * other */
function plus(v: RootVector, other: RootVector, factor: number): Map<number, number> {
  const out = new Map(v);
  add(out, other, factor);
  return out;
}

/** Adds factor * other to v. */
function add(v: Map<number, number>, other: RootVector, factor: number): void {
  other.forEach((c, root) => {
    const x = (v.get(root) ?? 0) + factor * c;
    if (Math.abs(x) < 1e-9) v.delete(root);
    else v.set(root, x);
  });
}

/** A basis of the combinations that vanish on the chosen roots. */
function vanishingOn(basis: readonly RootVector[], mustVanish: (root: number) => boolean): RootVector[] {
  const left: (RootVector | undefined)[] = [...basis];
  /** Vectors made here, which may change; those of the basis may not. */
  const made = new Map<number, Map<number, number>>();
  // Which vectors have a chosen root, and the chosen roots still to be cleared; either may list too much.
  const having = new Map<number, Set<number>>();
  const note = (v: RootVector, i: number) => {
    for (const root of v.keys()) {
      if (!mustVanish(root)) continue;
      const list = having.get(root);
      if (list) list.add(i);
      else having.set(root, new Set([i]));
    }
  };
  basis.forEach(note);
  for (const [root, candidates] of having) {
    const users = [...candidates].filter((i) => left[i]?.has(root));
    if (users.length === 0) continue;
    // The shortest vector is given up: it spreads least over the others.
    const pivot = users.reduce((a, b) => (left[b]!.size < left[a]!.size ? b : a));
    const p = left[pivot]!;
    left[pivot] = undefined;
    for (const i of users) {
      const v = left[i];
      if (!v) continue;
      const own = made.get(i) ?? new Map(v);
      add(own, p, -v.get(root)! / p.get(root)!);
      made.set(i, own);
      left[i] = own;
      // Roots that it had are noted already.
      note(p, i);
    }
  }
  return left.filter((v): v is RootVector => v !== undefined && v.size > 0);
}

/**
 * A basis of the span of the combinations under which no parameter shrinks. Roots whose parameters cannot all grow must
 * stand still; when the others can all grow at once, that is the span.
 */
function coneSpan(basis: readonly RootVector[], signs: SignOf, first: Int32Array): RootVector[] {
  let left = vanishingOn(basis, (root) => signs(root) === 0);
  for (;;) {
    const parts = components(left, first);
    if (parts.length > 1) return parts.flatMap((part) => coneSpan(part, signs, first));
    const still = rootsThatCannotGrow(left, signs);
    if (still.size === 0) return left;
    left = vanishingOn(left, (root) => still.has(root));
  }
}

/** How the parameters of one root move: coefficient by index of the basis vector. */
interface Row {
  readonly root: number;
  readonly terms: ReadonlyMap<number, number>;
}

/** Roots whose parameters stand still in every combination that lets none shrink; not all of them at once, but none only if there is none. */
function rootsThatCannotGrow(basis: readonly RootVector[], signs: SignOf): Set<number> {
  const { rows, opposed } = distinctRows(basis, signs);
  if (opposed.size > 0) return opposed;
  const core = peel(rows, basis.length);
  if (core.length === 0) return new Set();
  // Gordan: either some combination is positive on all rows, or some y >= 0, not zero, has y^T rows = 0, and the rows with
  // y > 0 vanish wherever none is negative.
  const columns = [...new Set(core.flatMap((r) => [...r.terms.keys()]))];
  const at = new Map(columns.map((c, i) => [c, i]));
  const a = new Matrix(columns.length + 1, core.length);
  core.forEach((row, j) => {
    for (const [c, v] of row.terms) a.set(at.get(c)!, j, v);
    a.set(columns.length, j, 1);
  });
  const target = new Float64Array(columns.length + 1);
  target[columns.length] = 1;
  const { x, residual } = nonNegativeLeastSquares(a, target);
  if (residual > 1e-6) return new Set();
  return new Set(core.filter((_, j) => x[j]! > 1e-9).map((r) => r.root));
}

/** One row of each direction, and the roots of rows of which the opposite occurs too. */
function distinctRows(basis: readonly RootVector[], signs: SignOf): { rows: Row[]; opposed: Set<number> } {
  const byRoot = new Map<number, Map<number, number>>();
  basis.forEach((v, i) => {
    for (const [root, c] of v) {
      const sign = signs(root);
      if (sign === undefined) continue;
      const terms = byRoot.get(root);
      if (terms) terms.set(i, c * sign);
      else byRoot.set(root, new Map([[i, c * sign]]));
    }
  });
  const seen = new Map<string, Row>();
  const opposed = new Set<number>();
  for (const [root, terms] of byRoot) {
    let largest = 0;
    for (const c of terms.values()) largest = Math.max(largest, Math.abs(c));
    const key = (sign: number) => [...terms].map(([i, c]) => `${i}:${((sign * c) / largest).toFixed(9)}`).join();
    const own = key(1);
    if (seen.has(own)) continue;
    const row = { root, terms };
    seen.set(own, row);
    const opposite = seen.get(key(-1));
    if (opposite) opposed.add(root).add(opposite.root);
  }
  return { rows: [...seen.values()], opposed };
}

/**
 * Takes rows away that some single vector makes grow without making another of the rest shrink: enough of that vector
 * outweighs whatever is needed elsewhere. What is left is the core of the question, nearly always nothing.
 */
function peel(rows: readonly Row[], count: number): Row[] {
  const positive = new Int32Array(count);
  const negative = new Int32Array(count);
  const having: Row[][] = Array.from({ length: count }, () => []);
  for (const row of rows) {
    for (const [i, c] of row.terms) {
      having[i]!.push(row);
      if (c > 0) positive[i]!++;
      else negative[i]!++;
    }
  }
  const left = new Set(rows);
  const pending = Array.from({ length: count }, (_, i) => i);
  for (let i = pending.pop(); i !== undefined; i = pending.pop()) {
    if ((positive[i] === 0) === (negative[i] === 0)) continue;
    for (const row of having[i]!) {
      if (!left.delete(row)) continue;
      for (const [j, c] of row.terms) {
        if (c > 0) positive[j]!--;
        else negative[j]!--;
        pending.push(j);
      }
    }
  }
  return [...left];
}

/** Those basis vectors that together with `part` span what the basis spans. */
function complement(basis: readonly RootVector[], part: readonly RootVector[]): RootVector[] {
  if (part.length === 0) return [...basis];
  const pivots: { readonly at: number; readonly vector: RootVector }[] = [];
  const pivotOf = new Map<number, number>();
  const addsTo = (given: RootVector): boolean => {
    let v = given;
    // Earlier pivots first: a pivot's vector has none of the earlier ones.
    for (;;) {
      let first = Number.POSITIVE_INFINITY;
      for (const root of v.keys()) first = Math.min(first, pivotOf.get(root) ?? first);
      if (first === Number.POSITIVE_INFINITY) break;
      const p = pivots[first]!;
      v = plus(v, p.vector, -v.get(p.at)! / p.vector.get(p.at)!);
    }
    const at = v.keys().next();
    if (at.done) return false;
    pivotOf.set(at.value, pivots.length);
    pivots.push({ at: at.value, vector: v });
    return true;
  };
  for (const v of part) addsTo(v);
  return basis.filter(addsTo);
}
