/**
 * @file Weights that one tensor holds and that are picked by constant indices (all layers, experts or directions of a
 * recurrence): each becomes a parameter by itself, so that engines tell apart what only shares a tensor. The network is a function
 * of the slices as it is one of the tensor, so nothing is claimed that is not there.
 */
import { type ParameterSlice, type ParameterSlices, sliceOf, type SplitAxis, wholeSlice } from "../graph/slices";
import type { Node, Parameter } from "../graph/graph";
import { elementCount, type Shape } from "../graph/tensor";
import { blockIn, pickBlocksOfWeights } from "./block-picks";
import { PICKING, type Pick, pickOf } from "./picks";
import { sameShape } from "./simplify";
import { pickBeforeTransposing } from "./transposed-picks";
import type { Item } from "./values";
import type { Workspace } from "./workspace";

/** Slices into which one parameter is cut at most. */
const MOST_SLICES = 512;

/** Axes of one parameter along which it is cut at most, one after the other. */
const DEEPEST = 4;

/** How a reader picks from a parameter: entries along one axis, or along the middle factor of what the axis is read as. */
interface PartPick extends Pick {
  readonly split: SplitAxis;
}

/** A parameter with all its readers. */
interface Picked {
  readonly parameter: Parameter;
  readonly axis: number;
  readonly split: SplitAxis;
  readonly picks: Map<Item, PartPick>;
}

/** Cuts parameters that are only read by slices along one axis; returns the slices that took their places. */
export function separateSlices(w: Workspace): ParameterSlices {
  const slices = new Map<string, ParameterSlice>();
  for (let turn = 0; turn < DEEPEST; turn++) {
    // What is left of each block may be picked from again: the channels of a head that are turned, and the others.
    const isMoved = pickBlocksOfWeights(w);
    if (turn > 0 && !isMoved) break;
    if (isMoved) w.removeDeadCode();
    if (pickBeforeTransposing(w)) w.removeDeadCode();
    for (let depth = 0; depth < DEEPEST; depth++) {
      const found = findPicked(w, slices);
      if (found.length === 0) break;
      cutApart(w, found, slices);
    }
  }
  return slices;
}

/** The parameters that are read by slices along one axis and in no other way, where these are several or leave something out. */
function findPicked(w: Workspace, slices: ReadonlyMap<string, ParameterSlice>): Picked[] {
  const found = new Map<string, Map<Item, PartPick>>();
  // Reshapes of parameters that read an axis as a product; whatever reads them must pick along one of the factors.
  const views = new Map<Item, string>();
  for (const item of w.itemsOf(...PICKING)) {
    const [read] = item.inputs;
    const pick = read && partPickOf(w, item);
    if (!pick) continue;
    const view = w.parameters.has(read.name) ? undefined : read.writer!;
    const name = view ? view.inputs[0]!.name : read.name;
    if (view) views.set(view, name);
    const picks = found.get(name) ?? new Map<Item, PartPick>();
    found.set(name, picks.set(item, pick));
  }
  if (found.size === 0) return [];
  for (const item of w.items) {
    item.inputs.forEach((input, k) => {
      const view = input.writer && views.get(input.writer);
      const name = view ?? input.name;
      const isPicked = k === 0 && (found.get(name)?.has(item) || (view === undefined && views.has(item)));
      if (!isPicked) found.delete(name);
    });
  }
  for (const output of w.outputs) {
    const value = w.value(w.resolve(output));
    found.delete((value.writer && views.get(value.writer)) ?? value.name);
  }
  return [...found].flatMap(([name, picks]): Picked[] => {
    const ways = new Set([...picks.values()].map((p) => `${p.axis} ${p.split.join()}`));
    const parameter = w.parameters.get(name)!;
    const [first] = picks.values();
    if (first === undefined || ways.size > 1) return [];
    const { axis, split } = first;
    const bounds = boundaries(split, picks);
    const of = slices.get(name) ?? wholeSlice(parameter);
    if (bounds.length < 3 || bounds.length > MOST_SLICES + 1 || !sliceOf(of, axis, [0, split[1]], false, split)) return [];
    return [{ parameter, axis, split, picks }];
  });
}

/**
 * Whether slices of a parameter have anything in common but that they are in one tensor: another axis, or blocks of one and the
 * same axis.
 */
function isCuttable(parameter: Parameter, [before]: SplitAxis): boolean {
  return before > 1 || parameter.shape.filter((n) => n > 1).length > 1;
}

/** What an item picks of a parameter, or of one whose axes are read as products. */
function partPickOf(w: Workspace, item: Item): PartPick | undefined {
  const read = item.inputs[0]!;
  const own = w.parameters.get(read.name);
  const view = read.writer;
  if (!own && (view?.node.operator !== "Reshape" || view.node.domain !== "")) return undefined;
  const parameter = own ?? w.parameters.get(view!.inputs[0]!.name);
  const pick = parameter && pickOf(item);
  if (!pick) return undefined;
  const shape = read.type.shape!;
  const plain: SplitAxis = [1, shape[pick.axis]!, 1];
  if (own) return isCuttable(own, plain) ? { ...pick, split: plain } : undefined;
  const block = blockIn(parameter.shape, shape, pick.axis, plain);
  if (!block || !isCuttable(parameter, block.split)) return undefined;
  const { axis, split } = block;
  const [before, , after] = split;
  if (before > 1) return { ...pick, axis, split, drops: false };
  const size = parameter.shape[axis]!;
  return { axis, split: [1, size, 1], start: pick.start * after, end: pick.end * after, drops: false };
}

/** Where readers begin and end, with both ends of the axis, in order. */
function boundaries([, size]: SplitAxis, picks: Picked["picks"]): number[] {
  const ends = [...picks.values()].flatMap((p) => [p.start, p.end]);
  return [...new Set([0, ...ends, size])].sort((a, b) => a - b);
}

/** Puts slices in the place of parameters and of what picks from them. */
function cutApart(w: Workspace, found: readonly Picked[], slices: Map<string, ParameterSlice>): void {
  w.countReaders();
  const pieces = new Map<Item, { readonly pick: PartPick; readonly names: readonly string[] }>();
  const parts = new Map<string, readonly Parameter[]>();
  for (const { parameter, axis, split, picks } of found) {
    const of = slices.get(parameter.name) ?? wholeSlice(parameter);
    slices.delete(parameter.name);
    const bounds = boundaries(split, picks);
    const made: { readonly start: number; readonly name: string; readonly isDropped: boolean }[] = [];
    const own: Parameter[] = [];
    for (let k = 0; k + 1 < bounds.length; k++) {
      const [start, end] = [bounds[k]!, bounds[k + 1]!];
      const readers = [...picks].filter(([, p]) => p.start < end && start < p.end);
      const isDropped =
        end - start === 1 &&
        split[1] === parameter.shape[axis]! &&
        readers.every(([item, p]) => p.end - p.start === 1 && (p.drops || losesAxis(item, axis)));
      const slice = sliceOf(of, axis, [start, end], isDropped, split)!;
      const name = w.addParameter(slice.parameter);
      const named = { ...slice, parameter: { ...slice.parameter, name } };
      slices.set(name, named);
      own.push(named.parameter);
      made.push({ start, name, isDropped });
    }
    parts.set(parameter.name, own);
    for (const [item, pick] of picks) {
      const inside = made.filter((m) => m.start >= pick.start && m.start < pick.end);
      pieces.set(item, { pick, names: inside.map((m) => m.name) });
    }
  }
  w.replaceParameters(parts);
  w.rewrite((item) => {
    const read = pieces.get(item);
    if (!read) return w.add(item.node);
    const { pick, names } = read;
    const { node, outputs } = item;
    const shape = outputs[0]!.type.shape!;
    const name = names.length === 1 ? names[0]! : joined(w, item, pick, names);
    // What is left of an axis of which one entry is picked is gone in the slice already, or goes here.
    if (sameShape(w.value(name).type.shape, shape)) return w.replace(node.outputs[0]!, name);
    w.add({ ...node, operator: "Reshape", inputs: [name, shapeOf(w, shape)], attributes: {} });
  });
}

/** Slices that follow each other along the factor that they are cut along, put together again; returns the name of the whole. */
function joined(w: Workspace, { node }: Item, { axis, split }: PartPick, names: readonly string[]): string {
  const [before, , after] = split;
  const add = (operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string => {
    const output = w.fresh(`${node.name}/${operator}`);
    w.add({ ...node, operator, name: output, inputs, outputs: [output], attributes });
    return w.resolve(output);
  };
  const apart = names.map((name) => {
    const shape = w.value(name).type.shape!;
    if (before === 1) return name;
    const factors = shape.toSpliced(axis, 1, before, shape[axis]! / before / after, after);
    return add("Reshape", [name, shapeOf(w, factors)]);
  });
  return add("Concat", apart, { axis: before === 1 ? axis : axis + 1 });
}

function shapeOf(w: Workspace, shape: Shape): string {
  return w.addConstant({ type: "int64", shape: [shape.length], data: Float64Array.from(shape) });
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
