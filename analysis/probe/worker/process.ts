/** @file The process that trains, seen from its parent; and the spare that is kept warm for the next probe. */
import { type ChildProcess as NodeChild, fork } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { letGo } from "../../runtime/idle";
import { RuntimeFailure } from "../../runtime/ort";
import type { WireTensors } from "../../runtime/protocol";
import type { ProbeMessage, ProbeReply, Provider, TrainJob, WireRecording } from "./protocol";

/** What is said while a job runs. */
export interface JobEvents {
  progress(step: number, losses: Float32Array, norms: Float32Array): void;
  recording(recording: WireRecording): void;
}

/** Messages without their number. */
type Unnumbered<T> = T extends unknown ? Omit<T, "id"> : never;

/** A model that is loaded. */
export interface OpenModel {
  run(batches: readonly WireTensors[]): Promise<readonly WireTensors[]>;
  close(): Promise<void>;
}

interface Pending {
  readonly events: JobEvents | undefined;
  resolve(reply: Extract<ProbeReply, { kind: "done" }>): void;
  reject(error: Error): void;
}

/** The last of what the process writes to its error stream that is kept for the message when it dies. */
const KEPT_STDERR = 2000;

/** probe.js beside the bundle, or main.ts beside this file. */
function defaultEntry(): string {
  const here = fileURLToPath(import.meta.url);
  return extname(here) === ".ts" ? join(dirname(here), "main.ts") : join(dirname(here), `probe${extname(here)}`);
}

/** One process that trains. */
export class ProbeProcess {
  private readonly process: NodeChild;
  private readonly pending = new Map<number, Pending>();
  private next = 0;
  private opened = 0;
  private stderr = "";
  private dead: string | undefined;

  constructor(entry: string = defaultEntry()) {
    // TypeScript source needs tsx; the parent's own flags (test runner, inspector port) must not be handed on.
    const source = entry.endsWith(".ts");
    const execArgv = source ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href] : [];
    this.process = fork(entry, [], {
      execArgv,
      // The extension host is Electron; there a fork is plain Node only with this.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: "1" },
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.process.on("message", (reply: ProbeReply) => this.reply(reply));
    this.process.on("error", (error) => this.end(`cannot be started: ${error.message}`));
    this.process.on("exit", (code, signal) => this.end(signal ? `was ended by ${signal}` : `ended with code ${code}`));
    this.process.stderr?.on("data", (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString()).slice(-KEPT_STDERR);
    });
    letGo(this.process);
  }

  get alive(): boolean {
    return this.dead === undefined;
  }

  /** Its process id. */
  get pid(): number | undefined {
    return this.process.pid;
  }

  /** Loads the runtime; "wasm" where WebAssembly stands in for the native library. @throws RuntimeFailure where neither loads */
  async warm(): Promise<"cpu" | "wasm"> {
    return (await this.request({ kind: "warm" })).cpu ?? "cpu";
  }

  /** Trains; resolves to the number of steps done. @throws RuntimeFailure */
  async train(job: TrainJob, events: JobEvents): Promise<number> {
    return (await this.request({ kind: "train", job }, events)).steps ?? 0;
  }

  /** Runs a model on several batches. @throws RuntimeFailure */
  async run(
    model: Uint8Array,
    fixed: WireTensors,
    batches: readonly WireTensors[],
    provider: Provider,
  ): Promise<readonly WireTensors[]> {
    const session = await this.open(model, fixed, provider);
    try {
      return await session.run(batches);
    } finally {
      if (this.alive) await session.close();
    }
  }

  /** Loads a model for many runs. @throws RuntimeFailure */
  async open(model: Uint8Array, fixed: WireTensors, provider: Provider): Promise<OpenModel> {
    const session = ++this.opened;
    await this.request({ kind: "open", session, model, fixed, provider });
    return {
      run: async (batches) => (await this.request({ kind: "run", session, batches })).outputs ?? [],
      close: async () => {
        await this.request({ kind: "close", session });
      },
    };
  }

  /** Ends it at once, whatever it does. */
  kill(): void {
    this.process.kill("SIGKILL");
    this.end("was ended");
  }

  private request(message: Unnumbered<ProbeMessage>, events?: JobEvents): Promise<Extract<ProbeReply, { kind: "done" }>> {
    const id = ++this.next;
    return new Promise((resolve, reject) => {
      if (this.dead !== undefined) {
        reject(new RuntimeFailure("model", `the process that trains ${this.dead}`));
        return;
      }
      this.pending.set(id, { events, resolve, reject });
      this.process.ref();
      this.process.channel?.ref();
      this.process.send({ ...message, id } satisfies ProbeMessage, (error) => {
        if (error) this.settle(id)?.reject(new RuntimeFailure("model", `the request could not be sent: ${error.message}`));
      });
    });
  }

  private reply(reply: ProbeReply): void {
    const pending = this.pending.get(reply.id);
    if (reply.kind === "progress") pending?.events?.progress(reply.step, reply.losses, reply.norms);
    else if (reply.kind === "recording") pending?.events?.recording(reply.recording);
    else {
      this.settle(reply.id);
      if (reply.kind === "done") pending?.resolve(reply);
      else pending?.reject(new RuntimeFailure(reply.reason, reply.message));
    }
  }

  private settle(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    if (this.pending.size === 0) letGo(this.process);
    return pending;
  }

  private end(how: string): void {
    if (this.dead !== undefined) return;
    this.dead = how;
    const said = this.stderr.trim();
    // Nobody but the system ends it so without having been asked, mostly for lack of memory.
    const hint = how.includes("SIGKILL") ? "; if memory ran out, fewer replicas, smaller batches or a smaller budget help" : "";
    const error = new RuntimeFailure("model", `the process that trains ${how}${hint}${said === "" ? "" : `: ${said}`}`);
    for (const pending of this.pending.values()) pending.reject(error);
    this.pending.clear();
  }
}

/** Processes for one host: each probe takes what it needs, and one more is started for the next. */
export class ProbeProcesses {
  private spare: ProbeProcess | undefined;

  constructor(private readonly entry?: string) {}

  /** Starts a process ahead of time. */
  warm(): void {
    if (this.spare?.alive) return;
    this.spare = new ProbeProcess(this.entry);
    // Where the runtime cannot be loaded the probe itself says so.
    this.spare.warm().catch(() => {});
  }

  /** A process of one's own, to be ended by whoever took it. */
  take(): ProbeProcess {
    const { spare } = this;
    this.spare = undefined;
    return spare?.alive ? spare : new ProbeProcess(this.entry);
  }

  /** Gives an idle process back: it is the spare, or it is ended. */
  give(process: ProbeProcess): void {
    if (process.alive && !this.spare?.alive) this.spare = process;
    else process.kill();
  }

  dispose(): void {
    this.spare?.kill();
    this.spare = undefined;
  }
}
