/**
 * @file Units of a layer: which are dead, which are copies of each other (arXiv 2309.16932: what decay and noise do to
 * permutation and rescaling symmetries). Weights are compared in the balanced gauge, signs by the better of two.
 */
import { dot, type Matrix, norm } from "../../numerics/matrix";
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import { balance } from "../gauge/balance";
import { oddFeatures, signEntries } from "../gauge/signs";
import { pairDistances, type UnitSet, unitSets, unitVectors } from "../gauge/units";
import type { UnitActivity } from "../trajectory";

/** Squared relative distance below which two units count as copies: m_ij = |z_i - z_j|^2 / (|z_i|^2 + |z_j|^2) (1: unrelated). */
export const COPY_DISTANCE = 0.01;
/** Norm below which a unit is dead, relative to the largest of its layer (in and out together; 1e-3 for their product). */
export const DEAD_NORM = Math.sqrt(1e-3);

/** What the units of one layer (one copy of a permutation space) are. */
export interface UnitMeasures {
  readonly copy: number;
  readonly units: number;
  /** Norm of all weights of each unit, in the balanced gauge. */
  readonly norms: Float64Array;
  /** Indices of dead units. */
  readonly dead: readonly number[];
  /** Number of different living units: clusters of copies, dead units left out. */
  readonly distinct: number;
  /** Living units that are copies of an earlier one. */
  readonly duplicates: readonly number[];
  /** Smallest m_ij of each living unit to another one; NaN for dead units and single ones. */
  readonly nearest: Float64Array;
}

/** Similarities between the units of one layer. */
export interface UnitCosines {
  readonly copy: number;
  /** Indices of the units that are shown, ascending. */
  readonly units: readonly number[];
  /** Their norms at the last state. */
  readonly norms: readonly number[];
  /** Per state: units x units, -1 to 1. */
  readonly cosines: readonly Float64Array[];
}

/** Units of which similarities are given at most. */
const MOST_SHOWN = 64;

/** Measures of all layers of a permutation symmetry; `symmetries` are all of the model, for the gauge. */
export function unitMeasures(
  symmetry: Symmetry,
  parameters: ParameterValues,
  symmetries: readonly Symmetry[],
): readonly UnitMeasures[] {
  if (!symmetry.units) return [];
  return new UnitMeter(symmetry, symmetries).measure(balance(parameters, symmetries));
}

/** The layers of a permutation symmetry, prepared for many states. */
export class UnitMeter {
  private readonly layers: readonly { readonly set: UnitSet; readonly odd: readonly Uint8Array[] }[];

  constructor(symmetry: Symmetry, symmetries: readonly Symmetry[]) {
    const signs = symmetries.filter((s) => s.kind === "sign" && s.diagonal).map(signEntries);
    this.layers = unitSets(symmetry).map((set) => ({ set, odd: oddFeatures(set, signs) }));
  }

  /**
   * Cosines between the units of the first layer (head, block) at several states, all in the balanced gauge: of all its units, or
   * of the `most` with the largest norms at the last one. Undefined without two units.
   */
  similarity(states: readonly ParameterValues[], most = MOST_SHOWN): UnitCosines | undefined {
    const [layer] = this.layers;
    const last = states.at(-1);
    if (!layer || layer.set.size < 2 || !last) return undefined;
    const norms = rowNorms(unitVectors(layer.set, last));
    const units = Array.from(norms.keys())
      .sort((a, b) => norms[b]! - norms[a]!)
      .slice(0, most)
      .sort((a, b) => a - b);
    return {
      copy: layer.set.copy,
      units,
      norms: units.map((u) => norms[u]!),
      cosines: states.map((state) => cosines(unitVectors(layer.set, state), units)),
    };
  }

  /** Measures of weights that are in the balanced gauge. */
  measure(balanced: ParameterValues): readonly UnitMeasures[] {
    return this.layers.map(({ set, odd }) => measureSet(set, balanced, odd));
  }
}

function rowNorms(z: Matrix): Float64Array {
  return Float64Array.from({ length: z.rows }, (_, i) => norm(z.row(i)));
}

/** Cosines between some rows; 0 where one vanishes. */
function cosines(z: Matrix, rows: readonly number[]): Float64Array {
  const norms = rowNorms(z);
  const out = new Float64Array(rows.length * rows.length);
  rows.forEach((i, a) => {
    rows.forEach((j, b) => {
      const size = norms[i]! * norms[j]!;
      out[a * rows.length + b] = size > 0 ? dot(z.row(i), z.row(j)) / size : 0;
    });
  });
  return out;
}

function measureSet(set: UnitSet, parameters: ParameterValues, odd: readonly Uint8Array[]): UnitMeasures {
  const z = unitVectors(set, parameters);
  const distances = pairDistances(set, parameters, odd);
  const squares = Float64Array.from({ length: set.size }, (_, i) => z.row(i).reduce((s, x) => s + x * x, 0));
  const norms = squares.map(Math.sqrt);
  const largest = norms.reduce((a, b) => Math.max(a, b), 0);
  const alive = Array.from(norms, (n) => n > DEAD_NORM * largest);
  const nearest = new Float64Array(set.size).fill(Number.NaN);
  const representative: number[] = [];
  const duplicates: number[] = [];
  for (let i = 0; i < set.size; i++) {
    if (!alive[i]) continue;
    let copy = false;
    for (let j = 0; j < set.size; j++) {
      if (j === i || !alive[j]) continue;
      const m = distances.get(i, j) / (squares[i]! + squares[j]!);
      if (!(m >= nearest[i]!)) nearest[i] = m;
      if (m < COPY_DISTANCE && representative.includes(j)) copy = true;
    }
    if (copy) duplicates.push(i);
    else representative.push(i);
  }
  return {
    copy: set.copy,
    units: set.size,
    norms,
    dead: alive.flatMap((a, i) => (a ? [] : [i])),
    distinct: representative.length,
    duplicates,
    nearest,
  };
}

/** Share of dormant units (ReDo score: E|h_i| over the layer's mean, at most tau; arXiv 2302.12902) of one layer. */
export function dormantFraction(activity: UnitActivity, tau = 0.1): number {
  const { meanAbsolute } = activity;
  const mean = meanAbsolute.reduce((a, b) => a + b, 0) / meanAbsolute.length;
  let dormant = 0;
  for (const h of meanAbsolute) if (h / (mean + 1e-9) <= tau) dormant++;
  return meanAbsolute.length > 0 ? dormant / meanAbsolute.length : 0;
}
