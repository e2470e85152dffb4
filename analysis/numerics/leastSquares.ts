/**
 * @file Least squares of least length for matrices of any rank (complete orthogonal decomposition: Golub and Van Loan
 * 5.4.7), and non-negative least squares (Lawson and Hanson 1974, chapter 23).
 */
import { Matrix } from "./matrix";
import { HouseholderQr } from "./qr";
import { rankOfSpectrum, type RankTolerance } from "./rank";

/** A matrix prepared for many right-hand sides. */
export class LeastSquares {
  readonly rows: number;
  readonly columns: number;
  readonly rank: number;
  private readonly left: HouseholderQr;
  /** QR of the transposed leading rows of R, in the order of A's columns. */
  private readonly right: HouseholderQr | undefined;
  private readonly lower: Matrix | undefined;

  constructor(a: Matrix, tolerance: RankTolerance = {}) {
    this.rows = a.rows;
    this.columns = a.columns;
    this.left = new HouseholderQr(a, { pivot: true });
    const diagonal = Array.from({ length: this.left.steps }, (_, k) => this.left.diagonal(k));
    this.rank = rankOfSpectrum(diagonal, tolerance).rank;
    if (this.rank > 0) {
      this.right = new HouseholderQr(this.left.upperInOriginalOrder(this.rank).transpose());
      this.lower = this.right.upper(this.rank); // R1 = lower^T Q^T
    }
  }

  /** The x of least length among those that make |A x - b| least. */
  solve(b: ArrayLike<number>): Float64Array {
    const x = new Float64Array(this.columns);
    if (!this.right || !this.lower) return x;
    const c = this.left.applyTransposed(Float64Array.from(b), this.rank);
    // Forward substitution with lower^T, then back through Q.
    for (let i = 0; i < this.rank; i++) {
      let sum = c[i]!;
      for (let j = 0; j < i; j++) sum -= this.lower.get(j, i) * x[j]!;
      x[i] = sum / this.lower.get(i, i);
    }
    return this.right.apply(x);
  }

  /** The part of b that no x reaches, in coordinates of the complement: `rows - rank` numbers of the same length as it. */
  reduce(b: ArrayLike<number>): Float64Array {
    return this.left.applyTransposed(Float64Array.from(b), this.rank).subarray(this.rank);
  }

  /** An orthonormal basis of the x with A x = 0, one vector per row. */
  kernel(): Matrix {
    if (!this.right) return Matrix.identity(this.columns);
    return this.right.basisRows(this.rank, this.columns);
  }
}

/** Columns up to which a factorisation costs nothing; longer iterations than this many times the columns have failed. */
const FEW = 64;
const PATIENCE = 2;
const CONVERGED = 1e-14;
const GOOD = 1e-11;

/**
 * The x of least length with transpose(A) x = b, for a tall A (rows x columns): by conjugate gradients where it is large, which
 * takes some tens of products with A unless A is far from orthogonal (Golub and Van Loan 11.3.9).
 */
export function leastLength(a: Matrix, b: ArrayLike<number>): Float64Array {
  const solved = a.columns > FEW ? byConjugateGradients(a, b) : undefined;
  return solved ?? new LeastSquares(a.transpose()).solve(b);
}

function byConjugateGradients(a: Matrix, b: ArrayLike<number>): Float64Array | undefined {
  const { rows, columns, data } = a;
  const x = new Float64Array(rows);
  const left = Float64Array.from(b);
  const direction = left.slice();
  const forward = new Float64Array(rows);
  const back = new Float64Array(columns);
  const square = (v: Float64Array): number => v.reduce((sum, e) => sum + e * e, 0);
  const start = square(left);
  let size = start;
  for (let k = 0; size > CONVERGED ** 2 * start && k < PATIENCE * columns; k++) {
    back.fill(0);
    for (let i = 0, at = 0; i < rows; i++, at += columns) {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += data[at + j]! * direction[j]!;
      forward[i] = sum;
      for (let j = 0; j < columns; j++) back[j]! += sum * data[at + j]!;
    }
    const step = size / square(forward);
    for (let i = 0; i < rows; i++) x[i]! += step * forward[i]!;
    for (let j = 0; j < columns; j++) left[j]! -= step * back[j]!;
    const next = square(left);
    for (let j = 0; j < columns; j++) direction[j] = left[j]! + (next / size) * direction[j]!;
    size = next;
  }
  return size <= GOOD ** 2 * start ? x : undefined;
}

/**
 * The x >= 0 that makes |A x - b| least, and the length of what is left. For small systems.
 * Lawson and Hanson's active set method.
 */
export function nonNegativeLeastSquares(
  a: Matrix,
  b: ArrayLike<number>,
): { readonly x: Float64Array; readonly residual: number } {
  const n = a.columns;
  const x = new Float64Array(n);
  const passive = new Set<number>();
  const at = a.transpose();
  const left = Float64Array.from(b);
  const scale = Math.max(1e-300, a.maximum()) * Math.max(1, Math.hypot(...left));
  const refresh = (): void => {
    const ax = a.apply(x);
    for (let i = 0; i < left.length; i++) left[i] = b[i]! - ax[i]!;
  };
  for (let round = 0; round < 3 * n + 10; round++) {
    const gradient = at.apply(left);
    let best = -1;
    for (let j = 0; j < n; j++) {
      if (!passive.has(j) && gradient[j]! > 1e-11 * scale && (best < 0 || gradient[j]! > gradient[best]!)) best = j;
    }
    if (best < 0) break;
    passive.add(best);
    while (passive.size > 0) {
      const columns = [...passive].sort((p, q) => p - q);
      const z = new LeastSquares(a.selectColumns(columns)).solve(b);
      if (z.every((v) => v > 0)) {
        x.fill(0);
        columns.forEach((j, k) => {
          x[j] = z[k]!;
        });
        break;
      }
      // Walk towards z until the first entry reaches zero, and let go of it.
      let step = 1;
      columns.forEach((j, k) => {
        if (z[k]! <= 0) step = Math.min(step, x[j]! / (x[j]! - z[k]! || 1));
      });
      columns.forEach((j, k) => {
        x[j]! += step * (z[k]! - x[j]!);
        if (x[j]! <= 1e-14) {
          x[j] = 0;
          passive.delete(j);
        }
      });
    }
    refresh();
  }
  return { x, residual: Math.hypot(...left) };
}
