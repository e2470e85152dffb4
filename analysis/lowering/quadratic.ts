/**
 * @file The quadratic form: means and sums of squares as the one operator ReduceSumSquare. It is the only pattern that is
 * recognised; with it every normalisation is a linear map, a sum of squares, a scalar function and a product.
 */
import type { Node } from "../graph/graph";
import { elementCount, scalar } from "../graph/tensor";
import type { Workspace } from "./workspace";

/** x where the value is x * x or x to the power of 2. */
function squareRoot(w: Workspace, value: string): string | undefined {
  const node = w.writer(value);
  if (node === undefined || node.domain !== "") return undefined;
  const [a, b] = node.inputs as [string, string];
  if (node.operator === "Mul") return a === b ? a : undefined;
  if (node.operator !== "Pow") return undefined;
  const exponent = w.constant(b);
  return exponent !== undefined && elementCount(exponent.shape) === 1 && exponent.data[0] === 2 ? a : undefined;
}

/** The number of entries that a reduction node reduces into one. */
function reducedCount(w: Workspace, node: Node): number | undefined {
  const from = w.type(node.inputs[0]!).shape;
  const to = w.type(node.outputs[0]!).shape;
  return from === undefined || to === undefined ? undefined : elementCount(from) / elementCount(to);
}

/** Rewrites ReduceMean and ReduceSum of squares, and mean of squares minus squared mean; true if there was one. */
export function quadraticForm(w: Workspace): boolean {
  if (!w.nodes.some((n) => isReduction(n) && squareRoot(w, n.inputs[0]!) !== undefined)) return false;
  w.rewrite((node) => {
    if (isReduction(node)) {
      const x = squareRoot(w, node.inputs[0]!);
      if (x !== undefined && sameShape(w, x, node.inputs[0]!)) {
        sumOfSquares(w, node, x, node.operator === "ReduceMean");
        return;
      }
    }
    if (node.domain === "" && node.operator === "Sub" && variance(w, node)) return;
    w.add(node);
  });
  return true;
}

function isReduction(node: Node): boolean {
  return node.domain === "" && (node.operator === "ReduceMean" || node.operator === "ReduceSum");
}

function sameShape(w: Workspace, a: string, b: string): boolean {
  return String(w.type(a).shape) === String(w.type(b).shape);
}

/** Adds the sum (or mean) of squares of x over the axes of the reduction `node`, under its output's name. */
function sumOfSquares(w: Workspace, node: Node, x: string, isMean: boolean): void {
  const count = isMean ? reducedCount(w, node) : 1;
  const inputs = [x, ...node.inputs.slice(1)];
  if (count === undefined || !isMean) {
    w.add(isMean ? node : { ...node, operator: "ReduceSumSquare", inputs });
    return;
  }
  const sum = w.fresh(`${node.name}/ReduceSumSquare`);
  w.add({ ...node, name: sum, operator: "ReduceSumSquare", inputs, outputs: [sum] });
  const share = w.addConstant(scalar(1 / count, w.type(node.outputs[0]!).type));
  w.add({ ...node, operator: "Mul", inputs: [sum, share], attributes: {} });
}

/** mean(x^2) - mean(x)^2 over the same axes becomes the mean of squares of x - mean(x); true where it was that. */
function variance(w: Workspace, node: Node): boolean {
  const [mean2, squared] = node.inputs as [string, string];
  const root = squareRoot(w, squared);
  const mean = root === undefined ? undefined : w.writer(root);
  const product = w.writer(mean2);
  if (mean?.operator !== "ReduceMean" || product?.operator !== "Mul" || mean.domain !== "") return false;
  const sum = w.writer(product.inputs[0]!);
  const share = w.constant(product.inputs[1]!)?.data;
  const x = mean.inputs[0]!;
  const count = reducedCount(w, mean);
  if (sum?.operator !== "ReduceSumSquare" || sum.inputs[0] !== x || sum.inputs[1] !== mean.inputs[1]) return false;
  if (count === undefined || share?.length !== 1 || Math.abs(share[0]! * count - 1) > 1e-12) return false;
  if (mean.attributes["keepdims"] !== sum.attributes["keepdims"]) return false;
  const value = (operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}) => {
    const output = w.fresh(`${node.name}/${operator}`);
    w.add({ ...node, name: output, operator, inputs, outputs: [output], attributes });
    return w.resolve(output);
  };
  const kept = value("ReduceMean", mean.inputs, { ...mean.attributes, keepdims: 1 });
  const centred = value("Sub", [x, kept]);
  const squares = value("ReduceSumSquare", [centred, ...sum.inputs.slice(1)], sum.attributes);
  w.add({ ...node, operator: "Mul", inputs: [squares, product.inputs[1]!], attributes: {} });
  return true;
}
