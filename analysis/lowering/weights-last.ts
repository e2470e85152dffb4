/**
 * @file Gains multiply last: a (g b) is (a b) g. A gain that is multiplied into the reciprocal of a norm first (Keras, folding
 * exporters) hides what is normalised; behind it, it is a change of frame like any other gain.
 */
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";
import { operatorsThat } from "../operators/movers";

/** Operators that only carry a weight to where it is used. */
const CARRIERS: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes"), "Cast"]);

/** Reorders products of three so that weights come last; true if there was one. */
export function multiplyWeightsLast(w: Workspace): boolean {
  const products = w.itemsOf("Mul");
  if (products.length < 2) return false;
  w.countReaders();
  const isWeight = (v: Value): boolean => {
    let at = v;
    while (at.writer && CARRIERS.has(at.writer.node.operator) && at.writer.node.domain === "") at = at.writer.inputs[0]!;
    return w.parameters.has(at.name);
  };
  const found = new Map<Item, { readonly left: Value; readonly right: Value; readonly weight: Value }>();
  for (const item of products) {
    for (const [left, inner] of [item.inputs, [...item.inputs].reverse()] as [Value, Value][]) {
      const writer = inner.writer;
      if (!writer || !isProduct(writer) || inner.reads !== 1 || isFixed(left) || isWeight(left)) continue;
      // A product that was itself reordered has its weight last already, in a node of another name.
      if (found.has(writer)) continue;
      const [a, b] = writer.inputs as [Value, Value];
      const [weight, right] = isWeight(a) ? [a, b] : [b, a];
      if (!isWeight(weight) || isWeight(right) || isFixed(right)) continue;
      found.set(item, { left, right, weight });
      break;
    }
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const product = found.get(item);
    if (!product) {
      w.add(item.node);
      return;
    }
    const { node } = item;
    const output = w.fresh(`${node.name}/Mul`);
    w.add({ ...node, name: output, inputs: [product.left.name, product.right.name], outputs: [output] });
    w.add({ ...node, inputs: [w.resolve(output), product.weight.name] });
  });
  return true;
}

function isProduct({ node }: Item): boolean {
  return node.operator === "Mul" && node.domain === "";
}

function isFixed(value: Value): boolean {
  return value.constant !== undefined;
}
