/**
 * @file The probe: trains a network for a few hundred steps, several replicas and settings, in processes of their own, and
 * hands back trajectories.
 */
import os from "node:os";
import { RunCancelled } from "../runtime";
import { findBlock } from "./blocked";
import { assemble } from "./assemble";
import { type CachedProbe, readCache, requestKey, writeCache } from "./cache";
import { stepSeconds } from "./cost";
import type { DataSet } from "./data/dataset";
import { provideData } from "./data/provide";
import { groupRuns, JobMaker, type Run } from "./jobs";
import { Ledger } from "./ledger";
import { INDEX } from "./names";
import { openObjective } from "./objective";
import { DEFAULTS, dataOf, type Plan, planProbe, recordingSteps } from "./plan";
import { chooseProvider, type ProviderChoice, type SelfCheck } from "./providers";
import type { Objective, ProbeOptions, ProbeRequest, ProbeResult } from "./types";
import { Variant } from "./variant";
import { ProbeProcesses } from "./worker/process";

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
    const plan = planProbe(request, this.count);
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
    const plan = planProbe(request, this.count);
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
