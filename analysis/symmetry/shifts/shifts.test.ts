/** @file Engine D: translations and unread directions, alone and together with the other engines on deep stacks. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../../graph/graph";
import { Random } from "../../numerics/random";
import { countFamilies } from "../counting/families";
import { certifyGenerators, measureDimension } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { type Line, sketch, zooModel, zooTruth } from "../counting/testing/models";
import { preNormTransformer } from "../counting/testing/transformer";
import { actingAxes } from "../fields/axes";
import { searchFields } from "../fields/fields";
import type { Generator } from "../symmetry";
import { findScalings, scalingVectors } from "../units/scalings";
import { operatorTable } from "../../operators/table";
import { findShifts } from "./shifts";

function shiftsOf(graph: Graph): Generator[] {
  const weights = genericWeights(Network.of(graph), new Random(8));
  const found = findShifts(graph, weights, actingAxes(graph));
  assert.ok(
    certifyGenerators(
      graph,
      weights,
      found.map((g) => g.vector),
      { seed: 5 },
    ) < 1e-9,
  );
  return found;
}

const count = (found: readonly Generator[]) => countFamilies(found);

describe("shifts of the zoo", () => {
  // Models whose only other families are none: engine D explains all there is.
  for (const name of ["SoftmaxClassifier", "TwinBranches", "GruNet", "LstmNet", "MlpGelu", "MlpTanh"]) {
    it(name, () => {
      const { total, translation, unread } = count(shiftsOf(zooModel(name)));
      assert.equal(translation, zooTruth[name]!.continuous.translation ?? 0);
      assert.equal(unread, zooTruth[name]!.continuous.unread ?? 0);
      assert.equal(total, zooTruth[name]!.continuous.total);
    });
  }

  it("under a softmax loss the last layer may shift as a whole", () => {
    assert.equal(count(shiftsOf(zooModel("MlpTanh", "softmax"))).total, zooTruth.MlpTanh!.continuousUnderSoftmaxLoss);
  });
});

describe("shifts by hand", () => {
  const mlp = (...lines: Line[]) =>
    sketch({
      inputs: { x: [8, 3] },
      parameters: { a: [3, 3], b: [3], c: [3, 2], d: [2], e: [3, 3] },
      lines: [["h", "MatMul", ["x", "a"]], ...lines],
      outputs: ["y"],
    });

  it("a bias in front of a linear reader is absorbed by the reader's", () => {
    const graph = mlp(["hb", "Add", ["h", "b"]], ["g", "MatMul", ["hb", "c"]], ["y", "Add", ["g", "d"]]);
    const unused = 9; // e
    // What h writes into the kernel of c, one direction for each of x, is not seen at all.
    assert.equal(count(shiftsOf(graph)).total, 3 + 3 + unused);
  });

  it("but not without a reader's bias, unless the reader does not see it", () => {
    const graph = mlp(["hb", "Add", ["h", "b"]], ["y", "MatMul", ["hb", "c"]]);
    // a and b move within the kernel of c: three numbers, two seen. d and e are not used.
    assert.equal(count(shiftsOf(graph)).total, 3 + 1 + 2 + 9);
  });

  it("two parallel writers of one sum trade everything", () => {
    const graph = mlp(
      ["k", "MatMul", ["x", "e"]],
      ["s", "Add", ["h", "k"]],
      ["t", "Tanh", ["s"]],
      ["g", "MatMul", ["t", "c"]],
      ["y", "Add", ["g", "d"]],
    );
    assert.equal(count(shiftsOf(graph)).total, 9 + 3); // and b is not used
  });

  it("a shift through zero padding is none", () => {
    const padded = (pads: readonly number[]) =>
      sketch({
        inputs: { x: [3, 3, 5] },
        parameters: { a: [3, 3, 1], b: [3], c: [2, 3, 3], d: [2] },
        lines: [
          ["h", "Conv", ["x", "a", "b"]],
          ["y", "Conv", ["h", "c", "d"], { pads }],
        ],
        outputs: ["y"],
      });
    assert.equal(count(shiftsOf(padded([0, 0]))).translation, 3);
    assert.equal(count(shiftsOf(padded([1, 1]))).translation, 0);
  });

  it("rows of attention sum to one, also over a table of codes", () => {
    // softmax(x a) codes c + d: every code may move by the same vector.
    const graph = sketch({
      inputs: { x: [8, 3] },
      parameters: { a: [3, 5], codes: [5, 2], c: [2, 3], d: [3] },
      lines: [
        ["s", "MatMul", ["x", "a"]],
        ["p", "Softmax", ["s"], { axis: -1 }],
        ["m", "MatMul", ["p", "codes"]],
        ["g", "MatMul", ["m", "c"]],
        ["y", "Add", ["g", "d"]],
      ],
      outputs: ["y"],
    });
    // two for the codes, three for the columns of a under the softmax.
    assert.equal(count(shiftsOf(graph)).total, 2 + 3);
  });

  it("a component that a norm takes away is unread", () => {
    const graph = sketch({
      inputs: { x: [8, 3] },
      parameters: { a: [3, 4], w: [4], b: [4], c: [4, 2], d: [2] },
      lines: [
        ["h", "MatMul", ["x", "a"]],
        ["n", "LayerNormalization", ["h", "w", "b"], { axis: -1, epsilon: 1e-5 }],
        ["g", "MatMul", ["n", "c"]],
        ["y", "Add", ["g", "d"]],
      ],
      outputs: ["y"],
    });
    const counts = count(shiftsOf(graph));
    assert.equal(counts.unread, 2);
    // Beta against d: four; the writer along (1, 1, 1, 1): three; its length, which engine B counts before; and one of the
    // gains and the writer together within the kernel of c.
    assert.equal(counts.translation, 4 + 3 + 1 + 1);
  });
});

describe("all engines on deep stacks", () => {
  for (const [blocks, expected] of [
    [1, 93],
    [2, 163],
  ] as const) {
    it(`${blocks} pre-norm blocks have ${expected} directions`, () => {
      const graph = preNormTransformer(blocks);
      const axes = actingAxes(graph);
      const weights = genericWeights(Network.of(graph), new Random(6));
      const scaled = findScalings(graph, axes, "scales", (n) => operatorTable(n.operator, n.domain)?.equivariance).flatMap((s) =>
        scalingVectors(s, (p) => graph.parameters.get(p)!.shape, weights).map((vector) => ({
          family: s.family as "scale",
          vector,
        })),
      );
      const fields = searchFields(graph, weights, axes, { scalings: scaled.map((s) => s.vector) });
      const found = [...scaled, ...fields.regions.flatMap((r) => r.generators), ...findShifts(graph, weights, axes)];
      const counts = countFamilies(found);
      const more = blocks - 1;
      assert.deepEqual(counts, {
        linear: 16 + 16 * more,
        rotation: 3,
        scale: 1,
        rescaling: 12 + 8 * more,
        translation: 38 + 28 * more,
        unread: 23 + 18 * more,
        total: expected,
      });
      assert.deepEqual(fields.remaining(found.map((g) => g.vector)), []);
      assert.equal(measureDimension(graph, { explained: expected, draws: 2 }).dimension, expected);
    });
  }
});
