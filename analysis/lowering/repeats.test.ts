import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { elementCount, tensor, type Tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

const SHAPE = [2, 3, 4];

/** Whether copies of entries of the middle axis became one Expand, having checked that the normal form computes the same. */
function joins(indices: readonly number[], expand: readonly number[] | undefined, back: readonly number[], axis = 1): boolean {
  const b = new GraphBuilder();
  const x = b.input("x", SHAPE);
  const h = b.add("Tanh", [x]);
  const one = (n: number) => b.constant([1], [n], "int64");
  const pieces = indices.map((i) => {
    const slice = b.add("Slice", [h, one(i), one(i + 1), one(1)]);
    if (!expand) return slice;
    const apart = b.add("Reshape", [slice, b.constant([4], [2, 1, 1, 4], "int64")]);
    const wide = b.add("Expand", [apart, b.constant([4], expand, "int64")]);
    return b.add("Reshape", [wide, b.constant([back.length], back, "int64")]);
  });
  const y = b.add("Concat", pieces, { axis });
  const graph = b.build(y);
  const values = new Map<string, Tensor>([[x, tensor(SHAPE, new Random(3).normals(elementCount(SHAPE)))]]);
  const form = normalForm(graph).graph;
  assert.deepEqual(evaluateGraph(form, values).get(y), evaluateGraph(graph, values).get(y));
  return !form.nodes.some((n) => n.operator === "Concat");
}

describe("entries repeated one by one", () => {
  it("are one broadcast", () => {
    assert.ok(joins([0, 1, 2], [2, 1, 5, 4], [2, 5, 4]));
    assert.ok(joins([0, 1, 2], [2, 5, 1, 4], [2, 5, 4]));
    assert.ok(joins([0, 0, 1, 1, 2, 2], undefined, []));
    assert.ok(joins([0, 1], [2, 1, 5, 4], [2, 5, 4]), "nothing reads the entries that come after, so they are not there");
  });

  it("but not out of order, of some entries only, or as blocks", () => {
    assert.ok(!joins([0, 2, 1], [2, 1, 5, 4], [2, 5, 4]));
    assert.ok(!joins([0, 2], [2, 1, 5, 4], [2, 5, 4]));
    assert.ok(!joins([0, 1, 1, 2], undefined, []));
    assert.ok(!joins([0, 1, 2, 0, 1, 2], undefined, []));
    assert.ok(!joins([0, 1, 2], undefined, []));
  });

  it("nor along another axis, or where copies do not lie next to each other", () => {
    assert.ok(!joins([0, 1, 2], [2, 1, 4, 4], [2, 4, 4], 2));
    assert.ok(!joins([0, 1, 2], [2, 1, 4, 4], [2, 16, 1], 1));
  });
});
