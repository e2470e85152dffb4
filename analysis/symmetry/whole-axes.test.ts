/** @file Features that a convolution reads as an axis of space (sentences as pictures of words by features) have their symmetries. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { analyse } from "./analyse";
import { measureDimension } from "./counting/jacobian";
import { type Line, sketch } from "./counting/testing/models";

describe("kernels that cover an axis of features", () => {
  it("embeddings before them may change basis", () => {
    const filters = (k: number): Line[] => [
      [`h${k}`, "Conv", ["picture", `w${k}`, `b${k}`]],
      [`r${k}`, "Relu", [`h${k}`]],
      [`m${k}`, "ReduceMax", [`r${k}`], { axes: [2, 3], keepdims: 0 }],
    ];
    const graph = sketch({
      inputs: { tokens: [2, 6] },
      integers: ["tokens"],
      parameters: { e: [9, 4], w2: [3, 1, 2, 4], b2: [3], w3: [3, 1, 3, 4], b3: [3], f: [6, 2] },
      constants: { channel: { type: "int64", shape: [4], data: Float64Array.of(2, 1, 6, 4) } },
      lines: [
        ["words", "Gather", ["e", "tokens"]],
        ["picture", "Reshape", ["words", "channel"]],
        ...filters(2),
        ...filters(3),
        ["both", "Concat", ["m2", "m3"], { axis: 1 }],
        ["out", "MatMul", ["both", "f"]],
      ],
      outputs: ["out"],
    });
    const { spaces, continuous, normal } = analyse(graph);
    const space = spaces.find((s) => s.acts.some((a) => a.parameter === "e"));
    assert.equal(space?.group, "S(4) with GL(4)");
    assert.deepEqual(space.acts.map((a) => `${a.parameter}/${a.axis}`).sort(), ["e/1", "w2/3", "w3/3"]);
    // GL(4), a scale of each filter, and what the embeddings add to the filters' biases.
    assert.deepEqual([continuous.linear, continuous.rescaling, continuous.translation], [16, 6, 4]);
    assert.equal(continuous.total, measureDimension(normal).dimension);
    const byRule = analyse(graph, { numeric: false }).spaces.find((s) => s.acts.some((a) => a.parameter === "e"));
    assert.equal(byRule?.group, "S(4) with GL(4)");
  });

  it("units that are laid out as rows of a picture may be permuted and scaled", () => {
    const graph = sketch({
      inputs: { x: [2, 2, 6, 3] },
      parameters: { w: [3, 5], k: [4, 2, 5, 3] },
      lines: [
        ["h", "MatMul", ["x", "w"]],
        ["units", "Relu", ["h"]],
        ["rows", "Transpose", ["units"], { perm: [0, 1, 3, 2] }],
        ["out", "Conv", ["rows", "k"]],
      ],
      outputs: ["out"],
    });
    const { spaces, continuous } = analyse(graph);
    assert.deepEqual(
      spaces.map((s) => `${s.size} ${s.group}`),
      ["5 S(5) with R+^5"],
    );
    assert.equal(continuous.total, 5);
  });
});
