/** @file What cannot be infinite or not a number, as far as its writers tell: exporters guard softmax against rows that see nothing. */
import { numberAttribute } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import type { Value } from "./values";

/** Entries of the largest mask that is looked into: 1024 positions by as many. */
const LARGEST_MASK = 1_048_576;

/** How far back writers are asked. */
const STEPS = 8;

/**
 * Whether a softmax over the last axis has a finite score in each of its rows, and is a number everywhere. Scores that an input masks
 * may have rows without any.
 */
export function isNumber(value: Value): boolean {
  const item = value.writer;
  if (item?.node.operator !== "Softmax" || item.node.domain !== "") return false;
  const [scores] = item.inputs;
  const rank = scores?.type.shape?.length;
  const axis = numberAttribute(item.node, "axis", -1);
  if (scores === undefined || rank === undefined || (axis < 0 ? axis + rank : axis) !== rank - 1) return false;
  if (staysFinite(scores, STEPS)) return true;
  const sum = scores.writer;
  const [a, b] = sum?.inputs ?? [];
  if (sum?.node.operator !== "Add" || a === undefined || b === undefined) return false;
  return (staysFinite(a, STEPS) && rowsOf(b) === "some") || (staysFinite(b, STEPS) && rowsOf(a) === "some");
}

/** Whether no entry is infinite where those of inputs and weights are not. */
function staysFinite(value: Value | undefined, steps: number): boolean {
  if (value === undefined || steps === 0) return false;
  if (value.constant !== undefined) return rowsOf(value) === "all";
  const item = value.writer;
  if (item === undefined || item.node.domain !== "") return false;
  switch (item.node.operator) {
    // Products of activations and weights.
    case "MatMul":
    case "Einsum":
    case "Tanh":
      return true;
    case "Mul":
    case "Add":
    case "Sub":
      return item.inputs.every((i) => staysFinite(i, steps - 1));
    case "Neg":
    case "Reshape":
    case "Transpose":
    case "Slice":
    case "Gather":
    case "Expand":
      return staysFinite(item.inputs[0], steps - 1);
    default:
      return false;
  }
}

type Rows = "all" | "some" | "none";

const known = new WeakMap<object, Rows>();

/** Which entries of each row along the last axis of a constant are finite: all, some of each row, or none of some row. */
function rowsOf({ constant }: Value): Rows {
  if (constant === undefined || elementCount(constant.shape) > LARGEST_MASK) return "none";
  const before = known.get(constant);
  if (before !== undefined) return before;
  const found = lookAt(constant.data, constant.shape.at(-1) ?? 1);
  known.set(constant, found);
  return found;
}

function lookAt(data: Float64Array, width: number): Rows {
  let isAll = true;
  for (let start = 0; start < data.length; start += width) {
    let finite = 0;
    for (let i = start; i < start + width; i++) if (Number.isFinite(data[i])) finite++;
    if (finite === 0) return "none";
    if (finite < width) isAll = false;
  }
  return isAll ? "all" : "some";
}
