/** @file What is found does not hang on the draw of weights at which the engines look. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { GraphBuilder } from "../lowering/testing/graph-builder";
import { analyse } from "./analyse";
import { FAMILIES } from "./symmetry";

const FOLDER = new URL("../../testFixtures/architectures/onnx/", import.meta.url).pathname;

/** What is explained of a model of testFixtures/architectures, by family. */
function explained(name: string, seed: number, loss?: "softmax"): Readonly<Record<string, number>> {
  const { graph } = readOnnx({ path: `${FOLDER}${name}.onnx` });
  const { continuous } = analyse(graph, { seed, ...(loss ? { loss } : {}) });
  return Object.fromEntries(FAMILIES.flatMap((f) => (continuous[f] > 0 ? [[f, continuous[f]]] : [])));
}

describe("what is found at several draws of weights", () => {
  // Two maxout units: pieces are scaled and shifted together, and each piece is the largest somewhere.
  it("of maxout by pooling", () => {
    for (const seed of [1, 2, 3]) assert.deepEqual(explained("GroupedMaximum", seed), { rescaling: 4, translation: 4 });
  });

  it("of tables that two branches read", () => {
    for (const seed of [1, 3]) assert.deepEqual(explained("FactorisedDeep", seed), { linear: 4, rescaling: 3, translation: 8 });
  });

  // By hand: GL(2) of each of two tables and 2 + 2 shifts of them; 3 units; what classes have in common of 2 tables of 7 rows, 3
  // columns and a bias; a constant between the bias and either table. With 7 rows a unit is on for all of some of them at every
  // draw, so that 38 and more are measured at each (38 to 51 at 100 draws); what is more is another thing at each.
  it("of tables behind which classes have no product in common", () => {
    for (const seed of [1, 3, 4])
      assert.deepEqual(explained("FactorisedDeep", seed, "softmax"), { linear: 8, rescaling: 3, translation: 24 });
  });

  // A perceptron of offsets between four places: seven numbers. At four of ten draws one of its five units is on, or off, for all.
  it("of units that see finitely many numbers", () => {
    const all = { linear: 8, rotation: 2, scale: 5, rescaling: 5, translation: 12 };
    for (const seed of [1301, 7]) assert.deepEqual(explained("CosineTemperature", seed), all);
  });

  // The same of offsets in a window of two by two (Swin v2): at seven of ten draws something of four units is idle.
  it("of units that see the offsets in a window", () => {
    const b = new GraphBuilder();
    const x = b.input("x", [3, 9, 2]);
    const offsets = [-1, 0, 1].flatMap((i) => [-1, 0, 1].flatMap((j) => [i, j]));
    const hidden = b.add("Add", [
      b.add("MatMul", [b.constant([9, 2], offsets), b.parameter("w", [2, 4])]),
      b.parameter("bias", [4]),
    ]);
    const table = b.add("Sigmoid", [b.add("MatMul", [b.add("Relu", [hidden]), b.parameter("v", [4, 2])])]);
    const graph = b.build(b.add("Mul", [x, table]));
    for (let seed = 1; seed <= 12; seed++) {
      const { continuous } = analyse(graph, { seed });
      assert.deepEqual([continuous.rescaling, continuous.total], [4, 4], `seed ${seed}`);
    }
  });

  // Tokens without any feature have no direction to be normalised: at seed 4 nearly every batch has some.
  it("of norms behind features that may all be off", () => {
    assert.deepEqual(explained("NormedFeatureAttention", 4), { rotation: 2, scale: 6, rescaling: 6 });
  });
});
