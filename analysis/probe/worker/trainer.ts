/**
 * @file The training loop, in the process that trains: as many steps per call as fit into a chunk of time, so that progress
 * and cancelling never wait long, and states, gradients and looks at held-out data between them.
 */
import type * as Ort from "onnxruntime-node";
import { type LoadedOrt, loadOrt } from "../../runtime/ort";
import type { GradientNoise } from "../../dynamics/trajectory";
import { Batches } from "../data/batches";
import { INDEX, scanInput } from "../names";
import type { Observed, TrainJob, WireRecording } from "./protocol";
import { call, feedsOf, openSession, type Tensors } from "./session";
import { openStepper, type Stepper } from "./stepper";

/** What a run tells while it goes. */
export interface TrainEvents {
  progress(step: number, losses: Float32Array, norms: Float32Array): Promise<void>;
  recording(recording: WireRecording): Promise<void>;
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
  private stepper!: Stepper;
  private observe!: Ort.InferenceSession;
  private fixed: Tensors = {};
  private batches: readonly Tensors[] = [];
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
    this.stepper = await openStepper(job, this.ort);
    this.observe = await openSession(job.observe.model, { ...job.provider, name: "cpu" });
    this.fixed = await feedsOf(job.fixed);
    this.batches = await Promise.all(job.observe.batches.map(feedsOf));
  }

  async close(): Promise<void> {
    await (this.stepper as Stepper | undefined)?.close();
    await (this.observe as Ort.InferenceSession | undefined)?.release();
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

  private feeds(from: number, count: number, stacked: boolean): Tensors {
    const name = stacked ? scanInput(INDEX) : INDEX;
    return { ...this.numbers(from, count, stacked), [name]: this.index(count, stacked) };
  }

  /** Runs steps and reports their losses; returns their number. */
  private async advance(from: number, count: number, events: TrainEvents): Promise<number> {
    const start = performance.now();
    const { losses, norms } = await this.stepper.advance(from, count, (at, n, stacked) => this.feeds(at, n, stacked));
    this.pace = Math.max(1e-3, (performance.now() - start) / count);
    await events.progress(from + count, losses, norms);
    return count;
  }

  /** Reports the state, and unless it is the last makes one step to report its gradient as well. */
  private async record(at: number, events: TrainEvents, last: boolean): Promise<void> {
    const { job } = this;
    const state = await this.stepper.copies();
    const observed = await this.look(state);
    const noise = job.noise > 0 ? { noise: await this.estimateNoise(Math.min(at, job.steps - 1)) } : {};
    if (last || !job.gradients) {
      await events.recording({ step: at, state, observed, ...noise });
      return;
    }
    const { gradient, losses, norms } = await this.stepper.single(this.feeds(at, 1, false), true);
    await events.recording({ step: at, state, gradient, after: await this.stepper.copies(), observed, ...noise });
    await events.progress(at + 1, losses, norms);
  }

  /** Loss, accuracy and activity of each run on the fixed batches. */
  private async look(current: Readonly<Record<string, Float32Array>>): Promise<Observed[]> {
    const { job } = this;
    const out: Observed[] = [];
    for (let r = 0; r < job.runs; r++) {
      const state: Tensors = {};
      for (const s of job.layout) {
        if (s.kind !== "parameters" && s.kind !== "statistics") continue;
        const all = current[s.name]!;
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
        const found = await call(this.observe, feeds);
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
      const index = new this.ort.Tensor("int64", data, shape);
      const { gradient } = await this.stepper.single({ ...this.numbers(at, 1, false), [INDEX]: index }, false);
      packs.forEach((s, i) => {
        const g = gradient[s.name]!;
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
