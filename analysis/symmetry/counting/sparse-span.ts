/**
 * @file Which of many sparse vectors are combinations of earlier ones, by elimination: tangent vectors move few weights each, and
 * pivots in columns that few of them use keep it so (Markowitz 1957, threshold pivoting as in Duff, Erisman, Reid, Direct Methods
 * for Sparse Matrices, 5.4 and 10.4). With a bound for its own rounding; where that leaves a doubt, an orthogonal basis decides.
 */
import { Span } from "./families";

/** What elimination leaves of a vector of unit length that counts as new, and as nothing; between the two it is not clear. */
const NEW = 1e-5;
const NOTHING = 1e-10;
/** The bound of its rounding beyond which little left of a vector says nothing: what an orthogonal basis takes for new. */
const MOST_ROUNDING = 1e-7;
/** How many times the bound of its rounding a remainder has to be to count as new. */
const MARGIN = 1e4;
/** Pivots are at least this part of the largest entry: tried in turn, since less keeps more zeros and more rounds less. */
const THRESHOLDS = [0.5, 0.2] as const;

/** A vector by its entries other than zero. */
export interface SparseVector {
  readonly indices: Int32Array;
  readonly values: Float64Array;
}

/** A vector that was kept: its pivot, which is 1, and its other entries. */
interface Kept extends SparseVector {
  readonly pivot: number;
  /** How wrong its entries may be. */
  readonly error: number;
}

/** The entries of a vector other than zero. */
export function sparseVector(vector: Float64Array): SparseVector {
  let count = 0;
  for (const x of vector) if (x !== 0) count++;
  const out = { indices: new Int32Array(count), values: new Float64Array(count) };
  for (let i = 0, k = 0; i < vector.length; i++) {
    if (vector[i] === 0) continue;
    out.indices[k] = i;
    out.values[k++] = vector[i]!;
  }
  return out;
}

/** For vectors of `size` entries that come in turn, whether each is new: no combination of those before it. */
export function newOnes(vectors: readonly SparseVector[], size: number): boolean[] {
  for (const threshold of THRESHOLDS) {
    const clear = byElimination(vectors, size, threshold);
    if (clear) return clear;
  }
  return byProjection(vectors, size);
}

function byProjection(vectors: readonly SparseVector[], size: number): boolean[] {
  const span = new Span(size);
  const flat = new Float64Array(size);
  return vectors.map(({ indices, values }) => {
    flat.fill(0);
    indices.forEach((i, k) => (flat[i] = values[k]!));
    return span.add([flat]) > 0;
  });
}

/** Undefined where one is neither clearly new nor clearly a combination of others. */
function byElimination(vectors: readonly SparseVector[], size: number, threshold: number): boolean[] | undefined {
  const used = new Int32Array(size);
  for (const v of vectors) for (const i of v.indices) used[i]!++;
  const kept: Kept[] = [];
  const work = new Float64Array(size);
  const out: boolean[] = [];
  for (const { indices, values } of vectors) {
    const length = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
    if (!Number.isFinite(length)) return undefined;
    if (length < 1e-200) {
      out.push(false);
      continue;
    }
    work.fill(0);
    for (let k = 0; k < indices.length; k++) work[indices[k]!] = values[k]! / length;
    const error = eliminate(work, kept);
    let left = 0;
    for (let i = 0; i < size; i++) left = Math.max(left, Math.abs(work[i]!));
    if (left <= Math.max(NOTHING, error) && error <= MOST_ROUNDING) out.push(false);
    else if (left >= Math.max(NEW, MARGIN * error)) {
      kept.push(normalised(work, threshold * left, Math.max(error, Number.EPSILON * left), used));
      out.push(true);
    } else return undefined;
  }
  return out;
}

/** Takes multiples of the vectors that were kept off a vector of unit length; returns how wrong what is left may be. */
function eliminate(work: Float64Array, kept: readonly Kept[]): number {
  let error = Number.EPSILON;
  for (const { pivot, indices, values, error: own } of kept) {
    const f = work[pivot]!;
    if (f === 0) continue;
    work[pivot] = 0;
    let largest = 0;
    for (let k = 0; k < indices.length; k++) {
      const x = work[indices[k]!]! - f * values[k]!;
      work[indices[k]!] = x;
      if (Math.abs(x) > largest) largest = Math.abs(x);
    }
    error += Math.abs(f) * (own + Number.EPSILON) + Number.EPSILON * largest;
  }
  return error;
}

/** The work vector divided by its pivot, which is the least used one of at least the given size, without what is rounding. */
function normalised(work: Float64Array, least: number, error: number, used: Int32Array): Kept {
  let pivot = -1;
  let count = 0;
  for (let i = 0; i < work.length; i++) {
    const size = Math.abs(work[i]!);
    if (size > error) count++;
    if (size < least) continue;
    if (pivot < 0 || used[i]! < used[pivot]! || (used[i] === used[pivot] && size > Math.abs(work[pivot]!))) pivot = i;
  }
  const by = 1 / work[pivot]!;
  const out = { pivot, indices: new Int32Array(count - 1), values: new Float64Array(count - 1), error: 2 * error * Math.abs(by) };
  for (let i = 0, k = 0; i < work.length; i++) {
    if (i === pivot || Math.abs(work[i]!) <= error) continue;
    out.indices[k] = i;
    out.values[k++] = work[i]! * by;
  }
  return out;
}
