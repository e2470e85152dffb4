/** @file Weights that a mask multiplies by zero are told as unread, entry by entry, at any size. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tensor } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { analyse } from "../analyse";
import { Retraction } from "../actions/retraction";
import { measureDimension } from "../counting/jacobian";
import { Network } from "../counting/network";
import { type Line, sketch } from "../counting/testing/models";
import { maskedEntries } from "./masked";

/** An autoregressive layer: output i sees inputs before i. Weights as PyTorch has them (out x in). */
const autoregressive = (more: readonly Line[] = []) =>
  sketch({
    inputs: { x: [6, 3] },
    parameters: { w: [4, 3], v: [3, 4] },
    constants: {
      first: tensor([4, 3], [1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1], "float32"),
      second: tensor([1, 4], [1, 0, 1, 1], "float32"),
    },
    lines: [
      ["masked", "Mul", ["w", "first"]],
      ["wt", "Transpose", ["masked"], { perm: [1, 0] }],
      ["h", "MatMul", ["x", "wt"]],
      ["t", "Tanh", ["h"]],
      ["some", "Mul", ["second", "v"]],
      ["vt", "Transpose", ["some"], { perm: [1, 0] }],
      ["out", "MatMul", ["t", "vt"]],
      ...more,
    ],
    outputs: ["out", ...(more.length > 0 ? [more.at(-1)![0]] : [])],
  });

const entries = (graph: Parameters<typeof maskedEntries>[0]) =>
  maskedEntries(graph).map(({ parameter, flat }) => [parameter.name, ...flat]);

describe("weights behind a mask", () => {
  it("are unread where it is zero", () => {
    const graph = autoregressive();
    assert.deepEqual(entries(graph), [
      ["w", 1, 2, 5, 10],
      ["v", 1, 5, 9],
    ]);
    const solved = analyse(graph);
    assert.equal(solved.continuous.total, measureDimension(solved.normal).dimension);
    // A unit that nothing reads has its own weights unread by what is behind it, not by a mask.
    assert.ok(solved.continuous.unread >= 7);
    const byRule = analyse(graph, { numeric: false });
    assert.equal(byRule.continuous.unread, 7);
    const network = Network.of(byRule.normal);
    const random = new Random(4);
    const weights = new Map([...graph.parameters].map(([p, { shape }]) => [p, random.normals(shape.reduce((n, d) => n * d, 1))]));
    const outputs = new Retraction(network, 4);
    for (const s of byRule.symmetries.filter((x) => x.kind === "unread")) {
      const element = s.randomElement(() => random.uniform());
      const moved = s.act(weights, element);
      const [[name, now]] = [...moved] as [[string, Float64Array]];
      assert.equal(now.filter((w, i) => w !== weights.get(name)![i]!).length, s.dimension);
      assert.ok(outputs.deviation(weights, new Map([...weights, ...moved])) < 1e-12);
      assert.ok(outputs.deviation(weights, new Map([...weights, [name, weights.get(name)!.map((w) => w + 0.5)]])) > 1e-3);
    }
  });

  it("are unread where they are transposed first", () => {
    const graph = sketch({
      inputs: { x: [6, 3] },
      parameters: { w: [4, 3] },
      constants: { mask: tensor([3, 4], [1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1], "float32") },
      lines: [
        ["wt", "Transpose", ["w"], { perm: [1, 0] }],
        ["masked", "Mul", ["wt", "mask"]],
        ["out", "MatMul", ["x", "masked"]],
      ],
      outputs: ["out"],
    });
    assert.deepEqual(entries(graph), [["w", 2, 3, 10]]);
    const found = analyse(graph);
    assert.deepEqual([found.continuous.unread, found.continuous.total], [3, 3]);
  });

  it("are read where somebody reads them without the mask, or through another one", () => {
    assert.deepEqual(entries(autoregressive([["all", "ReduceSum", ["w"], { keepdims: 0 }]])), [["v", 1, 5, 9]]);
    const twice = sketch({
      inputs: { x: [6, 3] },
      parameters: { w: [3, 3] },
      constants: {
        lower: tensor([3, 3], [1, 0, 0, 1, 1, 0, 1, 1, 1], "float32"),
        corners: tensor([3, 3], [1, 1, 0, 1, 0, 1, 0, 1, 1], "float32"),
      },
      lines: [
        ["a", "Mul", ["w", "lower"]],
        ["b", "Mul", ["corners", "w"]],
        ["y", "MatMul", ["x", "a"]],
        ["z", "MatMul", ["x", "b"]],
        ["t", "Tanh", ["z"]],
        ["out", "Add", ["y", "t"]],
      ],
      outputs: ["out"],
    });
    assert.deepEqual(entries(twice), [["w", 2]]);
    assert.equal(analyse(twice).continuous.unread, 1);
  });
});
