/**
 * @file The Symmetries of engine D: translations and unread directions. They add to the weights; how much each weight gets
 * hangs on the others (a bias absorbs W c), so the vectors are those at the weights acted on.
 */
import { Matrix, norm } from "../../numerics/matrix";
import { nullSpace } from "../../numerics/rank";
import { UnionFind } from "../../numerics/unionFind";
import { ParameterSpace, Span } from "../counting/families";
import type { NumericResult } from "../numeric";
import { Retraction } from "./retraction";
import { cleaned, reduced } from "../shifts/reduced";
import { findShifts } from "../shifts/shifts";
import type { Generator, ParameterValues, Symmetry } from "../symmetry";

/** Deviations below this are rounding. */
const STRAIGHT = 1e-10;

/** Deviations from which on a step is taken back to where the outputs are as they were. */
const BENT = 1e-8;

/** A curved step is taken in this many pieces at most. */
const MOST_PIECES = 8;

type ShiftFamily = "translation" | "unread";

/** Coordinates are drawn from this half-open range on both sides of zero. */
const LARGEST = 0.8;
const LARGEST_CURVED = 0.25;

/** All Symmetries of engine D: one per family and set of parameters that move together. */
export function shiftSymmetries(numeric: NumericResult): Symmetry[] {
  const source = new ShiftSource(numeric);
  return (["translation", "unread"] as const).flatMap((family) =>
    source.components(family).map((frame, k) => shiftSymmetry(source, family, `${family}:${k}`, frame)),
  );
}

function shiftSymmetry(source: ShiftSource, family: ShiftFamily, id: string, frame: Frame): Symmetry {
  const size = frame.pivots.length;
  return {
    id,
    kind: family,
    origin: "numeric",
    group: size === 1 ? "R" : `R^${size}`,
    dimension: size,
    parameters: frame.parameters,
    spaces: [],
    randomElement: (random) =>
      Float64Array.from({ length: size }, () => (2 * random() - 1) * (frame.curved ? LARGEST_CURVED : LARGEST)),
    act: (weights, element) => source.act(family, frame, weights, element),
    generators: (weights) => source.vectors(family, frame, weights).map((vector): Generator => ({ family, vector, spaces: [] })),
    // A shift moves its pivots whatever the weights are: it leaves none as they are.
    fixedSet: () => undefined,
  };
}

/** Vectors of one component in reduced form: each is 1 at its own pivot and 0 at those of the others. */
interface Frame {
  readonly parameters: readonly string[];
  /** Flat positions in the space of all trained parameters. */
  readonly pivots: readonly number[];
  readonly vectors: readonly Float64Array[];
  /** Its solutions are no straight lines: steps along them are taken back to where the outputs are as they were. */
  readonly curved: boolean;
}

/**
 * Reduced frames of engine D's solutions. Coordinates are the entries at the pivots: moving along one vector leaves the other
 * pivots alone, at whatever weights, so that elements compose by addition.
 */
class ShiftSource {
  private readonly space: ParameterSpace;
  /** Positions of the entries of weights that contract something: all but biases, gains and the like. */
  private readonly matrices: ReadonlyMap<string, readonly number[]>;
  private readonly retraction: Retraction;
  private readonly known = new WeakMap<ParameterValues, ReadonlyMap<ShiftFamily, readonly Float64Array[]>>();

  constructor(private readonly numeric: NumericResult) {
    const { trainable, graph } = numeric.system.network;
    this.space = new ParameterSpace(trainable.map((p) => [p, numeric.weights.get(p)!.length] as const));
    this.matrices = new Map(
      trainable
        .filter((p) => graph.parameters.get(p)!.shape.filter((n) => n > 1).length > 1)
        .map((p) => {
          const offset = this.space.offset(p);
          return [p, Array.from({ length: numeric.weights.get(p)!.length }, (_, i) => offset + i)] as const;
        }),
    );
    this.known.set(numeric.weights, this.byFamily(numeric.shifts));
    this.retraction = new Retraction(numeric.system.network, numeric.seeds.shifts);
  }

  private byFamily(generators: readonly Generator[]): ReadonlyMap<ShiftFamily, readonly Float64Array[]> {
    const of = (family: ShiftFamily): Float64Array[] =>
      generators.filter((g) => g.family === family).map((g) => this.space.flatten(g.vector));
    return new Map([
      ["translation", of("translation")],
      ["unread", of("unread")],
    ]);
  }

  /** The frames at the first weights, split where no parameter is shared. */
  components(family: ShiftFamily): Frame[] {
    const all = this.known.get(this.numeric.weights)!.get(family)!;
    const chosen = family === "unread" ? reduced(all) : this.additive(all);
    return this.connected(chosen.vectors).map((group) => {
      const frame = {
        parameters: this.parametersOf(group.map((k) => chosen.vectors[k]!)),
        pivots: group.map((k) => chosen.pivots[k]!),
        vectors: group.map((k) => chosen.vectors[k]!),
        curved: false,
      };
      const { weights } = this.numeric;
      const element = frame.vectors.map((_, k) => (k % 2 === 0 ? 0.3 : -0.4));
      if (this.retraction.deviation(weights, new Map([...weights, ...this.step(family, frame, weights, element)])) < STRAIGHT)
        return frame;
      // All solutions on these parameters, so that the entries at the pivots say where an element leads.
      const inside = new Set(frame.parameters);
      const more = all.filter((v) => this.parametersOf([v]).every((p) => inside.has(p)));
      return { ...frame, ...reduced([...frame.vectors, ...more]), curved: true };
    });
  }

  /** The coordinates of an element times the vectors, added to the weights. */
  private step(
    family: ShiftFamily,
    frame: Frame,
    weights: ParameterValues,
    element: ArrayLike<number>,
  ): Map<string, Float64Array> {
    const out = new Map<string, Float64Array>();
    this.vectors(family, frame, weights).forEach((vector, k) => {
      for (const [p, direction] of vector) {
        const own = out.get(p) ?? weights.get(p)!.slice();
        out.set(p, own);
        for (let i = 0; i < own.length; i++) own[i]! += element[k]! * direction[i]!;
      }
    });
    return out;
  }

  /** The weights after an element: a step, taken back where that leads astray. */
  act(family: ShiftFamily, frame: Frame, weights: ParameterValues, element: ArrayLike<number>, pieces = 1): ParameterValues {
    const out = this.step(family, frame, weights, element);
    // At weights with symmetries of their own (gains of one, biases of zero) solutions are mixed: what adds up there may bend.
    if (!frame.curved && this.retraction.deviation(weights, new Map([...weights, ...out])) < BENT) return out;
    const held = new Set<number>();
    let offset = 0;
    for (const p of frame.parameters) {
      const from = this.space.offset(p);
      for (const at of frame.pivots) if (at >= from && at < from + weights.get(p)!.length) held.add(offset + at - from);
      offset += weights.get(p)!.length;
    }
    try {
      return this.retraction.toFibre(weights, out, frame.parameters, held);
    } catch (error) {
      if (pieces >= MOST_PIECES) throw error;
      // Far along a curve Newton's method loses its way: shorter steps, each along the tangent where it starts.
      const share = Float64Array.from(element, (x) => x / 2);
      const half = this.act(family, frame, weights, share, 2 * pieces);
      const rest = this.act(family, frame, new Map([...weights, ...half]), share, 2 * pieces);
      return new Map([...half, ...rest]);
    }
  }

  private parametersOf(vectors: readonly Float64Array[]): string[] {
    return [...new Set(vectors.flatMap((v) => [...this.space.unflatten(v).keys()]))];
  }

  private connected(vectors: readonly Float64Array[]): number[][] {
    const sets = new UnionFind(vectors.length);
    const owner = new Map<string, number>();
    vectors.forEach((v, k) => {
      for (const p of this.space.unflatten(v).keys()) {
        const other = owner.get(p);
        if (other === undefined) owner.set(p, k);
        else sets.union(other, k);
      }
    });
    return sets.groups(vectors.keys());
  }

  /**
   * Representatives that really are shifts. Engine D's solutions hold directions of other families too, which only to first
   * order add up. First those that move biases alone, then those that move one weight besides, then what else is new.
   */
  private additive(all: readonly Float64Array[]): { vectors: Float64Array[]; pivots: number[] } {
    const span = new Span(this.space.size);
    span.add(this.numeric.generators.filter((g) => g.family !== "translation").map((g) => this.space.flatten(g.vector)));
    const chosen: Float64Array[] = [];
    const groups = this.connected(all).map((group) => {
      const vectors = group.map((k) => all[k]!);
      return { vectors, weights: this.parametersOf(vectors).filter((p) => this.matrices.has(p)) };
    });
    // Of all groups first: a head's linear maps are new where its key bias is not yet known to move by itself.
    for (const { vectors, weights } of groups) {
      const biases = vanishingOn(
        vectors,
        weights.flatMap((p) => this.matrices.get(p)!),
      );
      chosen.push(...biases);
      span.add(biases);
    }
    for (const { vectors, weights } of groups) {
      // In long linear networks nothing is missing mostly, and looking weight by weight would take the longest of all; what
      // goes beyond the number of directions there are is rounding.
      const left = this.numeric.continuous.total - span.dimension;
      let missing = left > 0 ? Math.min(left, span.increment(vectors)) : 0;
      const offer = (candidates: readonly Float64Array[]): void => {
        for (const v of reduced(candidates).vectors) {
          if (span.add([v]) === 0) continue;
          chosen.push(v);
          missing--;
        }
      };
      for (const p of weights) {
        if (missing <= 0) break;
        const others = weights.filter((q) => q !== p).flatMap((q) => this.matrices.get(q)!);
        if (weights.length > 1) offer(vanishingOn(vectors, others));
      }
      if (missing > 0) offer(vectors);
    }
    return reduced(chosen);
  }

  /** The vectors of a frame at given weights. Throws Error where its pivots no longer tell the solutions apart. */
  vectors(family: ShiftFamily, frame: Frame, weights: ParameterValues): ParameterValues[] {
    if (weights === this.numeric.weights) return frame.vectors.map((v) => this.space.unflatten(v));
    let found = this.known.get(weights);
    if (!found) {
      const { graph, axes, seeds } = this.numeric;
      found = this.byFamily(findShifts(graph, weights, axes, { seed: seeds.shifts }));
      this.known.set(weights, found);
    }
    const own = this.connected(found.get(family)!)
      .map((group) => group.map((k) => found.get(family)![k]!))
      .filter((group) => frame.pivots.some((at) => group.some((v) => v[at] !== 0)))
      .flat();
    return frame.vectors.map((vector, k) => {
      // Solutions on the same entries as at the first weights, 1 at the own pivot and 0 at the others.
      const outside: number[] = [];
      for (let i = 0; i < vector.length; i++) if (vector[i] === 0 && own.some((v) => v[i] !== 0)) outside.push(i);
      const inside = vanishingOn(own, outside);
      const best = inside.find((v) => Math.abs(v[frame.pivots[k]!]!) > 1e-9 * norm(v));
      if (!best) throw new Error(`the shifts of ${frame.parameters.join(", ")} are other ones at these weights`);
      const scale = best[frame.pivots[k]!]!;
      return this.space.unflatten(cleaned(best.map((x) => x / scale)));
    });
  }
}

/** A basis of the combinations of vectors that vanish at the listed positions. */
function vanishingOn(vectors: readonly Float64Array[], positions: readonly number[]): Float64Array[] {
  if (vectors.length === 0) return [];
  const rows = positions.filter((i) => vectors.some((v) => v[i] !== 0));
  if (rows.length === 0) return [...vectors];
  const scaled = vectors.map((v) => {
    const length = norm(v);
    return v.map((x) => x / length);
  });
  const kernel = nullSpace(
    Matrix.fromColumns(
      scaled.map((v) => Float64Array.from(rows, (i) => v[i]!)),
      rows.length,
    ),
    { relative: 1e-9, absolute: 1e-10 },
  );
  return Array.from({ length: kernel.columns }, (_, c) => {
    const out = new Float64Array(vectors[0]!.length);
    scaled.forEach((v, k) => {
      const f = kernel.get(k, c);
      if (f !== 0) for (let i = 0; i < out.length; i++) out[i]! += f * v[i]!;
    });
    for (const i of rows) out[i] = 0;
    return cleaned(out);
  }).filter((v) => norm(v) > NOTHING);
}

/** Combinations of unit vectors that are shorter are what rounding leaves of dependent ones. */
const NOTHING = 1e-8;
