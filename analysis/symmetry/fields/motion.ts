/**
 * @file Matrix groups at work. An element changes the frame of every visible edge, x := g x with g = exp(A) for a solution A
 * of the field system, and the weights follow: for every unit z = F(x, w)
 *
 *     F(g_x x, w') = g_z F(x, w)     for random x,
 *
 * solved for the w' nearest to w. One mechanism for general linear groups between two weights, duals, frames behind gains,
 * recurrences and tied weights: what a weight does under the group is what its units say.
 */
import { exponential } from "../../numerics/exponential";
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix, norm } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import { UnionFind } from "../../numerics/unionFind";
import type { Tensor } from "../../graph/tensor";
import type { ParameterValues } from "../symmetry";
import type { Channels } from "./channels";
import { connected } from "./equations";
import type { Unit } from "./edges";
import { leafValue } from "./samples";
import type { FieldSystem } from "./system";
import { applyField, type Entry, SHIFT } from "./unknowns";

/** One solution of the field system: the entries of its matrices (and shifts) by edge. */
export type FieldDirection = ReadonlyMap<string, readonly Entry[]>;

/** Entries solved for at most at once: beyond it a full matrix would not fit. */
const MOST_ENTRIES = 4000;
/** Newton steps; units are linear in their weights nearly always, and then one is exact. */
const STEPS = 12;
/** Residual relative to the values at which the weights are taken to have followed. */
const FOLLOWED = 1e-9;
const CONVERGED = 1e-13;
/** What first-order equations may leave, relative to their right sides. */
const HOLDS = 1e-8;

/** Some weights cannot follow a change of frames. */
export class CannotFollow extends Error {
  override readonly name = "CannotFollow";
}

/** Units whose movable parameters belong together. */
interface UnitGroup {
  readonly units: readonly Unit[];
  readonly parameters: readonly string[];
}

/** How weights move with given solutions of a field system. */
export class FieldMotion {
  private readonly groups: readonly UnitGroup[];

  constructor(
    private readonly system: FieldSystem,
    readonly directions: readonly FieldDirection[],
    private readonly seed: number,
  ) {
    this.groups = touchedGroups(system, directions);
  }

  /** All parameters that may follow. */
  get parameters(): readonly string[] {
    return this.groups.flatMap((g) => g.parameters);
  }

  /** The sum of all directions with the given coefficients. */
  private combined(coefficients: ArrayLike<number>): FieldDirection {
    const out = new Map<string, Entry[]>();
    this.directions.forEach((direction, k) => {
      const f = coefficients[k]!;
      if (f === 0) return;
      for (const [edge, entries] of direction) {
        const list = out.get(edge) ?? [];
        out.set(edge, list);
        for (const e of entries) list.push({ ...e, factor: f * e.factor });
      }
    });
    return out;
  }

  /** exp(sum of coefficients times directions) on every edge. */
  frames(coefficients: ArrayLike<number>): ReadonlyMap<string, FrameChange> {
    const out = new Map<string, FrameChange>();
    for (const [edge, entries] of this.combined(coefficients)) {
      out.set(edge, new FrameChange(this.system.unknowns.edges.get(edge)!.channels, entries));
    }
    return out;
  }

  /** The weights after exp(sum of coefficients times directions). Throws Error where some weight cannot follow. */
  act(weights: ParameterValues, coefficients: ArrayLike<number>): ParameterValues {
    const frames = this.frames(coefficients);
    const random = new Random(this.seed);
    const out = new Map<string, Float64Array>();
    for (const group of this.groups) {
      const equations = group.units.map((u) => new MovedUnit(this.system, u, frames, weights, group.parameters, random));
      const now = new Map(group.parameters.map((p) => [p, weights.get(p)!.slice()] as const));
      const at: ParameterValues = new Map([...weights, ...now]);
      let best = Number.POSITIVE_INFINITY;
      for (let step = 0; ; step++) {
        const residual = equations.map((e) => e.residual(at));
        const left = Math.max(...residual.map((r) => r.relative));
        if (left < CONVERGED || step === STEPS || (left < FOLLOWED && left > 0.5 * best)) {
          if (left < FOLLOWED) break;
          throw new CannotFollow(
            `${group.parameters.join(", ")} cannot follow this element: ${left.toExponential(1)} of the values is left`,
          );
        }
        best = Math.min(best, left);
        const columns = columnsOf(equations, group.parameters, at);
        const delta = solvePieces(columns, concatenated(residual.map((r) => r.rows)));
        let k = 0;
        for (const data of now.values()) for (let i = 0; i < data.length; i++) data[i]! += delta[k++]!;
      }
      for (const [p, data] of now) if (data.some((x, i) => x !== weights.get(p)![i])) out.set(p, data);
    }
    return out;
  }

  /** Whether the weights can follow every direction at first order: whether these are solutions at the given weights too. */
  holdsAt(weights: ParameterValues): boolean {
    const random = new Random(this.seed);
    return this.groups.every((group) => {
      const equations = group.units.map((u) => new MovedUnit(this.system, u, new Map(), weights, group.parameters, random));
      const solver = new PieceSolver(columnsOf(equations, group.parameters, weights));
      return this.directions.every((_, k) => {
        const direction = this.combined(Float64Array.from(this.directions, (_unused, i) => (i === k ? 1 : 0)));
        const wanted = concatenated(equations.map((e) => e.firstOrder(direction, weights)));
        return solver.leaves(wanted) <= HOLDS * (1 + norm(wanted));
      });
    });
  }

  /**
   * The tangent at given weights, as a function of the direction's coefficients. The equations are set up once at `weights`;
   * where units are linear in their weights the returned function holds for all other weights of these parameters too.
   */
  tangents(weights: ParameterValues): (coefficients: ArrayLike<number>, at?: ParameterValues) => ParameterValues {
    const random = new Random(this.seed);
    const prepared = this.groups.map((group) => {
      const equations = group.units.map((u) => new MovedUnit(this.system, u, new Map(), weights, group.parameters, random));
      return { group, equations, solver: new PieceSolver(columnsOf(equations, group.parameters, weights)) };
    });
    return (coefficients, at = weights) => {
      const direction = this.combined(coefficients);
      const out = new Map<string, Float64Array>();
      for (const { group, equations, solver } of prepared) {
        const delta = solver.solve(concatenated(equations.map((e) => e.firstOrder(direction, at))));
        let k = 0;
        for (const p of group.parameters) {
          const size = weights.get(p)!.length;
          const part = delta.slice(k, k + size);
          k += size;
          if (part.some((x) => Math.abs(x) > 1e-13)) out.set(p, part);
        }
      }
      return out;
    };
  }
}

/** The change of frame on one edge. */
export class FrameChange {
  /** Channels that it changes, and its matrix on them with the shift as a last column. */
  readonly used: readonly number[];
  readonly matrix: Matrix;

  constructor(
    private readonly channels: Channels,
    entries: readonly Entry[],
  ) {
    this.used = [...new Set(entries.flatMap((e) => (e.column === SHIFT ? [e.row] : [e.row, e.column])))].sort((a, b) => a - b);
    const n = this.used.length;
    const at = new Map(this.used.map((c, i) => [c, i] as const));
    const a = new Matrix(n + 1, n + 1);
    for (const { row, column, factor } of entries) {
      a.data[at.get(row)! * (n + 1) + (column === SHIFT ? n : at.get(column)!)]! += factor;
    }
    this.matrix = exponential(a);
  }

  apply(x: Float64Array): Float64Array {
    const y = x.slice();
    const { used, matrix } = this;
    const n = used.length;
    const lists = used.map((c) => this.channels.entries[c]!);
    for (let i = 0; i < n; i++) {
      const to = lists[i]!;
      for (let p = 0; p < to.length; p++) {
        let sum = matrix.get(i, n);
        for (let j = 0; j < n; j++) {
          const f = matrix.get(i, j);
          if (f !== 0) sum += f * x[lists[j]![p]!]!;
        }
        y[to[p]!] = sum;
      }
    }
    return y;
  }
}

/** Groups of units that share movable parameters, as far as a direction touches one of them. */
function touchedGroups(system: FieldSystem, directions: readonly FieldDirection[]): UnitGroup[] {
  const { units, own, unknowns } = system;
  const movable = (u: Unit): string[] => [...(own.get(u.output) ?? []), ...u.parameters.filter((p) => unknowns.isShared(p))];
  const sets = new UnionFind(units.length);
  const first = new Map<string, number>();
  units.forEach((u, i) => {
    for (const p of movable(u)) {
      const other = first.get(p);
      if (other === undefined) first.set(p, i);
      else sets.union(other, i);
    }
  });
  const edges = new Set(directions.flatMap((d) => [...d.keys()]));
  return sets.groups(units.keys()).flatMap((group) => {
    const members = group.map((i) => units[i]!);
    const parameters = [...new Set(members.flatMap(movable))];
    const isTouched = members.some((u) => [u.output, ...u.inputs].some((v) => edges.has(v)));
    return isTouched && parameters.length > 0 ? [{ units: members, parameters }] : [];
  });
}

/** Draws of inputs one after the other that look up nothing new, after which the rest of a table is taken to be out of reach. */
const MOST_IDLE_DRAWS = 40;

/** A unit at random inputs, before and after a change of frames. */
class MovedUnit {
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

function columnsOf(equations: readonly MovedUnit[], parameters: readonly string[], weights: ParameterValues): Float64Array[] {
  const size = parameters.reduce((n, p) => n + weights.get(p)!.length, 0);
  if (size > MOST_ENTRIES) throw new Error(`${size} weights would have to follow at once: act on the twin instead`);
  return parameters.flatMap((p) => {
    const parts = equations.map((e) => e.columns(p, weights));
    return Array.from({ length: weights.get(p)!.length }, (_, k) => concatenated(parts.map((part) => part[k]!)));
  });
}

function concatenated(parts: readonly Float64Array[]): Float64Array {
  if (parts.length === 1) return parts[0]!;
  const out = new Float64Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** Least squares of least length, piece by piece where columns share no equation. */
class PieceSolver {
  private readonly pieces: readonly {
    readonly rows: readonly number[];
    readonly columns: readonly number[];
    readonly solver: LeastSquares;
  }[];
  private readonly size: number;

  constructor(columns: readonly Float64Array[]) {
    this.size = columns.length;
    this.pieces = connected(columns)
      .filter((p) => p.rows.length > 0)
      .map(({ rows, columns: own, vectors }) => ({
        rows,
        columns: own,
        solver: new LeastSquares(Matrix.fromColumns(vectors, rows.length), { relative: 1e-10 }),
      }));
  }

  /** How much of a right side no combination of columns makes: its length. */
  leaves(target: Float64Array): number {
    const open = Uint8Array.from(target, () => 1);
    let squares = 0;
    for (const { rows, solver } of this.pieces) {
      squares += norm(solver.reduce(Float64Array.from(rows, (r) => target[r]!))) ** 2;
      for (const r of rows) open[r] = 0;
    }
    target.forEach((x, r) => {
      if (open[r] === 1) squares += x * x;
    });
    return Math.sqrt(squares);
  }

  solve(target: Float64Array): Float64Array {
    const out = new Float64Array(this.size);
    for (const { rows, columns, solver } of this.pieces) {
      const x = solver.solve(Float64Array.from(rows, (r) => target[r]!));
      columns.forEach((c, k) => {
        out[c] = x[k]!;
      });
    }
    return out;
  }
}

function solvePieces(columns: readonly Float64Array[], target: Float64Array): Float64Array {
  return new PieceSolver(columns).solve(target);
}
