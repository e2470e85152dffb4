/**
 * @file Fused attention as what it is made of: projections split into heads, a product of queries and keys, masks that are
 * added, Softmax, and a product with the values.
 */
import { numberAttribute } from "../../graph/graph";
import { isFloating, scalar, tensor } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { concat, input, outputs, range, reshape, scaled, shapeOf, transpose } from "./build";

/** What attention of any kind computes from; queries, keys and values are [B, heads, length, size]. */
export interface Heads {
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly scale: number | undefined;
  readonly softcap: number;
  /** Added to the scores, each broadcasting to [B, heads, queries, keys]. */
  readonly biases: readonly string[];
}

/** What attention gives, and what it was made of. */
export interface Attended {
  /** [B, heads, queries, size of values]. */
  readonly value: string;
  readonly raw: string;
  readonly capped: string;
  readonly biased: string;
  readonly probabilities: string;
}

/** softmax(scale q k' + biases) v; key and value heads are shared by groups of query heads where there are fewer. */
export function attend(l: Lowering, h: Heads): Attended {
  const q = shapeOf(l, h.q)!;
  const k = shapeOf(l, h.k)!;
  const [batch, heads, queries, size] = q as [number, number, number, number];
  const [, kvHeads, keys] = k as [number, number, number, number];
  const group = heads / kvHeads;
  const scale = h.scale ?? 1 / Math.sqrt(size);
  // A group axis that keys and values broadcast along says that they are shared, without copies of them.
  const query = group === 1 ? h.q : reshape(l, h.q, [batch, kvHeads, group, queries, size]);
  const shared = (x: string): string => {
    const [b, n, length, d] = shapeOf(l, x) as [number, number, number, number];
    return group === 1 ? x : reshape(l, x, [b, n, 1, length, d]);
  };
  const swap = group === 1 ? [0, 1, 3, 2] : [0, 1, 2, 4, 3];
  const product = l.add("MatMul", [query, transpose(l, shared(h.k), swap)]);
  const raw = scaled(l, group === 1 ? product : reshape(l, product, [batch, heads, queries, keys]), scale);
  const capped = h.softcap > 0 ? scaled(l, l.add("Tanh", [scaled(l, raw, 1 / h.softcap)]), h.softcap) : raw;
  let biased = capped;
  for (const bias of h.biases) biased = l.add("Add", [biased, bias]);
  const probabilities = l.add("Softmax", [biased], { axis: 3 });
  const grouped = group === 1 ? probabilities : reshape(l, probabilities, [batch, kvHeads, group, queries, keys]);
  const mixed = l.add("MatMul", [grouped, shared(h.v)]);
  const width = shapeOf(l, h.v)![3]!;
  const value = group === 1 ? mixed : reshape(l, mixed, [batch, heads, queries, width]);
  return { value, raw, capped, biased, probabilities };
}

/** [B, L, heads * size] as [B, heads, L, size]; undefined where the heads do not divide it. */
export function splitHeads(l: Lowering, x: string, heads: number): string | undefined {
  const shape = shapeOf(l, x);
  if (shape?.length !== 3 || heads < 1 || shape[2]! % heads !== 0) return undefined;
  return transpose(l, reshape(l, x, [shape[0]!, shape[1]!, heads, shape[2]! / heads]), [0, 2, 1, 3]);
}

/** [B, heads, L, size] as [B, L, heads * size]. */
export function joinHeads(l: Lowering, x: string): string {
  const [batch, heads, length, size] = shapeOf(l, x) as [number, number, number, number];
  return reshape(l, transpose(l, x, [0, 2, 1, 3]), [batch, length, heads * size]);
}

/** A scalar constant of the element type of another value; float32 where that is not floating. */
export function number(l: Lowering, like: string, value: number): string {
  const type = l.type(like).type;
  return l.addConstant(scalar(value, isFloating(type) ? type : "float32"));
}

/** 0 where a boolean tensor holds and -infinity elsewhere. */
function additive(l: Lowering, mask: string, like: string): string {
  return l.add("Where", [mask, number(l, like, 0), number(l, like, Number.NEGATIVE_INFINITY)]);
}

/** The additive mask under which query i sees the keys up to i + offset, and from there back `window` ones. */
export function causalBias(l: Lowering, like: string, queries: number, keys: number, offset: number, window = 0): string {
  const data = new Float64Array(queries * keys);
  for (let i = 0; i < queries; i++) {
    for (let j = 0; j < keys; j++) {
      const distance = i + offset - j;
      if (distance < 0 || (window > 0 && distance >= window)) data[i * keys + j] = Number.NEGATIVE_INFINITY;
    }
  }
  return l.addConstant(tensor([queries, keys], data, l.type(like).type));
}

/** Keys or values behind those of a cache. */
export function behind(l: Lowering, past: string | undefined, present: string): string {
  return past === undefined || shapeOf(l, past)?.[2] === 0 ? present : concat(l, [past, present], 2);
}

/** The attention mask of the standard operator as something to add, padded to all keys. */
function standardMask(l: Lowering, mask: string, like: string, keys: number): string | undefined {
  const shape = shapeOf(l, mask);
  if (shape === undefined || shape.length === 0) return undefined;
  const bias = l.type(mask).type === "bool" ? additive(l, mask, like) : mask;
  const short = keys - shape[shape.length - 1]!;
  if (short <= 0 || shape[shape.length - 1] === 1) return bias;
  const pads = [...new Array<number>(2 * shape.length - 1).fill(0), short];
  const amounts = l.addConstant(tensor([pads.length], pads, "int64"));
  return l.add("Pad", [bias, amounts, number(l, like, Number.NEGATIVE_INFINITY)], { mode: "constant" });
}

/** Masks of the keys behind each example's length, and of the causal frontier that then depends on it. */
function lengthBias(l: Lowering, lengths: string, like: string, queries: number, keys: number, causal: boolean): string {
  const type = l.type(lengths).type;
  const batch = shapeOf(l, lengths)![0]!;
  const column = reshape(l, lengths, [batch, 1, 1, 1]);
  const inside = l.add("Less", [l.addConstant(tensor([1, 1, 1, keys], range(0, keys), type)), column]);
  if (!causal) return additive(l, inside, like);
  // Key j is seen by query i when j - i + queries <= length.
  const ahead = range(0, queries).flatMap((i) => range(0, keys).map((j) => j - i + queries));
  const seen = l.add("LessOrEqual", [l.addConstant(tensor([1, 1, queries, keys], ahead, type)), column]);
  return additive(l, l.add("And", [inside, seen]), like);
}

/** Attention of the standard domain (opset 23, 24): 3D and 4D forms, grouped heads, masks, caches, softcap. */
export function lowerAttention(l: Lowering): readonly string[] | undefined {
  const [q0, k0, v0] = l.node.inputs;
  const rank = shapeOf(l, q0)?.length;
  if (!q0 || !k0 || !v0 || shapeOf(l, k0)?.length !== rank || shapeOf(l, v0)?.length !== rank) return undefined;
  if (rank !== 3 && rank !== 4) return undefined;
  const headsOf = (x: string, name: string) => (rank === 4 ? x : splitHeads(l, x, numberAttribute(l.node, name, 0)));
  const q = headsOf(q0, "q_num_heads");
  const k1 = headsOf(k0, "kv_num_heads");
  const v1 = headsOf(v0, "kv_num_heads");
  if (!q || !k1 || !v1) return undefined;
  const past = input(l, 4);
  const k = behind(l, past, k1);
  const v = behind(l, input(l, 5), v1);
  const [queries, keys] = [shapeOf(l, q)?.[2], shapeOf(l, k)?.[2]];
  if (queries === undefined || keys === undefined || shapeOf(l, q)![1]! % shapeOf(l, k)![1]! !== 0) return undefined;
  const causal = numberAttribute(l.node, "is_causal", 0) === 1;
  const biases: string[] = [];
  const mask = input(l, 3);
  if (mask !== undefined) {
    const bias = standardMask(l, mask, q, keys);
    if (bias === undefined) return undefined;
    biases.push(bias);
  }
  const lengths = input(l, 6);
  if (causal && (lengths === undefined || past !== undefined)) {
    const cached = past === undefined ? 0 : shapeOf(l, past)![2]!;
    biases.push(causalBias(l, q, queries, keys, cached));
  }
  if (lengths !== undefined) biases.push(lengthBias(l, lengths, q, queries, keys, causal && past === undefined));
  const given = l.node.attributes["scale"];
  const scale = typeof given === "number" ? given : undefined;
  const result = attend(l, { q, k, v, scale, softcap: numberAttribute(l.node, "softcap", 0), biases });
  const stages = [result.raw, result.capped, result.biased, result.probabilities];
  return outputs(
    l,
    () => (rank === 3 ? joinHeads(l, result.value) : result.value),
    () => k,
    () => v,
    () => stages[numberAttribute(l.node, "qk_matmul_output_mode", 0)] ?? result.raw,
  );
}
