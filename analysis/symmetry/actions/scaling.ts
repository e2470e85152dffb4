/** @file Scalings and signs acting on parameters. */
import type { Generator, ParameterValues, Symmetry } from "../symmetry";
import { coefficients, diagonalEntries, type Scaling, scalingVectors } from "../units/scalings";

/** Log-scales are drawn from this half-open range on both sides of zero: large enough to show, small enough for float32. */
const LARGEST_LOG_SCALE = 0.7;

/** One Symmetry per scaling (all index values of its D act at once, independently). */
export function scalingSymmetries(
  scalings: readonly Scaling[],
  shape: (parameter: string) => readonly number[],
  spacesOf: (atoms: readonly number[]) => readonly number[],
): Symmetry[] {
  return scalings.map((scaling, index): Symmetry => {
    const values = scaling.sizes.reduce((n, s) => n * s, 1);
    const discrete = scaling.family === "sign";
    const spaces = spacesOf(scaling.atoms);
    const act = (weights: ParameterValues, element: ArrayLike<number>): ParameterValues => {
      const logs = coefficients(scaling, shape, (d) => element[d]!);
      const out = new Map<string, Float64Array>();
      for (const [name, log] of logs) {
        const w = weights.get(name);
        if (w)
          out.set(
            name,
            w.map((x, i) => (discrete ? (Math.round(log[i]!) % 2 === 0 ? x : -x) : x * Math.exp(log[i]!))),
          );
      }
      return out;
    };
    return {
      id: `${scaling.family}:${index}`,
      kind: scaling.family,
      group: `${discrete ? "Z2" : "R+"}${values > 1 ? `^${values}` : ""}`,
      dimension: discrete ? 0 : scaling.sizes.reduce((n, s) => n * (s - 1), 1),
      parameters: [...new Set(scaling.entries.map((e) => e.parameter))],
      spaces,
      actRandomly: (weights, random) =>
        act(
          weights,
          Array.from({ length: values }, () => (discrete ? Math.floor(random() * 2) : (2 * random() - 1) * LARGEST_LOG_SCALE)),
        ),
      generators: (weights) =>
        scaling.family === "sign"
          ? []
          : scalingVectors(scaling, shape, weights).map(
              (vector): Generator => ({ family: scaling.family as "scale" | "rescaling", vector, spaces }),
            ),
      diagonal: () => diagonalEntries(scaling, shape),
    };
  });
}
