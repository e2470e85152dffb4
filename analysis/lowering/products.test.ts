import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { elementCount, tensor, type Tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

interface Summed {
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly axes: readonly number[];
  readonly keepdims?: number;
  readonly mean?: boolean;
}

/** Whether the sum of products became a contraction, having checked that it computes the same. */
function contracts({ left, right, axes, keepdims = 0, mean = false }: Summed, alsoRead = false): boolean {
  const b = new GraphBuilder();
  const [x, w] = [b.input("x", left), b.parameter("w", right)];
  const product = b.add("Mul", [b.add("Tanh", [x]), w]);
  const y = mean
    ? b.add("ReduceMean", [product], { axes, keepdims })
    : b.add("ReduceSum", [product, b.constant([axes.length], axes, "int64")], { keepdims });
  const graph = b.build(...(alsoRead ? [y, product] : [y]));
  const random = new Random(5);
  const values = new Map<string, Tensor>([
    [x, tensor(left, random.normals(elementCount(left)))],
    [w, tensor(right, random.normals(elementCount(right)))],
  ]);
  const form = normalForm(graph).graph;
  const [before, after] = [evaluateGraph(graph, values).get(y)!, evaluateGraph(form, values).get(y)!];
  assert.deepEqual(after.shape, before.shape);
  before.data.forEach((v, i) => assert.ok(Math.abs(v - after.data[i]!) < 1e-12));
  return form.nodes.some((n) => n.operator === "Einsum");
}

describe("sums of products", () => {
  it("are contractions over the axes that both factors have, whichever way they broadcast", () => {
    assert.ok(contracts({ left: [4, 3], right: [4, 3], axes: [1] }));
    assert.ok(contracts({ left: [4, 1, 3], right: [5, 3], axes: [2] }));
    assert.ok(contracts({ left: [4, 1, 3], right: [5, 3], axes: [-1], keepdims: 1 }));
    assert.ok(contracts({ left: [4, 2, 3], right: [2, 3], axes: [1, 2] }));
    assert.ok(contracts({ left: [4, 5, 3], right: [3], axes: [2], mean: true }));
    assert.ok(contracts({ left: [4, 1, 3], right: [1, 3], axes: [1, 2], mean: true, keepdims: 1 }));
  });

  it("are not where one factor is repeated along the sum, or the product is read elsewhere", () => {
    assert.equal(contracts({ left: [4, 3], right: [1], axes: [1] }), false);
    assert.equal(contracts({ left: [4, 5, 3], right: [3], axes: [1, 2] }), false);
    assert.equal(contracts({ left: [4, 1], right: [1], axes: [1] }), false);
    assert.equal(contracts({ left: [4, 3], right: [4, 3], axes: [1] }, true), false);
  });
});
