/**
 * @file Branches that are stacked and summed are added: ReduceSum(Concat(a[None], b[None])) is a + b, and the mean is that by
 * their number; with weights for each (experts by a router), w[0] a + w[1] b. Sums of branches have one form, in which exchanging
 * branches is seen.
 */
import { int64Vector, type Shape } from "../graph/tensor";
import { smallConstant } from "./constants";
import { sameShape } from "./simplify";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Branches up to which a stack is written as a sum; longer ones are no branches that somebody wrote one by one. */
const MOST_BRANCHES = 32;

/** A sum over the axis of a stack, and what each branch is multiplied by. */
interface StackedSum {
  readonly branches: readonly Value[];
  readonly weights?: Value;
  /** The axis of the stack. */
  readonly axis: number;
}

/** Rewrites sums and means over the axis of a stack; true if there was one. */
export function sumStacks(w: Workspace): boolean {
  const found = new Map<Item, StackedSum>();
  for (const item of w.itemsOf("ReduceSum", "ReduceMean")) {
    const sum = stackedSum(item);
    if (sum) found.set(item, sum);
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const stacked = found.get(item);
    if (!stacked) {
      w.add(item.node);
      return;
    }
    const { node } = item;
    const isMean = node.operator === "ReduceMean";
    const terms = stacked.weights ? weighted(w, item, stacked, stacked.weights) : stacked.branches.map((b) => b.name);
    let sum = terms[0]!;
    terms.slice(1).forEach((term, i) => {
      const isLast = !isMean && i === terms.length - 2;
      const output = isLast ? node.outputs[0]! : w.fresh(`${node.name}/Add`);
      const name = isLast ? node.name : output;
      w.add({ ...node, name, operator: "Add", inputs: [sum, term], outputs: [output], attributes: {} });
      sum = w.resolve(output);
    });
    if (!isMean) return;
    const { type } = item.outputs[0]!.type;
    const share = w.addConstant({ type, shape: [], data: Float64Array.of(1 / terms.length) });
    w.add({ ...node, operator: "Mul", inputs: [sum, share], attributes: {} });
  });
  return true;
}

/** The branches by their weights, one product each. */
function weighted(w: Workspace, { node }: Item, { branches, axis }: StackedSum, weights: Value): string[] {
  const shape = weights.type.shape!;
  const without = int64Vector(shape.filter((_, k) => k !== axis));
  const one = (k: number): string => w.addConstant(int64Vector([k]));
  const add = (operator: string, inputs: readonly string[]): string => {
    const output = w.fresh(`${node.name}/${operator}`);
    w.add({ ...node, name: output, operator, inputs, outputs: [output], attributes: {} });
    return w.resolve(output);
  };
  return branches.map((branch, k) => {
    const slice = add("Slice", [weights.name, one(k), one(k + 1), one(axis), one(1)]);
    const factor = add("Reshape", [slice, w.addConstant(without)]);
    return add("Mul", [branch.name, factor]);
  });
}

/** What is stacked, where the item is the sum or mean over the stack's own axis, also of the stack times something. */
function stackedSum(item: Item): StackedSum | undefined {
  const { inputs, node, outputs } = item;
  if (node.domain !== "" || (node.operator !== "ReduceSum" && node.operator !== "ReduceMean")) return undefined;
  const [data, axes] = inputs;
  const rank = data?.type.shape?.length;
  const reduced = smallConstant(axes);
  if (!data || rank === undefined || reduced?.length !== 1 || node.attributes["keepdims"] !== 0) return undefined;
  const axis = reduced[0]! < 0 ? reduced[0]! + rank : reduced[0]!;
  const branches = branchesAlong(data.writer, axis, outputs[0]!.type.shape);
  if (branches) return { branches, axis };
  const product = data.writer;
  if (product?.node.operator !== "Mul" || product.node.domain !== "") return undefined;
  for (const [stack, weights] of [product.inputs, [...product.inputs].reverse()] as [Value, Value][]) {
    const parts = branchesAlong(
      stack.writer,
      axis,
      stack.type.shape?.filter((_, k) => k !== axis),
    );
    // Of one weight for all that the product is, entries are no weights of branches.
    if (!parts || weights.constant !== undefined || weights.type.shape?.length !== rank) continue;
    if (sameShape(stack.type.shape, data.type.shape) && weights.type.shape[axis] === parts.length)
      return { branches: parts, weights, axis };
  }
  return undefined;
}

/** The values that a Concat stacks along a new axis, each of a shape without it. */
function branchesAlong(stack: Item | undefined, at: number, shape: Shape | undefined): Value[] | undefined {
  if (stack?.node.operator !== "Concat" || stack.node.domain !== "") return undefined;
  const rank = stack.outputs[0]?.type.shape?.length;
  const axis = stack.node.attributes["axis"];
  if (rank === undefined || typeof axis !== "number" || (axis < 0 ? axis + rank : axis) !== at) return undefined;
  if (stack.inputs.length < 2 || stack.inputs.length > MOST_BRANCHES) return undefined;
  const branches: Value[] = [];
  for (const part of stack.inputs) {
    const { writer } = part;
    const source = writer?.node.operator === "Reshape" && writer.node.domain === "" ? writer.inputs[0] : undefined;
    // A reshape that only gives the stack its axis, of one entry.
    if (!source || part.type.shape?.[at] !== 1 || !sameShape(source.type.shape, shape)) return undefined;
    branches.push(source);
  }
  return branches;
}
