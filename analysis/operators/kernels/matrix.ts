/** @file Matrix products on row-major arrays with leading dimensions. */

/**
 * C += A B for A of m x k, B of k x n, C of m x n, each with an offset and a row stride. Rows of B are streamed, four at a
 * time for two rows of A, so that the inner loop has unit stride and many products per store.
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
  let i = 0;
  for (; i + 1 < m; i += 2) {
    const to = cOffset + i * cRow;
    const next = to + cRow;
    const from = aOffset + i * aRow;
    const below = from + aRow;
    let p = 0;
    for (; p + 3 < k; p += 4) {
      const a0 = a[from + p]!;
      const a1 = a[from + p + 1]!;
      const a2 = a[from + p + 2]!;
      const a3 = a[from + p + 3]!;
      const d0 = a[below + p]!;
      const d1 = a[below + p + 1]!;
      const d2 = a[below + p + 2]!;
      const d3 = a[below + p + 3]!;
      const r0 = bOffset + p * bRow;
      const r1 = r0 + bRow;
      const r2 = r1 + bRow;
      const r3 = r2 + bRow;
      for (let j = 0; j < n; j++) {
        const b0 = b[r0 + j]!;
        const b1 = b[r1 + j]!;
        const b2 = b[r2 + j]!;
        const b3 = b[r3 + j]!;
        c[to + j]! += a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3;
        c[next + j]! += d0 * b0 + d1 * b1 + d2 * b2 + d3 * b3;
      }
    }
    for (; p < k; p++) {
      const a0 = a[from + p]!;
      const d0 = a[below + p]!;
      const r0 = bOffset + p * bRow;
      for (let j = 0; j < n; j++) {
        c[to + j]! += a0 * b[r0 + j]!;
        c[next + j]! += d0 * b[r0 + j]!;
      }
    }
  }
  if (i < m) {
    const to = cOffset + i * cRow;
    const from = aOffset + i * aRow;
    for (let p = 0; p < k; p++) {
      const a0 = a[from + p]!;
      const r0 = bOffset + p * bRow;
      for (let j = 0; j < n; j++) c[to + j]! += a0 * b[r0 + j]!;
    }
  }
}

/** The transpose of a row-major m x n matrix. */
export function transposed(a: Float64Array, m: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[j * m + i] = a[i * n + j]!;
  return out;
}
