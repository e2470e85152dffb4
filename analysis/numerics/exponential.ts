/** @file The exponential of a square matrix, by scaling and squaring of its Taylor series (Golub and Van Loan 9.3). */
import { Matrix } from "./matrix";

/** Norm below which the series is summed, and its number of terms: the first one left out is below 1e-19. */
const SMALL = 0.25;
const TERMS = 14;

/** exp(A). Throws RangeError when A is not square. */
export function exponential(a: Matrix): Matrix {
  const n = a.rows;
  if (n !== a.columns) throw new RangeError(`the exponential of a ${a.rows} x ${a.columns} matrix is not defined`);
  let size = 0;
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (const x of a.row(i)) sum += Math.abs(x);
    size = Math.max(size, sum);
  }
  const squarings = size > SMALL ? Math.ceil(Math.log2(size / SMALL)) : 0;
  const small = new Matrix(
    n,
    n,
    a.data.map((x) => x / 2 ** squarings),
  );
  // Horner: I + A (I + A/2 (I + A/3 (...))).
  let out = Matrix.identity(n);
  for (let k = TERMS; k >= 1; k--) {
    const next = small.multiply(out);
    for (let i = 0; i < next.data.length; i++) next.data[i]! /= k;
    for (let i = 0; i < n; i++) next.data[i * n + i]! += 1;
    out = next;
  }
  for (let k = 0; k < squarings; k++) out = out.multiply(out);
  return out;
}
