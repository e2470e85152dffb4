/**
 * @file What moves the state of a job on. On the CPU many steps are one call (a Scan), and the state goes round as the
 * runtime's own output arrays. On WebGPU, where tensors can stay on the device between calls, each call is one step whose
 * outputs are the inputs of the next; what is recorded is fetched. Other devices have no such tensors in Node: they run the
 * Scan, which keeps the state inside of one call.
 */
import type * as Ort from "onnxruntime-node";
import { writeOnnx } from "../../frontends/onnx/write";
import type { ElementType, Shape, TensorType } from "../../graph/tensor";
import type { LoadedOrt } from "../../runtime/ort";
import { gradientOf, LOSSES, nextOf, NORMS, scanInput } from "../names";
import type { TrainJob } from "./protocol";
import { call, feedsOf, openSession, type Tensors } from "./session";

/** What one or more steps report, per step and run. */
export interface StepReport {
  readonly losses: Float32Array;
  readonly norms: Float32Array;
}

/** The rows and numbers of steps: of `count` of them stacked (for the Scan), or of one. */
export type StepFeeds = (from: number, count: number, stacked: boolean) => Tensors;

/** See above. */
export interface Stepper {
  /** Runs `count` steps from step `from` on. @throws RuntimeFailure */
  advance(from: number, count: number, feeds: StepFeeds): Promise<StepReport>;
  /**
   * Computes one step; with `keep` it is made. The gradients are those before clipping, by state tensor.
   * @throws RuntimeFailure
   */
  single(feeds: Tensors, keep: boolean): Promise<StepReport & { readonly gradient: Record<string, Float32Array> }>;
  /** The state as it is, copied: runs one behind the other. */
  copies(): Promise<Record<string, Float32Array>>;
  close(): Promise<void>;
}

/** The stepper that suits the job's provider. @throws RuntimeFailure */
export async function openStepper(job: TrainJob, ort: LoadedOrt["ort"]): Promise<Stepper> {
  const state: Tensors = {};
  for (const s of job.layout) {
    const shape = job.replicas > 0 ? [job.replicas, ...s.shape] : [...s.shape];
    state[s.name] = new ort.Tensor("float32", job.state[s.name]!, shape);
  }
  const fixed = await feedsOf(job.fixed);
  return job.provider.name === "webgpu" ? DeviceStepper.open(job, fixed, state) : HostStepper.open(job, fixed, state);
}

const floats = (t: Ort.Tensor | undefined): Float32Array => (t!.data as Float32Array).slice();
const parameterNames = (job: TrainJob): string[] => job.layout.filter((s) => s.kind === "parameters").map((s) => s.name);

/** State in memory; a Scan of many steps, and the step by itself for its gradient. */
class HostStepper implements Stepper {
  private constructor(
    private readonly job: TrainJob,
    private readonly fixed: Tensors,
    private readonly state: Tensors,
    private readonly scan: Ort.InferenceSession,
    private readonly step: Ort.InferenceSession,
  ) {}

  static async open(job: TrainJob, fixed: Tensors, state: Tensors): Promise<HostStepper> {
    const scan = await openSession(job.scan, job.provider);
    return new HostStepper(job, fixed, state, scan, await openSession(job.step, job.provider));
  }

  async advance(from: number, count: number, feeds: StepFeeds): Promise<StepReport> {
    const all: Tensors = { ...this.fixed, ...feeds(from, count, true) };
    for (const [name, value] of Object.entries(this.state)) all[scanInput(name)] = value;
    return this.keep(await call(this.scan, all));
  }

  async single(feeds: Tensors, keep: boolean) {
    const out = await call(this.step, { ...this.fixed, ...this.state, ...feeds });
    const gradient = Object.fromEntries(parameterNames(this.job).map((name) => [name, floats(out[gradientOf(name)])]));
    const report = keep ? this.keep(out) : reportOf(out);
    return { ...report, gradient };
  }

  copies(): Promise<Record<string, Float32Array>> {
    return Promise.resolve(Object.fromEntries(Object.entries(this.state).map(([name, t]) => [name, floats(t)])));
  }

  async close(): Promise<void> {
    await this.scan.release();
    await this.step.release();
  }

  private keep(out: Tensors): StepReport {
    for (const name of Object.keys(this.state)) this.state[name] = out[nextOf(name)]!;
    return reportOf(out);
  }
}

const reportOf = (out: Tensors): StepReport => ({ losses: floats(out[LOSSES]), norms: floats(out[NORMS]) });

/** State, gradients and data in buffers of the device. The runtime's binding returns all outputs of a model or none. */
class DeviceStepper implements Stepper {
  private constructor(
    private readonly job: TrainJob,
    private readonly fixed: Tensors,
    private readonly state: Tensors,
    private readonly sessions: { readonly [name in "step" | "states" | "gradients" | "upload"]: Ort.InferenceSession },
  ) {}

  static async open(job: TrainJob, fixed: Tensors, state: Tensors): Promise<DeviceStepper> {
    const { provider } = job;
    const names = Object.keys(state);
    const parameters = Object.fromEntries(parameterNames(job).map((name) => [gradientOf(name), state[name]!]));
    // Data and frozen parameters go there once; whole numbers are indices, which the runtime reads on the CPU.
    const own = Object.fromEntries(Object.entries(fixed).filter(([, t]) => t.type === "float32"));
    const sessions = {
      step: await openSession(job.step, provider, [...names.map(nextOf), ...Object.keys(parameters)]),
      states: await openSession(copyModel(state), provider),
      gradients: await openSession(copyModel(parameters), provider),
      // Stays open as long as the buffers that come from it.
      upload: await openSession(copyModel(own), provider, Object.keys(own).map(copyOf)),
    };
    const there = await call(sessions.upload, own);
    const resident = Object.fromEntries(Object.keys(own).map((name) => [name, there[copyOf(name)]!]));
    return new DeviceStepper(job, { ...fixed, ...resident }, state, sessions);
  }

  async advance(from: number, count: number, feeds: StepFeeds): Promise<StepReport> {
    const wide = this.job.runs;
    const report = { losses: new Float32Array(count * wide), norms: new Float32Array(count * wide) };
    for (let t = 0; t < count; t++) {
      const out = await this.run(feeds(from + t, 1, false));
      report.losses.set(out[LOSSES]!.data as Float32Array, t * wide);
      report.norms.set(out[NORMS]!.data as Float32Array, t * wide);
      this.settle(out, true);
    }
    return report;
  }

  async single(feeds: Tensors, keep: boolean) {
    const out = await this.run(feeds);
    const names = parameterNames(this.job);
    const found = await call(this.sessions.gradients, Object.fromEntries(names.map((n) => [gradientOf(n), out[gradientOf(n)]!])));
    const gradient = Object.fromEntries(names.map((name) => [name, floats(found[copyOf(gradientOf(name))])]));
    const report = reportOf(out);
    this.settle(out, keep);
    return { ...report, gradient };
  }

  async copies(): Promise<Record<string, Float32Array>> {
    const out = await call(this.sessions.states, this.state);
    return Object.fromEntries(Object.keys(this.state).map((name) => [name, floats(out[copyOf(name)])]));
  }

  async close(): Promise<void> {
    for (const t of [...Object.values(this.state), ...Object.values(this.fixed)]) t.dispose();
    for (const session of Object.values(this.sessions)) await session.release();
  }

  private run(feeds: Tensors): Promise<Tensors> {
    return call(this.sessions.step, { ...this.fixed, ...this.state, ...feeds });
  }

  /** The new state takes the place of the old one, or is dropped; buffers that nobody needs are freed. */
  private settle(out: Tensors, keep: boolean): void {
    for (const name of Object.keys(this.state)) {
      const next = out[nextOf(name)]!;
      (keep ? this.state[name]! : next).dispose();
      if (keep) this.state[name] = next;
    }
    for (const name of parameterNames(this.job)) out[gradientOf(name)]!.dispose();
  }
}

const copyOf = (name: string): string => `copy:${name}`;

/** A model that returns its inputs: what brings tensors to a device and back, for which Node has no call. */
function copyModel(tensors: Tensors): Uint8Array {
  const entries = Object.entries(tensors).map(([name, t]) => ({
    name,
    type: t.type as ElementType,
    shape: [...t.dims] as Shape,
  }));
  const types = new Map<string, TensorType>();
  for (const { name, type, shape } of entries) for (const value of [name, copyOf(name)]) types.set(value, { type, shape });
  return writeOnnx({
    name: "copy",
    opset: 21,
    inputs: entries,
    outputs: entries.map((e) => copyOf(e.name)),
    nodes: entries.map(({ name }) => ({
      name: copyOf(name),
      operator: "Identity",
      domain: "",
      inputs: [name],
      outputs: [copyOf(name)],
      attributes: {},
      origin: {},
    })),
    parameters: new Map(),
    constants: new Map(),
    types,
  });
}
