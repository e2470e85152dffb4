import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { activationOperators } from "./activation";
import { elementwiseOperators } from "./elementwise";
import { erf, sigmoid, softplus } from "./kernels/special";
import { bools, type Case, entryOf, floats, ints, listed, nodeOf, testOperators, valueOf } from "./testing/reference";

const unary = (operator: string, low = -2, high = 2, attributes: Case["attributes"] = {}, opset = 21): Case => ({
  operator,
  opset,
  attributes,
  inputs: [floats([3, 5], 4, low, high)],
});
const pairs: readonly (readonly [number[], number[]])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], []],
  [[], [4]],
  [[3], [2, 3]],
  [
    [2, 1, 4],
    [3, 1],
  ],
  [
    [4, 1, 1, 2],
    [1, 3, 2, 2],
  ],
];
const broadcast = (operator: string, low = -2, high = 2): Case[] =>
  pairs.map(([a, b]) => ({ operator, inputs: [floats(a, 11, low, high), floats(b, 12, low, high)] }));

const special = listed([-Infinity, -1.5, -0.5, 0, 0.5, 1.5, 2.5, Infinity, Number.NaN]);
const flags = [bools([0, 0, 1, 1], [2, 2]), bools([0, 1])] as const;

testOperators("arithmetic", elementwiseOperators, [
  ...["Add", "Sub", "Mul", "Max", "Min"].flatMap((name) => broadcast(name)),
  ...broadcast("Div", 0.5, 2),
  ...broadcast("Pow", 0.5, 2),
  { operator: "Pow", note: "whole exponent of negative numbers", inputs: [floats([7]), ints([3])] },
  { operator: "Div", note: "integers truncate", inputs: [ints([7, -7, 9, -9]), ints([2, 2, -4, -4])] },
  { operator: "Mod", note: "sign of the divisor", inputs: [ints([7, -7, 9, -9]), ints([2, 2, -4, -4])] },
  { operator: "Mod", attributes: { fmod: 1 }, inputs: [floats([8], 3, 1, 9), floats([8], 4, 0.4, 0.9)] },
  { operator: "Sum", inputs: [floats([2, 3]), floats([3], 2), floats([], 3)] },
  { operator: "Sum", inputs: [floats([2, 3])] },
  { operator: "Mean", inputs: [floats([2, 3]), floats([2, 1], 2), floats([3], 3)] },
  { operator: "Max", inputs: [floats([2, 3]), floats([3], 2), floats([1], 3)] },
  { operator: "Min", inputs: [floats([3]), floats([2, 3], 2), floats([2, 1], 3)] },
  { operator: "Max", note: "NaN spreads", inputs: [special, listed([0])], differentiable: false },

  ...["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"].map(
    (operator): Case => ({
      operator,
      inputs: [listed([1, 2, 3, Number.NaN]), listed([2])],
    }),
  ),
  ...["And", "Or", "Xor"].map((operator): Case => ({ operator, inputs: flags })),
  { operator: "Not", inputs: [flags[0]] },
  ...["BitwiseAnd", "BitwiseOr", "BitwiseXor"].map(
    (operator): Case => ({
      operator,
      inputs: [ints([12, -7, 255], [3], "int32"), ints([10, 3, 16], [3], "int32")],
    }),
  ),
  { operator: "BitwiseNot", inputs: [ints([12, -7, 255], [3], "int32")] },
  { operator: "BitwiseNot", inputs: [ints([12, 0, 255], [3], "uint8")] },
  {
    operator: "BitShift",
    attributes: { direction: "LEFT" },
    inputs: [ints([1, 200, 7], [3], "uint8"), ints([3, 1, 2], [3], "uint8")],
  },
  {
    operator: "BitShift",
    attributes: { direction: "RIGHT" },
    inputs: [ints([16, 201, 7], [3], "uint8"), ints([3, 1, 2], [3], "uint8")],
  },
  { operator: "IsNaN", inputs: [special], differentiable: false },
  { operator: "IsInf", inputs: [special], differentiable: false },
  { operator: "IsInf", attributes: { detect_negative: 0 }, inputs: [special], differentiable: false },
  { operator: "Where", inputs: [flags[0], floats([2, 2]), floats([2], 2)] },
  { operator: "Where", inputs: [bools([1, 0, 1]), floats([2, 1]), floats([], 2)] },
  { operator: "Cast", attributes: { to: 7 }, inputs: [listed([-1.7, 1.7, 3])] },
  { operator: "Cast", attributes: { to: 9 }, inputs: [listed([-1.7, 0, 0.2])], differentiable: false },
  { operator: "Cast", attributes: { to: 1 }, inputs: [ints([3, -4])] },
  { operator: "Cast", attributes: { to: 2 }, note: "wraps", inputs: [ints([300, -1, 7])] },
  { operator: "Cast", attributes: { to: 3 }, note: "wraps", inputs: [ints([300, 200, -129])] },
  { operator: "Cast", attributes: { to: 11 }, inputs: [floats([3])] },
  { operator: "CastLike", inputs: [listed([-1.7, 2.2]), ints([0])] },
  { operator: "Identity", inputs: [floats([2, 3])] },
  { operator: "Dropout", inputs: [floats([2, 3])] },
  { operator: "Dropout", outputs: 2, inputs: [floats([2, 3])] },

  ...["Neg", "Abs", "Exp", "Erf", "Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Tanh", "Asinh"].map((name) =>
    unary(name, -1.5, 1.5),
  ),
  ...["Floor", "Ceil", "Sign"].map((name) => unary(name)),
  {
    operator: "Round",
    note: "halves to even",
    inputs: [listed([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1.2, -1.7])],
    differentiable: false,
  },
  ...["Sqrt", "Log", "Reciprocal"].map((name) => unary(name, 0.2, 3)),
  ...["Asin", "Acos", "Atanh"].map((name) => unary(name, -0.9, 0.9)),
  unary("Acosh", 1.2, 4),
]);

testOperators("activations", activationOperators, [
  ...[
    "Relu",
    "LeakyRelu",
    "Elu",
    "Celu",
    "Selu",
    "Sigmoid",
    "HardSigmoid",
    "Mish",
    "Softplus",
    "Softsign",
    "ThresholdedRelu",
  ].map((name) => unary(name, -3, 3, {}, name === "Celu" ? 12 : 21)),
  unary("Relu", -3, 3),
  unary("LeakyRelu", -3, 3, { alpha: 0.2 }),
  unary("Elu", -3, 3, { alpha: 0.7 }),
  unary("Celu", -3, 3, { alpha: 1.7 }),
  unary("Selu", -3, 3, { alpha: 1.5, gamma: 2.25 }),
  unary("HardSigmoid", -5, 5, { alpha: 0.25, beta: 0.375 }),
  unary("HardSwish", -4, 4),
  unary("ThresholdedRelu", -3, 3, { alpha: 0.5 }),
  unary("Gelu"),
  // The runtime rounds its constants to single precision also in its double kernel.
  { ...unary("Gelu", -2, 2, { approximate: "tanh" }), tolerance: 1e-8 },
  unary("Shrink", -3, 3, { lambd: 1, bias: 0.25 }),
  unary("Shrink", -3, 3),
  { ...unary("Swish", -3, 3, { alpha: 1.5 }, 24), runtime: false },
  { operator: "PRelu", inputs: [floats([2, 3, 4]), floats([3, 1], 2, 0.1, 1)] },
  { operator: "PRelu", inputs: [floats([2, 3]), floats([1], 2, 0.1, 1)] },
  { operator: "Clip", inputs: [floats([9]), listed([-1], []), listed([0.5], [])] },
  { operator: "Clip", inputs: [floats([9]), undefined, listed([0.5], [])] },
  { operator: "Clip", inputs: [floats([9]), listed([0.25], [])] },
  { operator: "Clip", inputs: [floats([9])] },
  { operator: "Clip", opset: 10, attributes: { min: -0.5, max: 1 }, inputs: [floats([9])] },
  { operator: "Clip", note: "crossed bounds give the upper one", inputs: [floats([5]), listed([2], []), listed([1], [])] },
]);

describe("special functions", () => {
  it("erf is accurate to 1e-15", () => {
    // Values of the C library's erf.
    const known: readonly (readonly [number, number])[] = [
      [1e-10, 1.1283791670955126e-10],
      [0.1, 0.1124629160182849],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [1.5, 0.9661051464753108],
      [2, 0.9953222650189527],
      [3, 0.9999779095030014],
      [5, 0.9999999999984626],
    ];
    for (const [x, y] of known) {
      assert.ok(Math.abs(erf(x) - y) <= 1e-15 * Math.max(y, 1e-10) * 2, `erf(${x}) = ${erf(x)}`);
      assert.equal(erf(-x), -erf(x));
    }
    assert.equal(erf(Infinity), 1);
    assert.equal(erf(-40), -1);
    assert.ok(Number.isNaN(erf(Number.NaN)));
  });

  it("sigmoid and softplus do not overflow", () => {
    assert.equal(sigmoid(-800), 0);
    assert.equal(sigmoid(800), 1);
    assert.equal(softplus(800), 800);
    assert.equal(softplus(-800), 0);
  });
});

describe("arithmetic rules", () => {
  it("refuses shapes that do not broadcast, in a sentence", () => {
    const c: Case = { operator: "Add", inputs: [floats([2, 3]), floats([2, 4])] };
    assert.throws(() => valueOf(c), /Add: shapes \[2, 3\] and \[2, 4\] cannot be broadcast together \(sizes 3 and 4\)/);
  });

  it("refuses what operator set 6 meant by an axis", () => {
    const add = nodeOf({ operator: "Add", attributes: { axis: 1, broadcast: 1 }, inputs: [floats([2, 3, 3]), floats([3])] });
    const types = [[2, 3, 3], [3]].map((shape) => ({ type: "float32" as const, shape }));
    const infer = (opset: number) => entryOf("Add").infer(add, { inputs: types, opset, constant: () => undefined });
    assert.throws(() => infer(6), /Add: broadcasting from an axis, as in operator set 6/);
    assert.deepEqual(infer(7), [{ type: "float32", shape: [2, 3, 3] }]);
  });

  it("leaves the shape open behind an unknown one", () => {
    const context = {
      inputs: [
        { type: "float32" as const, shape: undefined },
        { type: "float32" as const, shape: [3] },
      ],
      constant: () => undefined,
      opset: 21,
    };
    const node = nodeOf({ operator: "Add", inputs: [floats([1]), floats([1])] });
    assert.deepEqual(entryOf("Add").infer(node, context), [{ type: "float32", shape: undefined }]);
  });

  it("refuses a slope that is wider than the input", () => {
    const infer = (x: number[], slope: number[]): unknown =>
      entryOf("PRelu").infer(nodeOf({ operator: "PRelu", inputs: [floats([1]), floats([1])] }), {
        inputs: [
          { type: "float32", shape: x },
          { type: "float32", shape: slope },
        ],
        constant: () => undefined,
        opset: 21,
      });
    assert.throws(() => infer([1, 3], [4, 3]), /PRelu: a slope of shape \[4, 3\] does not broadcast to \[1, 3\]/);
  });
});
