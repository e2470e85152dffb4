/**
 * @file Slices of parameters: what is read of one tensor that holds several weights (all layers, experts or directions of a
 * recurrence), as a parameter by itself.
 */
import type { Graph, Node, Parameter } from "./graph";
import { int64Vector, type Shape, strides, type Tensor, type TensorType } from "./tensor";

/** Part of a parameter: a range of entries along each of its axes. */
export interface ParameterSlice {
  /** The slice as a parameter, called what NumPy calls it: `w[0]`, `w[:, 2:4]`. */
  readonly parameter: Parameter;
  /** The parameter that it is a part of. */
  readonly whole: Parameter;
  /** Entries [start, end) along each axis of the whole. */
  readonly ranges: readonly (readonly [start: number, end: number])[];
  /** The axes of the whole that the slice has, in order; those at which a single entry is picked are gone. */
  readonly axes: readonly number[];
}

/** The slices that take the place of some parameters of a graph, by their names. */
export type ParameterSlices = ReadonlyMap<string, ParameterSlice>;

/** A parameter as a slice of itself. */
export function wholeSlice(parameter: Parameter): ParameterSlice {
  const ranges = parameter.shape.map((n): [number, number] => [0, n]);
  return { parameter, whole: parameter, ranges, axes: ranges.map((_, k) => k) };
}

/**
 * Entries [start, end) of a slice along one of its own axes.
 * @param drop whether the axis goes; only where one entry is left of it
 */
export function sliceOf(
  of: ParameterSlice,
  axis: number,
  [start, end]: readonly [number, number],
  drop: boolean,
): ParameterSlice {
  const at = of.axes[axis]!;
  const offset = of.ranges[at]![0];
  const ranges = of.ranges.map((r, k): readonly [number, number] => (k === at ? [offset + start, offset + end] : r));
  const axes = drop ? of.axes.filter((a) => a !== at) : of.axes;
  const { whole } = of;
  const shape = axes.map((a) => ranges[a]![1] - ranges[a]![0]);
  const { read, ...rest } = whole;
  const made: ParameterSlice = {
    whole,
    ranges,
    axes,
    parameter: {
      ...rest,
      name: sliceName({ whole, ranges, axes }),
      shape,
      ...(read
        ? {
            read: () => {
              const values = read();
              return values && { type: values.type, shape, data: cut(values.data, made) };
            },
          }
        : {}),
    },
  };
  return made;
}

/** A part in NumPy's notation, `w[0, 2:4]`: a number where one entry is left, axes that are whole at the end left out. */
export function sliceName({ whole: { name, shape }, ranges, axes }: Omit<ParameterSlice, "parameter">): string {
  const terms = ranges.map(([start, end], k) => {
    if (axes.includes(k) && start === 0 && end === shape[k]) return ":";
    return end - start === 1 ? `${start}` : `${start}:${end}`;
  });
  while (terms.at(-1) === ":") terms.pop();
  return terms.length === 0 ? name : `${name}[${terms.join(", ")}]`;
}

const POSITIONS = new WeakMap<ParameterSlice, Int32Array>();

/** Where each entry of a slice is in the whole: flat positions, in the slice's row-major order. Made once for each slice. */
export function positionsOf(slice: ParameterSlice): Int32Array {
  const known = POSITIONS.get(slice);
  if (known) return known;
  const { ranges, whole } = slice;
  const step = strides(whole.shape);
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
    const { whole, ranges, axes } = slice;
    parameters.set(whole.name, whole);
    types.set(whole.name, { type: whole.type, shape: whole.shape });
    const at = ranges.flatMap(([start, end], k) => (start === 0 && end === whole.shape[k] ? [] : [k]));
    const isDropped = axes.length < ranges.length;
    let from = whole.name;
    if (at.length > 0) {
      const [starts, ends] = [0, 1].map((side) => at.map((k) => ranges[k]![side]!)) as [number[], number[]];
      const bounds = { starts, ends, axes: at, steps: at.map(() => 1) };
      const inputs = [from, ...Object.entries(bounds).map(([what, values]) => integers(`${name}/${what}`, values))];
      const shape = ranges.map(([start, end]) => end - start);
      from = isDropped ? free(`${name}/cut`) : name;
      add("Slice", inputs, from, shape, whole);
    }
    if (isDropped) add("Reshape", [from, integers(`${name}/shape`, p.shape)], name, p.shape, whole);
  }
  const made: Graph = { ...graph, parameters, constants, types, nodes: [...cuts, ...graph.nodes] };
  WHOLE.set(graph, made);
  return made;
}
