import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Shape } from "../graph/tensor";
import { alongAxisOperators } from "./along-axis";
import { reductionOperators } from "./reduction";
import { assertClose, type Case, entryOf, floats, ints, listed, nodeOf, testOperators, valueOf } from "./testing/reference";

const names = reductionOperators.map((e) => e.name).filter((name) => name.startsWith("Reduce"));
/** Sums in logarithms are taken of positive numbers. */
const positive = (name: string, shape: Shape): ReturnType<typeof floats> =>
  name === "ReduceLogSum" ? floats(shape, 3, 0.2, 2) : floats(shape, 3);

testOperators("reductions", reductionOperators, [
  ...names.flatMap((operator): Case[] => [
    { operator, inputs: [positive(operator, [2, 3, 4]), ints([1])] },
    { operator, inputs: [positive(operator, [2, 3, 4]), ints([-1, 0])], attributes: { keepdims: 0 } },
    { operator, inputs: [positive(operator, [2, 3, 4])] },
    { operator, inputs: [positive(operator, [2, 3]), ints([])], attributes: { keepdims: 0 } },
    { operator, opset: 11, inputs: [positive(operator, [2, 3, 4])], attributes: { axes: [-2], keepdims: 1 } },
    { operator, opset: 11, inputs: [positive(operator, [2, 3, 4])], attributes: { axes: [2, 1], keepdims: 0 } },
  ]),
  { operator: "ReduceSum", inputs: [floats([2, 3]), ints([])], attributes: { noop_with_empty_axes: 1 } },
  { operator: "ReduceSum", inputs: [floats([2, 3])], attributes: { noop_with_empty_axes: 1 } },
  { operator: "ReduceProd", note: "with a zero", inputs: [listed([2, 0, 3, 1, -2, 4], [2, 3]), ints([1])] },
  {
    operator: "ReduceLogSumExp",
    note: "large numbers",
    inputs: [listed([800, 801, -900, -901], [2, 2]), ints([1])],
    differentiable: false,
  },
  ...["ArgMax", "ArgMin"].flatMap((operator): Case[] => [
    { operator, inputs: [floats([2, 3, 4])], attributes: { axis: 1 } },
    { operator, inputs: [floats([2, 3, 4])], attributes: { axis: -1, keepdims: 0 } },
    { operator, inputs: [listed([1, 3, 3, 1, 1, 3], [2, 3])], attributes: { axis: 1 } },
    { operator, inputs: [listed([1, 3, 3, 1, 1, 3], [2, 3])], attributes: { axis: 1, select_last_index: 1 } },
    { operator, inputs: [floats([4])] },
  ]),
]);

testOperators("operators along an axis", alongAxisOperators, [
  ...["Softmax", "LogSoftmax", "Hardmax"].flatMap((operator): Case[] => [
    { operator, inputs: [floats([2, 3, 4])] },
    { operator, inputs: [floats([2, 3, 4])], attributes: { axis: 1 } },
    { operator, inputs: [floats([2, 3, 4])], attributes: { axis: 0 } },
    { operator, opset: 12, inputs: [floats([2, 3, 4])] },
    { operator, opset: 12, inputs: [floats([2, 3, 4])], attributes: { axis: 2 } },
    { operator, opset: 11, inputs: [floats([2, 3, 4])], attributes: { axis: 0 } },
    { operator, opset: 11, inputs: [floats([2, 3, 4])], attributes: { axis: -1 } },
    { operator, note: "large numbers", inputs: [listed([1000, 1001, 999, -5, 3, -2000], [2, 3])], differentiable: false },
  ]),
  { operator: "CumSum", inputs: [floats([2, 3, 4]), ints([1], [])] },
  { operator: "CumSum", inputs: [floats([2, 3, 4]), ints([-1], [])], attributes: { exclusive: 1 } },
  { operator: "CumSum", inputs: [floats([2, 3, 4]), ints([0], [])], attributes: { reverse: 1 } },
  { operator: "CumSum", inputs: [floats([5]), ints([0], [])], attributes: { reverse: 1, exclusive: 1 } },
  { operator: "TopK", outputs: 2, inputs: [floats([3, 6]), ints([2])] },
  { operator: "TopK", outputs: 2, inputs: [floats([6, 3]), ints([4])], attributes: { axis: 0, largest: 0 } },
  { operator: "TopK", outputs: 2, note: "ties in order", inputs: [listed([1, 3, 3, 1, 3]), ints([3])], differentiable: false },
  { operator: "TopK", opset: 9, outputs: 2, inputs: [floats([3, 6])], attributes: { k: 3 } },
]);

describe("reductions", () => {
  it("sum what a plain loop sums, over any axes", () => {
    const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shape, fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), (sizes, chosen) => {
        const axes = sizes.flatMap((_, axis) => (chosen[axis] ? [axis] : []));
        if (axes.length === 0) return;
        const x = floats(sizes, 8);
        const c: Case = { operator: "ReduceSum", attributes: { keepdims: 0 }, inputs: [x, ints(axes)] };
        const sums = new Map<string, number>();
        for (let i = 0; i < x.data.length; i++) {
          let rest = i;
          const index = sizes.map(() => 0);
          for (let axis = sizes.length - 1; axis >= 0; axis--) {
            index[axis] = rest % sizes[axis]!;
            rest = Math.floor(rest / sizes[axis]!);
          }
          const key = index.filter((_, axis) => !axes.includes(axis)).join();
          sums.set(key, (sums.get(key) ?? 0) + x.data[i]!);
        }
        // Keys appear in row-major order of the kept axes.
        assertClose(valueOf(c)[0]!.data, [...sums.values()], 1e-12, "sums");
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it("refuse axes that are not there", () => {
    const bad =
      (axes: number[]): (() => unknown) =>
      () =>
        valueOf({ operator: "ReduceMean", inputs: [floats([2, 3]), ints(axes)] });
    assert.throws(bad([2]), /ReduceMean: axis 2 is outside of a tensor with 2 axes/);
    assert.throws(bad([1, -1]), /name one axis twice/);
  });

  it("leave the shape open when the axes are unknown", () => {
    const c: Case = { operator: "ReduceMean", inputs: [floats([2, 3]), ints([1])] };
    const types = [
      { type: "float32" as const, shape: [2, 3] },
      { type: "int64" as const, shape: [1] },
    ];
    const open = entryOf("ReduceMean").infer(nodeOf(c), { inputs: types, constant: () => undefined, opset: 21 });
    assert.deepEqual(open, [{ type: "float32", shape: undefined }]);
  });

  it("refuse more elements than there are", () => {
    const c: Case = { operator: "TopK", outputs: 2, inputs: [floats([3]), ints([5])] };
    const infer = (): unknown =>
      entryOf("TopK").infer(nodeOf(c), {
        inputs: [
          { type: "float32", shape: [3] },
          { type: "int64", shape: [1] },
        ],
        constant: (i) => (i === 1 ? ints([5]) : undefined),
        opset: 21,
      });
    assert.throws(infer, /TopK: k = 5 is more than the 3 elements of axis 0/);
  });
});
