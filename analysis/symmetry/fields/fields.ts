/**
 * @file Engine C: matrix fields. Finds every linear group that acts on channels (general linear groups of linear bottlenecks
 * and attention heads, rotations of normalised streams and rotary pairs, affine groups behind layer norms) by solving for
 * the matrices that commute with everything the network does. Numbers decide, not patterns. For small graphs (twins).
 */
import type { AxisStructure } from "../../graph/axes";
import type { Graph } from "../../graph/graph";
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix, norm } from "../../numerics/matrix";
import { nullSpace } from "../../numerics/rank";
import { hasKinks } from "../counting/calibration";
import { ParameterSpace, Span } from "../counting/families";
import { certificates } from "../counting/jacobian";
import { Network, type NetworkOptions } from "../counting/network";
import type { Family, Generator, ParameterValues } from "../symmetry";
import { Lift } from "./lift";
import type { NullSpace } from "./elimination";
import { type RegionKind, type RegionSketch, joinAtChannels, regionsOf, sinkEntries } from "./regions";
import { factorsOf } from "./factors";
import type { FieldDirection } from "./frame-change";
import { type WeightProduct, weightProducts } from "./products";
import { regionSolutions, shiftRowsOf } from "./region-solutions";
import { type FieldSystem, type Frames, solveFields } from "./system";

/** A set of channels with the group that acts on it. */
export interface FieldRegion {
  readonly kind: RegionKind;
  /** Dimension of the whole group; of its diagonal part; of its skew part. Names follow from the three. */
  readonly dimension: number;
  readonly diagonal: number;
  readonly skew: number;
  /** Visible edges on which it acts, with the channels that it mixes there. */
  readonly edges: readonly { readonly value: string; readonly channels: readonly number[] }[];
  /** Atoms of the free axis factors involved. */
  readonly atoms: readonly number[];
  /** Tangent vectors: all of a linear region, the skew ones of a rotation, none of a monomial one. */
  readonly generators: readonly Generator[];
  /**
   * The solutions themselves, a basis of the group's Lie algebra: all of a linear region, the skew ones of a rotation. Absent
   * for monomial regions, for products of weights and where some solution did not pass its check.
   */
  readonly directions?: readonly FieldDirection[];
  /** The two factors, where the group acts between two weights whose product is the weight. */
  readonly product?: WeightProduct;
  /** Its name, where another one than that of its dimensions. */
  readonly notation?: string;
}

/** A single direction that is in no other engine's span: a rescaling, or a translation. */
export interface RemainingDirection {
  readonly generator: Generator;
  readonly direction: FieldDirection;
}

/** What engine C found at some weights, with what it takes to find it again at others. */
export interface FieldResult {
  readonly weights: ParameterValues;
  readonly axes: AxisStructure;
  /** Which values have a frame, where not those of the axes do. */
  readonly frames?: Frames;
  readonly seeds: { readonly fields: number };
  readonly system: FieldSystem;
  readonly regions: readonly FieldRegion[];
  readonly remaining: readonly RemainingDirection[];
}

/** How to search. */
export interface FieldOptions extends NetworkOptions {
  readonly seed?: number;
  /** Tangent vectors of engine B at the same weights; a linear region is represented by those in it first. */
  readonly scalings?: readonly ParameterValues[];
  /** Which values have a frame, where not those of the axes do. */
  readonly frames?: Frames;
}

/** Largest |J v| / |v| that a vector may have, relative to the Jacobian's size. */
const CERTIFIED = 1e-8;

/**
 * Random batches on which single directions have to hold where derivatives jump: a gate saturates rarely, and all rectifiers of a
 * sum that divides are off at few samples.
 */
const BATCHES_OF_KINKS = 20;

/** What engine C found. */
export interface MatrixFields {
  readonly system: FieldSystem;
  /** All regions on which a group acts, monomial ones too. */
  readonly regions: readonly FieldRegion[];
  /**
   * Rescalings that are in no span so far: where the given vectors of all engines leave directions unexplained, monomial
   * regions may hold them (scales that a constant, a weight norm or an exponential hides from units of measure). Of the
   * chosen regions, all but linear ones unless told.
   */
  remaining(
    known: readonly ParameterValues[],
    choose?: (region: Pick<FieldRegion, "kind" | "dimension" | "diagonal" | "skew">) => boolean,
  ): readonly RemainingDirection[];
  /** Translations in no span so far: constants that are added to values, and that later weights undo without a matrix. */
  translations(known: readonly ParameterValues[]): readonly RemainingDirection[];
}

/**
 * Finds all regions on which a linear group acts, with certified tangent vectors. The graph has to be in normal form, the
 * weights generic; `axes` as of `actingAxes`. Throws Error where an operator refuses its inputs.
 */
export function searchFields(
  graph: Graph,
  weights: ParameterValues,
  axes: AxisStructure,
  options: FieldOptions = {},
): MatrixFields {
  const network = Network.of(graph, options);
  const seed = options.seed ?? 11;
  const system = solveFields(network, weights, axes, seed, options.frames);
  const lift = new Lift(system, seed + 1);
  const sketches = sketchesOf(system, lift);
  const space = new ParameterSpace(network.trainable.map((p) => [p, weights.get(p)!.length] as const));
  const known = scalingsInside(system, sketches, lift, space, options.scalings ?? []);
  const isSmall = (v: ParameterValues): boolean => norm(space.flatten(v)) <= 1e-8;
  /** Which vectors leave the outputs as they are. */
  const certified = (vectors: readonly ParameterValues[], batches?: number): boolean[] =>
    certificates(graph, weights, vectors, { ...options, ...(batches && { batches }), seed: seed + 2 }).map((c) => c < CERTIFIED);
  const candidates = sketches.map((s) =>
    s.kind === "monomial" ? [] : representatives(system, s, lift, space, known).filter((v) => !isSmall(v)),
  );
  const holds = certified(candidates.flat());
  let at = 0;
  const regions = sketches.flatMap((sketch, k): FieldRegion[] => {
    const { kind, dimension, diagonal, skew, edges, atoms } = sketch;
    const family: Family = kind === "rotation" ? "rotation" : "linear";
    const generators = candidates[k]!.filter(() => holds[at++]).map((vector): Generator => ({ family, vector, spaces: [] }));
    const areAllCertified = generators.length === candidates[k]!.length && kind !== "monomial";
    // A field that moves no weight acts on nothing: values there obey a law that makes it vanish.
    if (kind !== "monomial" && generators.length === 0) return [];
    const directions = areAllCertified ? { directions: fieldDirections(system, sketch, lift) } : {};
    return [{ kind, dimension, diagonal, skew, edges, atoms, generators, ...directions }];
  });
  for (const product of weightProducts(network, weights, axes)) {
    const { factors, size, atoms, generators } = product;
    const edges = factors.map((value) => ({ value, channels: Array.from({ length: size }, (_, i) => i) }));
    const dimension = generators.length;
    regions.push({ kind: "linear", dimension, diagonal: size, skew: (size * (size - 1)) / 2, edges, atoms, generators, product });
  }
  /** Those of some solutions that are in no span so far, certified. */
  const beyond = (
    explained: readonly ParameterValues[],
    family: Family,
    solutions: Iterable<ReadonlyMap<number, number>>,
  ): RemainingDirection[] => {
    const span = new Span(space.size);
    span.add(explained.map((v) => space.flatten(v)));
    const found: { readonly vector: ParameterValues; readonly direction: FieldDirection }[] = [];
    for (const roots of solutions) {
      const vector = lift.tangent(roots);
      if (!vector || isSmall(vector) || span.contains(space.flatten(vector))) continue;
      found.push({ vector, direction: lift.candidate(roots).fields });
    }
    const out: RemainingDirection[] = [];
    const hold = certified(
      found.map((f) => f.vector),
      hasKinks(network) ? BATCHES_OF_KINKS : undefined,
    );
    found.forEach(({ vector, direction }, k) => {
      if (hold[k] && span.add([space.flatten(vector)]) > 0) out.push({ generator: { family, vector, spaces: [] }, direction });
    });
    return out;
  };
  return {
    system,
    regions,
    remaining: (explained, choose = () => true) =>
      beyond(
        explained,
        "rescaling",
        sketches
          .filter((s) => s.kind !== "linear" && choose(s))
          .flatMap((s) => regionSolutions(system, { ...s, basis: s.whole }).map(({ roots }) => roots)),
      ),
    translations: (explained) =>
      beyond(
        explained,
        "translation",
        system.solutions.flatMap((s) => pureShifts(system, s)),
      ),
  };
}

/** All regions of a system's solutions, one for each factor of their groups. */
function sketchesOf(system: FieldSystem, lift: Lift): RegionSketch[] {
  const sinks = sinkEntries(system);
  return joinAtChannels(system.solutions, sinks)
    .flatMap((s) => regionsOf(system, s, sinks))
    .flatMap((region) => factorsOf(system, sinks, region, lift));
}

/** The solutions that are shifts of edges and nothing else, by root unknown. */
function pureShifts(system: FieldSystem, { unknowns: listed, basis }: NullSpace): ReadonlyMap<number, number>[] {
  const shifts = new Set(shiftRowsOf(system, listed));
  if (shifts.size === 0) return [];
  const others = listed.flatMap((_, i) => (shifts.has(i) ? [] : [i]));
  const kernel = basis.multiply(nullSpace(basis.selectRows(others), { relative: 1e-9, absolute: 1e-9 }));
  return Array.from(
    { length: kernel.columns },
    (_, k) => new Map(listed.flatMap((u, i) => (shifts.has(i) ? [[u, kernel.get(i, k)] as const] : []))),
  );
}

/** A tangent vector of engine B that is a solution of the field system, with its values on the sink unknowns. */
interface InsideScaling {
  readonly vector: Float64Array;
  /** Values by root unknown. */
  readonly roots: ReadonlyMap<number, number>;
}

/**
 * The combinations of engine B's vectors that lie in the span of the linear components' solutions. They move no gain, and up
 * to directions that change nothing they are fields.
 */
function scalingsInside(
  system: FieldSystem,
  sketches: readonly RegionSketch[],
  lift: Lift,
  space: ParameterSpace,
  scalings: readonly ParameterValues[],
): InsideScaling[] {
  const components = new Set(sketches.filter((s) => s.kind === "linear").map((s) => s.solutions));
  if (components.size === 0 || scalings.length === 0) return [];
  const solutions: { vector: Float64Array; roots: Map<number, number> }[] = [];
  const touched = new Set<string>();
  for (const component of components) {
    for (let k = 0; k < component.basis.columns; k++) {
      const roots = new Map(component.unknowns.map((u, i) => [u, component.basis.get(i, k)] as const));
      const vector = lift.tangent(roots);
      if (!vector) continue;
      for (const p of vector.keys()) touched.add(p);
      solutions.push({ vector: space.flatten(vector), roots });
    }
  }
  const idle = system.units
    .filter((u) => (system.own.get(u.output) ?? []).some((p) => touched.has(p)))
    .flatMap((u) => lift.kernel(u).map((v) => space.flatten(v)));
  // Engine B lists sums of its vectors besides them: only independent ones, or combinations would vanish.
  const independent = new Span(space.size);
  const flat = scalings.map((v) => space.flatten(v)).filter((v) => independent.add([v]) > 0);
  const span = new Span(space.size);
  span.add([...solutions.map((s) => s.vector), ...idle]);
  const outside = Matrix.fromColumns(
    flat.map((v) => span.remainderOf(v)),
    space.size,
  );
  const inside = nullSpace(outside, { relative: 0, absolute: 1e-7 });
  if (inside.columns === 0) return [];
  const solver = new LeastSquares(Matrix.fromColumns([...solutions.map((s) => s.vector), ...idle], space.size), {
    relative: 1e-9,
  });
  return Array.from({ length: inside.columns }, (_, c) => {
    const vector = new Float64Array(space.size);
    flat.forEach((v, i) => {
      const f = inside.get(i, c);
      if (f !== 0) for (let k = 0; k < v.length; k++) vector[k]! += f * v[k]!;
    });
    const x = solver.solve(vector);
    const roots = new Map<number, number>();
    solutions.forEach((s, k) => {
      for (const [u, value] of s.roots) roots.set(u, (roots.get(u) ?? 0) + x[k]! * value);
    });
    return { vector, roots };
  });
}

/**
 * Tangent vectors of a region, modulo what no sink sees: engine B's own vectors first, so that none of them looks new
 * afterwards, then solutions for the rest of the region's dimension.
 */
function representatives(
  system: FieldSystem,
  sketch: RegionSketch,
  lift: Lift,
  space: ParameterSpace,
  known: readonly InsideScaling[],
): ParameterValues[] {
  const { solutions, rows } = sketch;
  const out: ParameterValues[] = [];
  const covered = new Span(rows.length);
  if (sketch.kind === "linear" && known.length > 0) {
    const within = known.map((k) => Float64Array.from(rows, (i) => k.roots.get(solutions.unknowns[i]!) ?? 0));
    for (const combination of combinationsWithin(sketch, known, within)) {
      const vector = new Float64Array(space.size);
      const local = new Float64Array(rows.length);
      known.forEach((k, i) => {
        const f = combination[i]!;
        for (let e = 0; e < vector.length; e++) vector[e]! += f * k.vector[e]!;
        for (let e = 0; e < local.length; e++) local[e]! += f * within[i]![e]!;
      });
      // One that acts on nothing here (two factors of one weight) belongs elsewhere.
      if (norm(local) > 1e-7 * norm(vector) && covered.add([local]) > 0) out.push(space.unflatten(vector));
    }
  }
  for (const { target, roots } of regionSolutions(system, sketch)) {
    if (covered.add([target]) === 0) continue;
    const vector = lift.tangent(roots);
    if (vector) out.push(vector);
  }
  return out;
}

function fieldDirections(system: FieldSystem, sketch: RegionSketch, lift: Lift): FieldDirection[] {
  return regionSolutions(system, sketch).map((s) => lift.candidate(s.roots).fields);
}

/** The solutions of each region at some weights, by the channels that it mixes: what actions need at other weights. */
export function directionsAt(
  network: Network,
  weights: ParameterValues,
  axes: AxisStructure,
  seed: number,
  frames?: Frames,
): { readonly system: FieldSystem; readonly byRegion: ReadonlyMap<string, readonly FieldDirection[]> } {
  const system = solveFields(network, weights, axes, seed, frames);
  const lift = new Lift(system, seed + 1);
  const sketches = sketchesOf(system, lift);
  return {
    system,
    byRegion: new Map(sketches.map((s) => [regionKey(s.edges), fieldDirections(system, s, lift)] as const)),
  };
}

/** The channels that a region mixes. */
export function regionKey(edges: FieldRegion["edges"]): string {
  return edges
    .map((e) => `${e.value}:${e.channels.join()}`)
    .sort()
    .join(" ");
}

/** Combinations of engine B's vectors that act on this region's sinks as its group does, and on no other sink unknown. */
function combinationsWithin(
  sketch: RegionSketch,
  known: readonly InsideScaling[],
  within: readonly Float64Array[],
): Float64Array[] {
  const own = new Set(sketch.rows.map((i) => sketch.solutions.unknowns[i]!));
  const others = new Set<number>();
  for (const k of known) for (const u of k.roots.keys()) if (!own.has(u) && sketch.isSink(u)) others.add(u);
  const rows = [...others].map((u) => Float64Array.from(known, (k) => k.roots.get(u) ?? 0));
  const span = new Span(sketch.rows.length);
  span.add(Array.from({ length: sketch.basis.columns }, (_, k) => sketch.basis.column(k)));
  const outside = Matrix.fromColumns(
    within.map((v) => span.remainderOf(v)),
    sketch.rows.length,
  );
  const kernel = nullSpace(Matrix.stacked([Matrix.fromRows(rows, known.length), outside], known.length), {
    relative: 1e-8,
    absolute: 1e-8,
  });
  return Array.from({ length: kernel.columns }, (_, c) => kernel.column(c));
}
