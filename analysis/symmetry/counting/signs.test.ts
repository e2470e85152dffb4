/** @file Norms that are signs once their epsilons are zero: their derivatives say nothing, and no direction may pass for that. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { analyse } from "../analyse";
import { measureDimension } from "./jacobian";
import { type Line, sketch } from "./testing/models";

/** A linear layer, a norm of its n outputs, and another linear layer. */
const between = (n: number, norm: readonly Line[]) =>
  sketch({
    inputs: { x: [8, 3] },
    parameters: { w: [3, n], b: [n], gain: [n], shift: [n], v: [n, 4], c: [4] },
    constants: { tiny: 1e-5, two: 2 },
    lines: [
      ["p", "MatMul", ["x", "w"]],
      ["h", "Add", ["p", "b"]],
      ...norm,
      ["q", "MatMul", ["f", "v"]],
      ["y", "Add", ["q", "c"]],
    ],
    outputs: ["y"],
  });

const layerNorm: readonly Line[] = [["f", "LayerNormalization", ["h", "gain", "shift"], { axis: -1, epsilon: 1e-5 }]];

/** The same written out, with the variance as a mean of squares. */
const writtenOut: readonly Line[] = [
  ["m", "ReduceMean", ["h"], { axes: [-1], keepdims: 1 }],
  ["d", "Sub", ["h", "m"]],
  ["s", "Pow", ["d", "two"]],
  ["r", "ReduceMean", ["s"], { axes: [-1], keepdims: 1 }],
  ["e", "Add", ["r", "tiny"]],
  ["l", "Sqrt", ["e"]],
  ["z", "Div", ["d", "l"]],
  ["g", "Mul", ["z", "gain"]],
  ["f", "Add", ["g", "shift"]],
];

describe("norms over two values", () => {
  // Of the first layer 4 common shifts and its scale: which of two values is the larger one changes with anything else. Of the 16
  // numbers behind, outputs see what the sign is multiplied by and what is added to it, 4 of each.
  for (const [name, norm] of Object.entries({ LayerNormalization: layerNorm, "written out": writtenOut })) {
    it(`are not flat: ${name}`, () => {
      const graph = between(2, norm);
      assert.equal(measureDimension(graph).dimension, 13);
      assert.equal(analyse(graph).continuous.total, 13);
    });
  }

  it("differ from those over three", () => {
    // 4 common shifts, the scale and a turn around (1, 1, 1); of the 22 numbers behind, outputs see 12: of the plane of what is left
    // of three values 2 rows of 4, and 4 constants.
    assert.equal(measureDimension(between(3, layerNorm)).dimension, 16);
    assert.equal(analyse(between(3, layerNorm)).continuous.total, 16);
  });
});
