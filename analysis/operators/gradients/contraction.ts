/** @file Gradients of matrix products. */
import { numberAttribute, stringAttribute } from "../../graph/graph";
import { elementCount, type Shape } from "../../graph/tensor";
import { parseEinsum } from "../einsum";
import { range, reduce, reshape, scaled, transpose } from "../lower/build";
import type { Gradient } from "../operator";
import { expandTo, type GradientRule, only, unbroadcast } from "./common";

/** x with its last two axes exchanged. */
function swapped(g: Gradient, x: string): string {
  const rank = g.shape(x).length;
  return transpose(g, x, [...range(0, rank - 2), rank - 1, rank - 2]);
}

/** A value as a matrix: all axes but the last in one. */
function asMatrix(g: Gradient, x: string): string {
  const shape = g.shape(x);
  return shape.length === 2 ? x : reshape(g, x, [elementCount(shape.slice(0, -1)), shape.at(-1)!]);
}

/** A B. A weight matrix under a batch of matrices is one Gemm over all rows, instead of a sum of products. */
const matMul: GradientRule = (g) => {
  const [a, b] = g.node.inputs as [string, string];
  const [shapeA, shapeB] = [g.shape(a), g.shape(b)];
  let dy = only(g);
  if (shapeA.length === 1 || shapeB.length === 1) {
    // A vector is a matrix with one row (left) or column (right).
    const left: Shape = shapeA.length === 1 ? [1, shapeA[0]!] : shapeA;
    const right: Shape = shapeB.length === 1 ? [shapeB[0]!, 1] : shapeB;
    const out = g.shape(dy);
    const rows = shapeA.length === 1 ? [1] : [];
    const columns = shapeB.length === 1 ? [1] : [];
    const body = shapeA.length === 1 ? out : out.slice(0, -1);
    dy =
      shapeA.length === 1 && shapeB.length > 1
        ? reshape(g, dy, [...out.slice(0, -1), 1, out.at(-1)!])
        : reshape(g, dy, [...(shapeB.length === 1 && shapeA.length > 1 ? out : body), ...rows, ...columns]);
    const [da, db] = products(g, reshape(g, a, left), reshape(g, b, right), dy);
    return [da && reshape(g, da, shapeA), db && reshape(g, db, shapeB)];
  }
  return products(g, a, b, dy);
};

function products(g: Gradient, a: string, b: string, dy: string): [string | undefined, string | undefined] {
  const [shapeA, shapeB] = [g.shape(a), g.shape(b)];
  if (shapeB.length === 2) {
    const [rows, columns] = shapeB as [number, number];
    const flat = asMatrix(g, dy);
    const da = () => {
      const out = g.add("Gemm", [flat, b], { transB: 1 });
      return shapeA.length === 2 ? out : reshape(g, out, [...shapeA.slice(0, -1), rows]);
    };
    const db = () => g.add("Gemm", [asMatrix(g, a), flat], { transA: 1 });
    return [g.wants(0) ? da() : undefined, g.wants(1) ? reshapeTo(g, db(), [rows, columns]) : undefined];
  }
  return [
    g.wants(0) ? unbroadcast(g, g.add("MatMul", [dy, swapped(g, b)]), shapeA) : undefined,
    g.wants(1) ? unbroadcast(g, g.add("MatMul", [swapped(g, a), dy]), shapeB) : undefined,
  ];
}

function reshapeTo(g: Gradient, x: string, shape: Shape): string {
  const own = g.shape(x);
  return own.length === shape.length && own.every((d, i) => d === shape[i]) ? x : reshape(g, x, shape);
}

/** alpha op(A) op(B) + beta C. */
const gemm: GradientRule = (g) => {
  const [a, b, c] = g.node.inputs as [string, string, string | undefined];
  const dy = only(g);
  const alpha = numberAttribute(g.node, "alpha", 1);
  const [transA, transB] = [numberAttribute(g.node, "transA", 0), numberAttribute(g.node, "transB", 0)];
  const product = (x: string, y: string, tx: number, ty: number) => g.add("Gemm", [x, y], { alpha, transA: tx, transB: ty });
  const da = () => (transA === 0 ? product(dy, b, 0, 1 - transB) : product(b, dy, transB, 1));
  const db = () => (transB === 0 ? product(a, dy, 1 - transA, 0) : product(dy, a, 1, transA));
  const dc = () => scaled(g, unbroadcast(g, dy, g.shape(c!)), numberAttribute(g.node, "beta", 1));
  return [g.wants(0) ? da() : undefined, g.wants(1) ? db() : undefined, g.wants(2) ? dc() : undefined];
};

/**
 * Einsum of one or two operands: the gradient of an operand is the Einsum of dy with the other one. Letters that only this
 * operand has were summed over and are expanded; a repeated letter (a diagonal) is not covered.
 */
const einsum: GradientRule = (g) => {
  const { inputs } = g.node;
  const dy = only(g);
  if (inputs.length > 2) throw new Error("more than two operands are not covered; they are lowered first");
  const equation = stringAttribute(g.node, "equation", "");
  const parsed = parseEinsum(
    equation,
    inputs.map((i) => g.shape(i).length),
  );
  const alphabet = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  const short = new Map<string, string>();
  const name = (letter: string): string => {
    if (!short.has(letter)) short.set(letter, alphabet[short.size] ?? "");
    return short.get(letter)!;
  };
  const terms = parsed.inputs.map((t) => t.map(name));
  const output = parsed.output.map(name);
  if (terms.some((t) => new Set(t).size !== t.length)) throw new Error(`a repeated letter in ${equation} is not covered`);
  const sizes = new Map<string, number>();
  for (const [k, t] of terms.entries()) {
    t.forEach((letter, axis) => sizes.set(letter, Math.max(sizes.get(letter) ?? 1, g.shape(inputs[k]!)[axis]!)));
  }
  return inputs.map((x, k) => {
    if (!g.wants(k)) return undefined;
    const own = terms[k]!;
    const other = inputs.length === 2 ? 1 - k : undefined;
    const known = new Set([...output, ...(other === undefined ? [] : terms[other]!)]);
    const reached = own.filter((letter) => known.has(letter));
    const operands = other === undefined ? [dy] : [dy, inputs[other]!];
    const left = other === undefined ? [output] : [output, terms[other]!];
    let value = g.add("Einsum", operands, { equation: `${left.map((t) => t.join("")).join(",")}->${reached.join("")}` });
    if (reached.length < own.length) {
      value = reshape(
        g,
        value,
        own.map((letter) => (known.has(letter) ? sizes.get(letter)! : 1)),
      );
      value = expandTo(
        g,
        value,
        own.map((letter) => sizes.get(letter)!),
      );
    }
    // A size of 1 that was broadcast against a larger one.
    const shape = g.shape(x);
    const broadcast = range(0, own.length).filter((axis) => shape[axis] === 1 && sizes.get(own[axis]!)! > 1);
    return broadcast.length === 0 ? value : reduce(g, "ReduceSum", value, broadcast);
  });
};

/** By operator: matrix products and einsum. */
export const contractionGradients: Readonly<Record<string, GradientRule>> = { MatMul: matMul, Gemm: gemm, Einsum: einsum };
