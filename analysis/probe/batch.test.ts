import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { batchOf, withBatch } from "./batch";

const read = (...path: string[]) => readOnnx({ path: join("testFixtures", ...path) }).graph;

test("batch sizes written into reshapes and initial states follow", () => {
  for (const name of ["MlpRelu", "ConvBnRelu", "SelfAttention", "FusedQkvAttention", "PreLnTransformer", "GruNet", "LstmNet"]) {
    const graph = read("zoo", "onnx", `${name}.onnx`);
    const old = graph.types.get(graph.outputs[0]!)!.shape!;
    const moved = withBatch(graph, 3 * batchOf(graph)!);
    assert.ok(moved, name);
    assert.deepEqual(moved.types.get(moved.outputs[0]!)!.shape, old.with(0, 3 * old[0]!), name);
  }
  const shuffled = withBatch(read("models", "shufflenet_v2_x1_0.onnx"), 8);
  assert.deepEqual(shuffled?.types.get(shuffled.outputs[0]!)?.shape, [8, 1000]);
});

test("a reading of the shapes that mixes rows is refused", () => {
  // The reshape [T, 2, B, H] to [T, B, 2 H] of both directions has shapes that fit at any batch, and rows that do not.
  assert.equal(withBatch(read("architectures", "onnx", "GruBidirectional.onnx"), 18), undefined);
});
