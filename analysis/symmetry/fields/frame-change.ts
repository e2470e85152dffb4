/** @file What a solution of the field system does on one edge: the matrix exponential on its channels. */
import { exponential } from "../../numerics/exponential";
import { Matrix } from "../../numerics/matrix";
import type { Channels } from "./channels";
import { type Entry, SHIFT } from "./unknowns";

/** One solution of the field system: the entries of its matrices (and shifts) by edge. */
export type FieldDirection = ReadonlyMap<string, readonly Entry[]>;

/** The change of frame on one edge. */
export class FrameChange {
  /** Channels that it changes, and its matrix on them with the shift as a last column. */
  readonly used: readonly number[];
  readonly matrix: Matrix;

  constructor(
    private readonly channels: Channels,
    entries: readonly Entry[],
  ) {
    this.used = [...new Set(entries.flatMap((e) => (e.column === SHIFT ? [e.row] : [e.row, e.column])))].sort((a, b) => a - b);
    const n = this.used.length;
    const at = new Map(this.used.map((c, i) => [c, i] as const));
    const a = new Matrix(n + 1, n + 1);
    for (const { row, column, factor } of entries) {
      a.data[at.get(row)! * (n + 1) + (column === SHIFT ? n : at.get(column)!)]! += factor;
    }
    this.matrix = exponential(a);
  }

  /** A tensor of the edge in the new frame, as a copy. */
  apply(x: Float64Array): Float64Array {
    const y = x.slice();
    const { used, matrix } = this;
    const n = used.length;
    const lists = used.map((c) => this.channels.entries[c]!);
    for (let i = 0; i < n; i++) {
      const to = lists[i]!;
      for (let p = 0; p < to.length; p++) {
        let sum = matrix.get(i, n);
        for (let j = 0; j < n; j++) {
          const f = matrix.get(i, j);
          if (f !== 0) sum += f * x[lists[j]![p]!]!;
        }
        y[to[p]!] = sum;
      }
    }
    return y;
  }
}
