import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import * as ort from "onnxruntime-node";
import { readOnnx } from "../frontends/onnx/index";
import type { Graph, Node } from "../graph/graph";
import { elementCount, isFloating, type Tensor, tensor } from "../graph/tensor";
import { normalForm } from "../lowering/normal-form";
import { EvaluationError, evaluateGraph, tangentGraph } from "./evaluate";
import { inferShapes } from "./inference";
import { assertClose, floats, generator } from "./testing/reference";

function node(operator: string, inputs: string[], outputs: string[], attributes: Node["attributes"] = {}, domain = ""): Node {
  return { name: `${operator}_${outputs[0]}`, operator, domain, inputs, outputs, attributes, origin: {} };
}

function graph(nodes: Node[], outputs: string[]): Graph {
  return {
    name: "test",
    opset: 17,
    inputs: [{ name: "x", type: "float64", shape: [2, 3] }],
    outputs,
    nodes,
    parameters: new Map([["w", { name: "w", type: "float64", shape: [3, 2], trainable: true, origin: {} }]]),
    constants: new Map(),
    types: new Map(),
  };
}

const x = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
const w = tensor([3, 2], [1, -1, 0, 2, 1, 1]);

/** Random inputs of a graph: token ids below 5, else numbers in [-1, 1). */
function randomInputs(g: Graph): Map<string, Tensor> {
  const next = generator(17);
  return new Map(
    g.inputs.map((input) => {
      const draw = isFloating(input.type) ? () => Math.fround(2 * next() - 1) : () => Math.floor(5 * next());
      const data = Float64Array.from({ length: elementCount(input.shape) }, draw);
      return [input.name, { type: input.type, shape: input.shape, data }];
    }),
  );
}

const zoo = readdirSync("testFixtures/zoo/onnx").filter((f) => f.endsWith(".onnx"));

describe("evaluateGraph", () => {
  it("computes all values, and gives constants and inputs back", () => {
    const values = evaluateGraph(
      graph([node("MatMul", ["x", "w"], ["y"]), node("Relu", ["y"], ["z"])], ["z"]),
      new Map([
        ["x", x],
        ["w", w],
      ]),
    );
    assert.deepEqual([...values.get("y")!.data], [4, 6, 10, 12]);
    assert.deepEqual([...values.keys()], ["x", "w", "y", "z"]);
  });

  it("says what is missing", () => {
    const g = graph(
      [node("MatMul", ["x", "w"], ["y"]), node("deform_conv", ["y"], ["z"], {}, "python"), node("Relu", ["z"], ["u"])],
      ["u"],
    );
    assert.throws(
      () => evaluateGraph(g, new Map()),
      /MatMul MatMul_y: the graph's input x has no value|parameter w has no values/,
    );
    const all = new Map([
      ["x", x],
      ["w", w],
    ]);
    assert.throws(
      () => evaluateGraph(g, all),
      (error: unknown) => error instanceof EvaluationError && error.node?.operator === "deform_conv",
    );
    const partial = evaluateGraph(g, all, { partial: true });
    assert.deepEqual([...partial.keys()], ["x", "w", "y"]);
    assert.throws(
      () =>
        evaluateGraph(
          g,
          new Map([
            ["x", x],
            ["w", x],
          ]),
        ),
      /MatMul MatMul_y: inner sizes 3 and 2 differ/,
    );
  });

  it("reads parameters from their file", () => {
    const g = graph([node("MatMul", ["x", "w"], ["y"])], ["y"]);
    const parameters = new Map([["w", { ...g.parameters.get("w")!, read: () => w }]]);
    assert.deepEqual([...evaluateGraph({ ...g, parameters }, new Map([["x", x]])).get("y")!.data], [4, 6, 10, 12]);
  });

  for (const file of zoo) {
    it(`agrees with ONNX Runtime on ${file}`, async () => {
      const path = `testFixtures/zoo/onnx/${file}`;
      const read = readOnnx({ path }).graph;
      const g = read.nodes.some((n) => ["GRU", "LSTM", "RNN"].includes(n.operator))
        ? normalForm(read, { epsilon: "keep", maxRecurrentSteps: 1000 }).graph
        : read;
      const inputs = randomInputs(g);
      const values = evaluateGraph(g, inputs);
      const session = await ort.InferenceSession.create(readFileSync(path), { logSeverityLevel: 3, intraOpNumThreads: 1 });
      const feeds: Record<string, ort.Tensor> = {};
      for (const [name, t] of inputs) {
        feeds[name] =
          t.type === "int64"
            ? new ort.Tensor("int64", BigInt64Array.from(Array.from(t.data, BigInt)), [...t.shape])
            : new ort.Tensor("float32", Float32Array.from(t.data), [...t.shape]);
      }
      const results = await session.run(feeds);
      for (const [i, name] of read.outputs.entries()) {
        assertClose(values.get(g.outputs[i]!)!.data, results[name]!.data as Float32Array, 1e-5, name);
      }
    });
  }
});

describe("tangentGraph", () => {
  it("skips what does not move", () => {
    const g = graph([node("MatMul", ["x", "w"], ["y"]), node("Relu", ["x"], ["r"]), node("Add", ["y", "y"], ["z"])], ["z"]);
    const values = evaluateGraph(
      g,
      new Map([
        ["x", x],
        ["w", w],
      ]),
    );
    const tangents = tangentGraph(g, values, new Map([["w", Float64Array.of(1, 0, 0, 0, 0, 0)]]));
    assert.deepEqual([...tangents.keys()], ["w", "y", "z"]);
    assert.deepEqual([...tangents.get("z")!.data], [2, 0, 8, 0]);
  });

  it("follows all parts of a Split", () => {
    const g = graph([node("Split", ["x"], ["a", "b"], { axis: 1, split: [1, 2] }), node("Mul", ["a", "b"], ["y"])], ["y"]);
    const values = evaluateGraph(g, new Map([["x", x]]));
    const tangents = tangentGraph(g, values, new Map([["x", Float64Array.of(1, 0, 1, 0, 0, 0)]]));
    assert.deepEqual([...tangents.get("y")!.data], [2, 4, 0, 0]);
  });

  it("refuses to differentiate what it does not know", () => {
    const g = graph([node("Relu", ["x"], ["y"]), node("mystery", ["y"], ["z"], {}, "python")], ["z"]);
    const values = evaluateGraph(g, new Map([["x", x]]), { partial: true });
    assert.throws(() => tangentGraph(g, values, new Map([["x", x.data]])), /mystery mystery_z: .* has no derivative/);
    assert.throws(() => tangentGraph(g, values, new Map([["w", w.data]])), /moves w, which has no value/);
    assert.throws(() => tangentGraph(g, values, new Map([["x", w.data.subarray(1)]])), /has 5 numbers, and its value has 6/);
  });

  it("does 100,000 nodes without recursion", () => {
    const nodes = Array.from({ length: 100_000 }, (_, i) => node("Neg", [i === 0 ? "x" : `v${i - 1}`], [`v${i}`]));
    const g = graph(nodes, ["v99999"]);
    const values = evaluateGraph(g, new Map([["x", x]]));
    assert.deepEqual([...values.get("v99999")!.data], [...x.data]);
    assert.deepEqual([...tangentGraph(g, values, new Map([["x", x.data]])).get("v99999")!.data], [...x.data]);
  });

  for (const file of zoo) {
    it(`agrees with central differences on the normal form of ${file}`, () => {
      const { graph: g } = normalForm(readOnnx({ path: `testFixtures/zoo/onnx/${file}` }).graph);
      const point = randomInputs(g);
      const direction = new Map<string, Float64Array>();
      let seed = 1;
      for (const p of g.parameters.values()) {
        // Away from the file's initial zeros and ones, and positive for gains.
        const low = p.shape.length === 1 && /weight|\.g$/.test(p.name) ? 0.5 : -0.8;
        point.set(p.name, { ...floats(p.shape, seed++, low, 1), type: p.type });
        direction.set(p.name, floats(p.shape, seed++, -1, 1).data);
      }
      const tangents = tangentGraph(g, evaluateGraph(g, point), direction);
      const h = 1e-5;
      const shifted = (sign: number): Map<string, Tensor> =>
        evaluateGraph(
          g,
          new Map(
            [...point].map(([name, t]) => [
              name,
              { ...t, data: t.data.map((v, i) => v + sign * h * (direction.get(name)?.[i] ?? 0)) },
            ]),
          ),
        );
      const [up, down] = [shifted(1), shifted(-1)];
      for (const name of g.outputs) {
        const expected = up.get(name)!.data.map((v, i) => (v - down.get(name)!.data[i]!) / (2 * h));
        assertClose(tangents.get(name)!.data, expected, 1e-6, name);
      }
    });
  }

  it("keeps the types that inference gives", () => {
    for (const file of zoo) {
      const read = readOnnx({ path: `testFixtures/zoo/onnx/${file}` }).graph;
      const { types } = inferShapes(read).graph;
      for (const [name, value] of evaluateGraph(read, randomInputs(read), { partial: true })) {
        if (read.parameters.has(name)) continue;
        assert.deepEqual({ type: value.type, shape: [...value.shape] }, types.get(name), `${file}: ${name}`);
      }
    }
  });
});
