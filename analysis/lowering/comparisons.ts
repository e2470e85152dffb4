/**
 * @file What comparisons and searches see of their operands. The sign of z is that of z / |z| with the length taken over the
 * batch, a < b is the sign of a - b, and which entries are the largest does not change when something is added to all of them:
 * so written, what scales or shifts them stops at no jump. A derivative sees no jump, so that what is compared counts as observed.
 */
import { type Node, numberAttribute, numbersAttribute, stringAttribute } from "../graph/graph";
import { elementCount, isFloating, type Shape } from "../graph/tensor";
import { smallConstant } from "./constants";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Comparisons of two tensors; equality of two numbers is that of their difference and zero. */
const COMPARISONS: ReadonlySet<string> = new Set(["Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"]);

/** Operators that look along an axis for the largest or smallest entries; which output holds their places. */
const SEARCHES: ReadonlyMap<string, number> = new Map([
  ["TopK", 1],
  ["ArgMax", 0],
  ["ArgMin", 0],
  ["Hardmax", 0],
]);

/** Whether an operator compares or searches: what it sees of its operands is written as arithmetic in the normal form. */
export function isJump(node: Node): boolean {
  return node.domain === "" && (COMPARISONS.has(node.operator) || SEARCHES.has(node.operator) || node.operator === "Sign");
}

/** Writes comparisons and searches of what hangs on weights and inputs as those of what they see; true if there was one. */
export function seeSigns(w: Workspace): boolean {
  if (w.itemsOf(...COMPARISONS, ...SEARCHES.keys(), "Sign").length === 0) return false;
  const { weighted, batched } = dependence(w);
  w.countReaders();
  const found = new Map<Item, Value>();
  for (const item of w.items) {
    if (!isJump(item.node) || !item.inputs.some((v) => weighted.has(v))) continue;
    if (!item.inputs.slice(0, COMPARISONS.has(item.node.operator) ? 2 : 1).every((v) => isFloating(v.type.type) && v.type.shape))
      continue;
    found.set(item, item.inputs[0]!);
  }
  if (found.size === 0) return false;
  let any = false;
  w.rewrite((item) => {
    const node = found.has(item) ? seen(w, item, batched) : undefined;
    if (node) any = true;
    w.add(node ?? item.node);
  });
  return any;
}

/** The node that sees less; undefined where it would be the same. Its other outputs are computed by a node of their own. */
function seen(w: Workspace, item: Item, batched: ReadonlySet<Value>): Node | undefined {
  const { node, inputs, outputs } = item;
  const [a, b] = inputs as [Value, Value | undefined];
  const places = SEARCHES.get(node.operator);
  if (places !== undefined) {
    const shape = a.type.shape!;
    const rank = shape.length;
    const given = numberAttribute(node, "axis", node.operator === "TopK" || node.operator === "Hardmax" ? -1 : 0);
    const axis = given < 0 ? given + rank : given;
    const isRead = outputs[places] !== undefined && outputs[places].reads > 0;
    if (!isRead || !(axis >= 0 && axis < rank) || shape[axis]! < 2) return undefined;
    const centred = emit(w, node, "Sub", [a.name, emit(w, node, "ReduceMean", [a.name, axes(w, [axis])], REDUCED)]);
    const operand = batched.has(a) && axis > 0 ? directed(w, node, centred, [0, axis]) : centred;
    const values = outputs[0]!;
    if (places > 0 && values.reads > 0) {
      // The entries themselves are read as they are.
      const own = node.outputs.map((o) => w.fresh(o));
      w.add({ ...node, name: w.fresh(node.name), outputs: own });
      w.replace(values.name, own[0]!);
      return { ...node, inputs: [operand, ...node.inputs.slice(1)], outputs: [w.fresh(values.name), ...node.outputs.slice(1)] };
    }
    return { ...node, inputs: [operand, ...node.inputs.slice(1)] };
  }
  if (node.operator === "Sign") {
    return batched.has(a) ? { ...node, inputs: [directed(w, node, a.name, [0])] } : undefined;
  }
  const [zeroA, zeroB] = [isZero(a), isZero(b!)];
  if (zeroA || zeroB) {
    const z = zeroA ? b! : a;
    if (!batched.has(z)) return undefined;
    const sign = directed(w, node, z.name, [0]);
    return { ...node, inputs: zeroA ? [a.name, sign] : [sign, b!.name] };
  }
  if (a.constant !== undefined || b!.constant !== undefined) return undefined;
  const difference = emit(w, node, "Sub", [a.name, b!.name]);
  const isBatched = [a, b!].some((v) => batched.has(v) && v.type.shape!.length === w.type(difference).shape?.length);
  const zero = w.addConstant({ type: a.type.type, shape: [], data: Float64Array.of(0) });
  return { ...node, inputs: [isBatched ? directed(w, node, difference, [0]) : difference, zero] };
}

const REDUCED = { keepdims: 1, noop_with_empty_axes: 0 } as const;

function axes(w: Workspace, list: readonly number[]): string {
  return w.addConstant({ type: "int64", shape: [list.length], data: Float64Array.from(list) });
}

/** A value divided by its length over some axes: a positive number, which no sign sees. */
export function directed(w: Workspace, node: Node, value: string, over: readonly number[]): string {
  const length = emit(w, node, "Sqrt", [emit(w, node, "ReduceSumSquare", [value, axes(w, over)], REDUCED)]);
  return emit(w, node, "Div", [value, length]);
}

function emit(
  w: Workspace,
  node: Node,
  operator: string,
  inputs: readonly string[],
  attributes: Node["attributes"] = {},
): string {
  const name = w.fresh(`${node.name}/${operator}`);
  w.add({ name, operator, domain: "", inputs, outputs: [name], attributes, origin: node.origin });
  return w.resolve(name);
}

function isZero(value: Value): boolean {
  const data = smallConstant(value);
  return data !== undefined && data.length > 0 && data.every((x) => x === 0);
}

/** Operators that treat the entries of their operands, broadcast to each other, one by one. */
const ENTRYWISE: ReadonlySet<string> = new Set(
  `Add Sub Mul Div Pow Sqrt Exp Log Abs Neg Relu LeakyRelu PRelu Elu Selu Celu Gelu Sigmoid HardSigmoid HardSwish Tanh Erf Sin Cos
  Softplus Softsign Mish Clip Max Min Where Cast Identity Reciprocal Sign`.split(/\s+/),
);

/**
 * Values that hang on a weight that trains, and those whose first axis is that of independent samples: each entry along it is
 * the same function of the same weights at another input. Only for what is certain: over two equal samples a length sees nothing.
 */
export function dependence(w: Workspace): { readonly weighted: ReadonlySet<Value>; readonly batched: ReadonlySet<Value> } {
  const weighted = new Set<Value>();
  const active = new Set<Value>();
  const batched = new Set<Value>();
  for (const [name, p] of w.parameters) if (p.trainable) weighted.add(w.root(w.value(name)));
  const sizes = new Set(w.inputs.map((i) => i.shape[0]));
  const [samples] = sizes;
  const isBatch = sizes.size === 1 && samples !== undefined && samples > 1;
  for (const i of w.inputs) {
    active.add(w.value(i.name));
    if (isBatch) batched.add(w.value(i.name));
  }
  for (const item of w.items) {
    const isActive = item.inputs.some((v) => active.has(v));
    const isWeighted = item.inputs.some((v) => weighted.has(v));
    const keeps = isActive && keepsSamples(item, active, batched);
    for (const o of item.outputs) {
      if (isActive) active.add(o);
      if (isWeighted) weighted.add(o);
      if (keeps && o.type.shape?.[0] === samples) batched.add(o);
    }
  }
  return { weighted, batched };
}

/** Whether the outputs' first axis is the batch's where the first axis of the operands that hang on inputs is. */
function keepsSamples({ node, inputs, outputs }: Item, active: ReadonlySet<Value>, batched: ReadonlySet<Value>): boolean {
  const moving = inputs.filter((v) => active.has(v));
  if (node.domain !== "" || !moving.every((v) => batched.has(v))) return false;
  const rank = (v: Value): number => v.type.shape?.length ?? -1;
  const [x, y] = inputs as [Value, Value | undefined];
  const out = outputs[0]!;
  switch (node.operator) {
    case "MatMul":
      // A product with a vector leaves the other operand's leading axes.
      if (y && rank(y) === 1) return moving.every((v) => v === x) && rank(x) > 1;
      // Samples are no rows of the second operand, unless they are a batch of matrices.
      return moving.every((v) => rank(v) === rank(out) && (v !== y || rank(v) > 2));
    case "Conv":
    case "ConvTranspose":
    case "AveragePool":
    case "MaxPool":
      return moving.length === 1 && moving[0] === x;
    case "Transpose":
      return numbersAttribute(node, "perm")?.[0] === 0;
    case "Reshape":
      return leading(x.type.shape) === leading(out.type.shape);
    case "Concat":
      return numberAttribute(node, "axis", 0) > 0;
    case "Gather": {
      const axis = numberAttribute(node, "axis", 0);
      if (axis === 0 || axis === -rank(x)) return !active.has(x);
      // One step of a sequence, or several.
      return moving.every((v) => v === x);
    }
    case "Softmax":
    case "LogSoftmax": {
      const axis = numberAttribute(node, "axis", -1);
      return axis > 0 || (axis < 0 && axis + rank(x) > 0);
    }
    case "ReduceMean":
    case "ReduceSum":
    case "ReduceMax":
    case "ReduceMin":
    case "ReduceSumSquare": {
      const reduced = smallConstant(y);
      const isFirst = (a: number): boolean => a === 0 || a === -rank(x);
      return reduced !== undefined && reduced.length > 0 && !reduced.some(isFirst);
    }
    case "TopK":
      return numberAttribute(node, "axis", -1) !== 0 && rank(x) > 1;
    case "Slice":
      return moving[0] === x;
    case "Expand":
      return rank(x) === rank(out);
    case "Einsum":
      return isBatchOfEinsum(stringAttribute(node, "equation", ""), inputs, moving);
    default:
      return ENTRYWISE.has(node.operator) && moving.every((v) => rank(v) === rank(out));
  }
}

/** Whether the first letter of all operands that hang on inputs is the output's, and nobody else's. */
function isBatchOfEinsum(equation: string, inputs: readonly Value[], moving: readonly Value[]): boolean {
  const [left, right] = equation.replaceAll(" ", "").split("->");
  const letter = right?.[0];
  if (letter === undefined || letter === "." || left!.includes(".")) return false;
  const terms = left!.split(",");
  return inputs.every((v, k) => (moving.includes(v) ? terms[k]?.[0] === letter : terms[k]?.includes(letter) === false));
}

/** The first size of a shape and the number of entries for each index along it. */
function leading(shape: Shape | undefined): string | undefined {
  return shape && shape.length > 0 ? `${shape[0]} ${elementCount(shape.slice(1))}` : undefined;
}
