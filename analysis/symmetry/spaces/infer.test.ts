/** @file Axes of graphs whose attributes contradict the shapes that they declare. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Graph } from "../../graph/graph";
import { operatorTable } from "../../operators/table";
import { inferAxes } from "./infer";

test("a node whose rule leaves an axis out is opaque", () => {
  const type = { type: "float32", shape: [2, 3] } as const;
  const node = { name: "t", operator: "Transpose", domain: "", inputs: ["x"], outputs: ["y"], attributes: { perm: [0, -1] } };
  const graph: Graph = {
    name: "contradiction",
    opset: 21,
    inputs: [{ name: "x", ...type }],
    outputs: ["y"],
    nodes: [{ ...node, origin: { node: "t" } }],
    parameters: new Map(),
    constants: new Map(),
    types: new Map([
      ["x", type],
      ["y", type],
    ]),
  };
  const equivariance = (n: Graph["nodes"][number]) => operatorTable(n.operator, n.domain)?.equivariance;
  assert.deepEqual(
    inferAxes(graph, { equivariance, softPins: true }).opaque.map((n) => n.name),
    ["t"],
  );
});
