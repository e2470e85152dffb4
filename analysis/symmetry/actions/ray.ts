/**
 * @file Scales that engine B does not see, since it pins the axes that they run along: entries of weights that something
 * normalises together. Engine D finds them as directions along the weights themselves.
 */
import { ParameterSpace, Span } from "../counting/families";
import type { NumericResult } from "../numeric";
import type { Element, Generator, ParameterValues, Symmetry } from "../symmetry";
import { vanishingSet } from "./involution";

/** Entries of a unit vector below this are rounding. */
const SMALL = 1e-9;
/** Log-scales are drawn from this half-open range on both sides of zero. */
const LARGEST_LOG_SCALE = 0.7;

/** Positions that one ray moves, by parameter. */
type Support = ReadonlyMap<string, readonly number[]>;

/** One Symmetry per set of parameters that rays beyond all other families move. */
export function raySymmetries({ generators, rays, weights }: NumericResult): Symmetry[] {
  const space = new ParameterSpace([...weights].map(([name, data]) => [name, data.length] as const));
  const span = new Span(space.size);
  const others = generators.filter(
    (g) => !rays.includes(g) && (g.family === "linear" || g.family === "rotation" || g.family === "scale"),
  );
  span.add(others.map((g) => space.flatten(g.vector)));
  const byParameters = new Map<string, Support[]>();
  for (const { vector } of rays) {
    const before = span.dimension;
    span.add([space.flatten(vector)]);
    if (span.dimension === before) continue;
    const support = new Map(
      [...vector]
        .map(([name, v]) => [name, [...v.keys()].filter((i) => Math.abs(v[i]!) >= SMALL)] as const)
        .filter(([, at]) => at.length > 0),
    );
    const key = [...support.keys()].sort().join(" ");
    byParameters.set(key, [...(byParameters.get(key) ?? []), support]);
  }
  return [...byParameters.values()].map((supports, index) => raySymmetry(`ray:${index}`, supports));
}

function raySymmetry(id: string, supports: readonly Support[]): Symmetry {
  const parameters = [...supports[0]!.keys()];
  const entries = new Map(parameters.map((name) => [name, new Set(supports.flatMap((s) => s.get(name)!))]));
  return {
    id,
    kind: "scale",
    origin: "numeric",
    group: supports.length === 1 ? "R+" : `R+^${supports.length}`,
    dimension: supports.length,
    parameters,
    spaces: [],
    randomElement: (random) => Float64Array.from(supports, () => (2 * random() - 1) * LARGEST_LOG_SCALE),
    act: (weights, element) => scaled(weights, supports, element),
    generators: (weights) =>
      supports.map((support): Generator => ({ family: "scale", vector: along(weights, support), spaces: [] })),
    fixedSet: () => vanishingSet(entries),
  };
}

function scaled(weights: ParameterValues, supports: readonly Support[], element: Element): ParameterValues {
  const out = new Map<string, Float64Array>();
  supports.forEach((support, k) => {
    for (const [name, at] of support) {
      const moved = out.get(name) ?? weights.get(name)!.slice();
      for (const i of at) moved[i]! *= Math.exp(element[k]!);
      out.set(name, moved);
    }
  });
  return out;
}

/** The weights themselves where the support is, zero elsewhere. */
function along(weights: ParameterValues, support: Support): ParameterValues {
  return new Map(
    [...support].map(([name, at]) => {
      const w = weights.get(name)!;
      const v = new Float64Array(w.length);
      for (const i of at) v[i] = w[i]!;
      return [name, v] as const;
    }),
  );
}
