/** Networks that draw random numbers for themselves: the numbers are data, so runs repeat. */
import assert from "node:assert/strict";
import { after, it } from "node:test";
import type { Graph, Node, Parameter } from "../graph/graph";
import { tensor } from "../graph/tensor";
import { evaluateGraph } from "../operators/evaluate";
import { inferShapes } from "../operators/inference";
import { isNoise, noiseAsInputs } from "./noise";
import { Prober } from "./probe";
import { DEFAULT_TRAINING } from "./settings";

const prober = new Prober({ processes: 1 });
after(() => prober.dispose());

/** x W + scale * noise, then V: an autoencoder with a noisy code. */
function autoencoder(operator: string, attributes: Node["attributes"]): Graph {
  const parameter = (name: string, shape: readonly number[]): Parameter => ({
    name,
    type: "float32",
    shape,
    trainable: true,
    origin: {},
  });
  const node = (op: string, inputs: readonly string[], output: string, own: Node["attributes"] = {}): Node => ({
    name: output,
    operator: op,
    domain: "",
    inputs,
    outputs: [output],
    attributes: own,
    origin: {},
  });
  return inferShapes({
    name: "Autoencoder",
    opset: 17,
    inputs: [{ name: "x", type: "float32", shape: [8, 6] }],
    outputs: ["y"],
    nodes: [
      node("MatMul", ["x", "w"], "code"),
      node(operator, operator.endsWith("Like") ? ["code"] : [], "noise", attributes),
      node("Add", ["code", "noise"], "noisy"),
      node("MatMul", ["noisy", "v"], "y"),
    ],
    parameters: new Map([
      ["w", parameter("w", [6, 3])],
      ["v", parameter("v", [3, 6])],
    ]),
    constants: new Map(),
    types: new Map(),
  }).graph;
}

it("normal and uniform numbers have their mean and spread", () => {
  const z = tensor(
    [8, 3],
    Array.from({ length: 24 }, (_, i) => (i - 11.5) / 6),
    "float32",
  );
  const values = (operator: string, attributes: Node["attributes"]): Float64Array => {
    const graph = noiseAsInputs(autoencoder(operator, attributes));
    const input = graph.inputs.find((i) => isNoise(i.name))!;
    assert.deepEqual(input.shape, [8, 3]);
    const zeros = (shape: readonly number[]) => tensor(shape, new Float64Array(shape.reduce((n, d) => n * d, 1)), "float32");
    const fed = new Map([
      ["x", zeros([8, 6])],
      ["w", zeros([6, 3])],
      ["v", zeros([3, 6])],
      [input.name, z],
    ] as const);
    return evaluateGraph(graph, fed).get("noise")!.data;
  };
  const normal = values("RandomNormalLike", { mean: 2, scale: 0.5 });
  z.data.forEach((v, i) => assert.ok(Math.abs(normal[i]! - (2 + 0.5 * v)) < 1e-9));
  const uniform = values("RandomUniform", { low: -1, high: 3, shape: [8, 3] });
  assert.ok(uniform.every((v, i) => v > -1 && v < 3 && (i === 0 || v > uniform[i - 1]!)));
  assert.ok(Math.abs(uniform[11]! + uniform[12]! - 2) < 1e-9, "symmetric around the middle");
});

it("a network with noise of its own trains, twice the same", async () => {
  const run = () =>
    prober.probe({
      graph: autoencoder("RandomNormalLike", {}),
      settings: [{ name: "sgd", training: { ...DEFAULT_TRAINING, learningRate: 0.05, batchSize: 4 } }],
      steps: 20,
      replicas: 1,
      seed: 3,
      data: { kind: "synthetic", examples: 32 },
      device: "cpu",
      recordings: 2,
      budget: { twin: false, seconds: 600 },
    });
  const [first, second] = [await run(), await run()];
  assert.deepEqual(first.runs[0]!.losses, second.runs[0]!.losses);
  const { losses } = first.runs[0]!;
  assert.ok(losses.at(-1)! < losses[0]!, `${losses[0]} to ${losses.at(-1)}`);
  assert.ok(first.notes.some((n) => n.includes("drawn once for each example")));
});
