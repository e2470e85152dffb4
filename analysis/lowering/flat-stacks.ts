/**
 * @file Stacks that are flattened: single entries put together along a new axis, which then is merged with the features behind it,
 * are features put together. So they stay apart: a stack's axis is one thing, a concatenation's parts are several.
 */
import type { Node } from "../graph/graph";
import { elementCount, int64Vector } from "../graph/tensor";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Parts up to which a stack is written as a concatenation. */
const MOST_PARTS = 64;

/** Rewrites flattened stacks; true if there was one. */
export function flattenStacks(w: Workspace): boolean {
  const found = new Map<Item, { readonly parts: readonly Value[]; readonly axis: number }>();
  for (const item of w.itemsOf("Reshape")) {
    const stack = flattened(item);
    if (stack) found.set(item, stack);
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const stack = found.get(item);
    if (!stack) return w.add(item.node);
    const { node } = item;
    const { parts, axis } = stack;
    const add = (operator: string, inputs: readonly string[], attributes: Node["attributes"]): string => {
      const name = w.fresh(`${node.name}/${operator}`);
      w.add({ ...node, name, operator, domain: "", inputs, outputs: [name], attributes });
      return w.resolve(name);
    };
    const flat = parts.map((part) => {
      const shape = part.type.shape!;
      const target = [...shape.slice(0, axis), elementCount(shape.slice(axis))];
      return add("Reshape", [part.name, w.addConstant(int64Vector(target))], {});
    });
    w.add({ ...node, operator: "Concat", inputs: flat, attributes: { axis } });
  });
  return true;
}

/** What is stacked, where the item merges the stack's axis with all that follow it, and leaves those before it as they are. */
function flattened({ node, inputs, outputs }: Item): { readonly parts: readonly Value[]; readonly axis: number } | undefined {
  if (node.operator !== "Reshape" || node.domain !== "") return undefined;
  const stack = inputs[0]?.writer;
  const [from, to] = [inputs[0]?.type.shape, outputs[0]?.type.shape];
  if (stack?.node.operator !== "Concat" || stack.node.domain !== "" || !from || !to) return undefined;
  const given = stack.node.attributes["axis"];
  if (typeof given !== "number") return undefined;
  const axis = given < 0 ? given + from.length : given;
  if (axis === 0 || axis === from.length - 1 || to.length !== axis + 1 || from.slice(0, axis).join() !== to.slice(0, axis).join())
    return undefined;
  const parts = stack.inputs;
  const areEntries = parts.length > 1 && parts.length <= MOST_PARTS && parts.every((p) => p.type.shape?.[axis] === 1);
  return areEntries ? { parts, axis } : undefined;
}
