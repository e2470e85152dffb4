/** @file Counting continuous directions by family: rank increments of tangent vectors in a fixed order. */
import { norm } from "../../numerics/matrix";
import { type ContinuousCounts, FAMILIES, type Family, type ParameterValues } from "../symmetry";

/** A tangent vector of a family. */
export interface FamilyVector {
  readonly family: Family;
  readonly vector: ParameterValues;
}

/** Relative singular values below this are rounding. */
const TOLERANCE = 1e-7;

/** Lays parameter directions out as one vector; parameters without a direction do not move. */
export class ParameterSpace {
  readonly size: number;
  private readonly offsets = new Map<string, number>();

  /** The space of the named parameters with the given numbers of entries, in order. */
  constructor(parameters: Iterable<readonly [name: string, count: number]>) {
    let at = 0;
    for (const [name, count] of parameters) {
      this.offsets.set(name, at);
      at += count;
    }
    this.size = at;
  }

  /** The parameters that any of the vectors moves. */
  static of(vectors: Iterable<ParameterValues>): ParameterSpace {
    const counts = new Map<string, number>();
    for (const v of vectors) for (const [name, data] of v) counts.set(name, data.length);
    return new ParameterSpace(counts);
  }

  /** Where a parameter's entries begin. Throws RangeError for parameters outside the space. */
  offset(parameter: string): number {
    const at = this.offsets.get(parameter);
    if (at === undefined) throw new RangeError(`${parameter} is not in this space`);
    return at;
  }

  /** Entries of parameters outside the space are left out. A target has to be zero elsewhere. */
  flatten(vector: ParameterValues, target = new Float64Array(this.size)): Float64Array {
    for (const [name, data] of vector) {
      const offset = this.offsets.get(name);
      if (offset !== undefined) target.set(data, offset);
    }
    return target;
  }

  /** The named directions of a flat vector; parameters that do not move are left out. */
  unflatten(flat: Float64Array): ParameterValues {
    const out = new Map<string, Float64Array>();
    const entries = [...this.offsets];
    entries.forEach(([name, offset], i) => {
      const data = flat.slice(offset, entries[i + 1]?.[1] ?? this.size);
      if (data.some((x) => x !== 0)) out.set(name, data);
    });
    return out;
  }
}

/** A unit vector by its non-zero entries. */
interface Sparse {
  readonly indices: Int32Array;
  readonly values: Float64Array;
  /** The stretches of entries that it has any of. */
  readonly stretches: Int32Array;
}

/** What is left of a unit vector beyond the first `known` vectors of a basis, and its length. */
interface Waiting {
  readonly vector: Float64Array;
  known: number;
  rest: number;
}

/** Entries of unit vectors below this are rounding. */
const ROUNDING = 1e-14;
/** Remainders of unit vectors from here on are orthogonal enough after one pass (Daniel, Gragg, Kaufman, Stewart 1976). */
const ENOUGH = 0.7;
/** Remainders of unit vectors below this are rounding, whatever a second pass makes of them. */
const NOTHING = 0.1 * TOLERANCE;
/** Entries are looked up by stretches of 2 to this power. */
const STRETCH = 4;

/**
 * Remainders of unit vectors from here on are taken in at once. A direction is divided by what is left of it, its rounding with
 * it: those of which less is left wait for others that show what is new in them better.
 */
const STRONG = 0.3;

/** A growing subspace: the span of all vectors added so far, by Gram and Schmidt with reorthogonalisation. */
export class Span {
  private readonly basis: Sparse[] = [];
  /** Which stretches of the vector at hand have entries. */
  private readonly used: Uint8Array;
  /** The vector at hand. */
  private readonly work: Float64Array;

  /** A subspace of vectors with `size` entries. */
  constructor(readonly size: number) {
    this.used = new Uint8Array((size >> STRETCH) + 1);
    this.work = new Float64Array(size);
  }

  /** The number of independent vectors added so far. */
  get dimension(): number {
    return this.basis.length;
  }

  /** Takes off what lies in the span, in place; twice where little is left, to be orthogonal to rounding. */
  private project(v: Float64Array): Float64Array {
    const before = norm(v);
    this.pass(v);
    if (norm(v) < ENOUGH * before) this.pass(v);
    return v;
  }

  /** Takes off what lies along the basis vectors from one on. */
  private pass(v: Float64Array, from = 0): void {
    const { used } = this;
    used.fill(0);
    for (let i = 0; i < v.length; i++) if (v[i] !== 0) used[i >> STRETCH] = 1;
    for (let b = from; b < this.basis.length; b++) {
      const { indices, values, stretches } = this.basis[b]!;
      // Directions are local: most have nothing in common.
      let k = 0;
      while (k < stretches.length && used[stretches[k]!] === 0) k++;
      if (k === stretches.length) continue;
      let sum = 0;
      for (let i = 0; i < indices.length; i++) sum += values[i]! * v[indices[i]!]!;
      if (sum === 0) continue;
      for (let i = 0; i < indices.length; i++) v[indices[i]!]! -= sum * values[i]!;
      for (; k < stretches.length; k++) used[stretches[k]!] = 1;
    }
  }

  /** Adds vectors; returns by how much the dimension grew. Zero vectors add nothing. */
  add(vectors: readonly Float64Array[]): number {
    const before = this.basis.length;
    const waiting: Waiting[] = [];
    for (const vector of vectors) {
      const rest = this.remainder(vector);
      if (rest >= STRONG) this.basis.push(sparse(this.work, rest));
      else if (rest >= TOLERANCE) waiting.push({ vector: this.work.slice(), known: this.basis.length, rest });
    }
    this.settle(waiting);
    return this.basis.length - before;
  }

  /** Takes in what waits, that with most new in it first. */
  private settle(waiting: Waiting[]): void {
    for (let left = waiting; left.length > 0; ) {
      for (const w of left) {
        if (w.known === this.basis.length) continue;
        this.pass(w.vector, w.known);
        w.known = this.basis.length;
        w.rest = norm(w.vector);
      }
      left = left.filter((w) => w.rest >= TOLERANCE);
      if (left.length === 0) return;
      const best = left.reduce((a, b) => (b.rest > a.rest ? b : a));
      left = left.filter((w) => w !== best);
      // Of a vector of which little is left rounding along the span is as much as anything.
      if (best.rest * this.remainder(best.vector) >= TOLERANCE) this.basis.push(sparse(this.work, norm(this.work)));
    }
  }

  /** By how much vectors would make the dimension grow. */
  increment(vectors: readonly Float64Array[]): number {
    const before = this.basis.length;
    const grown = this.add(vectors);
    this.basis.length = before;
    return grown;
  }

  /** Whether a vector lies in the span. */
  contains(vector: Float64Array): boolean {
    return this.remainder(vector) < TOLERANCE;
  }

  /** Makes the vector's direction the one at hand, takes off what lies in the span, and returns how much is left; 0 for no vector. */
  private remainder(vector: Float64Array): number {
    const length = norm(vector);
    if (length < 1e-200) return 0;
    const { work } = this;
    const factor = 1 / length;
    for (let i = 0; i < work.length; i++) work[i] = vector[i]! * factor;
    this.pass(work);
    const rest = norm(work);
    // What is nothing after one pass is nothing after two.
    if (rest >= ENOUGH || rest < NOTHING) return rest;
    this.pass(work);
    return norm(work);
  }

  /** The part of a vector orthogonal to the span. */
  remainderOf(vector: Float64Array): Float64Array {
    return this.project(Float64Array.from(vector));
  }
}

/** A vector divided by its length, by its entries; what rounding filled is no part of it: directions are local, and the work stays so. */
function sparse(vector: Float64Array, length: number): Sparse {
  const least = ROUNDING * length;
  let count = 0;
  let pieces = 0;
  for (let i = 0, last = -1; i < vector.length; i++) {
    if (Math.abs(vector[i]!) <= least) continue;
    count++;
    if (i >> STRETCH === last) continue;
    last = i >> STRETCH;
    pieces++;
  }
  const indices = new Int32Array(count);
  const values = new Float64Array(count);
  const stretches = new Int32Array(pieces);
  for (let i = 0, k = 0, piece = 0; i < vector.length; i++) {
    if (Math.abs(vector[i]!) <= least) continue;
    indices[k] = i;
    values[k++] = vector[i]! / length;
    if (piece === 0 || stretches[piece - 1] !== i >> STRETCH) stretches[piece++] = i >> STRETCH;
  }
  return { indices, values, stretches };
}

/**
 * Dimensions per family as rank increments in the order linear, rotation, scale, rescaling, translation, unread: what an
 * earlier family explains does not count again. Unread is what the unread vectors add to the first four, and translation
 * is all the rest.
 */
export function countFamilies(
  vectors: readonly FamilyVector[],
  space = ParameterSpace.of(vectors.map((v) => v.vector)),
): ContinuousCounts {
  const of = (family: Family): Float64Array[] => vectors.filter((v) => v.family === family).map((v) => space.flatten(v.vector));
  const counts: Record<Family, number> = { linear: 0, rotation: 0, scale: 0, rescaling: 0, translation: 0, unread: 0 };
  const span = new Span(space.size);
  for (const family of FAMILIES.slice(0, 4)) counts[family] = span.add(of(family));
  const before = span.dimension;
  const unread = of("unread");
  counts.unread = span.add(unread);
  counts.translation = span.add(of("translation"));
  return { ...counts, total: before + counts.unread + counts.translation };
}
