/** @file Contractions: MatMul, Gemm, Einsum. */
import { type Node, numberAttribute, stringAttribute } from "../graph/graph";
import type { Shape, Tensor } from "../graph/tensor";
import { multilinearIn } from "./factories";
import { parseEinsum } from "./einsum";
import { einsum, einsumSizes } from "./kernels/einsum";
import { matmul, matmulShapes } from "./kernels/matmul";
import { transposed } from "./kernels/matrix";
import { broadcastBinary, expandTo, sameShape } from "./kernels/strided";
import type { Operator } from "./operator";
import {
  addTangents,
  broadcastShape,
  elementType,
  fail,
  firstType,
  hasInput,
  inputShape,
  required,
  showShape,
  unknownShape,
} from "./rules";

const evaluateMatMul: NonNullable<Operator["evaluate"]> = (node, inputs) => [
  matmul(required(node, inputs, 0), required(node, inputs, 1)),
];

function equationOf(node: Node): string {
  const equation = stringAttribute(node, "equation", "");
  return equation === "" ? fail(node, "attribute equation is absent") : equation;
}

const evaluateEinsum: NonNullable<Operator["evaluate"]> = (node, inputs) => [
  einsum(
    equationOf(node),
    inputs.map((_, i) => required(node, inputs, i)),
  ),
];

/** Shape of op(A) op(B); throws when it contradicts. */
function gemmShape(node: Node, a: Shape, b: Shape): [number, number] {
  if (a.length !== 2 || b.length !== 2) {
    fail(node, `inputs of shapes ${showShape(a)} and ${showShape(b)} are not both matrices`);
  }
  const transA = numberAttribute(node, "transA", 0) !== 0;
  const transB = numberAttribute(node, "transB", 0) !== 0;
  const [m, k] = transA ? [a[1]!, a[0]!] : [a[0]!, a[1]!];
  const [inner, n] = transB ? [b[1]!, b[0]!] : [b[0]!, b[1]!];
  if (k !== inner) fail(node, `inner sizes ${k} and ${inner} differ (shapes ${showShape(a)} and ${showShape(b)})`);
  return [m, n];
}

/** alpha op(A) op(B). */
function gemmProduct(node: Node, a: Tensor, b: Tensor): Tensor {
  const [m, n] = gemmShape(node, a.shape, b.shape);
  const plain = (x: Tensor, flag: string): Tensor => {
    if (numberAttribute(node, flag, 0) === 0) return x;
    const [rows, columns] = [x.shape[0]!, x.shape[1]!];
    return { type: x.type, shape: [columns, rows], data: transposed(x.data, rows, columns) };
  };
  const product = matmul(plain(a, "transA"), plain(b, "transB"));
  const alpha = numberAttribute(node, "alpha", 1);
  return { type: a.type, shape: [m, n], data: alpha === 1 ? product.data : product.data.map((v) => alpha * v) };
}

/** beta C broadcast to the output. */
function gemmBias(node: Node, c: Tensor, shape: Shape): Tensor {
  const beta = numberAttribute(node, "beta", 1);
  const data = expandTo(c.data, c.shape, shape);
  return { type: c.type, shape, data: beta === 1 ? data : data.map((v) => beta * v) };
}

/** Contractions. */
export const contractionOperators: readonly Operator[] = [
  {
    name: "MatMul",
    infer(_node, context) {
      const a = inputShape(context, 0);
      const b = inputShape(context, 1);
      const type = firstType(context);
      return [a === undefined || b === undefined ? unknownShape(type) : { type, shape: matmulShapes(a, b).output }];
    },
    evaluate: evaluateMatMul,
    tangent: multilinearIn(evaluateMatMul, [0, 1]),
  },
  {
    name: "Gemm",
    infer(node, context) {
      const a = inputShape(context, 0);
      const b = inputShape(context, 1);
      const type = elementType(context, 0);
      if (a === undefined || b === undefined) return [unknownShape(type)];
      const shape = gemmShape(node, a, b);
      const c = inputShape(context, 2);
      if (c !== undefined && !sameShape(broadcastShape(node, [c, shape]), shape)) {
        fail(node, `a bias of shape ${showShape(c)} does not broadcast to ${showShape(shape)}`);
      }
      return [{ type, shape }];
    },
    evaluate(node, inputs) {
      const product = gemmProduct(node, required(node, inputs, 0), required(node, inputs, 1));
      if (!hasInput(node, 2)) return [product];
      const bias = gemmBias(node, required(node, inputs, 2), product.shape);
      const shape = product.shape;
      return [{ ...product, data: broadcastBinary(product.data, shape, bias.data, shape, shape, (u, v) => u + v) }];
    },
    tangent(node, x, y, dx) {
      const [a, b, c] = dx;
      return addTangents(
        addTangents(a && gemmProduct(node, a, required(node, x, 1)), b && gemmProduct(node, required(node, x, 0), b)),
        c && gemmBias(node, c, y.shape),
      );
    },
  },
  {
    name: "Einsum",
    infer(node, context) {
      const type = firstType(context);
      const shapes: Shape[] = [];
      for (const input of context.inputs) {
        if (input.shape === undefined) return [unknownShape(type)];
        shapes.push(input.shape);
      }
      const plan = parseEinsum(
        equationOf(node),
        shapes.map((s) => s.length),
      );
      const sizes = einsumSizes(plan, shapes);
      return [{ type, shape: plan.output.map((label) => sizes.get(label)!) }];
    },
    evaluate: evaluateEinsum,
    tangent: multilinearIn(evaluateEinsum),
  },
];
