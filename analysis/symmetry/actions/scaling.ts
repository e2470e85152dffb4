/** @file Scalings and signs acting on parameters. */
import type { DiagonalEntries, Element, Generator, Mirror, Symmetry } from "../symmetry";
import { diagonalEntries, type Scaling, scaledWeights, scalingVectors } from "../units/scalings";
import { mirrorOf, vanishingSet } from "./involution";

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
    const act: Symmetry["act"] = (weights, element, owned) => scaledWeights(scaling, shape, weights, element, owned);
    const flipOf = (d: number): Element => Float64Array.from({ length: values }, (_, k) => (k === d ? 1 : 0));
    return {
      id: `${scaling.family}:${index}`,
      kind: scaling.family,
      origin: "rule",
      group: `${discrete ? "Z2" : "R+"}${values > 1 ? `^${values}` : ""}`,
      dimension: discrete ? 0 : scaling.sizes.reduce((n, s) => n * (s - 1), 1),
      parameters: [...new Set(scaling.entries.map((e) => e.parameter))],
      spaces,
      randomElement: (random) =>
        discrete
          ? randomSigns(values, random)
          : Float64Array.from({ length: values }, () => (2 * random() - 1) * LARGEST_LOG_SCALE),
      act,
      generators: (weights) =>
        scaling.family === "sign"
          ? []
          : scalingVectors(scaling, shape, weights).map(
              (vector): Generator => ({ family: scaling.family as "scale" | "rescaling", vector, spaces }),
            ),
      ...(discrete
        ? {
            *mirrors(): Iterable<Mirror> {
              for (let d = 0; d < values; d++) yield mirrorOf(act, flipOf(d));
            },
          }
        : {}),
      fixedSet: () => vanishingSet(movedEntries(diagonalEntries(scaling, shape), discrete)),
      diagonal: () => diagonalEntries(scaling, shape),
    };
  });
}

/** Random flips, at least one: the identity would check nothing. */
function randomSigns(count: number, random: () => number): Element {
  const out = Float64Array.from({ length: count }, () => Math.floor(random() * 2));
  if (out.every((x) => x === 0)) out[Math.floor(random() * count)] = 1;
  return out;
}

/** The entries that some factor multiplies: not those on which a factor and its inverse meet, nor two equal signs. */
function movedEntries(blocks: readonly DiagonalEntries[], discrete: boolean): Map<string, Set<number>> {
  const out = new Map<string, Set<number>>();
  for (const { parameter, flat, index, coefficient } of blocks) {
    const sums = new Map<string, number>();
    flat.forEach((i, k) => {
      const key = `${i}:${index[k]}`;
      sums.set(key, (sums.get(key) ?? 0) + coefficient[k]!);
    });
    const own = out.get(parameter) ?? new Set<number>();
    out.set(parameter, own);
    flat.forEach((i, k) => {
      const sum = sums.get(`${i}:${index[k]}`)!;
      if (discrete ? Math.round(sum) % 2 !== 0 : Math.abs(sum) > 1e-12) own.add(i);
    });
  }
  return out;
}
