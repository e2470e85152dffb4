/** @file The equations of engine D, cell by cell and, within a cell, channel by channel where channels do not mix. */
import { elementCount } from "../../graph/tensor";
import { Matrix } from "../../numerics/matrix";
import { compressRows } from "../../numerics/qr";
import type { ParameterSpace } from "../counting/families";
import type { Channels } from "../fields/channels";
import type { Block } from "../fields/constraints";
import type { CutNetwork } from "./cells";

/** Equations per unknown. */
const ROWS_PER_COLUMN = 3.5;
/** Samples over which equations are spread at least. */
const SAMPLES = 3;
/** Rounds of sampling after which a group of entries makes do with the equations it has. */
const ROUNDS = 12;
/** Equations shorter than this are rounding: weights and values are of order one. */
const NOISE = 1e-12;

/** One equation: what one entry of the target says. */
interface Row {
  readonly entry: number;
  readonly columns: Int32Array;
  readonly values: Float64Array;
}

/**
 * D_theta G dtheta + sum D_e'G b_e' - b_e = 0 at random points, for the cell that computes `target`. Entries of the target
 * that depend on few of the unknowns (a weight's row moves one unit) make blocks of their own: elimination is cubic in
 * the size of a block. Throws RangeError where the target is never finite. `seen`: the directions of the target's channels that its readers see, where they do not see all.
 */
export function cellBlocks(
  cut: CutNetwork,
  target: string,
  channels: ReadonlyMap<string, Channels>,
  offsets: ReadonlyMap<string, number>,
  space: ParameterSpace,
  trainable: ReadonlySet<string>,
  seen?: Matrix,
): Block[] {
  if (seen?.rows === 0) return [];
  const cell = new Cell(cut, target, channels, offsets, space, trainable, seen);
  if (cell.unknowns === 0) return [];
  const size = cell.shape.reduce((n, d) => n * d, 1);
  const wanted = Math.ceil(ROWS_PER_COLUMN * cell.unknowns) + 8;
  const rows: Row[] = [];
  for (let run = 0, empty = 0; run < SAMPLES || rows.length < wanted; run++) {
    const before = rows.length;
    rows.push(...cell.sample(cut.choose(size, Math.ceil(wanted / SAMPLES))));
    empty = rows.length > before ? 0 : empty + 1;
    if (empty > ROUNDS) throw new RangeError(`${target} is not finite at random weights and inputs`);
  }
  const groups = cell.mixes ? [wholeGroup(size, rows)] : independentGroups(cell.shape, rows);
  for (let round = 0; round < ROUNDS; round++) {
    const poor = groups.filter((g) => g.rows.length < Math.ceil(ROWS_PER_COLUMN * g.columns.size) + 8);
    if (poor.length === 0) break;
    const chosen = poor.flatMap((g) => {
      const missing = Math.ceil(ROWS_PER_COLUMN * g.columns.size) + 8 - g.rows.length;
      return Array.from(cut.choose(g.entries.length, missing), (i) => g.entries[i]!);
    });
    const owner = new Map(poor.flatMap((g) => Array.from(g.entries, (e) => [e, g] as const)));
    for (const row of cell.sample(Int32Array.from(chosen).sort())) addRow(cell.mixes ? groups[0]! : owner.get(row.entry)!, row);
  }
  const own = cell.own;
  // The shift of an output is zero, said once per channel.
  const observed = own !== undefined && cut.network.outputs.includes(target);
  const blocks = groups.flatMap((g) => (g.rows.length > 0 && g.columns.size > 0 ? [cell.block(g)] : []));
  if (observed) blocks.push(noShift(offsets.get(target)!, Matrix.identity(own.count)));
  return blocks;
}

/** The shift of a value is zero along the rows of a matrix. */
function noShift(offset: number, along: Matrix): Block {
  return { unknowns: Array.from({ length: along.columns }, (_, k) => offset + k), matrix: along };
}

/** The cell that computes one value, and its unknowns in order: parameters, shifts of cuts above it, its own shift. */
class Cell {
  readonly shape: readonly number[];
  readonly own: Channels | undefined;
  readonly unknowns: number;
  private readonly names: Int32Array;
  private readonly program: ReturnType<CutNetwork["cell"]>;
  private readonly parameters: readonly string[];
  private readonly upstream: readonly { readonly value: string; readonly channelOf: Int32Array; readonly count: number }[];
  private readonly ownChannelOf: Int32Array | undefined;

  constructor(
    private readonly cut: CutNetwork,
    target: string,
    channels: ReadonlyMap<string, Channels>,
    offsets: ReadonlyMap<string, number>,
    space: ParameterSpace,
    trainable: ReadonlySet<string>,
    private readonly seen: Matrix | undefined,
  ) {
    this.shape = cut.network.shape(target);
    this.program = cut.cell(target);
    this.parameters = this.program.leaves.filter((p) => trainable.has(p));
    const names: number[] = [];
    for (const p of this.parameters) for (let k = 0; k < cut.weights.get(p)!.length; k++) names.push(space.offset(p) + k);
    this.upstream = this.program.leaves
      .filter((v) => cut.cutSet.has(v))
      .map((value) => {
        const { count, entries } = channels.get(value)!;
        for (let k = 0; k < count; k++) names.push(offsets.get(value)! + k);
        return { value, count, channelOf: byEntry(entries, elementCount(cut.network.shape(value))) };
      });
    this.own = cut.cutSet.has(target) ? channels.get(target) : undefined;
    if (this.own) {
      for (let k = 0; k < this.own.count; k++) names.push(offsets.get(target)! + k);
      this.ownChannelOf = byEntry(this.own.entries, elementCount(this.shape));
    }
    this.names = Int32Array.from(names);
    this.unknowns = names.length;
  }

  /** Whether an equation is about several channels at once. */
  get mixes(): boolean {
    return this.seen !== undefined && this.seen.rows < this.seen.columns;
  }

  /** The equations of chosen entries at one random point; of the positions around them where channels mix. */
  sample(chosen: Int32Array): Row[] {
    if (!this.mixes || !this.own) return this.rowsOf(chosen).flatMap(({ entry, dense }) => sparse(entry, dense) ?? []);
    const seen = this.seen!;
    const { entries } = this.own;
    const positionOf = new Map(entries.flatMap((list) => Array.from(list, (e, p) => [e, p] as const)));
    const positions = [...new Set(Array.from(chosen, (e) => positionOf.get(e)!))].slice(0, Math.ceil(chosen.length / seen.rows));
    const around = Int32Array.from(positions.flatMap((p) => entries.map((list) => list[p]!)));
    const all = this.rowsOf(around);
    return positions.flatMap((_, k) =>
      Array.from({ length: seen.rows }, (_unused, r) => {
        const sum = new Float64Array(this.unknowns);
        for (let c = 0; c < seen.columns; c++) {
          const f = seen.get(r, c);
          const { dense } = all[k * seen.columns + c]!;
          for (let i = 0; i < sum.length; i++) sum[i]! += f * dense[i]!;
        }
        // Cancelled to nothing along what is not seen.
        for (let i = 0; i < sum.length; i++) if (Math.abs(sum[i]!) < NOISE) sum[i] = 0;
        return sparse(around[k * seen.columns]!, sum);
      }).flatMap((row) => row ?? []),
    );
  }

  private rowsOf(chosen: Int32Array): { readonly entry: number; readonly dense: Float64Array }[] {
    const values = this.cut.sample(this.program);
    const leaves = [...this.parameters, ...this.upstream.map((u) => u.value)];
    const rows: { entry: number; dense: Float64Array }[] = [];
    this.program.gradients(
      values,
      leaves,
      (index, gradients) => {
        const dense = new Float64Array(this.unknowns);
        let at = 0;
        for (let k = 0; k < this.parameters.length; k++) {
          dense.set(gradients[k]!, at);
          at += gradients[k]!.length;
        }
        this.upstream.forEach(({ channelOf, count }, k) => {
          const g = gradients[this.parameters.length + k]!;
          for (let i = 0; i < g.length; i++) dense[at + channelOf[i]!]! += g[i]!;
          at += count;
        });
        const entry = chosen[index]!;
        if (this.ownChannelOf) dense[at + this.ownChannelOf[entry]!] = -1;
        rows.push({ entry, dense });
      },
      chosen,
    );
    return rows;
  }

  block(group: EntryGroup): Block {
    const used = [...group.columns];
    const position = new Map(used.map((column, k) => [column, k] as const));
    const matrix = new Matrix(group.rows.length, used.length);
    group.rows.forEach(({ columns, values }, r) => {
      columns.forEach((column, k) => {
        matrix.data[r * used.length + position.get(column)!] = values[k]!;
      });
    });
    return { unknowns: used.map((c) => this.names[c]!), matrix: compressRows(matrix.normaliseRows(NOISE)) };
  }
}

function byEntry(entries: readonly Int32Array[], size: number): Int32Array {
  const out = new Int32Array(size);
  entries.forEach((list, channel) => {
    for (const e of list) out[e] = channel;
  });
  return out;
}

/** The non-zero coefficients; nothing for masked entries, which are minus infinity by design. */
function sparse(entry: number, dense: Float64Array): Row | undefined {
  const columns: number[] = [];
  for (let k = 0; k < dense.length; k++) {
    if (!Number.isFinite(dense[k]!)) return undefined;
    if (dense[k] !== 0) columns.push(k);
  }
  return { entry, columns: Int32Array.from(columns), values: Float64Array.from(columns, (k) => dense[k]!) };
}

/** Entries of the target with their equations and the unknowns that occur in them. */
interface EntryGroup {
  readonly entries: Int32Array;
  readonly rows: Row[];
  readonly columns: Set<number>;
}

function addRow(group: EntryGroup, row: Row): void {
  group.rows.push(row);
  for (const c of row.columns) group.columns.add(c);
}

function wholeGroup(size: number, rows: readonly Row[]): EntryGroup {
  const group: EntryGroup = { entries: Int32Array.from({ length: size }, (_, i) => i), rows: [], columns: new Set() };
  for (const row of rows) addRow(group, row);
  return group;
}

/** Groups the target's entries along the axis that makes elimination cheapest; one group where nothing is gained. */
function independentGroups(shape: readonly number[], rows: readonly Row[]): EntryGroup[] {
  const size = shape.reduce((n, d) => n * d, 1);
  const grouped = (count: number, of: (entry: number) => number): EntryGroup[] => {
    const entries: number[][] = Array.from({ length: count }, () => []);
    for (let e = 0; e < size; e++) entries[of(e)]!.push(e);
    const groups = entries.map((list): EntryGroup => ({ entries: Int32Array.from(list), rows: [], columns: new Set() }));
    for (const row of rows) addRow(groups[of(row.entry)]!, row);
    return groups;
  };
  const cost = (groups: readonly EntryGroup[]): number => groups.reduce((sum, g) => sum + g.columns.size ** 3, 0);
  let best = grouped(1, () => 0);
  let least = cost(best) / 2;
  shape.forEach((n, axis) => {
    if (n < 2) return;
    const stride = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const groups = grouped(n, (e) => Math.floor(e / stride) % n);
    const own = cost(groups);
    if (own >= least) return;
    least = own;
    best = groups;
  });
  return best;
}

/** Without the rows of masked entries, which are minus infinity by design. */
export function finiteRows(part: Matrix): Matrix {
  const keep: number[] = [];
  for (let i = 0; i < part.rows; i++) if (part.row(i).every(Number.isFinite)) keep.push(i);
  return keep.length === part.rows ? part : part.selectRows(keep);
}
