/** @file Symmetries of constant directions: weights to which a constant is added, whatever they are. */
import { UnionFind } from "../../numerics/unionFind";
import type { NumericResult } from "../numeric";
import type { Generator, ParameterValues, Symmetry } from "../symmetry";

/** Coordinates are drawn from this half-open range on both sides of zero. */
const LARGEST = 0.8;

/** One Symmetry per set of parameters that move together. */
export function constantSymmetries({ constants }: NumericResult): Symmetry[] {
  const sets = new UnionFind(constants.length);
  const owner = new Map<string, number>();
  constants.forEach(({ vector }, k) => {
    for (const p of vector.keys()) {
      const other = owner.get(p);
      if (other === undefined) owner.set(p, k);
      else sets.union(other, k);
    }
  });
  return sets.groups(constants.keys()).map((group, index) =>
    constantSymmetry(
      `constant:${index}`,
      group.map((k) => constants[k]!),
    ),
  );
}

function constantSymmetry(id: string, generators: readonly Generator[]): Symmetry {
  const size = generators.length;
  const parameters = [...new Set(generators.flatMap((g) => [...g.vector.keys()]))];
  return {
    id,
    kind: "translation",
    origin: "numeric",
    group: size === 1 ? "R" : `R^${size}`,
    dimension: size,
    parameters,
    spaces: [],
    randomElement: (random) => Float64Array.from({ length: size }, () => (2 * random() - 1) * LARGEST),
    act(weights, element): ParameterValues {
      const out = new Map(parameters.map((p) => [p, weights.get(p)!.slice()] as const));
      generators.forEach(({ vector }, k) => {
        for (const [p, v] of vector) {
          const moved = out.get(p)!;
          for (let i = 0; i < v.length; i++) moved[i]! += element[k]! * v[i]!;
        }
      });
      return out;
    },
    generators: () => generators,
    // A translation leaves no weights as they are.
    fixedSet: () => undefined,
  };
}
