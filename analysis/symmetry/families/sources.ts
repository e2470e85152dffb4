/** @file What can be changed: parameters, whole or in part, and what their change does first. */
import { type Node, numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import type { InferredAxes } from "../spaces/infer";
import { type Change, known, MIXED, NONE, type Runs, stretched, unknown } from "./change";
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
const MOST_ENTRIES = 2_000_000;

/** Operators that let a parameter's entries pass as they are. */
const PASSING: ReadonlySet<string> = new Set(["Reshape", "Transpose", "Identity", "Cast", "Expand", "Concat", "Slice", "Gather"]);
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
function partOf(
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

/** Weights whose input has entries that add up to a constant: they may change along the vector that adds them. */
export function unreadable(flow: Flow, axes: InferredAxes): Source[] {
  const out: Source[] = [];
  const sums = constantSums(flow);
  const uses = new Map<string, number>();
  for (const n of flow.graph.nodes) for (const i of n.inputs) uses.set(i, (uses.get(i) ?? 0) + 1);
  for (const node of flow.graph.nodes) {
    if (node.domain !== "" || (node.operator !== "MatMul" && node.operator !== "Conv")) continue;
    for (const operand of node.operator === "Conv" ? [1] : [0, 1]) {
      const own = node.inputs[operand]!;
      if (flow.isActivation(own) || !flow.isActivation(node.inputs[1 - operand]!)) continue;
      const sum = sums.get(node.inputs[1 - operand]!);
      const place = sum && parameterBehind(flow, own, uses);
      if (!sum || !place || !flow.graph.parameters.get(place.parameter)!.trainable) continue;
      const rank = flow.shape(node.inputs[1 - operand]!).length;
      const weightRank = flow.shape(own).length;
      if (node.operator === "MatMul" && (rank < 2 || weightRank !== 2)) continue;
      const contracted =
        node.operator === "Conv" ? { x: 1, w: 1 } : operand === 1 ? { x: rank - 1, w: 0 } : { x: rank - 2, w: 1 };
      if (node.operator === "Conv" && numberAttribute(node, "group", 1) !== 1) continue;
      if (sum.axis !== contracted.x) continue;
      out.push(...unreadSources(flow, axes, node, sum, place, contracted.w));
    }
  }
  return out;
}

/** A sum of a value's entries along an axis, weighted by what divides or multiplies weights, that is constant. */
export interface ConstantSum {
  readonly axis: number;
  /** Gains that the entries have been multiplied by, as values of the graph with the axis they have. */
  readonly gains: readonly { readonly value: string; readonly inverse: boolean }[];
  /** What the entries add up to without shifts, and what has been added: each after the first `gains` of the gains. */
  readonly total: number;
  readonly shifts: readonly { readonly value: string; readonly after: number }[];
}

/** The values whose entries are known to add up to a constant. */
export function constantSums(flow: Flow): Map<string, ConstantSum> {
  const out = new Map<string, ConstantSum>();
  const { graph } = flow;
  for (const node of graph.nodes) {
    if (node.domain !== "") continue;
    const [a, b] = [node.inputs[0]!, node.inputs[1] ?? ""];
    const to = node.outputs[0]!;
    const put = (sum: ConstantSum | undefined): void => {
      if (sum) out.set(to, sum);
    };
    const given = out.get(a) ?? (node.operator === "Mul" || node.operator === "Add" ? out.get(b) : undefined);
    const other = out.get(a) ? b : a;
    switch (node.operator) {
      case "Sub": {
        const mean = flow.writerOf(b);
        const rank = flow.shape(a).length;
        if (
          mean?.operator !== "ReduceMean" ||
          mean.domain !== "" ||
          mean.inputs[0] !== a ||
          numberAttribute(mean, "keepdims", 1) === 0
        )
          break;
        const listed = numbersAttribute(mean, "axes") ?? Array.from(graph.constants.get(mean.inputs[1] ?? "")?.data ?? []);
        if (listed.length === 1) put({ axis: (listed[0]! + rank) % rank, gains: [], total: 0, shifts: [] });
        break;
      }
      case "Softmax": {
        const rank = flow.shape(a).length;
        put({ axis: (numberAttribute(node, "axis", -1) + rank) % rank, gains: [], total: 1, shifts: [] });
        break;
      }
      case "Mul":
      case "Div":
        if (given) put(multiplied(flow, given, other, node.operator === "Div", to));
        break;
      case "Add":
        if (given && isAlong(flow, other, given.axis, to))
          put({ ...given, shifts: [...given.shifts, { value: other, after: given.gains.length }] });
        break;
      case "Identity":
      case "Cast":
        put(given);
        break;
      case "Gather": {
        // Places are chosen, not entries of the sum.
        const sum = out.get(a);
        const rank = flow.shape(a).length;
        const at = (numberAttribute(node, "axis", 0) + rank) % rank;
        if (sum && at !== sum.axis) put({ ...sum, axis: sum.axis + (at < sum.axis ? flow.shape(to).length - rank : 0) });
        break;
      }
      case "Concat": {
        // Places side by side (a picture that is rolled), each of which adds up to the same.
        const sums = node.inputs.map((i) => out.get(i));
        const [sum] = sums;
        const rank = flow.shape(a).length;
        if (sum && (numberAttribute(node, "axis", 0) + rank) % rank !== sum.axis && sums.every((s) => isSameSum(s, sum)))
          put(sum);
        break;
      }
      case "Pad": {
        // Zeros add up to zero.
        const sum = out.get(a);
        const isNothing = sum?.total === 0 && sum.shifts.length === 0 && stringAttribute(node, "mode", "constant") === "constant";
        const value = node.inputs[2] === undefined || node.inputs[2] === "" ? 0 : graph.constants.get(node.inputs[2])?.data[0];
        const rank = flow.shape(a).length;
        const pads = numbersAttribute(node, "pads") ?? Array.from(graph.constants.get(node.inputs[1] ?? "")?.data ?? []);
        const isUntouched = pads.length === 2 * rank && sum !== undefined && pads[sum.axis] === 0 && pads[sum.axis + rank] === 0;
        if (isNothing && value === 0 && isUntouched) put(sum);
        break;
      }
      case "Slice": {
        const sum = out.get(a);
        // Backwards, gains and shifts would belong to others.
        const steps = node.inputs[4] === undefined || node.inputs[4] === "" ? [] : graph.constants.get(node.inputs[4])?.data;
        const isForwards = steps !== undefined && [...steps].every((s) => s > 0);
        if (sum && isForwards && flow.shape(a)[sum.axis] === flow.shape(to)[sum.axis]) put(sum);
        break;
      }
      case "ReduceMean": {
        const sum = out.get(a);
        const rank = flow.shape(a).length;
        const listed = numbersAttribute(node, "axes") ?? Array.from(graph.constants.get(node.inputs[1] ?? "")?.data ?? []);
        const axes = listed.map((x) => (x + rank) % rank);
        if (!sum || axes.length === 0 || axes.includes(sum.axis)) break;
        const dropped = numberAttribute(node, "keepdims", 1) === 0 ? axes.filter((x) => x < sum.axis).length : 0;
        put({ ...sum, axis: sum.axis - dropped });
        break;
      }
      case "Reshape": {
        // The axis stays as it is: what is outside of it, and inside, is regrouped.
        const sum = out.get(a);
        if (!sum) break;
        const [from, into] = [flow.shape(a), flow.shape(to)];
        const inside = elementCount(from.slice(sum.axis + 1));
        const axis = into.findIndex((n, i) => n === from[sum.axis] && elementCount(into.slice(i + 1)) === inside);
        if (axis >= 0) put({ ...sum, axis });
        break;
      }
      case "Transpose": {
        const perm = numbersAttribute(node, "perm");
        // Gains and shifts are vectors along the axis: where it goes does not matter to them.
        if (given && perm) put({ ...given, axis: perm.indexOf(given.axis) });
        break;
      }
      default:
    }
  }
  return out;
}

function isSameSum(a: ConstantSum | undefined, b: ConstantSum): boolean {
  return (
    a !== undefined &&
    a.axis === b.axis &&
    a.total === b.total &&
    a.gains.length === b.gains.length &&
    a.gains.every((g, i) => g.value === b.gains[i]!.value && g.inverse === b.gains[i]!.inverse) &&
    a.shifts.length === b.shifts.length &&
    a.shifts.every((s, i) => s.value === b.shifts[i]!.value && s.after === b.shifts[i]!.after)
  );
}

/** Whether a fixed value is a vector along an axis of another one (or a single number). */
export function isAlong(flow: Flow, value: string, axis: number, of: string): boolean {
  if (flow.isActivation(value)) return false;
  const [shape, rank] = [flow.shape(value), flow.shape(of).length];
  return shape.every((n, i) => n === 1 || i + rank - shape.length === axis);
}

function multiplied(flow: Flow, sum: ConstantSum, other: string, inverse: boolean, to: string): ConstantSum | undefined {
  const [shape, rank] = [flow.shape(other), flow.shape(to).length];
  const along = shape[sum.axis - rank + shape.length] ?? 1;
  if (flow.isActivation(other)) {
    // A number per place: nothing stays nothing.
    return along === 1 && sum.total === 0 && sum.shifts.length === 0 ? sum : undefined;
  }
  return isAlong(flow, other, sum.axis, to) ? { ...sum, gains: [...sum.gains, { value: other, inverse }] } : undefined;
}

/** The parameter behind a weight that was transposed at most, and where its axes are. */
export function parameterBehind(
  flow: Flow,
  value: string,
  uses: ReadonlyMap<string, number>,
): { readonly parameter: string; readonly axisOf: (axis: number) => number } | undefined {
  if (uses.get(value) !== 1) return undefined;
  if (flow.graph.parameters.has(value)) return { parameter: value, axisOf: (axis) => axis };
  const writer = flow.writerOf(value);
  if (writer?.operator !== "Transpose" || !flow.graph.parameters.has(writer.inputs[0]!) || uses.get(writer.inputs[0]!) !== 1)
    return undefined;
  const rank = flow.shape(value).length;
  const perm = numbersAttribute(writer, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return { parameter: writer.inputs[0]!, axisOf: (axis) => perm[axis]! };
}

function unreadSources(
  flow: Flow,
  axes: InferredAxes,
  node: Node,
  sum: ConstantSum,
  place: { readonly parameter: string; readonly axisOf: (axis: number) => number },
  contractedInWeight: number,
): Source[] {
  const { parameter } = place;
  const axis = place.axisOf(contractedInWeight);
  const shape = flow.graph.parameters.get(parameter)!.shape;
  if (elementCount(shape) / shape[axis]! > MOST_ENTRIES) return [];
  // Taps of a kernel change one by one; what they add up to is the same everywhere only without a border.
  const isConstant = sum.total === 0 && sum.shifts.length === 0;
  const isPadded = node.operator === "Conv" && (numbersAttribute(node, "pads") ?? []).some((p) => p !== 0);
  if (!isConstant && isPadded) return [];
  const layout = axes.layout(parameter);
  const cut = layout?.findIndex((segments, i) => i !== axis && segments.length > 1) ?? -1;
  const segments: { axis: number; start: number; end: number }[] = [];
  if (cut >= 0) {
    let start = 0;
    for (const segment of layout![cut]!) {
      const end = start + segment.reduce((n, f) => n * f.size, 1);
      segments.push({ axis: cut, start, end });
      start = end;
    }
  }
  return (segments.length > 0 ? segments : [undefined]).map((segment): Source => {
    const part = partOf(shape, parameter, new Set([axis]), segment);
    const direction = (at: Flow): { readonly vector: Float64Array; readonly total: number } => annihilator(at, sum, shape[axis]!);
    return {
      ...part,
      family: "unread",
      start(at, coordinates) {
        if (isConstant) return new Map();
        const [own] = part.start(at, coordinates).values();
        return new Map([
          [node.outputs[0]!, effect(at, node, own as Change & { readonly data: Float64Array }, shape, axis, place.axisOf, sum)],
        ]);
      },
      // The part is one entry long along the axis; out of its segment it is zero.
      delta: (at, coordinates) => spread(part.entries(coordinates), shape, axis, direction(at).vector),
    };
  });
}

/** The vector along which a weight is not read, and what the input adds up to along it. */
export function annihilator(
  flow: Flow,
  sum: ConstantSum,
  size: number,
): { readonly vector: Float64Array; readonly total: number } {
  const vector = new Float64Array(size).fill(1);
  const along = (value: string): Float64Array => {
    const { data } = flow.fixed(value);
    return data.length === 1 ? new Float64Array(size).fill(data[0]!) : data;
  };
  // n.(g x) is constant for n / g; shifts add what n finds in them.
  sum.gains.forEach(({ value, inverse }) => {
    along(value).forEach((g, i) => {
      vector[i]! *= inverse ? g : 1 / g;
    });
  });
  let total = sum.total;
  for (const { value, after } of sum.shifts) {
    const shift = Float64Array.from(along(value));
    for (const { value: gain, inverse } of sum.gains.slice(after)) {
      along(gain).forEach((g, i) => {
        shift[i]! *= inverse ? 1 / g : g;
      });
    }
    shift.forEach((b, i) => {
      total += b * vector[i]!;
    });
  }
  return { vector, total };
}

/** What an unread change does where the input adds up to something: a constant for each row of the weight. */
function effect(
  flow: Flow,
  node: Node,
  own: Change & { readonly data: Float64Array },
  shape: readonly number[],
  axis: number,
  axisOf: (axis: number) => number,
  sum: ConstantSum,
): Change {
  const total = flow.exact ? annihilator(flow, sum, shape[axis]!).total : flow.random();
  const to = flow.shape(node.outputs[0]!);
  // Rows of the weight are channels of the result; taps of a kernel add up.
  const row = node.operator === "Conv" ? 0 : axisOf(0) === axis ? axisOf(1) : axisOf(0);
  const channel = node.operator === "Conv" ? 1 : flow.isActivation(node.inputs[0]!) ? to.length - 1 : to.length - 2;
  const rows = shape[row]!;
  const data = new Float64Array(rows);
  const from = new Int32Array(rows).fill(-1);
  const inner = own.shape.slice(row + 1).reduce((n, d) => n * d, 1);
  own.data.forEach((x, i) => {
    const r = Math.floor(i / inner) % rows;
    data[r]! += total * x;
    const source = own.from?.[i] ?? MIXED;
    if (source >= -1) from[r] = from[r] === -1 ? source : MIXED;
  });
  return known(
    to.map((_, i) => (i === channel ? rows : 1)),
    data,
    from,
  );
}
