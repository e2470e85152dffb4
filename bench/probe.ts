/**
 * @file Training in probes: replica-steps per second, and where a python3 with torch is installed PyTorch eager on the same
 * cores in the same run. Each side in its best configuration: ours with one process per core and small networks batched,
 * PyTorch with one process per core or one process with all threads, whichever is faster.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Prober } from "../analysis/probe/probe";
import { DEFAULT_TRAINING } from "../analysis/probe/settings";
import type { ProbeProgress, ProbeRequest } from "../analysis/probe/types";
import { loadFile } from "../analysis/service/models";
import type { Row, Section } from "./report";

/** What is trained; `target` is the ratio to PyTorch that is asked for. */
const CASES = [
  { name: "Mlp", title: "MLP 784-512-512-10, batch 64", batch: 64, shape: [784], target: 1.2 },
  { name: "Transformer", title: "transformer, 2 layers of 128, 64 tokens, batch 8", batch: 8, shape: [64], target: 1.2 },
  { name: "Cnn", title: "CNN, 3 convolutions with batch norm, 32x32, batch 64", batch: 64, shape: [3, 32, 32], target: 1 },
  { name: "SmallMlp", title: "MLP 32-64-64-4, batch 32", batch: 32, shape: [32], target: 5 },
  { name: "SmallTransformer", title: "transformer, 1 layer of 16, 8 tokens, batch 16", batch: 16, shape: [8], target: 5 },
] as const;
type Case = (typeof CASES)[number];

/** Seconds that each measurement takes. */
const SECONDS = 4;
const FOLDER = path.join(process.cwd(), "bench");
/** Where Debian keeps a BLAS that is not the slow reference. */
const FAST_BLAS = "/usr/lib/x86_64-linux-gnu/openblas-pthread";

/** The section. */
export async function probeSection(): Promise<Section> {
  const rows: Row[] = [];
  const python = await hasTorch();
  const cores = os.availableParallelism();
  const prober = new Prober({ entry: path.join(import.meta.dirname, "probe.mjs") });
  try {
    for (const c of CASES) {
      const one = await ours(prober, c, 1);
      const many = await ours(prober, c, 8);
      const best = Math.max(one, many);
      rows.push({ what: `${c.title}  one replica`, value: 1000 / one, unit: "ms", note: `${one.toFixed(0)} steps/s` });
      const gain = `8 replicas at once: ${(many / one).toFixed(2)}x the replica-steps of one (${cores} cores)`;
      rows.push({ what: `${c.title}  8 replicas, per replica`, value: 1000 / many, unit: "ms", note: gain });
      if (!python) continue;
      const theirs = await torchBest(python, c, cores);
      const ratio = best / theirs;
      rows.push({
        what: `${c.title}  against PyTorch`,
        value: ratio,
        unit: "x",
        note: `${ratio >= c.target ? "meets" : "MISSES"} ${c.target}; PyTorch ${(1000 / theirs).toFixed(3)} ms per replica-step`,
      });
    }
    rows.push(await first(prober));
  } finally {
    prober.dispose();
  }
  if (!python) rows.push({ what: "PyTorch", value: Number.NaN, unit: "x", note: "no python3 with torch here: no ratios" });
  return { title: "Probe", rows };
}

async function requestFor(c: Case, replicas: number, steps: number): Promise<ProbeRequest> {
  const shape = [c.batch, ...c.shape];
  const { models } = await loadFile(path.join(FOLDER, "models.py"), { className: c.name, inputShapes: [shape] });
  const model = models.find((m) => m.name === c.name)!;
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

/** A probe of 100,000 parameters as a user asks for it. */
async function first(prober: Prober): Promise<Row> {
  const { models } = await loadFile(path.join(FOLDER, "models.py"), { className: "SmallMlp", inputShapes: [[32, 32]] });
  const started = performance.now();
  let point = Number.NaN;
  const { training } = { training: { ...DEFAULT_TRAINING, batchSize: 32 } };
  await prober.probe(
    {
      graph: models[0]!.graph,
      settings: [{ name: "as it is", training }],
      steps: 300,
      replicas: 4,
      seed: 0,
      data: { kind: "synthetic" },
      device: "cpu",
    },
    {
      onProgress: (p) => {
        if (p.kind === "point" && Number.isNaN(point)) point = performance.now() - started;
      },
    },
  );
  const total = performance.now() - started;
  return {
    what: "MLP 32-64-64-4  300 steps, 4 replicas, recorded",
    value: total,
    unit: "ms",
    note: `first point after ${point.toFixed(0)} ms`,
  };
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
