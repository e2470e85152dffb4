/** @file Matrix products on row-major arrays with leading dimensions. */

/**
 * C += A B for A of m x k, B of k x n, C of m x n, each with an offset and a row stride. Rows of B are streamed, four at a
 * time, so that the inner loop has unit stride and few stores.
 */
export function multiplyAdd(
  m: number,
  k: number,
  n: number,
  a: Float64Array,
  aOffset: number,
  aRow: number,
  b: Float64Array,
  bOffset: number,
  bRow: number,
  c: Float64Array,
  cOffset: number,
  cRow: number,
): void {
  if (n === 1) {
    for (let i = 0; i < m; i++) {
      let sum = 0;
      for (let p = 0, u = aOffset + i * aRow, v = bOffset; p < k; p++, u++, v += bRow) sum += a[u]! * b[v]!;
      c[cOffset + i * cRow]! += sum;
    }
    return;
  }
  for (let i = 0; i < m; i++) {
    const to = cOffset + i * cRow;
    const from = aOffset + i * aRow;
    let p = 0;
    for (; p + 3 < k; p += 4) {
      const a0 = a[from + p]!;
      const a1 = a[from + p + 1]!;
      const a2 = a[from + p + 2]!;
      const a3 = a[from + p + 3]!;
      const b0 = bOffset + p * bRow;
      const b1 = b0 + bRow;
      const b2 = b1 + bRow;
      const b3 = b2 + bRow;
      for (let j = 0; j < n; j++) {
        c[to + j]! += a0 * b[b0 + j]! + a1 * b[b1 + j]! + a2 * b[b2 + j]! + a3 * b[b3 + j]!;
      }
    }
    for (; p < k; p++) {
      const a0 = a[from + p]!;
      const b0 = bOffset + p * bRow;
      for (let j = 0; j < n; j++) c[to + j]! += a0 * b[b0 + j]!;
    }
  }
}

/** The transpose of a row-major m x n matrix. */
export function transposed(a: Float64Array, m: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[j * m + i] = a[i * n + j]!;
  return out;
}
