/** @file Test support: operators at small sizes, with the attributes under which their rules are checked. */
import type { Attribute } from "../../graph/graph";
import { int64Vector, scalar, tensor } from "../../graph/tensor";
import type { Random } from "../../numerics/random";
import type { OperatorInput } from "./commutant";

/** Values of free inputs, unless told otherwise. */
export const normal = (r: Random): number => r.normal();
export const positive = (r: Random): number => r.uniform() + 0.3;
const bounded = (r: Random): number => 1.8 * r.uniform() - 0.9;
export const wide = (r: Random): number => 4 * r.normal();
const above = (r: Random): number => r.uniform() + 1.2;

/** One operator with its attributes: free inputs by shape, others constants. */
export interface Line {
  readonly operator: string;
  readonly inputs: readonly (OperatorInput | undefined)[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly draw?: (r: Random) => number;
  /** How many outputs it has; the first is looked at. */
  readonly outputs?: number;
  /** 17 unless told. */
  readonly opset?: number;
}

export const v = int64Vector;
export const X = [2, 3] as const;
const IMAGE = [1, 2, 3, 3] as const;

export function lines(operators: string, inputs: readonly OperatorInput[], more: Omit<Line, "operator" | "inputs"> = {}): Line[] {
  return operators.split(" ").map((operator) => ({ operator, inputs, ...more }));
}

/** Every operator that has a rule, in its plain form. */
export const LINES: readonly Line[] = [
  ...lines("Identity Dropout Neg Abs Relu LeakyRelu Sign Tanh Erf Sin Tan Atan Sinh Asinh Softsign Cos Cosh Sigmoid", [X]),
  ...lines("HardSigmoid HardSwish Mish Elu Selu Celu Softplus Exp Shrink ThresholdedRelu", [X], { draw: wide }),
  ...lines("Gelu Swish Floor Ceil Round IsNaN IsInf Not CastLike", [X]),
  ...lines("Asin Acos Atanh", [X], { draw: bounded }),
  ...lines("Acosh", [X], { draw: above }),
  ...lines("Sqrt Reciprocal Log", [X], { draw: positive }),
  { operator: "Cast", inputs: [X], attributes: { to: 1 } },
  { operator: "Cast", inputs: [X], attributes: { to: 7 } },
  { operator: "Clip", inputs: [X, scalar(-0.5), scalar(0.5)] },
  { operator: "Clip", inputs: [X, scalar(-0.5), scalar(0.8)] },
  { operator: "Pow", inputs: [X, scalar(2)], draw: positive },
  { operator: "Pow", inputs: [X, scalar(0.5)], draw: positive },
  { operator: "PRelu", inputs: [X, [3]] },
  ...lines("Add Sub Mul Max Min Sum Mean", [X, [3]]),
  ...lines("Add Mul", [X, X]),
  { operator: "Div", inputs: [X, [3]], draw: positive },
  { operator: "Where", inputs: [tensor([3], [1, 0, 1], "bool"), X, X] },
  ...lines("Equal Greater GreaterOrEqual Less LessOrEqual Mod And Or Xor", [X, X], { draw: positive }),
  { operator: "Reshape", inputs: [[2, 3], v([3, 2])] },
  { operator: "Reshape", inputs: [[4], v([2, 2])] },
  { operator: "Transpose", inputs: [X], attributes: { perm: [1, 0] } },
  { operator: "Slice", inputs: [[2, 4], v([1]), v([3]), v([1])] },
  { operator: "Concat", inputs: [X, [2, 2]], attributes: { axis: 1 } },
  { operator: "Gather", inputs: [[3, 2], tensor([2], [2, 0], "int64")] },
  { operator: "GatherElements", inputs: [[3, 2], tensor([2, 2], [2, 0, 1, 1], "int64")] },
  { operator: "ScatterElements", inputs: [[3, 2], tensor([2, 2], [2, 0, 1, 1], "int64"), [2, 2]] },
  { operator: "OneHot", inputs: [tensor([2], [2, 0], "int64"), scalar(3, "int64"), [2]] },
  { operator: "Expand", inputs: [[1, 3], v([2, 3])] },
  { operator: "Tile", inputs: [[2], v([2])] },
  { operator: "Pad", inputs: [X, v([0, 1, 0, 1])] },
  { operator: "Pad", inputs: [X, v([0, 1, 0, 1]), scalar(1)] },
  { operator: "DepthToSpace", inputs: [[1, 8, 1, 1]], attributes: { blocksize: 2 } },
  { operator: "SpaceToDepth", inputs: [[1, 2, 2, 2]], attributes: { blocksize: 2 } },
  { operator: "CumSum", inputs: [X, scalar(1, "int64")] },
  { operator: "Trilu", inputs: [[3, 3]], attributes: { upper: 0 } },
  {
    operator: "Resize",
    inputs: [[1, 2, 2, 2], undefined, tensor([4], [1, 1, 2, 2], "float32")],
    attributes: { mode: "nearest" },
  },
  { operator: "Upsample", inputs: [[1, 2, 2, 2], tensor([4], [1, 1, 2, 2])], attributes: { mode: "nearest" } },
  ...lines("Softmax LogSoftmax", [X], { attributes: { axis: -1 } }),
  ...lines("ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp ReduceProd", [X], {
    attributes: { axes: [1], keepdims: 0 },
  }),
  { operator: "ReduceSum", inputs: [X, v([1])], attributes: { keepdims: 1 } },
  ...lines("ArgMax ArgMin", [X], { attributes: { axis: 1 } }),
  { operator: "TopK", inputs: [[2, 4], v([2])], attributes: { axis: 1 } },
  ...lines("MaxPool AveragePool", [IMAGE], { attributes: { kernel_shape: [2, 2] } }),
  { operator: "LpPool", inputs: [IMAGE], attributes: { kernel_shape: [2, 2], p: 2 } },
  ...lines("GlobalMaxPool GlobalAveragePool", [[2, 2, 1, 2]]),
  { operator: "MatMul", inputs: [X, [3, 2]] },
  {
    operator: "MatMul",
    inputs: [
      [2, 2, 2],
      [2, 2],
    ],
  },
  { operator: "Einsum", inputs: [X, [3, 2]], attributes: { equation: "ij,jk->ik" } },
  { operator: "Einsum", inputs: [X, X], attributes: { equation: "ij,ij->i" } },
  {
    operator: "Conv",
    inputs: [
      [1, 2, 2, 1],
      [3, 2, 1, 1],
    ],
  },
  {
    operator: "Conv",
    inputs: [
      [1, 4, 1, 1],
      [4, 2, 1, 1],
    ],
    attributes: { group: 2 },
  },
  {
    operator: "ConvTranspose",
    inputs: [
      [1, 2, 2, 1],
      [2, 3, 1, 1],
    ],
  },
];

/** The same operators under other attributes, ranks and optional inputs. */
export const VARIANTS: readonly Line[] = [
  // Attribute variants
  { operator: "Transpose", inputs: [[2, 1, 3]] },
  { operator: "Transpose", inputs: [[2, 3, 2]], attributes: { perm: [1, 2, 0] } },
  { operator: "Reshape", inputs: [[2, 3], v([0, -1])] },
  { operator: "Reshape", inputs: [[2, 3], v([-1])] },
  { operator: "Reshape", inputs: [[2, 3], v([1, 2, 1, 3])] },
  { operator: "Slice", inputs: [[4, 2], v([-1]), v([-5]), v([0]), v([-1])] },
  { operator: "Slice", inputs: [[2, 5], v([3]), v([0]), v([-1]), v([-2])] },
  { operator: "Slice", inputs: [[2, 4], v([-3]), v([99]), v([-1])] },
  { operator: "Slice", inputs: [[2, 4], v([0]), v([4]), v([1]), v([2])] },
  { operator: "Slice", inputs: [[3, 4], v([1, 1]), v([3, 2])] },
  { operator: "Slice", inputs: [[2, 4]], attributes: { starts: [1], ends: [3], axes: [-1] } },
  { operator: "Concat", inputs: [X, X], attributes: { axis: -1 } },
  {
    operator: "Concat",
    inputs: [
      [2, 2],
      [1, 2],
      [2, 2],
    ],
    attributes: { axis: 0 },
  },
  { operator: "Gather", inputs: [[3, 2], tensor([2], [-1, 0], "int64")], attributes: { axis: -2 } },
  { operator: "Gather", inputs: [[2, 3], tensor([3], [1, 1, 2], "int64")], attributes: { axis: 1 } },
  { operator: "Gather", inputs: [[2, 3], tensor([], [-2], "int64")], attributes: { axis: -1 } },
  { operator: "Gather", inputs: [[2, 3], tensor([2, 1], [0, 2], "int64")], attributes: { axis: 1 } },
  { operator: "GatherElements", inputs: [[3, 2], tensor([3, 1], [-1, 0, 1], "int64")], attributes: { axis: -1 } },
  { operator: "GatherElements", inputs: [[3, 2], tensor([2, 2], [1, 0, 0, 1], "int64")], attributes: { axis: 1 } },
  { operator: "ScatterElements", inputs: [[3, 2], tensor([2, 1], [1, 0], "int64"), [2, 1]], attributes: { axis: -1 } },
  {
    operator: "ScatterElements",
    inputs: [[3, 2], tensor([2, 2], [2, 0, 1, 1], "int64"), [2, 2]],
    attributes: { reduction: "add" },
  },
  {
    operator: "ScatterElements",
    inputs: [[3, 2], tensor([2, 2], [2, 0, 1, 1], "int64"), [2, 2]],
    attributes: { reduction: "mul" },
  },
  {
    operator: "ScatterElements",
    inputs: [[3, 2], tensor([2, 2], [2, 0, 1, 1], "int64"), [2, 2]],
    attributes: { reduction: "max" },
  },
  { operator: "OneHot", inputs: [tensor([2], [-1, 0], "int64"), scalar(3, "int64"), [2]], attributes: { axis: 0 } },
  { operator: "Expand", inputs: [[2, 1], v([3, 1, 2])] },
  { operator: "Expand", inputs: [[3], v([2, 1])] },
  { operator: "Tile", inputs: [[2, 3], v([1, 2])] },
  { operator: "Tile", inputs: [[1, 3], v([2, 1])] },
  { operator: "Pad", inputs: [X, v([0, 1, 0, 0])], attributes: { mode: "edge" } },
  { operator: "Pad", inputs: [X, v([0, 1, 0, 1])], attributes: { mode: "reflect" } },
  { operator: "Pad", inputs: [X, v([0, 1, 0, 1])], attributes: { mode: "wrap" } },
  { operator: "Pad", inputs: [X, v([0, -1, 0, 0])] },
  { operator: "Pad", inputs: [[3, 3], v([-1, 0, 1, 0])] },
  { operator: "Pad", inputs: [X, v([1, 0]), undefined, v([-1])] },
  { operator: "Pad", inputs: [X], attributes: { pads: [0, 1, 0, 1] } },
  { operator: "Pad", inputs: [X], attributes: { pads: [0, 1, 0, 1], value: 2 } },
  { operator: "Pad", inputs: [X, v([0, 0, 0, 0]), scalar(1)] },
  { operator: "DepthToSpace", inputs: [[1, 8, 1, 1]], attributes: { blocksize: 2, mode: "CRD" } },
  { operator: "CumSum", inputs: [X, scalar(-1, "int64")], attributes: { exclusive: 1 } },
  { operator: "CumSum", inputs: [X, v([0])], attributes: { reverse: 1 } },
  { operator: "Trilu", inputs: [[2, 3], scalar(1, "int64")], attributes: { upper: 1 } },
  { operator: "Resize", inputs: [[2, 3], undefined, tensor([2], [1.2, 2], "float32")], attributes: { mode: "linear" } },
  { operator: "Resize", inputs: [[3, 3], undefined, tensor([2], [1.2, 1], "float32")], attributes: { mode: "linear" } },
  {
    operator: "Resize",
    inputs: [[3, 3], undefined, tensor([2], [1.2, 1], "float32")],
    attributes: { mode: "linear", coordinate_transformation_mode: "align_corners" },
  },
  { operator: "Resize", inputs: [[2, 3], undefined, undefined, v([2, 2])], attributes: { mode: "cubic" } },
  { operator: "Resize", inputs: [[2, 3], undefined, undefined, v([2, 2])], attributes: { mode: "linear", antialias: 1 } },
  {
    operator: "Resize",
    inputs: [[2, 3], undefined, undefined, v([5])],
    attributes: { mode: "linear", axes: [-1], coordinate_transformation_mode: "asymmetric" },
  },
  {
    operator: "Resize",
    inputs: [[2, 2], tensor([4], [0, 0.2, 1, 1.4], "float32"), undefined, v([2, 3])],
    attributes: { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize" },
  },
  {
    operator: "Resize",
    inputs: [[2, 2], tensor([4], [0, 0.2, 1, 1.4], "float32"), undefined, v([2, 3])],
    attributes: { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize", extrapolation_value: 1 },
  },
  {
    operator: "Resize",
    inputs: [[3, 2], tensor([4], [0.5, 0, 1, 1], "float32"), undefined, v([3, 2])],
    attributes: { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize" },
  },
  {
    operator: "Resize",
    inputs: [[2, 3], undefined, undefined, v([2, 6])],
    attributes: { mode: "nearest", keep_aspect_ratio_policy: "not_larger" },
  },
  { operator: "Upsample", inputs: [[1, 2, 2]], attributes: { scales: [1, 1, 2], mode: "linear" } },
  ...lines("Softmax LogSoftmax", [[2, 2, 2]], { attributes: { axis: 1 } }),
  ...lines("Softmax LogSoftmax", [X], { attributes: { axis: 0 } }),
  ...[{ axes: [0, -1], keepdims: 1 }, { axes: [-2], keepdims: 0 }, { keepdims: 0 }, { axes: [0, 1], keepdims: 0 }].flatMap(
    (attributes) =>
      lines("ReduceSum ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp ReduceProd", [[2, 3]], {
        attributes,
      }),
  ),
  ...lines("ArgMax ArgMin", [X], { attributes: { axis: -2, keepdims: 0 } }),
  ...lines("ArgMax ArgMin", [X], { attributes: { keepdims: 0, select_last_index: 1 } }),
  { operator: "TopK", inputs: [[3, 2], v([2])], attributes: { axis: -2, largest: 0, sorted: 1 } },
  { operator: "TopK", inputs: [[2, 3], v([3])], attributes: { axis: 1 } },
  ...lines("MaxPool AveragePool LpPool", [[1, 2, 4]], {
    attributes: { kernel_shape: [3], strides: [2], pads: [1, 1], ceil_mode: 1 },
  }),
  ...lines("MaxPool AveragePool LpPool", [[1, 2, 4]], {
    attributes: { kernel_shape: [2], dilations: [2], auto_pad: "SAME_LOWER" },
  }),
  { operator: "AveragePool", inputs: [[1, 2, 3]], attributes: { kernel_shape: [2], pads: [1, 0], count_include_pad: 1 } },
  { operator: "LpPool", inputs: [[1, 2, 3]], attributes: { kernel_shape: [2], p: 1 } },
  ...lines("MaxPool AveragePool LpPool", [[2, 2, 3]], { attributes: { kernel_shape: [1] } }),
  { operator: "MatMul", inputs: [[3], [3, 2]] },
  { operator: "MatMul", inputs: [[2, 3], [3]] },
  { operator: "MatMul", inputs: [[3], [3]] },
  {
    operator: "MatMul",
    inputs: [
      [1, 2, 2],
      [2, 2, 2],
    ],
  },
  {
    operator: "MatMul",
    inputs: [
      [2, 1, 1, 2],
      [1, 2, 2, 1],
    ],
  },
  { operator: "MatMul", inputs: [[2], [2, 2, 2]] },
  ...[
    "ii->i",
    "ii->",
    "ij->ji",
    "i,j->ij",
    "i,i->",
    "ij,j->i",
    "...i,i->...",
    "bij,bjk->bik",
    "ij,ij,i->j",
    "ij->",
    "ijj->ij",
  ].map(
    (equation): Line => ({
      operator: "Einsum",
      inputs: equation
        .split("->")[0]!
        .split(",")
        .map((term) => Array.from(term.replace("...", "b"), () => 2)),
      attributes: { equation },
    }),
  ),
  {
    operator: "Einsum",
    inputs: [
      [2, 1],
      [2, 3],
    ],
    attributes: { equation: "ij,ij->ij" },
  },
  {
    operator: "Einsum",
    inputs: [
      [2, 1, 3],
      [2, 3],
    ],
    attributes: { equation: "...i,...i->..." },
  },
  {
    operator: "Einsum",
    inputs: [
      [2, 3],
      [3, 2],
    ],
    attributes: { equation: "ij,jk" },
  },
  {
    operator: "Conv",
    inputs: [
      [1, 2, 3],
      [2, 2, 2],
    ],
    attributes: { strides: [2], pads: [1, 0] },
  },
  {
    operator: "Conv",
    inputs: [
      [1, 2, 3],
      [2, 1, 2],
    ],
    attributes: { group: 2, dilations: [2] },
  },
  {
    operator: "Conv",
    inputs: [
      [1, 2, 3],
      [4, 1, 1],
    ],
    attributes: { group: 2 },
  },
  {
    operator: "Conv",
    inputs: [
      [1, 1, 3],
      [2, 1, 2],
    ],
    attributes: { auto_pad: "SAME_UPPER" },
  },
  {
    operator: "ConvTranspose",
    inputs: [
      [1, 2, 2],
      [2, 2, 2],
    ],
    attributes: { strides: [2], output_padding: [1] },
  },
  {
    operator: "ConvTranspose",
    inputs: [
      [1, 4, 1],
      [4, 1, 2],
    ],
    attributes: { group: 2, pads: [1, 0] },
  },
  {
    operator: "ConvTranspose",
    inputs: [
      [1, 2, 2],
      [2, 1, 2],
    ],
    attributes: { group: 2, strides: [2], output_shape: [4] },
  },
  ...lines("Add Sub Mul Max Min Sum Mean", [[2, 1], [3]]),
  ...lines("Add Mul Max", [X, []]),
  ...lines("Add Mul Max Min Sub Div", [X, tensor([3], [1, 2, 2])]),
  ...lines("Add Mul Sub Div Pow", [tensor([3], [1, 2, 2]), X], { draw: positive }),
  ...lines("Sum Mean Max Min", [X, [3], [2, 1]]),
  ...lines("Sum Mean Max Min", [X]),
  { operator: "Div", inputs: [[3], X], draw: positive },
  { operator: "Pow", inputs: [X, tensor([3], [1, 2, 3])], draw: positive },
  { operator: "Pow", inputs: [X, [3]], draw: positive },
  { operator: "Pow", inputs: [X, scalar(3)] },
  { operator: "Pow", inputs: [X, scalar(-1)], draw: positive },
  { operator: "PRelu", inputs: [X, [2, 1]] },
  { operator: "PRelu", inputs: [X, [1]] },
  { operator: "PRelu", inputs: [X, tensor([3], [0.5, 0.1, 0.5])] },
  { operator: "Where", inputs: [tensor([2, 1], [1, 0], "bool"), X, [3]] },
  { operator: "Where", inputs: [tensor([], [1], "bool"), X, X] },
  { operator: "Where", inputs: [tensor([2, 3], [1, 0, 1, 0, 1, 1], "bool"), X, scalar(0)] },
  { operator: "Clip", inputs: [X, undefined, scalar(0.5)] },
  { operator: "Clip", inputs: [X, scalar(0)] },
  { operator: "Clip", inputs: [X] },
  { operator: "Clip", inputs: [X], attributes: { min: -0.5, max: 0.5 } },
  { operator: "LeakyRelu", inputs: [X], attributes: { alpha: -0.5 } },
  { operator: "LeakyRelu", inputs: [X], attributes: { alpha: 0 } },
  ...lines("Elu Selu Celu ThresholdedRelu", [X], { attributes: { alpha: 0.3 }, draw: wide }),
  { operator: "ThresholdedRelu", inputs: [X], attributes: { alpha: 0 } },
  ...lines("HardSigmoid", [X], { attributes: { alpha: 0.3, beta: 0 } }),
  { operator: "Shrink", inputs: [X], attributes: { bias: 0.5, lambd: 0.5 }, draw: wide },
  { operator: "Gelu", inputs: [X], attributes: { approximate: "tanh" } },
  { operator: "IsInf", inputs: [X], attributes: { detect_negative: 0 } },
  { operator: "Mod", inputs: [X, X], attributes: { fmod: 1 }, draw: positive },
  { operator: "Cast", inputs: [X], attributes: { to: 9 } },
  { operator: "Cast", inputs: [X], attributes: { to: 11 } },
  { operator: "Cast", inputs: [X], attributes: { to: 16 } },
  { operator: "Dropout", inputs: [X], attributes: { ratio: 0.5 } },
  { operator: "Dropout", inputs: [X, scalar(0.5), tensor([], [0], "bool")] },
  { operator: "GlobalMaxPool", inputs: [[2, 2, 3]] },
  { operator: "GlobalAveragePool", inputs: [[2, 2, 3]] },
];
