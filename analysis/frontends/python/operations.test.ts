/** @file The tables of torch against PyTorch itself: values that it computed, recorded in testFixtures/python/operations. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import type { Tensor } from "../../graph/tensor";
import { normalForm } from "../../lowering/normal-form";
import { evaluateGraph } from "../../operators/evaluate";
import { prepare, project } from "./testing/project.fixture";

before(prepare);

const FOLDER = "testFixtures/python/operations";

interface Entry {
  readonly shape: number[];
  readonly data: number[];
}

interface Expected {
  readonly inputs: Entry[];
  readonly parameters: Record<string, Entry>;
  readonly outputs: Entry[];
}

const expected = JSON.parse(readFileSync(`${FOLDER}/expected.json`, "utf8")) as Record<string, Expected>;

const tensor = (e: Entry): Tensor => ({ type: "float32", shape: e.shape, data: Float64Array.from(e.data) });

for (const [name, record] of Object.entries(expected)) {
  test(`${name} computes what PyTorch computes`, () => {
    const m = project().analyseNamed(`${FOLDER}/operations.py`, name, { inputs: record.inputs.map((i) => ({ shape: i.shape })) });
    assert.deepEqual(
      m.opaque.map((o) => `${o.operator}: ${o.reason}`),
      [],
    );
    const values = new Map<string, Tensor>();
    m.graph.inputs.forEach((input, i) => {
      values.set(input.name, tensor(record.inputs[i]!));
    });
    for (const p of m.graph.parameters.values()) values.set(p.name, tensor(record.parameters[p.name]!));
    const graph = normalForm(m.graph, { epsilon: "keep", maxRecurrentSteps: Number.POSITIVE_INFINITY }).graph;
    const all = evaluateGraph(graph, values);
    assert.equal(graph.outputs.length, record.outputs.length);
    graph.outputs.forEach((output, k) => {
      const found = all.get(output)!;
      const wanted = record.outputs[k]!;
      assert.deepEqual([...found.shape], wanted.shape, `shape of output ${k}`);
      found.data.forEach((v, i) => {
        const w = wanted.data[i]!;
        assert.ok(Math.abs(v - w) <= 1e-6 * (1 + Math.abs(w)), `output ${k}, entry ${i}: ${v} against ${w}`);
      });
    });
  });
}
