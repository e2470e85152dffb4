/**
 * @file The training loop, in the process that trains. On the CPU many steps run in one call (a Scan), as many as fit into a
 * chunk of time, so that progress and cancelling never wait long; state goes round as the runtime's own output arrays.
 */
import type * as Ort from "onnxruntime-node";
import { type LoadedOrt, loadOrt, RuntimeFailure } from "../../runtime/ort";
import type { WireTensor, WireTensors } from "../../runtime/protocol";
import { Batches } from "../data/batches";
import { gradientOf, INDEX, LOSSES, nextOf, NORMS, scanInput } from "../names";
import type { GradientNoise } from "../../dynamics/trajectory";
import type { Observed, Provider, TrainJob, WireRecording } from "./protocol";

type Tensors = Record<string, Ort.Tensor>;

/** What a run tells while it goes. */
export interface TrainEvents {
  progress(step: number, losses: Float32Array, norms: Float32Array): Promise<void>;
  recording(recording: WireRecording): Promise<void>;
}

/** A session of the given provider. @throws RuntimeFailure */
export async function openSession(model: Uint8Array, provider: Provider): Promise<Ort.InferenceSession> {
  const { ort, cpu } = await loadOrt();
  try {
    return await ort.InferenceSession.create(model, {
      executionProviders: [provider.name === "cpu" ? cpu : provider.name],
      graphOptimizationLevel: "all",
      intraOpNumThreads: provider.threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      logSeverityLevel: 4,
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    });
  } catch (error) {
    throw new RuntimeFailure("model", (error instanceof Error ? error.message : String(error)).split("\n")[0]!);
  }
}

/** Tensors as the runtime takes them. */
export async function feedsOf(wire: WireTensors): Promise<Tensors> {
  const { ort } = await loadOrt();
  const out: Tensors = {};
  for (const [name, t] of Object.entries(wire)) {
    out[name] = new ort.Tensor(t.type as Ort.Tensor.Type, t.data as Ort.Tensor.DataType, [...t.shape]);
  }
  return out;
}

/** Outputs as they travel. */
export function wireOf(outputs: Tensors): Record<string, WireTensor> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, t]) => [
      name,
      { type: t.type as WireTensor["type"], shape: [...t.dims], data: t.data as WireTensor["data"] },
    ]),
  );
}

/** Trains; returns the number of steps done. @throws RuntimeFailure */
export async function train(job: TrainJob, events: TrainEvents): Promise<number> {
  const trainer = new Trainer(job, (await loadOrt()).ort);
  try {
    await trainer.open();
    return await trainer.run(events);
  } finally {
    await trainer.close();
  }
}

class Trainer {
  private readonly order: readonly Batches[];
  /** Rows for the estimate of noise, drawn apart so that training sees the same data with and without it. */
  private readonly noiseOrder: readonly Batches[];
  private scan!: Ort.InferenceSession;
  private step!: Ort.InferenceSession;
  private observe!: Ort.InferenceSession;
  private fixed: Tensors = {};
  private batches: readonly Tensors[] = [];
  private state: Tensors = {};
  /** Milliseconds per step, as measured last. */
  private pace = 0;
  private readonly started = performance.now();

  constructor(
    private readonly job: TrainJob,
    private readonly ort: LoadedOrt["ort"],
  ) {
    this.order = job.seeds.map((seed) => new Batches(seed, job.examples, Math.max(1, job.batch)));
    this.noiseOrder = job.seeds.map((seed) => new Batches(seed ^ 0x2015e, job.examples, Math.max(1, job.batch)));
  }

  async open(): Promise<void> {
    const { job } = this;
    this.scan = await openSession(job.scan, job.provider);
    this.step = await openSession(job.step, job.provider);
    this.observe = await openSession(job.observe.model, { ...job.provider, name: "cpu" });
    this.fixed = await feedsOf(job.fixed);
    this.batches = await Promise.all(job.observe.batches.map(feedsOf));
    for (const s of job.layout) {
      const shape = job.replicas > 0 ? [job.replicas, ...s.shape] : s.shape;
      this.state[s.name] = new this.ort.Tensor("float32", job.state[s.name]!, [...shape]);
    }
  }

  async close(): Promise<void> {
    for (const s of [this.scan, this.step, this.observe]) await (s as Ort.InferenceSession | undefined)?.release();
  }

  async run(events: TrainEvents): Promise<number> {
    const { job } = this;
    let at = 0;
    for (const mark of job.recordAt) {
      while (at < mark) {
        if (performance.now() - this.started > job.limit) {
          await this.record(at, events, true);
          return at;
        }
        const count = Math.min(mark - at, this.chunkSize());
        at += await this.advance(at, count, events);
      }
      await this.record(at, events, at >= job.steps);
      if (at < job.steps && job.gradients) {
        // The recorded step was made on the way.
        at++;
      }
    }
    return at;
  }

  private chunkSize(): number {
    if (this.pace === 0) return 2;
    return Math.max(1, Math.min(4096, Math.floor(this.job.chunk / this.pace)));
  }

  /** Rows of `count` steps of all runs, [count, runs, batch]. */
  private index(count: number, stacked: boolean): Ort.Tensor {
    const { job } = this;
    const rows = Math.max(1, job.batch);
    const data = new BigInt64Array(count * job.runs * rows);
    for (let t = 0; t < count; t++) {
      for (let r = 0; r < job.runs; r++) this.order[r]!.next(data, (t * job.runs + r) * rows);
    }
    const shape = [
      ...(stacked ? [count] : []),
      ...(job.replicas > 0 ? [job.replicas] : []),
      ...(job.batch > 0 ? [job.batch] : []),
    ];
    return new this.ort.Tensor("int64", data, shape);
  }

  private numbers(from: number, count: number, stacked: boolean): Tensors {
    const { job } = this;
    const out: Tensors = {};
    for (const [name, all] of Object.entries(job.numbers)) {
      const data = all.slice(from * job.runs, (from + count) * job.runs);
      const shape = [...(stacked ? [count] : []), ...(job.replicas > 0 ? [job.replicas, 1] : [])];
      out[stacked ? scanInput(name) : name] = new this.ort.Tensor("float32", data, shape);
    }
    return out;
  }

  /** Runs steps in one call and reports their losses; returns their number. */
  private async advance(from: number, count: number, events: TrainEvents): Promise<number> {
    const start = performance.now();
    const feeds: Tensors = { ...this.fixed, ...this.numbers(from, count, true), [scanInput(INDEX)]: this.index(count, true) };
    for (const [name, value] of Object.entries(this.state)) feeds[scanInput(name)] = value;
    const out = await this.call(this.scan, feeds);
    for (const name of Object.keys(this.state)) this.state[name] = out[nextOf(name)]!;
    this.pace = Math.max(1e-3, (performance.now() - start) / count);
    await events.progress(from + count, out[LOSSES]!.data as Float32Array, out[NORMS]!.data as Float32Array);
    return count;
  }

  private async call(session: Ort.InferenceSession, feeds: Tensors): Promise<Tensors> {
    try {
      return (await session.run(feeds)) as Tensors;
    } catch (error) {
      throw new RuntimeFailure("model", (error instanceof Error ? error.message : String(error)).split("\n")[0]!);
    }
  }

  /** One step by itself, on the given or on fresh rows. */
  private single(at: number, index: Ort.Tensor): Promise<Tensors> {
    return this.call(this.step, { ...this.fixed, ...this.state, ...this.numbers(at, 1, false), [INDEX]: index });
  }

  private copies(): Record<string, Float32Array> {
    return Object.fromEntries(Object.entries(this.state).map(([name, t]) => [name, (t.data as Float32Array).slice()]));
  }

  /** Reports the state, and unless it is the last makes one step to report its gradient as well. */
  private async record(at: number, events: TrainEvents, last: boolean): Promise<void> {
    const { job } = this;
    const state = this.copies();
    const observed = await this.look();
    const noise = job.noise > 0 ? { noise: await this.estimateNoise(Math.min(at, job.steps - 1)) } : {};
    if (last || !job.gradients) {
      await events.recording({ step: at, state, observed, ...noise });
      return;
    }
    const out = await this.single(at, this.index(1, false));
    for (const name of Object.keys(this.state)) this.state[name] = out[nextOf(name)]!;
    const gradient = Object.fromEntries(
      job.layout
        .filter((s) => s.kind === "parameters")
        .map((s) => [s.name, (out[gradientOf(s.name)]!.data as Float32Array).slice()]),
    );
    await events.recording({ step: at, state, gradient, after: this.copies(), observed, ...noise });
    await events.progress(at + 1, (out[LOSSES]!.data as Float32Array).slice(), (out[NORMS]!.data as Float32Array).slice());
  }

  /** Loss, accuracy and activity of each run on the fixed batches. */
  private async look(): Promise<Observed[]> {
    const { job } = this;
    const out: Observed[] = [];
    for (let r = 0; r < job.runs; r++) {
      const state: Tensors = {};
      for (const s of job.layout) {
        if (s.kind !== "parameters" && s.kind !== "statistics") continue;
        const all = this.state[s.name]!.data as Float32Array;
        state[s.name] = new this.ort.Tensor("float32", all.subarray(r * s.size, (r + 1) * s.size), [...s.shape]);
      }
      let loss = 0;
      let correct = 0;
      const activity: Observed["activity"][number][] = job.observe.activity.map(({ value }) => ({
        value,
        meanAbsolute: new Float64Array(0),
        active: new Float64Array(0),
      }));
      for (const batch of this.batches) {
        const feeds: Tensors = { ...state, ...batch };
        for (const name of this.observe.inputNames) feeds[name] ??= this.fixed[name]!;
        const found = await this.call(this.observe, feeds);
        loss += Number(found[job.observe.loss]!.data[0]) / this.batches.length;
        if (job.observe.correct !== undefined) correct += Number(found[job.observe.correct]!.data[0]);
        job.observe.activity.forEach((a, i) => {
          activity[i] = {
            value: a.value,
            meanAbsolute: plus(activity[i]!.meanAbsolute, found[a.meanAbsolute]!.data as Float32Array, this.batches.length),
            active: plus(activity[i]!.active, found[a.active]!.data as Float32Array, this.batches.length),
          };
        });
      }
      const accuracy =
        job.observe.correct === undefined ? {} : { accuracy: correct / (job.observe.answers * this.batches.length) };
      out.push({ loss, ...accuracy, activity });
    }
    return out;
  }

  /**
   * Squared norm and variance of the gradient from a few mini-batches: the mean of their squared norms against the squared
   * norm of their mean (McCandlish et al., 1812.06162, appendix A.1). The state stays as it is.
   */
  private async estimateNoise(at: number): Promise<GradientNoise[]> {
    const { job } = this;
    const packs = job.layout.filter((s) => s.kind === "parameters");
    const sums = packs.map((s) => new Float64Array(s.size * job.runs));
    const squares = new Float64Array(job.runs);
    for (let k = 0; k < job.noise; k++) {
      const rows = Math.max(1, job.batch);
      const data = new BigInt64Array(job.runs * rows);
      for (let r = 0; r < job.runs; r++) this.noiseOrder[r]!.next(data, r * rows);
      const shape = [...(job.replicas > 0 ? [job.replicas] : []), ...(job.batch > 0 ? [job.batch] : [])];
      const out = await this.single(at, new this.ort.Tensor("int64", data, shape));
      packs.forEach((s, i) => {
        const g = out[gradientOf(s.name)]!.data as Float32Array;
        for (let r = 0; r < job.runs; r++) {
          for (let j = r * s.size; j < (r + 1) * s.size; j++) {
            sums[i]![j]! += g[j]!;
            squares[r]! += g[j]! ** 2;
          }
        }
      });
    }
    const small = Math.max(1, job.batch);
    const large = small * job.noise;
    return Array.from({ length: job.runs }, (_, r) => {
      let mean = 0;
      packs.forEach((s, i) => {
        for (let j = r * s.size; j < (r + 1) * s.size; j++) mean += (sums[i]![j]! / job.noise) ** 2;
      });
      const each = squares[r]! / job.noise;
      return {
        signal: (large * mean - small * each) / (large - small),
        trace: (each - mean) / (1 / small - 1 / large),
        small,
        large,
      };
    });
  }
}

function plus(sum: Float64Array, values: Float32Array, count: number): Float64Array {
  const out = sum.length === 0 ? new Float64Array(values.length) : sum;
  for (let i = 0; i < values.length; i++) out[i]! += values[i]! / count;
  return out;
}
