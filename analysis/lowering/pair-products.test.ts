import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { elementCount, tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

/** Rows of three features that are stacked: one value of two rows, one of a single row. */
function stacked(b: GraphBuilder): string {
  const [x, y] = [b.add("Tanh", [b.input("x", [4, 2, 3])]), b.add("Tanh", [b.input("y", [4, 1, 3])])];
  return b.add("Concat", [x, y], { axis: 1 });
}

/** Whether no product of matrices is left, having checked that the normal form computes the same. */
function isSeparated(choose: (b: GraphBuilder, product: string) => string): boolean {
  const b = new GraphBuilder();
  const rows = stacked(b);
  const chosen = choose(b, b.add("MatMul", [rows, b.add("Transpose", [rows], { perm: [0, 2, 1] })]));
  const graph = b.build(chosen);
  const random = new Random(8);
  const values = new Map(
    graph.inputs.map(({ name, shape }) => [name, tensor(shape, random.normals(elementCount(shape)))] as const),
  );
  const form = normalForm(graph).graph;
  const [before, after] = [evaluateGraph(graph, values).get(chosen)!, evaluateGraph(form, values).get(chosen)!];
  assert.deepEqual(after.shape, before.shape);
  before.data.forEach((v, i) => assert.ok(Math.abs(v - after.data[i]!) < 1e-12));
  return form.nodes.every((n) => n.operator !== "MatMul");
}

const indices = (b: GraphBuilder, list: readonly number[]): string => b.constant([list.length], list, "int64");
const reshaped = (b: GraphBuilder, value: string, to: readonly number[]): string => b.add("Reshape", [value, indices(b, to)]);

describe("products of chosen pairs of rows", () => {
  it("are computed pair by pair, wherever the pairs stand", () => {
    const first = (b: GraphBuilder, product: string): string =>
      reshaped(b, b.add("Transpose", [product], { perm: [1, 2, 0] }), [9, 4]);
    assert.ok(isSeparated((b, p) => b.add("Gather", [first(b, p), indices(b, [3, 6, 7])], { axis: 0 })));
    assert.ok(isSeparated((b, p) => b.add("Gather", [reshaped(b, p, [4, 9]), indices(b, [1, 2, 5, 8])], { axis: 1 })));
  });

  it("are not where whole rows or single batch entries are read", () => {
    assert.equal(
      isSeparated((b, p) => b.add("Gather", [p, indices(b, [0, 2])], { axis: 1 })),
      false,
    );
    assert.equal(
      isSeparated((b, p) => b.add("Gather", [reshaped(b, p, [36]), indices(b, [1, 20])], { axis: 0 })),
      false,
    );
    assert.equal(
      isSeparated((b, p) => b.add("Gather", [p, indices(b, [3, 0])], { axis: 0 })),
      false,
    );
  });
});
