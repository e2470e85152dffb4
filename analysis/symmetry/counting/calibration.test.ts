/** @file Generic weights show every piece of every function that has pieces: no clip without its ceiling, no dead unit. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { int64Vector } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { evaluateGraph } from "../../operators/evaluate";
import { analyse } from "../analyse";
import { batch, measureDimension } from "./jacobian";
import { Network } from "./network";
import { genericWeights } from "./sampling";
import { type Line, sketch } from "./testing/models";

/** A layer of five units with a bias, the given function of it, and a layer that reads it. */
const layer = (
  through: readonly Line[],
  more: {
    readonly weight?: readonly [string, readonly number[]];
    readonly bias?: readonly [line: Line, shape: readonly number[]];
    /** Weights between -1 and 1, whose rows cannot be moved in place of the bias. */
    readonly squashed?: boolean;
  } = {},
) =>
  sketch({
    inputs: { x: [8, 4] },
    parameters: { w: more.weight?.[1] ?? [4, 5], b: more.bias?.[1] ?? [5], v: [5, 3] },
    constants: { zero: 0, low: -1, one: 1, six: 6, rows: int64Vector([3, 0, 6, 2, 5]) },
    lines: [
      ...(more.bias ? [more.bias[0]] : []),
      ...(more.weight ? ([[more.weight[0], "Transpose", ["w"], { perm: [1, 0] }]] as const) : []),
      ...(more.squashed ? ([["s", "Tanh", ["w"]]] as const) : []),
      ["u", "MatMul", ["x", more.weight?.[0] ?? (more.squashed ? "s" : "w")]],
      ["h", "Add", ["u", more.bias?.[0][0] ?? "b"]],
      ...through,
      ["y", "MatMul", ["f", "v"]],
    ],
    outputs: ["y"],
  });

const CASES: Readonly<Record<string, { graph: ReturnType<typeof layer>; kinks: readonly number[] }>> = {
  Relu: { graph: layer([["f", "Relu", ["h"]]]), kinks: [0] },
  ReLU6: { graph: layer([["f", "Clip", ["h", "zero", "six"]]]), kinks: [0, 6] },
  "ReLU6, weights of a Linear": { graph: layer([["f", "Clip", ["h", "zero", "six"]]], { weight: ["t", [5, 4]] }), kinks: [0, 6] },
  "Relu behind a bias in a column": {
    graph: layer([["f", "Relu", ["h"]]], {
      bias: [
        ["row", "Transpose", ["b"], { perm: [1, 0] }],
        [5, 1],
      ],
      squashed: true,
    }),
    kinks: [0],
  },
  "Relu behind picked biases": {
    graph: layer([["f", "Relu", ["h"]]], { bias: [["picked", "Gather", ["b", "rows"], { axis: 0 }], [7]], squashed: true }),
    kinks: [0],
  },
  "ReLU6 as a minimum": {
    graph: layer([
      ["r", "Relu", ["h"]],
      ["f", "Min", ["r", "six"]],
    ]),
    kinks: [0, 6],
  },
  hardtanh: { graph: layer([["f", "Clip", ["h", "low", "one"]]]), kinks: [-1, 1] },
  "hard sigmoid": { graph: layer([["f", "HardSigmoid", ["h"], { alpha: 1 / 6, beta: 0.5 }]]), kinks: [-3, 3] },
  "rectifier with a threshold": { graph: layer([["f", "Max", ["h", "one"]]]), kinks: [1] },
};

describe("calibration", () => {
  for (const [name, { graph, kinks }] of Object.entries(CASES)) {
    it(`shows all pieces of a ${name}`, () => {
      const network = Network.of(graph);
      for (const seed of [1, 2, 3]) {
        const random = new Random(seed);
        const weights = genericWeights(network, random);
        const seen = Array.from({ length: 5 }, () => new Array<number>(kinks.length + 1).fill(0));
        for (let k = 0; k < 20; k++) {
          const give = batch(network, weights, random);
          const values = evaluateGraph(graph, new Map(["x", "w", "b", "v"].map((n) => [n, give(n)!])));
          values.get("h")!.data.forEach((x, i) => {
            seen[i % 5]![kinks.filter((at) => x > at).length]!++;
          });
        }
        for (const pieces of seen)
          for (const n of pieces) assert.ok(n >= 10, `seed ${seed}: ${seen.map((p) => p.join("/")).join(" ")}`);
      }
    });
  }

  it("shows both sides of units that see a bias which a later kink moves", () => {
    const graph = sketch({
      inputs: { x: [8, 4] },
      parameters: { w: [4, 5], b: [5], s: [5, 6], c: [6], u: [4, 5], v: [6, 5] },
      lines: [
        ["g", "MatMul", ["x", "w"]],
        ["a", "Add", ["g", "b"]],
        ["p", "MatMul", ["a", "s"]],
        ["h", "Add", ["p", "c"]],
        ["f", "Relu", ["h"]],
        ["q", "MatMul", ["x", "u"]],
        ["d", "Add", ["q", "b"]],
        ["e", "Relu", ["d"]],
        ["t", "MatMul", ["f", "v"]],
        ["y", "Mul", ["t", "e"]],
      ],
      outputs: ["y"],
    });
    const network = Network.of(graph);
    for (let seed = 1; seed <= 10; seed++) {
      const random = new Random(seed);
      const weights = genericWeights(network, random);
      const on = new Array<number>(6).fill(0);
      for (let k = 0; k < 20; k++) {
        const give = batch(network, weights, random);
        const inputs = new Map(["x", ...network.trainable].map((n) => [n, give(n)!]));
        evaluateGraph(graph, inputs)
          .get("h")!
          .data.forEach((x, i) => x > 0 && on[i % 6]!++);
      }
      for (const n of on) assert.ok(n >= 16 && n <= 144, `seed ${seed}: ${on.join(" ")} of 160`);
    }
  });

  it("shows each of what a router chooses from, with a bias and without, and behind a softmax", () => {
    for (const [bias, softmax] of [
      [true, false],
      [false, false],
      [false, true],
    ] as const) {
      const graph = sketch({
        inputs: { x: [8, 6] },
        parameters: { w: [6, 8], b: [8], router: [8, 4], offsets: [4], codes: [4, 3] },
        lines: [
          ["u", "MatMul", ["x", "w"]],
          ["s", "Add", ["u", "b"]],
          ["h", "Relu", ["s"]],
          ["m", "MatMul", ["h", "router"]],
          ["l", "Add", ["m", "offsets"]],
          ["p", "Softmax", [bias ? "l" : "m"], { axis: -1 }],
          ["k", "ArgMax", [softmax ? "p" : bias ? "l" : "m"], { axis: -1, keepdims: 0 }],
          ["y", "Gather", ["codes", "k"], { axis: 0 }],
        ],
        outputs: ["y"],
      });
      const network = Network.of(graph);
      for (const seed of [1, 2, 3]) {
        const random = new Random(seed);
        const weights = genericWeights(network, random);
        const chosen = new Array<number>(4).fill(0);
        for (let k = 0; k < 60; k++) {
          const give = batch(network, weights, random);
          const values = evaluateGraph(graph, new Map(["x", ...graph.parameters.keys()].map((n) => [n, give(n)!])));
          for (const expert of values.get("k")!.data) chosen[expert]!++;
        }
        assert.ok(Math.min(...chosen) > 0, `bias ${bias}, softmax ${softmax}, seed ${seed}: ${chosen.join(" ")}`);
      }
    }
  });

  it("turns rows without a bias that positive inputs would keep off", () => {
    const graph = sketch({
      inputs: { x: [8, 4] },
      parameters: { w: [4, 5], b: [5], u: [5, 6], v: [6, 3] },
      lines: [
        ["g", "MatMul", ["x", "w"]],
        ["h", "Add", ["g", "b"]],
        ["s", "Sigmoid", ["h"]],
        ["k", "MatMul", ["s", "u"]],
        ["r", "Relu", ["k"]],
        ["y", "MatMul", ["r", "v"]],
      ],
      outputs: ["y"],
    });
    const network = Network.of(graph);
    for (const seed of [1, 2, 3, 4]) {
      const random = new Random(seed);
      const weights = genericWeights(network, random);
      const on = new Array<number>(6).fill(0);
      for (let k = 0; k < 20; k++) {
        const give = batch(network, weights, random);
        const values = evaluateGraph(graph, new Map(["x", "w", "b", "u", "v"].map((n) => [n, give(n)!])));
        values.get("k")!.data.forEach((x, i) => x > 0 && on[i % 6]!++);
      }
      for (const n of on) assert.ok(n >= 2 && n <= 158, `seed ${seed}: on ${on.join(" ")} times of 160`);
    }
    assert.equal(measureDimension(graph, { draws: 2 }).dimension, 6);
  });

  it("shows both sides of rectifiers that share their bias, one sample at a time", () => {
    const layers = Array.from({ length: 12 }, (_, k) => k);
    const graph = sketch({
      inputs: { x: [1, 4] },
      parameters: { b: [4], ...Object.fromEntries(layers.map((k) => [`w${k}`, [4, 4]])) },
      lines: layers.flatMap((k): Line[] => [
        [`p${k}`, "MatMul", [k === 0 ? "x" : `s${k - 1}`, `w${k}`]],
        [`h${k}`, "Add", [`p${k}`, "b"]],
        [`r${k}`, "Relu", [`h${k}`]],
        [`s${k}`, "Add", [`r${k}`, k === 0 ? "x" : `s${k - 1}`]],
      ]),
      outputs: ["s11"],
    });
    const network = Network.of(graph);
    for (const seed of [1, 2, 3, 4]) {
      const random = new Random(seed);
      const weights = genericWeights(network, random);
      const on = layers.map(() => new Array<number>(4).fill(0));
      for (let k = 0; k < 40; k++) {
        const give = batch(network, weights, random);
        const values = evaluateGraph(graph, new Map(["x", ...network.trainable].map((n) => [n, give(n)!])));
        for (const l of layers) values.get(`h${l}`)!.data.forEach((x, i) => x > 0 && on[l]![i]!++);
      }
      const stuck = on.flat().filter((n) => n === 0 || n === 40).length;
      assert.ok(stuck <= 8, `seed ${seed}: on ${on.map((l) => l.join("/")).join(" ")} times of 40`);
    }
  });

  // Weights of two domains, each times those that both share (STAR), and biases likewise added: by hand 3 x 4 scales that own and
  // shared weights trade, 4 units, 4 shared biases. A unit that is off in one domain leaves four more free.
  it("shows both sides of rectifiers behind a sum of biases", () => {
    const graph = sketch({
      inputs: { x: [2, 5, 3] },
      parameters: { shared: [3, 4], own: [2, 3, 4], bias: [4], ownBias: [2, 1, 4], v: [4, 2], c: [2] },
      lines: [
        ["w", "Mul", ["shared", "own"]],
        ["b", "Add", ["bias", "ownBias"]],
        ["p", "MatMul", ["x", "w"]],
        ["h", "Add", ["p", "b"]],
        ["r", "Relu", ["h"]],
        ["z", "MatMul", ["r", "v"]],
        ["y", "Add", ["z", "c"]],
      ],
      outputs: ["y"],
    });
    for (const seed of [1, 2, 3]) {
      assert.equal(measureDimension(graph, { seed, draws: 1 }).dimension, 20, `measured, seed ${seed}`);
      assert.equal(analyse(graph, { seed }).continuous.total, 20, `explained, seed ${seed}`);
    }
  });

  it("looks at rectified weights where they do something", () => {
    const graph = sketch({
      inputs: { x: [8, 4] },
      parameters: { w: [4, 3] },
      lines: [
        ["p", "Relu", ["w"]],
        ["y", "MatMul", ["x", "p"]],
      ],
      outputs: ["y"],
    });
    assert.equal(measureDimension(graph, { draws: 1 }).dimension, 0);
  });

  it("leaves a clip no symmetry of a rectifier", () => {
    assert.equal(measureDimension(CASES.ReLU6!.graph, { draws: 2 }).dimension, 0);
    assert.equal(measureDimension(CASES.Relu!.graph, { draws: 2 }).dimension, 5);
  });
});
