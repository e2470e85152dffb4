import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { readOnnx } from "../frontends/onnx";
import type { Graph } from "../graph/graph";
import type { TensorType } from "../graph/tensor";
import { Random } from "../numerics/random";
import type { ParameterValues } from "../symmetry/symmetry";
import {
  comparable,
  createRunner,
  deviation,
  indexBound,
  MovingWeights,
  ObservedNetwork,
  randomInputs,
  randomWeights,
  RuntimeFailure,
  type WeightOptions,
} from "./index";

const ZOO = join("testFixtures", "zoo", "onnx");
const zoo = (name: string): Graph => readOnnx({ path: join(ZOO, `${name}.onnx`) }).graph;
const runner = createRunner({ kind: "in-process" });
after(() => runner.dispose());

/** How far the outputs of a graph move when its weights do, variant by variant, and under rounding. */
async function moves(
  graph: Graph,
  variants: readonly ParameterValues[],
  options: WeightOptions = {},
): Promise<{ deviations: number[]; rounding: number }> {
  const weights = new MovingWeights(graph, options);
  const network = await ObservedNetwork.open(graph, weights, runner);
  try {
    const first = comparable(await network.outputs());
    const deviations: number[] = [];
    for (const variant of variants) {
      weights.move(variant);
      deviations.push(deviation(first, await network.outputs()));
      weights.restore();
      assert.equal(deviation(first, await network.outputs()), 0, "restored");
    }
    weights.round();
    const rounding = deviation(first, await network.outputs());
    weights.restore();
    assert.equal(deviation(first, await network.outputs()), 0, "restored after rounding");
    return { deviations, rounding };
  } finally {
    await network.close();
  }
}

/** Rows (axis 0) or columns (axis 1) of a matrix or vector in another order, scaled. */
function moved(
  data: Float64Array,
  rows: number,
  axis: 0 | 1,
  order: readonly number[],
  scale: (i: number) => number = () => 1,
): Float64Array {
  const columns = data.length / rows;
  return data.map((_, k) => {
    const [i, j] = [Math.floor(k / columns), k % columns];
    return axis === 0 ? data[order[i]! * columns + j]! * scale(order[i]!) : data[i * columns + order[j]!]! * scale(order[j]!);
  });
}

test("a permutation with positive scalings of hidden units is a symmetry of ReLU layers, and not of tanh layers", async () => {
  for (const [model, first, second, symmetric] of [
    ["MlpRelu", "fc1", "fc2", true],
    ["MlpTanh", "net.0", "net.2", false],
  ] as const) {
    const graph = zoo(model);
    const weights = new MovingWeights(graph);
    const values = weights.now();
    assert.deepEqual(weights.random, []);
    const order = [3, 1, 0, 2, 7, 6, 5, 4];
    const scale = (i: number): number => 0.5 + i / 4;
    const act = (s: typeof scale) =>
      new Map([
        [`${first}.weight`, moved(values.get(`${first}.weight`)!, 8, 0, order, s)],
        [`${first}.bias`, moved(values.get(`${first}.bias`)!, 8, 0, order, s)],
        [`${second}.weight`, moved(values.get(`${second}.weight`)!, 8, 1, order, (i) => 1 / s(i))],
      ]);
    const { deviations, rounding } = await moves(graph, [act(() => 1), act(scale), values]);
    assert.ok(deviations[0]! < 1e-5, `${model}: ${deviations[0]}`);
    assert.equal(deviations[1]! < 1e-5, symmetric, `${model}: ${deviations[1]}`);
    assert.equal(deviations[2], 0);
    assert.ok(rounding > 0 && rounding < 1e-6, String(rounding));
  }
});

test("every zoo model runs, and reacts when one weight matrix is replaced", async () => {
  for (const f of readdirSync(ZOO)) {
    const graph = zoo(f.slice(0, -".onnx".length));
    const values = new MovingWeights(graph).now();
    const name = [...graph.parameters.values()].find((p) => p.trainable && p.shape.length > 1)!.name;
    const random = new Random(4);
    const other = new Map([[name, values.get(name)!.map((v) => v + random.normal())]]);
    const [same, different] = (await moves(graph, [new Map(), other])).deviations;
    assert.equal(same, 0, f);
    assert.ok(different! > 1e-3, `${f}: ${different}`);
  }
});

test("models without weights get random ones that keep outputs finite and of moderate size", async () => {
  for (const name of ["squeezenet1_1", "mobilenet_v3_small"]) {
    const { graph } = readOnnx({ path: join("testFixtures", "models", `${name}.onnx`) }, { inputShapes: [[1, 3, 224, 224]] });
    const weights = new MovingWeights(graph, { seed: 2 });
    assert.ok(weights.random.length > 30);
    assert.deepEqual((await moves(graph, [weights.now()], { seed: 2 })).deviations, [0]);
  }
});

test("random weights repeat, do not depend on the order of parameters, and have the sizes of their roles", () => {
  const { graph } = readOnnx({ path: join("testFixtures", "models", "mobilenet_v3_small.onnx") });
  const a = randomWeights(graph, 7);
  const some = ["features.0.0.weight", "features.0.1.running_var", "features.0.1.weight", "features.0.1.bias"];
  const b = randomWeights(graph, 7, some);
  for (const name of some) assert.deepEqual(b.get(name), a.get(name));
  assert.notDeepEqual(randomWeights(graph, 8, some).get(some[0]!), a.get(some[0]!));
  const deviation = (v: Float64Array): number => Math.sqrt(v.reduce((s, x) => s + x * x, 0) / v.length);
  assert.ok(Math.abs(deviation(a.get("features.0.0.weight")!) / Math.sqrt(2 / 27) - 1) < 0.15);
  assert.ok(Math.abs(deviation(a.get("classifier.0.weight")!) / Math.sqrt(2 / 576) - 1) < 0.05);
  for (const name of ["features.0.1.running_var", "features.0.1.weight"])
    assert.ok(a.get(name)!.every((v) => v >= 0.5 && v <= 1.5));
  assert.ok(a.get("features.0.1.bias")!.some((v) => v < 0));
  const embedding = zoo("EmbeddingLm");
  assert.ok(Math.abs(deviation(randomWeights(embedding, 1).get("tok.weight")!) - 1) < 0.4);
});

test("tokens stay inside the table that they index", () => {
  const graph = zoo("EmbeddingLm");
  assert.equal(indexBound(graph, graph.inputs[0]!.name), graph.parameters.get("tok.weight")!.shape[0]);
  for (let seed = 0; seed < 5; seed++) {
    const { type, data } = randomInputs(graph, seed).get(graph.inputs[0]!.name)!;
    assert.equal(type, "int64");
    assert.ok(data.every((v) => Number.isInteger(v) && v >= 0 && v < 7));
  }
});

test("numbers that are computed of tokens reach every row, and none beyond", () => {
  const types = new Map<string, TensorType>([
    ...["x", "doubled", "hash"].map((name) => [name, { type: "int64", shape: [3] }] as const),
    ["y", { type: "float32", shape: [3, 2] }] as const,
  ]);
  const whole = (data: number[]) => ({ type: "int64" as const, shape: [] as number[], data: Float64Array.from(data) });
  const node = (operator: string, inputs: string[], output: string) => {
    return { name: output, operator, domain: "", inputs, outputs: [output], attributes: {}, origin: {} };
  };
  const rows = 7;
  const graph: Graph = {
    ...zoo("EmbeddingLm"),
    inputs: [{ name: "x", type: "int64", shape: [3] }],
    outputs: ["y"],
    parameters: new Map([["table", { name: "table", type: "float32", shape: [rows, 2], trainable: true, origin: {} }]]),
    constants: new Map([
      ["two", whole([2])],
      ["rows", whole([rows])],
    ]),
    types,
    nodes: [
      node("Mul", ["x", "two"], "doubled"),
      node("Mod", ["doubled", "rows"], "hash"),
      node("Gather", ["table", "hash"], "y"),
    ],
  };
  const read = new Set<number>();
  for (let seed = 0; seed < 60; seed++) for (const x of randomInputs(graph, seed).get("x")!.data) read.add((2 * x) % rows);
  assert.equal(read.size, rows);
});

test("dropout is off, noise and infinite outputs are refused", async () => {
  const node = (operator: string, inputs: string[], output: string, attributes = {}) => ({
    name: output,
    operator,
    domain: "",
    inputs,
    outputs: [output],
    attributes,
    origin: {},
  });
  const made = (nodes: Graph["nodes"]): Graph => ({
    name: "made",
    opset: 17,
    inputs: [{ name: "x", type: "float32", shape: [4, 100] }],
    outputs: ["y"],
    nodes,
    parameters: new Map([["w", { name: "w", type: "float32", shape: [100], trainable: true, origin: {} }]]),
    constants: new Map([
      ["ratio", { type: "float32", shape: [], data: Float64Array.of(0.5) }],
      ["on", { type: "bool", shape: [], data: Float64Array.of(1) }],
    ]),
    types: new Map([["y", { type: "float32", shape: [4, 100] }]]),
  });
  const weights = new Map([["w", new Float64Array(100).fill(1)]]);
  const dropout = made([node("Dropout", ["x", "ratio", "on"], "d"), node("Mul", ["d", "w"], "y")]);
  assert.deepEqual((await moves(dropout, [weights, weights], { values: weights })).deviations, [0, 0]);
  const noise = made([node("RandomNormalLike", ["x"], "n"), node("Mul", ["n", "w"], "y")]);
  await assert.rejects(moves(noise, [weights], { values: weights }), /RandomNormalLike n draws random numbers/);
  const infinite = made([node("Log", ["x"], "l"), node("Mul", ["l", "w"], "y")]);
  await assert.rejects(moves(infinite, [weights], { values: weights }), RuntimeFailure);
  const zero = made([node("Sub", ["w", "w"], "z"), node("Mul", ["x", "z"], "y")]);
  assert.deepEqual((await moves(zero, [new Map([["w", new Float64Array(100)]])], { values: weights })).deviations, [0]);
});
