/**
 * @file The factors of a region's group. A tensor that holds products of channels (the state of linear attention, a projection
 * along places) ties the groups of its factors into one region, and scales of single weights with them. Each factor mixes
 * channels of its own; what only scales channels and belongs to none of them is no part of a matrix group.
 */
import { once } from "../../graph/lazy";
import { Matrix, norm } from "../../numerics/matrix";
import { nullSpace, orthonormalBasis, rank } from "../../numerics/rank";
import { UnionFind } from "../../numerics/unionFind";
import type { ParameterValues } from "../symmetry";
import { atomsBetween } from "./channels";
import type { Lift } from "./lift";
import { regionSolutions } from "./region-solutions";
import { classify, type RegionSketch, type SinkEntries, type SinkEntry } from "./regions";
import { edgeOf, type FieldSystem } from "./system";

const TOLERANCE = { relative: 1e-7, absolute: 1e-7 } as const;
/** Couplings and entries below this are rounding. */
const COUPLED = 1e-7;

/** What each row of a region's basis stands for. */
type Rows = readonly (readonly SinkEntry[])[];

/**
 * A linear region as its factors, and what scales channels besides them as a monomial region; the region itself where it is one
 * factor.
 */
export function factorsOf(system: FieldSystem, sinks: SinkEntries, region: RegionSketch, lift: Lift): RegionSketch[] {
  if (region.kind !== "linear") return [region];
  const { basis } = region;
  const rows: Rows = region.rows.map((i) => sinks.byRoot.get(region.solutions.unknowns[i]!)!);
  const mixing = rows.flatMap((list, k) => (list.some((e) => e.row !== e.column) ? [k] : []));
  const groups = mixedTogether(system, sinks, basis, rows, mixing);
  const diagonal = basis.multiply(nullSpace(basis.selectRows(mixing), TOLERANCE));
  // The group of one matrix is as it is.
  if (groups.length === 1 && isGeneralLinear(basis.columns, diagonal.columns)) return [region];
  const movements = once(() => movementsOf(system, region, lift));
  const factors: Matrix[] = [];
  for (const group of groups) {
    const factor = factorOn(system, sinks, { basis, rows, mixing, group, movements });
    if (!factor) return [region];
    factors.push(factor);
  }
  const all = rank(Matrix.beside([...factors, diagonal], basis.rows), TOLERANCE).rank;
  if (all !== basis.columns) return [region];
  const inFactors = rank(Matrix.beside(factors, basis.rows), TOLERANCE).rank;
  if (factors.length === 1 && inFactors === basis.columns) return [region];
  const parts = inFactors < all ? [...factors, diagonal] : factors;
  return parts.map((part) => partOf(system, sinks, region, rows, part));
}

function isGeneralLinear(dimension: number, diagonal: number): boolean {
  return diagonal * diagonal === dimension;
}

/** A region of some of the solutions. */
function partOf(system: FieldSystem, sinks: SinkEntries, region: RegionSketch, rows: Rows, part: Matrix): RegionSketch {
  const active = region.rows.flatMap((_, k) => (norm(part.row(k)) > COUPLED ? [k] : []));
  const entries = active.map((k) => rows[k]!);
  return {
    ...region,
    ...classify(system, sinks, part.selectRows(active), entries),
    rows: active.map((k) => region.rows[k]!),
  };
}

/**
 * The rows that mix channels, in sets that are independent of one another: rows are together whose values hang together, and those
 * that mix one tensor's channels along the same atom.
 */
function mixedTogether(
  system: FieldSystem,
  sinks: SinkEntries,
  basis: Matrix,
  rows: Rows,
  mixing: readonly number[],
): readonly number[][] {
  const span = orthonormalBasis(basis.selectRows(mixing), TOLERANCE);
  const coupling = span.timesOwnTranspose();
  const sets = new UnionFind(mixing.length);
  const owner = new Map<string, number>();
  const active = mixing.flatMap((_, k) => (coupling.get(k, k) > COUPLED ? [k] : []));
  for (const k of active) {
    for (const l of active) if (l > k && Math.abs(coupling.get(k, l)) > COUPLED) sets.union(k, l);
    for (const e of rows[mixing[k]!]!) {
      if (e.row === e.column) continue;
      for (const atom of atomsBetween(edgeOf(system, sinks.edges[e.edge]!).channels, e.row, e.column)) {
        for (const channel of [e.row, e.column]) {
          const key = `${e.edge}:${atom}:${channel}`;
          const other = owner.get(key);
          if (other === undefined) owner.set(key, k);
          else sets.union(other, k);
        }
      }
    }
  }
  return sets.groups(active).map((group) => group.map((k) => mixing[k]!));
}

interface FactorPlace {
  readonly basis: Matrix;
  readonly rows: Rows;
  readonly mixing: readonly number[];
  /** The rows that the factor mixes by. */
  readonly group: readonly number[];
  readonly movements: () => readonly Matrix[] | undefined;
}

/**
 * The solutions that mix by some rows only, and of what scales channels the least that goes with them; undefined where those that
 * mix by these rows mix by others too.
 */
function factorOn(system: FieldSystem, sinks: SinkEntries, place: FactorPlace): Matrix | undefined {
  const { basis, rows, mixing, group, movements } = place;
  const wanted = rank(basis.selectRows(group), TOLERANCE).rank;
  const mixes = (part: Matrix): boolean => rank(part.selectRows(group), TOLERANCE).rank === wanted;
  const inside = new Set(group);
  const touched = new Map<number, Set<number>>();
  for (const k of group) {
    for (const e of rows[k]!) {
      if (e.row === e.column) continue;
      const channels = touched.get(e.edge);
      if (channels) channels.add(e.row).add(e.column);
      else touched.set(e.edge, new Set([e.row, e.column]));
    }
  }
  const others = mixing.filter((k) => !inside.has(k));
  const scaling = rows.flatMap((list, k) => (list.every((e) => e.row === e.column) ? [k] : []));
  const isOn = (e: SinkEntry): boolean => touched.get(e.edge)?.has(e.row) === true;
  const vanishing = (at: readonly number[]): Matrix => basis.multiply(nullSpace(basis.selectRows([...others, ...at]), TOLERANCE));
  // Scales of other tensors are none of its business, unless it has no scale otherwise: what a norm divides by.
  const narrow = vanishing(scaling.filter((k) => !rows[k]!.every(isOn)));
  const narrowed = mixes(narrow) ? onFewWeights(narrow, mixes, movements) : undefined;
  if (narrowed && narrowed.columns > wanted) return narrowed;
  const wide = vanishing(scaling.filter((k) => rows[k]!.some((e) => touched.has(e.edge) && !isOn(e))));
  return mixes(wide) ? onFewWeights(wide, mixes, movements) : undefined;

  /** Those that move no weight which mixing can leave alone. */
  function onFewWeights(part: Matrix, isWhole: (part: Matrix) => boolean, moves: FactorPlace["movements"]): Matrix | undefined {
    if (isGeneralLinear(part.columns, part.columns - wanted)) return part;
    const byParameter = moves();
    if (!byParameter) return undefined;
    let left = part;
    for (const movement of byParameter) {
      const coordinates = basis.transpose().multiply(left);
      const still = left.multiply(nullSpace(movement.multiply(coordinates), TOLERANCE));
      if (still.columns < left.columns && isWhole(still)) left = still;
    }
    return left;
  }
}

/** For each weight how the basis moves it; undefined where some solution is none of the weights. */
function movementsOf(system: FieldSystem, region: RegionSketch, lift: Lift): readonly Matrix[] | undefined {
  const vectors: ParameterValues[] = [];
  for (const { roots } of regionSolutions(system, region)) {
    const vector = lift.tangent(roots);
    if (!vector) return undefined;
    vectors.push(vector);
  }
  const moved = new Set(vectors.flatMap((v) => [...v.keys()]));
  return [...moved].map((p) => {
    const size = system.weights.get(p)!.length;
    return Matrix.fromColumns(
      vectors.map((v) => v.get(p) ?? new Float64Array(size)),
      size,
    );
  });
}
