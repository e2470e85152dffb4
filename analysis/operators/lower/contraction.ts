/** @file Contractions with extras (Gemm and ONNX Runtime's fused products) as MatMul and element-wise operators. */
import { numberAttribute } from "../../graph/graph";
import type { Lowering } from "../operator";
import { input, plus, range, scaled, shapeOf, transpose } from "./build";
import { namedActivation } from "./activation";

/** alpha A' B' + beta C, with A' and B' transposed on demand. */
function gemm(l: Lowering): string | undefined {
  const [a, b] = l.node.inputs;
  if (!a || !b) return undefined;
  const c = input(l, 2);
  const left = numberAttribute(l.node, "transA", 0) === 0 ? a : transpose(l, a, [1, 0]);
  const right = numberAttribute(l.node, "transB", 0) === 0 ? b : transpose(l, b, [1, 0]);
  const product = scaled(l, l.add("MatMul", [left, right]), numberAttribute(l.node, "alpha", 1));
  const beta = numberAttribute(l.node, "beta", 1);
  return c === undefined || beta === 0 ? product : plus(l, product, scaled(l, c, beta));
}

/** Gemm: [Transpose] MatMul, Mul by alpha and beta, Add. */
export function lowerGemm(l: Lowering): readonly string[] | undefined {
  const y = gemm(l);
  return y === undefined ? undefined : [y];
}

/** com.microsoft FusedGemm and GemmFastGelu's relatives: Gemm and an activation. */
export function lowerFusedGemm(l: Lowering): readonly string[] | undefined {
  const y = gemm(l);
  const z = y === undefined ? undefined : namedActivation(l, y);
  return z === undefined ? undefined : [z];
}

/** The permutation that a fused product's transposition attributes ask for. */
function fusedOrder(rank: number, inner: boolean, batch: boolean): number[] {
  // transBatch moves the first axis behind the other batch axes: [B, .., M, K] is stored as [M, B, .., K].
  let order = range(0, rank);
  if (batch) order = [...range(1, rank - 1), 0, rank - 1];
  if (inner) order = [...order.slice(0, -2), order[rank - 1]!, order[rank - 2]!];
  return order;
}

/** com.microsoft FusedMatMul and TransposeMatMul: alpha op(A) op(B). */
export function lowerFusedMatMul(l: Lowering): readonly string[] | undefined {
  const [a, b] = l.node.inputs;
  const shapes = [shapeOf(l, a), shapeOf(l, b)];
  if (!a || !b || !shapes[0] || !shapes[1]) return undefined;
  const operand = (x: string, rank: number, side: "A" | "B"): string => {
    const inner = numberAttribute(l.node, `trans${side}`, 0) === 1;
    const batch = numberAttribute(l.node, `transBatch${side}`, 0) === 1;
    return rank < 2 || (!inner && !batch) ? x : transpose(l, x, fusedOrder(rank, inner, batch));
  };
  const product = l.add("MatMul", [operand(a, shapes[0].length, "A"), operand(b, shapes[1].length, "B")]);
  return [scaled(l, product, numberAttribute(l.node, "alpha", 1))];
}
