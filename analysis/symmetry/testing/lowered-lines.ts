/** @file Test support: operators that are made of others, at small sizes, with the attributes under which their normal form is checked. */
import { scalar, tensor } from "../../graph/tensor";
import { X, lines, positive, type Line, v, wide } from "./operator-lines";

const NORM = [1, 4, 2] as const;
const STEPS = 2;

/** Operators that are made of others, in normal form: what their parts claim together. */
export const LOWERED: readonly Line[] = [
  { operator: "Gemm", inputs: [X, [3, 2], [2]] },
  {
    operator: "Gemm",
    inputs: [
      [3, 2],
      [2, 3],
      [2, 1],
    ],
    attributes: { transA: 1, transB: 1, alpha: 0.5, beta: 2 },
  },
  { operator: "Gemm", inputs: [X, [3, 2]], attributes: { alpha: -1 } },
  { operator: "Gemm", inputs: [X, [3, 2], []], attributes: { beta: 0 } },
  { operator: "Conv", inputs: [[1, 2, 1], [2, 2, 1], [2]] },
  { operator: "Conv", inputs: [[1, 2, 1, 2], [2, 1, 1, 1], [2]], attributes: { group: 2, auto_pad: "SAME_UPPER" } },
  { operator: "ConvTranspose", inputs: [[1, 2, 1], [2, 2, 1], [2]] },
  {
    operator: "ConvTranspose",
    inputs: [
      [1, 2, 2],
      [2, 1, 2],
    ],
    attributes: { group: 2, strides: [2], output_shape: [4] },
  },
  { operator: "GlobalLpPool", inputs: [[2, 2, 3]], attributes: { p: 1 } },
  { operator: "GlobalLpPool", inputs: [[2, 2, 3]], attributes: { p: 3 } },
  { operator: "MaxPool", inputs: [[1, 1, 4]], attributes: { kernel_shape: [2], strides: [2] } },
  ...[{ noop_with_empty_axes: 1 }, { axes: [-2] }, { keepdims: 0 }].flatMap((attributes) =>
    lines("ReduceSum ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp", [X], {
      attributes,
      draw: positive,
    }),
  ),
  ...lines("Softmax LogSoftmax Hardmax", [[2, 2, 2]], { attributes: { axis: 1 }, opset: 11 }),
  ...lines("Softmax LogSoftmax Hardmax", [[2, 2, 2]], { attributes: { axis: 1 } }),
  ...lines("Softmax", [[2, 2, 2]], { opset: 11 }),
  { operator: "Softmax", inputs: [[2, 3]], attributes: { axis: 0 }, opset: 11 },
  { operator: "Flatten", inputs: [[2, 3, 1]], attributes: { axis: -2 } },
  { operator: "Flatten", inputs: [[2, 3]], attributes: { axis: 0 } },
  { operator: "Squeeze", inputs: [[1, 3, 1]] },
  { operator: "Squeeze", inputs: [[1, 3, 1]], attributes: { axes: [-1] }, opset: 11 },
  { operator: "Unsqueeze", inputs: [X, v([0, -1])] },
  { operator: "Unsqueeze", inputs: [X], attributes: { axes: [0, 3] }, opset: 11 },
  { operator: "Split", outputs: 2, inputs: [[2, 4], v([1, 3])], attributes: { axis: -1 } },
  { operator: "Split", outputs: 2, inputs: [[2, 4]], attributes: { axis: 1, split: [2, 2] }, opset: 11 },
  { operator: "Split", outputs: 2, inputs: [[5, 2]], attributes: { num_outputs: 2 } },
  { operator: "GatherND", inputs: [[2, 3], tensor([2, 1], [1, -2], "int64")] },
  { operator: "GatherND", inputs: [[2, 2, 2], tensor([2, 1], [1, 0], "int64")], attributes: { batch_dims: 1 } },
  { operator: "Scatter", inputs: [[3, 2], tensor([2, 2], [2, 0, 1, 1], "int64"), [2, 2]] },
  { operator: "ScatterND", inputs: [[4, 2], tensor([2, 1], [2, 3], "int64"), [2, 2]] },
  { operator: "ReverseSequence", inputs: [[3, 2], tensor([2], [3, 2], "int64")] },
  { operator: "Compress", inputs: [[3, 2], tensor([3], [1, 0, 1], "bool")], attributes: { axis: 0 } },
  { operator: "CenterCropPad", inputs: [[3, 3], v([2, 5])] },
  { operator: "SpaceToDepth", inputs: [[1, 2, 2, 2]], attributes: { blocksize: 2 } },
  { operator: "Trilu", inputs: [[2, 3], scalar(-9, "int64")] },
  { operator: "CumSum", inputs: [X, scalar(-1, "int64")], attributes: { exclusive: 1 } },
  { operator: "CumSum", inputs: [X, v([0])], attributes: { reverse: 1 } },
  { operator: "Tile", inputs: [[2, 3], v([1, 2])] },
  { operator: "Clip", inputs: [X], attributes: { min: -0.5 }, opset: 6 },
  { operator: "Clip", inputs: [X], attributes: { min: 0, max: 6 }, opset: 6, draw: wide },
  { operator: "Clip", inputs: [X, undefined, scalar(0.5)] },
  { operator: "Clip", inputs: [X] },
  { operator: "LeakyRelu", inputs: [X], attributes: { alpha: 0 } },
  { operator: "LeakyRelu", inputs: [X], attributes: { alpha: 1 } },
  ...lines("Sum Mean Max Min", [X, [3], [2, 1]]),
  ...lines("Sum Mean Max Min", [X]),
  ...lines("Max Min", [X, scalar(0)]),
  { operator: "Dropout", inputs: [X], attributes: { ratio: 0.5 }, opset: 10 },
  { operator: "Upsample", inputs: [[1, 2, 2]], attributes: { scales: [1, 1, 2], mode: "linear" }, opset: 7 },
  { operator: "Resize", inputs: [[1, 2, 2], tensor([3], [1, 1, 2], "float32")], opset: 10 },
  { operator: "Resize", inputs: [X, undefined, tensor([2], [1.2, 1], "float32")], attributes: { mode: "linear" } },
  ...["bij,bjk->bik", "ij,jk,kl->il", "ii->i", "ij->ji", "ij->i", "ij,ij->", "i,i,i->i"].map(
    (equation): Line => ({
      operator: "Einsum",
      inputs: equation
        .split("->")[0]!
        .split(",")
        .map((term) => Array.from(term, () => 2)),
      attributes: { equation },
    }),
  ),
  { operator: "BatchNormalization", inputs: [NORM, [4], [4], [4], tensor([4], [1, 2, 1, 3])] },
  { operator: "BatchNormalization", inputs: [NORM, [4], [4], [4], [4]], draw: positive },
  { operator: "BatchNormalization", inputs: [[3, 4, 2], [4], [4], [4], [4]], attributes: { training_mode: 1 } },
  { operator: "InstanceNormalization", inputs: [[1, 2, 4], [2], [2]] },
  { operator: "GroupNormalization", inputs: [NORM, [2], [2]], attributes: { num_groups: 2 }, opset: 18 },
  { operator: "GroupNormalization", inputs: [NORM, [4], [4]], attributes: { num_groups: 2 }, opset: 21 },
  { operator: "LayerNormalization", inputs: [[2, 4], [4]] },
  {
    operator: "LayerNormalization",
    inputs: [
      [2, 2, 2],
      [2, 2],
      [2, 2],
    ],
    attributes: { axis: 1 },
  },
  { operator: "RMSNormalization", inputs: [[2, 4], [4]], opset: 23 },
  { operator: "LpNormalization", inputs: [[2, 4]] },
  { operator: "LpNormalization", inputs: [[4, 2]], attributes: { axis: 0, p: 1 } },
  { operator: "MeanVarianceNormalization", inputs: [[2, 2, 3]], attributes: { axes: [0, 2] } },
  { operator: "LRN", inputs: [[1, 4, 2]], attributes: { size: 3 } },
  ...["forward", "reverse"].flatMap((direction): Line[] => [
    {
      operator: "RNN",
      inputs: [
        [STEPS, 1, 2],
        [1, 2, 2],
        [1, 2, 2],
      ],
      attributes: { hidden_size: 2, direction },
    },
    {
      operator: "GRU",
      inputs: [
        [STEPS, 1, 1],
        [1, 6, 1],
        [1, 6, 2],
        [1, 12],
      ],
      attributes: { hidden_size: 2, direction, linear_before_reset: 1 },
    },
  ]),
  {
    operator: "GRU",
    inputs: [
      [1, STEPS, 1],
      [1, 6, 1],
      [1, 6, 2],
    ],
    attributes: { hidden_size: 2, layout: 1 },
  },
  {
    operator: "LSTM",
    inputs: [[STEPS, 1, 1], [1, 8, 1], [1, 8, 2], undefined, undefined, [1, 1, 2], undefined, [1, 6]],
    attributes: { hidden_size: 2 },
  },
  {
    operator: "LSTM",
    inputs: [
      [STEPS, 1, 1],
      [1, 8, 1],
      [1, 8, 2],
    ],
    attributes: { hidden_size: 2, input_forget: 1, activations: ["HardSigmoid", "Relu", "Softsign"] },
  },
  {
    operator: "RNN",
    inputs: [
      [STEPS, 1, 1],
      [1, 2, 1],
      [1, 2, 2],
    ],
    attributes: { hidden_size: 2, activations: ["Relu"] },
  },
  {
    operator: "RNN",
    inputs: [
      [STEPS, 1, 1],
      [1, 2, 1],
      [1, 2, 2],
    ],
    attributes: { hidden_size: 2, clip: 0.4 },
  },
  {
    operator: "Attention",
    inputs: [
      [1, 2, 2],
      [1, 2, 2],
      [1, 2, 2],
    ],
    attributes: { q_num_heads: 1, kv_num_heads: 1 },
    opset: 23,
  },
  { operator: "GlobalMaxPool", inputs: [[2, 2, 3]] },
  { operator: "Pad", inputs: [X], attributes: { pads: [0, 1, 0, 1], value: 2 }, opset: 10 },
  { operator: "Slice", inputs: [[2, 4]], attributes: { starts: [1], ends: [-1], axes: [-1] }, opset: 9 },
  { operator: "Slice", inputs: [[4, 2], v([-1]), v([-5]), v([0]), v([-1])] },
];
