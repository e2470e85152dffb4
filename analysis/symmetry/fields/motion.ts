/**
 * @file Matrix groups at work. An element changes the frame of every visible edge, x := g x with g = exp(A) for a solution A
 * of the field system, and the weights follow: for every unit z = F(x, w)
 *
 *     F(g_x x, w') = g_z F(x, w)     for random x,
 *
 * solved for the w' nearest to w. One mechanism for general linear groups between two weights, duals, frames behind gains,
 * recurrences and tied weights: what a weight does under the group is what its units say.
 */
import { norm } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import { UnionFind } from "../../numerics/unionFind";
import type { ParameterValues } from "../symmetry";
import type { Unit } from "./edges";
import type { FieldSystem } from "./system";
import type { Entry } from "./unknowns";
import { MovedUnit } from "./moved-unit";
import { type FieldDirection, FrameChange } from "./frame-change";
import { PieceSolver } from "./pieces";

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
        const delta = new PieceSolver(columns).solve(concatenated(residual.map((r) => r.rows)));
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
