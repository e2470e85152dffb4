/**
 * @file Weights that one tensor holds and that are picked by constant indices (all layers, experts or directions of a
 * recurrence): each becomes a parameter by itself, so that engines tell apart what only shares a tensor. The network is a function
 * of the slices as it is one of the tensor, so nothing is claimed that is not there.
 */
import { type ParameterSlice, type ParameterSlices, sliceOf, wholeSlice } from "../graph/slices";
import type { Parameter } from "../graph/graph";
import { elementCount, type Shape } from "../graph/tensor";
import { smallConstant } from "./constants";
import { pickBeforeTransposing } from "./transposed-picks";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Slices into which one parameter is cut at most. */
const MOST_SLICES = 512;

/** Axes of one parameter along which it is cut at most, one after the other. */
const DEEPEST = 4;

/** How a reader picks from a parameter: entries [start, end) along one axis. */
interface Pick {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  /** Whether what it makes of one entry has no such axis. */
  readonly drops: boolean;
}

/** A parameter with all its readers. */
interface Picked {
  readonly parameter: Parameter;
  readonly axis: number;
  readonly picks: Map<Item, Pick>;
}

/** Cuts parameters that are only read by slices along one axis; returns the slices that took their places. */
export function separateSlices(w: Workspace): ParameterSlices {
  const slices = new Map<string, ParameterSlice>();
  if (pickBeforeTransposing(w)) w.removeDeadCode();
  for (let depth = 0; depth < DEEPEST; depth++) {
    const found = findPicked(w);
    if (found.length === 0) break;
    cutApart(w, found, slices);
  }
  return slices;
}

/** The parameters that are read by slices along one axis and in no other way, where these are several or leave something out. */
function findPicked(w: Workspace): Picked[] {
  const found = new Map<string, Map<Item, Pick>>();
  for (const item of w.items) {
    const [read] = item.inputs;
    const pick = read && isCuttable(w.parameters.get(read.name)) ? pickOf(item) : undefined;
    if (!pick || !read) continue;
    const picks = found.get(read.name) ?? new Map<Item, Pick>();
    found.set(read.name, picks.set(item, pick));
  }
  if (found.size === 0) return [];
  for (const item of w.items) {
    item.inputs.forEach((input, k) => {
      if (found.has(input.name) && (k > 0 || !found.get(input.name)!.has(item))) found.delete(input.name);
    });
  }
  for (const output of w.outputs) found.delete(w.resolve(output));
  return [...found].flatMap(([name, picks]): Picked[] => {
    const axes = new Set([...picks.values()].map((p) => p.axis));
    const parameter = w.parameters.get(name)!;
    const [axis] = axes;
    if (axis === undefined || axes.size > 1) return [];
    const bounds = boundaries(parameter, axis, picks).length;
    if (bounds < 3 || bounds > MOST_SLICES + 1) return [];
    return [{ parameter, axis, picks }];
  });
}

/** Whether slices of a parameter have anything in common but that they are in one tensor: another axis. */
function isCuttable(parameter: Parameter | undefined): parameter is Parameter {
  return parameter !== undefined && parameter.shape.filter((n) => n > 1).length > 1;
}

/** What an item picks of its first input, where that is entries in a row along one axis. */
function pickOf({ node, inputs, outputs }: Item): Pick | undefined {
  if (node.domain !== "") return undefined;
  const from = inputs[0]?.type.shape;
  const to = outputs[0]?.type.shape;
  if (!from || !to) return undefined;
  if (node.operator === "Slice") return slicePick(inputs, from, to);
  if (node.operator !== "Gather") return undefined;
  const index = inputs[1]?.constant;
  const given = node.attributes["axis"] ?? 0;
  const places = smallConstant(inputs[1]);
  if (!index || !places || typeof given !== "number" || places.length === 0 || index.shape.length > 1) return undefined;
  const axis = given < 0 ? given + from.length : given;
  const size = from[axis]!;
  const at = Array.from(places, (i) => (i < 0 ? i + size : i));
  const start = at[0]!;
  if (!at.every((i, k) => i === start + k) || start < 0 || start + at.length > size) return undefined;
  return { axis, start, end: start + at.length, drops: index.shape.length === 0 };
}

/** What a Slice picks, where it cuts along one axis and takes all entries between. */
function slicePick(inputs: readonly Value[], from: Shape, to: Shape): Pick | undefined {
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((k) => smallConstant(inputs[k]));
  if (!starts || !ends || !axes || !steps || !steps.every((s) => s === 1)) return undefined;
  const cutAxes = from.flatMap((n, k) => (n === to[k] ? [] : [k]));
  const [axis] = cutAxes;
  const at = axis === undefined ? -1 : axes.indexOf(axis);
  if (axis === undefined || cutAxes.length > 1 || at < 0) return undefined;
  const start = starts[at]!;
  const end = start + to[axis]!;
  return start >= 0 && end <= from[axis]! && end > start ? { axis, start, end, drops: false } : undefined;
}

/** Where readers begin and end, with both ends of the axis, in order. */
function boundaries({ shape }: Parameter, axis: number, picks: Picked["picks"]): number[] {
  const ends = [...picks.values()].flatMap((p) => [p.start, p.end]);
  return [...new Set([0, ...ends, shape[axis]!])].sort((a, b) => a - b);
}

/** Puts slices in the place of parameters and of what picks from them. */
function cutApart(w: Workspace, found: readonly Picked[], slices: Map<string, ParameterSlice>): void {
  w.countReaders();
  const pieces = new Map<Item, { readonly pick: Pick; readonly names: readonly string[]; readonly isDropped: boolean }>();
  const parts = new Map<string, readonly Parameter[]>();
  for (const { parameter, axis, picks } of found) {
    const of = slices.get(parameter.name) ?? wholeSlice(parameter);
    slices.delete(parameter.name);
    const bounds = boundaries(parameter, axis, picks);
    const made: { readonly start: number; readonly name: string; readonly isDropped: boolean }[] = [];
    const own: Parameter[] = [];
    for (let k = 0; k + 1 < bounds.length; k++) {
      const [start, end] = [bounds[k]!, bounds[k + 1]!];
      const readers = [...picks].filter(([, p]) => p.start < end && start < p.end);
      const isDropped =
        end - start === 1 && readers.every(([item, p]) => p.end - p.start === 1 && (p.drops || losesAxis(item, axis)));
      const slice = sliceOf(of, axis, [start, end], isDropped);
      const name = w.addParameter(slice.parameter);
      const named = { ...slice, parameter: { ...slice.parameter, name } };
      slices.set(name, named);
      own.push(named.parameter);
      made.push({ start, name, isDropped });
    }
    parts.set(parameter.name, own);
    for (const [item, pick] of picks) {
      const inside = made.filter((m) => m.start >= pick.start && m.start < pick.end);
      pieces.set(item, { pick, names: inside.map((m) => m.name), isDropped: inside.some((m) => m.isDropped) });
    }
  }
  w.replaceParameters(parts);
  w.rewrite((item) => {
    const read = pieces.get(item);
    if (!read) return w.add(item.node);
    const { pick, names, isDropped } = read;
    const { node, outputs } = item;
    if (names.length > 1) return w.add({ ...node, operator: "Concat", inputs: names, attributes: { axis: pick.axis } });
    if (isDropped === pick.drops) return w.replace(node.outputs[0]!, names[0]!);
    const { shape } = outputs[0]!.type;
    const target = w.addConstant({ type: "int64", shape: [shape!.length], data: Float64Array.from(shape!) });
    w.add({ ...node, operator: "Reshape", inputs: [names[0]!, target], attributes: {} });
  });
}

/** Whether what a Slice of one entry makes is only read without the axis. */
function losesAxis(item: Item, axis: number): boolean {
  const [value] = item.outputs;
  const reader = value?.reader;
  if (!value || !reader || value.reads !== 1 || reader.node.operator !== "Reshape" || reader.node.domain !== "") return false;
  const shape = value.type.shape!;
  const without = shape.filter((_, k) => k !== axis);
  const to = reader.outputs[0]?.type.shape;
  return to !== undefined && elementCount(to) === elementCount(shape) && to.join() === without.join();
}
