/**
 * @file Regions: sets of channels on which one group acts. The solutions of the field system, modulo those that no sink
 * sees, split into independent regions; each is monomial (engine B's), orthogonal or general linear.
 */
import { Matrix, norm } from "../../numerics/matrix";
import { nullSpace, orthonormalBasis, rank } from "../../numerics/rank";
import { UnionFind } from "../../numerics/unionFind";
import { atomsBetween, type Channels } from "./channels";
import type { NullSpace } from "./elimination";
import { edgeOf, type FieldSystem } from "./system";
import { SHIFT } from "./unknowns";

/** What acts on a region. */
export type RegionKind = "linear" | "rotation" | "monomial";

/** A region before its tangent vectors are computed. */
export interface RegionSketch {
  readonly kind: RegionKind;
  /** Dimensions of all, of the diagonal and of the skew solutions. */
  readonly dimension: number;
  readonly diagonal: number;
  readonly skew: number;
  /** Visible edges on which the group acts, with the channels that it mixes there. */
  readonly edges: readonly { readonly value: string; readonly channels: readonly number[] }[];
  readonly atoms: readonly number[];
  readonly solutions: NullSpace;
  /** Whether an unknown is an entry of a sink's field. */
  isSink(unknown: number): boolean;
  /** Positions (rows of the solutions' basis) of all sink unknowns of the component, and of the region's own. */
  readonly sinkRows: readonly number[];
  readonly rows: readonly number[];
  /** Orthonormal basis of the region's solutions on those rows, one per column: skew ones only for a rotation. */
  readonly basis: Matrix;
  /** The same of all its solutions. */
  readonly whole: Matrix;
}

const TOLERANCE = { relative: 1e-7, absolute: 1e-7 } as const;
/** Couplings of a projector below this are rounding. */
const COUPLED = 1e-7;

/** One entry of a sink's field. */
export interface SinkEntry {
  readonly edge: number;
  readonly row: number;
  readonly column: number;
  readonly factor: number;
}

/** Splits one component of solutions into regions. */
export function regionsOf(system: FieldSystem, solutions: NullSpace, sinkEntries: SinkEntries): RegionSketch[] {
  const rows = solutions.unknowns.flatMap((u, i) => (sinkEntries.byRoot.has(u) ? [i] : []));
  const entriesAt = (i: number): readonly SinkEntry[] => sinkEntries.byRoot.get(solutions.unknowns[i]!)!;
  if (rows.length === 0) return [];
  const span = orthonormalBasis(solutions.basis.selectRows(rows), TOLERANCE);
  if (span.columns === 0) return [];
  const coupling = span.timesOwnTranspose();
  const active = rows.map((_, k) => coupling.get(k, k) > COUPLED);

  // Channel nodes of active entries, joined through entries and through couplings of entries.
  const nodes = new Map<string, number>();
  const node = (edge: number, channel: number): number => {
    const key = `${edge}:${channel}`;
    let id = nodes.get(key);
    if (id === undefined) {
      id = nodes.size;
      nodes.set(key, id);
    }
    return id;
  };
  const places = rows.map((i, k) =>
    active[k] ? entriesAt(i).flatMap((e) => [node(e.edge, e.row), node(e.edge, e.column)]) : [],
  );
  const sets = new UnionFind(nodes.size);
  for (const list of places) for (const n of list) sets.union(list[0]!, n);
  for (let k = 0; k < rows.length; k++) {
    if (!active[k]) continue;
    for (let l = k + 1; l < rows.length; l++) {
      if (active[l] && Math.abs(coupling.get(k, l)) > COUPLED) sets.union(places[k]![0]!, places[l]![0]!);
    }
  }
  const groups = new Map<number, number[]>();
  rows.forEach((_, k) => {
    if (!active[k]) return;
    const root = sets.find(places[k]![0]!);
    const list = groups.get(root);
    if (list) list.push(k);
    else groups.set(root, [k]);
  });
  return [...groups.values()].map((group) => {
    const local = span.selectRows(group);
    const entries = group.map((k) => entriesAt(rows[k]!));
    return {
      ...classify(system, sinkEntries, local, entries),
      solutions,
      sinkRows: rows,
      rows: group.map((k) => rows[k]!),
      isSink: (u) => sinkEntries.byRoot.has(u),
    };
  });
}

/**
 * Joins components whose active entries meet in a channel of a sink: the entries of a general linear group are independent
 * of one another, and the region is what they have in common.
 */
export function joinAtChannels(solutions: readonly NullSpace[], sinks: SinkEntries): NullSpace[] {
  const active = solutions.filter((s) => s.basis.columns > 0);
  const sets = new UnionFind(active.length);
  const owner = new Map<string, number>();
  active.forEach((s, c) => {
    s.unknowns.forEach((u, i) => {
      const entries = sinks.byRoot.get(u);
      if (!entries || norm(s.basis.row(i)) < COUPLED) return;
      for (const e of entries) {
        for (const channel of [e.row, e.column]) {
          const key = `${e.edge}:${channel}`;
          const other = owner.get(key);
          if (other === undefined) owner.set(key, c);
          else sets.union(other, c);
        }
      }
    });
  });
  return sets.groups(active.keys()).map((group) => {
    const parts = group.map((c) => active[c]!);
    const unknowns = parts.flatMap((p) => p.unknowns);
    const basis = new Matrix(
      unknowns.length,
      parts.reduce((n, p) => n + p.basis.columns, 0),
    );
    let row = 0;
    let column = 0;
    for (const { basis: part } of parts) {
      for (let i = 0; i < part.rows; i++) basis.data.set(part.row(i), (row + i) * basis.columns + column);
      row += part.rows;
      column += part.columns;
    }
    return { unknowns, basis };
  });
}

/** The unknowns of sink edges, by root. */
export interface SinkEntries {
  readonly edges: readonly string[];
  readonly byRoot: ReadonlyMap<number, readonly SinkEntry[]>;
}

/** Collects the entries of all sink edges that are not zero. */
export function sinkEntries(system: FieldSystem): SinkEntries {
  const edges = [...system.sinks].filter((v) => !edgeOf(system, v).fixed);
  const byRoot = new Map<number, SinkEntry[]>();
  edges.forEach((value, edge) => {
    for (const [root, entries] of system.unknowns.entries(edgeOf(system, value))) {
      const list = byRoot.get(root) ?? [];
      for (const e of entries) if (e.column !== SHIFT) list.push({ edge, ...e });
      if (list.length > 0) byRoot.set(root, list);
    }
  });
  return { edges, byRoot };
}

/** What acts where some solutions are all there is. */
export function classify(
  system: FieldSystem,
  sinks: SinkEntries,
  local: Matrix,
  entries: readonly (readonly SinkEntry[])[],
): Omit<RegionSketch, "solutions" | "sinkRows" | "rows" | "isSink"> {
  const basis = orthonormalBasis(local, TOLERANCE);
  const dimension = basis.columns;
  const offDiagonal = entries.flatMap((list, k) => (list.some((e) => e.row !== e.column) ? [k] : []));
  const diagonal = dimension - rank(basis.selectRows(offDiagonal), TOLERANCE).rank;
  const skewConditions = symmetricParts(system, sinks, entries).multiply(basis);
  const skewSpace = nullSpace(skewConditions, TOLERANCE);
  const skewBasis = basis.multiply(skewSpace);
  const diagonalBasis = basis.multiply(nullSpace(basis.selectRows(offDiagonal), TOLERANCE));
  const both = rank(Matrix.beside([skewBasis, diagonalBasis], basis.rows), TOLERANCE).rank;
  const isMonomial = diagonal === dimension || isDiagonalSomewhere(basis, entries);
  const kind: RegionKind = isMonomial ? "monomial" : both === dimension ? "rotation" : "linear";
  const byEdge = new Map<number, Set<number>>();
  for (const e of entries.flat()) {
    const set = byEdge.get(e.edge) ?? new Set();
    set.add(e.row);
    set.add(e.column);
    byEdge.set(e.edge, set);
  }
  const edges = [...byEdge].map(([edge, channels]) => ({
    value: sinks.edges[edge]!,
    channels: [...channels].sort((a, b) => a - b),
  }));
  return {
    kind,
    dimension,
    diagonal,
    skew: skewSpace.columns,
    edges,
    atoms: actedAtoms(system, sinks, entries, basis),
    basis: kind === "rotation" ? beyond(diagonalBasis, skewBasis) : basis,
    whole: basis,
  };
}

/**
 * Whether all solutions scale the channels of one edge, and are told apart there: a rectifier's units behind which a constant matrix
 * mixes them (running sums, a fixed table). They scale units then, whatever carries that on.
 */
function isDiagonalSomewhere(basis: Matrix, entries: readonly (readonly SinkEntry[])[]): boolean {
  const byEdge = new Map<number, { readonly rows: number[]; isDiagonal: boolean }>();
  entries.forEach((list, k) => {
    for (const e of list) {
      const edge = byEdge.get(e.edge) ?? { rows: [], isDiagonal: true };
      byEdge.set(e.edge, edge);
      edge.rows.push(k);
      if (e.row !== e.column && norm(basis.row(k)) > COUPLED) edge.isDiagonal = false;
    }
  });
  const edges = [...byEdge.values()].filter((e) => e.isDiagonal && e.rows.length >= basis.columns);
  return edges.some((e) => rank(basis.selectRows([...new Set(e.rows)]), TOLERANCE).rank === basis.columns);
}

/**
 * The atoms on which the solutions act: along which they mix channels or treat them differently, and those at one position of
 * which they all are (a frequency, a head). Not those of other pieces of a concatenation, nor places or experts over which
 * one and the same matrix is repeated.
 */
function actedAtoms(
  system: FieldSystem,
  sinks: SinkEntries,
  entries: readonly (readonly SinkEntry[])[],
  basis: Matrix,
): number[] {
  const out = new Set<number>();
  const positions = new Map<number, Set<number>>();
  // What the solutions do to each channel itself, by edge and channel.
  const own = new Map<number, Map<number, Float64Array>>();
  entries.forEach((list, k) => {
    for (const e of list) {
      const { channels } = edgeOf(system, sinks.edges[e.edge]!);
      for (const a of atomsBetween(channels, e.row, e.column)) out.add(a);
      for (const [atom, at] of channels.coordinates(e.row)) {
        const known = positions.get(atom);
        if (known) known.add(at);
        else positions.set(atom, new Set([at]));
      }
      if (e.row !== e.column) continue;
      const byChannel = own.get(e.edge) ?? new Map<number, Float64Array>();
      own.set(e.edge, byChannel);
      const scale = byChannel.get(e.row) ?? new Float64Array(basis.columns);
      byChannel.set(e.row, scale);
      for (let c = 0; c < basis.columns; c++) scale[c]! += e.factor * basis.get(k, c);
    }
  });
  for (const [atom, at] of positions) if (at.size === 1) out.add(atom);
  for (const [edge, byChannel] of own) {
    const { channels } = edgeOf(system, sinks.edges[edge]!);
    for (const atom of channels.atoms) if (!out.has(atom) && variesAlong(atom, channels, byChannel)) out.add(atom);
  }
  return [...out];
}

/** Whether channels that differ along one atom only scale differently. */
function variesAlong(atom: number, channels: Channels, scales: ReadonlyMap<number, Float64Array>): boolean {
  const first = new Map<string, Float64Array>();
  for (const [channel, scale] of scales) {
    const others = [...channels.coordinates(channel)].filter(([a]) => a !== atom);
    if (!channels.coordinates(channel).has(atom)) continue;
    const key = others
      .map(([a, at]) => `${a}:${at}`)
      .sort()
      .join();
    const known = first.get(key);
    if (!known) first.set(key, scale);
    else if (scale.some((x, c) => Math.abs(x - known[c]!) > COUPLED)) return true;
  }
  return false;
}

/** The columns of `all` that add to the span of `base`, orthogonal to it: where both meet, it is the base's. */
function beyond(base: Matrix, all: Matrix): Matrix {
  const own = orthonormalBasis(base, TOLERANCE);
  const inside = own.multiply(own.transpose().multiply(all));
  const left = new Matrix(
    all.rows,
    all.columns,
    all.data.map((x, i) => x - inside.data[i]!),
  );
  return orthonormalBasis(left, { relative: 0, absolute: TOLERANCE.absolute });
}

/**
 * Rows that vanish on skew solutions: A[i,j] + A[j,i] on every edge whose frame parameters write. Gain-conjugated edges are
 * no orthonormal frames and are not asked, unless there are no others.
 */
function symmetricParts(system: FieldSystem, sinks: SinkEntries, entries: readonly (readonly SinkEntry[])[]): Matrix {
  const framed = entries.flat().some((e) => system.frames.has(sinks.edges[e.edge]!));
  const rows = new Map<string, Float64Array>();
  entries.forEach((list, k) => {
    for (const e of list) {
      if (framed && !system.frames.has(sinks.edges[e.edge]!)) continue;
      const key = `${e.edge}:${Math.min(e.row, e.column)}:${Math.max(e.row, e.column)}`;
      const row = rows.get(key) ?? new Float64Array(entries.length);
      row[k]! += e.factor;
      rows.set(key, row);
    }
  });
  return Matrix.fromRows([...rows.values()], entries.length);
}
