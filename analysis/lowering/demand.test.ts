import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { elementCount, tensor, type Tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

const SHAPE = [2, 5, 4];

/** The shapes of what an operator writes in the normal form, having checked that the normal form computes the same. */
function shapesOf(operator: string, make: (b: GraphBuilder, x: string) => string): (readonly number[] | undefined)[] {
  const b = new GraphBuilder();
  const x = b.input("x", SHAPE);
  const y = make(b, x);
  const graph = b.build(y);
  const values = new Map<string, Tensor>([[x, tensor(SHAPE, new Random(3).normals(elementCount(SHAPE)))]]);
  const form = normalForm(graph, { epsilon: "keep" }).graph;
  const [got, wanted] = [evaluateGraph(form, values).get(y)!, evaluateGraph(graph, values).get(y)!];
  assert.deepEqual(got.shape, wanted.shape);
  got.data.forEach((v, i) => assert.ok(Math.abs(v - wanted.data[i]!) < 1e-12));
  return form.nodes.filter((n) => n.operator === operator).map((n) => form.types.get(n.outputs[0]!)?.shape);
}

const whole = (b: GraphBuilder, shape: readonly number[]): string =>
  b.constant(shape, [...new Random(5).normals(elementCount(shape))]);
const list = (b: GraphBuilder, ...values: number[]): string => b.constant([values.length], values, "int64");
const row = (b: GraphBuilder, value: string, at: number): string =>
  b.add("Gather", [value, b.constant([], [at], "int64")], { axis: 1 });

describe("what is read is computed, and no more", () => {
  it("one row of a layer and of its norm", () => {
    const shapes = shapesOf("Tanh", (b, x) => {
      const h = b.add("Tanh", [b.add("MatMul", [x, whole(b, [4, 3])])]);
      const mean = b.add("ReduceMean", [h, list(b, 2)], { keepdims: 1 });
      return row(b, b.add("Mul", [b.add("Sub", [h, mean]), whole(b, [5, 3])]), -1);
    });
    assert.deepEqual(shapes, [[2, 1, 3]]);
  });

  it("the rows that two readers share, from the first to the last of them", () => {
    const shapes = shapesOf("Tanh", (b, x) => {
      const h = b.add("Tanh", [x]);
      const pair = b.add("Slice", [h, list(b, 2), list(b, 4), list(b, 1)]);
      return b.add("Sub", [pair, b.add("Slice", [h, list(b, 1), list(b, 3), list(b, 1)])]);
    });
    assert.deepEqual(shapes, [[2, 3, 4]]);
  });

  it("rows that a reshape merged with others, where they are one run of entries", () => {
    const shapes = shapesOf("Tanh", (b, x) => {
      const first = b.add("Transpose", [x], { perm: [1, 0, 2] });
      const flat = b.add("Tanh", [b.add("MatMul", [b.add("Reshape", [first, list(b, 10, 4)]), whole(b, [4, 3])])]);
      const rows = b.add("Reshape", [flat, list(b, 5, 2, 3)]);
      return b.add("Slice", [rows, list(b, 1), list(b, 2), list(b, 0)]);
    });
    assert.deepEqual(shapes, [[2, 3]]);
    // A run that is not whole on the other side is not cut.
    const wider = shapesOf("Tanh", (b, x) => {
      const pairs = b.add("Tanh", [b.add("Reshape", [x, list(b, 4, 10)])]);
      const rows = b.add("Reshape", [pairs, list(b, 10, 4)]);
      return b.add("Slice", [rows, list(b, 0), list(b, 3), list(b, 0)]);
    });
    assert.deepEqual(wider, [[4, 10]]);
  });

  it("all rows that attention mixes, but one row of its queries", () => {
    const make = (b: GraphBuilder, x: string): string => {
      const [q, k, v] = [0, 1, 2].map(() => b.add("MatMul", [x, whole(b, [4, 4])])) as [string, string, string];
      const scores = b.add("MatMul", [b.add("Sin", [q]), b.add("Transpose", [k], { perm: [0, 2, 1] })]);
      return row(b, b.add("MatMul", [b.add("Softmax", [scores], { axis: -1 }), b.add("Cos", [v])]), 0);
    };
    assert.deepEqual(shapesOf("Sin", make), [[2, 1, 4]]);
    assert.deepEqual(shapesOf("Softmax", make), [[2, 1, 5]]);
    assert.deepEqual(shapesOf("Cos", make), [[2, 5, 4]]);
  });

  it("one piece of a concatenation, and of heads that lie behind a reshape", () => {
    const shapes = shapesOf("Tanh", (b, x) => {
      const both = b.add("Concat", [b.add("Tanh", [x]), b.add("Sin", [x])], { axis: 1 });
      const heads = b.add("Transpose", [b.add("Reshape", [both, list(b, 2, 10, 2, 2)])], { perm: [0, 2, 1, 3] });
      return b.add("Gather", [heads, list(b, 4, 2)], { axis: 2 });
    });
    assert.deepEqual(shapes, [[2, 3, 4]]);
  });

  it("all of what is summed, sorted into other axes, or read elsewhere", () => {
    const places = shapesOf("Tanh", (b, x) => row(b, b.add("Softmax", [b.add("Tanh", [x])], { axis: 1 }), 0));
    assert.deepEqual(places, [SHAPE]);
    const merged = shapesOf("Tanh", (b, x) => row(b, b.add("Reshape", [b.add("Tanh", [x]), list(b, 2, 4, 5)]), 0));
    assert.deepEqual(merged, [SHAPE]);
    const elsewhere = shapesOf("Tanh", (b, x) => {
      const h = b.add("Tanh", [x]);
      return b.add("Add", [row(b, h, 0), b.add("ReduceMean", [h, list(b, 1)], { keepdims: 0 })]);
    });
    assert.deepEqual(elsewhere, [SHAPE]);
  });

  it("rows of a product that is written as an Einsum", () => {
    const shapes = shapesOf("Tanh", (b, x) =>
      row(b, b.add("Einsum", [b.add("Tanh", [x]), b.add("Sin", [x])], { equation: "bic,bjc->bij" }), 3),
    );
    assert.deepEqual(shapes, [[2, 1, 4]]);
  });
});
