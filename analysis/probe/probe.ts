/**
 * @file The probe: trains a network for a few hundred steps, several replicas and settings, in processes of their own, and
 * hands back trajectories.
 */
import os from "node:os";
import type { Graph } from "../graph/graph";
import { RunCancelled } from "../runtime";
import type { Trajectory } from "../dynamics/trajectory";
import { anchorsOf } from "./anchors";
import { findBlock } from "./blocked";
import { type CachedProbe, type RawRun, readCache, requestKey, writeCache } from "./cache";
import { stepSeconds } from "./cost";
import type { DataSet } from "./data/dataset";
import { provideData } from "./data/provide";
import { asFloat32 } from "./float32";
import { groupRuns, JobMaker, type PlannedJob, type Run } from "./jobs";
import { type CompactRecording, recordingOf } from "./memory";
import { INDEX } from "./names";
import { openObjective } from "./objective";
import { optimiserSlots, scheduleFactor } from "./optimiser";
import { chooseProvider, type ProviderChoice, type SelfCheck } from "./providers";
import { shrink, type TwinWidth } from "./shrink";
import type { Objective, ProbeOptions, ProbeRequest, ProbeResult, ProbeSetting } from "./types";
import { Variant } from "./variant";
import { ProbeProcesses } from "./worker/process";
import type { StateLayout, WireRecording } from "./worker/protocol";

const DEFAULTS = { seconds: 60, bytes: 2 * 2 ** 30, recordings: 11 } as const;
/** Milliseconds of one call of the runtime: progress comes that often, and cancelling never waits for it. */
const CHUNK = 150;

/** How a prober is made. */
export interface ProberOptions {
  /** Entry of the process that trains; by default probe.js (or worker/main.ts when run from source) beside this module. */
  readonly entry?: string;
  /** Processes that train at once; one per core by default. */
  readonly processes?: number;
}

/** Runs probes, and keeps a process warm for the next one. */
export class Prober {
  private readonly processes: ProbeProcesses;
  private readonly count: number;
  /** Found once, when the first network with convolutions trains. */
  private block: Promise<number | undefined> | undefined;

  constructor(options: ProberOptions = {}) {
    this.processes = new ProbeProcesses(options.entry);
    this.count = options.processes ?? Math.max(1, os.availableParallelism());
  }

  /** Starts a process ahead of time. */
  warm(): void {
    this.processes.warm();
  }

  /**
   * Trains and records.
   * @throws RunCancelled when the signal says so (processes are killed at once), RuntimeFailure when ONNX Runtime cannot run
   *   the training or the device that was asked for cannot be used, GradientError when an operator has no gradient,
   *   DataError when the user's data do not fit
   */
  async probe(request: ProbeRequest, options: ProbeOptions = {}): Promise<ProbeResult> {
    if (request.settings.length === 0) throw new RangeError("a probe needs at least one setting");
    if (!(request.steps >= 1) || !(request.replicas >= 1))
      throw new RangeError("a probe needs at least one step and one replica");
    if (options.signal?.aborted) throw new RunCancelled();
    const started = performance.now();
    const plan = this.plan(request);
    const key = request.cache === undefined ? undefined : requestKey(request);
    const known = key === undefined ? undefined : readCache(request.cache!, key);
    const [first] = plan.runs as [Run];
    options.onPlan?.({
      graph: first.variant.graph,
      parameters: first.variant.cost.parameters,
      settings: plan.settings,
      ...(plan.twin ? { twin: plan.twin } : {}),
    });
    if (known) return assemble(request, plan, known, true);
    const taken = new Taken(this.processes);
    const cancel = () => taken.killAll();
    options.signal?.addEventListener("abort", cancel, { once: true });
    try {
      const raw = await this.train(request, plan, options, taken, started);
      const result = { ...raw, seconds: (performance.now() - started) / 1000 };
      if (key !== undefined && raw.complete) writeCache(request.cache!, key, result);
      return assemble(request, plan, result, false);
    } catch (error) {
      // One of them failed; others may be on their way out as well.
      taken.killAll();
      if (options.signal?.aborted) throw new RunCancelled();
      throw error;
    } finally {
      options.signal?.removeEventListener("abort", cancel);
      taken.release();
    }
  }

  /**
   * The loss of one of a request's settings (the first by default) as a function of the parameters, on a fixed large part of
   * its training data. Parameters are those of what `probe` trains for the same request. Dispose it after use. When the signal
   * is aborted its process is killed, so that evaluations fail at once.
   */
  async objective(
    request: ProbeRequest,
    batches = 8,
    setting = request.settings[0]?.name,
    signal?: AbortSignal,
  ): Promise<Objective> {
    const plan = this.plan(request);
    const run = plan.runs.find((r) => r.setting.name === setting);
    if (!run) throw new RangeError(`the request has no setting ${setting}`);
    if (signal?.aborted) throw new RunCancelled();
    const worker = this.processes.take();
    const cancel = () => worker.kill();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      const data = await provideData(run.variant, dataOf(request, plan), request.seed, () => worker);
      const maker = new JobMaker({
        provider: { name: "cpu", threads: this.count },
        steps: 1,
        recordAt: [0, 1],
        gradients: true,
        noise: false,
        chunk: CHUNK,
        limit: Number.POSITIVE_INFINITY,
        data: () => data,
      });
      const planned = maker.make([run]);
      const count = Math.max(1, Math.min(batches, Math.floor(data.training / run.variant.rows)));
      return await openObjective(planned, worker, count, () => {
        signal?.removeEventListener("abort", cancel);
        this.processes.give(worker);
      });
    } catch (error) {
      worker.kill();
      signal?.removeEventListener("abort", cancel);
      throw signal?.aborted ? new RunCancelled() : error;
    }
  }

  private async blockOf(taken: Taken): Promise<number | undefined> {
    try {
      return await (this.block ??= findBlock(taken.first()));
    } catch (error) {
      // A processor on which the check ends the process does without; a probe that was cancelled has found out nothing.
      this.block = taken.isOver ? undefined : Promise.resolve(undefined);
      throw error;
    }
  }

  dispose(): void {
    this.processes.dispose();
  }

  /** Networks, runs and whether twins stand in. */
  private plan(request: ProbeRequest): Plan {
    const device = request.device === "auto" || request.device === "cpu" ? "cpu" : request.device;
    const portable = device !== "cpu";
    const seconds = request.budget?.seconds ?? DEFAULTS.seconds;
    const bytes = request.budget?.bytes ?? DEFAULTS.bytes;
    const total = request.steps * request.replicas * request.settings.length;
    const share = Math.min(this.count, request.replicas * request.settings.length);
    const notes: string[] = [];
    const time = (v: Variant) => (stepSeconds(v.cost) * total) / share;
    const memory = (v: Variant) => memoryOf(v, request) * share;
    const affordable = (v: Variant) => time(v) <= seconds && memory(v) <= bytes;
    const make = (graph: Graph, setting: ProbeSetting) =>
      new Variant(graph, Math.max(1, setting.training.batchSize), request.loss, portable);
    let twin: Plan["twin"];
    const variants = new Map<Graph, Map<number, Variant>>();
    let width: TwinWidth | undefined;
    const variantOf = (setting: ProbeSetting): Variant => {
      const graph = setting.graph ?? request.graph;
      const byBatch = variants.get(graph) ?? new Map<number, Variant>();
      variants.set(graph, byBatch);
      const size = setting.training.batchSize;
      const known = byBatch.get(size);
      if (known) return known;
      let variant = make(asFloat32(graph), setting);
      const wanted = request.budget?.twin ?? (twin !== undefined || !affordable(variant));
      if (wanted) {
        const full = variant;
        const whole = full.cost.parameters;
        const small = shrink(asFloat32(graph), size, (g) => affordable(make(g, setting)), width);
        if ("reason" in small)
          notes.push(`the model is trained at full size, whatever it costs: it has no twin (${small.reason})`);
        else {
          variant = make(small.graph, setting);
          // What is compared has to have the same widths.
          width ??= small.width;
          const reason =
            request.budget?.twin === true
              ? "its twin was asked for"
              : time(full) > seconds
                ? `${total} steps of the model would take about ${Math.round(time(full))} s, more than the ${seconds} s of the budget`
                : `the model would take about ${(memory(full) / 2 ** 30).toFixed(1)} GiB, more than the ${(bytes / 2 ** 30).toFixed(1)} GiB of the budget`;
          twin ??= { reason, originalParameters: whole, notes: small.notes };
        }
      }
      byBatch.set(size, variant);
      return variant;
    };
    const runs: Run[] = [];
    const settings: ProbeSetting[] = [];
    for (const asked of request.settings) {
      const variant = variantOf(asked);
      if (twin && (asked.initial || asked.reparametrisation)) {
        throw new RangeError(
          `${asked.name} gives values for the parameters of the model itself, which is too large to be trained: raise the budget`,
        );
      }
      const setting: ProbeSetting = {
        ...asked,
        ...(asked.graph ? { graph: variant.graph } : {}),
        ...(asked.anchors ? { reparametrisation: anchorsOf(variant.graph, asked.anchors) } : {}),
      };
      settings.push(setting);
      for (let replica = 0; replica < request.replicas; replica++) {
        runs.push({ setting, variant, replica, seed: replicaSeed(request.seed, replica) });
      }
    }
    return { runs, settings, twin, notes: [...notes, ...(runs[0]?.variant.notes ?? [])] };
  }

  private async train(
    request: ProbeRequest,
    plan: Plan,
    options: ProbeOptions,
    taken: Taken,
    started: number,
  ): Promise<CachedProbe & { readonly complete: boolean }> {
    const notes = [...plan.notes];
    const tell = (text: string) => options.onProgress?.({ kind: "note", step: 0, steps: request.steps, text });
    options.onProgress?.({ kind: "started", step: 0, steps: request.steps });
    const data = new Map<Variant, DataSet>();
    for (const { variant } of plan.runs) {
      if (data.has(variant)) continue;
      data.set(variant, await provideData(variant, dataOf(request, plan), request.seed, () => taken.first()));
    }
    const [first] = plan.runs as [Run];
    if (plan.twin && request.data.kind !== "synthetic")
      notes.push("the twin has other input sizes, so it was trained on made-up data");
    const choice = await this.choose(request, first, data);
    const isWasm = choice.provider === "cpu" && (await taken.first().warm()) === "wasm";
    const device = isWasm ? inWebAssembly(choice) : { device: choice.provider, trials: choice.trials };
    options.onDevice?.(device.device, device.trials);
    const count = choice.provider === "cpu" ? this.count : 1;
    const groups = groupRuns(plan.runs, count, choice.provider);
    const processes = Math.min(count, groups.length);
    const seconds = request.budget?.seconds ?? DEFAULTS.seconds;
    const hasConvolutions = plan.runs.some((run) => run.variant.trainable.graph.nodes.some((n) => n.operator === "Conv"));
    const maker = new JobMaker({
      provider: { name: choice.provider, threads: Math.max(1, Math.floor(count / processes)) },
      block: hasConvolutions && choice.provider === "cpu" && !isWasm ? await this.blockOf(taken) : undefined,
      steps: request.steps,
      recordAt: recordingSteps(request, plan, notes),
      gradients: request.recordGradients ?? true,
      noise: request.recordNoise ?? true,
      chunk: CHUNK,
      limit: (seconds * 1000 - (performance.now() - started)) / Math.ceil(groups.length / processes),
      data: (variant) => data.get(variant)!,
    });
    const ledger = new Ledger(plan.runs, request.steps, options);
    const queue = [...groups];
    let complete = true;
    const work = async (k: number): Promise<void> => {
      for (let group = queue.shift(); group; group = queue.shift()) {
        const planned = maker.make(group);
        const done = await taken.get(k).train(planned.job, ledger.events(planned));
        if (done < request.steps) {
          complete = false;
          tell(`the time budget of ${seconds} s ended ${group.length} runs after ${done} of ${request.steps} steps`);
          notes.push(`the time budget of ${seconds} s ended runs after ${done} of ${request.steps} steps`);
        }
      }
    };
    await Promise.all(Array.from({ length: processes }, (_, k) => work(k)));
    const set = data.get(first.variant)!;
    return {
      runs: ledger.finish(),
      device: {
        ...device,
        processes,
        batched: Math.max(...groups.map((g) => g.length)),
      },
      data: { description: set.description, examples: set.examples },
      notes: [...new Set([...notes, ...set.notes])],
      seconds: 0,
      complete,
    };
  }

  private choose(request: ProbeRequest, run: Run, data: ReadonlyMap<Variant, DataSet>): Promise<ProviderChoice> {
    const check = (): SelfCheck => {
      // The check is the very step that is to be trained.
      const variant = new Variant(run.variant.graph, run.variant.batch, request.loss, true);
      const maker = new JobMaker({
        provider: { name: "cpu", threads: 1 },
        steps: 1,
        recordAt: [0, 1],
        gradients: false,
        noise: false,
        chunk: CHUNK,
        limit: 1000,
        data: () => data.get(run.variant)!,
      });
      const { job } = maker.make([{ ...run, variant }]);
      const feeds = { ...job.fixed };
      for (const s of job.layout) feeds[s.name] = { type: "float32", shape: s.shape, data: job.state[s.name]! };
      const rows = variant.batching === "rows" ? variant.batch : 1;
      feeds[INDEX] = {
        type: "int64",
        shape: variant.batching === "rows" ? [rows] : [],
        data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i)),
      };
      for (const [name, all] of Object.entries(job.numbers)) feeds[name] = { type: "float32", shape: [], data: all.slice(0, 1) };
      return { model: job.step, feeds };
    };
    return chooseProvider(request.device, stepSeconds(run.variant.cost), check, this.processes);
  }
}

/** The report of a device where the CPU's part is played by WebAssembly. */
function inWebAssembly({ trials }: ProviderChoice): Pick<ProbeResult["device"], "device" | "trials"> {
  const reason = `ONNX Runtime has no native library for ${process.platform}-${process.arch} here`;
  return {
    device: "wasm",
    trials: [
      ...trials.filter((t) => t.provider !== "cpu"),
      { provider: "cpu", outcome: "unavailable", reason },
      { provider: "wasm", outcome: "used", reason: "its WebAssembly build computes the same, more slowly" },
    ],
  };
}

/** Runs to train, and what is to be said of them. */
interface Plan {
  readonly runs: readonly Run[];
  /** As they are trained. */
  readonly settings: readonly ProbeSetting[];
  readonly twin: ProbeResult["twin"] | undefined;
  readonly notes: readonly string[];
}

/** The user's data do not fit a twin. */
function dataOf(request: ProbeRequest, plan: Plan): ProbeRequest["data"] {
  return plan.twin && request.data.kind !== "synthetic" ? { kind: "synthetic" } : request.data;
}

/** Seeds of replicas are far apart, and the same for all settings. */
function replicaSeed(seed: number, replica: number): number {
  return (Math.imul(seed + 1, 0x9e3779b1) + Math.imul(replica + 1, 0x85ebca6b)) | 0;
}

/** Bytes that one run takes while it trains: state, gradients, values that the backward pass reads, a few recordings. */
function memoryOf(variant: Variant, request: ProbeRequest): number {
  const { parameters, bytes } = variant.cost;
  const slots = 3 + Math.max(...request.settings.map((s) => optimiserSlots(s.training).length));
  return 4 * parameters * (slots + 6) + 2 * bytes;
}

/** Which steps are recorded: evenly spaced, the first and the last among them, as many as memory holds. */
function recordingSteps(request: ProbeRequest, plan: Plan, notes: string[]): number[] {
  const wanted = Math.max(2, request.recordings ?? DEFAULTS.recordings);
  const [first] = plan.runs as [Run];
  const slots = 1 + optimiserSlots(first.setting.training).length;
  const perRecording = 4 * first.variant.cost.parameters * ((request.recordGradients ?? true) ? 2 * slots + 1 : slots);
  const bytes = (request.budget?.bytes ?? DEFAULTS.bytes) / 2;
  const most = Math.max(2, Math.floor(bytes / Math.max(1, perRecording * plan.runs.length)));
  const count = Math.min(wanted, most, request.steps + 1);
  if (count < Math.min(wanted, request.steps + 1))
    notes.push(`${count} states are recorded instead of ${wanted}, for lack of memory`);
  return [...new Set(Array.from({ length: count }, (_, k) => Math.round((k * request.steps) / (count - 1))))];
}

/** The processes of one probe. */
class Taken {
  private readonly list: (ReturnType<ProbeProcesses["take"]> | undefined)[] = [];
  isOver = false;

  constructor(private readonly pool: ProbeProcesses) {}

  first() {
    return this.get(0);
  }

  get(k: number) {
    if (this.isOver) throw new RunCancelled();
    return (this.list[k] ??= this.pool.take());
  }

  killAll(): void {
    this.isOver = true;
    for (const p of this.list) p?.kill();
  }

  /** One process stays warm for the next probe. */
  release(): void {
    for (const p of this.list) if (p) this.pool.give(p);
    this.list.length = 0;
  }
}

/** What runs have done so far. */
class Ledger {
  private readonly raw: {
    losses: number[];
    norms: number[];
    recordings: CompactRecording[];
    evaluation?: RawRun["evaluation"];
  }[];
  private readonly done: number[];

  constructor(
    private readonly runs: readonly Run[],
    private readonly steps: number,
    private readonly options: ProbeOptions,
  ) {
    this.raw = runs.map(() => ({ losses: [], norms: [], recordings: [] }));
    this.done = runs.map(() => 0);
  }

  /** Takes in what a job tells. */
  events({ runs, job, layout, frozen }: PlannedJob) {
    const places = runs.map((run) => this.runs.indexOf(run));
    return {
      progress: (step: number, losses: Float32Array, norms: Float32Array) => {
        const count = losses.length / runs.length;
        const points = places.map((place, r) => {
          const own = this.raw[place]!;
          let sum = 0;
          for (let t = 0; t < count; t++) {
            own.losses.push(losses[t * runs.length + r]!);
            own.norms.push(norms[t * runs.length + r]!);
            sum += losses[t * runs.length + r]!;
          }
          this.done[place] = step;
          const { setting, replica } = runs[r]!;
          return { setting: setting.name, replica, step, loss: sum / count };
        });
        this.options.onProgress?.({ kind: "point", step: Math.min(...this.done), steps: this.steps, points });
      },
      recording: (recording: WireRecording) => {
        places.forEach((place, r) => {
          const { setting, replica } = runs[r]!;
          const own = compact(recording, job.layout, r, setting, this.steps);
          this.raw[place]!.recordings.push(own);
          const { loss, accuracy } = recording.observed[r]!;
          const evaluation = { loss, ...(accuracy === undefined ? {} : { accuracy }) };
          this.raw[place]!.evaluation = evaluation;
          this.options.onRecording?.({ setting: setting.name, replica }, recordingOf(own, layout, frozen), evaluation);
        });
      },
    };
  }

  finish(): RawRun[] {
    return this.runs.map((run, i): RawRun => {
      const { losses, norms, recordings, evaluation } = this.raw[i]!;
      return {
        setting: run.setting.name,
        replica: run.replica,
        seed: run.seed,
        losses: Float64Array.from(losses),
        norms: Float64Array.from(norms),
        recordings,
        evaluation,
      };
    });
  }
}

/** One run's part of a recording. */
function compact(
  wire: WireRecording,
  layout: readonly StateLayout[],
  r: number,
  setting: ProbeSetting,
  steps: number,
): CompactRecording {
  const size = new Map(layout.map((s) => [s.name, s.size]));
  const part = (values: Readonly<Record<string, Float32Array>>) =>
    Object.fromEntries(
      Object.entries(values).map(([name, all]) => {
        const n = size.get(name)!;
        return [name, all.length === n ? all : all.slice(r * n, (r + 1) * n)];
      }),
    );
  const { training } = setting;
  return {
    step: wire.step,
    learningRate: training.learningRate * scheduleFactor(training.schedule, Math.min(wire.step, steps - 1), steps),
    state: part(wire.state),
    ...(wire.gradient ? { gradient: part(wire.gradient) } : {}),
    ...(wire.after ? { after: part(wire.after) } : {}),
    activity: wire.observed[r]!.activity,
    ...(wire.noise ? { noise: wire.noise[r]! } : {}),
  };
}

/** The result from what was trained or cached. */
function assemble(request: ProbeRequest, plan: Plan, raw: CachedProbe, cached: boolean): ProbeResult {
  const [first] = plan.runs as [Run];
  const runs = raw.runs.map((r, i): Trajectory => {
    const { variant } = plan.runs[i]!;
    const shared =
      r.recordings[0] !== undefined && variant.layout(true).parameters.every((p) => p.name in r.recordings[0]!.state);
    const layout = variant.layout(shared);
    const frozen = new Map(
      layout.frozen.flatMap((name) => {
        const value = variant.graph.parameters.get(name)?.read?.()?.data;
        return value ? [[name, value] as const] : [];
      }),
    );
    const diverged = r.losses.findIndex((l) => !Number.isFinite(l));
    return {
      setting: r.setting,
      replica: r.replica,
      seed: r.seed,
      losses: r.losses,
      gradientNorms: r.norms,
      recordings: r.recordings.map((c) => recordingOf(c, layout, frozen)),
      ...(r.evaluation ? { evaluation: r.evaluation } : {}),
      ...(diverged < 0 ? {} : { divergedAt: diverged }),
    };
  });
  return {
    graph: first.variant.graph,
    parameters: first.variant.cost.parameters,
    ...(plan.twin ? { twin: plan.twin } : {}),
    loss: first.variant.loss.kind,
    settings: plan.settings,
    data: raw.data,
    runs,
    device: raw.device,
    steps: request.steps,
    seed: request.seed,
    notes: raw.notes,
    seconds: raw.seconds,
    cached,
  };
}
