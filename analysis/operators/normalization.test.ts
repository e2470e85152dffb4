import assert from "node:assert/strict";
import { after, test } from "node:test";
import { check, graphOf, parameter, random, sharedRunner } from "../lowering/testing/lowering-case";
import { normalForm } from "../lowering/normal-form";
import { inferShapes } from "./inference";

const MICROSOFT = "com.microsoft";
after(() => sharedRunner().dispose());

/** Gain, shift, mean and (positive) variance of C channels. */
const statistics = (c: number) =>
  [random([c], 11, 1, 0.5), random([c], 12), random([c], 13), random([c], 14, 1.5, 0.5)].map(parameter);

test("batch normalisation by frozen statistics", async () => {
  for (const shape of [
    [5, 3],
    [4, 3, 6],
    [2, 3, 4, 5],
  ]) {
    for (const opset of [9, 14, 15, 17]) {
      await check({
        operator: "BatchNormalization",
        opset,
        inputs: [random(shape, 1), ...statistics(3)],
        attributes: { epsilon: 0.01 },
      });
    }
  }
});

test("batch normalisation by batch statistics updates the running ones", async () => {
  const attributes = { training_mode: 1, momentum: 0.8, epsilon: 0.001 };
  for (const opset of [14, 15]) {
    const inputs = [random([4, 3, 5, 2], 2), ...statistics(3)];
    await check({ operator: "BatchNormalization", opset, inputs, attributes, outputs: 3 });
  }
});

test("batch normalisation up to opset 13 trains where it has further outputs", () => {
  const inputs = [random([4, 3, 5], 2), ...statistics(3)];
  const old = graphOf({ operator: "BatchNormalization", opset: 12, inputs, outputs: 5 });
  const now = graphOf({ operator: "BatchNormalization", opset: 15, inputs, outputs: 1, attributes: { training_mode: 1 } });
  const form = (g: typeof old.graph) => normalForm({ ...g, outputs: ["y0"] }).graph.nodes.map((n) => n.operator);
  assert.deepEqual(form(old.graph), form(now.graph));
  assert.ok(form(old.graph).includes("ReduceSumSquare"));
  const inference = graphOf({ operator: "BatchNormalization", opset: 12, inputs });
  assert.ok(!form(inference.graph).includes("ReduceSumSquare"));
});

test("instance normalisation", async () => {
  const [scale, shift] = statistics(3);
  for (const shape of [
    [2, 3, 7],
    [2, 3, 4, 5],
  ]) {
    await check({ operator: "InstanceNormalization", inputs: [random(shape, 3), scale, shift], attributes: { epsilon: 0.01 } });
  }
});

test("group normalisation: gains per group in opset 18, per channel in opset 21", async () => {
  const x = random([2, 6, 4, 3], 4);
  const attributes = { num_groups: 3, epsilon: 0.001 };
  const [s18, b18] = statistics(3);
  await check({ operator: "GroupNormalization", opset: 18, inputs: [x, s18, b18], attributes });
  const [s21, b21] = statistics(6);
  await check({ operator: "GroupNormalization", opset: 21, inputs: [x, s21, b21], attributes });
});

test("layer normalisation over one and several axes, with its statistics", async () => {
  const x = random([2, 3, 4, 5], 5);
  for (const [axis, shape] of [
    [-1, [5]],
    [2, [4, 5]],
    [-3, [3, 4, 5]],
  ] as const) {
    const inputs = [x, parameter(random(shape, 6, 1)), parameter(random(shape, 7))];
    await check({ operator: "LayerNormalization", inputs, attributes: { axis, epsilon: 0.01 }, outputs: 3 });
    await check({ operator: "LayerNormalization", inputs: inputs.slice(0, 2), attributes: { axis } });
  }
});

test("RMS normalisation under its three names", async () => {
  const x = random([2, 3, 6], 5, 0.5);
  const gain = parameter(random([6], 6, 1));
  await check({ operator: "RMSNormalization", opset: 23, inputs: [x, gain], attributes: { axis: -1, epsilon: 0.01 } });
  await check({ operator: "SimplifiedLayerNormalization", inputs: [x, gain], attributes: { axis: -1, epsilon: 0.01 } });
});

test("skip connections fused into layer and RMS normalisation", async () => {
  const [x, skip] = [random([2, 3, 8], 1), random([2, 3, 8], 2)];
  const [gamma, beta, bias] = [random([8], 3, 1), random([8], 4), random([8], 5)].map(parameter);
  const outputs = [true, false, false, true];
  const domain = MICROSOFT;
  for (const inputs of [
    [x, skip, gamma, beta, bias],
    [x, skip, gamma, beta],
    [x, skip, gamma],
  ]) {
    await check({ operator: "SkipLayerNormalization", domain, inputs, attributes: { epsilon: 0.001 }, outputs });
  }
  for (const inputs of [
    [x, skip, gamma, bias],
    [x, skip, gamma],
  ]) {
    await check({ operator: "SkipSimplifiedLayerNormalization", domain, inputs, attributes: { epsilon: 0.001 }, outputs });
  }
});

test("embedding sums with layer normalisation", async () => {
  const ids = { type: "int32", shape: [2, 3], data: Float64Array.of(1, 0, 4, 2, 2, 3) } as const;
  const segments = { type: "int32", shape: [2, 3], data: Float64Array.of(0, 1, 1, 0, 0, 1) } as const;
  const tables = [random([5, 8], 1), random([6, 8], 2), random([2, 8], 3)].map(parameter);
  const affine = [random([8], 4, 1), random([8], 5)].map(parameter);
  const inputs = [ids, segments, ...tables, ...affine];
  const attributes = { epsilon: 0.001 };
  await check({ operator: "EmbedLayerNormalization", domain: MICROSOFT, inputs, outputs: 2, attributes });
  const mask = { type: "int32", shape: [2, 3], data: Float64Array.of(1, 1, 0, 1, 1, 1) } as const;
  await check({ operator: "EmbedLayerNormalization", domain: MICROSOFT, inputs: [...inputs, mask], outputs: 3, attributes });
});

test("p-norms and mean-variance normalisation", async () => {
  for (const p of [1, 2]) {
    for (const axis of [0, 1, -1]) {
      await check({ operator: "LpNormalization", inputs: [random([3, 4, 5], 8)], attributes: { axis, p } });
    }
  }
  await check({ operator: "MeanVarianceNormalization", inputs: [random([2, 3, 4, 5], 9)] });
  await check({ operator: "MeanVarianceNormalization", inputs: [random([2, 3, 4, 5], 9)], attributes: { axes: [1, 2] } });
});

test("local response normalisation", async () => {
  await check({
    operator: "LRN",
    inputs: [random([2, 5, 3, 4], 1, 0, 3)],
    attributes: { size: 3, alpha: 0.5, beta: 0.6, bias: 2 },
  });
  await check({ operator: "LRN", inputs: [random([1, 6, 3, 3], 2)], attributes: { size: 5 } });
});

test("statistics of the wrong size are a sentence, not a crash", () => {
  const { graph } = graphOf({ operator: "BatchNormalization", inputs: [random([4, 5], 1), ...statistics(3)] });
  assert.match(inferShapes(graph).problems[0]!.message, /3 entries for 5 channels/);
  assert.equal(normalForm(graph).graph.nodes.length, 1);
});
