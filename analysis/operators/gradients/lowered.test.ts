/** Operators without a gradient rule of their own: what they are lowered to has the gradient of the whole. */
import { describe, it } from "node:test";
import { type Case, checkGradients, fixed, label, values, whole } from "../testing/differentiation";

/** Places of samples: between -1.2 and 1.2, so that some lie outside. */
const grid = (shape: readonly number[]) => values(shape, -1.2, 1.2);
const picture = values([2, 2, 4, 5]);
const cell = (operator: string, gates: number, more: readonly (readonly number[])[] = []): Case => ({
  operator,
  inputs: [
    values([3, 2, 4]),
    values([1, gates * 3, 4]),
    values([1, gates * 3, 3]),
    values([1, 2 * gates * 3]),
    undefined,
    ...more.map((shape) => values(shape)),
  ],
  attributes: { hidden_size: 3, ...(operator === "GRU" ? { linear_before_reset: 1 } : {}) },
  outputs: 2,
});

const cases: readonly Case[] = [
  ...["linear", "cubic"].flatMap((mode) =>
    ["zeros", "border", "reflection"].map(
      (padding_mode): Case => ({
        operator: "GridSample",
        inputs: [picture, grid([2, 3, 2, 2])],
        attributes: { mode, padding_mode, align_corners: mode === "linear" ? 1 : 0 },
      }),
    ),
  ),
  { operator: "GridSample", inputs: [picture, grid([2, 3, 2, 2])], attributes: { mode: "nearest" } },
  { operator: "GridSample", inputs: [values([1, 2, 3, 2, 4]), grid([1, 2, 2, 2, 3])], note: "volumes" },
  { operator: "AffineGrid", inputs: [values([2, 2, 3]), whole([2, 1, 3, 4])] },
  {
    operator: "RoiAlign",
    inputs: [picture, fixed([0.3, 0.2, 3.1, 3.6, 1.13, 0.9, 4.27, 2.7], [2, 4]), whole([1, 0])],
    attributes: { output_height: 2, output_width: 2, sampling_ratio: 2 },
  },
  {
    operator: "DeformConv",
    inputs: [values([1, 4, 4, 5]), values([4, 2, 2, 2]), values([1, 16, 3, 4], -0.9, 0.9), values([4]), values([1, 8, 3, 4])],
    attributes: { group: 2, offset_group: 2, kernel_shape: [2, 2] },
  },
  {
    operator: "MaxUnpool",
    inputs: [values([1, 1, 2, 2]), whole([5, 7, 13, 15], [1, 1, 2, 2])],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  },
  { operator: "Col2Im", inputs: [values([1, 8, 6]), whole([3, 4]), whole([2, 2])] },
  { operator: "CenterCropPad", inputs: [values([3, 5]), whole([5, 2])] },
  { operator: "DFT", inputs: [values([2, 5, 2])] },
  { operator: "DFT", inputs: [values([2, 6, 1])], attributes: { onesided: 1 } },
  { operator: "Scatter", opset: 10, inputs: [values([3, 4]), whole([2, 0, 1], [1, 3]), values([1, 3])] },
  { operator: "LRN", inputs: [values([2, 5, 2, 3])], attributes: { size: 3, alpha: 0.7, beta: 0.6, bias: 1.5 } },
  { operator: "InstanceNormalization", inputs: [values([2, 3, 4, 2]), values([3]), values([3])] },
  { operator: "GroupNormalization", inputs: [values([2, 4, 3, 2]), values([4]), values([4])], attributes: { num_groups: 2 } },
  { operator: "RMSNormalization", opset: 23, inputs: [values([2, 3, 4]), values([4])] },
  { operator: "LpNormalization", inputs: [values([2, 4])], attributes: { p: 2 } },
  { operator: "MeanVarianceNormalization", inputs: [values([2, 3, 3, 2])] },
  { operator: "GlobalLpPool", inputs: [values([2, 3, 3, 2])], attributes: { p: 3 } },
  cell("RNN", 1, [[1, 2, 3]]),
  cell("GRU", 3, [[1, 2, 3]]),
  { ...cell("LSTM", 4, [[1, 2, 3]]), outputs: 3, seeds: [0, 2] },
  {
    operator: "SoftmaxCrossEntropyLoss",
    inputs: [values([3, 4]), whole([1, 3, 0]), values([4], 0.5, 2)],
    constants: [2],
  },
  { operator: "NegativeLogLikelihoodLoss", inputs: [values([3, 4]), whole([1, 3, 0])] },
  {
    operator: "Attention",
    opset: 23,
    inputs: [values([2, 2, 3, 4]), values([2, 2, 3, 4]), values([2, 2, 3, 4])],
    attributes: { is_causal: 1 },
  },
];

describe("gradients of operators that are lowered", () => {
  for (const c of cases) it(label(c), () => checkGradients(c));
});
