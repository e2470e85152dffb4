import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { check, constant, sharedRunner } from "../lowering/testing/lowering-case";
import { quantizationOperators } from "./quantization";
import { samplingOperators } from "./sampling";
import { type Case, entryOf, floats, ints, listed, nodeOf, testOperators } from "./testing/reference";

after(() => sharedRunner().dispose());

const picture = floats([2, 3, 6, 8]);

testOperators("sampling shapes", samplingOperators, [
  { operator: "GridSample", opset: 20, inputs: [picture, floats([2, 4, 5, 2])] },
  { operator: "GridSample", opset: 20, inputs: [floats([1, 2, 3, 4, 5]), floats([1, 2, 3, 4, 3])] },
  { operator: "AffineGrid", opset: 20, inputs: [floats([2, 2, 3]), ints([2, 3, 5, 7])] },
  { operator: "AffineGrid", opset: 20, inputs: [floats([2, 3, 4]), ints([2, 3, 4, 5, 7])] },
  {
    operator: "RoiAlign",
    opset: 16,
    attributes: { output_height: 3, output_width: 2, sampling_ratio: 2 },
    inputs: [picture, listed([0, 0, 4, 4, 1, 1, 5, 5, 0, 1, 3, 3], [3, 4]), ints([0, 1, 1])],
  },
  {
    operator: "MaxRoiPool",
    attributes: { pooled_shape: [2, 3] },
    inputs: [picture, listed([0, 0, 0, 4, 4, 1, 1, 1, 5, 5], [2, 5])],
  },
  {
    operator: "MaxUnpool",
    opset: 11,
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    inputs: [floats([1, 1, 2, 2]), ints([5, 7, 13, 15], [1, 1, 2, 2])],
  },
  {
    operator: "MaxUnpool",
    opset: 11,
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    inputs: [floats([1, 1, 2, 2]), ints([5, 7, 13, 15], [1, 1, 2, 2]), ints([1, 1, 5, 5])],
  },
  {
    operator: "DeformConv",
    opset: 19,
    attributes: { pads: [1, 0, 1, 0] },
    inputs: [floats([1, 4, 5, 6]), floats([6, 4, 3, 3], 2), floats([1, 18, 5, 4], 3)],
  },
  { operator: "Col2Im", opset: 18, inputs: [floats([1, 12, 6]), ints([3, 4]), ints([2, 2])] },
  { operator: "CenterCropPad", opset: 18, attributes: { axes: [2, 3] }, inputs: [picture, ints([4, 10])] },
  { operator: "CenterCropPad", opset: 18, inputs: [floats([3, 5]), ints([4, 2])] },
  { operator: "Det", inputs: [floats([2, 3, 3])] },
  { operator: "DFT", opset: 20, inputs: [floats([2, 8, 1])] },
  { operator: "DFT", opset: 20, attributes: { onesided: 1 }, inputs: [floats([2, 8, 1])] },
  { operator: "DFT", opset: 17, attributes: { axis: 1 }, inputs: [floats([2, 8, 2]), ints([6], [])] },
  { operator: "RandomNormal", attributes: { shape: [2, 3] }, inputs: [] },
  { operator: "RandomUniform", attributes: { shape: [4], dtype: 11 }, inputs: [] },
  { operator: "RandomNormalLike", inputs: [floats([2, 5])] },
  { operator: "RandomUniformLike", inputs: [floats([2, 5])] },
  { operator: "Bernoulli", attributes: { dtype: 9 }, inputs: [floats([2, 5], 1, 0, 1)] },
  { operator: "Multinomial", attributes: { sample_size: 4 }, inputs: [floats([2, 5])] },
]);

describe("sampling, lowered", () => {
  // Places inside and outside of the picture, none in the middle between two entries.
  const grid = floats([2, 4, 5, 2], 7, -1.3, 1.3);
  for (const mode of ["linear", "nearest", "cubic"]) {
    for (const padding_mode of ["zeros", "border", "reflection"]) {
      for (const align_corners of [0, 1]) {
        it(`GridSample ${mode} ${padding_mode} ${align_corners}`, async () => {
          const attributes = { mode, padding_mode, align_corners };
          await check({ operator: "GridSample", opset: 20, inputs: [picture, grid], attributes });
        });
      }
    }
  }
  it("GridSample of volumes and of operator set 16", async () => {
    await check({ operator: "GridSample", opset: 20, inputs: [floats([1, 2, 3, 4, 5]), floats([1, 2, 3, 4, 3], 8, -1.2, 1.2)] });
    await check({ operator: "GridSample", opset: 16, inputs: [picture, grid], attributes: { mode: "bicubic" } });
  });
  it("AffineGrid", async () => {
    for (const align_corners of [0, 1]) {
      const attributes = { align_corners };
      await check({ operator: "AffineGrid", opset: 20, attributes, inputs: [floats([2, 2, 3]), constant(ints([2, 3, 5, 7]))] });
      const volume = [floats([2, 3, 4]), constant(ints([2, 3, 4, 5, 7]))];
      await check({ operator: "AffineGrid", opset: 20, attributes, inputs: volume });
    }
  });
  it("RoiAlign with a fixed raster", async () => {
    const regions = listed([0.3, 0.2, 4, 4.6, 1, 1, 5.5, 5, -3, 1, 3, 9], [3, 4]);
    const inputs = [picture, regions, constant(ints([0, 1, 1]))];
    const attributes = { output_height: 3, output_width: 2, sampling_ratio: 2, spatial_scale: 0.9 };
    await check({ operator: "RoiAlign", opset: 16, attributes, inputs });
    await check({ operator: "RoiAlign", opset: 10, attributes, inputs });
  });
  it("MaxUnpool", async () => {
    const attributes = { kernel_shape: [2, 2], strides: [2, 2] };
    const inputs = [floats([1, 1, 2, 2]), constant(ints([5, 7, 13, 15], [1, 1, 2, 2]))];
    await check({ operator: "MaxUnpool", opset: 11, attributes, inputs });
    await check({ operator: "MaxUnpool", opset: 11, attributes, inputs: [...inputs, constant(ints([1, 1, 5, 5]))] });
  });
  it("Col2Im", async () => {
    const sizes = (...image: number[]) => [constant(ints(image)), constant(ints([2, 2]))];
    await check({ operator: "Col2Im", opset: 18, inputs: [floats([2, 12, 6]), ...sizes(3, 4)] });
    const attributes = { strides: [2, 3], pads: [1, 0, 1, 1], dilations: [1, 2] };
    await check({ operator: "Col2Im", opset: 18, attributes, inputs: [floats([2, 8, 6]), ...sizes(5, 7)] });
  });
  it("CenterCropPad", async () => {
    await check({
      operator: "CenterCropPad",
      opset: 18,
      attributes: { axes: [2, 3] },
      inputs: [picture, constant(ints([3, 11]))],
    });
    await check({ operator: "CenterCropPad", opset: 18, inputs: [floats([3, 5]), constant(ints([6, 2]))] });
  });
  it("DFT", async () => {
    await check({ operator: "DFT", opset: 17, attributes: { axis: 1 }, inputs: [floats([2, 8, 3, 1])] });
    await check({ operator: "DFT", opset: 17, attributes: { axis: 1, onesided: 1 }, inputs: [floats([2, 7, 1])] });
    await check({ operator: "DFT", opset: 20, attributes: { inverse: 1 }, inputs: [floats([2, 6, 2])] });
    await check({ operator: "DFT", opset: 17, attributes: { axis: 1 }, inputs: [floats([2, 8, 2]), constant(ints([6], []))] });
    await check({ operator: "DFT", opset: 17, attributes: { axis: 1 }, inputs: [floats([2, 4, 2]), constant(ints([6], []))] });
  });
  it("DeformConv", async () => {
    const inputs = [floats([2, 4, 5, 6]), floats([6, 4, 3, 3], 2), floats([2, 18, 5, 4], 3, -1.4, 1.4)];
    await check({ operator: "DeformConv", opset: 19, attributes: { pads: [1, 0, 1, 0] }, inputs });
    const grouped = [
      floats([1, 4, 6, 6]),
      floats([6, 2, 3, 2], 2),
      floats([1, 24, 3, 3], 3, -1.4, 1.4),
      floats([6], 4),
      floats([1, 12, 3, 3], 5, 0, 1),
    ];
    const attributes = { group: 2, offset_group: 2, strides: [2, 2], pads: [1, 0, 1, 1], dilations: [1, 1] };
    await check({ operator: "DeformConv", opset: 19, attributes, inputs: grouped });
  });
});

const bytes = (values: number[], shape?: number[]): ReturnType<typeof ints> => ints(values, shape ?? [values.length], "uint8");

testOperators("quantisation", quantizationOperators, [
  {
    operator: "QuantizeLinear",
    inputs: [floats([3, 4]), listed([0.02], []), ints([128], [], "uint8")],
    constants: [1],
    differentiable: false,
  },
  {
    operator: "QuantizeLinear",
    inputs: [floats([3, 4]), listed([0.01], []), ints([0], [], "int8")],
    constants: [1],
    differentiable: false,
  },
  {
    operator: "QuantizeLinear",
    attributes: { axis: 1 },
    inputs: [floats([2, 3]), listed([0.02, 0.1, 0.5]), bytes([0, 10, 20])],
    constants: [1],
    differentiable: false,
  },
  { operator: "DequantizeLinear", inputs: [bytes([0, 7, 255]), listed([0.25], []), ints([7], [], "uint8")] },
  {
    operator: "DequantizeLinear",
    attributes: { axis: 0 },
    inputs: [bytes([1, 2, 3, 4], [2, 2]), listed([0.25, 2]), bytes([1, 0])],
  },
  {
    operator: "DequantizeLinear",
    attributes: { axis: 1, block_size: 2 },
    inputs: [bytes([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]), listed([1, 2, 3, 4], [2, 2])],
  },
  { operator: "DynamicQuantizeLinear", outputs: 3, inputs: [floats([3, 4])], differentiable: false },
  {
    operator: "ConvInteger",
    attributes: { strides: [2, 2] },
    inputs: [bytes(Array<number>(50).fill(3), [1, 2, 5, 5]), bytes(Array<number>(24).fill(2), [3, 2, 2, 2])],
  },
  {
    operator: "QLinearConv",
    inputs: [
      bytes(Array<number>(50).fill(3), [1, 2, 5, 5]),
      listed([1], []),
      ints([0], [], "uint8"),
      bytes(Array<number>(24).fill(2), [3, 2, 2, 2]),
      listed([1], []),
      ints([0], [], "uint8"),
      listed([1], []),
      ints([0], [], "uint8"),
    ],
    constants: [1, 4, 6],
  },
  { operator: "MatMulInteger", inputs: [bytes([1, 2, 3, 4, 5, 6], [2, 3]), bytes([1, 2, 3], [3, 1])] },
  {
    operator: "QLinearMatMul",
    inputs: [
      bytes([1, 2, 3, 4, 5, 6], [2, 3]),
      listed([1], []),
      ints([0], [], "uint8"),
      bytes([1, 2, 3], [3, 1]),
      listed([1], []),
      ints([0], [], "uint8"),
      listed([1], []),
      ints([0], [], "uint8"),
    ],
    constants: [1, 4, 6],
  },
]);

describe("sampling rules", () => {
  const infer = (c: Case, shapes: readonly number[][]): unknown =>
    entryOf(c.operator).infer(nodeOf(c), {
      inputs: shapes.map((shape) => ({ type: "float32", shape })),
      constant: () => undefined,
      opset: 20,
    });

  it("say what does not fit", () => {
    const two = (operator: string): Case => ({ operator, inputs: [floats([1]), floats([1])] });
    assert.throws(
      () =>
        infer(two("GridSample"), [
          [1, 2, 3, 4],
          [1, 2, 3, 3],
        ]),
      /GridSample: a grid of shape \[1, 2, 3, 3\]/,
    );
    assert.throws(() => infer(two("Det"), [[2, 3]]), /not a stack of square matrices/);
    assert.throws(
      () =>
        infer(two("DeformConv"), [
          [1, 2, 5, 5],
          [4, 3, 3, 3],
        ]),
      /2 channels/,
    );
  });
});
