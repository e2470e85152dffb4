/**
 * @file Training in probes: replica-steps per second, and where a python3 with torch is installed PyTorch eager on the same
 * cores in the same run. Each side in its best configuration: ours with one process per core and small networks batched,
 * PyTorch with one process per core or one process with all threads, whichever is faster. The sides take turns, and the best
 * of their turns counts, so that a neighbour on the machine slows neither alone.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { findBlock } from "../analysis/probe/blocked";
import { Prober } from "../analysis/probe/probe";
import type { ProbeEvent } from "../analysis/probe/record/events";
import { DEFAULT_TRAINING } from "../analysis/probe/settings";
import { trainingModels } from "../analysis/probe/training-graph";
import type { ProbeProgress, ProbeRequest } from "../analysis/probe/types";
import { Variant } from "../analysis/probe/variant";
import { ProbeProcess } from "../analysis/probe/worker/process";
import { openSession } from "../analysis/probe/worker/session";
import type { LoadedModel } from "../analysis/service/loaded";
import { loadFile } from "../analysis/service/models";
import { runProbe } from "../analysis/service/probe/session";
import { type Row, type Section, timed } from "./report";
import { summary } from "./timing";

/** What is trained; `target` is the ratio to PyTorch that is asked for. */
const CASES = [
  { name: "Mlp", title: "MLP 784-512-512-10, batch 64", batch: 64, shape: [784], target: 1.2 },
  { name: "Transformer", title: "transformer, 2 layers of 128, 64 tokens, batch 8", batch: 8, shape: [64], target: 1.2 },
  { name: "Cnn", title: "CNN, 3 convolutions with batch norm, 32x32, batch 64", batch: 64, shape: [3, 32, 32], target: 1 },
  { name: "SmallMlp", title: "MLP 32-64-64-4, batch 32", batch: 32, shape: [32], target: 5 },
  { name: "MediumMlp", title: "MLP 64-256-256-64, batch 32", batch: 32, shape: [64], target: 5 },
  { name: "SmallTransformer", title: "transformer, 1 layer of 16, 8 tokens, batch 16", batch: 16, shape: [8], target: 5 },
] as const;
type Case = (typeof CASES)[number];

/** Seconds that each measurement takes, and how often the sides take turns. */
const SECONDS = 3;
const TURNS = 2;
const FOLDER = path.join(process.cwd(), "bench");
const MODELS = path.join(FOLDER, "models.py");
/** Where Debian keeps a BLAS that is not the slow reference. */
const FAST_BLAS = "/usr/lib/x86_64-linux-gnu/openblas-pthread";

/** The section. */
export async function probeSection(): Promise<Section> {
  const rows: Row[] = [];
  const python = await hasTorch();
  const cores = os.availableParallelism();
  const entry = path.join(import.meta.dirname, "probe.mjs");
  const prober = new Prober({ entry });
  const worker = new ProbeProcess(entry);
  try {
    const block = await findBlock(worker);
    for (const c of CASES) {
      let [one, many, theirs] = [0, 0, 0];
      for (let turn = 0; turn < TURNS; turn++) {
        one = Math.max(one, await ours(prober, c, 1));
        many = Math.max(many, await ours(prober, c, 8));
        if (python) theirs = Math.max(theirs, await torchBest(python, c, cores));
      }
      const perStep = (rate: number) => ({ value: 1000 / rate, unit: "ms" as const });
      rows.push({ what: `${c.title}  one replica`, ...perStep(one), note: `${one.toFixed(0)} steps/s` });
      rows.push({
        what: `${c.title}  8 replicas at once against 8 runs alone`,
        value: many / one,
        unit: "x",
        least: cores,
        note: `${(1000 / many).toFixed(3)} ms per replica-step`,
      });
      if (python) {
        const note = `PyTorch ${(1000 / theirs).toFixed(3)} ms per replica-step`;
        rows.push({ what: `${c.title}  against PyTorch`, value: Math.max(one, many) / theirs, unit: "x", least: c.target, note });
      }
      rows.push(await creation(c, block));
    }
    rows.push(...(await asAsked(prober)), await cancelling(entry));
  } finally {
    prober.dispose();
    worker.kill();
  }
  if (!python) rows.push({ what: "PyTorch", value: Number.NaN, unit: "x", note: "no python3 with torch here: no ratios" });
  return { title: "Probe", rows };
}

/** The graph of a case, at its batch size. */
async function graphFor(c: Case): Promise<LoadedModel> {
  const { models } = await loadFile(MODELS, { className: c.name, inputShapes: [[c.batch, ...c.shape]] });
  return models.find((m) => m.name === c.name)!;
}

/** Loading the graph of many steps (a Scan). */
async function creation(c: Case, block: number | undefined): Promise<Row> {
  const variant = new Variant((await graphFor(c)).graph, c.batch, "cross-entropy", false);
  const { trainable, loss } = variant;
  const settings = [{ ...DEFAULT_TRAINING, batchSize: c.batch }];
  const { scan } = trainingModels({ trainable, loss, replicas: 0, settings, batching: "rows", block });
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    const session = await openSession(scan, { name: "cpu", threads: 1 });
    times.push(performance.now() - start);
    await session.release();
  }
  return timed(`${c.title}  loading the training graph`, summary(times.slice(1)), { target: 100 });
}

async function requestFor(c: Case, replicas: number, steps: number): Promise<ProbeRequest> {
  const model = await graphFor(c);
  return {
    graph: model.graph,
    settings: [{ name: "sgd", training: { ...DEFAULT_TRAINING, learningRate: 0.01, batchSize: c.batch } }],
    steps,
    replicas,
    seed: 1,
    data: { kind: "synthetic", examples: 512 },
    loss: "cross-entropy",
    device: "cpu",
    recordings: 2,
    recordGradients: false,
    recordNoise: false,
    budget: { seconds: SECONDS, twin: false },
  };
}

/** Replica-steps per second: the best time of a chunk of each job, summed over those that run at once. */
async function ours(prober: Prober, c: Case, replicas: number): Promise<number> {
  const request = await requestFor(c, replicas, 1_000_000);
  const last = new Map<string, { step: number; at: number }>();
  const best = new Map<string, number>();
  const onProgress = (p: ProbeProgress) => {
    if (!p.points || p.points.length === 0) return;
    const key = p.points.map((x) => x.replica).join();
    const at = performance.now();
    const before = last.get(key);
    const { step } = p.points[0]!;
    if (before && at - before.at > 60) {
      const rate = ((step - before.step) * p.points.length * 1000) / (at - before.at);
      best.set(key, Math.max(best.get(key) ?? 0, rate));
    }
    last.set(key, { step, at });
  };
  const { device } = await prober.probe(request, { onProgress });
  const rates = [...best.values()].sort((a, b) => b - a);
  return rates.slice(0, device.processes).reduce((a, b) => a + b, 0);
}

/** A probe of 98,880 parameters as a user asks for it: four replicas, 300 steps, every measure and verdict. */
async function asAsked(prober: Prober): Promise<Row[]> {
  const { models } = await loadFile(MODELS, { className: "MediumMlp", inputShapes: [[32, 64]] });
  const started = performance.now();
  let point = Number.NaN;
  const onEvent = (event: ProbeEvent) => {
    if (event.kind === "points" && Number.isNaN(point)) point = performance.now() - started;
  };
  await runProbe({ model: models[0]! }, { steps: 300, replicas: 4, device: "cpu" }, { prober, onEvent });
  const total = performance.now() - started;
  const what = "MLP 64-256-256-64, 98,880 parameters, 4 replicas, 300 steps, all measures";
  return [
    { what, value: total, unit: "ms", target: 10_000 },
    { what: `${what}: first point`, value: point, unit: "ms", target: 1000 },
  ];
}

/** From the wish to end a probe to its end, in the middle of a step of the largest of the networks. */
async function cancelling(entry: string): Promise<Row> {
  const prober = new Prober({ entry });
  const wanted = await requestFor(CASES[1], 8, 1_000_000);
  const request = { ...wanted, budget: { seconds: 60, twin: false } };
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    const controller = new AbortController();
    let asked = Number.NaN;
    const onProgress = (p: ProbeProgress) => {
      if (p.kind !== "point" || controller.signal.aborted) return;
      setTimeout(() => {
        asked = performance.now();
        controller.abort();
      }, 50);
    };
    await prober.probe(request, { signal: controller.signal, onProgress }).catch(() => {});
    // A machine that is too busy ends the probe by its own budget first.
    if (!Number.isNaN(asked)) times.push(performance.now() - asked);
  }
  prober.dispose();
  return timed("cancelling a probe that trains", summary(times), { target: 200 });
}

/** Python that has torch. */
async function hasTorch(): Promise<string | undefined> {
  for (const python of ["/usr/bin/python3", "python3"]) {
    if ((await output(python, ["-c", "import torch; print(torch.__version__)"]))?.trim()) return python;
  }
  return undefined;
}

/** The better of one process per core and one process with all threads. */
async function torchBest(python: string, c: Case, cores: number): Promise<number> {
  const run = async (threads: number) => {
    const args = [
      path.join(FOLDER, "torch_steps.py"),
      c.name,
      String(c.batch),
      String(threads),
      String(SECONDS),
      ...c.shape.map(String),
    ];
    return Number(await output(python, args));
  };
  const apart = await Promise.all(Array.from({ length: cores }, () => run(1)));
  return Math.max(
    apart.reduce((a, b) => a + b, 0),
    await run(cores),
  );
}

function output(command: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const libraries = existsSync(FAST_BLAS) ? { LD_LIBRARY_PATH: FAST_BLAS } : {};
    const child = spawn(command, args, { env: { ...process.env, ...libraries }, stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.on("error", () => resolve(undefined));
    child.on("exit", (code) => resolve(code === 0 ? text : undefined));
  });
}
