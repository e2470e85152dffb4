/**
 * @file The Symmetries of engine C: matrix groups on the channels of a region (general linear, orthogonal, complex per
 * frequency, what a layer norm leaves), acting on the weights around it.
 */
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix, norm } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import { orthonormalBasis } from "../../numerics/rank";
import { directionsAt, type FieldResult, regionKey } from "../fields/fields";
import { CannotFollow, FieldMotion } from "../fields/motion";
import type { FieldDirection } from "../fields/frame-change";
import type { FieldSystem } from "../fields/system";
import { SHIFT } from "../fields/unknowns";
import type { WeightProduct } from "../fields/products";
import { regionGroup } from "../regions";
import type { Element, Generator, Mirror, ParameterValues, Symmetry } from "../symmetry";
import { mirrorOf } from "./involution";
import { fixedByTangents } from "./linear-fixed-set";
import { Retraction } from "./retraction";

/** Frobenius norm of the generator of a random element on the edge that it moves most. */
const RANDOM_SIZE = 0.6;
/** How well solutions at other weights have to agree with those at the first, relative to their length. */
const AGREES = 1e-6;

/** All Symmetries of engine C. `spacesOf` gives the channel spaces of atoms; ids begin with `prefix`. */
export function matrixSymmetries(
  numeric: FieldResult,
  spacesOf: (atoms: readonly number[]) => readonly number[],
  prefix = "",
): Symmetry[] {
  const source = new DirectionSource(numeric);
  const out: Symmetry[] = [];
  for (const region of numeric.regions) {
    const group = regionGroup(region);
    if (!group) continue;
    const spaces = spacesOf(region.atoms);
    if (region.product) out.push(productSymmetry(region.product, `linear:${out.length}`, group.notation, spaces));
    else if (region.directions) {
      const action = new MatrixAction(source, region.directions, region.generators, regionKey(region.edges));
      out.push(matrixSymmetry(action, group.kind, `${prefix}${group.kind}:${out.length}`, group.notation, spaces));
    }
  }
  numeric.remaining.forEach(({ direction, generator }, k) => {
    const action = new MatrixAction(source, [direction], [generator], undefined);
    const kind = generator.family === "translation" ? "translation" : "rescaling";
    out.push(matrixSymmetry(action, kind, `${prefix}hidden-${kind}:${k}`, kind === "translation" ? "R" : "R+", []));
  });
  return out;
}

function matrixSymmetry(
  action: MatrixAction,
  kind: "linear" | "rotation" | "rescaling" | "translation",
  id: string,
  group: string,
  spaces: readonly number[],
): Symmetry {
  const act = (weights: ParameterValues, element: Element): ParameterValues => action.act(weights, element);
  const dimension = action.directions.length;
  const units = Array.from({ length: dimension }, (_, k) => unitVector(dimension, k));
  return {
    id,
    kind,
    origin: "numeric",
    group,
    dimension,
    parameters: action.parameters,
    spaces,
    randomElement: (random) => action.randomElement(random),
    act,
    generators(weights) {
      const tangent = action.at(weights).tangents(weights);
      return units.map((u): Generator => ({ family: kind, vector: tangent(u), spaces }));
    },
    ...(kind === "rescaling" || kind === "translation"
      ? {}
      : {
          *mirrors(weights: ParameterValues): Iterable<Mirror> {
            for (const element of action.halfTurns()) yield mirrorOf(act, element, isOrthogonal(weights, act(weights, element)));
          },
        }),
    fixedSet(weights) {
      // A translation leaves no weights as they are.
      if (kind === "translation") return undefined;
      const tangent = action.at(weights).tangents(weights);
      // What two random elements of a Lie algebra leave alone, all that they generate leaves alone.
      const random = new Random(23);
      const two = dimension < 3 ? units : [random.normals(dimension), random.normals(dimension)];
      return fixedByTangents(action.parameters, weights, (at) => two.map((u) => tangent(u, at)));
    },
  };
}

function unitVector(size: number, k: number): Element {
  const out = new Float64Array(size);
  out[k] = 1;
  return out;
}

function isOrthogonal(weights: ParameterValues, moved: ParameterValues): boolean {
  for (const [p, data] of moved) {
    const own = weights.get(p)!;
    if (Math.abs(norm(data) - norm(own)) > 1e-9 * norm(own)) return false;
  }
  return true;
}

/** GL between two weights whose product is a weight. */
function productSymmetry(product: WeightProduct, id: string, group: string, spaces: readonly number[]): Symmetry {
  const act = (weights: ParameterValues, element: Element): ParameterValues => product.act(weights, element);
  const parameters = [...new Set(product.generators.flatMap((g) => [...g.vector.keys()]))];
  const at = new Map(product.entries.map(([i, j], k) => [`${i},${j}`, k] as const));
  return {
    id,
    kind: "linear",
    origin: "numeric",
    group,
    dimension: product.entries.length,
    parameters,
    spaces,
    randomElement(random) {
      const x = Float64Array.from(product.entries, () => 2 * random() - 1);
      const length = norm(x);
      return x.map((v) => (RANDOM_SIZE * v) / length);
    },
    act,
    generators: (weights) => product.tangents(weights).map((vector): Generator => ({ family: "linear", vector, spaces })),
    *mirrors(weights): Iterable<Mirror> {
      for (let i = 0; i < product.size; i++) {
        for (let j = i + 1; j < product.size; j++) {
          const [a, b] = [at.get(`${i},${j}`), at.get(`${j},${i}`)];
          if (a === undefined || b === undefined) continue;
          const element = new Float64Array(product.entries.length);
          element[a] = Math.PI;
          element[b] = -Math.PI;
          yield mirrorOf(act, element, isOrthogonal(weights, act(weights, element)));
        }
      }
    },
    fixedSet: (weights) => fixedByTangents(parameters, weights, (w) => product.tangents(w)),
  };
}

/**
 * Solutions of the field system at whatever weights. They hang on the weights only through what no field moves (gains, frozen
 * tables): where those are as they were, so are the solutions.
 */
class DirectionSource {
  readonly system: FieldSystem;
  readonly retraction: Retraction;
  private readonly still: readonly string[];
  private readonly known = new WeakMap<ParameterValues, ReturnType<typeof directionsAt>>();

  constructor(readonly numeric: FieldResult) {
    this.system = numeric.system;
    this.retraction = new Retraction(numeric.system.network, numeric.seeds.fields);
    const { own, unknowns, network } = numeric.system;
    const moving = new Set([...[...own.values()].flat(), ...unknowns.sharedParameters]);
    this.still = [...network.graph.parameters.keys()].filter((p) => !moving.has(p));
  }

  /** Whether directions are solutions at given weights: where everything that no field moves is as it was when they were found. */
  isSame(weights: ParameterValues, motion: FieldMotion): boolean {
    const isEqual = (p: string): boolean => {
      const [a, b] = [weights.get(p), this.numeric.weights.get(p)];
      return a === b || (a !== undefined && b !== undefined && a.every((x, i) => x === b[i]));
    };
    if (!this.still.every(isEqual)) return false;
    // Where much is hidden inside of units, solutions may hang on any weights: the plane of two reflections turns with these.
    return this.numeric.frames === undefined || motion.parameters.every(isEqual) || motion.holdsAt(weights);
  }

  /** As many directions at other weights as there were at the first, where these have planes of their own. */
  turning(found: readonly FieldDirection[], first: readonly FieldDirection[]): readonly FieldDirection[] | undefined {
    return this.numeric.frames !== undefined && found.length === first.length ? found : undefined;
  }

  at(weights: ParameterValues): ReturnType<typeof directionsAt> {
    let found = this.known.get(weights);
    if (!found) {
      const { axes, seeds, frames } = this.numeric;
      found = directionsAt(this.system.network, weights, axes, seeds.fields, frames);
      this.known.set(weights, found);
    }
    return found;
  }
}

/** Entries of a generator below this part of its length are rounding. */
const MOVED = 1e-9;

/** The parameters that generators move. */
function movedBy(generators: readonly Generator[]): string[] {
  const out = new Set<string>();
  for (const { vector } of generators) {
    const length = Math.sqrt([...vector.values()].reduce((sum, v) => sum + norm(v) ** 2, 0));
    for (const [p, v] of vector) if (norm(v) > MOVED * length) out.add(p);
  }
  return [...out];
}

/** The action of one region's group. */
class MatrixAction {
  /** Those that it moves. */
  readonly parameters: readonly string[];
  private readonly motion: FieldMotion;
  private isCurved = false;
  private readonly known = new WeakMap<ParameterValues, FieldMotion>();

  /** `key` names the region at other weights; undefined for one that exists at these only. */
  constructor(
    private readonly source: DirectionSource,
    readonly directions: readonly FieldDirection[],
    generators: readonly Generator[],
    private readonly key: string | undefined,
  ) {
    this.parameters = movedBy(generators);
    this.motion = new FieldMotion(source.system, directions, source.numeric.seeds.fields);
  }

  /** How weights move that differ from the first in gains too. Throws Error where the region is another one there. */
  at(weights: ParameterValues): FieldMotion {
    let motion = this.known.get(weights);
    if (motion) return motion;
    if (this.source.isSame(weights, this.motion)) {
      motion = this.motion;
      this.known.set(weights, motion);
    } else {
      const { system, byRegion } = this.source.at(weights);
      const found = this.key === undefined ? undefined : byRegion.get(this.key);
      const aligned = found && (alignedDirections(this.directions, found, system) ?? this.source.turning(found, this.directions));
      if (!aligned) throw new Error(`the group on ${this.parameters.join(", ")} is another one at these weights`);
      motion = new FieldMotion(system, aligned, this.source.numeric.seeds.fields);
      this.known.set(weights, motion);
    }
    return motion;
  }

  /**
   * The weights after an element: by its frames, or where these are no group in the gauge that they were found in, along the
   * tangent and back to where the outputs are as they were.
   */
  act(weights: ParameterValues, element: Element): ParameterValues {
    const motion = this.at(weights);
    if (!this.isCurved) {
      try {
        return motion.act(weights, element);
      } catch (error) {
        if (!(error instanceof CannotFollow)) throw error;
        this.isCurved = true;
      }
    }
    const moved = new Map<string, Float64Array>();
    for (const [p, d] of motion.tangents(weights)(element))
      moved.set(
        p,
        weights.get(p)!.map((x, i) => x + d[i]!),
      );
    return this.source.retraction.toFibre(weights, moved, motion.parameters, new Set());
  }

  randomElement(random: () => number): Element {
    const x = Float64Array.from(this.directions, () => 2 * random() - 1);
    let largest = 0;
    const sums = new Map<string, Map<string, number>>();
    this.directions.forEach((direction, k) => {
      for (const [edge, entries] of direction) {
        const own = sums.get(edge) ?? new Map<string, number>();
        sums.set(edge, own);
        for (const e of entries) own.set(`${e.row},${e.column}`, (own.get(`${e.row},${e.column}`) ?? 0) + x[k]! * e.factor);
      }
    });
    for (const own of sums.values()) largest = Math.max(largest, norm(Float64Array.from(own.values())));
    return x.map((v) => (RANDOM_SIZE * v) / largest);
  }

  /** Half turns in planes of one edge: exp(pi (u v^T - v u^T)), where the group has them and they are involutions everywhere. */
  *halfTurns(): Iterable<Element> {
    const { frames } = this.source.system;
    const edges = [...new Set(this.directions.flatMap((d) => [...d.keys()]))];
    const edge = edges.find((e) => frames.has(e)) ?? edges[0];
    if (edge === undefined) return;
    const entries = this.directions.map((d) => (d.get(edge) ?? []).filter((e) => e.column !== SHIFT));
    const used = [...new Set(entries.flat().flatMap((e) => [e.row, e.column]))].sort((a, b) => a - b);
    const n = used.length;
    const at = new Map(used.map((c, i) => [c, i] as const));
    const flat = Matrix.fromColumns(
      entries.map((list) => {
        const column = new Float64Array(n * n);
        for (const e of list) column[at.get(e.row)! * n + at.get(e.column)!]! += e.factor;
        return column;
      }),
      n * n,
    );
    const solver = new LeastSquares(flat, { relative: 1e-9 });
    for (const [u, v] of planes(flat, n)) {
      const target = new Float64Array(n * n);
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) target[i * n + j] = u[i]! * v[j]! - v[i]! * u[j]!;
      if (norm(solver.reduce(target)) > 1e-7) continue;
      const element = solver.solve(target).map((x) => Math.PI * x);
      if ([...this.motion.frames(element).values()].every((f) => isInvolution(f.matrix))) yield element;
    }
  }
}

/** Coordinate planes, and the planes of an orthonormal basis of what the matrices reach (all but a direction that they fix). */
function* planes(flat: Matrix, n: number): Iterable<readonly [Float64Array, Float64Array]> {
  const coordinates = Array.from({ length: n }, (_, i) => unitVector(n, i));
  const images: Float64Array[] = [];
  for (let k = 0; k < flat.columns; k++) {
    for (let j = 0; j < n; j++) images.push(Float64Array.from({ length: n }, (_, i) => flat.get(i * n + j, k)));
  }
  const reached = orthonormalBasis(Matrix.fromColumns(images, n), { relative: 1e-8 });
  const inside = Array.from({ length: reached.columns }, (_, k) => reached.column(k));
  for (const basis of reached.columns === n ? [coordinates] : [coordinates, inside]) {
    for (let i = 0; i < basis.length; i++) for (let j = i + 1; j < basis.length; j++) yield [basis[i]!, basis[j]!];
  }
}

function isInvolution(g: Matrix): boolean {
  const square = g.multiply(g);
  for (let i = 0; i < g.rows; i++) square.data[i * g.rows + i]! -= 1;
  return square.maximum() < 1e-8;
}

/** The same directions among those found at other weights, compared where weights write the frame. */
function alignedDirections(
  wanted: readonly FieldDirection[],
  found: readonly FieldDirection[],
  system: FieldSystem,
): FieldDirection[] | undefined {
  const all = [...new Set(wanted.flatMap((d) => [...d.keys()]))];
  const framed = all.filter((e) => system.frames.has(e));
  const edges = framed.length > 0 ? framed : all;
  const keys = new Map<string, number>();
  const rowsOf = (d: FieldDirection): readonly (readonly [number, number])[] =>
    edges.flatMap((edge) =>
      (d.get(edge) ?? []).map((e) => {
        const key = `${edge}:${e.row}:${e.column}`;
        const at = keys.get(key) ?? keys.size;
        keys.set(key, at);
        return [at, e.factor] as const;
      }),
    );
  const [left, right] = [found.map(rowsOf), wanted.map(rowsOf)];
  const dense = (rows: readonly (readonly [number, number])[]): Float64Array => {
    const out = new Float64Array(keys.size);
    for (const [at, x] of rows) out[at]! += x;
    return out;
  };
  const solver = new LeastSquares(Matrix.fromColumns(left.map(dense), keys.size), { relative: 1e-9 });
  const out: FieldDirection[] = [];
  for (const rows of right) {
    const target = dense(rows);
    if (norm(solver.reduce(target)) > AGREES * norm(target)) return undefined;
    const c = solver.solve(target);
    const sum = new Map<string, { row: number; column: number; factor: number }[]>();
    found.forEach((d, k) => {
      if (Math.abs(c[k]!) < 1e-14) return;
      for (const [edge, entries] of d) {
        const list = sum.get(edge) ?? [];
        sum.set(edge, list);
        for (const e of entries) list.push({ ...e, factor: c[k]! * e.factor });
      }
    });
    out.push(sum);
  }
  return out;
}
