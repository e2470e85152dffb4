/**
 * @file The unknowns of the matrix fields: the entries of one matrix and one shift per visible edge (x moves by A x + b), and
 * one tangent per parameter that several units share. Unknowns that are zero or multiples of one another are merged as soon
 * as that is known.
 */
import type { Matrix } from "../../numerics/matrix";
import { RatioSets } from "../../numerics/unionFind";
import type { Channels } from "./channels";

/** A visible edge with its field's unknowns. */
export interface Edge {
  readonly value: string;
  readonly channels: Channels;
  /** Its field is zero: network inputs and outputs. */
  readonly fixed: boolean;
  /** Only diagonal entries are unknown: too many channels for a full matrix. */
  readonly diagonal: boolean;
  /** The directions in which its values lie, one per column, where those are not all and are taken into account. */
  readonly support: Matrix | undefined;
  readonly offset: number;
}

/** The column of a field's shift: what is added whatever the channels hold. */
export const SHIFT = -1;

/** One entry of a field as a multiple of a root unknown. */
export interface Entry {
  readonly row: number;
  /** The channel that it multiplies, or SHIFT. */
  readonly column: number;
  readonly factor: number;
}

/** Edges with more channels than this get diagonal fields only: sound, and matrices of that size belong on a twin. */
const FULL_LIMIT = 64;
/** Edges with more channels than this have full matrices only while there are few of them: together no more entries than that. */
const WIDE = 40;
const MOST_WIDE_ENTRIES = 5000;

/** Numbers the unknowns and knows their relations. */
export class Unknowns {
  readonly edges = new Map<string, Edge>();
  readonly sets: RatioSets;
  readonly count: number;
  private readonly parameters = new Map<string, { readonly offset: number; readonly size: number }>();

  constructor(
    edges: Iterable<Pick<Edge, "value" | "channels" | "fixed"> & { readonly support?: Matrix | undefined }>,
    shared: Iterable<{ readonly parameter: string; readonly size: number }>,
  ) {
    let offset = 0;
    const all = [...edges];
    const wide = all.reduce((n, { channels: { count }, fixed }) => (fixed || count <= WIDE ? n : n + count * count), 0);
    const limit = wide > MOST_WIDE_ENTRIES ? WIDE : FULL_LIMIT;
    for (const e of all) {
      const diagonal = e.channels.count > limit;
      this.edges.set(e.value, { ...e, support: e.support, diagonal, offset });
      if (!e.fixed) offset += e.channels.count * (diagonal ? 2 : e.channels.count + 1);
    }
    for (const { parameter, size } of shared) {
      this.parameters.set(parameter, { offset, size });
      offset += size;
    }
    this.count = offset;
    this.sets = new RatioSets(offset);
    for (const edge of this.edges.values()) {
      if (edge.fixed || edge.diagonal) continue;
      const { count, kinds } = edge.channels;
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < count; j++) if (kinds[i] !== kinds[j]) this.sets.setZero(this.id(edge, i, j));
      }
    }
  }

  /** The unknown of an entry; -1 where it is zero by construction. */
  id(edge: Edge, row: number, column: number): number {
    if (edge.fixed) return -1;
    const n = edge.channels.count;
    if (column === SHIFT) return edge.offset + (edge.diagonal ? n : n * n) + row;
    if (edge.diagonal) return row === column ? edge.offset + row : -1;
    return edge.offset + row * n + column;
  }

  /** States that an entry is zero. */
  setZero(edge: Edge, row: number, column: number): void {
    const id = this.id(edge, row, column);
    if (id >= 0) this.sets.setZero(id);
  }

  /** The entries of an edge that are not known to be zero, by root unknown; only shifts where told. */
  entries(edge: Edge, onlyShifts = false): Map<number, Entry[]> {
    const out = new Map<number, Entry[]>();
    if (edge.fixed) return out;
    const n = edge.channels.count;
    const add = (row: number, column: number): void => {
      const known = this.sets.resolve(this.id(edge, row, column));
      if (!known) return;
      const entry: Entry = { row, column, factor: known.factor };
      const list = out.get(known.root);
      if (list) list.push(entry);
      else out.set(known.root, [entry]);
    };
    for (let i = 0; i < n; i++) {
      add(i, SHIFT);
      if (onlyShifts) continue;
      if (edge.diagonal) add(i, i);
      else for (let j = 0; j < n; j++) add(i, j);
    }
    return out;
  }

  /** The entries of a shared parameter's tangent, by root unknown; the column is the flat position. Empty for others. */
  parameterEntries(parameter: string): Map<number, Entry[]> {
    const out = new Map<number, Entry[]>();
    const p = this.parameters.get(parameter);
    if (!p) return out;
    for (let k = 0; k < p.size; k++) {
      const known = this.sets.resolve(p.offset + k);
      if (!known) continue;
      const entry: Entry = { row: 0, column: k, factor: known.factor };
      const list = out.get(known.root);
      if (list) list.push(entry);
      else out.set(known.root, [entry]);
    }
    return out;
  }

  /** Number of entries of a shared parameter; 0 for others. */
  parameterSize(parameter: string): number {
    return this.parameters.get(parameter)?.size ?? 0;
  }

  /** Whether several units read the parameter, so that its change is an unknown of the system. */
  isShared(parameter: string): boolean {
    return this.parameters.has(parameter);
  }

  /** All parameters that several units read. */
  get sharedParameters(): Iterable<string> {
    return this.parameters.keys();
  }
}

/** y := A x + b on the channels of a tensor, for a field given by entries. */
export function applyField(entries: readonly Entry[], channels: Channels, x: Float64Array): Float64Array {
  const y = new Float64Array(x.length);
  for (const { row, column, factor } of entries) {
    const to = channels.entries[row]!;
    if (column === SHIFT) {
      for (const p of to) y[p]! += factor;
      continue;
    }
    const from = channels.entries[column]!;
    for (let p = 0; p < to.length; p++) y[to[p]!]! += factor * x[from[p]!]!;
  }
  return y;
}
