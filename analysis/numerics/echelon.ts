/**
 * @file A lower bound of a rank, cheaply: Gaussian elimination of rows that come one at a time, with column pivoting (Golub and
 * Van Loan, Matrix Computations, 3.4, on the transpose). It takes a quarter of the work of an orthogonal basis; whether the rows
 * that it kept are independent beyond rounding is told by the smallest singular value of the factors.
 */
import { Random } from "./random";

/** Pivots of unit rows from here on are taken at once: large multiples of a small one would carry its rounding everywhere. */
const STRONG = 1e-5;
/** Pivots from here on wait for their turn: most often another row has more that is new. */
const WEAK = 1e-9;
/** Weak rows that wait at most. */
const MOST_WAITING = 60;
/** Steps of inverse iteration. */
const STEPS = 6;
/** Random vectors to which rows and factors are both applied, to see how far apart they are. */
const PROBES = 3;

/** Rows reduced to a trapezoid, L and U in one array. */
export class Echelon {
  private factors: Float64Array;
  private used = 0;
  private work: Float64Array;
  /** Of the rows that are taken off at once. */
  private readonly multiples = new Float64Array(8);
  private waiting: Float64Array[] = [];
  /** The largest entry of what was left of the last row, of unit length. */
  left = 0;
  /** The original column at each place. */
  private readonly permutation: Int32Array;
  private readonly probes: readonly Float64Array[];
  /** The products of the kept rows, of unit length, with the probes. */
  private readonly products: number[][] = [];

  /** Rows of `columns` entries. */
  constructor(readonly columns: number) {
    this.factors = new Float64Array(Math.max(1, Math.min(columns, 64)) * columns);
    this.work = new Float64Array(columns);
    this.permutation = Int32Array.from({ length: columns }, (_, i) => i);
    const random = new Random(2);
    this.probes = Array.from({ length: PROBES }, () => random.normals(columns));
  }

  /** Number of rows kept. */
  get rank(): number {
    return this.used;
  }

  /** Adds a row; returns whether it was kept. Rows of zeros, and with entries that are not finite, are not. */
  add(row: Float64Array): boolean {
    const { columns: n, work, permutation } = this;
    let length = 0;
    for (let i = 0; i < n; i++) length += row[i]! * row[i]!;
    length = Math.sqrt(length);
    this.left = 0;
    if (!(length > 1e-300) || !Number.isFinite(length) || this.used === n) return false;
    const factor = 1 / length;
    for (let i = 0; i < n; i++) work[i] = row[permutation[i]!]! * factor;
    this.eliminate(0);
    const pivot = this.pivotOf(work);
    const left = Math.abs(work[pivot]!);
    this.left = left;
    if (left >= STRONG) {
      this.products.push(this.probes.map((x) => factor * dot(row, x)));
      this.keep(pivot);
      return true;
    }
    if (left >= WEAK && this.waiting.length < MOST_WAITING) {
      // In the original order: columns change their places.
      const kept = new Float64Array(n);
      for (let i = 0; i < n; i++) kept[permutation[i]!] = row[permutation[i]!]! * factor;
      this.waiting.push(kept);
    }
    return false;
  }

  /** Takes in the rows that wait, always the one with most new in it, until `wanted` are kept; returns how many were. */
  settle(wanted: number): number {
    const { columns: n, permutation, used: before } = this;
    let rest = this.waiting.map((row) => {
      this.work = Float64Array.from(permutation, (p) => row[p]!);
      this.eliminate(0);
      return { left: this.work, row };
    });
    this.waiting = [];
    while (rest.length > 0 && this.used < Math.min(n, wanted)) {
      const largest = ({ left }: { readonly left: Float64Array }): number => Math.abs(left[this.pivotOf(left)]!);
      const best = rest.reduce((a, b) => (largest(b) > largest(a) ? b : a));
      const pivot = this.pivotOf(best.left);
      if (!(Math.abs(best.left[pivot]!) >= WEAK)) break;
      this.work = best.left;
      this.products.push(this.probes.map((x) => dot(best.row, x)));
      const last = this.used;
      this.keep(pivot);
      rest = rest.filter((r) => r !== best);
      for (const { left } of rest) {
        [left[last], left[pivot]] = [left[pivot]!, left[last]!];
        this.work = left;
        this.eliminate(last);
      }
    }
    this.work = new Float64Array(n);
    return this.used - before;
  }

  /** The place of the largest entry beyond the kept rows' pivots. */
  private pivotOf(row: Float64Array): number {
    let pivot = this.used;
    for (let i = pivot + 1; i < row.length; i++) if (Math.abs(row[i]!) > Math.abs(row[pivot]!)) pivot = i;
    return pivot;
  }

  /**
   * Takes off multiples of the kept rows, the first of them `from`, which stay in the places of their pivots. Eight rows at once,
   * so that the row at hand is read and written an eighth as often.
   */
  private eliminate(from: number): void {
    const { columns: n, work, factors, multiples: f } = this;
    let k = from;
    for (; k + 7 < this.used; k += 8) {
      for (let row = 0; row < 8; row++) {
        const pivot = k + row;
        let rest = work[pivot]!;
        for (let above = 0; above < row; above++) rest -= f[above]! * factors[(k + above) * n + pivot]!;
        f[row] = rest / factors[pivot * n + pivot]!;
      }
      for (let row = 0; row < 8; row++) work[k + row] = f[row]!;
      if (f.every((x) => x === 0)) continue;
      const [fa, fb, fc, fd] = [f[0]!, f[1]!, f[2]!, f[3]!];
      const [fe, ff, fg, fh] = [f[4]!, f[5]!, f[6]!, f[7]!];
      const [a, b, c, d] = [k * n, (k + 1) * n, (k + 2) * n, (k + 3) * n];
      const [e, g, h, l] = [(k + 4) * n, (k + 5) * n, (k + 6) * n, (k + 7) * n];
      // Sums of pairs do not wait for each other.
      for (let i = k + 8; i < n; i++) {
        work[i]! -=
          fa * factors[a + i]! +
          fb * factors[b + i]! +
          (fc * factors[c + i]! + fd * factors[d + i]!) +
          (fe * factors[e + i]! + ff * factors[g + i]! + (fg * factors[h + i]! + fh * factors[l + i]!));
      }
    }
    for (; k < this.used; k++) {
      const at = k * n;
      const multiple = work[k]! / factors[at + k]!;
      work[k] = multiple;
      for (let i = k + 1; i < n; i++) work[i]! -= multiple * factors[at + i]!;
    }
  }

  /** Keeps the row at hand, with the column of its pivot in the next place. */
  private keep(pivot: number): void {
    const { columns: n, work, permutation, used } = this;
    const end = (used + 1) * n;
    if (end > this.factors.length) {
      const grown = new Float64Array(Math.min(n, 2 * (used + 1)) * n);
      grown.set(this.factors);
      this.factors = grown;
    }
    const { factors } = this;
    factors.set(work, used * n);
    if (pivot !== used) {
      for (let at = 0; at < end; at += n) {
        const x = factors[at + used]!;
        factors[at + used] = factors[at + pivot]!;
        factors[at + pivot] = x;
      }
      const p = permutation[used]!;
      permutation[used] = permutation[pivot]!;
      permutation[pivot] = p;
    }
    this.used++;
  }

  /**
   * The smallest singular value of the kept rows, of unit length, in the columns of their pivots, by inverse iteration: not more
   * than the smallest one in all columns. 1 where no rows are kept.
   */
  smallestSingularValue(): number {
    const { used: r } = this;
    if (r === 0) return 1;
    let x = new Random(1).normals(r);
    let growth = 0;
    for (let step = 0; step < STEPS; step++) {
      normalise(x);
      x = this.solveTransposed(this.solve(x));
      growth = Math.sqrt(x.reduce((s, v) => s + v * v, 0));
      if (!Number.isFinite(growth) || growth === 0) return 0;
    }
    return 1 / Math.sqrt(growth);
  }

  /**
   * How far the product of the factors is from the kept rows, of unit length: of a difference E and normal x, the expectation of
   * the square of E x is that of the Frobenius norm of E; the largest of a few.
   */
  rounding(): number {
    const { columns: n, factors, used: r, permutation } = this;
    let worst = 0;
    this.probes.forEach((probe, k) => {
      const x = Float64Array.from(permutation, (p) => probe[p]!);
      const upper = new Float64Array(r);
      let square = 0;
      for (let i = 0; i < r; i++) {
        for (let j = i; j < n; j++) upper[i]! += factors[i * n + j]! * x[j]!;
        let product = upper[i]!;
        for (let j = 0; j < i; j++) product += factors[i * n + j]! * upper[j]!;
        square += (product - this.products[i]![k]!) ** 2;
      }
      worst = Math.max(worst, Math.sqrt(square));
    });
    return worst;
  }

  /** A^-1 x for the square A = L U, where L has multiples and a unit diagonal. */
  private solve(x: Float64Array): Float64Array {
    const { columns: n, factors, used: r } = this;
    const y = x.slice();
    for (let i = 0; i < r; i++) {
      let sum = y[i]!;
      for (let k = 0; k < i; k++) sum -= factors[i * n + k]! * y[k]!;
      y[i] = sum;
    }
    for (let i = r - 1; i >= 0; i--) {
      let sum = y[i]!;
      for (let k = i + 1; k < r; k++) sum -= factors[i * n + k]! * y[k]!;
      y[i] = sum / factors[i * n + i]!;
    }
    return y;
  }

  /** A^-T x. */
  private solveTransposed(x: Float64Array): Float64Array {
    const { columns: n, factors, used: r } = this;
    const y = x.slice();
    for (let k = 0; k < r; k++) {
      const f = y[k]! / factors[k * n + k]!;
      y[k] = f;
      for (let i = k + 1; i < r; i++) y[i]! -= f * factors[k * n + i]!;
    }
    for (let k = r - 1; k >= 0; k--) {
      const f = y[k]!;
      for (let i = 0; i < k; i++) y[i]! -= f * factors[k * n + i]!;
    }
    return y;
  }
}

function normalise(x: Float64Array): void {
  const length = Math.sqrt(x.reduce((s, v) => s + v * v, 0));
  for (let i = 0; i < x.length; i++) x[i]! /= length;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
