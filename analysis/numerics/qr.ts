/**
 * @file Householder QR (Golub and Van Loan, Matrix Computations, 5.2 and 5.4): with and without column pivoting. Work
 * arrays hold columns contiguously, so that the inner loops are dot products and updates over adjacent numbers.
 */
import { Matrix } from "./matrix";
import { staircase } from "./staircase";

/** A factorisation A P = Q R; P is the identity without pivoting. */
export class HouseholderQr {
  readonly rows: number;
  readonly columns: number;
  /** Number of reflections made: min(rows, columns), or fewer where pivoting stopped. */
  readonly steps: number;
  /** Column k of A P is column `permutation[k]` of A. */
  readonly permutation: Int32Array;
  /** Columns of the work array: R on and above the diagonal, reflectors (first entry implied) below. */
  private readonly work: Float64Array;
  private readonly heads: Float64Array;
  private readonly betas: Float64Array;
  /** By column: the row from which on it and those before it are zero; absent where nothing is known. */
  private readonly ends: Int32Array | undefined;

  /**
   * Factorises. With `pivot`, the column of largest remaining norm comes first at every step, and the work stops when that
   * norm is at most `stop`. Without, `ends` may tell which rows are zero (see `Staircase`).
   */
  constructor(
    a: Matrix,
    options: { readonly pivot?: boolean; readonly stop?: number; readonly ends?: Int32Array | undefined } = {},
  ) {
    const m = a.rows;
    const n = a.columns;
    this.rows = m;
    this.columns = n;
    this.ends = options.pivot ? undefined : options.ends;
    this.work = a.transpose().data;
    const limit = Math.min(m, n);
    this.heads = new Float64Array(limit);
    this.betas = new Float64Array(limit);
    this.permutation = Int32Array.from({ length: n }, (_, i) => i);
    this.steps = options.pivot ? this.factorisePivoted(limit, options.stop ?? 0) : this.factorise(limit);
  }

  /** Makes reflection k from column k; none where the column is zero already. */
  private reflect(k: number): void {
    const { work, rows: m } = this;
    const base = k * m;
    const end = this.ends?.[k] ?? m;
    let sum = 0;
    for (let i = k + 1; i < end; i++) sum += work[base + i]! * work[base + i]!;
    const alpha = work[base + k]!;
    const length = Math.sqrt(alpha * alpha + sum);
    if (sum === 0 || length === 0) {
      this.betas[k] = 0;
      this.heads[k] = 1;
      return;
    }
    const r = alpha > 0 ? -length : length;
    const head = alpha - r;
    work[base + k] = r;
    this.heads[k] = head;
    this.betas[k] = 2 / (head * head + sum);
  }

  /** Applies reflection k to the column that starts at `base` of `target`. */
  private update(k: number, target: Float64Array, base: number): void {
    const beta = this.betas[k]!;
    if (beta === 0) return;
    const { work } = this;
    const own = k * this.rows;
    const m = this.ends?.[k] ?? this.rows;
    const head = this.heads[k]!;
    let s0 = head * target[base + k]!;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    let i = k + 1;
    for (; i + 3 < m; i += 4) {
      s0 += work[own + i]! * target[base + i]!;
      s1 += work[own + i + 1]! * target[base + i + 1]!;
      s2 += work[own + i + 2]! * target[base + i + 2]!;
      s3 += work[own + i + 3]! * target[base + i + 3]!;
    }
    for (; i < m; i++) s0 += work[own + i]! * target[base + i]!;
    const f = beta * (s0 + s1 + s2 + s3);
    if (f === 0) return;
    target[base + k]! -= f * head;
    for (i = k + 1; i < m; i++) target[base + i]! -= f * work[own + i]!;
  }

  /**
   * Applies the first reflections, in order, to the column that starts at `base` of `target`. While one is taken off, the product
   * with the next is summed up: the column is read and written once for each.
   */
  private updateAll(steps: number, target: Float64Array, base: number): void {
    const { work, betas, heads } = this;
    const m = this.rows;
    // What is still to be taken off: reflection k, `f` times.
    let f = 0;
    for (let k = -1; k < steps; k++) {
      const next = k + 1;
      const own = k * m;
      const from = next * m;
      const end = f === 0 ? 0 : (this.ends?.[k] ?? m);
      if (f !== 0) target[base + k]! -= f * heads[k]!;
      const beta = next < steps ? betas[next]! : 0;
      if (beta === 0) {
        for (let i = next; i < end; i++) target[base + i]! -= f * work[own + i]!;
        f = 0;
        continue;
      }
      const nextEnd = this.ends?.[next] ?? m;
      if (next < end) target[base + next]! -= f * work[own + next]!;
      let s0 = heads[next]! * target[base + next]!;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      let i = next + 1;
      for (const both = Math.min(end, nextEnd); i + 3 < both; i += 4) {
        const a = (target[base + i]! -= f * work[own + i]!);
        const b = (target[base + i + 1]! -= f * work[own + i + 1]!);
        const c = (target[base + i + 2]! -= f * work[own + i + 2]!);
        const d = (target[base + i + 3]! -= f * work[own + i + 3]!);
        s0 += work[from + i]! * a;
        s1 += work[from + i + 1]! * b;
        s2 += work[from + i + 2]! * c;
        s3 += work[from + i + 3]! * d;
      }
      for (let q = i; q < end; q++) target[base + q]! -= f * work[own + q]!;
      for (; i + 3 < nextEnd; i += 4) {
        s0 += work[from + i]! * target[base + i]!;
        s1 += work[from + i + 1]! * target[base + i + 1]!;
        s2 += work[from + i + 2]! * target[base + i + 2]!;
        s3 += work[from + i + 3]! * target[base + i + 3]!;
      }
      for (; i < nextEnd; i++) s0 += work[from + i]! * target[base + i]!;
      f = beta * (s0 + s1 + s2 + s3);
    }
  }

  private factorise(limit: number): number {
    const { columns: n, rows: m } = this;
    // Left-looking: each column takes all earlier reflections while it is in the cache.
    for (let j = 0; j < n; j++) {
      const steps = Math.min(j, limit);
      this.updateAll(steps, this.work, j * m);
      if (j < limit) this.reflect(j);
    }
    return limit;
  }

  private factorisePivoted(limit: number, stop: number): number {
    const { work, rows: m, columns: n, permutation } = this;
    const norms = new Float64Array(n);
    const reference = new Float64Array(n);
    for (let j = 0; j < n; j++) norms[j] = reference[j] = this.tailNorm(j, 0);
    for (let k = 0; k < limit; k++) {
      let best = k;
      for (let j = k + 1; j < n; j++) if (norms[j]! > norms[best]!) best = j;
      if (norms[best]! <= stop) {
        // Downdated norms lose digits: look again before giving up.
        for (let j = k; j < n; j++) norms[j] = reference[j] = this.tailNorm(j, k);
        best = k;
        for (let j = k + 1; j < n; j++) if (norms[j]! > norms[best]!) best = j;
        if (norms[best]! <= stop) return k;
      }
      if (best !== k) {
        const a = work.slice(k * m, (k + 1) * m);
        work.copyWithin(k * m, best * m, (best + 1) * m);
        work.set(a, best * m);
        const p = permutation[k]!;
        permutation[k] = permutation[best]!;
        permutation[best] = p;
        norms[best] = norms[k]!;
        reference[best] = reference[k]!;
      }
      this.reflect(k);
      for (let j = k + 1; j < n; j++) {
        this.update(k, work, j * m);
        if (norms[j] === 0) continue;
        const ratio = work[j * m + k]! / norms[j]!;
        const left = Math.max(0, 1 - ratio * ratio);
        const drift = norms[j]! / reference[j]!;
        if (left * drift * drift < 1e-8) norms[j] = reference[j] = this.tailNorm(j, k + 1);
        else norms[j]! *= Math.sqrt(left);
      }
    }
    return limit;
  }

  private tailNorm(column: number, from: number): number {
    const { work, rows: m } = this;
    let sum = 0;
    for (let i = column * m + from; i < (column + 1) * m; i++) sum += work[i]! * work[i]!;
    return Math.sqrt(sum);
  }

  /** Absolute diagonal entry k of R. */
  diagonal(k: number): number {
    return Math.abs(this.work[k * this.rows + k]!);
  }

  /** The first `count` rows of R, columns in pivoted order. */
  upper(count = this.steps): Matrix {
    const out = new Matrix(count, this.columns);
    for (let j = 0; j < this.columns; j++) {
      const top = Math.min(count, j + 1);
      for (let i = 0; i < top; i++) out.data[i * this.columns + j] = this.work[j * this.rows + i]!;
    }
    // Beyond the last reflection nothing was eliminated.
    for (let j = this.steps; j < this.columns; j++) {
      for (let i = j + 1; i < count; i++) out.data[i * this.columns + j] = this.work[j * this.rows + i]!;
    }
    return out;
  }

  /** R without pivoting's permutation: the first `count` rows of R P^T. */
  upperInOriginalOrder(count = this.steps): Matrix {
    const r = this.upper(count);
    const out = new Matrix(r.rows, r.columns);
    for (let i = 0; i < r.rows; i++) {
      for (let j = 0; j < r.columns; j++) out.data[i * r.columns + this.permutation[j]!] = r.data[i * r.columns + j]!;
    }
    return out;
  }

  /** x := Q^T x for a vector of length `rows`, in place. */
  applyTransposed(x: Float64Array, steps = this.steps): Float64Array {
    this.updateAll(steps, x, 0);
    return x;
  }

  /** x := Q x for a vector of length `rows`, in place. */
  apply(x: Float64Array, steps = this.steps): Float64Array {
    for (let k = steps - 1; k >= 0; k--) this.update(k, x, 0);
    return x;
  }

  /** Columns [from, to) of Q as a matrix of `to - from` rows: each row is one column of Q. */
  basisRows(from: number, to: number): Matrix {
    const out = new Matrix(to - from, this.rows);
    for (let k = from; k < to; k++) {
      const row = out.row(k - from);
      row[k] = 1;
      this.apply(row);
    }
    return out;
  }
}

/** Multiplications of a factorisation from which on it pays to look for zeros. */
const LARGE = 1e7;

/**
 * The triangular factor of A, up to the order of its columns: a matrix R with R^T R = A^T A, hence with the same null space, and
 * at most as many rows as columns. A itself where it has no more rows than columns.
 */
export function compressRows(a: Matrix): Matrix {
  if (a.rows <= a.columns) return a;
  const order = a.rows * a.columns * a.columns > LARGE ? staircase(a) : undefined;
  if (order === undefined) return new HouseholderQr(a).upper();
  const r = new HouseholderQr(a.selectRows(order.rows).selectColumns(order.columns), { ends: order.ends }).upper();
  const places = new Int32Array(a.columns);
  order.columns.forEach((column, place) => {
    places[column] = place;
  });
  return r.selectColumns(places);
}

/** Collects rows and keeps them compressed: memory stays within a few times columns squared. */
export class RowCompressor {
  readonly columns: number;
  private parts: Matrix[] = [];
  private waiting = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  add(rows: Matrix): void {
    if (rows.columns !== this.columns) throw new RangeError(`rows have ${rows.columns} entries, expected ${this.columns}`);
    if (rows.rows === 0) return;
    this.parts.push(rows);
    this.waiting += rows.rows;
    if (this.waiting > 4 * this.columns + 64) this.compress();
  }

  private compress(): void {
    const r = compressRows(Matrix.stacked(this.parts, this.columns));
    this.parts = [r];
    this.waiting = r.rows;
  }

  /** All rows so far, compressed. */
  result(): Matrix {
    if (this.parts.length !== 1 || this.waiting > this.columns) this.compress();
    return this.parts[0] ?? new Matrix(0, this.columns);
  }
}
