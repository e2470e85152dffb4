import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { generatingOperators } from "./generating";
import { indexingOperators } from "./indexing";
import { bools, type Case, entryOf, floats, ints, listed, nodeOf, testOperators, valueOf } from "./testing/reference";

const x234 = floats([2, 3, 4], 1);
const scatterND = (reduction: string | undefined, opset = 18): Case => ({
  operator: "ScatterND",
  opset,
  attributes: reduction === undefined ? {} : { reduction },
  inputs: [floats([4, 3], 1), ints([1, 3, 1], [3, 1]), floats([3, 3], 2)],
});
const scatterElements = (reduction: string | undefined, axis: number, opset = 18): Case => ({
  operator: "ScatterElements",
  opset,
  attributes: reduction === undefined ? { axis } : { axis, reduction },
  inputs: [floats([3, 4], 1), ints([0, 2, -1, 1, 0, 1], [2, 3]), floats([2, 3], 2)],
});

testOperators("indexing", indexingOperators, [
  { operator: "Gather", inputs: [x234, ints([2, 0, -1], [3])], attributes: { axis: 1 } },
  { operator: "Gather", inputs: [x234, ints([1], [])] },
  { operator: "Gather", inputs: [x234, ints([0, 1, 3, 3], [2, 2])], attributes: { axis: -1 } },
  { operator: "Gather", inputs: [x234, ints([1, 0], [2], "int32")] },
  { operator: "GatherElements", inputs: [floats([3, 3]), ints([1, 2, 0, 2, 0, 0], [2, 3])] },
  { operator: "GatherElements", inputs: [floats([3, 3]), ints([1, -1, 0], [3, 1])], attributes: { axis: 1 } },
  { operator: "GatherND", inputs: [x234, ints([0, 1, 1, 2], [2, 2])] },
  { operator: "GatherND", inputs: [x234, ints([0, 1, 3, 1, -1, 2], [2, 3])] },
  { operator: "GatherND", inputs: [x234, ints([1, 0], [2, 1])], attributes: { batch_dims: 1 } },
  { operator: "GatherND", inputs: [x234, ints([2, 1, 0, 0, 1, 3], [2, 3, 1])], attributes: { batch_dims: 2 } },
  scatterND(undefined, 16),
  ...["none", "add", "mul", "max", "min"].map((r) => scatterND(r)),
  { operator: "ScatterND", inputs: [floats([2, 3]), ints([0, 1, 1, 2], [2, 2]), floats([2], 2)] },
  scatterElements(undefined, 0, 13),
  scatterElements("none", 1),
  ...["add", "mul", "max", "min"].map((r) => scatterElements(r, 1)),
  {
    ...scatterElements(undefined, 1),
    operator: "Scatter",
    opset: 9,
    inputs: [floats([3, 4], 1), ints([0, 2, 1], [1, 3]), floats([1, 3], 2)],
  },
  { operator: "OneHot", inputs: [ints([0, 2, -1, 7], [2, 2]), ints([3]), floats([2])] },
  { operator: "OneHot", attributes: { axis: 0 }, inputs: [ints([0, 2, 1]), ints([4]), listed([-1, 5])] },
  { operator: "NonZero", inputs: [bools([0, 1, 1, 0, 0, 1], [2, 3])] },
  { operator: "NonZero", inputs: [bools([0, 0])] },
  { operator: "Compress", inputs: [floats([3, 2]), bools([0, 1, 1])], attributes: { axis: 0 } },
  { operator: "Compress", inputs: [floats([3, 2]), bools([0, 1, 1, 0, 1])] },
  { operator: "ReverseSequence", inputs: [floats([4, 3, 2]), ints([4, 1, 3])] },
  { operator: "ReverseSequence", inputs: [floats([3, 4]), ints([2, 4, 1])], attributes: { batch_axis: 0, time_axis: 1 } },
]);

testOperators("generated tensors", generatingOperators, [
  { operator: "Constant", inputs: [], attributes: { value: listed([1, 2, 3, 4], [2, 2]) } },
  { operator: "Constant", inputs: [], attributes: { value_float: 2.5 } },
  { operator: "Constant", inputs: [], attributes: { value_floats: [2.5, 3] } },
  { operator: "Constant", inputs: [], attributes: { value_int: 7 } },
  { operator: "Constant", inputs: [], attributes: { value_ints: [7, -8] } },
  { operator: "Shape", inputs: [x234] },
  { operator: "Shape", inputs: [x234], attributes: { start: 1 } },
  { operator: "Shape", inputs: [x234], attributes: { start: -2, end: 99 } },
  { operator: "Size", inputs: [x234] },
  { operator: "Range", inputs: [ints([2], []), ints([11], []), ints([3], [])] },
  { operator: "Range", inputs: [ints([5], []), ints([0], []), ints([-2], [])] },
  { operator: "Range", inputs: [listed([0], []), listed([1], []), listed([0.25], [])], constants: [0, 1, 2] },
  { operator: "ConstantOfShape", inputs: [ints([2, 3])] },
  { operator: "ConstantOfShape", inputs: [ints([2])], attributes: { value: ints([5]) } },
  { operator: "ConstantOfShape", inputs: [ints([])] },
  { operator: "EyeLike", inputs: [floats([3, 4])], attributes: { k: 1 } },
  { operator: "EyeLike", inputs: [floats([3, 3])], attributes: { k: -1, dtype: 7 } },
  { operator: "Trilu", inputs: [floats([2, 3, 4])] },
  { operator: "Trilu", inputs: [floats([3, 3]), ints([1], [])] },
  { operator: "Trilu", inputs: [floats([4, 3]), ints([-1], [])], attributes: { upper: 0 } },
]);

describe("indexing rules", () => {
  const bad =
    (c: Case): (() => unknown) =>
    () =>
      valueOf(c);

  it("say what does not fit", () => {
    assert.throws(
      bad({ operator: "Gather", inputs: [floats([3]), ints([3])] }),
      /Gather: index 3 is outside of an axis of size 3/,
    );
    assert.throws(bad({ operator: "Gather", inputs: [floats([3]), ints([0])], attributes: { axis: 1 } }), /axis 1 is outside/);
    assert.throws(bad({ operator: "GatherElements", inputs: [floats([3, 3]), ints([0])] }), /do not fit data/);
    assert.throws(bad({ operator: "GatherND", inputs: [floats([3]), ints([0, 0], [1, 2])] }), /point 2 deep/);
    assert.throws(
      bad({ operator: "ScatterND", inputs: [floats([3]), ints([0], [1, 1]), floats([2])] }),
      /updates of shape \[2\] are not \[1\]/,
    );
    assert.throws(bad({ operator: "Constant", inputs: [] }), /none of the attributes/);
    assert.throws(bad({ operator: "Range", inputs: [ints([0], []), ints([1], []), ints([0], [])] }), /step is 0/);
    assert.throws(
      bad({ operator: "ScatterND", attributes: { reduction: "mean" }, inputs: [floats([3]), ints([0], [1, 1]), floats([1])] }),
      /reduction "mean"/,
    );
  });

  it("leave shapes open when their arguments are unknown", () => {
    for (const [operator, attributes] of [
      ["OneHot", {}],
      ["NonZero", {}],
      ["Range", {}],
      ["ConstantOfShape", {}],
      ["Compress", {}],
    ] as const) {
      const node = nodeOf({ operator, attributes, inputs: [ints([1]), ints([1]), ints([1])] });
      const inputs = [[2], [1], [2]].map((shape) => ({ type: "int64" as const, shape }));
      const open = entryOf(operator).infer(node, { inputs, constant: () => undefined, opset: 21 });
      assert.equal(open[0]!.shape, undefined, operator);
    }
  });
});
