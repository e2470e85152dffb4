/** @file Names of the groups that engine C finds: from the dimensions of a region's solutions to a group in notation. */
import type { RegionGroup } from "./analysis";
import type { FieldRegion } from "./fields/fields";

/** Known groups by the dimensions of all, of the diagonal and of the skew solutions at width n (ALGORITHM.md 4.5). */
interface KnownGroup {
  readonly notation: (n: number) => string;
  readonly all: (n: number) => number;
  readonly diagonal: (n: number) => number;
  readonly skew: (n: number) => number;
  /** Whether n is the number of channels that some tensor has: the group has a vector of its own among them. */
  readonly fills?: true;
}

const pairs = (n: number): number => (n * (n - 1)) / 2;

/** Scales beside one rotation up to which a group has a name. */
const MOST_SCALES = 32;

const GROUPS: Readonly<Record<FieldRegion["kind"], readonly KnownGroup[]>> = {
  linear: [
    { notation: (n) => `GL(${n})`, all: (n) => n * n, diagonal: (n) => n, skew: pairs },
    // Maps that a layer norm and its linear readers cannot see: c R P + 1 w^T.
    {
      notation: (n) => `R+ x O(${n - 1}) with R^${n} (the group of layer norm)`,
      all: (n) => pairs(n - 1) + 1 + n,
      diagonal: () => 1,
      skew: (n) => pairs(n - 1),
      fills: true,
    },
  ],
  rotation: [
    { notation: (n) => `R+ x O(${n})`, all: (n) => pairs(n) + 1, diagonal: () => 1, skew: pairs },
    { notation: (n) => `O(${n})`, all: pairs, diagonal: () => 0, skew: pairs },
    { notation: (n) => `R+ x O(${n}) for each tower`, all: (n) => pairs(n) + 2, diagonal: () => 2, skew: pairs },
    // Features that are multiplied pair by pair: one rotation for all, a scale for each.
    ...Array.from({ length: MOST_SCALES - 2 }, (_, i): KnownGroup => {
      const scales = i + 3;
      return { notation: (n) => `R+^${scales} x O(${n})`, all: (n) => pairs(n) + scales, diagonal: () => scales, skew: pairs };
    }),
    {
      notation: (n) => `R+ x O(${n - 1}) fixing (1,..,1)`,
      all: (n) => pairs(n - 1) + 1,
      diagonal: () => 1,
      skew: (n) => pairs(n - 1),
      fills: true,
    },
    {
      notation: (n) => `O(${n - 1}) fixing (1,..,1)`,
      all: (n) => pairs(n - 1),
      diagonal: () => 0,
      skew: (n) => pairs(n - 1),
      fills: true,
    },
    {
      notation: (n) => (n === 2 ? "C*" : `(C*)^${n / 2}`),
      all: (n) => n,
      diagonal: (n) => n / 2,
      skew: (n) => n / 2,
    },
  ],
  monomial: [],
};

/**
 * The group of a region, or its dimension where it has no name. Regions that are monomial belong to engine B, but those that only
 * some edge shows to be so.
 */
export function regionGroup(region: FieldRegion): RegionGroup | undefined {
  if (region.kind === "monomial") {
    const { atoms, dimension, diagonal } = region;
    return diagonal < dimension ? { kind: "linear", notation: `R+^${dimension}`, dimension, atoms, parameters: [] } : undefined;
  }
  const widths = region.edges.map((e) => e.channels.length);
  const width = Math.max(...widths);
  // Repeated heads make edges wider than what acts on them; the dimensions tell the size of the group.
  const narrowest = Math.min(...widths.filter((n) => n > 1));
  const sizes = [...(narrowest < width ? [narrowest] : []), ...Array.from({ length: width }, (_, i) => width - i)];
  const isKnown = (g: KnownGroup, n: number) =>
    (g.fills === undefined || widths.includes(n)) &&
    g.all(n) === region.dimension &&
    g.diagonal(n) === region.diagonal &&
    g.skew(n) === region.skew;
  const size = sizes.find((n) => GROUPS[region.kind].some((g) => isKnown(g, n)));
  const known = size === undefined ? undefined : GROUPS[region.kind].find((g) => isKnown(g, size));
  return {
    kind: region.kind,
    notation:
      region.notation ??
      known?.notation(size!) ??
      `a ${region.kind === "linear" ? "linear" : "rotation"} group of dimension ${region.dimension}`,
    dimension: region.kind === "linear" ? region.dimension : region.skew,
    atoms: region.atoms,
    parameters: [...new Set(region.generators.flatMap((g) => [...g.vector.keys()]))],
  };
}
