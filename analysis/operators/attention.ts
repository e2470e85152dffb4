/**
 * @file Attention operators: of the standard domain (opset 23 on) and those that ONNX Runtime fuses. Their value is that
 * of their lowered form (see lower/attention); here are their shape rules.
 */
import { type Node, numberAttribute, numbersAttribute } from "../graph/graph";
import type { Shape, TensorType } from "../graph/tensor";
import { lowerAttention } from "./lower/attention";
import * as fused from "./lower/fused-attention";
import { lowerFusedRotaryEmbedding, lowerRotaryEmbedding } from "./lower/rotary";
import type { InferenceContext, Operator } from "./operator";

const MICROSOFT = "com.microsoft";

function types(node: Node, type: TensorType["type"], shapes: readonly (Shape | undefined)[]): readonly TensorType[] {
  return node.outputs.map((_, i) => ({ type, shape: shapes[i] }));
}

/** Size per head of [B, L, heads * size]; throws where the heads do not divide it. */
function headSize(node: Node, width: number | undefined, heads: number, what: string): number {
  if (width === undefined) throw new Error(`${node.operator}: the ${what} have no axis of channels`);
  if (heads < 1 || width % heads !== 0) {
    throw new Error(`${node.operator}: the ${what} have ${width} channels, which ${heads} heads do not divide`);
  }
  return width / heads;
}

function inferAttention(node: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const [q, k, v] = inputs.map((i) => i.shape);
  const type = inputs[0]?.type ?? "other";
  if (!q || !k || !v) return types(node, type, []);
  if (q.length !== k.length || q.length !== v.length || (q.length !== 3 && q.length !== 4)) {
    throw new Error(`Attention: queries, keys and values have ranks ${q.length}, ${k.length} and ${v.length}, not all 3 or 4`);
  }
  const past = inputs[4]?.shape?.[2] ?? 0;
  if (q.length === 4) {
    const [batch, heads, queries] = q as [number, number, number];
    const total = past + k[2]!;
    return types(node, type, [
      [batch, heads, queries, v[3]!],
      [batch, k[1]!, total, k[3]!],
      [batch, v[1]!, total, v[3]!],
      [batch, heads, queries, total],
    ]);
  }
  const heads = numberAttribute(node, "q_num_heads", 0);
  const kvHeads = numberAttribute(node, "kv_num_heads", 0);
  headSize(node, q[2]!, heads, "queries");
  const [keySize, valueSize] = [headSize(node, k[2]!, kvHeads, "keys"), headSize(node, v[2]!, kvHeads, "values")];
  const total = past + k[1]!;
  return types(node, type, [
    [q[0]!, q[1]!, heads * valueSize],
    [q[0]!, kvHeads, total, keySize],
    [q[0]!, kvHeads, total, valueSize],
    [q[0]!, heads, q[1]!, total],
  ]);
}

function inferFusedAttention(node: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const [x, w] = inputs.map((i) => i.shape);
  const type = inputs[0]?.type ?? "other";
  if (!x || !w) return types(node, type, []);
  if (x.length !== 3 || x[2] !== w[0]) {
    throw new Error(`Attention: input [${x.join(", ")}] does not fit the weights [${w.join(", ")}]`);
  }
  const third = w[1]! / 3;
  const sizes = numbersAttribute(node, "qkv_hidden_sizes") ?? [third, third, third];
  const heads = numberAttribute(node, "num_heads", 1);
  const past = inputs[4]?.shape?.[3] ?? 0;
  const present = [2, x[0]!, heads, past + x[1]!, headSize(node, sizes[1]!, heads, "keys")];
  return types(node, type, [[x[0]!, x[1]!, sizes[2]!], present]);
}

function inferMultiHeadAttention(node: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const [q, k, v] = inputs.map((i) => i.shape);
  const type = inputs[0]?.type ?? "other";
  const heads = numberAttribute(node, "num_heads", 1);
  if (!q) return types(node, type, []);
  const past = inputs[6]?.shape?.[2] ?? 0;
  const result = (batch: number, queries: number, keys: number, key: number, value: number) =>
    types(node, type, [
      [batch, queries, heads * value],
      [batch, heads, past + keys, key],
      [batch, heads, past + keys, value],
      [batch, heads, queries, past + keys],
    ]);
  if (q.length === 5) return result(q[0]!, q[1]!, q[1]!, q[4]!, q[4]!);
  if (!k) return types(node, type, []);
  if (k.length === 5) return result(q[0]!, q[1]!, k[1]!, k[4]!, k[4]!);
  if (!v) return types(node, type, []);
  const keys = k.length === 4 ? k[2]! : k[1]!;
  const key = k.length === 4 ? k[3]! : headSize(node, k[2]!, heads, "keys");
  const value = v.length === 4 ? v[3]! : headSize(node, v[2]!, heads, "values");
  return result(q[0]!, q[1]!, keys, key, value);
}

function inferGroupQueryAttention(node: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const [q, k] = inputs.map((i) => i.shape);
  const type = inputs[0]?.type ?? "other";
  const heads = numberAttribute(node, "num_heads", 1);
  const kvHeads = numberAttribute(node, "kv_num_heads", 1);
  if (q?.length !== 3) return types(node, type, []);
  const packed = node.inputs[1] === undefined || node.inputs[1] === "";
  const size = headSize(node, q[2]!, packed ? heads + 2 * kvHeads : heads, "queries");
  const y = [q[0]!, q[1]!, heads * size];
  const past = inputs[3]?.shape;
  const keys = packed ? q[1] : k?.[1];
  // With a cache the length of what is present depends on whether it shares the buffer of the past.
  if (keys === undefined || (past !== undefined && past[2] !== 0)) return types(node, type, [y]);
  const present = [q[0]!, kvHeads, keys, size];
  return types(node, type, [y, present, present]);
}

function inferRotaryEmbedding(node: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const x = inputs[0];
  if (x?.shape !== undefined && x.shape.length !== 3 && x.shape.length !== 4) {
    throw new Error(`RotaryEmbedding: the input has rank ${x.shape.length}, not 3 or 4`);
  }
  return types(node, x?.type ?? "other", [x?.shape]);
}

/** All attention operators of the table. */
export const attentionOperators: readonly Operator[] = [
  { name: "Attention", infer: inferAttention, lower: lowerAttention },
  { name: "RotaryEmbedding", infer: inferRotaryEmbedding, lower: lowerRotaryEmbedding },
  { name: "Attention", domain: MICROSOFT, infer: inferFusedAttention, lower: fused.lowerFusedAttention },
  { name: "MultiHeadAttention", domain: MICROSOFT, infer: inferMultiHeadAttention, lower: fused.lowerMultiHeadAttention },
  { name: "GroupQueryAttention", domain: MICROSOFT, infer: inferGroupQueryAttention, lower: fused.lowerGroupQueryAttention },
  { name: "RotaryEmbedding", domain: MICROSOFT, infer: inferRotaryEmbedding, lower: lowerFusedRotaryEmbedding },
];
