/** @file Where atoms occur in the axes of parameters: factor by factor, segment by segment. */
import type { AxisLayout, AxisSegment } from "../../graph/axes";
import type { Parameter } from "../../graph/graph";
import type { InferredAxes } from "./infer";

/** One factor of one segment of one parameter axis. */
export interface Occurrence {
  readonly parameter: string;
  /** The parameter's number. */
  readonly value: number;
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  /** Sizes of all factors of the segment, and the position of this one. */
  readonly factors: readonly number[];
  readonly factor: number;
  /** Root atoms of all factors of the segment. */
  readonly atoms: readonly number[];
  /** Of a piece of a concatenation inside of a product: where it is along the factors outside, by root atom. */
  readonly outside?: ReadonlyMap<number, number>;
}

/** Parameters by name, or a choice of them. */
export type ParameterChoice = Iterable<string> | ((parameter: Parameter, value: number) => boolean);

/** All factors of the axes of the given parameters, segment by segment. */
export function parameterOccurrences(axes: InferredAxes, parameters: ParameterChoice): Occurrence[] {
  const out: Occurrence[] = [];
  const { graph, numbering } = axes;
  if (typeof parameters !== "function") {
    for (const name of parameters) addOccurrences(out, axes, name, numbering.of(name));
    return out;
  }
  let at = 0;
  for (const p of graph.parameters.values()) {
    const value = numbering.parameters[at++]!;
    if (parameters(p, value)) addOccurrences(out, axes, p.name, value);
  }
  return out;
}

function addOccurrences(out: Occurrence[], axes: InferredAxes, parameter: string, value: number): void {
  const layouts = axes.layoutsOf(value);
  if (layouts === undefined) return;
  for (let axis = 0; axis < layouts.length; axis++) {
    let start = 0;
    const layout = layouts[axis]!;
    const place = { parameter, value, axis };
    const isNested = hasParts(layout);
    for (const segment of layout) {
      const end = addSegment(out, place, segment, segment.length, start);
      if (isNested && segment.some((f) => f.parts !== undefined)) addNested(out, place, segment, segment.length, start);
      start = end;
    }
  }
}

type Place = Pick<Occurrence, "parameter" | "value" | "axis" | "outside">;

/** The sizes and atoms of a segment's factors. */
interface SegmentFactors {
  readonly segment: AxisSegment;
  readonly factors: readonly number[];
  readonly atoms: readonly number[];
  readonly size: number;
}

/** Those of the segment that was looked at last: what a weight writes the next one reads, along the same segment. */
let lastFactors: SegmentFactors | undefined;

function factorsOf(segment: AxisSegment): SegmentFactors {
  if (lastFactors?.segment === segment) return lastFactors;
  const [factors, atoms] = [new Array<number>(segment.length), new Array<number>(segment.length)];
  let size = 1;
  for (let i = 0; i < segment.length; i++) {
    const f = segment[i]!;
    factors[i] = f.size;
    atoms[i] = f.atom;
    size *= f.size;
  }
  lastFactors = { segment, factors, atoms, size };
  return lastFactors;
}

/** Adds the first factors of a segment and returns where it ends. */
function addSegment(out: Occurrence[], place: Place, segment: AxisSegment, own: number, start: number): number {
  const { factors, atoms, size } = factorsOf(segment);
  const end = start + size;
  const { parameter, value, axis, outside } = place;
  for (let factor = 0; factor < own; factor++) {
    // Written out: spreading an object costs more than all the rest, and most are in no product.
    const plain = { parameter, value, axis, start, end, factors, factor, atoms };
    out.push(outside === undefined ? plain : { ...plain, outside });
  }
  return end;
}

/**
 * Adds what stands in a concatenation inside of a product (queries, keys and values of each head in turn): piece by piece, once
 * for each index of the factors outside. Of a segment whose first factors are a piece's own.
 */
function addNested(out: Occurrence[], place: Place, segment: AxisSegment, own: number, start: number): void {
  const at = segment.findIndex((f, i) => i < own && f.parts !== undefined);
  if (at < 0) return;
  const before = segment.slice(0, at);
  const after = segment.slice(at + 1);
  const copies = before.reduce((n, f) => n * f.size, 1);
  let next = start;
  for (let copy = 0; copy < copies; copy++) {
    const outside = new Map(place.outside);
    let rest = copy;
    for (let i = before.length - 1; i >= 0; i--) {
      outside.set(before[i]!.atom, rest % before[i]!.size);
      rest = Math.floor(rest / before[i]!.size);
    }
    for (const part of segment[at]!.parts!) {
      const piece = [...part, ...after];
      const end = addSegment(out, { ...place, outside }, piece, part.length, next);
      addNested(out, { ...place, outside }, piece, part.length, next);
      next = end;
    }
  }
}

/** Whether a factor of an axis is a concatenation. */
export function hasParts(layout: AxisLayout): boolean {
  for (const segment of layout) for (const factor of segment) if (factor.parts !== undefined) return true;
  return false;
}
