/**
 * @file Owns the processes of probes. A probe trains for seconds to minutes in native code that may crash or run out of memory:
 * each has a process of its own, with the processes that train below it, so that nothing of it touches the server.
 */
import { type ChildProcess, fork } from "node:child_process";
import type { DocumentProbe, ProbeAnswer, ProbeEvent } from "../protocol";
import type { WorkerModule } from "../worker/process";
import type { ProbeCommand, ProbeReply } from "./messages";

/** A probe that ended without a result. */
export class ProbeFailure extends Error {
  override readonly name = "ProbeFailure";
  constructor(
    message: string,
    /** For the log. */
    readonly detail?: string,
  ) {
    super(message);
  }
}

/** Milliseconds that a cancelled probe has to end its own processes before it is killed. */
const GRACE = 500;
const KEPT_STDERR = 4_000;

/** Runs probes. */
export class ProbeHost {
  readonly #module: WorkerModule;
  readonly #running = new Set<ChildProcess>();

  constructor(module: WorkerModule) {
    this.#module = module;
  }

  /** Probes that run now. */
  get running(): number {
    return this.#running.size;
  }

  /**
   * Runs one probe.
   * @throws the signal's reason as soon as it is aborted, ProbeFailure with a sentence for the user when there is no result
   */
  run(probe: DocumentProbe, signal: AbortSignal, onEvent: (event: ProbeEvent) => void): Promise<ProbeAnswer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const child = fork(this.#module.path, [], {
        execArgv: [...(this.#module.execArgv ?? [])],
        env: { ...process.env, ELECTRON_RUN_AS_NODE: "1" },
        serialization: "advanced",
        stdio: ["ignore", "ignore", "pipe", "ipc"],
      });
      this.#running.add(child);
      let stderr = "";
      let settled = false;
      const settle = (how: () => void): void => {
        if (settled) return;
        settled = true;
        signal.removeEventListener("abort", cancel);
        how();
      };
      const cancel = (): void => {
        settle(() => reject(signal.reason));
        send(child, { kind: "cancel" });
        setTimeout(() => child.kill("SIGKILL"), GRACE).unref();
      };
      signal.addEventListener("abort", cancel, { once: true });
      child.stderr?.on("data", (chunk: Buffer) => {
        stderr = (stderr + chunk.toString()).slice(-KEPT_STDERR);
      });
      child.on("message", (reply: ProbeReply) => {
        if (settled) return;
        if (reply.kind === "event") onEvent(reply.event);
        else if (reply.kind === "done") settle(() => resolve(reply.answer));
        else settle(() => reject(new ProbeFailure(reply.message, reply.detail)));
      });
      child.on("error", (error) => settle(() => reject(new ProbeFailure(`the probe cannot be started: ${error.message}`))));
      child.on("exit", (code, how) => {
        this.#running.delete(child);
        const end = how === null ? `ended with code ${code}` : `was ended by ${how}`;
        const hint = how === "SIGKILL" ? "; perhaps memory ran out: try fewer replicas or a smaller batch" : "";
        settle(() => reject(new ProbeFailure(`The process of the probe ${end}${hint}.`, stderr.trim() || undefined)));
      });
      send(child, { kind: "run", probe });
    });
  }

  /** Ends all probes. */
  dispose(): void {
    for (const child of this.#running) child.kill("SIGKILL");
    this.#running.clear();
  }
}

function send(child: ChildProcess, command: ProbeCommand): void {
  // A failed send means that the process is gone; its exit is what counts.
  if (child.connected) child.send(command, () => {});
}
