/**
 * @file The continuous symmetries of a model of any size that are known from its graph alone: matrix groups, translations and
 * unread directions, with actions that need no solving. Scalings have a room of their own (units).
 */
import type { Graph } from "../../graph/graph";
import type { RegionGroup } from "../analysis";
import type { InferredAxes } from "../spaces/infer";
import type { Generator, Symmetry } from "../symmetry";
import { matrixFamilySymmetry } from "./matrix-action";
import type { MatrixFamily } from "./matrix-families";
import { type RotaryFamily, rotarySymmetries } from "./rotary";
import { type ShearFamily, shearSymmetries } from "./shears";
import type { ShiftFamily } from "./shift-families";

/** What the graph alone says. */
export interface RuleFamilies {
  readonly matrices: readonly MatrixFamily[];
  readonly shifts: readonly ShiftFamily[];
  readonly rotaries: readonly RotaryFamily[];
  readonly shears: readonly ShearFamily[];
}

/**
 * Coordinates of shifts are drawn from this half-open range on both sides of zero: large enough to show, and small enough for
 * float32 where many of them act together (what one adds to a weight, another multiplies by what it adds to a bias).
 */
const LARGEST_SHIFT = 0.1;
/** Coordinates that a random element moves at most: of large families a part will do. */
const MOST_MOVED = 4096;
/** Numbers in all tangent vectors together up to which they are listed. */
const MOST_TANGENT_ENTRIES = 50_000_000;

/** The matrix groups as they are named on spaces. */
export function familyRegions(matrices: readonly MatrixFamily[]): RegionGroup[] {
  return matrices.map((m) => ({
    kind: m.kind,
    notation: m.notation,
    dimension: m.dimension,
    atoms: [m.atom],
    parameters: [...new Set(m.places.map((p) => p.occurrence.parameter))],
  }));
}

/** The families as Symmetries. */
export function familySymmetries(
  graph: Graph,
  axes: InferredAxes,
  { matrices, shifts, rotaries, shears }: RuleFamilies,
  spacesOf: (atoms: readonly number[]) => readonly number[],
): Symmetry[] {
  return [
    ...matrices.map((m, k) => matrixFamilySymmetry(graph, axes, m, `${m.kind}:${k}`, spacesOf([m.atom]))),
    ...rotarySymmetries(graph, rotaries),
    ...shearSymmetries(graph, shears),
    ...shifts.map((s, k) => shiftFamilySymmetry(s, `${s.family}:${k}`)),
  ];
}

function shiftFamilySymmetry(shift: ShiftFamily, id: string): Symmetry {
  const { dimension } = shift;
  return {
    id,
    kind: shift.family,
    origin: "rule",
    group: dimension === 1 ? "R" : `R^${dimension}`,
    dimension,
    parameters: shift.parameters,
    spaces: [],
    randomElement(random) {
      const out = new Float64Array(dimension);
      const step = Math.max(1, Math.floor(dimension / MOST_MOVED));
      for (let k = 0; k < dimension; k += step) out[k] = (2 * random() - 1) * LARGEST_SHIFT;
      return out;
    },
    act(weights, element, owned) {
      const out = new Map<string, Float64Array>();
      for (const [name, delta] of shift.delta(weights, element)) {
        const given = weights.get(name)!;
        const moved = owned?.has(given) ? given : given.slice();
        for (let i = 0; i < moved.length; i++) moved[i]! += delta[i]!;
        out.set(name, moved);
      }
      return out;
    },
    generators(weights) {
      const entries = shift.parameters.reduce((n, p) => n + weights.get(p)!.length, 0);
      if (dimension * entries > MOST_TANGENT_ENTRIES)
        throw new RangeError(`${dimension} tangent vectors of ${entries} entries are too many to list: ask for them on the twin`);
      return Array.from({ length: dimension }, (_, k): Generator => {
        const unit = new Float64Array(dimension);
        unit[k] = 1;
        return { family: shift.family, vector: (shift.tangent ?? shift.delta)(weights, unit), spaces: [] };
      });
    },
    // A shift moves something whatever the weights are: it leaves none as they are.
    fixedSet: () => undefined,
  };
}
