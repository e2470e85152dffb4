import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Shape } from "../graph/tensor";
import { convolutionOperators } from "./convolution";
import { poolingOperators } from "./pooling";
import { resizingOperators } from "./resizing";
import {
  assertClose,
  bools,
  type Case,
  entryOf,
  floats,
  listed,
  ints,
  nodeOf,
  runtimeOutputs,
  testOperators,
  valueOf,
} from "./testing/reference";

const conv = (x: Shape, w: Shape, attributes: Case["attributes"] = {}, bias?: number, operator = "Conv"): Case => ({
  operator,
  attributes,
  inputs: [floats(x, 1), floats(w, 2), ...(bias === undefined ? [] : [floats([bias], 3)])],
});
const transpose = (x: Shape, w: Shape, attributes: Case["attributes"] = {}, bias?: number): Case =>
  conv(x, w, attributes, bias, "ConvTranspose");

testOperators("convolutions", convolutionOperators, [
  conv([2, 3, 7], [4, 3, 3]),
  conv([2, 3, 8, 7], [4, 3, 3, 2], {}, 4),
  conv([2, 3, 8, 7], [4, 3, 3, 3], { pads: [1, 0, 2, 1], strides: [2, 1] }, 4),
  conv([1, 4, 6, 6], [6, 2, 3, 3], { group: 2, pads: [1, 1, 1, 1] }),
  conv([2, 4, 6, 6], [4, 1, 3, 3], { group: 4 }, 4),
  conv([2, 4, 6, 6], [8, 1, 3, 3], { group: 4, kernel_shape: [3, 3] }),
  conv([1, 2, 9, 9], [3, 2, 3, 3], { dilations: [2, 3] }),
  conv([1, 2, 7, 6], [3, 2, 3, 2], { auto_pad: "SAME_UPPER", strides: [2, 2] }),
  conv([1, 2, 7, 6], [3, 2, 3, 2], { auto_pad: "SAME_LOWER", strides: [2, 1] }),
  conv([1, 2, 7, 6], [3, 2, 3, 2], { auto_pad: "VALID" }),
  conv([1, 2, 4, 5, 4], [3, 2, 2, 3, 2], { pads: [0, 1, 0, 1, 1, 0] }, 3),
  conv([2, 3, 4, 4], [5, 3, 1, 1], {}, 5),
  transpose([2, 3, 5], [3, 4, 3]),
  transpose([2, 3, 4, 5], [3, 2, 3, 3], { strides: [2, 3], pads: [1, 0, 0, 1] }, 2),
  transpose([1, 4, 3, 3], [4, 3, 2, 2], { group: 2, strides: [2, 2] }, 6),
  transpose([1, 2, 3, 3], [2, 2, 3, 3], { strides: [2, 2], output_padding: [1, 1], pads: [1, 1, 1, 1] }),
  transpose([1, 2, 3, 3], [2, 2, 3, 3], { dilations: [2, 2] }),
  transpose([1, 2, 3, 3], [2, 2, 3, 3], { strides: [3, 2], output_shape: [10, 8] }),
  transpose([1, 2, 3, 4], [2, 2, 3, 3], { strides: [2, 2], auto_pad: "SAME_UPPER" }),
  transpose([1, 2, 3, 4], [2, 2, 3, 3], { strides: [2, 2], auto_pad: "SAME_LOWER" }),
  transpose([1, 2, 2, 3, 2], [2, 1, 2, 2, 2], { strides: [2, 1, 1] }),
]);

const pool = (operator: string, x: Shape, attributes: Case["attributes"] = {}, opset = 21, outputs = 1): Case => ({
  operator,
  attributes,
  opset,
  outputs,
  inputs: [floats(x, 5)],
});

testOperators("pools", poolingOperators, [
  pool("MaxPool", [2, 3, 8], { kernel_shape: [3] }),
  pool("MaxPool", [2, 3, 8, 7], { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] }),
  pool("MaxPool", [1, 2, 8, 7], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  pool("MaxPool", [1, 2, 9, 9], { kernel_shape: [3, 3], dilations: [2, 2] }),
  pool("MaxPool", [1, 2, 7, 7], { kernel_shape: [2, 2], strides: [2, 2], auto_pad: "SAME_UPPER" }),
  pool("MaxPool", [2, 2, 5, 6], { kernel_shape: [2, 2] }, 12, 2),
  pool("MaxPool", [2, 2, 5, 6], { kernel_shape: [2, 2], storage_order: 1 }, 12, 2),
  pool("MaxPool", [1, 2, 4, 5, 4], { kernel_shape: [2, 2, 2] }),
  pool("AveragePool", [2, 3, 8], { kernel_shape: [3] }),
  pool("AveragePool", [2, 3, 8, 7], { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] }),
  pool("AveragePool", [2, 3, 8, 7], { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1], count_include_pad: 1 }),
  pool("AveragePool", [1, 2, 8, 7], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  pool("AveragePool", [1, 2, 8, 7], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    ceil_mode: 1,
    count_include_pad: 1,
  }),
  pool("AveragePool", [1, 2, 9, 9], { kernel_shape: [3, 3], dilations: [2, 2] }),
  pool("AveragePool", [1, 2, 7, 7], { kernel_shape: [3, 3], strides: [2, 2], auto_pad: "SAME_LOWER" }),
  pool("LpPool", [1, 2, 6, 6], { kernel_shape: [2, 3], strides: [2, 1] }),
  pool("LpPool", [1, 2, 6, 6], { kernel_shape: [2, 3], p: 3, pads: [1, 1, 1, 1] }),
  pool("GlobalAveragePool", [2, 3, 4, 5]),
  pool("GlobalAveragePool", [2, 3, 4]),
  pool("GlobalMaxPool", [2, 3, 4, 5]),
  pool("GlobalLpPool", [2, 3, 4, 5]),
  pool("GlobalLpPool", [2, 3, 4, 5], { p: 3 }),
]);

const by = (x: Shape, scales: number[], attributes: Case["attributes"] = {}, opset = 19): Case => ({
  operator: "Resize",
  attributes,
  opset,
  inputs: [floats(x, 6), undefined, listed(scales)],
  constants: [2],
});
const to = (x: Shape, sizes: number[], attributes: Case["attributes"] = {}, opset = 19): Case => ({
  operator: "Resize",
  attributes,
  opset,
  inputs: [floats(x, 6), undefined, undefined, ints(sizes)],
});
const coordinates = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"];

testOperators("resizing", resizingOperators, [
  ...["nearest", "linear", "cubic"].flatMap((mode) =>
    coordinates.flatMap((coordinate_transformation_mode) => [
      to([1, 2, 5, 6], [1, 2, 8, 9], { mode, coordinate_transformation_mode }),
      to([1, 2, 9, 6], [1, 2, 4, 5], { mode, coordinate_transformation_mode }),
    ]),
  ),
  ...["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].map((nearest_mode) =>
    by([1, 2, 4, 4], [1, 1, 2, 1.5], { mode: "nearest", nearest_mode, coordinate_transformation_mode: "half_pixel" }),
  ),
  {
    operator: "Resize",
    opset: 11,
    attributes: { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
    inputs: [floats([1, 2, 3, 4], 6), listed([]), listed([1, 1, 2, 2])],
    constants: [1, 2],
  },
  by([1, 2, 3, 4], [1, 1, 2.5, 1.3], { mode: "linear" }),
  to([1, 2, 6, 6], [1, 2, 9, 4], { mode: "cubic", cubic_coeff_a: -0.5, exclude_outside: 1 }),
  to([1, 1, 8, 8], [1, 1, 3, 5], { mode: "linear", antialias: 1 }),
  to([1, 1, 8, 8], [1, 1, 3, 5], { mode: "linear", antialias: 1, exclude_outside: 1 }),
  to([1, 1, 8, 9], [1, 1, 3, 4], { mode: "cubic", antialias: 1, cubic_coeff_a: -0.5 }),
  to([1, 2, 4, 6], [7, 8], { mode: "linear", axes: [2, 3] }),
  to([1, 2, 4, 6], [7, 8], { mode: "linear", axes: [2, 3], keep_aspect_ratio_policy: "not_larger" }),
  to([1, 2, 4, 6], [7, 8], { mode: "linear", axes: [3, 2], keep_aspect_ratio_policy: "not_smaller" }),
  {
    operator: "Resize",
    opset: 19,
    note: "region of interest",
    attributes: { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize", extrapolation_value: 0.5 },
    inputs: [floats([1, 1, 5, 6], 6), listed([0, 0, 0.2, -0.1, 1, 1, 0.7, 0.8]), undefined, ints([1, 1, 4, 5])],
    constants: [1],
  },
  {
    operator: "Resize",
    opset: 10,
    attributes: { mode: "nearest" },
    inputs: [floats([1, 1, 4, 4]), listed([1, 1, 2, 0.5])],
    constants: [1],
  },
  {
    operator: "Upsample",
    opset: 9,
    attributes: { mode: "nearest" },
    inputs: [floats([1, 2, 3, 3]), listed([1, 1, 2, 3])],
    constants: [1],
  },
  {
    operator: "Upsample",
    opset: 9,
    attributes: { mode: "linear" },
    inputs: [floats([1, 2, 3, 3]), listed([1, 1, 2, 3])],
    constants: [1],
  },
]);

describe("convolution and pooling properties", () => {
  const geometry = fc.record({
    size: fc.tuple(fc.integer({ min: 3, max: 8 }), fc.integer({ min: 3, max: 8 })),
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    pads: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
    groups: fc.integer({ min: 1, max: 3 }),
    inner: fc.integer({ min: 1, max: 2 }),
    outer: fc.integer({ min: 1, max: 2 }),
  });

  it("Conv and ConvTranspose agree with the runtime for random geometries", async () => {
    await fc.assert(
      fc.asyncProperty(geometry, fc.boolean(), async (g, transposed) => {
        const w = transposed ? [g.inner * g.groups, g.outer, ...g.kernel] : [g.outer * g.groups, g.inner, ...g.kernel];
        const attributes = { strides: g.strides, pads: g.pads, group: g.groups };
        const c = conv(
          [2, g.inner * g.groups, ...g.size],
          w,
          attributes,
          g.outer * g.groups,
          transposed ? "ConvTranspose" : "Conv",
        );
        let value: Float64Array;
        try {
          value = valueOf(c)[0]!.data;
        } catch {
          return; // Pads that eat the whole output.
        }
        const { outputs } = await runtimeOutputs(c);
        assertClose(value, outputs[0]!.data as Float32Array, 3e-6, "output");
      }),
      { seed: 3, numRuns: 60 },
    );
  });

  it("ConvTranspose is the adjoint of Conv", () => {
    fc.assert(
      fc.property(geometry, (g) => {
        const attributes = { strides: g.strides, pads: g.pads, group: g.groups };
        const x = floats([2, g.inner * g.groups, ...g.size], 1);
        const w = floats([g.outer * g.groups, g.inner, ...g.kernel], 2);
        const forward = entryOf("Conv").evaluate!(nodeOf({ operator: "Conv", attributes, inputs: [x, w] }), [x, w])[0]!;
        const y = floats(forward.shape, 3);
        // What the stride leaves over at the end is given back as output padding.
        const output_padding = g.size.map((size, k) => (size + g.pads[k]! + g.pads[k + 2]! - g.kernel[k]!) % g.strides[k]!);
        const back = entryOf("ConvTranspose").evaluate!(
          nodeOf({ operator: "ConvTranspose", attributes: { ...attributes, output_padding }, inputs: [y, w] }),
          [y, w],
        )[0]!;
        assert.deepEqual(back.shape, x.shape);
        const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
        assertClose([dot(forward.data, y.data)], [dot(x.data, back.data)], 1e-10, "<Ax, y> = <x, A'y>");
      }),
      { seed: 4, numRuns: 100 },
    );
  });
});

describe("convolution and pooling rules", () => {
  const infer = (operator: string, shapes: readonly (number[] | undefined)[], attributes: Case["attributes"] = {}): unknown =>
    entryOf(operator).infer(nodeOf({ operator, attributes, inputs: shapes.map(() => bools([1])) }), {
      inputs: shapes.map((shape) => ({ type: "float32", shape })),
      constant: () => undefined,
      opset: 21,
    });

  it("say what does not fit", () => {
    assert.throws(
      () =>
        infer("Conv", [
          [1, 4, 8, 8],
          [6, 3, 3, 3],
        ]),
      /Conv: an input of 4 channels does not fit weights of shape \[6, 3, 3, 3\]/,
    );
    assert.throws(
      () =>
        infer(
          "Conv",
          [
            [1, 4, 8, 8],
            [6, 2, 3, 3],
          ],
          { group: 4 },
        ),
      /6 channels do not divide into 4 groups/,
    );
    assert.throws(
      () =>
        infer("Conv", [
          [1, 4, 8, 8],
          [6, 4, 3],
        ]),
      /spatial axes/,
    );
    assert.throws(
      () =>
        infer("Conv", [
          [1, 4, 2, 2],
          [6, 4, 3, 3],
        ]),
      /a window of 3 does not fit in spatial axis 0 of size 2/,
    );
    assert.throws(() => infer("Conv", [[1, 4, 8, 8], [6, 4, 3, 3], [5]]), /bias of shape \[5\] does not fit 6 output channels/);
    assert.throws(
      () =>
        infer(
          "Conv",
          [
            [1, 4, 8, 8],
            [6, 4, 3, 3],
          ],
          { pads: [1, 1] },
        ),
      /pads has 2 numbers for 2 spatial axes/,
    );
    assert.throws(
      () =>
        infer("ConvTranspose", [
          [1, 4, 8, 8],
          [3, 4, 3, 3],
        ]),
      /4 channels/,
    );
    assert.throws(() => infer("MaxPool", [[1, 4, 8, 8]]), /kernel_shape is absent/);
    assert.throws(() => infer("AveragePool", [[1, 4]], { kernel_shape: [] }), /no spatial axes/);
  });

  it("leave shapes open behind unknown ones", () => {
    assert.deepEqual(infer("Conv", [undefined, [6, 3, 3, 3]]), [{ type: "float32", shape: undefined }]);
    assert.deepEqual(infer("MaxPool", [undefined], { kernel_shape: [2, 2] }), [{ type: "float32", shape: undefined }]);
    assert.deepEqual(infer("Resize", [[1, 2, 3, 4], undefined, [4]]), [{ type: "float32", shape: undefined }]);
  });
});
