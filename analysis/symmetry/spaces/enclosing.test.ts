/** @file Spaces that are fibred over others, and those that look like it but are not: what mixes the outer indices ties them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../../numerics/random";
import { analyse } from "../analyse";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { type Line, sketch } from "../counting/testing/models";
import { Retraction } from "../actions/retraction";

/** Features j of blocks g, of x [B, I] by weights w [g, I, j]; read by v [g, j, O]. */
const blocks = (through: readonly Line[], parameters: Readonly<Record<string, readonly number[]>> = {}) =>
  sketch({
    inputs: { x: [6, 5] },
    parameters: { w: [3, 5, 4], v: [3, 4, 2], ...parameters },
    lines: [
      ["h", "Einsum", ["x", "w"], { equation: "bi,gij->bgj" }],
      ...through,
      ["y", "Einsum", ["f", "v"], { equation: "bgj,gjk->bk" }],
    ],
    outputs: ["y"],
  });

/** Groups by size of the space: what there is of 3 blocks and of 4 features. */
const CASES: Readonly<Record<string, readonly [graph: ReturnType<typeof blocks>, ofBlocks: string, ofFeatures: string]>> = {
  "entry by entry": [blocks([["f", "Exp", ["h"]]]), "S(3)^4", "S(4)^3"],
  "a softmax over features": [blocks([["f", "Softmax", ["h"], { axis: 2 }]]), "S(3)", "S(4)^3"],
  "a softmax over blocks": [blocks([["f", "Softmax", ["h"], { axis: -2 }]]), "S(3)^4", "S(4)"],
  "blocks mixed by weights, with a residual": [
    blocks(
      [
        ["t", "Softplus", ["h"]],
        ["m", "MatMul", ["a", "t"]],
        ["s", "Add", ["t", "m"]],
        ["f", "Exp", ["s"]],
      ],
      { a: [3, 3] },
    ),
    "S(3)",
    "S(4)",
  ],
  "products of each two blocks": [
    sketch({
      inputs: { x: [6, 5] },
      parameters: { w: [3, 5, 4], v: [3, 3, 2] },
      lines: [
        ["h", "Einsum", ["x", "w"], { equation: "bi,gij->bgj" }],
        ["f", "Tanh", ["h"]],
        ["t", "Transpose", ["f"], { perm: [0, 2, 1] }],
        ["m", "MatMul", ["f", "t"]],
        ["y", "Einsum", ["m", "v"], { equation: "bgh,ghk->bk" }],
      ],
      outputs: ["y"],
    }),
    "S(3)",
    "S(4)",
  ],
  "features mixed by weights, with a residual": [
    blocks(
      [
        ["t", "Softplus", ["h"]],
        ["m", "Einsum", ["t", "a"], { equation: "bgj,gjl->bgl" }],
        ["s", "Add", ["t", "m"]],
        ["f", "Exp", ["s"]],
      ],
      { a: [3, 4, 4] },
    ),
    "S(3)",
    "S(4)^3",
  ],
};

describe("fibred spaces", () => {
  for (const [name, [graph, ofBlocks, ofFeatures]] of Object.entries(CASES)) {
    it(`behind ${name}`, () => {
      const analysis = analyse(graph, { numeric: false });
      const groups = analysis.symmetries.filter((s) => s.kind === "permutation").map((s) => s.group);
      assert.deepEqual(groups.toSorted(), [ofBlocks, ofFeatures].toSorted());
      const network = Network.of(analysis.normal);
      const random = new Random(3);
      const weights = genericWeights(network, random);
      const outputs = new Retraction(network, 3);
      for (const s of analysis.symmetries) {
        const element = s.randomElement(() => random.uniform());
        assert.ok(outputs.deviation(weights, new Map([...weights, ...s.act(weights, element)])) < 1e-9, `${s.group} (${s.kind})`);
      }
    });
  }
});
