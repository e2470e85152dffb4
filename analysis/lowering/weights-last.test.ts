import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tensor, type Tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

type Write = (g: GraphBuilder, mul: (a: string, b: string) => string, weight: string) => string | readonly string[];

/** Inputs of the products in the normal form, which was checked to compute the same. */
function products(write: Write): string[] {
  const g = new GraphBuilder();
  const written = write(g, (a, b) => g.add("Mul", [a, b]), g.parameter("w", [4]));
  for (const name of ["a", "b"]) g.input(name, [3, 4]);
  const graph = g.build(...(typeof written === "string" ? [written] : written));
  const random = new Random(2);
  const values = new Map<string, Tensor>(["a", "b"].map((n) => [n, tensor([3, 4], random.normals(12))]));
  values.set("w", tensor([4], random.normals(4)));
  const form = normalForm(graph).graph;
  const [before, after] = [evaluateGraph(graph, values), evaluateGraph(form, values)];
  graph.outputs.forEach((o, k) => {
    const [x, y] = [before.get(o)!.data, after.get(form.outputs[k]!)!.data];
    x.forEach((v, i) => assert.ok(Math.abs(v - y[i]!) < 1e-12));
  });
  return form.nodes.flatMap((n) => (n.operator === "Mul" ? [n.inputs.filter((i) => ["a", "b", "w"].includes(i)).join(" ")] : []));
}

describe("products of weights and activations", () => {
  it("have the weight last", () => {
    assert.deepEqual(
      products((_g, mul, w) => mul("a", mul(w, "b"))),
      ["a b", "w"],
    );
    assert.deepEqual(
      products((g, mul, w) => mul(mul("b", g.add("Reshape", [w, g.constant([2], [1, 4], "int64")])), "a")),
      ["a b", ""],
    );
  });

  it("stay where the inner one is read elsewhere, and where all is weights or activations", () => {
    const shared = products((g, mul, w) => {
      const p = mul("b", w);
      return [mul("a", p), g.add("Tanh", [p])];
    });
    assert.deepEqual(shared, ["b w", "a"]);
    assert.deepEqual(
      products((_g, mul) => mul("a", mul("a", "b"))),
      ["a b", "a"],
    );
  });
});
