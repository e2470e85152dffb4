/** @file A unit z = F(x, w) at random inputs, before and after a change of frames: what its weights have to make up for. */
import type { Random } from "../../numerics/random";
import type { Tensor } from "../../graph/tensor";
import type { ParameterValues } from "../symmetry";
import type { Unit } from "./edges";
import { leafValue } from "./samples";
import type { FieldSystem } from "./system";
import { applyField } from "./unknowns";
import type { FrameChange } from "./frame-change";
import { type FieldDirection } from "./frame-change";

/** Draws of inputs one after the other that look up nothing new, after which the rest of a table is taken to be out of reach. */
const MOST_IDLE_DRAWS = 40;

/** A unit at random inputs, before and after a change of frames. */
export class MovedUnit {
  private readonly runs: {
    readonly leaves: ReadonlyMap<string, Tensor>;
    readonly moved: ReadonlyMap<string, Tensor>;
    readonly wanted: Float64Array;
    readonly rows: Int32Array;
  }[] = [];
  private readonly rows: number;
  private readonly scale: number;

  constructor(
    private readonly system: FieldSystem,
    private readonly unit: Unit,
    frames: ReadonlyMap<string, FrameChange>,
    weights: ParameterValues,
    movable: readonly string[],
    random: Random,
  ) {
    const { network, unknowns } = system;
    const { program } = unit;
    const size = network.shape(unit.output).reduce((n, d) => n * d, 1);
    const counts = [unit.output, ...unit.inputs].map((v) => unknowns.edges.get(v)!.channels.count);
    const free = movable.reduce((n, p) => n + (unit.parameters.includes(p) ? weights.get(p)!.length : 0), 0);
    const total = 3 * free + 12 * counts.reduce((a, b) => a + b, 0);
    const runs = Math.max(2, Math.ceil(total / Math.max(1, size)));
    const share = Math.ceil(total / runs);
    const all = Int32Array.from({ length: size }, (_, i) => i);
    for (let run = 0; run < runs; run++) {
      const drawn = this.draw(frames, weights, random);
      this.runs.push({ ...drawn, rows: drawn.finite(size <= share ? all : random.sample(size, share).slice().sort()) });
    }
    const looksUp = program.leaves.some((leaf) => !network.graph.parameters.has(leaf) && !network.isDifferentiable(leaf));
    if (looksUp) this.addUnread(frames, weights, movable, random);
    this.rows = this.runs.reduce((n, r) => n + r.rows.length, 0);
    this.scale =
      this.runs.reduce((most, { wanted, rows }) => rows.reduce((m, i) => Math.max(m, Math.abs(wanted[i]!)), most), 0) || 1;
  }

  /** The unit at fresh random inputs. */
  private draw(frames: ReadonlyMap<string, FrameChange>, weights: ParameterValues, random: Random) {
    const { network } = this.system;
    const leaves = new Map<string, Tensor>();
    const moved = new Map<string, Tensor>();
    for (const leaf of this.unit.program.leaves) {
      if (network.graph.parameters.has(leaf)) continue;
      const value = leafValue(network, this.unit, weights, random, leaf, undefined);
      leaves.set(leaf, value);
      const frame = frames.get(leaf);
      moved.set(leaf, frame ? { ...value, data: frame.apply(value.data) } : value);
    }
    const before = this.evaluate(leaves, weights);
    const wanted = frames.get(this.unit.output)?.apply(before) ?? before;
    const finite = (rows: Int32Array) => rows.filter((i) => Number.isFinite(before[i]!) && Number.isFinite(wanted[i]!));
    return { leaves, moved, wanted, finite };
  }

  /** Draws until every entry of a table has been looked up: what no equation reads would stay where it is. */
  private addUnread(
    frames: ReadonlyMap<string, FrameChange>,
    weights: ParameterValues,
    movable: readonly string[],
    random: Random,
  ): void {
    const { program } = this.unit;
    type Entry = { readonly p: string; readonly k: number };
    let unread: readonly Entry[] = movable
      .filter((p) => this.unit.parameters.includes(p))
      .flatMap((p) => this.columns(p, weights).flatMap((column, k) => (column.some((x) => x !== 0) ? [] : [{ p, k }])));
    for (let idle = 0; unread.length > 0 && idle < MOST_IDLE_DRAWS; idle++) {
      const drawn = this.draw(frames, weights, random);
      const values = program.evaluate(this.leaf(drawn.moved, weights));
      const readers = (entries: readonly Entry[]): Int32Array => {
        const directions = new Map<string, Float64Array>();
        for (const { p, k } of entries) {
          const own = directions.get(p) ?? new Float64Array(weights.get(p)!.length);
          directions.set(p, own);
          own[k] = random.normal();
        }
        const slope = program.differentiateJointly(values, directions)[0]?.data ?? [];
        return Int32Array.from(slope.keys()).filter((i) => slope[i] !== 0);
      };
      const rows = drawn.finite(readers(unread));
      if (rows.length === 0) continue;
      this.runs.push({ ...drawn, rows });
      unread = unread.filter((entry) => readers([entry]).length === 0);
      idle = -1;
    }
  }

  private leaf(values: ReadonlyMap<string, Tensor>, weights: ParameterValues): (leaf: string) => Tensor | undefined {
    const { parameters } = this.system.network.graph;
    return (leaf) => {
      const p = parameters.get(leaf);
      return p ? { type: "float64", shape: p.shape, data: weights.get(leaf)! } : values.get(leaf);
    };
  }

  private evaluate(values: ReadonlyMap<string, Tensor>, weights: ParameterValues): Float64Array {
    const { program } = this.unit;
    return program.results(program.evaluate(this.leaf(values, weights)))[0]!.data;
  }

  /** What is still missing at given weights, and its size relative to the values. */
  residual(weights: ParameterValues): { readonly rows: Float64Array; readonly relative: number } {
    const out = new Float64Array(this.rows);
    let at = 0;
    let largest = 0;
    for (const { moved, wanted, rows } of this.runs) {
      const now = this.evaluate(moved, weights);
      for (const i of rows) {
        const x = wanted[i]! - now[i]!;
        out[at++] = x;
        largest = Math.max(largest, Number.isFinite(x) ? Math.abs(x) : Number.POSITIVE_INFINITY);
      }
    }
    return { rows: out, relative: largest / this.scale };
  }

  /** A_z F(x, w) - D_x F [A x] at given weights, with the inputs as they were before any change. */
  firstOrder(direction: FieldDirection, weights: ParameterValues): Float64Array {
    const out = new Float64Array(this.rows);
    const { program } = this.unit;
    const { edges } = this.system.unknowns;
    let at = 0;
    for (const { leaves, rows } of this.runs) {
      const values = program.evaluate(this.leaf(leaves, weights));
      const moving = new Map<string, Float64Array>();
      for (const value of this.unit.inputs) {
        const entries = direction.get(value);
        if (entries && entries.length > 0)
          moving.set(value, applyField(entries, edges.get(value)!.channels, leaves.get(value)!.data));
      }
      const right = moving.size > 0 ? program.differentiateJointly(values, moving)[0]?.data : undefined;
      const entries = direction.get(this.unit.output);
      const result = program.results(values)[0]!.data;
      const left =
        entries && entries.length > 0
          ? applyField(
              entries,
              edges.get(this.unit.output)!.channels,
              result.map((x) => (Number.isFinite(x) ? x : 0)),
            )
          : undefined;
      for (const i of rows) out[at++] = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    }
    return out;
  }

  /** The derivative by one entry of a parameter; undefined where the unit does not read it. */
  columns(parameter: string, weights: ParameterValues): Float64Array[] {
    const size = weights.get(parameter)!.length;
    const total = this.runs.reduce((n, r) => n + r.rows.length, 0);
    const out = Array.from({ length: size }, () => new Float64Array(total));
    if (!this.unit.parameters.includes(parameter)) return out;
    const { program } = this.unit;
    const direction = new Float64Array(size);
    let at = 0;
    for (const { moved, rows } of this.runs) {
      const values = program.evaluate(this.leaf(moved, weights));
      for (let k = 0; k < size; k++) {
        direction[k] = 1;
        const right = program.differentiate(values, parameter, direction)[0]?.data;
        if (right) for (let i = 0; i < rows.length; i++) out[k]![at + i] = right[rows[i]!]!;
        direction[k] = 0;
      }
      at += rows.length;
    }
    return out;
  }
}
