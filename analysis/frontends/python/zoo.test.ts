/** @file The zoo: every class gives the graph that its ONNX export gives, up to numbers. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { before, test } from "node:test";
import type { Graph } from "../../graph/graph";
import { elementCount, type Tensor } from "../../graph/tensor";
import { normalForm } from "../../lowering/normal-form";
import { evaluateGraph } from "../../operators/evaluate";
import { readOnnx } from "../onnx/index";
import { prepare, project, randomNumbers } from "./testing/project.fixture";

before(prepare);

const ZOO = "testFixtures/zoo/zoo.py";
const EXPORTS = "testFixtures/zoo/onnx";

function outputs(graph: Graph, values: ReadonlyMap<string, Tensor>): Tensor[] {
  const lowered = normalForm(graph, { epsilon: "keep", maxRecurrentSteps: Number.POSITIVE_INFINITY }).graph;
  const all = evaluateGraph(lowered, values);
  return lowered.outputs.map((o) => all.get(o)!);
}

test("every class of the zoo is analysed without anything opaque", () => {
  const file = project().analyse(ZOO);
  assert.deepEqual(
    file.problems.map((p) => p.message),
    [],
  );
  assert.equal(file.classes.length, 37);
  assert.equal(file.models.length, 37);
  for (const m of file.models) {
    assert.deepEqual(m.opaque, [], m.name);
    assert.equal(m.understood, m.calls, m.name);
    assert.ok(
      m.graph.nodes.every((n) => n.domain === ""),
      m.name,
    );
  }
});

for (const file of readdirSync(EXPORTS)) {
  const name = file.replace(/\.onnx$/, "");
  test(`${name} from source computes what its export computes`, () => {
    const exported = readOnnx({ path: `${EXPORTS}/${file}` }).graph;
    const inputs = exported.inputs.map((i) => ({
      shape: i.shape,
      type: i.type === "int64" ? ("int64" as const) : ("float32" as const),
    }));
    const { graph } = project().analyseNamed(ZOO, name, { inputs });
    const names = (g: Graph): string[] => [...g.parameters.keys()].filter((n) => !n.endsWith("num_batches_tracked")).sort();
    assert.deepEqual(names(graph), names(exported));
    const random = randomNumbers(7);
    const values = new Map<string, Tensor>();
    for (const p of graph.parameters.values()) {
      assert.deepEqual(p.shape, exported.parameters.get(p.name)?.shape, p.name);
      values.set(p.name, { type: p.type, shape: p.shape, data: Float64Array.from({ length: elementCount(p.shape) }, random) });
    }
    const forSource = new Map(values);
    exported.inputs.forEach((input, i) => {
      const draw = input.type === "int64" ? () => Math.floor((random() + 1) * 3.5) : random;
      const t: Tensor = {
        type: input.type,
        shape: input.shape,
        data: Float64Array.from({ length: elementCount(input.shape) }, draw),
      };
      values.set(input.name, t);
      forSource.set(graph.inputs[i]!.name, t);
    });
    const expected = outputs(exported, values);
    const found = outputs(graph, forSource);
    assert.equal(found.length, 1);
    assert.deepEqual(found[0]!.shape, expected[0]!.shape);
    // The exports hold constants such as the square root of two in single precision.
    found[0]!.data.forEach((v, i) => {
      assert.ok(Math.abs(v - expected[0]!.data[i]!) < 1e-6, `entry ${i}: ${v} against ${expected[0]!.data[i]}`);
    });
  });
}

test("frozen parameters do not train, and initial values are known", () => {
  const { graph } = project().analyseNamed(ZOO, "LoraLinear");
  assert.equal(graph.parameters.get("weight")?.trainable, false);
  assert.equal(graph.parameters.get("lora_a")?.trainable, true);
  assert.equal(graph.parameters.get("lora_b")?.initialisation?.constant, 0);
});

test("every node says where it was written", () => {
  const lines = readFileSync(ZOO, "utf8").split("\n");
  const { graph } = project().analyseNamed(ZOO, "PreLnTransformer");
  for (const node of graph.nodes) {
    const range = node.origin.range;
    assert.ok(range, node.name);
    assert.equal(range.file, ZOO);
    assert.ok(lines[range.start.line]!.length >= range.start.column);
  }
  const score = graph.nodes.find((n) => n.operator === "Softmax");
  assert.equal(score?.origin.scope, "attn");
  assert.match(lines[score!.origin.range!.start.line]!.slice(score!.origin.range!.start.column), /^torch\.softmax/);
});
