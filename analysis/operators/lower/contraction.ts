/** @file Contractions with extras (Gemm and ONNX Runtime's fused products) as MatMul and element-wise operators. */
import { numberAttribute, stringAttribute } from "../../graph/graph";
import { parseEinsum } from "../einsum";
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

/** The letters of Einsum terms beyond these are replaced: an ellipsis has letters of several characters inside. */
const ALPHABET = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];

/**
 * Einsum of more than two operands: one after the other, each time summing the letters that nobody needs any more. Exact,
 * since sums distribute over products.
 */
export function lowerEinsum(l: Lowering): readonly string[] | undefined {
  const { inputs } = l.node;
  const shapes = inputs.map((i) => shapeOf(l, i));
  if (inputs.length < 3 || shapes.some((s) => s === undefined)) return undefined;
  const parsed = parseEinsum(
    stringAttribute(l.node, "equation", ""),
    shapes.map((s) => s!.length),
  );
  const names = new Map<string, string>();
  const short = (letter: string): string => {
    if (!names.has(letter)) names.set(letter, ALPHABET[names.size] ?? "");
    return names.get(letter)!;
  };
  const terms = parsed.inputs.map((letters) => letters.map(short));
  const output = parsed.output.map(short);
  if ([...names.values()].includes("")) return undefined;
  let value = inputs[0]!;
  let letters: readonly string[] = terms[0]!;
  for (let i = 1; i < inputs.length; i++) {
    const last = i === inputs.length - 1;
    const needed = new Set([...output, ...terms.slice(i + 1).flat()]);
    const kept = last ? output : [...new Set([...letters, ...terms[i]!])].filter((x) => needed.has(x));
    const equation = `${letters.join("")},${terms[i]!.join("")}->${kept.join("")}`;
    value = l.add("Einsum", [value, inputs[i]!], { equation });
    letters = kept;
  }
  return [value];
}
