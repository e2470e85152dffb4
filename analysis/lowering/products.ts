/**
 * @file Sums of products as contractions: (a * b).sum(axis) is what MatMul and Einsum compute, and only as one of them do
 * the matrices show that may stand between a and b.
 */
import type { Node } from "../graph/graph";
import { elementCount, int64Vector, scalar, type Shape } from "../graph/tensor";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** A product that only a sum reads. */
interface SummedProduct {
  readonly factors: readonly [Value, Value];
  readonly shape: Shape;
  /** Axes of the product that the sum takes, counted from the front. */
  readonly reduced: ReadonlySet<number>;
}

/** Rewrites ReduceSum and ReduceMean of products of two tensors into Einsum; true if there was one. */
export function contractProducts(w: Workspace): boolean {
  const candidates = w.itemsOf("ReduceSum", "ReduceMean").filter((i) => isProduct(i.inputs[0]!));
  if (candidates.length === 0) return false;
  const products = new Set(candidates.map((i) => i.inputs[0]!));
  const readers = new Map<Value, number>();
  for (const item of w.items) for (const i of item.inputs) if (products.has(i)) readers.set(i, (readers.get(i) ?? 0) + 1);
  const outputs = new Set(w.outputs.map((o) => w.value(o)));
  const found = new Map<Item, SummedProduct>();
  for (const item of candidates) {
    const product = item.inputs[0]!;
    const summed = readers.get(product) === 1 && !outputs.has(product) ? summedProduct(item) : undefined;
    if (summed) found.set(item, summed);
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const summed = found.get(item);
    if (summed) contraction(w, item, summed);
    else w.add(item.node);
  });
  return true;
}

function isProduct({ writer }: Value): boolean {
  if (writer?.node.operator !== "Mul" || writer.node.domain !== "") return false;
  const [a, b] = writer.inputs as [Value, Value];
  return a !== b && a.constant === undefined && b.constant === undefined;
}

/** The product behind a sum, if both factors have all the axes that are summed. */
function summedProduct(item: Item): SummedProduct | undefined {
  const product = item.inputs[0]!;
  const factors = product.writer!.inputs as readonly [Value, Value];
  const { shape } = product.type;
  const axes = item.inputs[1]?.constant;
  if (!shape || !axes || axes.data.length === 0 || shape.length > LETTERS.length || shape.includes(0)) return undefined;
  const reduced = new Set(Array.from(axes.data, (a) => (a < 0 ? a + shape.length : a)));
  for (const axis of reduced) {
    if (shape[axis]! > 1 && factors.some((f) => sizeAlong(f, axis, shape.length) !== shape[axis])) return undefined;
  }
  return [...reduced].some((axis) => shape[axis]! > 1) ? { factors, shape, reduced } : undefined;
}

/** The size of a broadcast operand along an axis of the result. */
function sizeAlong(value: Value, axis: number, rank: number): number {
  const own = value.type.shape ?? [];
  return own[axis - rank + own.length] ?? 1;
}

/** Adds the contraction under the name of the sum's output. */
function contraction(w: Workspace, item: Item, { factors, shape, reduced }: SummedProduct): void {
  const { node } = item;
  const value = (operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string => {
    const output = w.fresh(`${node.name}/${operator}`);
    w.add({ ...node, name: output, operator, inputs, outputs: [output], attributes });
    return w.resolve(output);
  };
  const reshaped = (x: string, to: Shape): string => value("Reshape", [x, w.addConstant(int64Vector(to))]);
  const axesOf = (f: Value): number[] => shape.flatMap((_, axis) => (sizeAlong(f, axis, shape.length) > 1 ? [axis] : []));
  const operands = factors.map((f) => {
    const own = axesOf(f).map((axis) => shape[axis]!);
    return String(own) === String(f.type.shape) ? f.name : reshaped(f.name, own);
  });
  const kept = shape.flatMap((n, axis) => (n > 1 && !reduced.has(axis) ? [axis] : []));
  const letters = (axes: readonly number[]): string => axes.map((axis) => LETTERS[axis]!).join("");
  const equation = `${factors.map((f) => letters(axesOf(f))).join(",")}->${letters(kept)}`;
  const target = item.outputs[0]!.type.shape!;
  const keptShape = kept.map((axis) => shape[axis]!);
  // The last of the steps has the name of the sum's output.
  const steps: Pick<Node, "operator" | "inputs" | "attributes">[] = [
    { operator: "Einsum", inputs: operands, attributes: { equation } },
  ];
  if (node.operator === "ReduceMean") {
    const share = scalar(elementCount(target) / elementCount(shape), item.outputs[0]!.type.type);
    steps.push({ operator: "Mul", inputs: [w.addConstant(share)], attributes: {} });
  }
  if (String(target) !== String(keptShape)) {
    steps.push({ operator: "Reshape", inputs: [w.addConstant(int64Vector(target))], attributes: {} });
  }
  let before: string[] = [];
  steps.forEach(({ operator, inputs, attributes }, i) => {
    const all = [...before, ...inputs];
    if (i === steps.length - 1) w.add({ ...node, operator, inputs: all, attributes });
    else before = [value(operator, all, attributes)];
  });
}
