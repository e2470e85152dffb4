/** @file The Symmetry: a group together with its action on named parameters. Everything a user sees is a function of it. */

/** float64 values of parameters by name, row-major; what actions transform and engines differentiate. */
export type ParameterValues = ReadonlyMap<string, Float64Array>;

/**
 * The families in which continuous directions are counted, in counting order: a direction counts for the first family
 * whose vectors explain it.
 */
export const FAMILIES = ["linear", "rotation", "scale", "rescaling", "translation", "unread"] as const;
export type Family = (typeof FAMILIES)[number];

/**
 * Part of one parameter's axis: the whole axis, a segment of it, or one factor of a product axis.
 * Written `parameter/axis`, with `[start:end]` for a segment and `=(2,3):0` for factor 0 of an axis read as 2 x 3.
 */
export interface Address {
  readonly parameter: string;
  readonly axis: number;
  /** The segment, half open; absent for the whole axis. */
  readonly segment?: readonly [start: number, end: number];
  /** The sizes whose row-major product the segment is, and which of them is meant; absent for a plain segment. */
  readonly factors?: readonly number[];
  readonly factor?: number;
}

/** The address in the notation above. */
export function formatAddress(a: Address): string {
  const segment = a.segment ? `[${a.segment[0]}:${a.segment[1]}]` : "";
  const factor = a.factors ? `=(${a.factors.join(",")}):${a.factor}` : "";
  return `${a.parameter}/${a.axis}${segment}${factor}`;
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

/** A group with its action on named parameters. */
export interface Symmetry {
  readonly id: string;
  readonly kind: Family | "permutation" | "sign" | "swap";
  /** The group in notation: `S(8)`, `R+^8`, `O(4)`, `GL(3)`, `Z2^8`. */
  readonly group: string;
  /** Continuous dimension; 0 for discrete groups. */
  readonly dimension: number;
  /** Parameters that it moves. */
  readonly parameters: readonly string[];
  readonly spaces: readonly number[];
  /** A random element's action on weights: returns new values of the parameters that move, others are unchanged. */
  actRandomly(weights: ParameterValues, random: () => number): ParameterValues;
  /** Tangent vectors at the given weights; empty for discrete groups. */
  generators(weights: ParameterValues): readonly Generator[];
  /** Permutations: where the units are. Made at each call. */
  units?(): readonly UnitBlock[];
  /** Scalings and signs: which entries belong to which factor. Made at each call. */
  diagonal?(): readonly DiagonalEntries[];
}

/** Two sub-networks that may be exchanged, by module path or parameter name. */
export type Swap = readonly [string, string];

/** Dimension of the continuous symmetries per family, rank increments in the order of FAMILIES, and their sum. */
export type ContinuousCounts = Readonly<Record<Family, number>> & { readonly total: number };
