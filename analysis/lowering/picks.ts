/** @file Selections of entries in a row along one axis: what slices and gathers by constants pick. */
import type { Shape } from "../graph/tensor";
import { smallConstant } from "./constants";
import type { Item, Value } from "./values";

/** Operators that pick entries of their first input. */
export const PICKING = ["Slice", "Gather"] as const;

/** How a reader picks of a value: entries [start, end) along one axis. */
export interface Pick {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  /** Whether what it makes of one entry has no such axis. */
  readonly drops: boolean;
}

/** What an item picks of its first input, where that is entries in a row along one axis. */
export function pickOf({ node, inputs, outputs }: Item): Pick | undefined {
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
