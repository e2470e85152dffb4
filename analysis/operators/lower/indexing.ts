/** @file Reading and writing by constant indices as movement: Slice, Concat and Gather along one axis. */
import { numberAttribute, stringAttribute } from "../../graph/graph";
import { elementCount, scalar, type Shape, type Tensor } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { concat, input, ints, positive, reshape, shapeOf, slice, transpose } from "./build";

/** Beyond this many runs of neighbours a list of places is gathered, not sliced: entries lie in no blocks then. */
const MOST_RUNS = 16;

/** The entries of x along an axis at these places: slices where they lie in runs, else a Gather. */
function taken(l: Lowering, x: string, axis: number, places: ArrayLike<number>): string {
  const size = shapeOf(l, x)![axis]!;
  const starts = Array.from(places, (_, i) => i).filter((i) => i === 0 || places[i] !== places[i - 1]! + 1);
  if (starts.length === 0 || starts.length > MOST_RUNS) {
    return l.add("Gather", [x, ints(l, Array.from(places))], { axis });
  }
  const runs = starts.map((from, k) => {
    const [start, length] = [places[from]!, (starts[k + 1] ?? places.length) - from];
    return length === size ? x : slice(l, x, axis, start, start + length);
  });
  return concat(l, runs, axis);
}

/**
 * The tuples along the last axis of an index tensor as places along the merged axes that they point into; undefined where
 * one points outside.
 */
function mergedPlaces(indices: Tensor, pointed: Shape): Float64Array | undefined {
  const depth = pointed.length;
  const places = new Float64Array(elementCount(indices.shape.slice(0, -1)));
  for (let i = 0; i < places.length; i++) {
    for (let k = 0; k < depth; k++) {
      const at = indices.data[i * depth + k]!;
      const n = pointed[k]!;
      if (!(at >= -n && at < n)) return undefined;
      places[i] = places[i]! * n + (at < 0 ? at + n : at);
    }
  }
  return places;
}

/** Indices of GatherND with `batch` batch axes as indices without: the batch's own coordinates come first. */
function withBatch(indices: Tensor, batch: number): Tensor {
  const depth = indices.shape.at(-1)!;
  const shape = indices.shape.slice(0, -1);
  const count = elementCount(shape);
  const data = new Float64Array(count * (batch + depth));
  for (let i = 0; i < count; i++) {
    let rest = i;
    for (let k = shape.length - 1; k >= 0; k--) {
      if (k < batch) data[i * (batch + depth) + k] = rest % shape[k]!;
      rest = Math.floor(rest / shape[k]!);
    }
    for (let k = 0; k < depth; k++) data[i * (batch + depth) + batch + k] = indices.data[i * depth + k]!;
  }
  return { type: "int64", shape: [...shape, batch + depth], data };
}

/** GatherND by constant indices: the axes that they point into are merged, and a Gather takes from the merged axis. */
export function lowerGatherND(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  const given = l.constant(input(l, 1) ?? "");
  const batch = numberAttribute(l.node, "batch_dims", 0);
  if (x === undefined || shape === undefined || !given?.shape.at(-1) || shape.includes(0)) return undefined;
  const indices = batch === 0 ? given : withBatch(given, batch);
  const depth = indices.shape.at(-1)!;
  const pointed = shape.slice(0, depth);
  const data = mergedPlaces(indices, pointed);
  if (data === undefined) return undefined;
  const merged = depth === 1 ? x : reshape(l, x, [elementCount(pointed), ...shape.slice(depth)]);
  return [l.add("Gather", [merged, l.addConstant({ type: "int64", shape: indices.shape.slice(0, -1), data })], { axis: 0 })];
}

/** How many of the first (or last) axes that ScatterND points into are written whole, each index of the updates to itself. */
function wholeAxes(indices: Tensor, pointed: Shape, from: "first" | "last", most: number): number {
  const shape = indices.shape.slice(0, -1);
  const depth = pointed.length;
  let found = 0;
  while (found < most) {
    const axis = from === "first" ? found : shape.length - 1 - found;
    const coordinate = from === "first" ? found : depth - 1 - found;
    const n = shape[axis]!;
    if (n !== pointed[coordinate]) break;
    const inner = elementCount(shape.slice(axis + 1));
    // Its coordinate is the index along the axis itself, and the others do not depend on it.
    const isOwn = indices.data.every((value, flat) => {
      const [i, k] = [Math.floor(flat / depth), flat % depth];
      const own = Math.floor(i / inner) % n;
      return k === coordinate ? value === own : value === indices.data[(i - own * inner) * depth + k];
    });
    if (!isOwn) break;
    found++;
  }
  return found;
}

/**
 * ScatterND with constant indices, each written once (an assignment to a slice): what is kept and what is new, side by side along
 * the axes that are written in part, merged into one. Sums are added to the data.
 */
export function lowerScatterND(l: Lowering): readonly string[] | undefined {
  const [x, , updates] = l.node.inputs;
  const [shape, newShape] = [shapeOf(l, x), shapeOf(l, updates)];
  const indices = l.constant(input(l, 1) ?? "");
  const adds = stringAttribute(l.node, "reduction", "none") === "add";
  if (!x || !updates || !shape || !newShape || !indices?.shape.at(-1) || shape.includes(0) || newShape.includes(0))
    return undefined;
  if (!adds && stringAttribute(l.node, "reduction", "none") !== "none") return undefined;
  const depth = indices.shape.at(-1)!;
  const axes = indices.shape.length - 1;
  const pointed = shape.slice(0, depth);
  if (mergedPlaces(indices, pointed) === undefined) return undefined;
  const positives = { ...indices, data: indices.data.map((v, i) => (v < 0 ? v + pointed[i % depth]! : v)) };
  // At least one axis stays between them, along which both are merged.
  const outer = wholeAxes(positives, pointed, "first", Math.min(depth, axes) - 1);
  const inner = wholeAxes(positives, pointed, "last", Math.min(depth, axes) - outer - 1);
  const between = pointed.slice(outer, depth - inner);
  const written = indices.shape.slice(outer, axes - inner);
  const sources = new Float64Array(elementCount(between)).fill(-1);
  const [stride, outerStride] = [elementCount(indices.shape.slice(axes - inner, axes)), elementCount(written)];
  for (let i = 0; i < outerStride; i++) {
    let place = 0;
    for (let k = outer; k < depth - inner; k++) place = place * pointed[k]! + positives.data[i * stride * depth + k]!;
    if (sources[place] !== -1) return undefined;
    sources[place] = i;
  }
  const merged = (value: string, own: Shape, from: number, to: number) =>
    reshape(l, value, [...own.slice(0, from), elementCount(own.slice(from, to)), ...own.slice(to)]);
  const kept = merged(x, shape, outer, depth - inner);
  const fresh = merged(updates, newShape, outer, axes - inner);
  const wide = shapeOf(l, kept)!;
  const base = adds ? l.add("Expand", [l.addConstant(scalar(0, l.type(x).type)), ints(l, wide)]) : kept;
  // Runs of what is kept and of what is new; entries of several runs come from both joined.
  const count = sources.length;
  const isNew = (at: number): boolean => sources[at]! >= 0;
  const pieces: string[] = [];
  for (let start = 0, end = 0; start < count; start = end) {
    while (end < count && isNew(end) === isNew(start)) end++;
    if (pieces.length >= MOST_RUNS) break;
    const places = Array.from({ length: end - start }, (_, i) => (isNew(start) ? sources[start + i]! : start + i));
    pieces.push(taken(l, isNew(start) ? fresh : base, outer, places));
    if (end === count) {
      const placed = reshape(l, concat(l, pieces, outer), shape);
      return [adds ? l.add("Add", [x, placed]) : placed];
    }
  }
  const both = concat(l, [base, fresh], outer);
  const order = Array.from(sources, (source, at) => (source < 0 ? at : count + source));
  const placed = reshape(l, l.add("Gather", [both, ints(l, order)], { axis: outer }), shape);
  return [adds ? l.add("Add", [x, placed]) : placed];
}

/** Compress by a constant condition: the entries that it keeps. */
export function lowerCompress(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  const condition = l.constant(input(l, 1) ?? "");
  if (x === undefined || shape === undefined || condition === undefined) return undefined;
  const given = l.node.attributes["axis"];
  const axis = typeof given === "number" ? positive(given, shape.length) : 0;
  const flat = given === undefined ? reshape(l, x, [elementCount(shape)]) : x;
  const places = Array.from(condition.data, (_, i) => i).filter((i) => condition.data[i] !== 0);
  return [taken(l, flat, axis, places)];
}

/** ReverseSequence with constant lengths: a backward Slice where all are the same, else entries of the merged axes (time, batch). */
export function lowerReverseSequence(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  const lengths = l.constant(input(l, 1) ?? "")?.data;
  if (x === undefined || shape === undefined || lengths === undefined || shape.includes(0)) return undefined;
  const batchAxis = positive(numberAttribute(l.node, "batch_axis", 1), shape.length);
  const timeAxis = positive(numberAttribute(l.node, "time_axis", 0), shape.length);
  const [batch, time] = [shape[batchAxis]!, shape[timeAxis]!];
  if (lengths.length !== batch || lengths.some((n) => !(n >= 0 && n <= time))) return undefined;
  const reversed = (at: number, length: number) => (at < length ? length - 1 - at : at);
  if (lengths.every((n) => n === lengths[0])) {
    const order = Array.from({ length: time }, (_, t) => reversed(t, lengths[0]!));
    return [l.add("Gather", [x, ints(l, order)], { axis: timeAxis })];
  }
  const perm = [timeAxis, batchAxis, ...shape.map((_, k) => k).filter((k) => k !== timeAxis && k !== batchAxis)];
  const front = perm.map((k) => shape[k]!);
  const order = Array.from(
    { length: time * batch },
    (_, i) => reversed(Math.floor(i / batch), lengths[i % batch]!) * batch + (i % batch),
  );
  const merged = reshape(l, transpose(l, x, perm), [time * batch, ...front.slice(2)]);
  const back = shape.map((_, k) => perm.indexOf(k));
  return [transpose(l, reshape(l, l.add("Gather", [merged, ints(l, order)], { axis: 0 }), front), back)];
}
