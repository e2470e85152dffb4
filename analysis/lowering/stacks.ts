/**
 * @file Branches that are stacked and summed are added: ReduceSum(Concat(a[None], b[None])) is a + b, and the mean is that by
 * their number. Sums of branches have one form, in which exchanging branches is seen.
 */
import { smallConstant } from "./constants";
import { sameShape } from "./simplify";
import type { Item, Value, Workspace } from "./workspace";

/** Branches up to which a stack is written as a sum; longer ones are no branches that somebody wrote one by one. */
const MOST_BRANCHES = 32;

/** Rewrites sums and means over the axis of a stack; true if there was one. */
export function sumStacks(w: Workspace): boolean {
  const found = new Map<Item, readonly Value[]>();
  for (const item of w.items) {
    const branches = branchesOf(item);
    if (branches) found.set(item, branches);
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const branches = found.get(item);
    if (!branches) {
      w.add(item.node);
      return;
    }
    const { node } = item;
    const isMean = node.operator === "ReduceMean";
    let sum = branches[0]!.name;
    branches.slice(1).forEach((branch, i) => {
      const isLast = !isMean && i === branches.length - 2;
      const output = isLast ? node.outputs[0]! : w.fresh(`${node.name}/Add`);
      const name = isLast ? node.name : output;
      w.add({ ...node, name, operator: "Add", inputs: [sum, branch.name], outputs: [output], attributes: {} });
      sum = w.resolve(output);
    });
    if (!isMean) return;
    const { type } = item.outputs[0]!.type;
    const share = w.addConstant({ type, shape: [], data: Float64Array.of(1 / branches.length) });
    w.add({ ...node, operator: "Mul", inputs: [sum, share], attributes: {} });
  });
  return true;
}

/** What is stacked, where the item is the sum or mean over the stack's own axis. */
function branchesOf({ inputs, node, outputs }: Item): Value[] | undefined {
  if (node.domain !== "" || (node.operator !== "ReduceSum" && node.operator !== "ReduceMean")) return undefined;
  const [data, axes] = inputs;
  const stack = data?.writer;
  if (stack?.node.operator !== "Concat" || stack.node.domain !== "" || node.attributes["keepdims"] !== 0) return undefined;
  const rank = data?.type.shape?.length;
  const reduced = smallConstant(axes);
  const axis = stack.node.attributes["axis"];
  if (rank === undefined || reduced?.length !== 1 || typeof axis !== "number") return undefined;
  const at = (a: number): number => (a < 0 ? a + rank : a);
  if (at(reduced[0]!) !== at(axis) || stack.inputs.length < 2 || stack.inputs.length > MOST_BRANCHES) return undefined;
  const branches: Value[] = [];
  for (const part of stack.inputs) {
    const { writer } = part;
    const source = writer?.node.operator === "Reshape" && writer.node.domain === "" ? writer.inputs[0] : undefined;
    // A reshape that only gives the stack its axis, of one entry.
    if (!source || part.type.shape?.[at(axis)] !== 1 || !sameShape(source.type.shape, outputs[0]!.type.shape)) return undefined;
    branches.push(source);
  }
  return branches;
}
