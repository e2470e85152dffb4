/** @file The Symmetry: a group together with its action on named parameters. Everything a user sees is a function of it. */

import type { Shape } from "../graph/tensor";

/** float64 values of parameters by name, row-major; what actions transform and engines differentiate. */
export type ParameterValues = ReadonlyMap<string, Float64Array>;

/**
 * The families in which continuous directions are counted, in counting order: a direction counts for the first family
 * whose vectors explain it.
 */
export const FAMILIES = ["linear", "rotation", "scale", "rescaling", "translation", "unread"] as const;
/** The family that a continuous direction is counted in. */
export type Family = (typeof FAMILIES)[number];

/**
 * Part of one parameter's axis: the whole axis, a segment of it, or one factor of a product axis.
 * Written `parameter/axis`, with `[start:end]` for a segment and `=(2,3):0` for factor 0 of an axis read as 2 x 3; of one of
 * several weights in a tensor `parameter[0]/axis`, the axis counted in the slice.
 */
export interface Address {
  readonly parameter: string;
  readonly axis: number;
  /** The segment, half open; absent for the whole axis. */
  readonly segment?: readonly [start: number, end: number];
  /** The sizes whose row-major product the segment is, and which of them is meant; absent for a plain segment. */
  readonly factors?: readonly number[];
  readonly factor?: number;
  /** The slice of the parameter that is meant, in NumPy's notation, and which of its own axes; absent for all of the parameter. */
  readonly slice?: { readonly name: string; readonly axis: number; readonly shape: Shape };
}

/** The address in the notation above. */
export function formatAddress(a: Address): string {
  const segment = a.segment ? `[${a.segment[0]}:${a.segment[1]}]` : "";
  const factor = a.factors ? `=(${a.factors.join(",")}):${a.factor}` : "";
  return `${a.slice?.name ?? a.parameter}/${a.slice?.axis ?? a.axis}${segment}${factor}`;
}

/** A class of axis atoms that are one coordinate system: `size` interchangeable or coupled channels. */
export interface ChannelSpace {
  readonly id: number;
  readonly size: number;
  /** Where it acts. */
  readonly acts: readonly Address[];
  /** In words and notation: all that acts on this space, for example `S(8) with R+^8`. */
  readonly group: string;
  /** False where entries may be transformed but not permuted (rotary frequencies). */
  readonly permutable: boolean;
  /** The space over which this one is fibred (independent elements per index), if any: wreath products. */
  readonly within?: number;
}

/** A tangent vector of the parameter space that leaves the function unchanged. */
export interface Generator {
  readonly family: Family;
  /** Direction per parameter at the weights it was computed for; absent parameters do not move. */
  readonly vector: ParameterValues;
  /** Ids of the channel spaces it belongs to, if any. */
  readonly spaces: readonly number[];
}

/**
 * Where the units of a permutation are in one parameter, along one of its axes: entry `flat[unit * features + k]` is feature k
 * of the unit. Features correspond: exchanging two units exchanges their features one by one (along every axis).
 */
export interface UnitBlock {
  readonly parameter: string;
  readonly axis: number;
  /** Index of the enclosing space (head, block); units of different copies are not exchanged. */
  readonly copy: number;
  readonly units: number;
  readonly features: number;
  /** Flat positions in the parameter, units x features. */
  readonly flat: Int32Array;
}

/**
 * How a group of independent scalings (R+^n) or signs (Z2^n) multiplies entries of one parameter: the k-th listed entry by
 * exp(coefficient[k] * t[index[k]]), or for signs by -1 where t is odd. An entry may be listed for several indices.
 */
export interface DiagonalEntries {
  readonly parameter: string;
  readonly flat: Int32Array;
  /** Below the number of independent factors. */
  readonly index: Int32Array;
  readonly coefficient: Float64Array;
}

/** Two sub-networks that may be exchanged, by module path or parameter name. */
export type Swap = readonly [string, string];

/** What changes places in a swap. Parameters are named as in the network that inference ran on: a slice by its own name. */
export interface Exchange {
  readonly branches: Swap;
  /** Parameters of equal shape, each with the one that takes its place. */
  readonly parameters: readonly (readonly [string, string])[];
  /** Entries along an axis of a parameter that both branches pick from: the rows of a router that belong to two experts. */
  readonly entries: readonly {
    readonly parameter: string;
    readonly axis: number;
    /** Positions along the axis, of the first branch and in the same order of the second. */
    readonly positions: readonly [readonly number[], readonly number[]];
  }[];
}

/**
 * One slot of a weight in an exchange: its entries at this index along these axes (in row-major order along them; all entries where
 * there are no axes) become sign times those that another slot along the same axes had.
 */
export interface MovedSlot {
  readonly parameter: string;
  readonly axes: readonly number[];
  readonly index: number;
  readonly from: { readonly parameter: string; readonly index: number };
  readonly sign: number;
}

/**
 * A group element by its coordinates. Continuous groups: one number per one-parameter subgroup, acting as exp(sum x_k X_k),
 * for scalings the logarithms of the factors. Permutations: where each entry goes, copy by copy. Signs, flips and swaps: 1
 * for what is flipped or exchanged, else 0.
 */
export type Element = Float64Array;

/**
 * An involution of the group: it maps theta to theta - 2 P theta. What it leaves fixed (P theta = 0) gradient descent never
 * leaves (Ziyin 2309.16932: P = O O^T).
 */
export interface Mirror {
  readonly element: Element;
  /** False where P is an oblique projector: the flip of a sigmoid unit, whose reader's bias absorbs half of its column. */
  readonly orthogonal: boolean;
  /** P theta: the part of the weights that changes sign; parameters without such a part are absent. */
  project(weights: ParameterValues): ParameterValues;
}

/** The weights that every element of a group leaves as they are. */
export interface FixedSet {
  /** Number of independent linear conditions on the parameters' entries. */
  readonly codimension: number;
  /** The nearest weights in the set; parameters that do not change are absent. */
  project(weights: ParameterValues): ParameterValues;
}

/** A group with its action on named parameters. */
export interface Symmetry {
  readonly id: string;
  readonly kind: Family | "permutation" | "sign" | "swap";
  /**
   * rule: known from the graph alone, acts on any weights at any size. numeric: found by the numeric engines, acts by
   * solving for the weights, which may fail at weights that are not generic (gains that are all equal, biases that are zero).
   */
  readonly origin: "rule" | "numeric";
  /** The group in notation: `S(8)`, `R+^8`, `O(4)`, `GL(3)`, `Z2^8`. */
  readonly group: string;
  /** Continuous dimension; 0 for discrete groups. */
  readonly dimension: number;
  /** Parameters that it moves. */
  readonly parameters: readonly string[];
  readonly spaces: readonly number[];
  /** A random element: of a size that shows, and that float32 survives. */
  randomElement(random: () => number): Element;
  /**
   * The weights after an element has acted: new values of the parameters that move, others are unchanged. Throws Error where
   * an action that is solved for (matrix groups) does not exist at these weights. Arrays that are `owned` may be overwritten:
   * whoever applies many elements in turn needs no copy for each.
   */
  act(weights: ParameterValues, element: Element, owned?: ReadonlySet<Float64Array>): ParameterValues;
  /** Tangent vectors at the given weights; empty for discrete groups. */
  generators(weights: ParameterValues): readonly Generator[];
  /** Its mirrors, where it has any: reflections, exchanges of two units, half turns. Made one by one. */
  mirrors?(weights: ParameterValues): Iterable<Mirror>;
  /** What all its elements leave as it is, at these weights of everything that it does not move; undefined where that is nothing. */
  fixedSet(weights: ParameterValues): FixedSet | undefined;
  /** Permutations: where the units are. Made at each call. */
  units?(): readonly UnitBlock[];
  /** Scalings and signs: which entries belong to which factor. Made at each call. */
  diagonal?(): readonly DiagonalEntries[];
  /** Swaps: what changes places. Made at each call. */
  exchange?(): Exchange;
  /**
   * Exchanges: what each of some elements moves that generate the group together with permutations of units. Slots along
   * several sets of axes of one parameter move one after the other. Made at each call.
   */
  moves?(): readonly (readonly MovedSlot[])[];
}

/** Dimension of the continuous symmetries per family, rank increments in the order of FAMILIES, and their sum. */
export type ContinuousCounts = Readonly<Record<Family, number>> & { readonly total: number };
