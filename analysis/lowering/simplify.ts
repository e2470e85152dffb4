/** @file Nodes that do nothing, or the same as a simpler one. */
import type { Node } from "../graph/graph";
import { elementCount, isFloating, type Shape, type Tensor, type TensorType } from "../graph/tensor";

/** What simplification may look at and make. */
export interface SimplifyView {
  type(value: string): TensorType;
  constant(value: string): Tensor | undefined;
  writer(value: string): Node | undefined;
  addConstant(tensor: Tensor): string;
}

/** Larger constants are not looked into: they are tables and frozen weights, read from the file on demand. */
export const LARGEST_READ = 65_536;

/** The entries of a constant that is small enough to be looked into. */
function entries(view: SimplifyView, value: string | undefined): Float64Array | undefined {
  const constant = value === undefined ? undefined : view.constant(value);
  return constant !== undefined && elementCount(constant.shape) <= LARGEST_READ ? constant.data : undefined;
}

function isAll(view: SimplifyView, value: string | undefined, number: number): boolean {
  const data = entries(view, value);
  return data !== undefined && data.length > 0 && data.every((v) => v === number);
}

function sameShape(a: Shape | undefined, b: Shape | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((d, i) => d === b[i]);
}

/** Whether the node's output has the shape of one of its inputs, so that this input may stand for it. */
function keeps(view: SimplifyView, node: Node, input: string | undefined): input is string {
  return input !== undefined && sameShape(view.type(input).shape, view.type(node.outputs[0]!).shape);
}

/** Whether a value is never negative, as far as its writers tell. */
export function isNonNegative(view: SimplifyView, value: string, depth = 8): boolean {
  if (view.constant(value) !== undefined) return entries(view, value)?.every((v) => v >= 0) ?? false;
  const node = view.writer(value);
  if (node === undefined || depth === 0) return false;
  const [a, b] = node.inputs as [string, string];
  switch (node.operator) {
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
      const power = view.constant(b)?.data;
      return (power?.every((p) => p % 2 === 0) ?? false) || isNonNegative(view, a, depth - 1);
    }
    case "Mul":
      if (a === b) return true;
      return isNonNegative(view, a, depth - 1) && isNonNegative(view, b, depth - 1);
    case "Add":
    case "Div":
    case "Min":
      return isNonNegative(view, a, depth - 1) && isNonNegative(view, b, depth - 1);
    case "Max":
      return isNonNegative(view, a, depth - 1) || isNonNegative(view, b, depth - 1);
    case "ReduceMean":
    case "ReduceSum":
    case "ReduceMax":
    case "Reshape":
    case "Transpose":
    case "Expand":
    case "Slice":
    case "Gather":
    case "Reciprocal":
      return isNonNegative(view, a, depth - 1);
    default:
      return false;
  }
}

/** A node of the same output in another form. */
function as(node: Node, operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): Node {
  return { ...node, operator, inputs, attributes };
}

/**
 * The value that a node amounts to, or the simpler node that computes the same, or undefined where it is simple already.
 * The node's inputs are resolved and its output types known.
 */
export function simplify(view: SimplifyView, node: Node): string | Node | undefined {
  if (node.domain !== "") return undefined;
  const [a, b, c] = node.inputs;
  switch (node.operator) {
    case "Add":
      if (isAll(view, b, 0) && keeps(view, node, a)) return a;
      return isAll(view, a, 0) && keeps(view, node, b) ? b : undefined;
    case "Sub":
      return isAll(view, b, 0) && keeps(view, node, a) ? a : undefined;
    case "Mul":
      if (isAll(view, b, 1) && keeps(view, node, a)) return a;
      return isAll(view, a, 1) && keeps(view, node, b) ? b : undefined;
    case "Div":
      return simplifyDivision(view, node);
    case "Pow":
      if (isAll(view, b, 1) && keeps(view, node, a)) return a;
      return isAll(view, b, 0.5) && keeps(view, node, a) ? as(node, "Sqrt", [a]) : undefined;
    case "Relu":
    case "Abs":
      return a !== undefined && isNonNegative(view, a) ? a : undefined;
    case "Transpose":
      return simplifyTranspose(view, node);
    case "Reshape":
      return simplifyReshape(view, node);
    case "Expand":
      return keeps(view, node, a) ? a : undefined;
    case "Concat":
      return node.inputs.length === 1 ? a : undefined;
    case "ReduceMean":
    case "ReduceSum":
    case "ReduceMax":
    case "ReduceMin":
      return keeps(view, node, a) ? a : undefined;
    case "Where":
      if (isAll(view, a, 1) && keeps(view, node, b)) return b;
      return isAll(view, a, 0) && keeps(view, node, c) ? c : undefined;
    default:
      return undefined;
  }
}

/** Division by a constant is multiplication by a constant: one rule less for every engine. */
function simplifyDivision(view: SimplifyView, node: Node): string | Node | undefined {
  const [a, b] = node.inputs as [string, string];
  const divisor = view.constant(b);
  const data = entries(view, b);
  if (divisor === undefined || data === undefined || !isFloating(view.type(node.outputs[0]!).type)) return undefined;
  if (data.every((v) => v === 1) && keeps(view, node, a)) return a;
  if (data.some((v) => v === 0 || !Number.isFinite(v))) return undefined;
  return as(node, "Mul", [a, view.addConstant({ ...divisor, data: data.map((v) => 1 / v) })]);
}

/** Transposes with the permutation written out; two in a row are one. */
function simplifyTranspose(view: SimplifyView, node: Node): string | Node | undefined {
  const [x] = node.inputs as [string];
  const rank = view.type(node.outputs[0]!).shape?.length;
  const given = node.attributes["perm"];
  if (rank === undefined) return undefined;
  let perm = Array.isArray(given) ? (given as readonly number[]) : Array.from({ length: rank }, (_, i) => rank - 1 - i);
  let source = x;
  const before = view.writer(x);
  const inner = before?.operator === "Transpose" && before.domain === "" ? before.attributes["perm"] : undefined;
  if (before !== undefined && Array.isArray(inner)) {
    source = before.inputs[0]!;
    perm = perm.map((p) => (inner as readonly number[])[p]!);
  }
  if (perm.every((p, i) => p === i)) return source;
  return source === x && given !== undefined ? undefined : as(node, "Transpose", [source], { perm });
}

/** Reshapes to the same shape vanish; two in a row are one. */
function simplifyReshape(view: SimplifyView, node: Node): string | Node | undefined {
  const [x, target] = node.inputs as [string, string];
  if (keeps(view, node, x)) return x;
  const before = view.writer(x);
  const explicit = view.constant(target)?.data.every((d) => d > 0) ?? false;
  if (before?.operator !== "Reshape" || before.domain !== "" || !explicit) return undefined;
  const source = before.inputs[0]!;
  return keeps(view, node, source) ? source : as(node, "Reshape", [source, target]);
}
