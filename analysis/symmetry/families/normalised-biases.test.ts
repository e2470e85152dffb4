/** @file Norms' biases that products without biases make up for: as many as there are, and exactly. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { int64Vector } from "../../graph/tensor";
import type { Graph } from "../../graph/graph";
import { Random } from "../../numerics/random";
import { Retraction } from "../actions/retraction";
import { analyse } from "../analyse";
import { certificates, measureDimension } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { increments } from "../counting/scaled";
import { type Line, sketch } from "../counting/testing/models";
import type { ParameterValues } from "../symmetry";

/** A layer norm of x as its primitives, with gain g and bias b. */
const NORM: readonly Line[] = [
  ["mean", "ReduceMean", ["x", "last"], { keepdims: 1 }],
  ["centred", "Sub", ["x", "mean"]],
  ["length", "ReduceL2", ["centred", "last"], { keepdims: 1 }],
  ["z", "Div", ["centred", "length"]],
  ["gained", "Mul", ["z", "g"]],
  ["y", "Add", ["gained", "b"]],
];

const SIZE = 4;

/** What follows a norm over four features of three places. */
function behindNorm(parameters: Readonly<Record<string, readonly number[]>>, lines: readonly Line[], outputs = ["out"]): Graph {
  return sketch({
    inputs: { x: [2, 3, SIZE] },
    parameters: { g: [SIZE], b: [SIZE], ...parameters },
    constants: { last: int64Vector([2]), first: int64Vector([1]) },
    lines: [...NORM, ...lines],
    outputs,
  });
}

/** Rules only, each claim checked; how many directions they know and how many there are. */
function explained(graph: Graph, change: (weights: ParameterValues) => ParameterValues = (w) => w): readonly [number, number] {
  const { symmetries, normal } = analyse(graph, { numeric: false });
  const network = Network.of(normal);
  const weights = change(genericWeights(network, new Random(3)));
  const random = new Random(5);
  const outputs = new Retraction(network, 4);
  for (const s of symmetries) {
    const moved = s.act(
      weights,
      s.randomElement(() => random.uniform()),
    );
    assert.ok(outputs.deviation(weights, new Map([...weights, ...moved])) < 1e-9, `${s.kind} on ${s.parameters.join(", ")}`);
    const vectors = s.generators(weights).map((g) => g.vector);
    for (const worst of certificates(normal, weights, vectors, { batches: 1 })) assert.ok(worst < 1e-9, `a tangent of ${s.id}`);
  }
  const known = increments(symmetries, weights).reduce((n, i) => n + i.gained, 0);
  return [known, measureDimension(normal, { seed: 7 }).dimension];
}

const biasOf = (graph: Graph): readonly string[] | undefined =>
  analyse(graph, { numeric: false }).symmetries.find((s) => s.kind === "translation" && s.parameters.includes("b"))?.parameters;

describe("biases of norms before products without biases", () => {
  it("a wider layer makes up for all of it", () => {
    const graph = behindNorm({ w: [SIZE, 6], v: [6, 2] }, [
      ["h", "MatMul", ["y", "w"]],
      ["bent", "Tanh", ["h"]],
      ["out", "MatMul", ["bent", "v"]],
    ]);
    const [known, measured] = explained(graph);
    assert.equal(known, measured);
    assert.deepEqual(biasOf(graph), ["b", "w"]);
  });

  it("queries, keys and values, and a layer with a bias beside them", () => {
    const graph = behindNorm({ q: [SIZE, SIZE], k: [SIZE, SIZE], v: [SIZE, SIZE], w: [SIZE, 3], "w.bias": [3], u: [3, SIZE] }, [
      ["queries", "MatMul", ["y", "q"]],
      ["keys", "MatMul", ["y", "k"]],
      ["values", "MatMul", ["y", "v"]],
      ["turned", "Transpose", ["keys"], { perm: [0, 2, 1] }],
      ["scores", "MatMul", ["queries", "turned"]],
      ["shares", "Softmax", ["scores"]],
      ["seen", "MatMul", ["shares", "values"]],
      ["h", "MatMul", ["y", "w"]],
      ["biased", "Add", ["h", "w.bias"]],
      ["bent", "Tanh", ["biased"]],
      ["back", "MatMul", ["bent", "u"]],
      ["out", "Add", ["seen", "back"]],
    ]);
    const [known, measured] = explained(graph);
    assert.equal(known, measured);
    assert.deepEqual([...biasOf(graph)!].sort(), ["b", "k", "q", "v", "w.bias"]);
  });

  it("a place that is chosen, and the mean of all, are read as the norm is", () => {
    const graph = sketch({
      inputs: { x: [2, 3, SIZE] },
      parameters: { g: [SIZE], b: [SIZE], w: [SIZE, 5], v: [SIZE, 5] },
      constants: {
        last: int64Vector([2]),
        first: int64Vector([1]),
        chosen: { type: "int64", shape: [], data: Float64Array.of(0) },
      },
      lines: [
        ...NORM,
        ["place", "Gather", ["y", "chosen"], { axis: 1 }],
        ["token", "MatMul", ["place", "w"]],
        ["pooled", "ReduceMean", ["y", "first"], { keepdims: 0 }],
        ["all", "MatMul", ["pooled", "v"]],
        ["one", "Tanh", ["token"]],
        ["other", "Tanh", ["all"]],
      ],
      outputs: ["one", "other"],
    });
    const [known, measured] = explained(graph);
    assert.equal(known, measured);
    assert.deepEqual([...biasOf(graph)!].sort(), ["b", "v", "w"]);
  });

  it("acts on models that have just been made, where the bias is zero", () => {
    const graph = behindNorm({ w: [SIZE, 6] }, [
      ["h", "MatMul", ["y", "w"]],
      ["out", "Tanh", ["h"]],
    ]);
    const [known] = explained(graph, (weights) => new Map([...weights, ["b", new Float64Array(SIZE)]]));
    assert.ok(known > 0);
  });

  it("a stream that takes the norm's output as it is, or an output of the network, holds the bias", () => {
    const lines: readonly Line[] = [
      ["h", "MatMul", ["y", "w"]],
      ["bent", "Tanh", ["h"]],
    ];
    const added = behindNorm({ w: [SIZE, SIZE] }, [...lines, ["out", "Add", ["bent", "y"]]]);
    const written = behindNorm({ w: [SIZE, SIZE] }, lines, ["bent", "y"]);
    for (const graph of [added, written]) {
      assert.equal(biasOf(graph), undefined);
      const [known, measured] = explained(graph);
      assert.ok(known <= measured);
    }
  });

  it("without a mean taken off nothing adds up to a constant", () => {
    const graph = sketch({
      inputs: { x: [2, 3, SIZE] },
      parameters: { g: [SIZE], b: [SIZE], w: [SIZE, 6] },
      constants: { last: int64Vector([2]) },
      lines: [
        ["length", "ReduceL2", ["x", "last"], { keepdims: 1 }],
        ["z", "Div", ["x", "length"]],
        ["gained", "Mul", ["z", "g"]],
        ["y", "Add", ["gained", "b"]],
        ["h", "MatMul", ["y", "w"]],
        ["out", "Tanh", ["h"]],
      ],
      outputs: ["out"],
    });
    assert.equal(biasOf(graph), undefined);
  });
});
