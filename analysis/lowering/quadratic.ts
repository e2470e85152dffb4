/**
 * @file The quadratic form: means and sums of squares as the one operator ReduceSumSquare. It is the only pattern that is
 * recognised; with it every normalisation is a linear map, a sum of squares, a scalar function and a product.
 */
import type { Node } from "../graph/graph";
import { elementCount, scalar } from "../graph/tensor";
import { smallConstant } from "./constants";
import { sameShape } from "./simplify";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** x where the value is x * x or x to the power of 2; also of |x| and -x. */
function squareRoot(value: Value): Value | undefined {
  const item = value.writer;
  if (item === undefined || item.node.domain !== "") return undefined;
  const [a, b] = item.inputs as [Value, Value];
  if (item.node.operator === "Mul") return a === b ? unsigned(a) : undefined;
  if (item.node.operator !== "Pow") return undefined;
  const isTwo = smallConstant(b)?.every((v) => v === 2) ?? false;
  return isTwo && sameShape(a.type.shape, value.type.shape) ? unsigned(a) : undefined;
}

/** A value whose square is that of the given one. */
function unsigned(value: Value): Value {
  const item = value.writer;
  return item?.node.domain === "" && /^(Abs|Neg)$/.test(item.node.operator) ? item.inputs[0]! : value;
}

/** The number of entries that a reduction reduces into one. */
function reducedCount(item: Item): number | undefined {
  const [from, to] = [item.inputs[0]!.type.shape, item.outputs[0]!.type.shape];
  return from === undefined || to === undefined ? undefined : elementCount(from) / elementCount(to);
}

function isReduction({ node }: Item): boolean {
  return node.domain === "" && (node.operator === "ReduceMean" || node.operator === "ReduceSum");
}

/** Rewrites ReduceMean and ReduceSum of squares, and mean of squares minus squared mean; true if there was one. */
export function quadraticForm(w: Workspace): boolean {
  if (!w.itemsOf("ReduceSum", "ReduceMean").some((i) => squareRoot(i.inputs[0]!) !== undefined)) return false;
  w.rewrite((item) => {
    const x = isReduction(item) ? squareRoot(item.inputs[0]!) : undefined;
    if (x !== undefined) sumOfSquares(w, item, x);
    else if (item.node.domain !== "" || item.node.operator !== "Sub" || !variance(w, item)) w.add(item.node);
  });
  return true;
}

/** Adds the sum (or mean) of squares of x over the axes of a reduction, under its output's name. */
function sumOfSquares(w: Workspace, item: Item, x: Value): void {
  const { node } = item;
  const inputs = [x.name, ...node.inputs.slice(1)];
  if (node.operator === "ReduceSum") {
    w.add({ ...node, operator: "ReduceSumSquare", inputs });
    return;
  }
  const count = reducedCount(item);
  if (count === undefined) {
    w.add(node);
    return;
  }
  const sum = w.fresh(`${node.name}/ReduceSumSquare`);
  w.add({ ...node, name: sum, operator: "ReduceSumSquare", inputs, outputs: [sum] });
  const share = w.addConstant(scalar(1 / count, item.outputs[0]!.type.type));
  w.add({ ...node, operator: "Mul", inputs: [sum, share], attributes: {} });
}

/** mean(x^2) - mean(x)^2 over the same axes becomes the mean of squares of x - mean(x); true where it was that. */
function variance(w: Workspace, item: Item): boolean {
  const [squares, squared] = item.inputs as [Value, Value];
  const mean = squareRoot(squared)?.writer;
  const product = squares.writer;
  if (mean?.node.operator !== "ReduceMean" || product?.node.operator !== "Mul" || mean.node.domain !== "") return false;
  const sum = product.inputs[0]!.writer;
  const share = smallConstant(product.inputs[1]);
  const [x, axes] = mean.inputs as [Value, Value];
  const count = reducedCount(mean);
  if (sum?.node.operator !== "ReduceSumSquare" || sum.inputs[0] !== x || sum.inputs[1] !== axes) return false;
  if (count === undefined || share?.length !== 1 || Math.abs(share[0]! * count - 1) > 1e-12) return false;
  if (mean.node.attributes["keepdims"] !== sum.node.attributes["keepdims"]) return false;
  const { node } = item;
  const value = (operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}) => {
    const output = w.fresh(`${node.name}/${operator}`);
    w.add({ ...node, name: output, operator, inputs, outputs: [output], attributes });
    return w.resolve(output);
  };
  const kept = value("ReduceMean", mean.node.inputs, { ...mean.node.attributes, keepdims: 1 });
  const centred = value("Sub", [x.name, kept]);
  const total = value("ReduceSumSquare", [centred, ...sum.node.inputs.slice(1)], sum.node.attributes);
  w.add({ ...node, operator: "Mul", inputs: [total, product.node.inputs[1]!], attributes: {} });
  return true;
}
