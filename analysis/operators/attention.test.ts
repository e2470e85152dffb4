import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Node } from "../graph/graph";
import { type Tensor, tensor } from "../graph/tensor";
import {
  check,
  constant,
  deviation,
  evaluateNormalForm,
  type Feed,
  graphOf,
  parameter,
  random,
  sharedRunner,
} from "../lowering/testing/lowering-case";
import { normalForm } from "../lowering/normal-form";
import { inferShapes } from "./inference";
import { range } from "./lower/build";

after(() => sharedRunner().dispose());
const domain = "com.microsoft";
type Inputs = readonly (Tensor | Feed | undefined)[];

const int32 = (shape: readonly number[], ...values: number[]): Tensor => tensor(shape, values, "int32");
const bool = (shape: readonly number[], ...values: number[]): Tensor => tensor(shape, values, "bool");

test("attention on [batch, heads, length, size]", async () => {
  const inputs = [random([2, 4, 3, 6], 1), random([2, 4, 5, 6], 2), random([2, 4, 5, 7], 3)];
  for (const attributes of [{}, { scale: 0.3 }, { softcap: 1.5 }, { is_causal: 1 }] as Node["attributes"][]) {
    await check({ operator: "Attention", opset: 23, inputs, attributes, outputs: 1 });
  }
});

test("attention on [batch, length, heads * size] with shared key and value heads", async () => {
  const inputs = [random([2, 3, 24], 1), random([2, 5, 12], 2), random([2, 5, 12], 3)];
  const attributes = { q_num_heads: 4, kv_num_heads: 2 };
  await check({ operator: "Attention", opset: 23, inputs, attributes });
  await check({ operator: "Attention", opset: 23, inputs, attributes: { ...attributes, kv_num_heads: 1, q_num_heads: 2 } });
});

test("attention under masks that are added or that select", async () => {
  const inputs = [random([2, 2, 3, 4], 1), random([2, 2, 3, 4], 2), random([2, 2, 3, 4], 3)];
  const selecting = bool([3, 3], 1, 0, 0, 1, 1, 0, 0, 1, 1);
  const perExample = bool([2, 1, 3, 3], 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 1, 1);
  for (const mask of [random([3, 3], 4), random([2, 2, 3, 3], 5), selecting, constant(selecting), perExample]) {
    await check({ operator: "Attention", opset: 23, inputs: [...inputs, mask] });
  }
});

test("attention behind a cache of keys and values", async () => {
  const inputs = [random([2, 2, 3, 4], 1), random([2, 2, 3, 4], 2), random([2, 2, 3, 4], 3), undefined];
  const cache = [random([2, 2, 5, 4], 6), random([2, 2, 5, 4], 7)];
  await check({ operator: "Attention", opset: 23, inputs: [...inputs, ...cache], outputs: 3 });
});

test("a constant mask is a constant, and equal attention is one product each", () => {
  const inputs = [random([1, 2, 3, 4], 1), random([1, 2, 3, 4], 2), random([1, 2, 3, 4], 3)];
  const { graph } = graphOf({ operator: "Attention", opset: 23, inputs, attributes: { is_causal: 1 } });
  assert.deepEqual(
    normalForm(graph).graph.nodes.map((n) => n.operator),
    ["Transpose", "MatMul", "Mul", "Add", "Softmax", "MatMul"],
  );
});

test("rotary positions: halves and interleaved, whole and in part, with and without positions", async () => {
  const positions = tensor([2, 3], [0, 1, 2, 4, 1, 3], "int64");
  for (const interleaved of [0, 1]) {
    const tables = [constant(random([6, 4], 2)), constant(random([6, 4], 3))];
    const four = [random([2, 3, 3, 8], 1), ...tables, positions];
    await check({ operator: "RotaryEmbedding", opset: 23, inputs: four, attributes: { interleaved } });
    const three = [random([2, 3, 24], 1), ...tables, positions];
    await check({ operator: "RotaryEmbedding", opset: 23, inputs: three, attributes: { interleaved, num_heads: 3 } });
    const narrow = [constant(random([6, 2], 2)), constant(random([6, 2], 3))];
    const attributes = { interleaved, rotary_embedding_dim: 4 };
    await check({ operator: "RotaryEmbedding", opset: 23, inputs: [four[0], ...narrow, positions], attributes });
    const each = [random([2, 3, 4], 4), random([2, 3, 4], 5)];
    await check({ operator: "RotaryEmbedding", opset: 23, inputs: [four[0], ...each], attributes: { interleaved } });
  }
});

test("fused rotary positions, also counted from a start", async () => {
  const tables = [constant(random([7, 4], 2)), constant(random([7, 4], 3))];
  for (const positions of [tensor([2, 3], [0, 1, 2, 4, 1, 3], "int64"), tensor([1], [2], "int64")]) {
    for (const interleaved of [0, 1]) {
      const attributes = { interleaved };
      await check({ operator: "RotaryEmbedding", domain, inputs: [random([2, 3, 24], 1), positions, ...tables], attributes });
      await check({ operator: "RotaryEmbedding", domain, inputs: [random([2, 3, 3, 8], 1), positions, ...tables], attributes });
    }
  }
});

test("fused attention with merged projections, masks and biases", async () => {
  const plain: Inputs = [random([2, 4, 6], 1), parameter(random([6, 24], 2)), parameter(random([24], 3))];
  const run = (inputs: Inputs, attributes: Node["attributes"] = {}) =>
    check({ operator: "Attention", domain, inputs, attributes: { num_heads: 2, ...attributes } });
  await run(plain);
  await run(plain, { scale: 0.2 });
  await run(plain, { unidirectional: 1 });
  await run([...plain, int32([2], 4, 2)]);
  await run([...plain, int32([2, 4], 1, 1, 0, 1, 1, 1, 1, 0)]);
  await run([...plain, int32([2, 4], 1, 1, 0, 1, 1, 1, 1, 0)], { unidirectional: 1, mask_filter_value: -50 });
  await run([...plain, undefined, undefined, random([2, 2, 4, 4], 5)]);
  const uneven: Inputs = [random([2, 4, 6], 1), parameter(random([6, 20], 2)), parameter(random([20], 3))];
  await run(uneven, { qkv_hidden_sizes: [8, 8, 4] });
});

test("fused attention behind a cache", async () => {
  const inputs = [
    random([2, 4, 6], 1),
    parameter(random([6, 24], 2)),
    parameter(random([24], 3)),
    undefined,
    random([2, 2, 2, 3, 4], 4),
  ];
  const attributes = { num_heads: 2, unidirectional: 1 };
  await check({ operator: "Attention", domain, inputs, attributes, outputs: 2 });
});

test("multi-head attention from separate, packed and headed inputs", async () => {
  const run = (inputs: Inputs, attributes: Node["attributes"] = {}, outputs = 1) =>
    check({ operator: "MultiHeadAttention", domain, inputs, attributes: { num_heads: 2, ...attributes }, outputs });
  const separate: Inputs = [random([2, 3, 8], 1), random([2, 5, 8], 2), random([2, 5, 6], 3)];
  const bias = parameter(random([22], 4));
  await run(separate);
  await run([...separate, bias]);
  await run([...separate, bias], { scale: 0.4 });
  await run([...separate, undefined, int32([2, 5], 1, 1, 1, 0, 1, 1, 0, 1, 1, 1)]);
  await run([...separate, undefined, undefined, random([2, 2, 3, 5], 6)]);
  await run([random([2, 3, 8], 1), random([2, 2, 5, 4], 2), random([2, 2, 5, 4], 3)]);
  const self: Inputs = [random([2, 3, 8], 1), random([2, 3, 8], 2), random([2, 3, 8], 3)];
  await run(self, { unidirectional: 1 });
  const cache = [undefined, undefined, undefined, random([2, 2, 4, 4], 7), random([2, 2, 4, 4], 8)];
  await run([...self, ...cache], {}, 3);
});

test("queries, keys and values packed into one tensor are the same taken apart", () => {
  const parts = [1, 2, 3].map((seed) => random([2, 3, 2, 4], seed));
  const pack = (chosen: readonly Tensor[]) => {
    const n = chosen.length;
    const at = (i: number) => chosen[Math.floor(i / 4) % n]!.data[Math.floor(i / (4 * n)) * 4 + (i % 4)]!;
    return tensor([2, 3, 2, n, 4], range(0, 48 * n).map(at));
  };
  const attributes = { num_heads: 2 };
  const apart = parts.map((x) => ({ ...x, shape: [2, 3, 8] }));
  const value = (inputs: Inputs) => {
    const { graph, values } = graphOf({ operator: "MultiHeadAttention", domain, inputs, attributes });
    return evaluateNormalForm(graph, values).outputs[0]!;
  };
  assert.equal(deviation(value([pack(parts)]), value(apart)), 0);
  assert.equal(deviation(value([apart[0], pack(parts.slice(1))]), value(apart)), 0);
});

test("grouped-query attention on a prompt", async () => {
  const lengths = constant(int32([2], 4, 4));
  const total = constant(int32([1], 5));
  const none = [undefined, undefined];
  const run = (inputs: Inputs, attributes: Node["attributes"] = {}) =>
    check({
      operator: "GroupQueryAttention",
      domain,
      inputs,
      attributes: { num_heads: 4, kv_num_heads: 2, ...attributes },
      outputs: 3,
    });
  const separate: Inputs = [random([2, 5, 64], 1), random([2, 5, 32], 2), random([2, 5, 32], 3), ...none, lengths, total];
  await run(separate);
  await run(separate, { scale: 0.3, softcap: 2 });
  await run(separate, { local_window_size: 2 });
  await run([random([2, 5, 128], 1), undefined, undefined, ...none, lengths, total]);
  const tables = [constant(random([8, 8], 5)), constant(random([8, 8], 6))];
  for (const rotary_interleaved of [0, 1]) await run([...separate, ...tables], { do_rotary: 1, rotary_interleaved });
});

test("grouped-query attention with a cache stays opaque", () => {
  const cache = [random([2, 2, 3, 16], 4), random([2, 2, 3, 16], 5)];
  const inputs = [random([2, 5, 64], 1), random([2, 5, 32], 2), random([2, 5, 32], 3), ...cache, int32([2], 7, 7), int32([1], 8)];
  const attributes = { num_heads: 4, kv_num_heads: 2 };
  const { graph } = graphOf({ operator: "GroupQueryAttention", domain, inputs, attributes, outputs: 3 });
  assert.deepEqual(
    normalForm(graph).graph.nodes.map((n) => n.operator),
    ["GroupQueryAttention"],
  );
  assert.deepEqual(graph.types.get("y0")?.shape, [2, 5, 64]);
  assert.equal(graph.types.get("y1")?.shape, undefined);
});

test("heads that do not divide the channels are a sentence", () => {
  const inputs = [random([2, 3, 10], 1), random([2, 5, 12], 2), random([2, 5, 12], 3)];
  const { graph } = graphOf({ operator: "Attention", opset: 23, inputs, attributes: { q_num_heads: 4, kv_num_heads: 2 } });
  assert.match(inferShapes(graph).problems[0]!.message, /10 channels, which 4 heads do not divide/);
});
