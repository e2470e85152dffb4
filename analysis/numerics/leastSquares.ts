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
