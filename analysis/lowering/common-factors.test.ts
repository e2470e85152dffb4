import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { elementCount, tensor, type Tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

/** The operators of a normal form that was checked to compute the same, and the operators of the graph itself. */
function operators(write: (g: GraphBuilder, v: Record<"x" | "m" | "f" | "b", string>) => string | string[]): string {
  const g = new GraphBuilder();
  const shapes = { x: [2, 3, 4], m: [2, 3, 1], f: [2, 3, 4], b: [4] } as const;
  const v = { x: g.input("x", shapes.x), m: g.input("m", shapes.m), f: g.input("f", shapes.f), b: g.parameter("b", shapes.b) };
  const written = write(g, v);
  const graph = g.build(...(typeof written === "string" ? [written] : written));
  const random = new Random(5);
  const values = new Map<string, Tensor>(
    Object.entries(shapes).map(([name, shape]) => [name, tensor(shape, random.normals(elementCount(shape)))]),
  );
  const form = normalForm(graph).graph;
  const [before, after] = [evaluateGraph(graph, values), evaluateGraph(form, values)];
  graph.outputs.forEach((o, k) => {
    const [a, b] = [before.get(o)!, after.get(form.outputs[k]!)!];
    assert.deepEqual(b.shape, a.shape);
    a.data.forEach((x, i) => assert.ok(Math.abs(x - b.data[i]!) < 1e-12));
  });
  return form.nodes.map((n) => n.operator).join(" ");
}

describe("common factors of sums", () => {
  it("are taken out, whatever the signs and the order", () => {
    const mul = (g: GraphBuilder, a: string, b: string): string => g.add("Mul", [a, b]);
    assert.equal(
      operators((g, { x, m, f }) => g.add("Sub", [mul(g, x, f), mul(g, f, m)])),
      "Sub Mul",
    );
    assert.equal(
      operators((g, { x, m, f }) => g.add("Add", [mul(g, x, f), mul(g, m, f)])),
      "Add Mul",
    );
    // A norm as Keras writes it.
    assert.equal(
      operators((g, { x, m, f, b }) => g.add("Add", [mul(g, x, f), g.add("Sub", [b, mul(g, m, f)])])),
      "Sub Mul Add",
    );
    assert.equal(
      operators((g, { x, m, f, b }) => g.add("Sub", [b, g.add("Add", [mul(g, x, f), mul(g, m, f)])])),
      "Add Mul Sub",
    );
    assert.equal(
      operators((g, { x, f, b }) => g.add("Add", [x, g.add("Add", [mul(g, x, f), b])])),
      "Add Mul Add",
    );
  });

  it("stay where a product is read elsewhere, or the factor is a constant", () => {
    const read = operators((g, { x, m, f }) => {
      const p = g.add("Mul", [x, f]);
      return [g.add("Sub", [p, g.add("Mul", [m, f])]), g.add("Tanh", [p])];
    });
    assert.equal(read, "Mul Mul Sub Tanh");
    const constant = operators((g, { x, m }) => {
      const c = g.constant([4], [1, 2, 3, 4]);
      return g.add("Add", [g.add("Mul", [x, c]), g.add("Mul", [m, c])]);
    });
    assert.equal(constant, "Mul Mul Add");
  });
});
