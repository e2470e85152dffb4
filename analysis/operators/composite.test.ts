import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Node } from "../graph/graph";
import { type Tensor, tensor } from "../graph/tensor";
import { check, constant, type Feed, graphOf, parameter, random, sharedRunner } from "../lowering/testing/lowering-case";
import { normalForm } from "../lowering/normal-form";

after(() => sharedRunner().dispose());
const domain = "com.microsoft";
type Inputs = readonly (Tensor | Feed | undefined)[];
type Attributes = Node["attributes"];

test("fused matrix products", async () => {
  const run = (operator: string, inputs: Inputs, attributes: Attributes = {}) => check({ operator, domain, inputs, attributes });
  await run("FusedMatMul", [random([2, 3, 4], 1), random([2, 4, 5], 2)], { alpha: 0.5 });
  await run("FusedMatMul", [random([2, 4, 3], 1), random([2, 5, 4], 2)], { transA: 1, transB: 1 });
  await run("FusedMatMul", [random([3, 2, 4], 1), random([2, 4, 5], 2)], { transBatchA: 1 });
  await run("FusedMatMul", [random([4, 2, 3], 1), random([2, 4, 5], 2)], { transBatchA: 1, transA: 1 });
  await run("TransposeMatMul", [random([2, 3, 4], 1), random([2, 5, 4], 2)], { transB: 1 });
  const gemm = [random([3, 4], 1), parameter(random([4, 5], 2)), parameter(random([5], 3))];
  await run("FusedGemm", gemm, { activation: "Relu", alpha: 0.5, beta: 2 });
  await run("FusedGemm", gemm, { activation: "LeakyRelu", activation_alpha: 0.2 });
});

test("what the standard took over from ONNX Runtime", async () => {
  await check({ operator: "Trilu", domain, inputs: [random([2, 3, 4], 1)] });
  await check({
    operator: "Trilu",
    domain,
    inputs: [random([3, 3], 2), constant(tensor([], [-1], "int64"))],
    attributes: { upper: 0 },
  });
  const [scale, zero] = [constant(tensor([], [0.1], "float32")), constant(tensor([], [3], "int8"))];
  await check({
    operator: "DequantizeLinear",
    domain,
    inputs: [constant(tensor([2, 3], [-7, 0, 3, 8, 90, -90], "int8")), scale, zero],
  });
});

test("quantisation is rounding between bounds", async () => {
  const f = (shape: readonly number[], ...data: number[]) => constant(tensor(shape, data, "float32"));
  const x = random([2, 3, 4], 1, 0, 3);
  const quantise = (inputs: Inputs, attributes: Attributes = {}) =>
    check({ operator: "QuantizeLinear", inputs: [x, ...inputs], attributes });
  await quantise([f([], 0.02), constant(tensor([], [3], "int8"))]);
  await quantise([f([], 0.02)]);
  await quantise([f([3], 0.02, 0.1, 0.3), constant(tensor([3], [100, 0, 7], "uint8"))]);
  await quantise([f([4], 0.02, 0.1, 0.3, 0.5), constant(tensor([4], [-9, 0, 7, 1], "int8"))], { axis: -1 });
  const q = constant(tensor([2, 3], [-7, 0, 3, 8, 90, -90], "int8"));
  await check({ operator: "DequantizeLinear", inputs: [q, f([], 0.1)] });
  await check({ operator: "DequantizeLinear", inputs: [q, f([3], 0.1, 0.2, 0.3), constant(tensor([3], [1, 0, -2], "int8"))] });
  await check({ operator: "DequantizeLinear", inputs: [q, f([2], 0.1, 0.2)], attributes: { axis: 0 } });
});

test("fused convolutions", async () => {
  const x = random([2, 3, 6, 6], 1);
  const [w, b] = [parameter(random([4, 3, 3, 3], 2)), parameter(random([4], 3))];
  const run = (inputs: Inputs, attributes: Attributes) => check({ operator: "FusedConv", domain, inputs, attributes });
  await run([x, w, b], { activation: "Relu", pads: [1, 1, 1, 1] });
  await run([x, w], { activation: "Sigmoid", strides: [2, 2] });
  await run([x, w, b, random([2, 4, 6, 6], 4)], { activation: "Relu", pads: [1, 1, 1, 1] });
  await run([x, w, b], { activation: "Clip", activation_params: [0, 0.5], auto_pad: "SAME_UPPER" });
});

test("fused activations", async () => {
  const x = random([2, 3, 8], 1, 0, 3);
  const bias = parameter(random([8], 2));
  await check({ operator: "Gelu", domain, inputs: [x] });
  await check({ operator: "QuickGelu", domain, inputs: [x], attributes: { alpha: 1.5 } });
  await check({ operator: "BiasGelu", domain, inputs: [x, bias] });
  await check({ operator: "FastGelu", domain, inputs: [x, bias] });
  await check({ operator: "FastGelu", domain, inputs: [x] });
});

test("operators without a kernel on this machine are what their names say", () => {
  const ops = (operator: string, inputs: Inputs, attributes: Attributes = {}) =>
    normalForm(graphOf({ operator, domain, inputs, attributes }).graph).graph.nodes.map((n) => n.operator);
  const x = random([2, 3, 8], 1);
  assert.deepEqual(ops("BiasAdd", [x, parameter(random([8], 2)), random([2, 3, 8], 3)]), ["Add", "Add"]);
  assert.deepEqual(ops("BiasSplitGelu", [x, parameter(random([8], 2))]), [
    "Add",
    "Slice",
    "Slice",
    "Mul",
    "Erf",
    "Add",
    "Mul",
    "Mul",
    "Mul",
  ]);
  assert.deepEqual(ops("TorchEmbedding", [parameter(random([5, 4], 1)), tensor([2], [1, 3], "int64")]), ["Gather"]);
  const nhwc = [random([1, 5, 5, 3], 1), parameter(random([4, 3, 3, 3], 2)), parameter(random([4], 3))];
  assert.deepEqual(ops("NhwcConv", nhwc), ["Transpose", "Conv", "Reshape", "Add", "Transpose"]);
});

test("losses over class scores", async () => {
  const weights = parameter(random([4], 5, 1, 0.5));
  for (const [scores, labels] of [
    [random([5, 4], 1), tensor([5], [0, 3, 1, 1, 2], "int64")],
    [random([2, 4, 3], 2), tensor([2, 3], [0, 3, 1, 1, 2, 3], "int64")],
  ] as const) {
    for (const reduction of ["none", "sum", "mean"]) {
      for (const ignored of [{}, { ignore_index: 1 }, { ignore_index: -100 }]) {
        for (const w of [undefined, weights]) {
          const attributes = { reduction, ...ignored };
          const inputs = w ? [scores, labels, w] : [scores, labels];
          await check({ operator: "SoftmaxCrossEntropyLoss", opset: 13, inputs, attributes, outputs: 2 });
          await check({ operator: "NegativeLogLikelihoodLoss", opset: 13, inputs, attributes });
        }
      }
    }
  }
  const labels = tensor([3], [0, -5, 2], "int64");
  await check({
    operator: "SoftmaxCrossEntropyLoss",
    opset: 13,
    inputs: [random([3, 4], 1), labels],
    attributes: { ignore_index: -5 },
  });
});

test("pools, reductions and softmaxes in all their forms", async () => {
  const x = random([2, 3, 4, 5], 1, 0.2);
  const run = (operator: string, opset: number, attributes: Attributes = {}, more: Inputs = [], data = x) =>
    check({ operator, opset, inputs: [data, ...more], attributes });
  for (const operator of ["GlobalAveragePool", "GlobalMaxPool"]) await run(operator, 13);
  await run("GlobalLpPool", 13, { p: 2 });
  // Pools over groups of features become reductions; those beside them stay what they are.
  const groups = { kernel_shape: [3], strides: [3] };
  const ops = (operator: string, attributes: Attributes, data: Tensor) =>
    normalForm(graphOf({ operator, opset: 17, inputs: [data], attributes }).graph).graph.nodes.map((n) => n.operator);
  for (const operator of ["MaxPool", "AveragePool"]) {
    for (const data of [random([1, 2, 12], 1), random([2, 1, 12], 2)]) {
      await run(operator, 17, groups, [], data);
      assert.deepEqual(ops(operator, groups, data), ["Reshape", operator === "MaxPool" ? "ReduceMax" : "ReduceMean"]);
    }
    for (const other of [
      { kernel_shape: [3], strides: [2] },
      { ...groups, pads: [1, 1] },
      { ...groups, dilations: [2] },
    ]) {
      assert.deepEqual(ops(operator, other, random([1, 2, 12], 1)), [operator]);
    }
    assert.deepEqual(ops(operator, groups, random([2, 2, 12], 1)), [operator]);
    assert.deepEqual(ops(operator, groups, random([1, 2, 13], 1)), [operator]);
  }
  for (const operator of "ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSumSquare".split(" ")) {
    await run(operator, 13, { axes: [1, -1], keepdims: 0 });
    await run(operator, 18, { keepdims: 1 }, [constant(tensor([2], [-1, 0], "int64"))]);
    await run(operator, 18, { keepdims: 0 });
  }
  await run("ReduceLogSum", 13, { axes: [1] }, [], random([2, 3, 4], 1, 2));
  await run("ReduceSum", 13, { keepdims: 0 }, [constant(tensor([1], [2], "int64"))]);
  await run("ReduceSumSquare", 18, { noop_with_empty_axes: 1 });
  for (const opset of [11, 13]) {
    for (const axis of [0, 1, -1, 2]) {
      await run("Softmax", opset, { axis });
      await run("LogSoftmax", opset, { axis });
    }
    await run("Softmax", opset);
  }
  for (const exclusive of [0, 1]) {
    for (const reverse of [0, 1]) {
      for (const axis of [1, -1]) await run("CumSum", 14, { exclusive, reverse }, [constant(tensor([], [axis], "int64"))]);
    }
  }
});

test("movement in all its forms", async () => {
  const x = random([2, 6, 4], 1);
  const list = (...v: number[]) => constant(tensor([v.length], v, "int64"));
  const run = (operator: string, opset: number, more: Inputs, attributes: Attributes = {}, outputs = 1, data: Tensor = x) =>
    check({ operator, opset, inputs: [data, ...more], attributes, outputs });
  await run("Split", 11, [], { axis: 1, split: [1, 2, 3] }, 3);
  await run("Split", 13, [list(4, 2)], { axis: -2 }, 2);
  await run("Split", 18, [], { axis: 0, num_outputs: 4 }, 4, random([7, 2], 1));
  await run("Slice", 9, [], { starts: [1, -3], ends: [6, 1000], axes: [1, 2] });
  await run("Slice", 13, [list(-1, 5), list(-1000, 0), list(2, 1), list(-1, -2)]);
  await run("Slice", 13, [list(0), list(2 ** 31)]);
  await run("Slice", 13, [list(5), list(-7), list(1), list(-5)]);
  await run("Squeeze", 11, [], { axes: [1] }, 1, random([2, 1, 3], 1));
  await run("Squeeze", 13, [], {}, 1, random([2, 1, 3, 1], 1));
  await run("Unsqueeze", 11, [], { axes: [0, 2] });
  await run("Unsqueeze", 13, [list(-1, 1)]);
  await run("Flatten", 13, [], { axis: 2 });
  await run("Reshape", 13, [list(0, -1, 2)]);
  await run("Expand", 13, [list(3, 1, 6, 1)], {}, 1, random([6, 4], 1));
  await run("Tile", 13, [list(1, 2, 3)]);
  await run("Pad", 10, [], { pads: [0, 1, 0, 0, 0, 2], value: 0.5 });
  await run("Pad", 13, [list(0, 1, 0, 1, 0, 2), constant(tensor([], [2], "float32"))]);
  await run("Pad", 18, [list(1, 2), undefined, list(-1)]);
  await run("Pad", 13, [list(0, 1, 1, 0, 2, 0)], { mode: "reflect" });
  for (const upper of [0, 1]) await run("Trilu", 14, [constant(tensor([], [1], "int64"))], { upper });
  await run("SpaceToDepth", 13, [], { blocksize: 2 }, 1, random([1, 2, 4, 6], 1));
  await run("Upsample", 9, [constant(tensor([4], [1, 1, 2, 3], "float32"))], { mode: "nearest" }, 1, random([1, 2, 3, 3], 1));
  await run("Resize", 10, [constant(tensor([3], [1, 1.5, 2], "float32"))], { mode: "linear" });
  await run("Resize", 10, [constant(tensor([3], [1, 0.5, 2], "float32"))]);
  await run("Shape", 15, [], { start: 1 });
  await run("Size", 13, []);
  await run("EyeLike", 9, [], { k: 1 }, 1, random([3, 4], 1));
});

test("point-wise operators that others make up", async () => {
  const x = random([3, 5], 1, 0, 4);
  const number = (v: number) => constant(tensor([], [v], "float32"));
  const run = (operator: string, opset: number, attributes: Attributes = {}, more: Inputs = []) =>
    check({ operator, opset, inputs: [x, ...more], attributes });
  for (const operator of ["HardSwish", "Softsign", "Selu", "Identity"]) await run(operator, 14);
  await run("Mish", 18);
  await run("Celu", 12, { alpha: 1.5 });
  await run("Selu", 12, { alpha: 1.2, gamma: 0.7 });
  for (const approximate of ["none", "tanh"]) await run("Gelu", 20, { approximate });
  await run("Clip", 9, { min: 0 });
  await run("Clip", 9, {});
  await run("Clip", 9, { min: -1, max: 2 });
  await run("Clip", 13, {}, [number(0)]);
  await run("Clip", 13, {}, [undefined, number(1)]);
  await run("Clip", 13, {}, [number(-1), number(1)]);
  await run("Max", 13, {}, [number(0)]);
  await run("Max", 13, {}, [random([5], 2), random([3, 1], 3)]);
  await run("Min", 13, {}, [random([5], 2), random([3, 1], 3)]);
  await run("Sum", 13, {}, [random([5], 2), random([3, 1], 3)]);
  await run("Mean", 13, {}, [random([5], 2), random([3, 1], 3)]);
  await run("LeakyRelu", 13, { alpha: 0 });
  await run("LeakyRelu", 13, { alpha: 1 });
  await run("ThresholdedRelu", 13, { alpha: 0 });
  await run("Dropout", 13, {}, [number(0.5)]);
});

test("contractions and convolutions with biases and automatic padding", async () => {
  const gemm = (attributes: Attributes, a: number[], b: number[], c?: number[]) =>
    check({
      operator: "Gemm",
      opset: 13,
      inputs: [random(a, 1), parameter(random(b, 2)), c && parameter(random(c, 3))],
      attributes,
    });
  await gemm({}, [3, 4], [4, 5], [5]);
  await gemm({ transA: 1, transB: 1, alpha: 0.5, beta: 2 }, [4, 3], [5, 4], [3, 1]);
  await gemm({ alpha: 2 }, [3, 4], [4, 5]);
  const conv = (operator: string, attributes: Attributes, w: number[], bias: number) =>
    check({
      operator,
      opset: 13,
      inputs: [random([2, 4, 7, 6], 1), parameter(random(w, 2)), parameter(random([bias], 3))],
      attributes,
    });
  await conv("Conv", { pads: [1, 0, 2, 1], strides: [2, 1], dilations: [1, 2] }, [6, 4, 3, 2], 6);
  for (const auto_pad of ["SAME_UPPER", "SAME_LOWER", "VALID"]) {
    await conv("Conv", { auto_pad, strides: [2, 3] }, [6, 4, 3, 2], 6);
    await conv("Conv", { auto_pad, group: 2, ...(auto_pad === "VALID" ? { dilations: [2, 1] } : {}) }, [6, 2, 3, 2], 6);
    await conv("ConvTranspose", { auto_pad, strides: [2, 3], kernel_shape: [3, 4] }, [4, 3, 3, 4], 3);
  }
  await conv("ConvTranspose", { output_shape: [15, 14], strides: [2, 2] }, [4, 3, 3, 4], 3);
  await conv("ConvTranspose", { pads: [1, 1, 0, 1], output_padding: [1, 0], strides: [2, 2], group: 2 }, [4, 3, 3, 4], 6);
});
