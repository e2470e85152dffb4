import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../../numerics/random";
import { seesFewNumbers } from "./few-numbers";
import { Network } from "./network";
import { genericWeights } from "./sampling";
import { type Line, sketch } from "./testing/models";

/** Whether rectifiers see few numbers, at several draws of weights. */
function few(model: Parameters<typeof sketch>[0]): boolean[] {
  const network = Network.of(sketch(model));
  return [1, 2, 3].map((seed) => seesFewNumbers(network, genericWeights(network, new Random(seed)), seed));
}

const PERCEPTRON: readonly Line[] = [
  ["u", "MatMul", ["e", "w"]],
  ["h", "Relu", ["u"]],
  ["y", "MatMul", ["h", "v"]],
];
const WEIGHTS = { w: [4, 5], v: [5, 3] };

describe("how many numbers rectifiers see", () => {
  it("few of a table's rows, one by one", () => {
    const lines: Line[] = [["e", "Gather", ["table", "ids"]], ...PERCEPTRON];
    assert.deepEqual(
      few({ inputs: { ids: [2, 6] }, integers: ["ids"], parameters: { table: [7, 4], ...WEIGHTS }, lines, outputs: ["y"] }),
      [true, true, true],
    );
  });

  it("many of sums of them", () => {
    const lines: Line[] = [
      ["rows", "Gather", ["table", "ids"]],
      ["e", "ReduceSum", ["rows"], { axes: [1], keepdims: 0 }],
      ...PERCEPTRON,
    ];
    assert.deepEqual(
      few({ inputs: { ids: [8, 6] }, integers: ["ids"], parameters: { table: [7, 4], ...WEIGHTS }, lines, outputs: ["y"] }),
      [false, false, false],
    );
  });

  it("as many as there are numbers, of inputs", () => {
    assert.deepEqual(few({ inputs: { e: [2, 4] }, parameters: WEIGHTS, lines: PERCEPTRON, outputs: ["y"] }), [
      false,
      false,
      false,
    ]);
  });
});
