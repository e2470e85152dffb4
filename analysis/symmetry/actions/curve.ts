/**
 * @file Directions beyond the engines as Symmetries: one-parameter families without a formula. A step along the tangent is taken
 * back to where the outputs are as they were.
 */
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix } from "../../numerics/matrix";
import { ParameterSpace } from "../counting/families";
import { curveTangents, type CurveSource } from "../fields/beyond";
import type { NumericResult } from "../numeric";
import type { Generator, ParameterValues, Symmetry } from "../symmetry";
import { Retraction } from "./retraction";

/** Lengths of steps are drawn from this half-open range on both sides of zero. */
const LARGEST = 0.25;

/** One Symmetry per direction. */
export function curveSymmetries(numeric: NumericResult): Symmetry[] {
  if (numeric.curves.length === 0) return [];
  const { network } = numeric.system;
  const retraction = new Retraction(network, numeric.seeds.fields);
  const space = new ParameterSpace(network.trainable.map((p) => [p, numeric.weights.get(p)!.length] as const));
  const known = new Map<CurveSource, WeakMap<ParameterValues, readonly Float64Array[]>>();
  const isSame = (weights: ParameterValues): boolean =>
    [...numeric.weights].every(([p, data]) => {
      const other = weights.get(p);
      return other === data || (other !== undefined && data.every((x, i) => x === other[i]));
    });
  const solutionsAt = (source: CurveSource, weights: ParameterValues): readonly Float64Array[] => {
    const kept = known.get(source) ?? new WeakMap<ParameterValues, readonly Float64Array[]>();
    known.set(source, kept);
    const found =
      kept.get(weights) ??
      curveTangents(source, network, weights, numeric.axes, numeric.seeds.fields).map((v) => space.flatten(v));
    kept.set(weights, found);
    return found;
  };
  return numeric.curves.map(({ source, generator: { family, vector } }, index): Symmetry => {
    const first = space.flatten(vector);
    const parameters = [...vector.keys()];
    // At other weights, the solution that is most like the first one.
    const tangentAt = (weights: ParameterValues): ParameterValues => {
      if (isSame(weights)) return vector;
      const solutions = solutionsAt(source, weights);
      if (solutions.length === 0) throw new Error(`${parameters.join(", ")}: nothing moves along at these weights`);
      const matrix = Matrix.fromColumns(solutions, space.size);
      return space.unflatten(matrix.apply(new LeastSquares(matrix, { relative: 1e-9 }).solve(first)));
    };
    return {
      id: `curve:${index}`,
      kind: family,
      origin: "numeric",
      group: "R",
      dimension: 1,
      parameters,
      spaces: [],
      randomElement: (random) => Float64Array.of((2 * random() - 1) * LARGEST),
      act(weights, element) {
        const tangent = tangentAt(weights);
        const moved = new Map(
          parameters.map((p) => {
            const step = tangent.get(p);
            return [p, weights.get(p)!.map((x, i) => x + element[0]! * (step?.[i] ?? 0))] as const;
          }),
        );
        return retraction.toFibre(weights, moved, parameters, new Set());
      },
      generators: (weights) => [{ family, vector: tangentAt(weights), spaces: [] } satisfies Generator],
      fixedSet: () => undefined,
    };
  });
}
