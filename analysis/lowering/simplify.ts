/** @file Nodes that do nothing, or the same as a simpler one. */
import type { Node } from "../graph/graph";
import { elementCount, filled, isFloating, type Shape } from "../graph/tensor";
import { smallConstant } from "./constants";
import { isNumber } from "./finite";
import { asRectifier } from "./rectifiers";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

function isAll(value: Value | undefined, number: number): boolean {
  const data = smallConstant(value);
  return data !== undefined && data.length > 0 && data.every((v) => v === number);
}

/** Whether two shapes are known and equal. */
export function sameShape(a: Shape | undefined, b: Shape | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((d, i) => d === b[i]);
}

/** Whether the item's output has the shape of one of its inputs, so that this input may stand for it. */
function keeps(item: Item, input: Value | undefined): input is Value {
  return input !== undefined && sameShape(input.type.shape, item.outputs[0]!.type.shape);
}

/** Whether a value is never negative, as far as its writers tell. */
export function isNonNegative(value: Value | undefined, depth = 8): boolean {
  if (value === undefined) return false;
  if (value.constant !== undefined) return smallConstant(value)?.every((v) => v >= 0) ?? false;
  if (value.writer === undefined || depth === 0) return false;
  const [a, b] = value.writer.inputs as [Value, Value];
  switch (value.writer.node.operator) {
    case "ReduceSumSquare":
    case "Abs":
    case "Exp":
    case "Relu":
    case "Sigmoid":
    case "HardSigmoid":
    case "Softmax":
    case "Softplus":
    case "Sqrt":
      return true;
    case "Pow": {
      const power = smallConstant(b);
      return (power?.every((p) => p % 2 === 0) ?? false) || isNonNegative(a, depth - 1);
    }
    case "Mul":
      if (a === b) return true;
      return isNonNegative(a, depth - 1) && isNonNegative(b, depth - 1);
    case "Add":
    case "Div":
    case "Min":
      return isNonNegative(a, depth - 1) && isNonNegative(b, depth - 1);
    case "Max":
      return isNonNegative(a, depth - 1) || isNonNegative(b, depth - 1);
    case "ReduceMean":
    case "ReduceSum":
    case "ReduceMax":
    case "Reshape":
    case "Transpose":
    case "Expand":
    case "Slice":
    case "Gather":
    case "Reciprocal":
      return isNonNegative(a, depth - 1);
    default:
      return false;
  }
}

/** A node of the same output in another form. */
function as(item: Item, operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): Node {
  return { ...item.node, operator, inputs, attributes };
}

/**
 * The value that an item amounts to, or the simpler node that computes the same, or undefined where it is simple already.
 * Its output types are known.
 */
export function simplify(w: Workspace, item: Item): Value | Node | undefined {
  if (item.node.domain !== "") return undefined;
  const [a, b, c] = item.inputs;
  switch (item.node.operator) {
    case "Add":
      if (isAll(b, 0) && keeps(item, a)) return a;
      return isAll(a, 0) && keeps(item, b) ? b : undefined;
    case "Sub":
      return isAll(b, 0) && keeps(item, a) ? a : undefined;
    case "MatMul":
      return isAll(a, 0) || isAll(b, 0) ? zeros(w, item) : undefined;
    case "Mul":
      if (isAll(a, 0) || isAll(b, 0)) return zeros(w, item);
      if (isAll(b, 1) && keeps(item, a)) return a;
      return isAll(a, 1) && keeps(item, b) ? b : asRectifier(item);
    case "Max":
      return asRectifier(item);
    case "Div":
      return simplifyDivision(w, item);
    case "Pow":
      if (isAll(b, 1) && keeps(item, a)) return a;
      return isAll(b, 0.5) && keeps(item, a) ? as(item, "Sqrt", [a.name]) : undefined;
    case "Relu":
    case "Abs":
      return a !== undefined && isNonNegative(a) ? a : undefined;
    case "Transpose":
      return simplifyTranspose(item);
    case "Reshape":
      return simplifyReshape(item);
    case "Expand":
    case "ReduceMean":
    case "ReduceSum":
    case "ReduceMax":
    case "ReduceMin":
      return keeps(item, a) ? a : undefined;
    case "Concat":
      return simplifyConcat(item);
    case "Where":
      if (isAll(a, 1) && keeps(item, b)) return b;
      // PyTorch's exporter of attention puts zero where a row of the softmax is no number.
      if (c !== undefined && a?.writer?.node.operator === "IsNaN" && a.writer.inputs[0] === c && isNumber(c) && keeps(item, c))
        return c;
      return isAll(a, 0) && keeps(item, c) ? c : asRectifier(item);
    default:
      return undefined;
  }
}

/** Entries of the largest zero that is written out. */
const MOST_ZEROS = 65_536;

/** What a product with zero is, a recurrence's first step: nothing that its other factor could be scaled by. */
function zeros(w: Workspace, item: Item): Value | undefined {
  const { type, shape } = item.outputs[0]!.type;
  if (shape === undefined || !isFloating(type) || elementCount(shape) > MOST_ZEROS) return undefined;
  return w.value(w.addConstant(filled(shape, 0, type)));
}

/** Division by a constant is multiplication by a constant: one rule less for every engine. */
function simplifyDivision(w: Workspace, item: Item): Value | Node | undefined {
  const [a, b] = item.inputs as [Value, Value];
  const data = smallConstant(b);
  if (data === undefined || !isFloating(item.outputs[0]!.type.type)) return undefined;
  if (data.every((v) => v === 1) && keeps(item, a)) return a;
  if (data.some((v) => v === 0 || !Number.isFinite(v))) return undefined;
  const { type, shape } = b.constant!;
  return as(item, "Mul", [a.name, w.addConstant({ type, shape, data: data.map((v) => 1 / v) })]);
}

/** The item that writes a value, if it is of this standard operator. */
function writtenBy(value: Value, operator: string): Item | undefined {
  const item = value.writer;
  return item !== undefined && item.node.operator === operator && item.node.domain === "" ? item : undefined;
}

/** Pieces without entries are left out (what a rotary embedding of whole heads leaves of them); one piece is itself. */
function simplifyConcat(item: Item): Value | Node | undefined {
  const pieces = item.inputs.filter((v): v is Value => v !== undefined && v.type.shape?.includes(0) !== true);
  if (pieces.length === 1) return pieces[0];
  if (pieces.length === 0 || pieces.length === item.inputs.length) return undefined;
  return as(
    item,
    "Concat",
    pieces.map((v) => v.name),
    item.node.attributes,
  );
}

/** Transposes with the permutation written out; two in a row are one. */
function simplifyTranspose(item: Item): Value | Node | undefined {
  const [x] = item.inputs as [Value];
  const rank = item.outputs[0]!.type.shape?.length;
  const given = item.node.attributes["perm"];
  if (rank === undefined) return undefined;
  let perm = Array.isArray(given) ? (given as readonly number[]) : Array.from({ length: rank }, (_, i) => rank - 1 - i);
  let source = x;
  const before = writtenBy(x, "Transpose");
  const inner = before?.node.attributes["perm"];
  if (before !== undefined && Array.isArray(inner)) {
    source = before.inputs[0]!;
    perm = perm.map((p) => (inner as readonly number[])[p]!);
  }
  if (perm.every((p, i) => p === i)) return source;
  return source === x && given !== undefined ? undefined : as(item, "Transpose", [source.name], { perm });
}

/** Reshapes to the same shape vanish; two in a row are one. */
function simplifyReshape(item: Item): Value | Node | undefined {
  const [x, target] = item.inputs as [Value, Value];
  const y = item.outputs[0]!.type.shape;
  if (sameShape(x.type.shape, y)) return x;
  const before = writtenBy(x, "Reshape");
  const explicit = smallConstant(target)?.every((d) => d > 0) ?? false;
  if (before === undefined || !explicit) return undefined;
  const source = before.inputs[0]!;
  return sameShape(source.type.shape, y) ? source : as(item, "Reshape", [source.name, target.name]);
}
