/** @file The solutions of the field system that belong to a region: from its basis to the values of all unknowns. */
import { LeastSquares } from "../../numerics/leastSquares";
import type { RegionSketch } from "./regions";
import type { FieldSystem } from "./system";

/** A solution of a region: its values on the region's own rows, and by root unknown. */
export interface RegionSolution {
  readonly target: Float64Array;
  readonly roots: ReadonlyMap<number, number>;
}

/** The solutions in a region's basis, vanishing on the sinks of other regions, with as little of shifts as there can be. */
export function regionSolutions(system: FieldSystem, sketch: RegionSketch): RegionSolution[] {
  const { solutions, rows, basis } = sketch;
  const solver = new LeastSquares(solutions.basis.selectRows(sketch.sinkRows), { relative: 1e-9 });
  const shifts = shiftRowsOf(system, solutions.unknowns);
  const shiftPart = solutions.basis.selectRows(shifts);
  // Solutions that no sink sees may be added: a shift would hang on the weights, and end the group at these weights.
  const kernel = solver.kernel().transpose();
  const lessening =
    kernel.columns > 0 && shifts.length > 0 ? new LeastSquares(shiftPart.multiply(kernel), { relative: 1e-9 }) : undefined;
  const own = new Map(rows.map((row, k) => [row, k] as const));
  return Array.from({ length: basis.columns }, (_, k) => {
    const target = basis.column(k);
    const coefficients = solver.solve(sketch.sinkRows.map((row) => target[own.get(row) ?? -1] ?? 0));
    if (lessening) {
      const more = kernel.apply(lessening.solve(shiftPart.apply(coefficients)));
      for (let i = 0; i < coefficients.length; i++) coefficients[i]! -= more[i]!;
    }
    const values = solutions.basis.apply(coefficients);
    return { target, roots: new Map(solutions.unknowns.map((u, i) => [u, values[i]!] as const)) };
  });
}

/** Positions of the unknowns that are shifts of some edge. */
export function shiftRowsOf({ unknowns }: FieldSystem, listed: readonly number[]): number[] {
  const shifts = new Set<number>();
  for (const edge of unknowns.edges.values()) {
    for (const [root, entries] of unknowns.entries(edge, true)) if (entries.length > 0) shifts.add(root);
  }
  return listed.flatMap((u, i) => (shifts.has(u) ? [i] : []));
}
