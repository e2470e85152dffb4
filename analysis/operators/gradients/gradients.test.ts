/**
 * Every gradient rule against central differences in float64, through the table's own kernels, and the same nodes in ONNX
 * Runtime in float32: what a rule emits has to be accepted there and to have the same value.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as ort from "onnxruntime-node";
import { writeOnnx } from "../../frontends/onnx/write";
import type { Attribute, Graph } from "../../graph/graph";
import { elementCount, type Shape, type Tensor } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { evaluateGraph } from "../evaluate";
import { operatorTable } from "../table";
import { build, type Case, checkGradients, fixed, label, values, whole } from "../testing/differentiation";
import { GraphBuilder } from "./builder";
import { gradients } from "./index";
import { backpropagate, GradientError } from "./reverse";

const unary = (operator: string, low = -1.5, high = 1.5, attributes: Record<string, Attribute> = {}): Case => ({
  operator,
  inputs: [values([3, 4], low, high)],
  attributes,
});
const binaries = (operator: string, low = -1.5, high = 1.5): Case[] => [
  { operator, inputs: [values([2, 3, 4], low, high), values([2, 3, 4], low, high)] },
  { operator, inputs: [values([2, 1, 4], low, high), values([3, 1], low, high)], note: "broadcast both ways" },
];
const reductions = (operator: string, low = -1.5, high = 1.5): Case[] => [
  { operator, inputs: [values([2, 3, 4], low, high), whole([1])], attributes: { keepdims: 1 } },
  { operator, inputs: [values([2, 3, 4], low, high), whole([-1, 0])], attributes: { keepdims: 0 } },
  { operator, inputs: [values([2, 3], low, high)], attributes: { keepdims: 0 }, note: "all axes" },
];
const conv = (x: Shape, w: Shape, attributes: Record<string, Attribute> = {}, operator = "Conv", note = ""): Case => ({
  operator,
  inputs: [values(x), values(w), values([operator === "Conv" ? w[0]! : w[1]! * Number(attributes["group"] ?? 1)])],
  attributes,
  note,
});

const cases: readonly Case[] = [
  ...["Add", "Sub", "Mul", "Max", "Min"].flatMap((name) => binaries(name)),
  { operator: "Max", inputs: [values([3]), values([2, 3]), values([2, 1])], note: "three inputs" },
  ...binaries("Div", 0.5, 2),
  ...binaries("Pow", 0.5, 2),
  ...[2, 3, 0.5, 1.7].map((p): Case => ({ operator: "Pow", inputs: [values([2, 3], 0.5, 2), fixed([p], [])], constants: [1] })),
  { operator: "Pow", inputs: [values([2, 3]), whole([4], [])], note: "an integer power of negative numbers" },
  { operator: "Sum", inputs: [values([3]), values([2, 3]), values([2, 1])] },
  { operator: "Mean", inputs: [values([3]), values([2, 3]), values([2, 1])] },
  { operator: "Mod", inputs: [values([2, 3]), fixed([0.7, 0.8, 0.9])], constants: [1], attributes: { fmod: 1 } },
  { operator: "Mod", inputs: [values([2, 3]), fixed([0.37, 0.41, 0.23])], attributes: { fmod: 1 } },
  { operator: "Where", inputs: [whole([1, 0, 0], [3], "bool"), values([2, 3]), values([2, 1])] },
  { operator: "Identity", inputs: [values([2, 3])] },
  { operator: "Cast", inputs: [values([2, 3])], attributes: { to: 1 } },
  { operator: "CastLike", inputs: [values([2, 3]), fixed([1])], constants: [1] },
  { operator: "Dropout", inputs: [values([2, 3])] },
  ..."Neg Abs Exp Erf Sin Cos Tan Atan Sinh Cosh Tanh Asinh Relu LeakyRelu Elu Celu Selu Sigmoid Softplus Softsign Mish"
    .split(" ")
    .map((name) => unary(name, -1.4, 1.4)),
  ..."Sqrt Log Reciprocal".split(" ").map((name) => unary(name, 0.3, 2)),
  ..."Asin Acos Atanh".split(" ").map((name) => unary(name, -0.8, 0.8)),
  unary("Acosh", 1.2, 3),
  unary("LeakyRelu", -1, 1, { alpha: 0.3 }),
  unary("Elu", -1, 1, { alpha: 0.7 }),
  unary("Celu", -1, 1, { alpha: 0.7 }),
  unary("HardSigmoid", -4, 4),
  unary("HardSwish", -4, 4),
  unary("Gelu"),
  unary("Gelu", -2, 2, { approximate: "tanh" }),
  { ...unary("Swish", -2, 2, { alpha: 1.3 }), runtime: false },
  unary("ThresholdedRelu", -2, 2, { alpha: 0.4 }),
  unary("Shrink", -2, 2, { lambd: 0.4, bias: 0.2 }),
  ..."Floor Ceil Round Sign".split(" ").map((name) => unary(name)),
  { operator: "PRelu", inputs: [values([2, 3, 4]), values([3, 1])] },
  { operator: "Clip", inputs: [values([3, 4]), fixed([-0.5], []), fixed([0.6], [])] },
  { operator: "Clip", inputs: [values([3, 4]), fixed([-0.5], [])], constants: [1] },
  { operator: "Clip", inputs: [values([3, 4]), undefined, fixed([0.5], [])], constants: [2] },
  { operator: "MatMul", inputs: [values([3, 4]), values([4, 2])] },
  { operator: "MatMul", inputs: [values([2, 3, 4]), values([4, 5])] },
  { operator: "MatMul", inputs: [values([2, 1, 3, 4]), values([3, 4, 5])], note: "batch axes broadcast" },
  { operator: "MatMul", inputs: [values([3, 4]), values([2, 4, 5])] },
  { operator: "MatMul", inputs: [values([4]), values([4, 5])] },
  { operator: "MatMul", inputs: [values([2, 3, 4]), values([4])] },
  { operator: "MatMul", inputs: [values([4]), values([4])] },
  { operator: "MatMul", inputs: [values([4]), values([2, 4, 5])] },
  ...[0, 1].flatMap((transA) =>
    [0, 1].map(
      (transB): Case => ({
        operator: "Gemm",
        inputs: [values(transA ? [4, 3] : [3, 4]), values(transB ? [2, 4] : [4, 2]), values(transA ? [2] : [3, 2])],
        attributes: { transA, transB, alpha: 0.7, beta: 1.3 },
      }),
    ),
  ),
  { operator: "Gemm", inputs: [values([3, 4]), values([4, 2])] },
  ...(
    [
      ["bij,bjk->bik", [2, 3, 4], [2, 4, 5]],
      ["ij,ij->", [3, 4], [3, 4]],
      ["bhqd,bhkd->bhqk", [2, 2, 3, 4], [2, 2, 5, 4]],
      ["i,j->ij", [3], [4]],
      ["bij,k->bk", [2, 3, 4], [5]],
    ] as const
  ).map(([equation, a, b]): Case => ({ operator: "Einsum", inputs: [values(a), values(b)], attributes: { equation } })),
  { operator: "Einsum", inputs: [values([3, 4])], attributes: { equation: "ij->j" } },
  conv([2, 3, 6, 5], [4, 3, 3, 3], { pads: [1, 1, 1, 1] }),
  conv([2, 3, 6, 5], [4, 3, 3, 3], {}, "Conv", "no padding"),
  conv([2, 3, 7, 6], [4, 3, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }, "Conv", "strides with a rest"),
  conv([2, 3, 8, 8], [4, 3, 3, 3], { dilations: [2, 2], pads: [2, 1, 0, 2] }, "Conv", "dilated, uneven padding"),
  conv([2, 4, 6, 6], [6, 2, 3, 3], { group: 2, pads: [1, 1, 1, 1] }, "Conv", "groups"),
  conv([2, 4, 7, 7], [6, 2, 3, 3], { group: 2, strides: [2, 2], pads: [1, 1, 1, 1] }, "Conv", "groups and strides"),
  conv([2, 4, 6, 6], [4, 1, 3, 3], { group: 4, pads: [1, 1, 1, 1] }, "Conv", "depthwise"),
  conv([2, 4, 7, 6], [4, 1, 3, 3], { group: 4, pads: [1, 1, 1, 1], strides: [2, 2] }, "Conv", "depthwise with strides"),
  conv([2, 3, 6, 5], [4, 3, 1, 1], {}, "Conv", "1x1"),
  conv([2, 3, 6, 6], [4, 3, 1, 1], { strides: [2, 2] }, "Conv", "1x1 with strides"),
  conv([2, 3, 8, 8], [4, 3, 4, 4], { strides: [4, 4] }, "Conv", "patches"),
  conv([1, 2, 15, 14], [3, 2, 7, 7], { strides: [2, 2], pads: [3, 3, 3, 3] }, "Conv", "many taps"),
  conv([2, 3, 9], [4, 3, 3], { pads: [1, 1] }, "Conv", "one axis"),
  conv([1, 2, 4, 4, 4], [2, 2, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }, "Conv", "three axes, many taps"),
  conv([2, 3, 6, 5], [4, 3, 3, 3], { auto_pad: "SAME_UPPER", strides: [2, 2] }),
  conv([1, 2, 5, 5], [2, 2, 2, 2], { pads: [2, 2, 2, 2] }, "Conv", "more padding than kernel"),
  conv([2, 3, 4, 4], [3, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] }, "ConvTranspose"),
  conv([2, 4, 4, 4], [4, 3, 2, 2], { strides: [2, 2], group: 2 }, "ConvTranspose", "groups"),
  conv([2, 3, 5, 5], [3, 2, 3, 3], {}, "ConvTranspose", "stride 1"),
  conv([2, 2, 5], [2, 3, 4], { strides: [3], pads: [1, 0] }, "ConvTranspose", "one axis"),
  ...["MaxPool", "AveragePool"].flatMap((operator): Case[] => [
    { operator, inputs: [values([2, 3, 6, 4])], attributes: { kernel_shape: [2, 2], strides: [2, 2] }, note: "tiles" },
    {
      operator,
      inputs: [values([1, 2, 7, 7])],
      attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
      note: "overlap",
    },
    { operator, inputs: [values([1, 2, 6, 5])], attributes: { kernel_shape: [3, 2] }, note: "stride 1" },
    {
      operator,
      inputs: [values([1, 2, 6, 6])],
      attributes: { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 },
      note: "ceil_mode",
    },
    { operator, inputs: [values([1, 2, 7, 5])], attributes: { kernel_shape: [2, 2], strides: [2, 2] }, note: "a rest" },
    { operator, inputs: [values([1, 2, 8])], attributes: { kernel_shape: [2], strides: [2] }, note: "one axis" },
  ]),
  {
    operator: "AveragePool",
    inputs: [values([1, 2, 6, 6])],
    attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 },
  },
  ...[1, 2, 3].map(
    (p): Case => ({
      operator: "LpPool",
      inputs: [values([1, 2, 7, 6])],
      attributes: { p, kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 0] },
    }),
  ),
  { operator: "GlobalAveragePool", inputs: [values([2, 3, 4, 5])] },
  { operator: "GlobalMaxPool", inputs: [values([2, 3, 4, 5])] },
  ...["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSumExp"].flatMap(
    (name) => reductions(name),
  ),
  ...["ReduceLogSum", "ReduceProd"].flatMap((name) => reductions(name, 0.5, 2)),
  {
    operator: "ReduceProd",
    inputs: [fixed([0, 2, 3, 0, 0, 3, 1, 2, -3], [3, 3]), whole([1])],
    attributes: { keepdims: 1 },
    note: "none, one and two zeros",
  },
  ...["Softmax", "LogSoftmax"].flatMap((operator): Case[] => [
    { operator, inputs: [values([2, 3, 4])], attributes: { axis: -1 } },
    { operator, inputs: [values([2, 3, 4])], attributes: { axis: 1 } },
  ]),
  { operator: "CumSum", inputs: [values([3, 4]), whole([1], [])] },
  { operator: "CumSum", inputs: [values([3, 4]), whole([0], [])], attributes: { reverse: 1, exclusive: 1 } },
  { operator: "TopK", inputs: [values([3, 6]), whole([2])], attributes: { axis: -1 }, outputs: 2 },
  { operator: "ArgMax", inputs: [values([3, 6])] },
  { operator: "Reshape", inputs: [values([3, 4]), whole([2, 6])] },
  { operator: "Flatten", inputs: [values([2, 3, 4])], attributes: { axis: 1 } },
  { operator: "Squeeze", inputs: [values([2, 1, 4]), whole([1])] },
  { operator: "Unsqueeze", inputs: [values([2, 4]), whole([1])] },
  { operator: "Transpose", inputs: [values([2, 3, 4])], attributes: { perm: [2, 0, 1] } },
  { operator: "Transpose", inputs: [values([2, 3, 4])] },
  { operator: "Concat", inputs: [values([2, 3]), values([2, 1]), values([2, 2])], attributes: { axis: -1 } },
  { operator: "Split", inputs: [values([2, 6]), whole([1, 3, 2])], attributes: { axis: 1 }, outputs: 3, seeds: [0, 2] },
  { operator: "Slice", inputs: [values([4, 6]), whole([1, 1]), whole([3, 6]), whole([0, 1])] },
  { operator: "Slice", inputs: [values([4, 7]), whole([0, 1]), whole([4, 7]), whole([0, 1]), whole([1, 2])] },
  { operator: "Slice", inputs: [values([4, 7]), whole([-1]), whole([-100]), whole([1]), whole([-1])], note: "reversed" },
  { operator: "Slice", inputs: [values([4, 8]), whole([6]), whole([0]), whole([1]), whole([-3])], note: "backwards by three" },
  { operator: "Expand", inputs: [values([3, 1]), whole([2, 3, 4])] },
  { operator: "Tile", inputs: [values([2, 3]), whole([2, 3])] },
  { operator: "DepthToSpace", inputs: [values([1, 8, 2, 3])], attributes: { blocksize: 2 } },
  { operator: "DepthToSpace", inputs: [values([1, 8, 2, 3])], attributes: { blocksize: 2, mode: "CRD" } },
  { operator: "SpaceToDepth", inputs: [values([1, 2, 4, 6])], attributes: { blocksize: 2 } },
  { operator: "Pad", inputs: [values([3, 4]), whole([1, 0, 0, 2]), fixed([0.3], [])] },
  { operator: "Pad", inputs: [values([3, 4]), whole([-1, 1, 0, -2]), fixed([0], [])], constants: [2], note: "crops" },
  ...["reflect", "edge", "wrap"].map(
    (mode): Case => ({ operator: "Pad", inputs: [values([3, 4, 5]), whole([0, 2, 1, 0, 1, 3])], attributes: { mode } }),
  ),
  ...(
    [
      ["nearest", "asymmetric", [1, 1, 2, 2]],
      ["linear", "half_pixel", [1, 1, 2, 1.5]],
      ["linear", "align_corners", [1, 1, 2, 2]],
      ["cubic", "half_pixel", [1, 1, 2, 2]],
    ] as const
  ).map(
    ([mode, coordinates, scales]): Case => ({
      operator: "Resize",
      inputs: [values([1, 2, 4, 4]), undefined, fixed(scales)],
      constants: [2],
      attributes: { mode, coordinate_transformation_mode: coordinates, nearest_mode: "floor" },
    }),
  ),
  { operator: "Gather", inputs: [values([5, 3]), whole([1, 4, 1, 0], [2, 2])], note: "a row twice" },
  { operator: "Gather", inputs: [values([2, 5, 3]), whole([1, 4, -2])], attributes: { axis: 1 } },
  { operator: "Gather", inputs: [values([2, 5, 3]), whole([3], [])], attributes: { axis: 1 } },
  { operator: "GatherElements", inputs: [values([2, 4]), whole([1, 1, 0, 3], [2, 2])], attributes: { axis: 1 } },
  { operator: "GatherND", inputs: [values([3, 4, 2]), whole([0, 1, 2, 3, 0, 1], [3, 2])] },
  {
    operator: "GatherND",
    inputs: [values([2, 3, 4]), whole([1, 0, 2, 1], [2, 2, 1])],
    attributes: { batch_dims: 1 },
  },
  {
    operator: "GatherND",
    inputs: [values([2, 3, 4]), whole([1, 3, 1, 0, 2, 2], [2, 3, 1])],
    attributes: { batch_dims: 2 },
  },
  { operator: "OneHot", inputs: [whole([1, 0, 3], [3]), whole([4], []), values([2])], attributes: { axis: 0 } },
  {
    operator: "ScatterElements",
    inputs: [values([2, 4]), whole([1, 2, 0, 3], [2, 2]), values([2, 2])],
    attributes: { axis: 1 },
  },
  { operator: "ScatterND", inputs: [values([4, 3]), whole([1, 3], [2, 1]), values([2, 3])] },
  { operator: "ScatterND", inputs: [values([4, 3]), whole([1, 1], [2, 1]), values([2, 3])], attributes: { reduction: "add" } },
  { operator: "Trilu", inputs: [values([3, 4])], attributes: { upper: 0 } },
  { operator: "ReverseSequence", inputs: [values([4, 2, 3]), whole([2, 4])] },
  { operator: "Compress", inputs: [values([3, 4]), whole([1, 0, 1], [3], "bool")], attributes: { axis: 0 } },
  {
    operator: "BatchNormalization",
    inputs: [values([3, 2, 4]), values([2]), values([2]), fixed([0, 0]), fixed([1, 1])],
    constants: [3, 4],
    attributes: { training_mode: 1, momentum: 0 },
    outputs: 3,
  },
  {
    operator: "BatchNormalization",
    inputs: [values([3, 2, 4, 2]), values([2]), values([2]), fixed([0.3, -0.2]), fixed([0.7, 1.4])],
    constants: [3, 4],
  },
  { operator: "LayerNormalization", inputs: [values([2, 3, 4]), values([4]), values([4])], outputs: 3 },
  { operator: "LayerNormalization", inputs: [values([2, 3, 4]), values([3, 4])], attributes: { axis: 1 } },
];

describe("gradients against central differences", () => {
  it("has a case for every rule that can be differentiated", () => {
    const covered = new Set(cases.map((c) => c.operator));
    const plain = new Set(
      "Equal Greater GreaterOrEqual Less LessOrEqual Not And Or Xor IsNaN IsInf Shape Size ConstantOfShape Range OneHot NonZero EyeLike ArgMin Upsample".split(
        " ",
      ),
    );
    assert.deepEqual(
      Object.keys(gradients).filter((name) => !covered.has(name) && !plain.has(name)),
      [],
    );
  });
  for (const c of cases) {
    it(label(c), () => checkGradients(c));
  }
});

it("equal entries of a window: the first one takes the gradient, as in PyTorch", () => {
  for (const [kernel, strides] of [
    [
      [2, 2],
      [2, 2],
    ],
    [
      [3, 3],
      [1, 1],
    ],
  ] as const) {
    const x: Tensor = { type: "float32", shape: [1, 1, 4, 4], data: new Float64Array(16).fill(0.5) };
    const { backward } = build({ operator: "MaxPool", inputs: [x], attributes: { kernel_shape: kernel, strides } });
    const out = backward.types.get("y0")!.shape!;
    const ones: Tensor = { type: "float32", shape: out, data: new Float64Array(elementCount(out)).fill(1) };
    const gradient = evaluateGraph(
      backward,
      new Map([
        ["x0", x],
        ["c0", ones],
      ]),
    ).get(backward.outputs[0]!)!.data;
    const expected = new Float64Array(16);
    for (let i = 0; i < out[2]!; i++) for (let j = 0; j < out[3]!; j++) expected[i * strides[0] * 4 + j * strides[1]] = 1;
    assert.deepEqual(gradient, expected);
  }
});

it("large pools: with and without equal entries, where the runtime takes one of two ways", async () => {
  const shape = [2, 8, 64, 80];
  const random = new Random(9);
  for (const levels of [Number.POSITIVE_INFINITY, 3]) {
    const count = elementCount(shape);
    const data = random.normals(count).map((v) => (Number.isFinite(levels) ? Math.round(v * levels) / levels : Math.fround(v)));
    const x: Tensor = { type: "float32", shape, data: data.map(Math.fround) };
    const { backward } = build({ operator: "MaxPool", inputs: [x], attributes: { kernel_shape: [2, 2], strides: [2, 2] } });
    assert.ok(backward.nodes.some((n) => n.operator === "If"));
    const out = [2, 8, 32, 40];
    const dy = Float32Array.from(random.normals(elementCount(out)));
    const session = await ort.InferenceSession.create(writeOnnx(backward), { logSeverityLevel: 4, intraOpNumThreads: 1 });
    const feeds = { x0: new ort.Tensor("float32", Float32Array.from(x.data), shape), c0: new ort.Tensor("float32", dy, out) };
    const found = (await session.run(feeds))[backward.outputs[0]!]!.data as Float32Array;
    const expected = new Float64Array(count);
    for (let k = 0; k < dy.length; k++) {
      const [plane, row, column] = [Math.floor(k / 1280), Math.floor((k % 1280) / 40), k % 40];
      const corner = plane * 5120 + 2 * row * 80 + 2 * column;
      const window = [corner, corner + 1, corner + 80, corner + 81];
      const first = window.reduce((best, at) => (x.data[at]! > x.data[best]! ? at : best));
      expected[first]! += dy[k]!;
    }
    const wrong = expected.findIndex((v, i) => Math.fround(v) !== found[i]);
    assert.equal(wrong, -1, `entry ${wrong} is ${found[wrong]}, expected ${expected[wrong]}`);
    await session.release();
  }
});

it("names the operator and the node that cannot be differentiated", () => {
  const node = {
    name: "layer4/unusual",
    operator: "Unique",
    domain: "",
    inputs: ["x0"],
    outputs: ["y0"],
    attributes: {},
    origin: {},
  };
  const graph: Graph = {
    name: "g",
    opset: 21,
    inputs: [{ name: "x0", type: "float32", shape: [3] }],
    outputs: ["y0"],
    nodes: [node],
    parameters: new Map(),
    constants: new Map(),
    types: new Map([
      ["x0", { type: "float32", shape: [3] }],
      ["y0", { type: "float32", shape: [3] }],
    ]),
  };
  const builder = new GraphBuilder(graph, operatorTable);
  assert.throws(
    () => backpropagate(builder, new Map([["y0", builder.addInput("c0", "float32", [3])]]), ["x0"]),
    (error) =>
      error instanceof GradientError && error.message.startsWith("Unique layer4/unusual: the operator has no gradient rule"),
  );
});
