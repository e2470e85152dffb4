/** @file Places of a window that were channels before are told as channels; places of an image stay places. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../graph/graph";
import { elementCount, int64Vector, type Tensor, tensor } from "../graph/tensor";
import { normalForm } from "../lowering/normal-form";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { analyse } from "./analyse";
import { measureDimension } from "./counting/jacobian";
import { sketch } from "./counting/testing/models";

/** Units of a linear layer, laid out as a picture that a kernel covers. */
const laidOut = () => {
  const shape = int64Vector([4, 2, 3, 2]);
  return {
    inputs: { x: [4, 3] },
    parameters: { w: [3, 12], k: [5, 2, 3, 2], b: [5], v: [5, 2] },
    constants: { shape, flat: int64Vector([4, 5]) },
    lines: [
      ["h", "MatMul", ["x", "w"]],
      ["units", "Relu", ["h"]],
      ["picture", "Reshape", ["units", "shape"]],
      ["windows", "Conv", ["picture", "k", "b"]],
      ["t", "Tanh", ["windows"]],
      ["row", "Reshape", ["t", "flat"]],
      ["out", "MatMul", ["row", "v"]],
    ],
    outputs: ["out"],
  } as const;
};

const shuffled = (mode: string) =>
  ({
    inputs: { x: [2, 2, 3, 2] },
    parameters: { a: [8, 2, 1, 1], c: [8], k: [3, 2, 2, 2], b: [3] },
    lines: [
      ["h", "Conv", ["x", "a", "c"]],
      ["units", "Relu", ["h"]],
      ["picture", "DepthToSpace", ["units"], { blocksize: 2, mode }],
      ["out", "Conv", ["picture", "k", "b"], { strides: [2, 2] }],
    ],
    outputs: ["out"],
  }) as const;

const spread = () =>
  ({
    inputs: { x: [2, 2, 3, 2] },
    parameters: { a: [2, 3, 2, 2], k: [4, 3, 2, 2] },
    lines: [
      ["h", "ConvTranspose", ["x", "a"], { strides: [2, 2] }],
      ["units", "Relu", ["h"]],
      ["out", "Conv", ["units", "k"], { strides: [2, 2] }],
    ],
    outputs: ["out"],
  }) as const;

/** A patch embedding, a convolution and a second patch convolution. */
const image = () =>
  ({
    inputs: { x: [2, 3, 8, 8] },
    parameters: { p: [4, 3, 2, 2], a: [4, 4, 1, 1], k: [3, 4, 2, 2], h: [5, 3, 2, 2] },
    lines: [
      ["e", "Conv", ["x", "p"], { strides: [2, 2] }],
      ["r", "Relu", ["e"]],
      ["y", "Conv", ["r", "a"]],
      ["s", "Add", ["r", "y"]],
      ["d", "Conv", ["s", "k"], { strides: [2, 2] }],
      ["t", "Relu", ["d"]],
      ["out", "Conv", ["t", "h"]],
    ],
    outputs: ["out"],
  }) as const;

const explained = (graph: Graph) => {
  const found = analyse(graph);
  assert.equal(found.continuous.total, measureDimension(found.normal).dimension);
  const byRule = analyse(graph, { numeric: false });
  assert.equal(byRule.continuous.rescaling, found.continuous.rescaling);
  return found;
};

describe("windows that lie side by side", () => {
  it("over units laid out as a picture scale each unit", () => {
    const { continuous, spaces } = explained(sketch(laidOut()));
    assert.equal(continuous.rescaling, 12);
    assert.deepEqual(
      spaces.map((s) => s.size).sort((a, b) => a - b),
      [2, 2, 3, 5],
    );
  });

  for (const mode of ["CRD", "DCR"])
    it(`over shuffled pixels (${mode}) scale each channel before the shuffle`, () => {
      assert.equal(explained(sketch(shuffled(mode))).continuous.rescaling, 8);
    });

  it("that a transposed convolution made scale each entry of its kernel's windows", () => {
    assert.equal(explained(sketch(spread())).continuous.rescaling, 12);
  });

  it("over images stay convolutions", () => {
    const graph = sketch(image());
    assert.equal(graph.nodes.filter((n) => n.operator === "Conv").length, 4);
    assert.deepEqual(
      analyse(graph).spaces.map((s) => s.acts.map((a) => `${a.parameter}/${a.axis}`).sort()),
      [
        ["a/0", "a/1", "k/1", "p/0"],
        ["h/1", "k/0"],
      ],
    );
  });

  it("compute the same", () => {
    const random = new Random(5);
    for (const source of [laidOut(), shuffled("CRD"), shuffled("DCR"), spread()]) {
      const form = sketch(source);
      assert.ok(form.nodes.some((n) => n.operator === "MatMul"));
      const values = new Map<string, Tensor>();
      for (const [name, shape] of Object.entries({ ...source.inputs, ...source.parameters }))
        values.set(name, tensor(shape, random.normals(elementCount(shape))));
      const graph = {
        ...form,
        constants: new Map<string, Tensor>(Object.entries("constants" in source ? source.constants : {})),
        nodes: source.lines.map(([output, operator, inputs, attributes]) => ({
          name: output,
          operator,
          domain: "",
          inputs,
          outputs: [output],
          attributes: attributes ?? {},
          origin: {},
        })),
      };
      const wanted = evaluateGraph(graph as Graph, values).get("out")!;
      const got = evaluateGraph(normalForm(form).graph, values).get("out")!;
      assert.deepEqual(got.shape, wanted.shape);
      wanted.data.forEach((v, i) => assert.ok(Math.abs(v - got.data[i]!) < 1e-12));
    }
  });
});
