import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Attribute, Graph, Node } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { createRunner, randomInputs, randomWeights } from "../../runtime";
import { readOnnx, writeOnnx } from "./index";

const ZOO = join("testFixtures", "zoo", "onnx");
const FEATURES = join("testFixtures", "onnx-features");
const runner = createRunner({ kind: "in-process" });
after(() => runner.dispose());

/** A Graph as plain data, without what belongs to a file: origins, the way values are read, display names of sizes. */
function plain(graph: Graph): unknown {
  const attribute = (a: Attribute): unknown => (typeof a === "object" && "nodes" in a ? plain(a) : a);
  return {
    name: graph.name,
    opset: graph.opset,
    inputs: graph.inputs,
    outputs: graph.outputs,
    nodes: graph.nodes.map((n) => ({
      ...n,
      origin: undefined,
      attributes: Object.fromEntries(Object.entries(n.attributes).map(([name, a]) => [name, attribute(a)])),
    })),
    parameters: [...graph.parameters.values()]
      .map((p) => ({ ...p, origin: undefined, read: p.read?.() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    constants: [...graph.constants].sort(([a], [b]) => (a < b ? -1 : 1)),
    types: [...graph.types].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

const small = [ZOO, FEATURES].flatMap((folder) =>
  readdirSync(folder)
    .filter((f) => f.endsWith(".onnx"))
    .map((f) => join(folder, f)),
);

test("reading what was written gives the Graph that was read", () => {
  for (const path of small) {
    const { graph } = readOnnx({ path });
    const again = readOnnx({ name: path, bytes: writeOnnx(graph) });
    assert.deepEqual(plain(again.graph), plain(graph), path);
    assert.deepEqual(again.problems, []);
  }
});

test("ONNX Runtime computes the same from the file and from what was written", async () => {
  for (const path of small) {
    if (path.endsWith("types.onnx")) continue; // its only operator reads none of the types
    const { graph } = readOnnx({ path });
    const inputs = randomInputs(graph, 3);
    const [a, b] = [
      await runner.run(writeOnnx(graph), inputs),
      path.endsWith("unordered.onnx") ? undefined : await runner.run(readFileSync(path), inputs),
    ];
    for (const name of graph.outputs) {
      assert.ok(a.get(name)!.data.every(Number.isFinite), path);
      if (!b) continue;
      const [x, y] = [a.get(name)!.data, b.get(name)!.data];
      const size = Math.max(...y.map(Math.abs));
      y.forEach((v, i) => assert.ok(Math.abs(v - x[i]!) <= 1e-6 * size, `${path}: ${name}[${i}]`));
    }
  }
});

test("with parameters as inputs, the weights come from the feeds", async () => {
  const { graph } = readOnnx({ path: join(ZOO, "MlpRelu.onnx") });
  const inputs = randomInputs(graph, 3);
  const values = new Map([...graph.parameters].map(([name, p]) => [name, p.read!()!]));
  const expected = await runner.run(writeOnnx(graph), inputs);
  const bytes = writeOnnx(graph, new Map(), { parametersAsInputs: true });
  const session = await runner.open(bytes);
  const found = await session.run(new Map<string, Tensor>([...inputs, ...values]));
  assert.deepEqual(found.get("y"), expected.get("y"));
  const zero = { ...values.get("fc3.weight")!, data: new Float64Array(24) };
  const bias = values.get("fc3.bias")!.data;
  const moved = await session.run(new Map<string, Tensor>([...inputs, ...values, ["fc3.weight", zero]]));
  assert.deepEqual([...moved.get("y")!.data.subarray(0, 3)], [...bias]);
  await session.close();
});

test("float64 files compute in float64", async () => {
  const { graph } = readOnnx({ path: join(ZOO, "MlpTanh.onnx") });
  const inputs = new Map([...randomInputs(graph, 3)].map(([name, t]) => [name, { ...t, type: "float64" as const }]));
  const double = (await runner.run(writeOnnx(graph, new Map(), { elementType: "float64" }), inputs)).get("y")!;
  assert.equal(double.type, "float64");
  const single = (await runner.run(writeOnnx(graph), randomInputs(graph, 3))).get("y")!;
  const difference = Math.max(...double.data.map((v, i) => Math.abs(v - single.data[i]!)));
  assert.ok(difference > 0 && difference < 1e-5, String(difference));
});

test("large models without weights are written with given ones", () => {
  for (const name of ["squeezenet1_1", "mobilenet_v3_small"]) {
    const { graph } = readOnnx({ path: join("testFixtures", "models", `${name}.onnx`) });
    const weights = randomWeights(graph, 1);
    const again = readOnnx({ name, bytes: writeOnnx(graph, weights) });
    assert.deepEqual(again.externalDataMissing, []);
    const strip = (g: Graph) => ({
      ...(plain(g) as object),
      parameters: [...g.parameters.values()].map((p) => [p.name, p.shape, p.trainable, p.buffer].join()).sort(),
    });
    assert.deepEqual(strip(again.graph), strip(graph));
    const p = [...graph.parameters.keys()][0]!;
    assert.deepEqual(again.graph.parameters.get(p)!.read!()!.data, weights.get(p)!.map(Math.fround));
  }
});

function graphOf(nodes: Node[], outputs: string[], extra: Partial<Graph> = {}): Graph {
  return {
    name: "made",
    opset: 17,
    inputs: [{ name: "x", type: "float32", shape: [2, 3] }],
    outputs,
    nodes,
    parameters: new Map(),
    constants: new Map(),
    types: new Map(),
    ...extra,
  };
}
function node(operator: string, inputs: string[], output: string, attributes: Node["attributes"] = {}, domain = ""): Node {
  return { name: output, operator, domain, inputs, outputs: [output], attributes, origin: {} };
}

test("whole numbers become floats or integers as the attribute wants", async () => {
  const nodes = [
    node("LeakyRelu", ["x"], "a", { alpha: 1 }),
    node("Selu", ["a"], "b", { alpha: 2, gamma: 1 }),
    node("ReduceSum", ["b", "axes"], "c", { keepdims: 1 }),
    node("Softmax", ["c"], "d", { axis: 1 }),
    node("Cast", ["d"], "y", { to: 11 }),
  ];
  const graph = graphOf(nodes, ["y"], {
    constants: new Map([["axes", { type: "int64", shape: [1], data: Float64Array.of(1) }]]),
  });
  const out = await runner.run(
    writeOnnx(graph),
    new Map([["x", { type: "float32", shape: [2, 3], data: Float64Array.of(1, 2, 3, -1, -2, -3) }]]),
  );
  assert.deepEqual(out.get("y"), { type: "float64", shape: [2, 1], data: Float64Array.of(1, 1) });
});

test("frozen parameters and buffers stay so; unknown operators keep their domain", () => {
  const parameter = (name: string, trainable: boolean, buffer = false) =>
    [
      name,
      {
        name,
        type: "float32" as const,
        shape: [3],
        trainable,
        ...(buffer ? { buffer } : {}),
        origin: {},
        read: () => ({ type: "float32" as const, shape: [3], data: Float64Array.of(1, 2, 3) }),
      },
    ] as const;
  const graph = graphOf(
    [node("Add", ["x", "a"], "h"), node("magic", ["h", "b"], "m", { how: "fast" }, "python"), node("Mul", ["m", "c"], "y")],
    ["y"],
    {
      parameters: new Map([parameter("a", true), parameter("b", false), parameter("c", false, true)]),
    },
  );
  const again = readOnnx({ name: "made", bytes: writeOnnx(graph) });
  assert.deepEqual(
    [...again.graph.parameters.values()].map((p) => [p.name, p.trainable, p.buffer]),
    [
      ["a", true, undefined],
      ["b", false, undefined],
      ["c", false, true],
    ],
  );
  assert.deepEqual([again.graph.nodes[1]!.domain, again.graph.nodes[1]!.attributes], ["python", { how: "fast" }]);
  assert.equal(again.graph.types.get("y")!.shape, undefined);
});

test("values that are missing or do not fit are named", () => {
  const parameters = new Map([["w", { name: "w", type: "float32" as const, shape: [3], trainable: true, origin: {} }]]);
  const graph = graphOf([node("Add", ["x", "w"], "y")], ["y"], { parameters });
  assert.throws(() => writeOnnx(graph), /parameter w has no value/);
  assert.throws(() => writeOnnx(graph, new Map([["w", new Float64Array(2)]])), /w of shape \[3\] has 2 values/);
});
