/**
 * Every network of the zoo and of torchvision can be trained: all parameters that it reads get a gradient of their shape.
 * A few small ones and a twin take steps in ONNX Runtime, which has to accept the graph and to lower the loss.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import type { Graph } from "../graph/graph";
import { GraphBuilder } from "../operators/gradients/builder";
import { backpropagate } from "../operators/gradients/reverse";
import { operatorTable } from "../operators/table";
import { asFloat32 } from "./float32";
import { Prober } from "./probe";
import { DEFAULT_TRAINING } from "./settings";
import { shrink } from "./shrink";
import { Variant } from "./variant";

const fixtures = join(import.meta.dirname, "../../testFixtures");
const files = (folder: string) =>
  readdirSync(join(fixtures, folder))
    .filter((f) => f.endsWith(".onnx"))
    .map((f) => [f.replace(/\.onnx$/, ""), join(fixtures, folder, f)] as const);
const load = (path: string): Graph => asFloat32(readOnnx({ path }).graph);

const BATCH = 4;

function checkAllGradients(graph: Graph): void {
  const variant = new Variant(graph, BATCH, undefined, false);
  const source = variant.trainable.graph;
  const b = new GraphBuilder(source, operatorTable);
  const seed = b.addInput("probe:seed", "float32", b.type(variant.loss.value).shape!);
  const wanted = variant.layout(false).parameters.flatMap((p) => p.entries.map((e) => e.name));
  const found = backpropagate(b, new Map([[variant.loss.value, seed]]), wanted);
  assert.deepEqual(
    wanted.filter((name) => !found.has(name)),
    [],
    "parameters without a gradient",
  );
  for (const name of wanted) {
    assert.deepEqual(b.type(found.get(name)!).shape, source.parameters.get(name)!.shape, `the gradient of ${name}`);
  }
  assert.ok(wanted.length > 0);
}

describe("every network of the fixtures has the gradient of all its parameters", () => {
  for (const [name, path] of [...files("zoo/onnx"), ...files("models")]) it(name, () => checkAllGradients(load(path)));
});

const prober = new Prober({ processes: 1 });
after(() => prober.dispose());

async function takeSteps(graph: Graph): Promise<void> {
  const { runs } = await prober.probe({
    graph,
    settings: [{ name: "sgd", training: { ...DEFAULT_TRAINING, optimiser: "sgd", learningRate: 1e-3, batchSize: BATCH } }],
    steps: 3,
    replicas: 1,
    seed: 1,
    data: { kind: "synthetic", examples: 16 },
    device: "cpu",
    recordings: 2,
    recordGradients: true,
    recordNoise: false,
    budget: { twin: false, seconds: 600 },
  });
  const [run] = runs;
  assert.equal(run!.losses.length, 3);
  assert.ok([...run!.losses, ...run!.gradientNorms].every(Number.isFinite), `losses ${run!.losses.join(", ")}`);
  assert.ok(run!.gradientNorms.every((n) => n > 0));
}

describe("steps in ONNX Runtime", () => {
  for (const name of ["LstmNet", "MixtureOfExperts", "RotaryAttention", "GroupNormNet"]) {
    it(name, () => takeSteps(load(join(fixtures, "zoo/onnx", `${name}.onnx`))));
  }
  for (const name of ["squeezenet1_1"]) {
    it(`the twin of ${name}`, async () => {
      const twin = shrink(load(join(fixtures, "models", `${name}.onnx`)), BATCH, () => false);
      assert.ok("graph" in twin, "it has a twin");
      await takeSteps(twin.graph);
    });
  }
});
