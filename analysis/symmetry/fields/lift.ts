/** @file From fields back to parameters: the tangents of the weights that carry a solution. */
import { norm } from "../../numerics/matrix";
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import type { ParameterValues } from "../symmetry";
import { connected, ownParameterColumns } from "./equations";
import { type Candidate, UnitSamples } from "./samples";
import type { FieldSystem } from "./system";
import type { Unit } from "./edges";
import type { Entry } from "./unknowns";

/** A unit prepared to solve for its own parameters' tangents. */
interface Solver {
  readonly samples: UnitSamples;
  readonly own: readonly string[];
  readonly pieces: readonly {
    readonly rows: readonly number[];
    readonly columns: readonly number[];
    readonly solve: LeastSquares;
  }[];
}

/** Computes parameter tangents of solutions; prepares each unit once, on demand. */
export class Lift {
  private readonly system: FieldSystem;
  private readonly solvers = new Map<Unit, Solver>();
  private readonly random: Random;

  constructor(system: FieldSystem, seed: number) {
    this.system = system;
    this.random = new Random(seed);
  }

  private solver(unit: Unit): Solver {
    const known = this.solvers.get(unit);
    if (known) return known;
    const { network, unknowns, weights } = this.system;
    const own = this.system.own.get(unit.output) ?? [];
    const counts = [unit.output, ...unit.inputs].map((v) => unknowns.edges.get(v)!.channels.count);
    const size = own.reduce((n, p) => n + weights.get(p)!.length, 0);
    const wanted = 3 * size + 12 * counts.reduce((a, b) => a + b, 0);
    const samples = new UnitSamples(network, unknowns, unit, weights, this.random, wanted);
    const columns = ownParameterColumns(samples, own, weights);
    const pieces = connected(columns).map(({ rows, columns: c, vectors }) => ({
      rows,
      columns: c,
      solve: new LeastSquares(Matrix.fromColumns(vectors, rows.length), { relative: 1e-10 }),
    }));
    const out = { samples, own, pieces };
    this.solvers.set(unit, out);
    return out;
  }

  /** The fields and shared tangents of given root values. */
  candidate(roots: ReadonlyMap<number, number>): Candidate {
    const { unknowns } = this.system;
    const fields = new Map<string, Entry[]>();
    for (const edge of unknowns.edges.values()) {
      const list: Entry[] = [];
      for (const [root, entries] of unknowns.entries(edge)) {
        const value = roots.get(root);
        if (value !== undefined && value !== 0) for (const e of entries) list.push({ ...e, factor: e.factor * value });
      }
      if (list.length > 0) fields.set(edge.value, list);
    }
    const parameters = new Map<string, Float64Array>();
    for (const p of unknowns.sharedParameters) {
      const direction = new Float64Array(unknowns.parameterSize(p));
      let any = false;
      for (const [root, entries] of unknowns.parameterEntries(p)) {
        const value = roots.get(root);
        if (value === undefined || value === 0) continue;
        any = true;
        for (const e of entries) direction[e.column] = e.factor * value;
      }
      if (any) parameters.set(p, direction);
    }
    return { fields, parameters };
  }

  /**
   * The tangent of all parameters that carries a solution, of least length within each unit; undefined where some unit's
   * equation is not met after all.
   */
  tangent(roots: ReadonlyMap<number, number>): ParameterValues | undefined {
    const candidate = this.candidate(roots);
    const out = new Map<string, Float64Array>(candidate.parameters);
    for (const unit of this.system.units) {
      const touched =
        [unit.output, ...unit.inputs].some((v) => candidate.fields.has(v)) ||
        unit.parameters.some((p) => candidate.parameters.has(p));
      if (!touched) continue;
      const { samples, own, pieces } = this.solver(unit);
      const residual = samples.residual(candidate);
      const scale = Math.max(norm(residual), 1);
      const solved = new Float64Array(own.reduce((n, p) => n + this.system.weights.get(p)!.length, 0));
      const open = Uint8Array.from(residual, (x) => (Math.abs(x) > 1e-7 * scale ? 1 : 0));
      for (const { rows, columns, solve } of pieces) {
        const target = Float64Array.from(rows, (r) => -residual[r]!);
        const x = solve.solve(target);
        columns.forEach((c, k) => {
          solved[c] = x[k]!;
        });
        const left = norm(solve.reduce(target));
        if (left > 1e-6 * scale) return undefined;
        for (const r of rows) open[r] = 0;
      }
      if (open.some((x) => x !== 0)) return undefined;
      let at = 0;
      for (const p of own) {
        const length = this.system.weights.get(p)!.length;
        const part = solved.slice(at, at + length);
        at += length;
        if (part.some((x) => x !== 0)) out.set(p, part);
      }
    }
    return out;
  }

  /** Directions of a unit's own parameters that change nothing in it: two biases in one sum, weights behind a mean. */
  kernel(unit: Unit): ParameterValues[] {
    const { own, pieces } = this.solver(unit);
    const sizes = own.map((p) => this.system.weights.get(p)!.length);
    const out: ParameterValues[] = [];
    for (const { columns, solve } of pieces) {
      const kernel = solve.kernel();
      for (let k = 0; k < kernel.rows; k++) {
        const flat = new Float64Array(sizes.reduce((a, b) => a + b, 0));
        columns.forEach((c, i) => {
          flat[c] = kernel.get(k, i);
        });
        const vector = new Map<string, Float64Array>();
        let at = 0;
        own.forEach((p, i) => {
          const part = flat.slice(at, at + sizes[i]!);
          if (part.some((x) => x !== 0)) vector.set(p, part);
          at += sizes[i]!;
        });
        out.push(vector);
      }
    }
    return out;
  }
}
