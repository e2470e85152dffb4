/** @file Gains that are one more than a parameter, or than what a layer makes: known by rule, acting on the parameters as given. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { int64Vector } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { Retraction } from "../actions/retraction";
import { analyse } from "../analyse";
import { certifyGenerators } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { type Line, sketch } from "../counting/testing/models";

const between = (parameters: Record<string, readonly number[]>, lines: readonly Line[], channels = 4) =>
  sketch({
    inputs: { x: [6, 3] },
    parameters: { a: [3, channels], o: [channels, 2], ...parameters },
    constants: {
      one: 1,
      several: { type: "float32", shape: [4], data: Float64Array.of(1, 2, 3, 4) },
      ...Object.fromEntries([0, 4, 8, 12].map((n) => [`at ${n}`, int64Vector([n])])),
      last: int64Vector([1]),
      step: int64Vector([1]),
    },
    lines: [["h", "MatMul", ["x", "a"]], ["t", "Tanh", ["h"]], ...lines, ["y", "MatMul", ["z", "o"]]],
    outputs: ["y"],
  });

const slice = (of: string, from: number): readonly string[] => [of, `at ${from}`, `at ${from + 4}`, "last", "step"];

/** Directions known by rule; each is tried, and a random element of its group. */
function known(graph: ReturnType<typeof sketch>): number {
  const { normal, symmetries, continuous } = analyse(graph, { numeric: false });
  const network = Network.of(normal);
  const random = new Random(5);
  const weights = genericWeights(network, random);
  const vectors = symmetries.flatMap((s) => s.generators(weights).map((g) => g.vector));
  assert.ok(certifyGenerators(normal, weights, vectors) < 1e-9);
  const outputs = new Retraction(network, 2);
  for (const s of symmetries) {
    const moved = s.act(
      weights,
      s.randomElement(() => random.uniform()),
    );
    assert.ok(outputs.deviation(weights, new Map([...weights, ...moved])) < 1e-9, s.id);
    for (const name of moved.keys()) assert.ok(graph.parameters.has(name), name);
  }
  return continuous.rescaling;
}

const gained = (gain: readonly Line[]): readonly Line[] => [...gain, ["z", "Mul", ["t", "g"]]];

test("a gain that is one more than a parameter trades with the weights behind it", () => {
  assert.equal(known(between({ w: [4] }, gained([["g", "Add", ["w", "one"]]]))), 4);
  assert.equal(known(between({ w: [4] }, gained([["g", "Sub", ["w", "one"]]]))), 4);
});

test("and so does one that a layer makes, shift included", () => {
  const made: readonly Line[] = [
    ["m", "MatMul", ["x", "u"]],
    ["s", "Add", ["m", "b"]],
    ["g", "Add", ["s", "one"]],
    ["p", "Mul", ["t", "g"]],
    ["n", "MatMul", ["x", "v"]],
    ["q", "Add", ["p", "n"]],
    ["z", "Relu", ["q"]],
  ];
  assert.equal(known(between({ u: [3, 4], b: [4], v: [3, 4] }, made)), 4);
});

test("also where scale, shift and gate are slices of what one layer makes", () => {
  const made: readonly Line[] = [
    ["m", "MatMul", ["x", "u"]],
    ["s", "Add", ["m", "b"]],
    ["shift", "Slice", slice("s", 0)],
    ["scale", "Slice", slice("s", 4)],
    ["gate", "Slice", slice("s", 8)],
    ["g", "Add", ["scale", "one"]],
    ["p", "Mul", ["t", "g"]],
    ["q", "Add", ["p", "shift"]],
    ["r", "Relu", ["q"]],
    ["z", "Mul", ["r", "gate"]],
  ];
  // Scale and shift against the gate, and the gate against the weights behind it.
  assert.equal(known(between({ u: [3, 12], b: [12] }, made)), 8);
});

test("a parameter that is read as it is as well, and what is added differs from entry to entry, stay", () => {
  const twice = gained([
    ["g", "Add", ["w", "one"]],
    ["c", "Cos", ["w"]],
  ]).map((line): Line => (line[0] === "z" ? ["k", line[1], line[2]] : line));
  assert.equal(known(between({ w: [4] }, [...twice, ["z", "Mul", ["k", "c"]]])), 0);
  assert.equal(known(between({ w: [4] }, gained([["g", "Add", ["w", "several"]]]))), 0);
});
