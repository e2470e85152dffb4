/** @file Names: what is made and what is taken over never share one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Graph, Node } from "../../graph/graph";
import { operatorTable } from "../table";
import { GraphBuilder } from "./builder";

const type = { type: "float32" as const, shape: [2] };
const empty: Graph = {
  name: "g",
  opset: 21,
  inputs: [{ name: "x", ...type }],
  outputs: [],
  nodes: [],
  parameters: new Map(),
  constants: new Map(),
  types: new Map([
    ["x", type],
    ["h", type],
  ]),
};
/** A node of a user's model: its name is not that of its output. */
const node = (name: string, output: string): Node => ({
  name,
  operator: "Relu",
  domain: "",
  inputs: ["x"],
  outputs: [output],
  attributes: {},
  origin: {},
});

test("nodes made before and after taking over a model's have names of their own", () => {
  const b = new GraphBuilder(empty, operatorTable);
  const first = b.add("Relu", ["x"]);
  b.take(node(first, "h"));
  b.append(node(first, "k"));
  const second = b.add("Relu", ["h"]);
  b.take(node("Relu_7", "m"));
  for (let i = 0; i < 12; i++) b.add("Relu", [second]);
  const names = b.nodes.map((n) => n.name);
  assert.equal(new Set(names).size, names.length, names.join(" "));
  assert.deepEqual(b.nodes[1]!.outputs, ["h"], "values keep their names");
});

test("a source's own node names are known from the start", () => {
  const b = new GraphBuilder({ ...empty, nodes: [node("Relu_0", "h")] }, operatorTable);
  assert.notEqual(b.add("Relu", ["h"]), "Relu_0");
});
