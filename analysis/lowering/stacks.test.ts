import assert from "node:assert/strict";
import { test } from "node:test";
import type { Graph, Node } from "../graph/graph";
import type { Tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { inferShapes } from "../operators/inference";
import { normalForm } from "./normal-form";

/** Three inputs of shape [4, 2], stacked on an axis and reduced over another or the same one. */
function stacked(axis: number, reduced: number, operator: string): Graph {
  const ints = (...data: number[]): Tensor => ({ type: "int64", shape: [data.length], data: Float64Array.from(data) });
  const node = (name: string, kind: string, inputs: string[], attributes: Node["attributes"] = {}): Node => ({
    name,
    operator: kind,
    domain: "",
    inputs,
    outputs: [name],
    attributes,
    origin: {},
  });
  const names = ["a", "b", "c"];
  return inferShapes({
    name: "g",
    opset: 21,
    inputs: names.map((name) => ({ name, type: "float32", shape: [4, 2] })),
    outputs: ["y"],
    nodes: [
      ...names.map((n) => node(`${n}1`, "Unsqueeze", [n, "axis"])),
      node(
        "s",
        "Concat",
        names.map((n) => `${n}1`),
        { axis },
      ),
      node("y", operator, ["s", "reduced"], { keepdims: 0 }),
    ],
    parameters: new Map(),
    constants: new Map([
      ["axis", ints(axis)],
      ["reduced", ints(reduced)],
    ]),
    types: new Map(),
  }).graph;
}

const operatorsOf = (graph: Graph): string => graph.nodes.map((n) => n.operator).join(" ");

test("sums and means over a stack are sums of what is stacked, and the same numbers", () => {
  for (const operator of ["ReduceSum", "ReduceMean"]) {
    for (const axis of [0, 1, 2]) {
      for (const reduced of [axis, axis - 3]) {
        const graph = stacked(axis, reduced, operator);
        const { graph: normal } = normalForm(graph);
        assert.match(operatorsOf(normal), /^Add Add( Mul)?$/);
        const random = new Random(3);
        const values = new Map(graph.inputs.map((i) => [i.name, { type: i.type, shape: i.shape, data: random.normals(8) }]));
        const y = evaluateGraph(normal, values).get(normal.outputs[0]!)!;
        assert.deepEqual(y.shape, [4, 2]);
        y.data.forEach((v, i) => {
          const sum = ["a", "b", "c"].reduce((s, n) => s + values.get(n)!.data[i]!, 0);
          assert.ok(Math.abs(v - (operator === "ReduceMean" ? sum / 3 : sum)) < 1e-12);
        });
      }
    }
  }
});

test("reductions over another axis stay", () => {
  assert.match(operatorsOf(normalForm(stacked(0, 1, "ReduceSum")).graph), /Concat ReduceSum$/);
  assert.match(operatorsOf(normalForm(stacked(0, 0, "ReduceMax")).graph), /Concat ReduceMax$/);
});
