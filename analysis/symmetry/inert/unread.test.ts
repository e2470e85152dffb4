/** @file Weights that no output hangs on are told as unread, entry by entry, at any size. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { int64Vector, tensor } from "../../graph/tensor";
import { normalForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { evaluateGraph } from "../../operators/evaluate";
import { analyse } from "../analyse";
import { measureDimension } from "../counting/jacobian";
import { Retraction } from "../actions/retraction";
import { Network } from "../counting/network";
import { type Line, sketch } from "../counting/testing/models";

/** Columns [start, end) of the gates. */
const gate = (name: string, k: number): Line => [name, "Slice", ["gates", `from${k}`, `from${k + 1}`, "one"]];

/** The first step of a gated recurrence whose forget gate (columns 2 to 3 of 8) meets a state of zero. */
const step = (more: readonly Line[] = []) =>
  sketch({
    inputs: { x: [5, 3] },
    parameters: { w: [3, 8], b: [8], r: [2, 8], v: [2, 3] },
    constants: {
      ...Object.fromEntries([0, 1, 2, 3, 4].map((k) => [`from${k}`, int64Vector([2 * k])])),
      one: int64Vector([1]),
      zero: tensor([5, 2], new Float64Array(10), "float32"),
    },
    lines: [
      ["linear", "MatMul", ["x", "w"]],
      ["recurrent", "MatMul", ["zero", "r"]],
      ["both", "Add", ["linear", "recurrent"]],
      ["gates", "Add", ["both", "b"]],
      gate("i", 0),
      gate("f", 1),
      gate("o", 2),
      gate("c", 3),
      ["open", "Sigmoid", ["i"]],
      ["kept", "Sigmoid", ["f"]],
      ["shown", "Sigmoid", ["o"]],
      ["new", "Tanh", ["c"]],
      ["old", "Mul", ["kept", "zero"]],
      ["fresh", "Mul", ["open", "new"]],
      ["cell", "Add", ["old", "fresh"]],
      ["h", "Mul", ["shown", "cell"]],
      ["out", "MatMul", ["h", "v"]],
      ...more,
    ],
    outputs: ["out", ...(more.length > 0 ? [more.at(-1)![0]] : [])],
  });

const unreadOf = (analysis: ReturnType<typeof analyse>) =>
  analysis.symmetries.filter((s) => s.kind === "unread").map((s) => `${s.parameters.join()} ${s.group}`);

describe("weights that no output hangs on", () => {
  it("are unread as far as a product with zero makes them so", () => {
    const graph = step();
    for (const numeric of [true, false]) {
      const found = analyse(graph, { numeric });
      assert.deepEqual(unreadOf(found).sort(), ["b R^2", "r R^16", "w R^6"]);
      assert.equal(found.continuous.unread, 24);
      assert.equal(found.continuous.total, measureDimension(found.normal).dimension);
      assert.deepEqual(
        found.spaces.map((s) => s.group),
        ["S(2) with Z2^2"],
      );
      const parts = (found.apart ?? found).symmetries.filter((s) => s.kind === "unread").flatMap((s) => s.parameters);
      assert.deepEqual(parts.sort(), ["b[2:4]", "r", "w[:, 2:4]"]);
    }
  });

  it("may be anything", () => {
    const found = analyse(step());
    const network = Network.of(found.normal);
    const random = new Random(4);
    const weights = new Map(
      [...found.normal.parameters].map(([p, { shape }]) => [p, random.normals(shape.reduce((n, d) => n * d, 1))]),
    );
    const outputs = new Retraction(network, 4);
    for (const s of found.symmetries.filter((x) => x.kind === "unread")) {
      const moved = s.act(
        weights,
        s.randomElement(() => random.uniform()),
      );
      const [parameter] = s.parameters as [string];
      const before = weights.get(parameter)!;
      assert.ok(moved.get(parameter)!.filter((w, i) => w !== before[i]!).length === s.dimension);
      assert.ok(outputs.deviation(weights, new Map([...weights, ...moved])) < 1e-12);
    }
  });

  it("are none where something else reads them", () => {
    const found = analyse(step([["all", "ReduceMax", ["gates"], { axes: [1] }]]));
    assert.deepEqual(unreadOf(found), ["r R^16"]);
    assert.equal(found.continuous.total, measureDimension(found.normal).dimension);
  });

  it("are none where the zero is one of several factors of a channel", () => {
    const graph = sketch({
      inputs: { x: [5, 3] },
      parameters: { w: [3, 4], v: [4, 2] },
      constants: { mask: tensor([4], [0, 1, 1, 1], "float32") },
      lines: [
        ["h", "MatMul", ["x", "w"]],
        ["t", "Tanh", ["h"]],
        ["m", "Mul", ["t", "mask"]],
        ["out", "MatMul", ["m", "v"]],
      ],
      outputs: ["out"],
    });
    const found = analyse(graph, { numeric: false });
    assert.deepEqual(unreadOf(found), []);
  });

  it("leave a network that computes the same", () => {
    const graph = step();
    const form = normalForm(graph, { slices: true });
    const random = new Random(7);
    const whole = new Map(
      [...graph.parameters].map(([name, { shape }]) => [name, tensor(shape, random.normals(shape.reduce((n, d) => n * d, 1)))]),
    );
    const x = tensor([5, 3], random.normals(15));
    const values = new Map([["x", x]]);
    for (const [name, p] of form.graph.parameters) {
      const slice = form.slices.get(name);
      const from = whole.get(slice?.whole.name ?? name)!;
      if (!slice) {
        values.set(name, from);
        continue;
      }
      // All slices here are columns of their parameter.
      const [start, end] = slice.ranges.at(-1)!;
      const width = from.shape.at(-1)!;
      values.set(
        name,
        tensor(
          p.shape,
          from.data.filter((_, i) => i % width >= start && i % width < end),
        ),
      );
    }
    const wanted = evaluateGraph(graph, new Map([["x", x], ...whole])).get("out")!;
    const got = evaluateGraph(form.graph, values).get("out")!;
    wanted.data.forEach((v, i) => assert.ok(Math.abs(v - got.data[i]!) < 1e-12));
  });

  it("are the rows of a table that a slice leaves out", () => {
    const graph = sketch({
      inputs: { x: [2, 3, 4] },
      parameters: { positions: [7, 4], v: [4, 2] },
      constants: { from: int64Vector([0]), to: int64Vector([3]) },
      lines: [
        ["here", "Slice", ["positions", "from", "to", "from"]],
        ["sum", "Add", ["x", "here"]],
        ["t", "Tanh", ["sum"]],
        ["out", "MatMul", ["t", "v"]],
      ],
      outputs: ["out"],
    });
    const found = analyse(graph);
    assert.deepEqual(unreadOf(found), ["positions R^16"]);
    assert.equal(found.continuous.total, measureDimension(found.normal).dimension);
  });

  it("are whole parameters that are read together with others", () => {
    const graph = sketch({
      inputs: { x: [5, 3] },
      parameters: { a: [3, 2], b: [3, 4], c: [1, 3], v: [2, 2] },
      constants: { from: int64Vector([0]), to: int64Vector([2]), axis: int64Vector([1]), one: int64Vector([1]) },
      lines: [
        ["column", "Transpose", ["c"], { perm: [1, 0] }],
        ["all", "Concat", ["a", "b"], { axis: 1 }],
        ["more", "Concat", ["all", "column"], { axis: 1 }],
        ["h", "MatMul", ["x", "more"]],
        ["first", "Slice", ["h", "from", "to", "axis", "one"]],
        ["t", "Tanh", ["first"]],
        ["out", "MatMul", ["t", "v"]],
      ],
      outputs: ["out"],
    });
    const found = analyse(graph);
    assert.deepEqual(unreadOf(found), ["b R^12", "c R^3"]);
    assert.equal(found.continuous.total, measureDimension(found.normal).dimension);
    assert.deepEqual(
      found.spaces.map((s) => s.group),
      ["S(2) with Z2^2"],
    );
  });
});
