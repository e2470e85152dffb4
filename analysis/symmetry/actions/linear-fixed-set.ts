/** @file The fixed set of a group whose tangent vectors are linear in the weights that it moves: the common null space. */
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix } from "../../numerics/matrix";
import type { FixedSet, ParameterValues } from "../symmetry";

/** Entries up to which the null space is worked out. */
const MOST_ENTRIES = 1500;

/**
 * The weights at which all given tangent vectors vanish, other parameters being as they are at `weights`.
 * @param tangents of a basis of the Lie algebra, or of enough random elements of it, at given weights
 * @throws Error where more than 1,500 entries move
 */
export function fixedByTangents(
  parameters: readonly string[],
  weights: ParameterValues,
  tangents: (weights: ParameterValues) => readonly ParameterValues[],
): FixedSet {
  const sizes = parameters.map((p) => weights.get(p)!.length);
  const total = sizes.reduce((a, b) => a + b, 0);
  if (total > MOST_ENTRIES) throw new Error(`the fixed set in ${total} entries is too large to work out: ask for it on the twin`);
  const flatten = (vectors: readonly ParameterValues[]): Float64Array => {
    const out = new Float64Array(vectors.length * total);
    vectors.forEach((v, k) => {
      let at = k * total;
      parameters.forEach((p, i) => {
        const own = v.get(p);
        if (own) out.set(own, at);
        at += sizes[i]!;
      });
    });
    return out;
  };
  const zero = new Map(parameters.map((p, i) => [p, new Float64Array(sizes[i]!)] as const));
  const offset = flatten(tangents(new Map([...weights, ...zero])));
  const columns: Float64Array[] = [];
  for (const [p, data] of zero) {
    for (let i = 0; i < data.length; i++) {
      const unit = new Float64Array(data.length);
      unit[i] = 1;
      const moved = flatten(tangents(new Map([...weights, ...zero, [p, unit]])));
      columns.push(moved.map((x, k) => x - offset[k]!));
    }
  }
  const solver = new LeastSquares(Matrix.fromColumns(columns, offset.length), { relative: 1e-8 });
  return {
    codimension: solver.rank,
    project(at) {
      const now = flatten(tangents(at));
      const delta = solver.solve(now.map((x) => -x));
      const out = new Map<string, Float64Array>();
      let k = 0;
      parameters.forEach((p, i) => {
        const own = at.get(p)!;
        const part = delta.subarray(k, k + sizes[i]!);
        k += sizes[i]!;
        if (part.some((x) => Math.abs(x) > 1e-12))
          out.set(
            p,
            own.map((x, e) => x + part[e]!),
          );
      });
      return out;
    },
  };
}
