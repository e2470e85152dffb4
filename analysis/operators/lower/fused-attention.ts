/** @file Attention as ONNX Runtime fuses it (com.microsoft): Attention, MultiHeadAttention, GroupQueryAttention. */
import { numberAttribute, numbersAttribute } from "../../graph/graph";
import { scalar, type Shape, tensor } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { type Attended, attend, behind, causalBias, joinHeads, number, splitHeads } from "./attention";
import { concat, input, outputs, plus, range, reshape, shapeOf, slice, transpose, wants } from "./build";
import { rotate } from "./rotary";

/**
 * ONNX Runtime's mask_index and key_padding_mask as something to add: raw masks (1 attends, 0 does not) of the forms
 * [B, keys], [B, queries, keys] and [B, 1, queries, keys], or lengths [B]. Undefined for other forms.
 */
function paddingBias(l: Lowering, mask: string, like: string, batch: number, queries: number, keys: number): string | undefined {
  const shape = shapeOf(l, mask);
  const filter = numberAttribute(l.node, "mask_filter_value", -10000);
  const fits = (wanted: Shape) => shape?.length === wanted.length && wanted.every((d, i) => shape[i] === d || shape[i] === 1);
  let raw: string;
  if (fits([batch]) && !fits([1, keys])) {
    const positions = l.addConstant(tensor([1, keys], range(0, keys), l.type(mask).type));
    raw = reshape(l, l.add("Less", [positions, reshape(l, mask, [batch, 1])]), [batch, 1, 1, keys]);
  } else if (fits([batch, keys])) {
    raw = reshape(l, mask, [shape![0]!, 1, 1, keys]);
  } else if (fits([batch, queries, keys])) {
    raw = reshape(l, mask, [shape![0]!, 1, shape![1]!, keys]);
  } else if (fits([batch, 1, queries, keys])) {
    raw = mask;
  } else {
    return undefined;
  }
  const type = l.type(raw).type;
  const attends = type === "bool" ? raw : l.add("Greater", [raw, l.addConstant(scalar(0, type))]);
  return l.add("Where", [attends, number(l, like, 0), number(l, like, filter)]);
}

/** What ONNX Runtime's operators share once queries, keys and values are split into heads. */
interface Fused {
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly padding: string | undefined;
  readonly bias: string | undefined;
  readonly causal: boolean;
  readonly cached: number;
}

function attendFused(l: Lowering, f: Fused): Attended | undefined {
  const [batch, , queries] = shapeOf(l, f.q) as [number, number, number];
  const keys = shapeOf(l, f.k)![2]!;
  const biases: string[] = [];
  if (f.padding !== undefined) {
    const bias = paddingBias(l, f.padding, f.q, batch, queries, keys);
    if (bias === undefined) return undefined;
    biases.push(bias);
  }
  if (f.causal) biases.push(causalBias(l, f.q, queries, keys, f.cached));
  if (f.bias !== undefined) biases.push(f.bias);
  const given = numberAttribute(l.node, "scale", 0);
  return attend(l, { q: f.q, k: f.k, v: f.v, scale: given === 0 ? undefined : given, softcap: 0, biases });
}

/** com.microsoft Attention: merged projections, then attention of equally many heads. */
export function lowerFusedAttention(l: Lowering): readonly string[] | undefined {
  const [x, weights] = l.node.inputs;
  const shape = shapeOf(l, x);
  const columns = shapeOf(l, weights)?.[1];
  const heads = numberAttribute(l.node, "num_heads", 0);
  if (!x || !weights || shape?.length !== 3 || columns === undefined || heads < 1) return undefined;
  if (numberAttribute(l.node, "do_rotary", 0) !== 0 || input(l, 6) !== undefined) return undefined;
  const sizes = numbersAttribute(l.node, "qkv_hidden_sizes") ?? [columns / 3, columns / 3, columns / 3];
  const projected = plus(l, l.add("MatMul", [x, weights]), input(l, 2));
  let start = 0;
  const parts = sizes.map((size) => {
    const part = slice(l, projected, 2, start, start + size);
    start += size;
    return splitHeads(l, part, heads);
  });
  const [q, k, v] = parts;
  if (!q || !k || !v || start !== columns) return undefined;
  const past = input(l, 4);
  const cached = (index: number): string | undefined => {
    const full = past === undefined ? undefined : shapeOf(l, past);
    return full === undefined ? undefined : reshape(l, slice(l, past!, 0, index, index + 1), full.slice(1));
  };
  if (past !== undefined && shapeOf(l, past)?.length !== 5) return undefined;
  const keys = behind(l, cached(0), k);
  const values = behind(l, cached(1), v);
  const result = attendFused(l, {
    q,
    k: keys,
    v: values,
    padding: input(l, 3),
    bias: input(l, 5),
    causal: numberAttribute(l.node, "unidirectional", 0) === 1,
    cached: past === undefined ? 0 : shapeOf(l, past)![3]!,
  });
  if (result === undefined) return undefined;
  const wide = (y: string) => reshape(l, y, [1, ...shapeOf(l, y)!]);
  return outputs(
    l,
    () => joinHeads(l, result.value),
    () => concat(l, [wide(keys), wide(values)], 0),
  );
}

/** One of several tensors packed along axis 3 of [B, L, heads, parts, size], as [B, heads, L, size]. */
function unpack(l: Lowering, packed: string, index: number): string {
  const [batch, length, heads, , size] = shapeOf(l, packed) as [number, number, number, number, number];
  const part = reshape(l, slice(l, packed, 3, index, index + 1), [batch, length, heads, size]);
  return transpose(l, part, [0, 2, 1, 3]);
}

/** com.microsoft MultiHeadAttention: separate or packed queries, keys and values, with one bias for all three. */
export function lowerMultiHeadAttention(l: Lowering): readonly string[] | undefined {
  const heads = numberAttribute(l.node, "num_heads", 0);
  const [query, key, value, bias] = [0, 1, 2, 3].map((i) => input(l, i));
  const rank = shapeOf(l, query)?.length;
  if (query === undefined || heads < 1) return undefined;
  let start = 0;
  const withBias = (x: string): string => {
    if (bias === undefined) return x;
    const size = shapeOf(l, x)![2]!;
    start += size;
    return l.add("Add", [x, slice(l, bias, 0, start - size, start)]);
  };
  const project = (x: string): string | undefined => {
    const shape = shapeOf(l, x);
    if (shape?.length === 4) return x;
    return shape?.length === 3 ? splitHeads(l, withBias(x), heads) : undefined;
  };
  let q: string | undefined;
  let k: string | undefined;
  let v: string | undefined;
  if (rank === 5 && bias === undefined) {
    [q, k, v] = [0, 1, 2].map((i) => unpack(l, query, i));
  } else if (rank === 3 && key !== undefined) {
    const packed = shapeOf(l, key)?.length === 5;
    if (!packed && (value === undefined || shapeOf(l, value) === undefined)) return undefined;
    q = project(query);
    k = packed ? unpack(l, key, 0) : project(key);
    v = packed ? unpack(l, key, 1) : project(value!);
  }
  if (!q || !k || !v || input(l, 8) !== undefined || input(l, 9) !== undefined) return undefined;
  const past = input(l, 6);
  const keys = behind(l, past, k);
  const values = behind(l, input(l, 7), v);
  const result = attendFused(l, {
    q,
    k: keys,
    v: values,
    padding: input(l, 4),
    bias: input(l, 5),
    causal: numberAttribute(l.node, "unidirectional", 0) === 1,
    cached: past === undefined ? 0 : shapeOf(l, past)![2]!,
  });
  if (result === undefined) return undefined;
  return outputs(
    l,
    () => joinHeads(l, result.value),
    () => keys,
    () => values,
    () => result.biased,
  );
}

/** Inputs of GroupQueryAttention beyond the plain prompt (scales, sinks, norms): with any of them it stays opaque. */
const UNCOMMON_GROUP_QUERY_INPUTS = range(9, 16).filter((i) => i !== 10);

/**
 * com.microsoft GroupQueryAttention on a prompt without padding and cache: causal, with rotary positions on demand. With
 * a cache the coordinates of keys and values are those of the cache, so nothing is lost by leaving it opaque.
 */
export function lowerGroupQueryAttention(l: Lowering): readonly string[] | undefined {
  const [query, key, value] = [0, 1, 2].map((i) => input(l, i));
  const heads = numberAttribute(l.node, "num_heads", 0);
  const kvHeads = numberAttribute(l.node, "kv_num_heads", 0);
  const past = input(l, 3);
  const shape = shapeOf(l, query);
  if (!query || shape?.length !== 3 || heads < 1 || kvHeads < 1 || heads % kvHeads !== 0) return undefined;
  if (past !== undefined && shapeOf(l, past)?.[2] !== 0) return undefined;
  if (UNCOMMON_GROUP_QUERY_INPUTS.some((i) => input(l, i) !== undefined)) return undefined;
  if (numberAttribute(l.node, "smooth_softmax", 0) === 1) return undefined;
  const parts = key && value ? [query, key, value] : unpackGroups(l, query, heads, kvHeads);
  let [q, k, v] = parts.map((x, i) => splitHeads(l, x, i === 0 ? heads : kvHeads));
  if (!q || !k || !v) return undefined;
  if (numberAttribute(l.node, "do_rotary", 0) === 1) {
    const [cos, sin] = [input(l, 7), input(l, 8)];
    if (!cos || !sin) return undefined;
    const interleaved = numberAttribute(l.node, "rotary_interleaved", 0) === 1;
    const length = shape[1]!;
    const positions = [cos, sin].map((c) => slice(l, c, 0, 0, length)) as [string, string];
    q = rotate(l, q, positions[0], positions[1], interleaved);
    k = rotate(l, k, positions[0], positions[1], interleaved);
    if (!q || !k) return undefined;
  }
  const [queries, keys] = [shapeOf(l, q)![2]!, shapeOf(l, k)![2]!];
  const window = numberAttribute(l.node, "local_window_size", -1);
  const causal = numberAttribute(l.node, "causal", 1) === 1;
  const biases = causal ? [causalBias(l, q, queries, keys, 0, window)] : [];
  const bias = input(l, 10);
  if (bias !== undefined) biases.push(bias);
  const scale = numberAttribute(l.node, "scale", 0);
  const softcap = numberAttribute(l.node, "softcap", 0);
  const result = attend(l, { q, k, v, scale: scale === 0 ? undefined : scale, softcap, biases });
  if (wants(l, 3)) return undefined;
  return outputs(
    l,
    () => joinHeads(l, result.value),
    () => k!,
    () => v!,
  );
}

/** Queries, keys and values that were packed along the last axis. */
function unpackGroups(l: Lowering, packed: string, heads: number, kvHeads: number): string[] {
  const size = shapeOf(l, packed)![2]! / (heads + 2 * kvHeads);
  const bounds = [0, heads, heads + kvHeads, heads + 2 * kvHeads].map((n) => n * size);
  return [0, 1, 2].map((i) => slice(l, packed, 2, bounds[i]!, bounds[i + 1]!));
}
