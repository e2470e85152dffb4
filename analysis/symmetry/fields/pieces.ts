/** @file Least squares over many weights, taken apart into pieces that share no equation. */
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix, norm } from "../../numerics/matrix";
import { connected } from "./equations";

/** Least squares of least length, piece by piece where columns share no equation. */
export class PieceSolver {
  private readonly pieces: readonly {
    readonly rows: readonly number[];
    readonly columns: readonly number[];
    readonly solver: LeastSquares;
  }[];
  private readonly size: number;

  constructor(columns: readonly Float64Array[]) {
    this.size = columns.length;
    this.pieces = connected(columns)
      .filter((p) => p.rows.length > 0)
      .map(({ rows, columns: own, vectors }) => ({
        rows,
        columns: own,
        solver: new LeastSquares(Matrix.fromColumns(vectors, rows.length), { relative: 1e-10 }),
      }));
  }

  /** How much of a right side no combination of columns makes: its length. */
  leaves(target: Float64Array): number {
    const open = Uint8Array.from(target, () => 1);
    let squares = 0;
    for (const { rows, solver } of this.pieces) {
      squares += norm(solver.reduce(Float64Array.from(rows, (r) => target[r]!))) ** 2;
      for (const r of rows) open[r] = 0;
    }
    target.forEach((x, r) => {
      if (open[r] === 1) squares += x * x;
    });
    return Math.sqrt(squares);
  }

  /** The coefficients of the columns that come nearest to a right side, of least length. */
  solve(target: Float64Array): Float64Array {
    const out = new Float64Array(this.size);
    for (const { rows, columns, solver } of this.pieces) {
      const x = solver.solve(Float64Array.from(rows, (r) => target[r]!));
      columns.forEach((c, k) => {
        out[c] = x[k]!;
      });
    }
    return out;
  }
}
