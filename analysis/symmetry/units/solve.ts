/**
 * @file Null space of a sparse homogeneous system, over the reals or modulo 2. Nearly all equations have one or two terms
 * and are solved by union-find with factors as they come; the few longer ones relate the classes that come of it.
 */
import type { Field } from "./relations";
import type { EquationSink } from "./writer";

/** One basis vector of the null space: coefficient by root (representative of a class of proportional unknowns). */
export type RootVector = ReadonlyMap<number, number>;

/** A homogeneous linear system under construction; unknowns are numbered from 0. */
export class LinearSystem implements EquationSink {
  private readonly modulo2: boolean;
  private parent: Int32Array;
  /** Each unknown is factor times its parent. */
  private readonly factor: Float64Array;
  private readonly isNil: Uint8Array;
  /** Terms of the longer equations one after the other, unknowns and coefficients in turn, and where each equation begins. */
  private readonly longer: number[] = [];
  private readonly starts: number[] = [];
  /** Rows with coefficient 1 at their pivots. */
  private readonly rows: Map<number, number>[] = [];
  /** By pivot: one more than the position of its row. */
  private readonly rowAt: Int32Array;
  /** Room for the way from an unknown to its root. */
  private readonly path: number[] = [];
  /** Room for one equation. */
  private readonly roots: number[] = [];
  private readonly factors: number[] = [];
  private readonly expressed = new Map<number, RootVector>();

  constructor(
    readonly count: number,
    field: Field,
  ) {
    this.modulo2 = field === "signs";
    this.parent = new Int32Array(count);
    for (let i = 0; i < count; i++) this.parent[i] = i;
    this.factor = new Float64Array(count).fill(1);
    this.isNil = new Uint8Array(count);
    this.rowAt = new Int32Array(count);
  }

  /** Maps tiny (or even) values to zero. */
  private reduce(x: number): number {
    if (this.modulo2) return Math.abs(Math.round(x)) % 2;
    return Math.abs(x) < 1e-9 ? 0 : x;
  }

  private quotient(a: number, b: number): number {
    return this.modulo2 ? a : a / b;
  }

  /** The representative of an unknown's class. */
  root(u: number): number {
    const { parent, factor } = this;
    let root = u;
    while (parent[root] !== root) root = parent[root]!;
    if (parent[u] === root) return root;
    // Path compression with factors, from the root's side: collect the path first.
    const { path } = this;
    let length = 0;
    for (let v = u; v !== root; v = parent[v]!) path[length++] = v;
    let product = 1;
    for (let i = length - 1; i >= 0; i--) {
      const v = path[i]!;
      product = this.reduce(product * factor[v]!);
      factor[v] = product;
      parent[v] = root;
    }
    return root;
  }

  /** An unknown as a multiple of its root; asked after `root`. */
  ratio(u: number): number {
    return this.parent[u] === u ? 1 : this.factor[u]!;
  }

  /** Whether a root is zero by itself. */
  isZero(root: number): boolean {
    return this.isNil[root] === 1;
  }

  /** States that an unknown is zero. */
  zero(u: number): void {
    this.isNil[this.root(u)] = 1;
  }

  /** States that a u + b v = 0. */
  pair(u: number, a: number, v: number, b: number): void {
    const p = this.reduce(a);
    const q = this.reduce(b);
    if (p === 0 || q === 0) {
      if (p !== 0) this.zero(u);
      if (q !== 0) this.zero(v);
      return;
    }
    const x = this.root(u);
    const y = this.root(v);
    // a * fu * X + b * fv * Y = 0
    const s = this.reduce(p * this.ratio(u));
    const t = this.reduce(q * this.ratio(v));
    if (s === 0 || t === 0 || !Number.isFinite(s) || !Number.isFinite(t)) {
      // Factors out of all proportion (towers of roots and powers): no scale is the safe answer.
      this.isNil[x] = this.isNil[y] = 1;
      return;
    }
    if (x === y) {
      if (this.reduce(s + t) !== 0) this.isNil[x] = 1;
      return;
    }
    this.parent[x] = y;
    this.factor[x] = this.reduce(this.quotient(-t, s));
    if (this.isNil[x]) this.isNil[y] = 1;
  }

  /** States that a sum of more unknowns is zero: the first `count` of the terms, unknowns and coefficients in turn. */
  sum(terms: readonly number[], count: number): void {
    let isFinite = true;
    for (let i = 1; i < count; i += 2) if (!Number.isFinite(terms[i])) isFinite = false;
    if (isFinite) this.starts.push(this.longer.length);
    for (let i = 0; i < count; i += 2) {
      if (isFinite) this.longer.push(terms[i]!, terms[i + 1]!);
      else this.zero(terms[i]!);
    }
  }

  /** Solves the equations written so far; roots and ratios are final from here on. */
  solve(): void {
    this.eliminate();
  }

  /** Whether a root that is not zero stays free. */
  isFree(root: number): boolean {
    return this.rowAt[root] === 0;
  }

  /** A root as a combination of free roots; empty for one that is zero. */
  express(root: number): RootVector {
    if (this.isZero(root)) return NOTHING;
    const { rowAt, rows, expressed } = this;
    const pending = [root];
    while (pending.length > 0) {
      const r = pending.at(-1)!;
      if (expressed.has(r)) {
        pending.pop();
        continue;
      }
      if (this.isZero(r)) {
        expressed.set(r, NOTHING);
        continue;
      }
      if (rowAt[r] === 0) {
        expressed.set(r, new Map([[r, 1]]));
        continue;
      }
      const row = rows[rowAt[r]! - 1]!;
      const before = pending.length;
      row.forEach((_, u) => {
        // A free root needs no vector of its own here.
        if (u !== r && (rowAt[u] !== 0 || this.isZero(u)) && !expressed.has(u)) pending.push(u);
      });
      if (pending.length > before) continue;
      const sum = new Map<number, number>();
      row.forEach((c, u) => {
        if (u === r) return;
        const known = expressed.get(u);
        if (known === undefined) this.accumulate(sum, u, -c);
        else known.forEach((v, f) => this.accumulate(sum, f, -c * v));
      });
      expressed.set(r, sum);
    }
    return expressed.get(root)!;
  }

  private accumulate(row: Map<number, number>, u: number, c: number): void {
    const x = this.reduce((row.get(u) ?? 0) + c);
    if (x === 0) row.delete(u);
    else row.set(u, x);
  }

  /** Sparse elimination of the longer equations; rows by pivot, with coefficient 1 there. */
  private eliminate(): void {
    const { rowAt, rows } = this;
    const pending = this.shorten();
    if (pending.length === 0) return;
    // A root in few equations makes the best pivot: little has to be rewritten, and what is left free is what is shared.
    const uses = new Int32Array(this.count);
    for (const row of pending) row.forEach((_, u) => uses[u]!++);
    for (const row of pending) {
      for (let hit = this.pivotIn(row); hit !== undefined; hit = this.pivotIn(row)) {
        const c = row.get(hit)!;
        rows[rowAt[hit]! - 1]!.forEach((v, u) => this.accumulate(row, u, -c * v));
      }
      if (row.size === 0) continue;
      let pivot = -1;
      let cost = Number.POSITIVE_INFINITY;
      row.forEach((c, u) => {
        const price = uses[u]! + (Math.abs(Math.abs(c) - 1) < 1e-9 ? 0 : 1000);
        if (price >= cost) return;
        pivot = u;
        cost = price;
      });
      const scale = row.get(pivot)!;
      if (scale !== 1) row.forEach((c, u) => row.set(u, this.reduce(this.quotient(c, scale))));
      rowAt[pivot] = rows.push(row);
    }
  }

  /** A root of a row that is a pivot already. */
  private pivotIn(row: ReadonlyMap<number, number>): number | undefined {
    if (this.rows.length === 0) return undefined;
    for (const u of row.keys()) if (this.rowAt[u] !== 0) return u;
    return undefined;
  }

  /**
   * The longer equations over roots. Those that turn out short are solved at once, which may make others shorter: a few
   * rounds of that, elimination does the rest.
   */
  private shorten(): Map<number, number>[] {
    const { starts } = this;
    let left = starts.length;
    const ends = Int32Array.from(starts, (_, i) => starts[i + 1] ?? this.longer.length);
    const pending = Int32Array.from(starts.keys());
    for (let round = 0, isShrunk = true; isShrunk && round < MOST_ROUNDS; round++) {
      isShrunk = false;
      let kept = 0;
      for (let i = 0; i < left; i++) {
        const k = pending[i]!;
        const n = this.gather(starts[k]!, ends[k]!);
        if (n > 2) pending[kept++] = k;
        if (n === 0 || n > 2) continue;
        if (n === 1) this.zero(this.roots[0]!);
        else this.pair(this.roots[0]!, this.factors[0]!, this.roots[1]!, this.factors[1]!);
        isShrunk = true;
      }
      left = kept;
    }
    return Array.from(pending.subarray(0, left), (k) => this.overRoots(starts[k]!, ends[k]!));
  }

  /** The roots of an equation that do not cancel and their coefficients, into `roots` and `factors`; returns how many. */
  private gather(start: number, end: number): number {
    const { roots, factors, longer } = this;
    let n = 0;
    for (let i = start; i < end; i += 2) {
      const root = this.root(longer[i]!);
      if (this.isZero(root)) continue;
      let at = 0;
      while (at < n && roots[at] !== root) at++;
      if (at === n) {
        roots[n] = root;
        factors[n++] = 0;
      }
      factors[at] = this.reduce(factors[at]! + longer[i + 1]! * this.ratio(longer[i]!));
    }
    let kept = 0;
    for (let i = 0; i < n; i++) {
      if (factors[i] === 0) continue;
      roots[kept] = roots[i]!;
      factors[kept++] = factors[i]!;
    }
    return kept;
  }

  private overRoots(start: number, end: number): Map<number, number> {
    const row = new Map<number, number>();
    const n = this.gather(start, end);
    for (let i = 0; i < n; i++) row.set(this.roots[i]!, this.factors[i]!);
    return row;
  }
}

const MOST_ROUNDS = 16;

const NOTHING: RootVector = new Map();
