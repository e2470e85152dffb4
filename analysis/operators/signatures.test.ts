/** @file Nodes are refused for what their operator's signature rules out, and for nothing else. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import type { Node } from "../graph/graph";
import { misuse } from "./signatures";
import { operators } from "./table";

const node = (operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}, outputs = ["y"]): Node => ({
  name: "n",
  operator,
  domain: "",
  inputs,
  outputs,
  attributes,
  origin: {},
});

test("what a signature rules out is told with what was expected", () => {
  assert.equal(misuse(node("Conv", ["x"])), "Conv n: it has 1 inputs, expected 2 to 3");
  assert.equal(misuse(node("MatMul", ["x", ""])), "MatMul n: input 1 is missing, expected a value");
  assert.equal(misuse(node("Relu", ["x"], {}, ["y", "z"])), "Relu n: it has 2 outputs, expected at most 1");
  assert.equal(
    misuse(node("Softmax", ["x"], { axis: "last" })),
    "Softmax n: attribute axis is of another type, expected a number",
  );
  assert.equal(
    misuse(node("Softmax", ["x"], { axis: Number.NaN })),
    "Softmax n: attribute axis is of another type, expected a number",
  );
  assert.equal(
    misuse(node("Transpose", ["x"], { perm: ["a"] })),
    "Transpose n: attribute perm is of another type, expected a list of numbers",
  );
  assert.equal(misuse(node("Einsum", ["x"])), "Einsum n: attribute equation is missing, expected text");
});

test("optional inputs may be absent, limits may be open, other domains and unknown attributes are not judged", () => {
  assert.equal(misuse(node("Clip", ["x", "", "high"])), undefined);
  assert.equal(misuse(node("Loop", ["", "", "state"], { body: graph() })), undefined);
  assert.equal(
    misuse(
      node(
        "Sum",
        Array.from({ length: 100 }, (_, i) => `x${i}`),
      ),
    ),
    undefined,
  );
  assert.equal(misuse(node("Relu", ["x"], { note: "kept" })), undefined);
  assert.equal(misuse({ ...node("Conv", []), domain: "com.example" }), undefined);
  assert.equal(misuse(node("Unknown", [])), undefined);
});

test("every operator of the standard domain has a signature", () => {
  const tooMany = Array.from({ length: 400 }, (_, i) => `x${i}`);
  for (const { name, domain } of operators) {
    if ((domain ?? "") !== "") continue;
    const open = ["Sum", "Mean", "Max", "Min", "Concat", "Einsum", "Loop", "Scan"].includes(name);
    assert.equal(misuse(node(name, tooMany))?.includes("it has 400 inputs") ?? false, !open, name);
  }
});

test("no node of an exported model is refused", () => {
  for (const folder of ["models", "zoo/onnx", "architectures/onnx", "onnx-features"]) {
    for (const file of readdirSync(`testFixtures/${folder}`)) {
      if (!file.endsWith(".onnx")) continue;
      for (const n of readOnnx({ path: `testFixtures/${folder}/${file}` }).graph.nodes) assert.equal(misuse(n), undefined, file);
    }
  }
});

function graph() {
  const none = new Map<string, never>();
  return { name: "body", opset: 17, inputs: [], outputs: [], nodes: [], parameters: none, constants: none, types: none };
}
