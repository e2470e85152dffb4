/** @file What can be changed: parameters, whole or in part, and what their change does first. */
import { numberAttribute } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import { operatorsThat } from "../../operators/movers";
import type { InferredAxes } from "../spaces/infer";
import { type Change, NONE, type Runs, stretched, unknown } from "./change";
import type { Flow } from "./follow";

/** A part of one parameter with coordinates of its own, and what they do. */
export interface Source {
  readonly parameter: string;
  /** Number of coordinates. */
  readonly size: number;
  /** Sizes whose product it is. */
  readonly sizes: readonly number[];
  readonly family: "translation" | "unread";
  /** The axis along which it is the same for all entries, or for those of a run. */
  readonly sameAlong?: number;
  /** Whether that is for those of a run, not of the whole axis. */
  readonly isGrouped?: true;
  /** What is changed at which value for given coordinates; generic ones where none are given. */
  start(flow: Flow, coordinates?: ArrayLike<number>): ReadonlyMap<string, Change>;
  /** The change of the parameter's own entries. */
  delta(flow: Flow, coordinates: ArrayLike<number>): Float64Array;
}

/** Entries up to which a parameter may be changed entry by entry. */
export const MOST_ENTRIES = 2_000_000;

/** Operators that let a parameter's entries pass as they are. */
const PASSING: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes", "picks", "repeats", "joins"), "Cast"]);
const PRODUCTS: ReadonlySet<string> = new Set(["MatMul", "Einsum", "Conv", "ConvTranspose"]);

/** How a parameter is read. */
interface Reading {
  /** By a product with an activation. */
  readonly product: boolean;
  /** By data that chooses rows along this axis. */
  readonly table: number | undefined;
}

function readingOf(flow: Flow, parameter: string): Reading {
  let product = false;
  let table: number | undefined;
  const stack = [parameter];
  const seen = new Set(stack);
  while (stack.length > 0) {
    const value = stack.pop()!;
    for (const node of flow.readersOf(value)) {
      if (PRODUCTS.has(node.operator)) product = true;
      else if (node.operator === "Gather" && node.inputs[0] === value && !flow.graph.constants.has(node.inputs[1]!)) {
        const axis = numberAttribute(node, "axis", 0);
        if (value === parameter) table = axis < 0 ? axis + flow.shape(value).length : axis;
        else product = true;
      } else if (PASSING.has(node.operator) && !seen.has(node.outputs[0]!) && !flow.isActivation(node.outputs[0]!)) {
        seen.add(node.outputs[0]!);
        stack.push(node.outputs[0]!);
      }
    }
  }
  return { product, table };
}

/** A parameter along the axes that are not in `constant`, in one segment of one of its axes or whole. */
export function partOf(
  shape: readonly number[],
  parameter: string,
  constant: ReadonlySet<number>,
  segment?: { readonly axis: number; readonly start: number; readonly end: number },
): Source & { entries(coordinates: ArrayLike<number>): Float64Array } {
  const narrow = shape.map((n, i) => (constant.has(i) ? 1 : n));
  const sizes = shape.flatMap((n, i) => {
    const own = segment?.axis === i ? segment.end - segment.start : n;
    return constant.has(i) || own === 1 ? [] : [own];
  });
  const size = sizes.reduce((n, d) => n * d, 1);
  const count = elementCount(narrow);
  /** Visits the entries that move, in the order of the coordinates. */
  const each = (visit: (entry: number, coordinate: number) => void): void => {
    const inner = segment ? narrow.slice(segment.axis + 1).reduce((n, d) => n * d, 1) : count;
    const length = segment ? narrow[segment.axis]! * inner : count;
    const [first, last] = segment ? [segment.start * inner, segment.end * inner] : [0, count];
    for (let outer = 0, k = 0; outer < count; outer += length) for (let i = outer + first; i < outer + last; i++) visit(i, k++);
  };
  const entries = (coordinates: ArrayLike<number>): Float64Array => {
    const data = new Float64Array(count);
    each((i, k) => {
      data[i] = coordinates[k]!;
    });
    return data;
  };
  const change = (coordinates: ArrayLike<number>): Change => {
    const from = new Int32Array(count).fill(NONE);
    each((i, k) => {
      from[i] = k;
    });
    return { shape: narrow, data: entries(coordinates), from };
  };
  const generic = (flow: Flow): Change =>
    segment ? change(flow.generic(size)) : { shape: narrow, data: flow.generic(size), from: flow.counting(size) };
  return {
    parameter,
    size,
    sizes,
    family: "translation",
    start: (flow, coordinates) => new Map([[parameter, coordinates ? change(coordinates) : generic(flow)]]),
    delta(_, coordinates) {
      const data = entries(coordinates);
      const [axis, ...more] = [...shape.keys()].filter((i) => narrow[i] !== shape[i]);
      if (axis === undefined) return data;
      return more.length === 0 ? spread(data, shape, axis) : stretched({ shape: narrow, data }, shape).data;
    },
    entries,
  };
}

/** A parameter along all axes, but by the same for so many consecutive entries of one: the channels of a group. */
function inGroups(
  shape: readonly number[],
  parameter: string,
  { axis, length }: Runs,
  isFunction: boolean,
): Source & { readonly sameAlong: number } {
  const sizes = shape.flatMap((n, i) => (i === axis ? [n / length] : n === 1 ? [] : [n]));
  const size = sizes.reduce((n, d) => n * d, 1);
  const inner = shape.slice(axis + 1).reduce((n, d) => n * d, 1);
  const coordinate = (flat: number): number => {
    const outer = Math.floor(flat / (inner * length));
    return outer * inner + (flat % inner);
  };
  const entries = (coordinates: ArrayLike<number>): Float64Array => {
    const data = new Float64Array(elementCount(shape));
    for (let i = 0; i < data.length; i++) data[i] = coordinates[coordinate(i)]!;
    return data;
  };
  return {
    parameter,
    size,
    sizes,
    family: "translation",
    sameAlong: axis,
    isGrouped: true,
    start(flow, coordinates) {
      if (isFunction) return new Map([[parameter, { ...unknown(shape, parameter, []), runs: { axis, length } }]]);
      const data = entries(coordinates ?? flow.generic(size));
      return new Map([[parameter, { shape, data, from: Int32Array.from(data, (_, i) => coordinate(i)) }]]);
    },
    delta: (_, coordinates) => entries(coordinates),
  };
}

/** The runs of equal length that an axis is known to fall into, the shortest first. */
function* runsOf(axes: InferredAxes, parameter: string): Iterable<Runs> {
  const layout = axes.layout(parameter) ?? [];
  for (const [axis, segments] of layout.entries()) {
    const factors = segments.length === 1 ? segments[0]!.map((f) => f.size).filter((n) => n > 1) : [];
    for (let k = factors.length - 1, length = 1; k > 0; k--) yield { axis, length: (length *= factors[k]!) };
  }
}

/** Entries copied along one axis on which they have length 1, each time with a factor. */
export function spread(narrow: Float64Array, shape: readonly number[], axis: number, factors?: Float64Array): Float64Array {
  const n = shape[axis]!;
  const inner = shape.slice(axis + 1).reduce((m, d) => m * d, 1);
  const out = new Float64Array(elementCount(shape));
  if (inner === 1) {
    for (let at = 0, to = 0; to < out.length; at++, to += n) {
      const entry = narrow[at]!;
      // Elements of large groups move a part of the coordinates.
      if (entry !== 0) for (let k = 0; k < n; k++) out[to + k] = factors ? entry * factors[k]! : entry;
    }
    return out;
  }
  for (let at = 0, to = 0; to < out.length; at += inner) {
    for (let k = 0; k < n; k++, to += inner) {
      const factor = factors ? factors[k]! : 1;
      for (let i = 0; i < inner; i++) out[to + i] = narrow[at + i]! * factor;
    }
  }
  return out;
}

/** Parameters changed so that everything behind forgets it: whole, constant along one axis or along groups of its entries. */
export function* selfContained(flow: Flow, axes: InferredAxes): Iterable<Source> {
  for (const p of flow.graph.parameters.values()) {
    if (!p.trainable) continue;
    const long = p.shape.flatMap((n, i) => (n > 1 ? [i] : []));
    const { product, table } = readingOf(flow, p.name);
    if (long.length <= 1 && elementCount(p.shape) <= MOST_ENTRIES) yield partOf(p.shape, p.name, new Set());
    // What a product or a look-up makes of entries is some function of the inputs: they need not be told apart.
    const isFunction = product || table !== undefined;
    if (elementCount(p.shape) < 2 || (!isFunction && elementCount(p.shape) > MOST_ENTRIES)) continue;
    for (const runs of runsOf(axes, p.name)) yield inGroups(p.shape, p.name, runs, isFunction);
    for (const axis of long) {
      const part = { ...partOf(p.shape, p.name, new Set([axis])), sameAlong: axis };
      if (!isFunction) yield part;
      else {
        const shape = p.shape.map((n, i) => (i === axis ? 1 : n));
        yield { ...part, start: () => new Map([[p.name, unknown(shape, p.name, [])]]) };
      }
    }
  }
}

/**
 * What can be added to values, to be made up for elsewhere: biases and the like, entry by entry, and tables, row by row. The
 * second list has the segments of a parameter's axis, where it has several; the third one what is the same for groups of entries.
 */
export function* additive(
  flow: Flow,
  axes: InferredAxes,
): Iterable<{ readonly whole: Source; readonly pieces: readonly Source[]; readonly groups: readonly Source[] }> {
  for (const p of flow.graph.parameters.values()) {
    if (!p.trainable || elementCount(p.shape) > MOST_ENTRIES) continue;
    const { product, table } = readingOf(flow, p.name);
    if (product) continue;
    const constant = new Set(table === undefined ? [] : [table]);
    const layout = axes.layout(p.name);
    const cut = layout?.findIndex((segments, i) => segments.length > 1 && !constant.has(i)) ?? -1;
    const pieces: Source[] = [];
    let start = 0;
    for (const segment of cut < 0 ? [] : layout![cut]!) {
      const end = start + segment.reduce((n, f) => n * f.size, 1);
      pieces.push(partOf(p.shape, p.name, constant, { axis: cut, start, end }));
      start = end;
    }
    const groups = table === undefined ? Array.from(runsOf(axes, p.name), (runs) => inGroups(p.shape, p.name, runs, false)) : [];
    yield { whole: partOf(p.shape, p.name, constant), pieces, groups };
  }
}
