/** @file The equations of engine D, cell by cell and, within a cell, channel by channel where channels do not mix. */
import { elementCount } from "../../graph/tensor";
import { Matrix } from "../../numerics/matrix";
import { compressRows } from "../../numerics/qr";
import type { ParameterSpace } from "../counting/families";
import type { Program, SlotValues } from "../counting/program";
import type { Channels } from "../fields/channels";
import type { Block } from "../fields/constraints";
import type { CutNetwork } from "./cells";

/** Equations per unknown. */
const ROWS_PER_COLUMN = 3.5;
/** Equations shorter than this are rounding: weights and values are of order one. */
const NOISE = 1e-12;
/** Samples that show which unknowns move which entries. */
const PATTERN_SAMPLES = 3;

/**
 * D_theta G dtheta + sum D_e'G b_e' - b_e = 0 at random points, for the cell that computes `target`. Entries of the target
 * that depend on few of the unknowns (a weight's row moves one unit) make blocks of their own: elimination is cubic in
 * the size of a block.
 */
export function cellBlocks(
  cut: CutNetwork,
  target: string,
  channels: ReadonlyMap<string, Channels>,
  offsets: ReadonlyMap<string, number>,
  space: ParameterSpace,
  trainable: ReadonlySet<string>,
): Block[] {
  const { network } = cut;
  const program = cut.cell(target);
  const parameters = program.leaves.filter((p) => trainable.has(p));
  const upstream = program.leaves.filter((v) => cut.cutSet.has(v));
  const own = cut.cutSet.has(target) ? channels.get(target) : undefined;
  const unknowns: number[] = [];
  for (const p of parameters) for (let k = 0; k < cut.weights.get(p)!.length; k++) unknowns.push(space.offset(p) + k);
  for (const v of upstream) for (let k = 0; k < channels.get(v)!.count; k++) unknowns.push(offsets.get(v)! + k);
  if (own) for (let k = 0; k < own.count; k++) unknowns.push(offsets.get(target)! + k);
  if (unknowns.length === 0) return [];
  const size = elementCount(network.shape(target));

  /** Visits the derivative of the target along each unknown; undefined where it does not move. */
  const directions = (values: SlotValues, visit: (column: number, tangent: Float64Array | undefined) => void): void => {
    let column = 0;
    for (const p of parameters) {
      const direction = new Float64Array(cut.weights.get(p)!.length);
      for (let k = 0; k < direction.length; k++) {
        direction[k] = 1;
        visit(column++, program.differentiate(values, p, direction)[0]?.data);
        direction[k] = 0;
      }
    }
    for (const v of upstream) {
      for (const entries of channels.get(v)!.entries) {
        const direction = new Float64Array(elementCount(network.shape(v)));
        for (const e of entries) direction[e] = 1;
        visit(column++, program.differentiate(values, v, direction)[0]?.data);
      }
    }
    for (const entries of own?.entries ?? []) {
      const shift = new Float64Array(size);
      for (const e of entries) shift[e] = -1;
      visit(column++, shift);
    }
  };

  const groups = independentGroups(cut, program, network.shape(target), unknowns.length, directions);
  const collected = groups.map((g) => new RowCollector(g));
  for (let run = 0; run < PATTERN_SAMPLES || collected.some((c) => c.missing > 0); run++) {
    const chosen = collected.map((c) => cut.choose(c.group.entries.length, Math.max(1, Math.ceil(c.wanted / PATTERN_SAMPLES))));
    collected.forEach((c, i) => c.begin(chosen[i]!));
    directions(cut.sample(program), (column, tangent) => {
      if (tangent) for (const c of collected) c.fill(column, tangent);
    });
  }
  // The shift of an output is zero, said once per channel.
  const observed = own !== undefined && network.outputs.includes(target);
  return collected.flatMap((c, g) => {
    const block = c.block(unknowns);
    return observed && g === 0 ? [block, noShift(own, offsets.get(target)!)] : [block];
  });
}

function noShift(own: Channels, offset: number): Block {
  const unknowns = Array.from({ length: own.count }, (_, k) => offset + k);
  return { unknowns, matrix: Matrix.identity(own.count) };
}

/** Entries of the target with the unknowns that move any of them. */
interface EntryGroup {
  readonly entries: Int32Array;
  readonly columns: Int32Array;
}

/** Groups the target's entries along the axis that makes elimination cheapest; one group where nothing is gained. */
function independentGroups(
  cut: CutNetwork,
  program: Program,
  shape: readonly number[],
  unknowns: number,
  directions: (values: SlotValues, visit: (column: number, tangent: Float64Array | undefined) => void) => void,
): EntryGroup[] {
  const size = elementCount(shape);
  const all: EntryGroup = {
    entries: Int32Array.from({ length: size }, (_, i) => i),
    columns: Int32Array.from({ length: unknowns }, (_, i) => i),
  };
  const axes = shape.flatMap((n, axis) => (n > 1 ? [{ axis, n, stride: shape.slice(axis + 1).reduce((a, b) => a * b, 1) }] : []));
  const moved = axes.map(({ n }) => Array.from({ length: n }, () => new Uint8Array(unknowns)));
  for (let k = 0; k < PATTERN_SAMPLES; k++) {
    directions(cut.sample(program), (column, tangent) => {
      if (!tangent) return;
      for (let e = 0; e < size; e++) {
        if (tangent[e] === 0) continue;
        axes.forEach(({ n, stride }, a) => {
          moved[a]![Math.floor(e / stride) % n]![column] = 1;
        });
      }
    });
  }
  const cube = (n: number) => n * n * n;
  let best: EntryGroup[] = [all];
  let least = cube(unknowns) / 2;
  axes.forEach(({ n, stride }, a) => {
    const columns = moved[a]!.map((m) => Int32Array.from([...m.keys()].filter((c) => m[c] === 1)));
    const cost = columns.reduce((sum, c) => sum + cube(c.length), 0);
    if (cost >= least) return;
    least = cost;
    best = columns.map((c, i) => ({ columns: c, entries: all.entries.filter((e) => Math.floor(e / stride) % n === i) }));
  });
  return best;
}

/** Some equations: the derivatives of chosen entries along the unknowns that move any of them. */
interface Rows {
  readonly chosen: Int32Array;
  readonly columns: Map<number, Float64Array>;
}

/** Collects rows of one group until there are enough of them. */
class RowCollector {
  readonly wanted: number;
  private readonly parts: Rows[] = [];
  private rows = 0;

  constructor(readonly group: EntryGroup) {
    this.wanted = Math.ceil(ROWS_PER_COLUMN * group.columns.length) + 8;
  }

  get missing(): number {
    return this.group.columns.length === 0 ? 0 : this.wanted - this.rows;
  }

  begin(chosen: Int32Array): void {
    this.parts.push({ chosen: chosen.map((i) => this.group.entries[i]!), columns: new Map() });
    this.rows += chosen.length;
  }

  fill(column: number, tangent: Float64Array): void {
    const { chosen, columns } = this.parts[this.parts.length - 1]!;
    // Also unknowns that the group was not seen to hang on: a table's row is looked up now and then.
    if (chosen.some((e) => tangent[e] !== 0))
      columns.set(
        column,
        Float64Array.from(chosen, (e) => tangent[e]!),
      );
  }

  block(unknowns: readonly number[]): Block {
    const used = [...new Set([...this.group.columns, ...this.parts.flatMap((p) => [...p.columns.keys()])])];
    const parts = this.parts.map(({ chosen, columns }) => {
      const part = new Matrix(chosen.length, used.length);
      used.forEach((column, k) => {
        columns.get(column)?.forEach((x, r) => {
          part.data[r * used.length + k] = x;
        });
      });
      return finiteRows(part);
    });
    const rows = Matrix.stacked(parts, used.length).normaliseRows(NOISE);
    return { unknowns: used.map((c) => unknowns[c]!), matrix: compressRows(rows) };
  }
}

/** Without the rows of masked entries, which are minus infinity by design. */
export function finiteRows(part: Matrix): Matrix {
  const keep: number[] = [];
  for (let i = 0; i < part.rows; i++) if (part.row(i).every(Number.isFinite)) keep.push(i);
  return keep.length === part.rows ? part : part.selectRows(keep);
}
