/** Probes of small networks: what is recorded, that it repeats, and how a probe ends. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { RunCancelled, RuntimeFailure } from "../runtime/index";
import { Prober } from "./probe";
import { DEFAULT_TRAINING } from "./settings";
import type { ProbeProgress, ProbeRequest, ProbeSetting } from "./types";

const prober = new Prober({ processes: 2 });
const folder = mkdtempSync(join(tmpdir(), "noether-probe-"));
after(() => {
  prober.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const zoo = (name: string) => readOnnx({ path: join("testFixtures", "zoo", "onnx", `${name}.onnx`) }).graph;
const base: ProbeSetting = { name: "base", training: { ...DEFAULT_TRAINING, batchSize: 16, weightDecay: 0.01 } };

function request(graph: ProbeRequest["graph"], change: Partial<ProbeRequest> = {}): ProbeRequest {
  return {
    graph,
    settings: [base],
    steps: 40,
    replicas: 2,
    seed: 3,
    data: { kind: "synthetic", examples: 256 },
    device: "cpu",
    recordings: 5,
    ...change,
  };
}

test("recorded steps are steps of SGD, replicas differ, and everything repeats", async () => {
  const progress: ProbeProgress[] = [];
  const asked = request(zoo("MlpRelu"), {
    replicas: 3,
    settings: [base, { ...base, name: "free", training: { ...base.training, weightDecay: 0 } }],
  });
  const result = await prober.probe(asked, { onProgress: (p) => progress.push(p) });
  assert.equal(result.runs.length, 6);
  assert.equal(result.device.device, "cpu");
  assert.ok(result.device.batched > 1, "small networks share a graph");
  for (const run of result.runs) {
    assert.equal(run.losses.length, 40);
    assert.equal(run.gradientNorms.length, 40);
    assert.deepEqual(
      run.recordings.map((r) => r.step),
      [0, 10, 20, 30, 40],
    );
    const decay = run.setting === "base" ? 0.01 : 0;
    for (const { step, parameters, gradient, after, activity, noise } of run.recordings) {
      assert.equal(gradient === undefined, step === 40);
      assert.equal(activity.size, 2);
      for (const a of activity.values()) assert.ok(a.active.every((v) => v >= 0 && v <= 1));
      assert.ok(noise && noise.trace > 0);
      if (!gradient || !after) continue;
      let square = 0;
      for (const [name, g] of gradient) {
        const [before, next] = [parameters.get(name)!, after.get(name)!];
        g.forEach((v, i) => {
          square += v * v;
          assert.ok(Math.abs(next[i]! - (before[i]! - 0.05 * (v + decay * before[i]!))) < 1e-6, `${name}[${i}] at ${step}`);
        });
      }
      assert.ok(Math.abs(Math.sqrt(square) - run.gradientNorms[step]!) < 1e-5);
    }
    assert.ok(run.losses.at(-1)! < run.losses[0]!);
    assert.ok(run.evaluation!.accuracy! > 1 / 3);
  }
  const [first, second] = result.runs;
  assert.notDeepEqual(first!.recordings[0]!.parameters, second!.recordings[0]!.parameters);
  const paired = result.runs.find((r) => r.setting === "free" && r.replica === 0)!;
  assert.deepEqual(paired.recordings[0]!.parameters, first!.recordings[0]!.parameters);
  assert.equal(paired.losses[0], first!.losses[0]);
  const again = await prober.probe(asked);
  assert.deepEqual(
    again.runs.map((r) => [...r.losses]),
    result.runs.map((r) => [...r.losses]),
  );
  assert.equal(progress[0]?.kind, "started");
  assert.ok(progress.some((p) => p.kind === "point" && p.points!.length > 0));
});

test("networks that train one by one, statistics of batch normalisations, and the cache", async () => {
  const asked = request(zoo("ConvBnRelu"), { cache: folder });
  const result = await prober.probe(asked);
  assert.equal(result.device.batched, 1);
  const name = [...result.graph.parameters.keys()].find((n) => n.endsWith("running_mean"))!;
  const [start, end] = [result.runs[0]!.recordings[0]!, result.runs[0]!.recordings.at(-1)!].map((r) => r.parameters.get(name)!);
  assert.ok(start!.every((v) => v === 0) && end!.some((v) => v !== 0));
  assert.equal(result.cached, false);
  const known = await prober.probe(asked);
  assert.equal(known.cached, true);
  assert.deepEqual(known.runs[1]!.recordings[2]!.gradient, result.runs[1]!.recordings[2]!.gradient);
  const other = await prober.probe({ ...asked, seed: 4 });
  assert.equal(other.cached, false);
});

test("a signal ends a probe, and the next one works", async () => {
  const controller = new AbortController();
  const long = request(zoo("ResNetBlock"), { steps: 1_000_000 });
  const running = prober.probe(long, {
    signal: controller.signal,
    onProgress: (p) => {
      if (p.kind === "point") controller.abort();
    },
  });
  await assert.rejects(running, RunCancelled);
  await assert.rejects(prober.probe(long, { signal: AbortSignal.abort() }), RunCancelled);
  assert.equal((await prober.probe(request(zoo("MlpTanh"), { steps: 4 }))).runs.length, 2);
});

test("what takes too long is trained as its twin, or ends early; both are said", async () => {
  const graph = zoo("ResNetBlock");
  const twin = await prober.probe(request(graph, { steps: 6, budget: { twin: true } }));
  assert.ok(twin.twin);
  assert.ok(twin.twin.originalParameters > 0);
  for (const [name, p] of twin.graph.parameters) {
    assert.ok(
      p.shape.every((d, i) => d <= graph.parameters.get(name)!.shape[i]!),
      name,
    );
  }
  const short = await prober.probe(request(graph, { steps: 10_000_000, replicas: 1, budget: { seconds: 0.5, twin: false } }));
  assert.match(short.notes.join(), /time budget of 0.5 s ended runs after \d+ of 10000000 steps/);
  assert.ok(short.runs[0]!.losses.length < 10_000_000);
});

test("a device that is not there is an error by name, never another device", async () => {
  await assert.rejects(prober.probe(request(zoo("MlpRelu"), { device: "coreml" })), (error) => {
    return error instanceof RuntimeFailure && error.message.startsWith("coreml was asked for and cannot be used: ");
  });
  const { device } = await prober.probe(request(zoo("MlpRelu"), { device: "auto", steps: 2 }));
  assert.equal(device.device, "cpu");
  assert.ok(device.trials.some((t) => t.outcome === "not tried" && t.reason.length > 10));
});

test("the objective's gradient is the derivative of its loss", async () => {
  const asked = request(zoo("MlpTanh"));
  const { runs } = await prober.probe({ ...asked, steps: 2 });
  const objective = await prober.objective(asked);
  try {
    const point = runs[0]!.recordings[0]!.parameters;
    const { gradient } = await objective.evaluate(point);
    const direction = new Map([...gradient].map(([name, g]) => [name, g.map((_, i) => Math.sin(1 + i))]));
    let slope = 0;
    for (const [name, g] of gradient) g.forEach((v, i) => (slope += v * direction.get(name)![i]!));
    const at = async (h: number) => {
      const moved = new Map([...point].map(([name, p]) => [name, p.map((v, i) => v + h * (direction.get(name)?.[i] ?? 0))]));
      return (await objective.evaluate(moved)).loss;
    };
    const difference = ((await at(1e-2)) - (await at(-1e-2))) / 2e-2;
    assert.ok(Math.abs(difference - slope) < 2e-3 * Math.max(1, Math.abs(slope)), `${difference}, expected ${slope}`);
  } finally {
    objective.dispose();
  }
});

/** Processes below this one. */
function children(): number[] {
  return execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes("worker"))
    .map((line) => Number.parseInt(line, 10));
}

const noPs = process.platform !== "linux" && "ps lists processes in its own way here";
test("a process that is killed costs its probe and nothing else; cancelled ones leave no process", { skip: noPs }, async () => {
  const own = new Prober();
  const before = new Set(children());
  const fresh = () => children().filter((pid) => !before.has(pid));
  const long = request(zoo("MlpRelu"), { steps: 10_000_000, budget: { seconds: 600, twin: false } });
  let killed = false;
  const onProgress = (p: ProbeProgress) => {
    if (p.kind !== "point" || killed) return;
    killed = true;
    for (const pid of fresh()) process.kill(pid, "SIGKILL");
  };
  await assert.rejects(own.probe(long, { onProgress }), (error) => {
    assert.ok(error instanceof RuntimeFailure, String(error));
    assert.match(error.message, /the process that trains was ended by SIGKILL; if memory ran out, fewer replicas/);
    return true;
  });
  assert.equal((await own.probe(request(zoo("MlpTanh"), { steps: 4 }))).runs.length, 2);
  const controller = new AbortController();
  const cancelled = own.probe(long, {
    signal: controller.signal,
    onProgress: (p) => {
      if (p.kind === "point") controller.abort();
    },
  });
  await assert.rejects(cancelled, RunCancelled);
  own.dispose();
  for (let wait = 0; fresh().length > 0 && wait < 100; wait++) await new Promise((done) => setTimeout(done, 50));
  assert.deepEqual(fresh(), []);
});
