/**
 * @file Numerical rank and null space. Pivoted QR decides where its diagonal shows a clear gap; otherwise the singular
 * values of the triangular factor do. Never the Gram matrix: squaring would close gaps of 1e-9.
 */
import { Matrix as SvdMatrix, SingularValueDecomposition } from "ml-matrix";
import { Matrix } from "./matrix";
import { compressRows, HouseholderQr } from "./qr";

/** When a singular value counts as zero: at most `relative` times the largest one, or at most `absolute`. */
export interface RankTolerance {
  readonly relative?: number;
  readonly absolute?: number;
}

/** The rank, and how clear it is: the last kept and the first dropped value, relative to the largest. */
export interface Rank {
  readonly rank: number;
  /** 1 for rank 0. */
  readonly smallestKept: number;
  /** 0 where nothing was dropped. */
  readonly largestDropped: number;
}

const RELATIVE = 1e-9;
const ABSOLUTE = 1e-12;
/** Diagonal entries of a pivoted R this far apart leave no doubt about the rank. */
const CLEAR_GAP = 1e4;
/** Above this size singular values cost too much: the pivoted diagonal decides alone. */
const SVD_LIMIT = 500;
/** Up to this size numbers that are reported are singular values, beyond it the pivoted diagonal where its gap is clear. */
const REPORTED_LIMIT = 200;

/** All singular values, largest first. */
export function singularValues(a: Matrix): Float64Array {
  const tall = a.rows >= a.columns ? a : a.transpose();
  const r = compressRows(tall);
  if (r.columns === 0) return new Float64Array(0);
  // ml-matrix wants at least as many rows as columns.
  const rows: Float64Array[] = [];
  for (let i = 0; i < r.columns; i++) rows.push(i < r.rows ? r.row(i) : new Float64Array(r.columns));
  const svd = new SingularValueDecomposition(new SvdMatrix(rows), {
    computeLeftSingularVectors: false,
    computeRightSingularVectors: false,
  });
  return Float64Array.from(svd.diagonal).sort().reverse();
}

/** Rank from a falling list of singular values or diagonal entries. */
export function rankOfSpectrum(values: ArrayLike<number>, tolerance: RankTolerance = {}): Rank {
  const largest = values.length > 0 ? values[0]! : 0;
  const floor = Math.max((tolerance.relative ?? RELATIVE) * largest, tolerance.absolute ?? ABSOLUTE);
  let rank = 0;
  while (rank < values.length && values[rank]! > floor) rank++;
  return {
    rank,
    smallestKept: rank > 0 ? values[rank - 1]! / largest : 1,
    largestDropped: rank < values.length && largest > 0 ? values[rank]! / largest : 0,
  };
}

/** The numerical rank of a matrix. */
export function rank(a: Matrix, tolerance: RankTolerance = {}): Rank {
  return factorise(a, tolerance).rank;
}

function factorise(a: Matrix, tolerance: RankTolerance): { readonly rank: Rank; readonly qr: HouseholderQr } {
  const r = a.rows > 2 * a.columns ? compressRows(a) : a;
  const qr = new HouseholderQr(r, { pivot: true });
  const diagonal = Array.from({ length: qr.steps }, (_, k) => qr.diagonal(k));
  const found = rankOfSpectrum(diagonal, tolerance);
  const largest = diagonal[0] ?? 0;
  const kept = found.rank > 0 ? diagonal[found.rank - 1]! : 0;
  const dropped = found.rank < diagonal.length ? diagonal[found.rank]! : (tolerance.relative ?? RELATIVE) * largest;
  const clear = found.rank === 0 || kept > CLEAR_GAP * dropped;
  if (clear || Math.min(a.rows, a.columns) > SVD_LIMIT || largest === 0) return { rank: found, qr };
  return { rank: rankOfSpectrum(singularValues(qr.upper()), tolerance), qr };
}

/** The rank by singular values wherever that is affordable: for numbers that are reported. */
export function exactRank(a: Matrix, tolerance: RankTolerance = {}): Rank {
  if (Math.min(a.rows, a.columns) > REPORTED_LIMIT) return rank(a, tolerance);
  return rankOfSpectrum(singularValues(a), tolerance);
}

/** An orthonormal basis of the null space, one vector per column. */
export function nullSpace(a: Matrix, tolerance: RankTolerance = {}): Matrix {
  const n = a.columns;
  const { rank: found, qr } = factorise(a, tolerance);
  const r = found.rank;
  if (r === 0) return Matrix.identity(n);
  if (r === n) return new Matrix(n, 0);
  // The rows of R span the row space; the rest of the Q of R^T is orthogonal to it.
  const rows = qr.upperInOriginalOrder(r);
  return new HouseholderQr(rows.transpose()).basisRows(r, n).transpose();
}

/** An orthonormal basis of the span of the columns, one vector per column. */
export function orthonormalBasis(a: Matrix, tolerance: RankTolerance = {}): Matrix {
  const { rank: found, qr } = factoriseWhole(a, tolerance);
  return qr.basisRows(0, found.rank).transpose();
}

function factoriseWhole(a: Matrix, tolerance: RankTolerance): { readonly rank: Rank; readonly qr: HouseholderQr } {
  const qr = new HouseholderQr(a, { pivot: true });
  const diagonal = Array.from({ length: qr.steps }, (_, k) => qr.diagonal(k));
  return { rank: rankOfSpectrum(diagonal, tolerance), qr };
}

/** The orthogonal projector onto the span of orthonormal columns: Q Q^T. */
export function projector(orthonormal: Matrix): Matrix {
  return orthonormal.timesOwnTranspose();
}
