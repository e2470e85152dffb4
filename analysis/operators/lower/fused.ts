/** @file Operators that ONNX Runtime fuses, apart from attention and normalisation. */
import { numberAttribute } from "../../graph/graph";
import type { Lowering } from "../operator";
import { namedActivation } from "./activation";
import { geluExact, geluTanh, input, plus, positive, range, reshape, shapeOf, slice, transpose } from "./build";
import { lowerFusedMatMul } from "./contraction";
import { fusedConvolution } from "./convolution";

/** BiasGelu: gelu(x + bias). */
export function lowerBiasGelu(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  return x === undefined ? undefined : [geluExact(l, plus(l, x, input(l, 1)))];
}

/** FastGelu: the tanh form of gelu(x + bias). */
export function lowerFastGelu(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  return x === undefined ? undefined : [geluTanh(l, plus(l, x, input(l, 1)))];
}

/** GemmFastGelu: the tanh form of gelu(x w + bias). */
export function lowerGemmFastGelu(l: Lowering): readonly string[] | undefined {
  const [x, w] = [input(l, 0), input(l, 1)];
  return x && w ? [geluTanh(l, plus(l, l.add("MatMul", [x, w]), input(l, 2)))] : undefined;
}

/** BiasSplitGelu: the first half of x + bias times gelu of the second half. */
export function lowerBiasSplitGelu(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (x === undefined || shape === undefined) return undefined;
  const last = shape.length - 1;
  const half = shape[last]! / 2;
  const sum = plus(l, x, input(l, 1));
  return [l.add("Mul", [slice(l, sum, last, 0, half), geluExact(l, slice(l, sum, last, half, 2 * half))])];
}

/** BiasAdd: x + bias + skip; BiasDropout: dropout(x + bias) + residual. */
export function lowerBiasAdd(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  if (x === undefined || (l.node.outputs[1] ?? "") !== "") return undefined;
  return [plus(l, plus(l, x, input(l, 1)), input(l, 2))];
}

/** BiasSoftmax: softmax(x + bias) over the axes from `axis` on; the bias repeats along inner or outer batch axes. */
export function lowerBiasSoftmax(l: Lowering): readonly string[] | undefined {
  const [x, bias] = [input(l, 0), input(l, 1)];
  const [shape, biasShape] = [shapeOf(l, x), shapeOf(l, bias)];
  if (!x || !bias || !shape || !biasShape) return undefined;
  const axis = positive(numberAttribute(l.node, "axis", 1), shape.length);
  if (axis !== shape.length - 1 || biasShape.length > shape.length) return undefined;
  return [l.add("Softmax", [l.add("Add", [x, bias])], { axis })];
}

/** FusedMatMulActivation: FusedMatMul and an activation. */
export function lowerFusedMatMulActivation(l: Lowering): readonly string[] | undefined {
  const product = lowerFusedMatMul(l);
  const y = product?.[0] === undefined ? undefined : namedActivation(l, product[0]);
  return y === undefined ? undefined : [y];
}

/** NhwcConv and NhwcFusedConv: Conv with the channels last. */
export function lowerChannelsLastConv(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const rank = shapeOf(l, x)?.length;
  if (x === undefined || rank === undefined || rank < 3) return undefined;
  const toFront = [0, rank - 1, ...range(1, rank - 1)];
  const toBack = [0, ...range(2, rank), 1];
  const z = input(l, 3);
  const y = fusedConvolution(l, transpose(l, x, toFront), z === undefined ? undefined : transpose(l, z, toFront));
  return y === undefined ? undefined : [transpose(l, y, toBack)];
}

/** TorchEmbedding: rows of a table. */
export function lowerTorchEmbedding(l: Lowering): readonly string[] | undefined {
  const [table, indices] = [input(l, 0), input(l, 1)];
  return table && indices ? [l.add("Gather", [table, indices], { axis: 0 })] : undefined;
}

/** ExpandDims: a new axis of size 1. */
export function lowerExpandDims(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const target = shapeOf(l, l.node.outputs[0]);
  return x === undefined || target === undefined ? undefined : [reshape(l, x, target)];
}
