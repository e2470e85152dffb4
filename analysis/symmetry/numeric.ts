/**
 * @file The numeric engines together: at generic weights, the tangent vectors of scalings (B), matrix fields (C) and shifts
 * (D), and the dimensions per family that they span.
 */
import type { Graph } from "../graph/graph";
import { Random } from "../numerics/random";
import { countFamilies } from "./counting/families";
import { Network } from "./counting/network";
import { genericWeights } from "./counting/sampling";
import { type FieldRegion, matrixFields } from "./fields/fields";
import { findShifts } from "./shifts/shifts";
import type { InferredAxes } from "./spaces/infer";
import type { ContinuousCounts, Generator, ParameterValues } from "./symmetry";
import { type Scaling, scalingVectors } from "./units/scalings";

/** What the numeric engines found at one draw of generic weights. */
export interface NumericResult {
  readonly weights: ParameterValues;
  readonly regions: readonly FieldRegion[];
  /** Of engines B, C and D. */
  readonly generators: readonly Generator[];
  readonly continuous: ContinuousCounts;
}

/**
 * Runs engines C and D on a graph in normal form, with B's scalings. Cost grows with the cube of the largest region: for small
 * models and twins. Throws Error where an operator cannot be evaluated.
 */
export function runNumericEngines(normal: Graph, axes: InferredAxes, scalings: readonly Scaling[], seed = 1): NumericResult {
  const weights = genericWeights(new Network(normal), new Random(seed));
  const shape = (p: string) => normal.parameters.get(p)!.shape;
  const scaled = scalings.flatMap((s) =>
    s.family === "sign"
      ? []
      : scalingVectors(s, axes, shape, weights).map(
          (vector): Generator => ({ family: s.family as "scale" | "rescaling", vector, spaces: [] }),
        ),
  );
  const regions = matrixFields(normal, weights, axes, { scalings: scaled.map((g) => g.vector), seed: seed + 10 });
  const shifts = findShifts(normal, weights, axes, { seed: seed + 20 });
  const generators = [...regions.flatMap((r) => r.generators), ...scaled, ...shifts];
  return { weights, regions, generators, continuous: countFamilies(generators) };
}
