/** @file Engine C: regions by kind and dimensions, their tangent vectors, and what scalings hide from units of measure. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../../graph/graph";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { Random } from "../../numerics/random";
import { inferShapes } from "../../operators/inference";
import { analyse } from "../analyse";
import { countFamilies } from "../counting/families";
import { certifyGenerators, measureDimension } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { sketch, zooModel } from "../counting/testing/models";
import { preNormTransformer } from "../counting/testing/transformer";
import { actingAxes } from "./axes";
import { channelsOf } from "./channels";
import { type MatrixFields, searchFields } from "./fields";

function fieldsOf(
  graph: Graph,
  seed = 3,
): { readonly fields: MatrixFields; readonly weights: ReturnType<typeof genericWeights> } {
  const weights = genericWeights(Network.of(graph), new Random(seed));
  return { weights, fields: searchFields(graph, weights, actingAxes(graph)) };
}

/** Kinds with (dimension, diagonal, skew), monomial regions left out. */
function groups(graph: Graph): string[] {
  const { fields, weights } = fieldsOf(graph);
  for (const region of fields.regions) {
    const expected = region.kind === "linear" ? region.dimension : region.kind === "rotation" ? region.skew : 0;
    assert.equal(region.generators.length, expected, "as many vectors as dimensions");
    const vectors = region.generators.map((g) => g.vector);
    assert.ok(certifyGenerators(graph, weights, vectors, { seed: 77 }) < 1e-9);
    assert.equal(countFamilies(region.generators).total, expected, "independent vectors");
  }
  const shown = fields.regions.filter((r) => r.kind !== "monomial");
  return shown.map((r) => `${r.kind} ${r.dimension} ${r.diagonal} ${r.skew}`).sort();
}

describe("regions of the zoo", () => {
  const expected: Readonly<Record<string, readonly string[]>> = {
    MlpRelu: [],
    MlpGelu: [],
    SwiGlu: [],
    ConvBnRelu: [],
    LstmNet: [],
    LinearBottleneck: ["linear 9 3 3"],
    LoraLinear: ["linear 4 2 1"],
    TiedAutoencoder: ["rotation 3 0 3"],
    RmsNormStream: ["rotation 7 1 6"],
    RmsNormAffine: ["rotation 7 1 6"],
    CosineHead: ["rotation 8 2 6"],
    LayerNormMlp: ["rotation 11 1 10"],
    EmbeddingLm: ["linear 8 1 3"],
    ResidualMlp: ["linear 36 6 15"],
    RotaryAttention: ["rotation 2 1 1", "rotation 2 1 1"],
    SelfAttention: ["linear 9 3 3", "linear 9 3 3", "linear 9 3 3", "linear 9 3 3"],
    FusedQkvAttention: ["linear 9 3 3", "linear 9 3 3", "linear 9 3 3", "linear 9 3 3"],
    PreLnTransformer: ["linear 4 2 1", "linear 4 2 1", "linear 4 2 1", "linear 4 2 1", "rotation 4 1 3"],
  };
  for (const [name, regions] of Object.entries(expected)) {
    it(name, () => assert.deepEqual(groups(zooModel(name)), regions));
  }
});

describe("regions by hand", () => {
  it("a deep stack has one stream and two groups per head and block", () => {
    assert.deepEqual(groups(preNormTransformer(2)), [...new Array<string>(8).fill("linear 4 2 1"), "rotation 4 1 3"]);
  });

  it("a stream on top of the input is tied to it, its branch is not", () => {
    // y = rms(x + tanh(x a) b d) c: GL between b and d only.
    const graph = sketch({
      inputs: { x: [6, 4] },
      parameters: { a: [4, 3], b: [3, 2], d: [2, 4], c: [4, 3] },
      constants: { two: 2 },
      lines: [
        ["h", "MatMul", ["x", "a"]],
        ["t", "Tanh", ["h"]],
        ["k", "MatMul", ["t", "b"]],
        ["g", "MatMul", ["k", "d"]],
        ["s", "Add", ["x", "g"]],
        ["q", "Pow", ["s", "two"]],
        ["m", "ReduceMean", ["q"], { axes: [-1], keepdims: 1 }],
        ["r", "Sqrt", ["m"]],
        ["n", "Div", ["s", "r"]],
        ["y", "MatMul", ["n", "c"]],
      ],
      outputs: ["y"],
    });
    assert.deepEqual(groups(graph), ["linear 4 2 1"]);
    assert.equal(measureDimension(graph).dimension, 4);
  });

  it("a weight that is a product has its group between the factors", () => {
    const graph = sketch({
      inputs: { x: [6, 4] },
      parameters: { w: [4, 3], a: [4, 2], b: [2, 3] },
      frozen: ["w"],
      lines: [
        ["update", "MatMul", ["a", "b"]],
        ["weight", "Add", ["w", "update"]],
        ["y", "MatMul", ["x", "weight"]],
      ],
      outputs: ["y"],
    });
    assert.deepEqual(groups(graph), ["linear 4 2 1"]);
    assert.equal(measureDimension(graph).dimension, 4);
  });

  it("factors that are no linear functions of their parameters follow finite elements too", () => {
    // What attention with learned queries over learned tokens gives, times a projection.
    const graph = sketch({
      inputs: { x: [6, 4] },
      parameters: { scores: [4, 4], values: [4, 2], projection: [2, 3] },
      lines: [
        ["mixing", "Softmax", ["scores"]],
        ["mixed", "MatMul", ["mixing", "values"]],
        ["weight", "MatMul", ["mixed", "projection"]],
        ["y", "MatMul", ["x", "weight"]],
      ],
      outputs: ["y"],
    });
    const { fields, weights } = fieldsOf(graph);
    const product = fields.regions.find((r) => r.product)?.product;
    assert.equal(product?.size, 2);
    const weight = (at: ReadonlyMap<string, Float64Array>): number[] => {
      const [scores, values, projection] = ["scores", "values", "projection"].map((p) => at.get(p)!);
      const mixed = [0, 1, 2, 3].flatMap((r) => {
        const shares = [0, 1, 2, 3].map((k) => Math.exp(scores![4 * r + k]!));
        const sum = shares.reduce((a, b) => a + b);
        return [0, 1].map((c) => shares.reduce((a, s, k) => a + (s / sum) * values![2 * k + c]!, 0));
      });
      return [0, 1, 2, 3].flatMap((r) =>
        [0, 1, 2].map((c) => mixed[2 * r]! * projection![c]! + mixed[2 * r + 1]! * projection![3 + c]!),
      );
    };
    const moved = product!.act(weights, [0.3, -0.5, 0.4, -0.2]);
    assert.ok(Math.abs(moved.get("projection")![0]! - weights.get("projection")![0]!) > 0.05);
    const after = weight(new Map([...weights, ...moved]));
    weight(weights).forEach((v, k) => assert.ok(Math.abs(v - after[k]!) < 1e-8, `${v} against ${after[k]}`));
  });

  it("an unknown operator fixes what it touches", () => {
    const lines = [
      ["h", "MatMul", ["x", "a"]],
      ["g", "MatMul", ["h", "b"]],
    ] as const;
    const parts = { inputs: { x: [6, 4] }, parameters: { a: [4, 3], b: [3, 4] } };
    assert.deepEqual(groups(sketch({ ...parts, lines, outputs: ["g"] })), ["linear 9 3 3"]);
    assert.deepEqual(groups(sketch({ ...parts, lines: [...lines, ["m", "Mystery", ["h"]]], outputs: ["g", "m"] })), []);
  });
});

describe("what units of measure cannot see", () => {
  /** Number of vectors beyond none, all certified; has to be all that there is. */
  const remaining = (graph: Graph): number => {
    const { fields, weights } = fieldsOf(graph);
    const found = fields.remaining([]);
    assert.ok(
      certifyGenerators(
        graph,
        weights,
        found.map((g) => g.generator.vector),
      ) < 1e-9,
    );
    assert.equal(found.length, measureDimension(graph).dimension);
    return found.length;
  };

  it("weights that are exponentials: rescaling adds to their logarithms", () => {
    const graph = sketch({
      inputs: { x: [8, 3] },
      parameters: { a: [3, 4], b: [4, 2], c: [4] },
      lines: [
        ["ea", "Exp", ["a"]],
        ["eb", "Exp", ["b"]],
        ["h", "MatMul", ["x", "ea"]],
        ["hc", "Add", ["h", "c"]],
        ["r", "Relu", ["hc"]],
        ["y", "MatMul", ["r", "eb"]],
      ],
      outputs: ["y"],
    });
    assert.equal(remaining(graph), 4);
  });

  it("modulation by one plus a function of a condition", () => {
    // tanh(x a) * (1 + c w + b), read by v: three rescalings of the modulation against its reader.
    const graph = sketch({
      inputs: { x: [8, 3], c: [8, 2] },
      parameters: { a: [3, 3], w: [2, 3], b: [3], v: [3, 4] },
      constants: { one: 1 },
      lines: [
        ["h", "MatMul", ["x", "a"]],
        ["t", "Tanh", ["h"]],
        ["g", "MatMul", ["c", "w"]],
        ["gb", "Add", ["g", "b"]],
        ["m", "Add", ["gb", "one"]],
        ["z", "Mul", ["t", "m"]],
        ["y", "MatMul", ["z", "v"]],
      ],
      outputs: ["y"],
    });
    assert.equal(remaining(graph), 3);
  });

  it("gives nothing that is known already", () => {
    const { fields } = fieldsOf(zooModel("MlpLeaky"));
    const found = fields.remaining([]);
    assert.equal(found.length, 8);
    assert.deepEqual(fields.remaining(found.map((g) => g.generator.vector)), []);
  });
});

describe("distances", () => {
  it("of codes that dead rectifiers make the same have no slope there, and prove nothing against rotations", () => {
    const b = new GraphBuilder(21);
    const [w, v, e1, e2] = [b.parameter("w", [3, 2]), b.parameter("v", [2, 2]), b.parameter("e1", [2]), b.parameter("e2", [2])];
    const code = (x: string): string => {
      const hidden = b.add("Relu", [b.add("Add", [b.add("MatMul", [x, w]), e1])]);
      return b.add("Add", [b.add("MatMul", [hidden, v]), e2]);
    };
    const apart = b.add("Sub", [code(b.input("x", [9, 3])), code(b.input("y", [9, 3]))]);
    const squares = b.add("ReduceSumSquare", [apart, b.constant([1], [1], "int64")], { keepdims: 0 });
    const graph = inferShapes(b.build(b.add("Sqrt", [squares]))).graph;
    for (const seed of [1, 2, 3, 4]) {
      const rotations = fieldsOf(graph, seed).fields.regions.filter((r) => r.kind === "rotation");
      assert.deepEqual(
        rotations.map((r) => r.generators.length),
        [1],
        `seed ${seed}`,
      );
    }
  });
});

describe("what is made of inputs alone", () => {
  // An ensemble of two (REDQ): the batch, once per member. A field on it could end where both copies differ, which they never do.
  it("has no field of its own", () => {
    const b = new GraphBuilder();
    const x = b.input("x", [6, 4]);
    const batch = b.add("Expand", [x, b.constant([3], [2, 6, 4], "int64")]);
    const hidden = b.add("Add", [b.add("MatMul", [batch, b.parameter("w1", [2, 4, 4])]), b.parameter("b1", [2, 1, 4])]);
    const normed = b.add("LayerNormalization", [hidden, b.parameter("gain", [4]), b.parameter("bias", [4])]);
    const members = b.add("MatMul", [b.add("Relu", [normed]), b.parameter("w2", [2, 4, 1])]);
    const graph = b.build(b.add("ReduceMin", [members, b.constant([1], [0], "int64")], { keepdims: 0 }));
    const { linear, translation, scale, rescaling, total } = analyse(graph).continuous;
    // By hand: what a layer norm forgets of 4 inputs and a bias, and a length, for each member; the gain's units.
    assert.deepEqual(
      { linear, translation, scale, rescaling, total },
      { linear: 0, translation: 10, scale: 2, rescaling: 4, total: 16 },
    );
  });
});

describe("channels", () => {
  it("are products of the free factors; pinned ones are positions", () => {
    const free = (atom: number, size: number) => ({ atom, size, pinned: false });
    const pinned = (atom: number, size: number) => ({ atom, size, pinned: true });
    const { count, entries, axes } = channelsOf([2, 6], [[[pinned(1, 2)]], [[free(2, 3), pinned(3, 2)]]]);
    assert.equal(count, 3);
    assert.deepEqual(axes, [1]);
    assert.deepEqual([...entries[1]!], [2, 3, 8, 9]);
  });

  it("of concatenated axes keep apart what has other positions", () => {
    const layout = [
      [
        { atom: 1, size: 2, pinned: false },
        { atom: 2, size: 2, pinned: true },
      ],
      [{ atom: 3, size: 3, pinned: false }],
    ];
    const { count, kinds } = channelsOf([7], [layout]);
    assert.equal(count, 5);
    assert.deepEqual([...kinds], [0, 0, 1, 1, 1]);
  });
});
