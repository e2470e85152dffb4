/**
 * @file Slices of parameters: what is read of one tensor that holds several weights (all layers, experts or directions of a
 * recurrence; queries, keys and values of each head in turn), as a parameter by itself.
 */
import type { Graph, Node, Parameter } from "./graph";
import { int64Vector, type Shape, strides, type Tensor, type TensorType } from "./tensor";

/** Part of a parameter: a range of entries along each of its axes, or of the factors that its axes are read as. */
export interface ParameterSlice {
  /** The slice as a parameter, called what NumPy calls it: `w[0]`, `w[:, 2:4]`, `w.reshape(2, 3, 4, 8)[:, 1]`. */
  readonly parameter: Parameter;
  /** The parameter that it is a part of. */
  readonly whole: Parameter;
  /** For each axis of the whole the sizes whose row-major product it is read as; its own size where it is not split. */
  readonly factors: readonly (readonly number[])[];
  /** Entries [start, end) along each of these factors, axis after axis. */
  readonly ranges: readonly (readonly [start: number, end: number])[];
  /**
   * For each axis of the slice the factors that it is the product of, in order; those at which a single entry is picked and the
   * axis left out are in none.
   */
  readonly axes: readonly (readonly number[])[];
}

/** The place of a slice in the whole. */
export type SlicePlace = Omit<ParameterSlice, "parameter">;

/** An axis read as a product, of which a range along the middle factor is meant: queries of each head, of the keys and values. */
export type SplitAxis = readonly [before: number, own: number, after: number];

/** The slices that take the place of some parameters of a graph, by their names. */
export type ParameterSlices = ReadonlyMap<string, ParameterSlice>;

/** A parameter as a slice of itself. */
export function wholeSlice(parameter: Parameter): ParameterSlice {
  const ranges = parameter.shape.map((n): [number, number] => [0, n]);
  return { parameter, whole: parameter, factors: parameter.shape.map((n) => [n]), ranges, axes: ranges.map((_, k) => [k]) };
}

/**
 * Entries [start, end) of a slice along one of its own axes, or along the middle factor of what it is read as; undefined where an
 * axis that is a product already would have to be read in another way.
 * @param drop whether the axis goes; only where one entry is left of it
 * @param split how the axis is read; of the factors the slice's axis is the product again
 */
export function sliceOf(
  of: ParameterSlice,
  axis: number,
  [start, end]: readonly [number, number],
  drop: boolean,
  split: SplitAxis = [1, of.parameter.shape[axis]!, 1],
): ParameterSlice | undefined {
  const read = split[0] === 1 ? asWhole(of, axis, split) : (splitAxis(of, axis, split) ?? asSplit(of, axis, split));
  if (!read) return undefined;
  const { place, at, inner } = read;
  const [from, to] = [start * inner, end * inner];
  const offset = place.ranges[at]![0];
  const ranges = place.ranges.map((r, k): readonly [number, number] => (k === at ? [offset + from, offset + to] : r));
  const axes = drop ? place.axes.filter((_, k) => k !== axis) : place.axes;
  return made({ whole: of.whole, factors: place.factors, ranges, axes });
}

/** How a slice is cut further: the factor that it is cut along, and entries of that factor for each one of the cut's. */
interface Cut {
  readonly place: SlicePlace;
  readonly at: number;
  readonly inner: number;
}

/** An axis of one factor, which is cut where it is. */
function asWhole(of: ParameterSlice, axis: number, split: SplitAxis): Cut | undefined {
  const [at, ...more] = of.axes[axis]!;
  return at === undefined || more.length > 0 ? undefined : { place: of, at, inner: split[2] };
}

/** The slice with one of its axes read as three factors. */
function splitAxis(of: ParameterSlice, axis: number, [, own, after]: SplitAxis): Cut | undefined {
  const [at, ...more] = of.axes[axis]!;
  if (at === undefined || more.length > 0) return undefined;
  const inner = own * after;
  const [from, to] = of.ranges[at]!;
  const size = of.factors.flat()[at]!;
  if (size % inner !== 0 || from % inner !== 0 || to % inner !== 0) return undefined;
  const parts = after === 1 ? [size / inner, own] : [size / inner, own, after];
  let first = 0;
  const factors = of.factors.map((list) => {
    const k = at - first;
    first += list.length;
    return k >= 0 && k < list.length ? list.toSpliced(k, 1, ...parts) : list;
  });
  const ranges = of.ranges.toSpliced(
    at,
    1,
    ...parts.map((n, k): readonly [number, number] => (k === 0 ? [from / inner, to / inner] : [0, n])),
  );
  const shifted = (k: number): readonly number[] =>
    k === at ? parts.map((_, i) => at + i) : [k < at ? k : k + parts.length - 1];
  const axes = of.axes.map((list) => list.flatMap(shifted));
  return { place: { whole: of.whole, factors, ranges, axes }, at: at + 1, inner: 1 };
}

/** An axis that is a product already, read in the same way: the factor that has what is cut. */
function asSplit(of: ParameterSlice, axis: number, [before, own, after]: SplitAxis): Cut | undefined {
  const list = of.axes[axis]!;
  let inner = before * own * after;
  for (const at of list) {
    const [start, end] = of.ranges[at]!;
    const isFirst = inner === own * after;
    inner /= end - start;
    if (isFirst) return Number.isInteger(after / inner) ? { place: of, at, inner: after / inner } : undefined;
  }
  return undefined;
}

function made(place: SlicePlace): ParameterSlice {
  const { whole, ranges, axes } = place;
  const sizeOf = (k: number): number => ranges[k]![1] - ranges[k]![0];
  const shape = axes.map((list) => list.reduce((n, k) => n * sizeOf(k), 1));
  const { read, ...rest } = whole;
  const slice: ParameterSlice = {
    ...place,
    parameter: {
      ...rest,
      name: sliceName(place),
      shape,
      ...(read
        ? {
            read: () => {
              const values = read();
              return values && { type: values.type, shape, data: cut(values.data, slice) };
            },
          }
        : {}),
    },
  };
  return slice;
}

/**
 * A part in NumPy's notation, `w[0, 2:4]`: a number where one entry is left, axes that are whole at the end left out; of one whose
 * axes are split, of the tensor in the shape of the factors.
 */
export function sliceName({ whole, factors, ranges, axes }: SlicePlace): string {
  const kept = new Set(axes.flat());
  const view = factors.flat();
  const terms = ranges.map(([start, end], k) => {
    if (kept.has(k) && start === 0 && end === view[k]) return ":";
    return end - start === 1 ? `${start}` : `${start}:${end}`;
  });
  while (terms.at(-1) === ":") terms.pop();
  const name = view.length === whole.shape.length ? whole.name : `${whole.name}.reshape(${view.join(", ")})`;
  return terms.length === 0 ? name : `${name}[${terms.join(", ")}]`;
}

/** The axis of the whole that an axis of a slice is a part of. */
export function wholeAxisOf({ factors, axes }: SlicePlace, axis: number): number {
  return axisOfFactor(factors, axes[axis]![0]!);
}

/** The axis of the whole that a factor belongs to, factors counted axis after axis. */
export function axisOfFactor(factors: SlicePlace["factors"], factor: number): number {
  let last = -1;
  return factors.findIndex((list) => factor <= (last += list.length));
}

const POSITIONS = new WeakMap<ParameterSlice, Int32Array>();

/** Where each entry of a slice is in the whole: flat positions, in the slice's row-major order. Made once for each slice. */
export function positionsOf(slice: ParameterSlice): Int32Array {
  const known = POSITIONS.get(slice);
  if (known) return known;
  const { ranges, factors } = slice;
  const step = strides(factors.flat());
  let out = Int32Array.of(0);
  ranges.forEach(([start, end], k) => {
    const n = end - start;
    const next = new Int32Array(out.length * n);
    for (let i = 0; i < out.length; i++) for (let j = 0; j < n; j++) next[i * n + j] = out[i]! + (start + j) * step[k]!;
    out = next;
  });
  POSITIONS.set(slice, out);
  return out;
}

/** The entries of a slice, from those of the whole. */
export function cut(whole: Float64Array, slice: ParameterSlice): Float64Array {
  const at = positionsOf(slice);
  const out = new Float64Array(at.length);
  for (let i = 0; i < at.length; i++) out[i] = whole[at[i]!]!;
  return out;
}

/** Writes the entries of a slice into those of the whole. */
export function paste(whole: Float64Array, slice: ParameterSlice, values: Float64Array): void {
  const at = positionsOf(slice);
  for (let i = 0; i < at.length; i++) whole[at[i]!] = values[i]!;
}

const WHOLE = new WeakMap<Graph, Graph>();

/**
 * A graph on slices as one on the whole parameters, from which the slices are cut first; the values that were parameters
 * keep their names. Made once for each graph.
 */
export function onWholeParameters(graph: Graph, slices: ParameterSlices): Graph {
  const known = WHOLE.get(graph);
  if (known) return known;
  const parameters = new Map<string, Parameter>();
  const constants = new Map<string, Tensor>(graph.constants);
  const types = new Map<string, TensorType>(graph.types);
  const cuts: Node[] = [];
  const free = (name: string): string => (types.has(name) ? free(`${name}'`) : name);
  const integers = (name: string, values: readonly number[]): string => {
    const own = free(name);
    const data = int64Vector(values);
    constants.set(own, data);
    types.set(own, { type: data.type, shape: data.shape });
    return own;
  };
  const add = (operator: string, inputs: readonly string[], output: string, shape: Shape, { type, origin }: Parameter): void => {
    cuts.push({ name: output, operator, domain: "", inputs, outputs: [output], attributes: {}, origin });
    types.set(output, { type, shape });
  };
  for (const [name, p] of graph.parameters) {
    const slice = slices.get(name);
    if (!slice) {
      parameters.set(name, p);
      continue;
    }
    const { whole, ranges, factors } = slice;
    parameters.set(whole.name, whole);
    types.set(whole.name, { type: whole.type, shape: whole.shape });
    const view = factors.flat();
    const at = ranges.flatMap(([start, end], k) => (start === 0 && end === view[k] ? [] : [k]));
    const shape = ranges.map(([start, end]) => end - start);
    const reshapes = shape.join() !== p.shape.join();
    let from = whole.name;
    if (view.length !== whole.shape.length) {
      from = free(`${name}/factors`);
      add("Reshape", [whole.name, integers(`${name}/sizes`, view)], from, view, whole);
    }
    if (at.length > 0) {
      const [starts, ends] = [0, 1].map((side) => at.map((k) => ranges[k]![side]!)) as [number[], number[]];
      const bounds = { starts, ends, axes: at, steps: at.map(() => 1) };
      const inputs = [from, ...Object.entries(bounds).map(([what, values]) => integers(`${name}/${what}`, values))];
      from = reshapes ? free(`${name}/cut`) : name;
      add("Slice", inputs, from, shape, whole);
    }
    if (reshapes) add("Reshape", [from, integers(`${name}/shape`, p.shape)], name, p.shape, whole);
  }
  const made: Graph = { ...graph, parameters, constants, types, nodes: [...cuts, ...graph.nodes] };
  WHOLE.set(graph, made);
  return made;
}
