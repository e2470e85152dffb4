/**
 * @file Constants that are functions of sizes: the share 1 / n of a mean that was written as a sum, and the scale of
 * attention scores. A twin with the old ones would saturate.
 */
import type { Node } from "../../graph/graph";
import { elementCount, type Shape } from "../../graph/tensor";
import type { Survey } from "./survey";

/** A constant operand and its value in the twin. */
export interface Factor {
  readonly operand: number;
  readonly value: number;
}

const SUMS: ReadonlySet<string> = new Set(["ReduceSum", "ReduceSumSquare", "ReduceL1"]);
const EXPONENTS = [-0.5, -0.25, 0.5, 0.25] as const;

/** The constant of a product or quotient, where it is a function of a size that shrinks. */
export function rescaled(survey: Survey, node: Node, newShape: (value: string) => Shape | undefined): Factor | undefined {
  if (node.domain !== "" || (node.operator !== "Mul" && node.operator !== "Div")) return undefined;
  const { graph } = survey;
  const operand = node.inputs.findIndex((i) => {
    const c = graph.constants.get(i);
    return c !== undefined && elementCount(c.shape) === 1;
  });
  if (operand < 0) return undefined;
  const value = graph.constants.get(node.inputs[operand]!)!.data[0]!;
  const other = node.inputs[1 - operand]!;
  const writer = survey.writer(other);
  if (writer && writer.domain === "" && SUMS.has(writer.operator)) {
    const counts = (shape: (v: string) => Shape | undefined) => {
      const [from, to] = [shape(writer.inputs[0]!), shape(other)];
      return from && to ? elementCount(from) / elementCount(to) : undefined;
    };
    const before = counts((v) => graph.types.get(v)?.shape);
    const after = counts(newShape);
    if (before === undefined || after === undefined) return undefined;
    if (node.operator === "Mul" && near(value * before, 1)) return { operand, value: 1 / after };
    if (node.operator === "Div" && operand === 1 && near(value, before)) return { operand, value: after };
    return undefined;
  }
  // A power of the contracted size, before or after a product of matrices.
  const product = writer?.operator === "MatMul" ? writer : survey.readers(node.outputs[0]!).find((n) => n.operator === "MatMul");
  const left = product?.inputs[0];
  if (left === undefined) return undefined;
  const before = graph.types.get(left)?.shape?.at(-1);
  const after = newShape(left)?.at(-1);
  if (before === undefined || after === undefined || before === 1) return undefined;
  for (const e of EXPONENTS) if (near(value, before ** e)) return { operand, value: after ** e };
  return undefined;
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-5 * Math.abs(b);
}
