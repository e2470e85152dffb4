/**
 * @file One child process that analyses, with a queue in front of it. Analysis blocks its event loop and may crash or
 * hang, so it never runs in the server's own process; killing the child is the way to stop it.
 */
import { fork, type ChildProcess } from "node:child_process";
import type { DocumentAnalysis } from "../protocol";
import type { AnalysisCall, LayoutCall, WorkerReply, WorkerRequest } from "./messages";

/** How to start the process: a module that calls `serveAnalysis`. */
export interface WorkerModule {
  readonly path: string;
  /** Flags for Node, for example a loader when running from source. */
  readonly execArgv?: readonly string[];
}

/** An analysis that broke off. The server goes on, and so does a new process. */
export class AnalysisFailure extends Error {
  override readonly name = "AnalysisFailure";
  constructor(
    /** error: the service threw; crash: the process ended; timeout: it was ended because it took too long. */
    readonly kind: "error" | "crash" | "timeout",
    message: string,
    /** For the log: a stack, or the last that the process wrote to its standard error. */
    readonly detail?: string,
  ) {
    super(message);
  }
}

/** What the last call of a job answers. */
export type Answer = Extract<WorkerReply, { readonly kind: "result" }>["result"];

/** What to do, and within which limits. */
export interface Job {
  /** Answered one after the other; the last answer is the job's result. */
  readonly calls: readonly (AnalysisCall | LayoutCall)[];
  readonly signal: AbortSignal;
  /** Milliseconds from the moment that the process takes it up. */
  readonly timeLimit: number;
}

interface QueuedJob extends Job {
  readonly resolve: (result: Answer) => void;
  readonly reject: (reason: unknown) => void;
  next: number;
}

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 30_000;
const KEPT_STDERR = 4_000;

/** A queue of jobs on one process, which is started at need and again after each end, with growing pauses after crashes. */
export class AnalysisProcess {
  readonly #module: WorkerModule;
  readonly #grace: number;
  #queue: QueuedJob[] = [];
  #current: QueuedJob | undefined;
  #child: ChildProcess | undefined;
  #ready = false;
  #stderr = "";
  #timer: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #crashes = 0;
  #messageId = 0;
  #disposed = false;

  /**
   * `grace`: milliseconds that an aborted job may go on before the process is ended. Mostly a job ends by itself, and its
   * result is dropped; that costs less than a new process, and keeps what the process has learnt.
   */
  constructor(module: WorkerModule, options: { readonly grace: number }) {
    this.#module = module;
    this.#grace = options.grace;
  }

  /** Starts the process ahead of the first job. */
  warmUp(): void {
    if (!this.#disposed && !this.#child && !this.#restart) this.#start();
  }

  /** Resolves with what the last call answers, which the caller knows the kind of. Rejects with `AnalysisFailure`, or with the signal's reason once that is aborted. */
  run<R extends Answer = DocumentAnalysis>(job: Job): Promise<R> {
    return new Promise<Answer>((resolve, reject) => {
      if (job.signal.aborted) return reject(job.signal.reason);
      if (this.#disposed) return reject(new AnalysisFailure("crash", "the analysis host is closed"));
      const abort = (): void => this.#abort(queued);
      const queued: QueuedJob = {
        ...job,
        next: 0,
        resolve: (result) => {
          job.signal.removeEventListener("abort", abort);
          resolve(result);
        },
        reject: (reason) => {
          job.signal.removeEventListener("abort", abort);
          reject(reason);
        },
      };
      job.signal.addEventListener("abort", abort);
      this.#queue.push(queued);
      this.#advance();
    }) as Promise<R>;
  }

  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#restart);
    const left = this.#current ? [this.#current, ...this.#queue] : this.#queue;
    this.#queue = [];
    this.#current = undefined;
    this.#stop();
    for (const job of left) job.reject(new AnalysisFailure("crash", "the analysis host is closed"));
  }

  #advance(): void {
    if (this.#current || this.#queue.length === 0 || this.#disposed || this.#restart) return;
    if (!this.#child) this.#start();
    if (!this.#ready) return;
    const job = this.#queue.shift()!;
    this.#current = job;
    this.#timer = setTimeout(() => this.#tooLong(job), job.timeLimit);
    this.#send(job);
  }

  #send(job: QueuedJob): void {
    const request: WorkerRequest = { id: ++this.#messageId, ...job.calls[job.next]! };
    job.next++;
    // A failed send means that the process is going down; its exit is what counts.
    this.#child?.send(request, () => {});
  }

  #start(): void {
    this.#stderr = "";
    this.#ready = false;
    const child = fork(this.#module.path, [], {
      execArgv: [...(this.#module.execArgv ?? [])],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child = child;
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-KEPT_STDERR);
    });
    child.on("message", (reply: WorkerReply) => {
      if (child === this.#child) this.#receive(reply);
    });
    child.on("error", (error) => {
      if (child === this.#child) this.#ended(`cannot run ${this.#module.path}: ${error.message}`);
    });
    child.on("exit", (code, signal) => {
      if (child === this.#child) this.#ended(`the analysis process ended (${signal ?? `code ${code}`})`);
    });
  }

  #receive(reply: WorkerReply): void {
    if (reply.kind === "ready") {
      this.#ready = true;
      return this.#advance();
    }
    const job = this.#current;
    if (!job || reply.id !== this.#messageId) return;
    if (reply.kind === "result" && job.next < job.calls.length && !job.signal.aborted) return this.#send(job);
    this.#crashes = 0;
    this.#finish();
    if (reply.kind === "result") job.resolve(reply.result);
    else job.reject(new AnalysisFailure("error", reply.error.message, reply.error.stack));
    this.#advance();
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.#current = undefined;
  }

  #ended(message: string): void {
    this.#child = undefined;
    this.#ready = false;
    const job = this.#current;
    this.#finish();
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#crashes++);
    if (!this.#disposed) {
      this.#restart = setTimeout(() => {
        this.#restart = undefined;
        this.#advance();
      }, pause);
    }
    const failure = new AnalysisFailure("crash", message, this.#stderr.trim() || undefined);
    if (job) job.reject(failure);
    // A process that cannot even start must not leave its callers waiting for ever.
    else for (const waiting of this.#queue.splice(0)) waiting.reject(failure);
  }

  #tooLong(job: QueuedJob): void {
    this.#stop();
    this.#finish();
    job.reject(new AnalysisFailure("timeout", `no result after ${job.timeLimit / 1000} s; the analysis was ended`));
    this.#advance();
  }

  #abort(job: QueuedJob): void {
    const waiting = this.#queue.indexOf(job);
    if (waiting >= 0) this.#queue.splice(waiting, 1);
    job.reject(job.signal.reason);
    if (job === this.#current) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#tooLong(job), this.#grace);
    }
  }

  /** Ends the child on purpose: its exit is then not a crash. */
  #stop(): void {
    const child = this.#child;
    this.#child = undefined;
    this.#ready = false;
    child?.kill("SIGKILL");
  }
}
