/**
 * @file Rays: directions of engine D along the weights themselves. They are scales that a normalisation forgets, and no
 * translations; engine B does not see them where it pins the axes that they run along, the rows of a table first of all.
 */
import { Matrix } from "../../numerics/matrix";
import { nullSpace } from "../../numerics/rank";
import { ParameterSpace, Span } from "../counting/families";
import type { Generator, ParameterValues } from "../symmetry";

/** Entries of unit vectors that are rounding; deviations of cosines too. */
const SMALL = 1e-9;

/** Directions of engine D in two parts. */
export interface RaysAndShifts {
  readonly rays: readonly Generator[];
  readonly shifts: readonly Generator[];
}

/**
 * Whether a direction is that of the weights themselves, as far as it moves them: then it is a scale that a normalisation
 * forgets, and no translation. It ends at zero, where the sign turns.
 */
export function isRay(vector: ParameterValues, weights: ParameterValues): boolean {
  let [vv, vw, ww] = [0, 0, 0];
  for (const [name, v] of vector) {
    const w = weights.get(name)!;
    v.forEach((x, i) => {
      if (Math.abs(x) < SMALL) return;
      vv += x * x;
      vw += x * w[i]!;
      ww += w[i]! * w[i]!;
    });
  }
  // A single entry is always along itself; what moves one entry only is a translation of it.
  return ww > 0 && entriesMoved(vector) > 1 && vw * vw > (1 - SMALL) * vv * ww;
}

/**
 * Rays that known directions and shifts add up to are no scales of their own: a filter's length, its bias left alone, where
 * a norm forgets the bias.
 */
export function withoutKnownRays({ rays, shifts }: RaysAndShifts, known: readonly Generator[]): RaysAndShifts {
  if (rays.length === 0) return { rays, shifts };
  const space = ParameterSpace.of([...known, ...shifts, ...rays].map((g) => g.vector));
  const span = new Span(space.size);
  span.add([...known, ...shifts].map((g) => space.flatten(g.vector)));
  const isNew = (g: Generator): boolean => span.add([space.flatten(g.vector)]) > 0;
  const [own, summed]: [Generator[], Generator[]] = [[], []];
  for (const ray of rays) {
    if (isNew(ray)) own.push(ray);
    else summed.push({ ...ray, family: "translation" });
  }
  return { rays: own, shifts: [...shifts, ...summed] };
}

/**
 * Rays that are sums of shifts: slices of a weight that may be scaled and not moved otherwise, in no span so far. A basis of the
 * shifts mixes them.
 */
export function sliceRays(
  shifts: readonly Generator[],
  known: readonly Generator[],
  weights: ParameterValues,
  shape: (parameter: string) => readonly number[],
): Generator[] {
  const space = ParameterSpace.of([...known, ...shifts].map((g) => g.vector));
  const directions = spanOf(known, space);
  const open = shifts.filter((g) => !directions.contains(space.flatten(g.vector)));
  if (open.length === 0) return [];
  const flat = shifts.map((g) => space.flatten(g.vector));
  const span = new Span(space.size);
  span.add(flat);
  const out: Generator[] = [];
  for (const parameter of new Set(open.flatMap((g) => [...g.vector.keys()]))) {
    const data = weights.get(parameter)!;
    const offset = space.offset(parameter);
    // A scale with a bias besides it that is free by itself is the known scale of both. Of most parameters no slice asks for this.
    let explained: Span | undefined;
    const isExplained = (ray: Float64Array): boolean => {
      explained ??= spanOf([...known, ...shifts.filter((g) => !g.vector.has(parameter))], space);
      return explained.contains(ray);
    };
    for (const slice of slicesOf(shape(parameter))) {
      const vector = new Float64Array(data.length);
      for (const i of slice) vector[i] = data[i]!;
      const generator: Generator = { family: "scale", vector: new Map([[parameter, vector]]), spaces: [] };
      const ray = space.flatten(generator.vector);
      if (!span.contains(ray) || isExplained(ray)) continue;
      const inside = new Set(slice.map((i) => offset + i));
      if (dimensionInside(flat, inside, space.size) === 1) out.push(generator);
    }
  }
  return out;
}

function spanOf(generators: readonly Generator[], space: ParameterSpace): Span {
  const span = new Span(space.size);
  span.add(generators.map((g) => space.flatten(g.vector)));
  return span;
}

/** How many independent combinations move nothing but the given entries. */
function dimensionInside(vectors: readonly Float64Array[], inside: ReadonlySet<number>, size: number): number {
  const outside = Array.from({ length: size }, (_, i) => i).filter((i) => !inside.has(i) && vectors.some((v) => v[i] !== 0));
  const columns = vectors.map((v) => Float64Array.from(outside, (i) => v[i]!));
  return nullSpace(Matrix.fromColumns(columns, outside.length), { relative: SMALL, absolute: SMALL }).columns;
}

/** The entries at each index of each axis of a matrix or larger; slices of one entry are none. */
function* slicesOf(shape: readonly number[]): Iterable<readonly number[]> {
  const size = shape.reduce((n, d) => n * d, 1);
  let inner = size;
  for (const length of shape) {
    inner /= length;
    if (length === 1 || length === size) continue;
    const slices: number[][] = Array.from({ length }, () => []);
    for (let i = 0; i < size; i++) slices[Math.floor(i / inner) % length]!.push(i);
    yield* slices;
  }
}

function entriesMoved(vector: ParameterValues): number {
  let n = 0;
  for (const v of vector.values()) for (const x of v) if (Math.abs(x) >= SMALL) n++;
  return n;
}
