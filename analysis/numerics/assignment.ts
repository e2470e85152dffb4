/** @file The linear assignment problem: shortest augmenting paths with dual prices (Jonker and Volgenant 1987), O(n^3). */
import type { Matrix } from "./matrix";

/**
 * For every row the column that makes the sum of `gain` greatest, each column used once. Throws RangeError unless the matrix is
 * square.
 */
export function bestAssignment(gain: Matrix): Int32Array {
  const n = gain.rows;
  if (gain.columns !== n) throw new RangeError(`an assignment needs a square matrix, not ${gain.rows} x ${gain.columns}`);
  // Potentials of rows and columns; column 0 and row 0 are virtual, so that indices start at 1.
  const u = new Float64Array(n + 1);
  const v = new Float64Array(n + 1);
  const rowOf = new Int32Array(n + 1);
  const way = new Int32Array(n + 1);
  const least = new Float64Array(n + 1);
  const used = new Uint8Array(n + 1);
  for (let row = 1; row <= n; row++) {
    rowOf[0] = row;
    least.fill(Infinity);
    used.fill(0);
    let column = 0;
    do {
      used[column] = 1;
      const from = rowOf[column]!;
      const offset = (from - 1) * n - 1;
      let delta = Infinity;
      let next = 0;
      for (let j = 1; j <= n; j++) {
        if (used[j]) continue;
        const cost = -gain.data[offset + j]! - u[from]! - v[j]!;
        if (cost < least[j]!) {
          least[j] = cost;
          way[j] = column;
        }
        if (least[j]! < delta) {
          delta = least[j]!;
          next = j;
        }
      }
      if (delta === Infinity) throw new RangeError("an assignment needs finite numbers");
      for (let j = 0; j <= n; j++) {
        if (used[j]) {
          u[rowOf[j]!]! += delta;
          v[j]! -= delta;
        } else least[j]! -= delta;
      }
      column = next;
    } while (rowOf[column] !== 0);
    // Back along the path: every column on it takes the row of the one before.
    while (column !== 0) {
      const before = way[column]!;
      rowOf[column] = rowOf[before]!;
      column = before;
    }
  }
  const out = new Int32Array(n);
  for (let j = 1; j <= n; j++) out[rowOf[j]! - 1] = j - 1;
  return out;
}
