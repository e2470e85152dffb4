/**
 * @file Entries of parameters that no output hangs on: the forget gate of a recurrence whose only step starts from a state of zero,
 * biases of channels that a slice leaves out. They become parameters by themselves, which nothing reads, with zeros in their place.
 */
import { type ParameterSlice, type ParameterSlices, sliceOf, wholeSlice } from "../graph/slices";
import type { Parameter } from "../graph/graph";
import { elementCount, filled, isFloating } from "../graph/tensor";
import { PICKING } from "./picks";
import { demandOf, hull, isWhole, type Part, type Range, wholeOf } from "./ranges";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Parts of one value that are kept apart; of more the smallest part that holds them all is taken. */
const MOST_PARTS = 16;

/** Entries of the largest zero that is written out. */
const MOST_ZEROS = 2_097_152;

/** Cuts what nothing reads off trained parameters; returns all slices that have taken the place of parameters by now. */
export function separateUnread(w: Workspace, slices: ParameterSlices): ParameterSlices {
  const { parts, whole } = readParts(w);
  const cuts = new Map<string, Cut>();
  for (const { inputs } of w.items) {
    for (const value of inputs) {
      const parameter = value.writer === undefined ? w.parameters.get(value.name) : undefined;
      if (!parameter?.trainable || !isFloating(parameter.type) || whole.has(value) || cuts.has(value.name)) continue;
      const cut = cutOf(parameter, parts.get(value) ?? []);
      const of = slices.get(parameter.name) ?? wholeSlice(parameter);
      if (cut?.ranges.every(({ range }) => sliceOf(of, cut.axis, range, false))) cuts.set(parameter.name, cut);
    }
  }
  if (cuts.size === 0) return slices;
  const out = new Map(slices);
  const owners = new Map<string, readonly Parameter[]>();
  const pieces = new Map<string, readonly string[]>();
  for (const [name, { parameter, axis, ranges }] of cuts) {
    if (ranges.length === 1) {
      pieces.set(name, [w.addConstant(filled(parameter.shape, 0, parameter.type))]);
      continue;
    }
    const of = out.get(name) ?? wholeSlice(parameter);
    out.delete(name);
    const own: Parameter[] = [];
    const names = ranges.map(({ range, isRead }) => {
      const slice: ParameterSlice = sliceOf(of, axis, range, false)!;
      const added = w.addParameter(slice.parameter);
      out.set(added, { ...slice, parameter: { ...slice.parameter, name: added } });
      own.push(out.get(added)!.parameter);
      return isRead ? added : w.addConstant(filled(slice.parameter.shape, 0, parameter.type));
    });
    owners.set(name, own);
    pieces.set(name, names);
  }
  w.replaceParameters(owners);
  const joined = new Map<string, string>();
  const inPlace = (name: string, { node: { origin } }: Item): string => {
    const parts = pieces.get(name);
    if (parts === undefined) return name;
    const known = parts.length === 1 ? parts[0] : joined.get(name);
    if (known !== undefined) return known;
    const output = w.fresh(name);
    const { axis } = cuts.get(name)!;
    w.add({ name: output, operator: "Concat", domain: "", inputs: parts, outputs: [output], attributes: { axis }, origin });
    joined.set(name, w.resolve(output));
    return joined.get(name)!;
  };
  w.rewrite((item) => w.add({ ...item.node, inputs: item.node.inputs.map((i) => inPlace(i, item)) }));
  return out;
}

/** How a parameter is cut along one axis. */
interface Cut {
  readonly parameter: Parameter;
  readonly axis: number;
  readonly ranges: readonly { readonly range: Range; readonly isRead: boolean }[];
}

/** The cut along the axis of which the most entries are not read; undefined where all of it is, or too much of it is not. */
function cutOf(parameter: Parameter, parts: readonly Part[]): Cut | undefined {
  const size = elementCount(parameter.shape);
  let best: Cut | undefined;
  let most = 0;
  parameter.shape.forEach((length, axis) => {
    const ranges = coverOf(
      parts.map((p) => p[axis]!),
      length,
    );
    const free = ranges.reduce((n, { range: [start, end], isRead }) => (isRead ? n : n + end - start), 0) / length;
    if (free <= most) return;
    best = { parameter, axis, ranges };
    most = free;
  });
  return most * size <= MOST_ZEROS ? best : undefined;
}

/** An axis as runs of entries that are in some range and runs of those that are in none. */
function coverOf(given: readonly Range[], length: number): Cut["ranges"] {
  const ranges: { range: Range; isRead: boolean }[] = [];
  let at = 0;
  for (const [start, end] of [...given].sort((a, b) => a[0] - b[0])) {
    if (start > at) ranges.push({ range: [at, start], isRead: false });
    const last = ranges.at(-1);
    if (end <= at) continue;
    if (last?.isRead) last.range = [last.range[0], end];
    else ranges.push({ range: [start, end], isRead: true });
    at = end;
  }
  if (at < length) ranges.push({ range: [at, length], isRead: false });
  return ranges;
}

/** What outputs hang on. */
interface Read {
  /** Of values of which not all is read: these parts, and of those that are absent nothing. */
  readonly parts: ReadonlyMap<Value, readonly Part[]>;
  readonly whole: { has(value: Value): boolean };
}

const EVERYTHING: Read = { parts: new Map(), whole: { has: () => true } };

/** What outputs hang on of each value. Linear in the nodes. */
function readParts(w: Workspace): Read {
  const parts = new Map<Value, readonly Part[]>();
  if (w.itemsOf(...PICKING).length === 0) return EVERYTHING;
  const whole = new Set<Value>(w.outputs.map((o) => w.root(w.value(o))));
  const read = (value: Value, part: Part | undefined): void => {
    if (whole.has(value) || value.name === "") return;
    const { shape } = value.type;
    const all = part && shape ? joinedWith(parts.get(value) ?? [], part) : undefined;
    if (all && shape && !all.some((p) => isWhole(p, shape))) parts.set(value, all);
    else {
      parts.delete(value);
      whole.add(value);
    }
  };
  for (let k = w.items.length - 1; k >= 0; k--) {
    const item = w.items[k]!;
    const [value] = item.outputs;
    const shape = value?.type.shape;
    const isWanted = item.outputs.some((o) => whole.has(o) || parts.has(o));
    const isPart = item.outputs.length === 1 && value !== undefined && shape !== undefined;
    const asked = !isWanted ? [] : isPart ? (parts.get(value) ?? [wholeOf(shape)]) : [undefined];
    for (const part of asked) {
      const needed = part && neededOf(item, part);
      item.inputs.forEach((input, i) => {
        const own = needed?.[i];
        if (own !== "none") read(input, own);
      });
    }
  }
  return { parts, whole };
}

/** What an item needs of its inputs for a part of its output; undefined where all. */
function neededOf(item: Item, part: Part): readonly (Part | "none" | undefined)[] | undefined {
  const needed = demandOf(item, part, () => false)?.inputs;
  const { node, inputs } = item;
  if (node.domain !== "") return needed;
  // Columns of a product are those of its second factor, channels of a convolution those of its kernel.
  if (node.operator === "MatMul" && needed && needed[1] !== "none" && needed[1] !== undefined)
    return [needed[0], [...needed[1].slice(0, -1), part.at(-1)!]];
  const kernel = inputs[1]?.type.shape;
  if (node.operator === "Conv" && inputs.length === 2 && kernel) return [undefined, [part[1]!, ...wholeOf(kernel).slice(1)]];
  return needed;
}

/** Parts with another one: two that differ along one axis only, where they meet, are one. */
function joinedWith(parts: readonly Part[], part: Part): readonly Part[] {
  let joined = part;
  let others = parts;
  for (;;) {
    const neighbour = others.find((p) => meetsAlongOne(p, joined));
    if (!neighbour) break;
    joined = hull(neighbour, joined);
    others = others.filter((p) => p !== neighbour);
  }
  const all = [...others, joined];
  return all.length > MOST_PARTS ? [all.reduce(hull)] : all;
}

/** Whether the smallest part that holds two holds nothing else. */
function meetsAlongOne(a: Part, b: Part): boolean {
  const different = a.flatMap(([start, end], k) => (start === b[k]![0] && end === b[k]![1] ? [] : [k]));
  const [axis] = different;
  if (axis === undefined) return true;
  const isInside = (x: Part, y: Part) => x.every(([start, end], k) => y[k]![0] <= start && end <= y[k]![1]);
  if (isInside(a, b) || isInside(b, a)) return true;
  return different.length === 1 && a[axis]![0] <= b[axis]![1] && b[axis]![0] <= a[axis]![1];
}
