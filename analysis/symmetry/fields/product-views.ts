/**
 * @file Contractions of two tensors as plain matrix products: their axes in the order [batch, rows, summed] on the left and
 * [batch, summed, columns] on the right, whatever the operator and the equation.
 */
import { type Node, stringAttribute } from "../../graph/graph";
import { elementCount, type Shape, type Tensor } from "../../graph/tensor";
import { parseEinsum } from "../../operators/einsum";
import { permute } from "../../operators/kernels/strided";

/** An operand as a stack of matrices: its axes in this order, in three runs of the given sizes. */
export interface MatrixView {
  readonly order: readonly number[];
  readonly shape: readonly [batch: number, rows: number, columns: number];
}

/** Both operands of a contraction as stacks of matrices that are multiplied one by one. */
export interface ProductViews {
  readonly left: MatrixView;
  readonly right: MatrixView;
  /** Axes of the left operand that are summed over. */
  readonly summed: readonly number[];
}

/** The views of a MatMul or Einsum of two operands of given shapes; undefined for any other node and for diagonals and lone sums. */
export function productViews(node: Node, left: Shape, right: Shape): ProductViews | undefined {
  const letters = lettersOf(node, left, right);
  if (!letters) return undefined;
  const [a, b, output] = letters;
  if (new Set(a).size < a.length || new Set(b).size < b.length) return undefined;
  // What one operand has alone and the output has not is summed before the product.
  if (a.some((l) => !b.includes(l) && !output.includes(l)) || b.some((l) => !a.includes(l) && !output.includes(l)))
    return undefined;
  const shared = a.filter((l) => b.includes(l));
  if (shared.some((l) => left[a.indexOf(l)] !== right[b.indexOf(l)])) return undefined;
  const batch = shared.filter((l) => output.includes(l));
  const summed = shared.filter((l) => !output.includes(l));
  if (summed.length === 0) return undefined;
  const own = (term: readonly string[]) => term.filter((l) => !shared.includes(l));
  return {
    left: view(a, left, [batch, own(a), summed]),
    right: view(b, right, [batch, summed, own(b)]),
    summed: summed.map((l) => a.indexOf(l)),
  };
}

/** The tensor's entries as the view has them, in an array of their own. */
export function viewed(tensor: Tensor, { order, shape }: MatrixView): Tensor {
  return { type: "float64", shape, data: permute(tensor.data, tensor.shape, order).slice() };
}

function view(term: readonly string[], shape: Shape, runs: readonly [string[], string[], string[]]): MatrixView {
  const axes = runs.map((run) => run.map((l) => term.indexOf(l)));
  const size = (run: readonly number[]) => elementCount(run.map((axis) => shape[axis]!));
  return { order: axes.flat(), shape: [size(axes[0]!), size(axes[1]!), size(axes[2]!)] };
}

/** One letter per axis of both operands and of the result; axes that are stretched to another's size have letters of their own. */
function lettersOf(node: Node, left: Shape, right: Shape): [string[], string[], string[]] | undefined {
  if (node.inputs.length !== 2) return undefined;
  if (node.operator === "Einsum") {
    const { inputs, output } = parseEinsum(stringAttribute(node, "equation", ""), [left.length, right.length]);
    return [[...inputs[0]!], [...inputs[1]!], [...output]];
  }
  if (node.operator !== "MatMul" || left.length < 2 || right.length < 2) return undefined;
  const batch = (shape: Shape, other: Shape, name: string): string[] =>
    shape.slice(0, -2).map((size, k) => {
      const fromRight = shape.length - k;
      return size === other[other.length - fromRight] ? `batch${fromRight}` : `${name}${fromRight}`;
    });
  const [l, r] = [batch(left, right, "left"), batch(right, left, "right")];
  return [
    [...l, "row", "summed"],
    [...r, "summed", "column"],
    [...l, ...r, "row", "column"],
  ];
}
