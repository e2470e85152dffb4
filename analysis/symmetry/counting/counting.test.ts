/** @file Measuring, certifying and counting: against the zoo's truth, forward mode and vectors whose rank is known. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { scalar } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { analyse } from "../analyse";
import type { Family, ParameterValues } from "../symmetry";
import { countFamilies, ParameterSpace, Span } from "./families";
import { indexBounds } from "./index-bounds";
import { batch, certifyGenerators, measureDimension } from "./jacobian";
import { Network } from "./network";
import { Program } from "./program";
import { genericWeights } from "./sampling";
import { architecture, type Line, sketch, zooModel, zooTruth } from "./testing/models";

describe("reverse mode", () => {
  for (const name of Object.keys(zooTruth)) {
    it(`agrees with forward mode on ${name}`, () => {
      const network = Network.of(zooModel(name));
      const random = new Random(11);
      const weights = genericWeights(network, random);
      const program = new Program(network, network.outputs);
      const values = program.evaluate(batch(network, weights, random));
      const parameters = network.trainable.filter((p) => program.leaves.includes(p));
      // Along one random direction per parameter: J v from both sides.
      const directions = parameters.map((p) => random.normals(weights.get(p)!.length));
      const backward: number[][] = parameters.map(() => []);
      program.gradients(values, parameters, (row, gradients) => {
        gradients.forEach((g, k) => {
          backward[k]![row] = g.reduce((sum, x, i) => sum + x * directions[k]![i]!, 0);
        });
      });
      parameters.forEach((p, k) => {
        const forward = program.differentiate(values, p, directions[k]!).flatMap((t, i) => {
          const size = program.results(values)[i]!.data.length;
          return t ? Array.from(t.data) : new Array<number>(size).fill(0);
        });
        const scale = Math.max(1e-3, ...forward.map(Math.abs));
        forward.forEach((x, row) => assert.ok(Math.abs(x - backward[k]![row]!) < 1e-9 * scale, `${p}, output ${row}`));
      });
    });
  }
});

describe("the measured dimension", () => {
  for (const [name, truth] of Object.entries(zooTruth)) {
    it(`of ${name}`, () => {
      for (const loss of [undefined, "softmax"] as const) {
        const expected = loss ? truth.continuousUnderSoftmaxLoss : truth.continuous.total;
        const found = measureDimension(zooModel(name, loss), { explained: expected });
        assert.equal(found.dimension, expected, loss ?? "function");
        assert.equal(found.parameters, truth.parameters);
        assert.ok(found.smallestKept > 1e3 * found.largestDropped, "the rank is clear");
      }
    });
  }

  // Means of what is equal along an axis leave rounding, which must not pass for rows; rows of which little is new, many in turn.
  for (const [name, loss, seed, expected] of [
    ["CoordinateConvolution", "softmax", 6, 7],
    ["FeaturePyramid", undefined, 77, 8],
    ["InducedSets", undefined, 77, 36],
  ] as const) {
    it(`of ${name} is clear`, () => {
      const found = measureDimension(architecture(name, loss), { seed });
      assert.equal(found.dimension, expected);
      assert.ok(found.smallestKept > 1e3 * found.largestDropped, "the rank is clear");
    });
  }

  it("counts frozen parameters as constants", () => {
    const graph = zooModel("LinearBottleneck");
    assert.equal(measureDimension(graph).dimension, 9);
    assert.equal(measureDimension(graph, { frozen: ["up.weight"] }).dimension, 0);
  });

  it("holds what enters an unknown operator fixed, and goes on behind it", () => {
    const inside = { inputs: { x: [6, 4] }, parameters: { a: [4, 3], b: [3, 5], c: [5, 2] } };
    const graph = sketch({
      ...inside,
      lines: [
        ["h", "MatMul", ["x", "a"]],
        ["g", "MatMul", ["h", "b"]],
        ["m", "Mystery", ["g"]],
      ],
      outputs: ["m"],
    });
    // GL(3) between a and b; the unused c is free as a whole.
    assert.equal(measureDimension(graph).dimension, 9 + 10);
    assert.deepEqual(
      Network.of(graph).opaque.map((n) => n.operator),
      ["Mystery"],
    );
  });

  it("looks at nothing that no weight moves: what an unknown operator reads of the input may be huge", () => {
    const graph = sketch({
      inputs: { x: [6, 4] },
      parameters: { a: [4, 3] },
      lines: [
        ["m", "Mystery", ["x"]],
        ["y", "MatMul", ["x", "a"]],
      ],
      outputs: ["m", "y", "x"],
    });
    assert.deepEqual(Network.of(graph).outputs, ["y"]);
  });

  it("reads all rows of a table that a list of coordinates picks", () => {
    const graph = sketch({
      inputs: { i: [40, 1], j: [40, 1] },
      integers: ["i", "j"],
      parameters: { e: [5, 2] },
      lines: [
        ["a", "GatherND", ["e", "i"]],
        ["b", "GatherND", ["e", "j"]],
        ["p", "Mul", ["a", "b"]],
        ["y", "ReduceSum", ["p"], { axes: [1], keepdims: 0 }],
      ],
      outputs: ["y"],
    });
    // One rotation of the plane. With rows 0 and 1 alone, the other six entries would seem to be free.
    assert.equal(measureDimension(graph).dimension, 1);
  });

  it("reads all rows of a table whose numbers are computed, or says that it cannot", () => {
    const lookedUp = (numbers: Line, constants: Readonly<Record<string, number>>) =>
      sketch({
        inputs: { i: [20] },
        integers: ["i"],
        parameters: { e: [5, 2] },
        constants: Object.fromEntries(Object.entries(constants).map(([k, v]) => [k, scalar(v, "int64")])),
        lines: [numbers, ["a", "Gather", ["e", "k"]], ["s", "Transpose", ["a"], { perm: [1, 0] }], ["y", "MatMul", ["a", "s"]]],
        outputs: ["y"],
      });
    const graphs = {
      hashed: lookedUp(["k", "Mod", ["i", "five"]], { five: 5 }),
      clipped: lookedUp(["k", "Clip", ["i", "none", "four"]], { none: 0, four: 4 }),
      shifted: lookedUp(["k", "Sub", ["i", "one"]], { one: 1 }),
      divided: lookedUp(["k", "Div", ["i", "three"]], { three: 3 }),
    };
    // One rotation of the plane, as everything is made of the products of rows.
    for (const [name, graph] of Object.entries(graphs)) {
      assert.equal(indexBounds(Network.of(graph)).unread, undefined, name);
      assert.equal(measureDimension(graph).dimension, 1, name);
    }
    // What is never read is free.
    const few = lookedUp(["k", "Max", ["i", "two"]], { two: 2 });
    assert.equal(indexBounds(Network.of(few)).unread, undefined);
    assert.equal(measureDimension(few).dimension, 5);
    const even = lookedUp(["k", "BitShift", ["i", "one"], { direction: "LEFT" }], { one: 1 });
    assert.equal(indexBounds(Network.of(even)).unread, "e");
  });

  it("knows which positions of a counted sequence there are", () => {
    const graph = sketch({
      inputs: { i: [2, 4] },
      integers: ["i"],
      parameters: { e: [6, 2] },
      constants: { pad: scalar(1, "int64"), along: scalar(1, "int64") },
      lines: [
        ["same", "Equal", ["i", "pad"]],
        ["kept", "Not", ["same"]],
        ["mask", "Cast", ["kept"], { to: 7 }],
        ["sum", "CumSum", ["mask", "along"]],
        ["k", "Mul", ["sum", "mask"]],
        ["y", "Gather", ["e", "k"]],
      ],
      outputs: ["y"],
    });
    // Of six rows the last is beyond four positions and padding.
    assert.equal(indexBounds(Network.of(graph)).unread, undefined);
    assert.equal(measureDimension(graph).dimension, 2);
  });

  it("draws whole numbers that are no indices beyond 0 and 1", () => {
    const graph = sketch({
      inputs: { n: [6, 2] },
      integers: ["n"],
      parameters: { w: [2, 1], v: [2, 1] },
      lines: [
        ["x", "Cast", ["n"], { to: 1 }],
        ["q", "Mul", ["x", "x"]],
        ["a", "MatMul", ["x", "w"]],
        ["b", "MatMul", ["q", "v"]],
        ["y", "Add", ["a", "b"]],
      ],
      outputs: ["y"],
    });
    // At 0 and 1 a number is its square, and w could give to v.
    assert.equal(measureDimension(graph).dimension, 0);
  });

  it("does not let a jump pass for a symmetry", () => {
    const lines = (second: string) =>
      [
        ["h", "MatMul", ["x", "a"]],
        ["s", second, ["h"]],
        ["y", "MatMul", ["s", "b"]],
      ] as const;
    const parts = { inputs: { x: [6, 4] }, parameters: { a: [4, 3], b: [3, 2] }, outputs: ["y"] };
    assert.equal(measureDimension(sketch({ ...parts, lines: lines("Round") })).dimension, 0);
    assert.equal(measureDimension(sketch({ ...parts, lines: lines("Relu") })).dimension, 3);
  });
});

describe("certification", () => {
  const graph = zooModel("MlpRelu");
  const weights = genericWeights(Network.of(graph), new Random(4));
  const rescaling = (sign: number): ParameterValues => {
    const vector = new Map<string, Float64Array>();
    for (const [name, axis, factor] of [
      ["fc1.weight", 0, 1],
      ["fc1.bias", 0, 1],
      ["fc2.weight", 1, sign],
    ] as const) {
      const shape = graph.parameters.get(name)!.shape;
      const data = new Float64Array(weights.get(name)!.length);
      data.forEach((_, i) => {
        const unit = axis === 0 ? Math.floor(i / (shape[1] ?? 1)) : i % shape[1]!;
        if (unit === 2) data[i] = factor * weights.get(name)![i]!;
      });
      vector.set(name, data);
    }
    return vector;
  };

  it("accepts a rescaling of a rectified unit", () => {
    assert.ok(certifyGenerators(graph, weights, [rescaling(-1)]) < 1e-12);
  });

  it("refuses the same with a wrong sign", () => {
    assert.ok(certifyGenerators(graph, weights, [rescaling(1)]) > 1e-3);
  });

  it("looks at other inputs where a norm divides zero by zero, and trusts none where all are like that", () => {
    // Without its epsilon a norm behind rectifiers is undefined for samples that leave all of them off.
    const normed = (bias: number) =>
      sketch({
        inputs: { x: [6, 4] },
        parameters: { a: [4, 3], b: [3, 3] },
        constants: { c: bias },
        lines: [
          ["s", "MatMul", ["x", "a"]],
          ["z", "Add", ["s", "c"]],
          ["h", "Relu", ["z"]],
          ["y", "MatMul", ["h", "b"]],
          ["n", "ReduceL2", ["y"], { axes: [1], keepdims: 1 }],
          ["d", "Div", ["y", "n"]],
        ],
        outputs: ["d"],
      });
    for (let seed = 1; seed <= 10; seed++) {
      const network = Network.of(normed(0));
      const drawn = genericWeights(network, new Random(seed));
      const scale = new Map([["b", drawn.get("b")!]]);
      assert.ok(certifyGenerators(network.graph, drawn, [scale], { seed }) < 1e-12, `seed ${seed}`);
      assert.ok(!(certifyGenerators(normed(-1e3), drawn, [scale], { seed }) < 1), `all off, seed ${seed}`);
    }
  });
});

describe("families", () => {
  const vector = (family: Family, ...entries: number[]) => ({ family, vector: new Map([["p", Float64Array.from(entries)]]) });

  it("count rank increments in their order", () => {
    const counts = countFamilies([
      vector("translation", 0, 0, 0, 1, 0),
      vector("rescaling", 1, 1, 0, 0, 0),
      vector("rescaling", 0, 0, 1, 0, 0),
      vector("linear", 1, 0, 0, 0, 0),
      vector("linear", 0, 2, 0, 0, 0),
      vector("unread", 0, 0, 0, 1, 0),
      vector("unread", 0, 0, 0, 0, 1e-6),
      vector("translation", 1, 1, 1, 1, 1),
    ]);
    assert.deepEqual(counts, { linear: 2, rotation: 0, scale: 0, rescaling: 1, translation: 0, unread: 2, total: 5 });
  });

  it("ignore zero vectors and rounding", () => {
    const counts = countFamilies([vector("scale", 1, 0), vector("scale", 1, 1e-12), vector("rotation", 0, 0)]);
    assert.equal(counts.total, 1);
  });

  it("do not count what rounding looks like once it was divided by little", () => {
    // Three directions in two dimensions and some rounding: what the second has beyond the first is what the third shows clearly.
    const [e, noise] = [1e-4, 1e-10];
    const counts = countFamilies([
      vector("translation", 1, 0, 0, 0),
      vector("translation", 1, e, noise, 0),
      vector("translation", 0, 1, 0, noise),
    ]);
    assert.equal(counts.total, 2);
  });

  it("lay parameters out in a space and back", () => {
    const space = new ParameterSpace([
      ["a", 2],
      ["b", 3],
    ]);
    const flat = space.flatten(new Map([["b", Float64Array.of(1, 2, 3)]]));
    assert.deepEqual([...flat], [0, 0, 1, 2, 3]);
    assert.deepEqual([...space.unflatten(flat).keys()], ["b"]);
    assert.throws(() => space.offset("c"), RangeError);
  });

  it("grow a span", () => {
    const span = new Span(3);
    assert.equal(span.add([Float64Array.of(1, 1, 0), Float64Array.of(2, 2, 0)]), 1);
    assert.ok(span.contains(Float64Array.of(-5, -5, 0)));
    assert.ok(!span.contains(Float64Array.of(1, 0, 0)));
    assert.ok(Math.abs(span.remainderOf(Float64Array.of(1, -1, 2))[2]! - 2) < 1e-12);
  });
});

describe("directions that nobody explains", () => {
  const graph = sketch({
    inputs: { x: [6, 4] },
    parameters: { a: [4, 3], b: [3, 2], c: [2, 3], d: [3, 2] },
    lines: [
      ["p", "MatMul", ["x", "a"]],
      ["q", "Relu", ["p"]],
      ["r", "MatMul", ["q", "b"]],
      ["s", "Tanh", ["r"]],
      ["t", "MatMul", ["s", "c"]],
      ["u", "Relu", ["t"]],
      ["y", "MatMul", ["u", "d"]],
    ],
    outputs: ["y"],
  });
  /** Unit `k` of the layer between two weights becomes larger, and what reads it smaller. */
  const rescaling = (weights: ParameterValues, into: string, out: string, k: number): ParameterValues =>
    new Map([
      [into, weights.get(into)!.map((w, i) => (i % 3 === k ? w : 0))],
      [out, weights.get(out)!.map((w, i) => (Math.floor(i / 2) === k ? -w : 0))],
    ]);

  it("are laid at the parameters that they move", () => {
    const found = measureDimension(graph);
    assert.equal(found.dimension, 6);
    const known = [0, 1, 2].map((k) => rescaling(found.weights, "a", "b", k));
    const shares = new Map(found.beyond(known));
    assert.ok(shares.get("c")! + shares.get("d")! > 1 - 1e-9, [...shares].join());
    const all = [...known, ...[0, 1, 2].map((k) => rescaling(found.weights, "c", "d", k))];
    assert.deepEqual(found.beyond(all), []);
  });
});

describe("what hangs on one truth value for a whole batch", () => {
  it("is looked at as if it were false, too, where random batches hardly ever show that", () => {
    // x > 0 anywhere: among 64 normal numbers always, and yet not for all inputs.
    const graph = sketch({
      inputs: { x: [16, 4] },
      parameters: { w: [4, 3], first: [3], second: [3] },
      constants: { zero: 0 },
      lines: [
        ["positive", "Greater", ["x", "zero"]],
        ["counted", "Cast", ["positive"], { to: 6 }],
        ["most", "ReduceMax", ["counted"], { keepdims: 0 }],
        ["any", "Cast", ["most"], { to: 9 }],
        ["p", "MatMul", ["x", "w"]],
        ["h", "Tanh", ["p"]],
        ["a", "Add", ["h", "first"]],
        ["chosen", "Where", ["any", "a", "h"]],
        ["y", "Add", ["chosen", "second"]],
      ],
      outputs: ["y"],
    });
    assert.equal(measureDimension(graph).dimension, 0);
    assert.equal(analyse(graph).continuous.total, 0);
  });
});
