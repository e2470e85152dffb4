/**
 * Training graphs against PyTorch, step by step (testFixtures/probe/make.py made the numbers): a multilayer perceptron, a
 * convolutional network with batch normalisation, a transformer block, and an embedding with LSTM, GRU and plain recurrence,
 * under nine optimiser settings each.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import * as ort from "onnxruntime-node";
import { readOnnx } from "../frontends/onnx/index";
import { elementCount } from "../graph/tensor";
import { planLoss } from "./loss";
import { numbersAt } from "./optimiser";
import { packShape } from "./packs";
import { prepare } from "./prepare";
import { replicate } from "./replicate";
import { gradientOf, INDEX, LOSSES, nextOf, NORMS, numberInput, scanInput } from "./names";
import { trainingModels, type TrainingModels } from "./training-graph";
import type { TrainingSettings } from "./types";

interface Fixture {
  readonly steps: number;
  readonly batch: number;
  readonly order: readonly (readonly number[])[];
  readonly inputs: readonly number[];
  readonly shape: readonly number[];
  readonly targets: readonly number[];
  /** Gradient of the first step, by parameter. */
  readonly gradient: Readonly<Record<string, readonly number[]>>;
  readonly optimisers: Readonly<
    Record<
      string,
      { readonly losses: readonly number[]; readonly norms: readonly number[]; readonly final: Readonly<Record<string, number>> }
    >
  >;
}

const plain: TrainingSettings = {
  optimiser: "sgd",
  learningRate: 0.1,
  momentum: 0,
  dampening: 0,
  nesterov: false,
  betas: [0.9, 0.999],
  epsilon: 1e-8,
  weightDecay: 0,
  groups: [],
  clipNorm: Number.POSITIVE_INFINITY,
  schedule: { kind: "constant" },
  batchSize: 8,
};

const settingsOf = (vectors: readonly string[]): Readonly<Record<string, TrainingSettings>> => ({
  sgd: plain,
  momentum: { ...plain, learningRate: 0.05, momentum: 0.9, dampening: 0.1, weightDecay: 0.01 },
  nesterov: { ...plain, learningRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.01 },
  adam: { ...plain, optimiser: "adam", learningRate: 0.01, weightDecay: 0.01 },
  adamw: {
    ...plain,
    optimiser: "adamw",
    learningRate: 0.01,
    weightDecay: 0.1,
    betas: [0.8, 0.95],
    groups: [{ parameters: vectors, learningRate: 0.005, weightDecay: 0 }],
  },
  clipped: { ...plain, clipNorm: 0.5 },
  cosine: { ...plain, schedule: { kind: "cosine", warmup: 5, final: 0.1 } },
  linear: {
    ...plain,
    optimiser: "adamw",
    learningRate: 0.01,
    weightDecay: 0.01,
    schedule: { kind: "linear", final: 0.2 },
  },
  stepwise: { ...plain, momentum: 0.5, schedule: { kind: "step", every: 7, factor: 0.6 } },
});

/** The bias in front of a batch normalisation and the mean that follows it, and the bias of the keys. */
const INERT: ReadonlySet<string> = new Set(["conv2.bias", "bn2.running_mean", "qkv.bias"]);

const folder = join("testFixtures", "probe");

/** The fixture's model and data; the exporter's names of parameters are PyTorch's. */
function load(name: string) {
  const graph = readOnnx({ path: join(folder, `${name}.onnx`) }).graph;
  const fixture = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Fixture;
  const vectors = [...graph.parameters.values()].filter((p) => p.trainable && p.shape.length <= 1).map((p) => p.name);
  return { graph, fixture, settings: settingsOf(vectors) };
}

type Feeds = Record<string, ort.Tensor>;

const session = (model: Uint8Array) =>
  ort.InferenceSession.create(model, { logSeverityLevel: 3, intraOpNumThreads: 1, graphOptimizationLevel: "all" });

/** Initial state, and what is fed once. */
function start(models: TrainingModels, graph: ReturnType<typeof load>["graph"], fixture: Fixture) {
  const value = (name: string) => graph.parameters.get(name)!.read!()!.data;
  const lead = Math.max(1, models.replicas);
  const state: Record<string, ort.Tensor> = {};
  for (const { name, pack, kind } of models.state) {
    const data = new Float32Array(lead * pack.size);
    if (kind === "parameters" || kind === "statistics") {
      for (let r = 0; r < lead; r++) for (const e of pack.entries) data.set(value(e.name), r * pack.size + e.offset);
    }
    state[name] = new ort.Tensor("float32", data, [...packShape(pack, models.replicas)]);
  }
  const fixed: Feeds = {};
  for (const name of models.frozen) {
    const p = graph.parameters.get(name)!;
    fixed[name] = new ort.Tensor("float32", Float32Array.from(value(name)), [...p.shape]);
  }
  const input = graph.inputs[0]!;
  fixed[models.data.get(input.name)!] =
    input.type === "int64"
      ? new ort.Tensor("int64", BigInt64Array.from(fixture.inputs, BigInt), [...fixture.shape])
      : new ort.Tensor("float32", Float32Array.from(fixture.inputs), [...fixture.shape]);
  const rows = fixture.shape[0]!;
  const targets = fixture.targets.length === rows ? [rows] : [rows, fixture.targets.length / rows];
  fixed[models.targets] = new ort.Tensor("int64", BigInt64Array.from(fixture.targets, BigInt), targets);
  return { state, fixed };
}

function stepFeeds(models: TrainingModels, fixture: Fixture, settings: readonly TrainingSettings[], from: number, to: number) {
  const r = models.replicas;
  const count = to - from;
  const index = new BigInt64Array(count * Math.max(1, r) * fixture.batch);
  for (let t = 0; t < count; t++) {
    for (let k = 0; k < Math.max(1, r); k++) {
      fixture.order[from + t]!.forEach((row, i) => {
        index[(t * Math.max(1, r) + k) * fixture.batch + i] = BigInt(row);
      });
    }
  }
  const lead = r > 0 ? [r] : [];
  const out: [string, ort.Tensor, number[]][] = [
    [INDEX, new ort.Tensor("int64", index, [count, ...lead, fixture.batch]), [...lead, fixture.batch]],
  ];
  models.numbers.forEach((name, k) => {
    const data = new Float32Array(count * Math.max(1, r));
    for (let t = 0; t < count; t++) {
      for (let i = 0; i < Math.max(1, r); i++)
        data[t * Math.max(1, r) + i] = numbersAt(settings[i] ?? settings[0]!, from + t, fixture.steps)[k]!;
    }
    const one = r > 0 ? [r, 1] : [];
    out.push([numberInput(name), new ort.Tensor("float32", data, [count, ...one]), one]);
  });
  return out;
}

const close = (a: number, b: number, tolerance: number, what: string) =>
  assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `${what}: ${a}, PyTorch has ${b}`);

for (const name of ["mlp", "cnn", "transformer", "recurrent"]) {
  const { graph, fixture, settings } = load(name);
  describe(`${name} against PyTorch`, () => {
    for (const kind of Object.keys(settings)) {
      it(`${kind}: 40 losses and gradient norms, and the last weights`, async () => {
        const trainable = prepare(graph, true);
        const models = trainingModels({
          trainable,
          loss: planLoss(trainable.graph),
          replicas: 0,
          settings: [settings[kind]!],
          batching: "rows",
        });
        const { state, fixed } = start(models, graph, fixture);
        const run = await session(models.scan);
        const losses: number[] = [];
        const norms: number[] = [];
        let now = state;
        for (const [from, to] of [
          [0, 1],
          [1, 15],
          [15, 40],
        ] as const) {
          const feeds: Feeds = { ...fixed };
          for (const [s, t] of Object.entries(now)) feeds[scanInput(s)] = t;
          for (const [n, t] of stepFeeds(models, fixture, [settings[kind]!], from, to)) feeds[scanInput(n)] = t;
          const out = await run.run(feeds);
          losses.push(...(out[LOSSES]!.data as Float32Array));
          norms.push(...(out[NORMS]!.data as Float32Array));
          now = Object.fromEntries(models.state.map((s) => [s.name, out[nextOf(s.name)]!]));
        }
        const expected = fixture.optimisers[kind]!;
        assert.equal(losses.length, 40);
        for (let t = 0; t < 40; t++) {
          close(losses[t]!, expected.losses[t]!, 1e-4, `loss of step ${t}`);
          close(norms[t]!, expected.norms[t]!, 1e-3, `gradient norm of step ${t}`);
        }
        for (const s of models.state.filter((x) => x.kind === "parameters" || x.kind === "statistics")) {
          for (const e of s.pack.entries) {
            // Biases without effect have gradients that are rounding errors, which Adam makes steps of full size of.
            if (settings[kind]!.optimiser !== "sgd" && INERT.has(e.name)) continue;
            const data = now[s.name]!.data as Float32Array;
            const part = data.subarray(e.offset, e.offset + elementCount(e.shape));
            close(Math.hypot(...part), expected.final[e.name]!, 1e-4, `norm of ${e.name} at the end`);
          }
        }
        await run.release();
      });
    }

    it("one step at a time gives the same losses, and the gradient whose norm is reported", async () => {
      const trainable = prepare(graph, true);
      const models = trainingModels({
        trainable,
        loss: planLoss(trainable.graph),
        replicas: 0,
        settings: [plain],
        batching: "rows",
      });
      const { state, fixed } = start(models, graph, fixture);
      const run = await session(models.step);
      let now = state;
      for (let t = 0; t < 5; t++) {
        const feeds: Feeds = { ...fixed, ...now };
        for (const [n, tensor, shape] of stepFeeds(models, fixture, [plain], t, t + 1)) {
          feeds[n] = new ort.Tensor(tensor.type as "float32", tensor.data as Float32Array, shape);
        }
        const out = await run.run(feeds);
        close((out[LOSSES]!.data as Float32Array)[0]!, fixture.optimisers["sgd"]!.losses[t]!, 1e-5, `loss of step ${t}`);
        if (t === 0) {
          for (const s of models.state.filter((x) => x.kind === "parameters")) {
            const found = out[gradientOf(s.name)]!.data as Float32Array;
            const scale = Math.max(...found.map(Math.abs));
            for (const e of s.pack.entries) {
              fixture.gradient[e.name]!.forEach((g, i) => {
                const error = Math.abs(found[e.offset + i]! - g);
                assert.ok(
                  error <= 1e-5 * Math.max(scale, 1e-3),
                  `gradient of ${e.name}[${i}]: ${found[e.offset + i]}, PyTorch has ${g}`,
                );
              });
            }
          }
        }
        let square = 0;
        for (const s of models.state.filter((x) => x.kind === "parameters")) {
          for (const v of out[gradientOf(s.name)]!.data as Float32Array) square += v * v;
        }
        close(Math.sqrt(square), fixture.optimisers["sgd"]!.norms[t]!, 1e-4, `gradient of step ${t}`);
        now = Object.fromEntries(models.state.map((s) => [s.name, out[nextOf(s.name)]!]));
      }
      await run.release();
    });

    it("replicas in one graph train as they do alone, each with its own learning rate and decay", async () => {
      const kinds: TrainingSettings[] = [
        settings["nesterov"]!,
        { ...settings["nesterov"]!, learningRate: 0.02 },
        { ...settings["nesterov"]!, weightDecay: 0 },
      ];
      const alone = prepare(graph, false);
      const batched = replicate(alone, 3);
      const models = trainingModels({
        trainable: batched,
        loss: planLoss(alone.graph),
        replicas: 3,
        settings: kinds,
        batching: "rows",
      });
      const { state, fixed } = start(models, graph, fixture);
      const run = await session(models.scan);
      const feeds: Feeds = { ...fixed };
      for (const [s, t] of Object.entries(state)) feeds[scanInput(s)] = t;
      for (const [n, t] of stepFeeds(models, fixture, kinds, 0, 40)) feeds[scanInput(n)] = t;
      const losses = (await run.run(feeds))[LOSSES]!.data as Float32Array;
      for (let t = 0; t < 40; t++) close(losses[3 * t]!, fixture.optimisers["nesterov"]!.losses[t]!, 1e-4, `loss of step ${t}`);
      const last = [0, 1, 2].map((r) => losses[3 * 39 + r]!);
      assert.ok(last[0] !== last[1] && last[0] !== last[2], `the settings differ: ${last.join(", ")}`);
      await run.release();
    });
  });
}
