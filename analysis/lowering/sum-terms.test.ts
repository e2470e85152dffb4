import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../graph/graph";
import { elementCount, tensor, type Tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { analyse } from "../symmetry/analyse";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

/** A factorisation machine on dense features; `mean` over factors in place of their sum. */
function dense(mean: boolean, keepdims: number): Graph {
  const b = new GraphBuilder();
  const [x, v, two] = [b.input("x", [9, 8]), b.parameter("v", [8, 3]), b.constant([], [2])];
  const square = (y: string) => b.add("Pow", [y, two]);
  const pairs = b.add("Sub", [square(b.add("MatMul", [x, v])), b.add("MatMul", [square(x), square(v)])]);
  const half = b.add("Mul", [pairs, b.constant([], [0.5])]);
  return b.build(
    mean
      ? b.add("ReduceMean", [half], { axes: [1], keepdims })
      : b.add("ReduceSum", [half, b.constant([1], [-1], "int64")], { keepdims }),
  );
}

/** The same on the rows of a table that four tokens choose, as recommenders write it. */
function embedded(): Graph {
  const b = new GraphBuilder();
  const e = b.add("Gather", [b.parameter("table", [6, 3]), b.input("x", [9, 4], "int64")]);
  const sum = (y: string, axis: number, keepdims: number) =>
    b.add("ReduceSum", [y, b.constant([1], [axis], "int64")], { keepdims });
  const [s, q] = [sum(e, 1, 0), sum(b.add("Mul", [e, e]), 1, 0)];
  return b.build(sum(b.add("Sub", [b.add("Mul", [s, s]), q]), 1, 1));
}

/** The normal form, having checked that it computes what the graph does. */
function equal(graph: Graph): Graph {
  const random = new Random(3);
  const values = new Map<string, Tensor>();
  for (const p of graph.parameters.values()) values.set(p.name, tensor(p.shape, random.normals(elementCount(p.shape))));
  for (const { name, shape, type } of graph.inputs) {
    const count = elementCount(shape);
    values.set(
      name,
      tensor(shape, type === "int64" ? Array.from({ length: count }, () => random.integer(6)) : random.normals(count)),
    );
  }
  const form = normalForm(graph).graph;
  const [before, after] = [evaluateGraph(graph, values), evaluateGraph(form, values)];
  graph.outputs.forEach((o, k) => {
    const [y, z] = [before.get(o)!, after.get(form.outputs[k]!)!];
    assert.deepEqual(z.shape, y.shape);
    y.data.forEach((v, i) => assert.ok(Math.abs(v - z.data[i]!) < 1e-12 * (1 + Math.abs(v))));
  });
  return form;
}

describe("sums of differences of products", () => {
  it("are sums of each term, and compute the same", () => {
    for (const graph of [dense(false, 0), dense(false, 1), dense(true, 0), dense(true, 1), embedded()]) {
      const operators = equal(graph).nodes.map((n) => n.operator);
      assert.equal(operators.filter((o) => o === "ReduceSumSquare").length, 2, operators.join(" "));
    }
  });

  it("show that factors rotate", () => {
    for (const graph of [dense(false, 1), embedded()]) {
      const { continuous } = analyse(graph);
      assert.deepEqual([continuous.rotation, continuous.total], [3, 3]);
    }
  });

  it("stay where something else reads the difference, or a term is repeated along the sum", () => {
    const b = new GraphBuilder();
    const [x, w] = [b.input("x", [9, 5]), b.parameter("w", [5, 3])];
    const h = b.add("MatMul", [x, w]);
    const square = b.add("Mul", [h, h]);
    const axis = b.constant([1], [1], "int64");
    const sum = (y: string) => b.add("ReduceSum", [y, axis], { keepdims: 1 });
    const [read, repeated] = [b.add("Sub", [square, h]), b.add("Sub", [square, b.parameter("c", [1])])];
    const form = equal(b.build(sum(read), read, sum(repeated)));
    assert.ok(!form.nodes.some((n) => n.operator === "ReduceSumSquare"));
  });
});
