/**
 * @file Rectifiers written by hand: choices between x and a multiple of x by the sign of x. As Relu, LeakyRelu or Abs their
 * scalings are seen; as a comparison and a choice they would stop every symmetry.
 */
import type { Node } from "../graph/graph";
import { smallConstant } from "./constants";
import type { Item, Value } from "./values";

/** The number that all entries of a small constant are. */
function numberOf(value: Value | undefined): number | undefined {
  const data = smallConstant(value);
  const first = data?.[0];
  return first !== undefined && data!.every((v) => v === first) ? first : undefined;
}

/** c where the value is c x; 0 for a constant zero. */
function multipleOf(value: Value, x: Value): number | undefined {
  if (value === x) return 1;
  if (numberOf(value) === 0) return 0;
  const item = value.writer;
  if (item === undefined || item.node.domain !== "") return undefined;
  if (item.node.operator === "Neg") return item.inputs[0] === x ? -1 : undefined;
  if (item.node.operator !== "Mul") return undefined;
  const [a, b] = item.inputs as [Value, Value];
  return a === x ? numberOf(b) : b === x ? numberOf(a) : undefined;
}

/** x where the value says x > 0 (or >=: they differ in a single point, where both sides of a rectifier agree). */
function positivity(value: Value): { readonly x: Value; readonly isPositive: boolean } | undefined {
  const item = value.writer;
  if (item === undefined || item.node.domain !== "") return undefined;
  if (item.inputs.length < 2) return undefined;
  const [a, b] = item.inputs as [Value, Value];
  const name = item.node.operator;
  const isGreater = name === "Greater" || name === "GreaterOrEqual";
  if (!isGreater && name !== "Less" && name !== "LessOrEqual") return undefined;
  if (numberOf(b) === 0) return { x: a, isPositive: isGreater };
  return numberOf(a) === 0 ? { x: b, isPositive: !isGreater } : undefined;
}

/** The rectifier that is `above` times x for positive x and `below` times x for negative x. */
function rectifier(node: Node, x: Value, above: number, below: number): Node | undefined {
  const as = (operator: string, attributes: Node["attributes"] = {}): Node => ({
    ...node,
    operator,
    inputs: [x.name],
    attributes,
  });
  if (above === 1) return below === 0 ? as("Relu") : below === -1 ? as("Abs") : as("LeakyRelu", { alpha: below });
  return undefined;
}

/** Whether the item's output has the shape of x. */
function keepsShape(item: Item, x: Value): boolean {
  const [a, b] = [x.type.shape, item.outputs[0]!.type.shape];
  return a !== undefined && b !== undefined && String(a) === String(b);
}

/** The rectifier that an item is, undefined where it is none. */
export function asRectifier(item: Item): Node | undefined {
  const [a, b, c] = item.inputs as [Value, Value, Value];
  if (item.inputs.length < (item.node.operator === "Where" ? 3 : 2)) return undefined;
  switch (item.node.operator) {
    case "Where": {
      const sign = positivity(a);
      if (sign === undefined || !keepsShape(item, sign.x)) return undefined;
      const [yes, no] = [multipleOf(b, sign.x), multipleOf(c, sign.x)];
      if (yes === undefined || no === undefined) return undefined;
      return sign.isPositive ? rectifier(item.node, sign.x, yes, no) : rectifier(item.node, sign.x, no, yes);
    }
    case "Mul":
      return masked(item, a, b) ?? masked(item, b, a);
    case "Max":
      return larger(item, a, b) ?? larger(item, b, a);
    default:
      return undefined;
  }
}

/** x times the number that is 1 for positive x and 0 elsewhere. */
function masked(item: Item, x: Value, mask: Value): Node | undefined {
  const cast = mask.writer;
  if (cast === undefined || cast.node.operator !== "Cast" || !keepsShape(item, x)) return undefined;
  const sign = positivity(cast.inputs[0]!);
  return sign?.x === x && sign.isPositive ? rectifier(item.node, x, 1, 0) : undefined;
}

/** The larger one of x and c x, with c at most 1. */
function larger(item: Item, x: Value, other: Value): Node | undefined {
  const slope = x.constant === undefined && other !== x ? multipleOf(other, x) : undefined;
  return slope !== undefined && slope <= 1 && keepsShape(item, x) ? rectifier(item.node, x, 1, slope) : undefined;
}
