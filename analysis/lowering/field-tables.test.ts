import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

/** Number of look-ups in the normal form of a flattened embedding of offset ids, having checked that it computes the same. */
function lookUps(rows: number, offsets: readonly number[], largest: number): number {
  const b = new GraphBuilder();
  const fields = offsets.length;
  const ids = b.input("ids", [5, fields], "int64");
  const moved = b.add("Add", [ids, b.constant([fields], offsets, "int64")]);
  const found = b.add("Gather", [b.parameter("table", [rows, 3]), moved], { axis: 0 });
  const flat = b.add("Reshape", [found, b.constant([2], [5, 3 * fields], "int64")]);
  const y = b.add("MatMul", [flat, b.parameter("w", [3 * fields, 2])]);
  const graph = b.build(y);
  const random = new Random(3);
  const drawn = Array.from({ length: 5 * fields }, () => random.integer(largest));
  const values = new Map([
    [ids, tensor([5, fields], drawn, "int64")],
    ["table", tensor([rows, 3], random.normals(rows * 3))],
    ["w", tensor([3 * fields, 2], random.normals(6 * fields))],
  ]);
  const form = normalForm(graph).graph;
  const [before, after] = [evaluateGraph(graph, values).get(y)!, evaluateGraph(form, values).get(y)!];
  assert.deepEqual(after.shape, before.shape);
  before.data.forEach((v, i) => assert.ok(Math.abs(v - after.data[i]!) < 1e-12));
  assert.equal(
    form.nodes.some((n) => n.operator === "Concat" && n.outputs[0] === flat),
    form.nodes.filter((n) => n.operator === "Gather").length > 1,
    "what was stacked and flattened is put together flat",
  );
  return form.nodes.filter((n) => n.operator === "Gather").length;
}

describe("tables of several fields", () => {
  it("are taken apart where each field has as many rows as the others", () => {
    assert.equal(lookUps(12, [0, 4, 8], 4), 3);
  });

  it("stay whole where it is open which rows a field may read", () => {
    assert.equal(lookUps(13, [0, 4, 8], 4), 1);
    assert.equal(lookUps(12, [0, 3, 8], 3), 1);
    assert.equal(lookUps(12, [4, 4, 4], 4), 1);
  });
});
