/**
 * @file Runs models in ONNX Runtime: in a child process that can be killed at any moment (the editor), or in this process
 * (the command line, where blocking is harmless and the child's start would cost more than the run).
 */
import type { Tensor } from "../graph/tensor";
import { ChildProcess } from "./child";
import { OrtSession, RuntimeFailure } from "./ort";
import type { SessionOptions, WireTensors } from "./protocol";
import { fromWire, toWire } from "./values";

export { RuntimeFailure } from "./ort";

/** Named tensors. */
export type Feeds = ReadonlyMap<string, Tensor>;

/** A run was cancelled by its signal. */
export class RunCancelled extends Error {
  constructor() {
    super("the run was cancelled");
    this.name = "RunCancelled";
  }
}

/** What a run may be given. */
export interface RunOptions {
  /** Cancels the run: a child process is killed at once; in this process the run ends first. */
  readonly signal?: AbortSignal;
}

/** A model that is loaded. */
export interface RunnerSession {
  /**
   * Keeps tensors for all later runs, which may override them by name. In this process without a copy: what is written into
   * their arrays later counts for later runs. A child process has copies.
   */
  bind(tensors: WireTensors, options?: RunOptions): Promise<void>;
  /**
   * Runs the model once and returns its outputs by name.
   * @throws RuntimeFailure, RunCancelled
   */
  run(feeds: Feeds, options?: RunOptions): Promise<Map<string, Tensor>>;
  close(): Promise<void>;
}

/** Runs models. */
export interface Runner {
  readonly kind: "child" | "in-process";
  /**
   * Loads a model.
   * @throws RuntimeFailure, RunCancelled
   */
  open(model: Uint8Array, options?: RunOptions & Partial<SessionOptions>): Promise<RunnerSession>;
  /** Loads a model, runs it once and drops it. */
  run(model: Uint8Array, feeds: Feeds, options?: RunOptions & Partial<SessionOptions>): Promise<Map<string, Tensor>>;
  /** Ends the child process; the runner must not be used afterwards. */
  dispose(): void;
}

/** How a runner is made. */
export interface RunnerOptions {
  /** Where models run; "child" by default. */
  readonly kind?: "child" | "in-process";
  /** The child's entry; by default worker.js (or worker.ts when run from source) beside this module. */
  readonly workerPath?: string;
}

/** Sessions for a few runs of a small model: little optimisation, one thread. */
const DEFAULTS: SessionOptions = { optimization: "basic", threads: 1 };

/** Makes a runner. Nothing is loaded or started before the first model. */
export function createRunner(options: RunnerOptions = {}): Runner {
  return options.kind === "in-process" ? new InProcessRunner() : new ChildRunner(options.workerPath);
}

function encode(feeds: Feeds): WireTensors {
  const out: WireTensors = {};
  for (const [name, tensor] of feeds) out[name] = toWire(tensor);
  return out;
}

function decode(outputs: WireTensors): Map<string, Tensor> {
  return new Map(Object.entries(outputs).map(([name, wire]) => [name, fromWire(wire)]));
}

function sessionOptions(options: Partial<SessionOptions>): SessionOptions {
  return { optimization: options.optimization ?? DEFAULTS.optimization, threads: options.threads ?? DEFAULTS.threads };
}

/** What both runners do alike. */
abstract class BaseRunner implements Runner {
  abstract readonly kind: "child" | "in-process";
  abstract open(model: Uint8Array, options?: RunOptions & Partial<SessionOptions>): Promise<RunnerSession>;
  abstract dispose(): void;

  async run(model: Uint8Array, feeds: Feeds, options: RunOptions & Partial<SessionOptions> = {}): Promise<Map<string, Tensor>> {
    const session = await this.open(model, options);
    try {
      return await session.run(feeds, options);
    } finally {
      await session.close();
    }
  }
}

class InProcessRunner extends BaseRunner {
  readonly kind = "in-process";

  async open(model: Uint8Array, options: RunOptions & Partial<SessionOptions> = {}): Promise<RunnerSession> {
    check(options.signal);
    const session = await OrtSession.open(model, sessionOptions(options));
    return {
      bind: async (tensors) => session.bind(tensors),
      run: async (feeds, run = {}) => {
        check(run.signal);
        const outputs = decode(await session.run(encode(feeds)));
        check(run.signal);
        return outputs;
      },
      close: () => session.close(),
    };
  }

  dispose(): void {}
}

function check(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new RunCancelled();
}

/** Models in a child process. A model survives its process: it is loaded again into the next one when it is needed. */
class ChildRunner extends BaseRunner {
  readonly kind = "child";
  private child: ChildProcess | undefined;
  private sessions = 0;
  private disposed = false;
  /** Requests go to the child one after the other, so that killing it hits only the request that asked for it. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(private readonly workerPath: string | undefined) {
    super();
  }

  async open(model: Uint8Array, options: RunOptions & Partial<SessionOptions> = {}): Promise<RunnerSession> {
    const session = ++this.sessions;
    const settings = sessionOptions(options);
    const bound: WireTensors = {};
    /** The child that has the model. */
    let home: ChildProcess | undefined;
    const settle = async (child: ChildProcess): Promise<void> => {
      if (home === child) return;
      await child.request({ kind: "open", session, model, options: settings });
      if (Object.keys(bound).length > 0) await child.request({ kind: "bind", session, feeds: bound });
      home = child;
    };
    await this.exclusive(options.signal, settle);
    return {
      bind: (tensors, run = {}) =>
        this.exclusive(run.signal, async (child) => {
          await settle(child);
          await child.request({ kind: "bind", session, feeds: tensors });
          Object.assign(bound, tensors);
        }),
      run: (feeds, run = {}) =>
        this.exclusive(run.signal, async (child) => {
          await settle(child);
          return decode((await child.request({ kind: "run", session, feeds: encode(feeds) })) ?? {});
        }),
      close: async () => {
        const child = home;
        home = undefined;
        if (this.disposed || child === undefined || child !== this.child || !child.alive) return;
        await this.exclusive(undefined, async (current) => {
          if (current === child) await child.request({ kind: "close", session });
        });
      },
    };
  }

  dispose(): void {
    this.disposed = true;
    this.child?.kill();
    this.child = undefined;
  }

  /** Waits for its turn, then works with a living child; the signal kills that child. */
  private exclusive<T>(signal: AbortSignal | undefined, work: (child: ChildProcess) => Promise<T>): Promise<T> {
    const turn = this.queue.then(async () => {
      check(signal);
      if (this.disposed) throw new RuntimeFailure("unavailable", "the runner was disposed");
      if (!this.child?.alive) this.child = new ChildProcess(this.workerPath);
      const child = this.child;
      const cancel = (): void => child.kill();
      signal?.addEventListener("abort", cancel, { once: true });
      try {
        return await work(child);
      } catch (error) {
        if (signal?.aborted) throw new RunCancelled();
        throw error;
      } finally {
        signal?.removeEventListener("abort", cancel);
      }
    });
    this.queue = turn.catch(() => {});
    return turn;
  }
}
