/**
 * @file An order of the rows and columns of a tall matrix with many zeros in which its QR factorisation costs less: groups of
 * columns that share no row come first, each above zeros of the others, and the columns that many rows use come last.
 */
import type { Matrix } from "./matrix";
import { UnionFind } from "./unionFind";

/** Rows and columns in a better order. */
export interface Staircase {
  /** Row and column of the matrix by place. */
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  /** By column: the place behind the last row that has anything in it or before it. Never falls. */
  readonly ends: Int32Array;
}

/** Shares of the rows from which on a column counts as one that many rows use. */
const SHARED = [1 / 2, 1 / 4, 1 / 8, 1 / 16] as const;

/** An order has to take this share of the work off, or the matrix stays as it is. */
const WORTHWHILE = 0.7;

/** The best of a few orders, undefined where none makes it cheaper. The matrix has more rows than columns. */
export function staircase(a: Matrix): Staircase | undefined {
  const filled = columnEntries(a);
  let best: Staircase | undefined;
  let least = WORTHWHILE * work(new Int32Array(a.columns).fill(a.rows));
  for (const share of SHARED) {
    const order = arranged(a, filled, share * a.rows);
    const needed = work(order.ends);
    if (needed >= least) continue;
    least = needed;
    best = order;
  }
  return best;
}

/** Multiplications of the factorisation, about. */
function work(ends: Int32Array): number {
  let sum = 0;
  for (let k = 0; k < ends.length; k++) sum += Math.max(1, ends[k]! - k) * (ends.length - k);
  return sum;
}

/** By column, in how many rows it is not zero. */
function columnEntries({ rows, columns, data }: Matrix): Int32Array {
  const out = new Int32Array(columns);
  for (let i = 0, at = 0; i < rows; i++) for (let j = 0; j < columns; j++) if (data[at++] !== 0) out[j]!++;
  return out;
}

/** Columns of at most `limit` entries by the rows that they share, then the others, fuller ones later. */
function arranged(a: Matrix, filled: Int32Array, limit: number): Staircase {
  const { rows: m, columns: n, data } = a;
  const sets = new UnionFind(n);
  for (let i = 0; i < m; i++) {
    let first = -1;
    for (let j = 0; j < n; j++) {
      if (data[i * n + j] === 0 || filled[j]! > limit) continue;
      if (first < 0) first = j;
      else sets.union(first, j);
    }
  }
  const all = Array.from({ length: n }, (_, j) => j);
  const few = sets.groups(all.filter((j) => filled[j]! <= limit)).flat();
  const many = all.filter((j) => filled[j]! > limit).sort((p, q) => filled[p]! - filled[q]! || p - q);
  const columns = Int32Array.from([...few, ...many]);
  const leads = new Int32Array(m);
  const counts = new Int32Array(n + 2);
  for (let i = 0; i < m; i++) {
    let lead = 0;
    while (lead < n && data[i * n + columns[lead]!] === 0) lead++;
    leads[i] = lead;
    counts[lead + 1]!++;
  }
  for (let k = 0; k <= n; k++) counts[k + 1]! += counts[k]!;
  const ends = counts.slice(1, n + 1);
  const rows = new Int32Array(m);
  for (let i = 0; i < m; i++) rows[counts[leads[i]!]!++] = i;
  return { rows, columns, ends };
}
