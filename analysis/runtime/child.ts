/** @file The child process that runs ONNX Runtime, seen from its parent. */
import { type ChildProcess as NodeChild, fork } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { letGo } from "./idle";
import { RuntimeFailure } from "./ort";
import type { Reply, Request, WireTensors } from "./protocol";

/** Requests without their number. */
type Unnumbered<T> = T extends unknown ? Omit<T, "id"> : never;

interface Pending {
  resolve(outputs: WireTensors | undefined): void;
  reject(error: Error): void;
}

/** The last of what the child writes to its error stream that is kept for the message when it dies. */
const KEPT_STDERR = 2000;

/** worker.js beside the bundle, or worker.ts beside this file. */
function defaultWorker(): string {
  const here = fileURLToPath(import.meta.url);
  return join(dirname(here), `worker${extname(here)}`);
}

/** A child process with requests under way. */
export class ChildProcess {
  private readonly process: NodeChild;
  private readonly pending = new Map<number, Pending>();
  private next = 0;
  private stderr = "";
  private ended = false;
  private killed = false;

  /** Starts the process. Failures to start reject the first request. */
  constructor(workerPath: string = defaultWorker()) {
    // TypeScript source needs tsx; the parent's own flags (test runner, inspector port) must not be handed on.
    const source = workerPath.endsWith(".ts");
    const execArgv = source ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href] : [];
    this.process = fork(workerPath, [], { execArgv, serialization: "advanced", stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.process.on("message", (reply: Reply) => this.reply(reply));
    this.process.on("error", (error) => this.end(`cannot be started: ${error.message}`));
    this.process.on("exit", (code, signal) => this.end(signal ? `was ended by ${signal}` : `ended with code ${code}`));
    this.process.stderr?.on("data", (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString()).slice(-KEPT_STDERR);
    });
    letGo(this.process);
  }

  /** Whether it can take requests. */
  get alive(): boolean {
    return !this.ended && !this.killed;
  }

  /**
   * Sends a request and waits for its reply.
   * @throws RuntimeFailure
   */
  request(request: Unnumbered<Request>): Promise<WireTensors | undefined> {
    const id = ++this.next;
    return new Promise((resolve, reject) => {
      if (!this.alive) {
        reject(new RuntimeFailure("model", "the process that runs ONNX Runtime has ended"));
        return;
      }
      this.pending.set(id, { resolve, reject });
      this.process.ref();
      this.process.channel?.ref();
      this.process.send({ ...request, id }, (error) => {
        if (error) this.settle(id)?.reject(new RuntimeFailure("model", `the request could not be sent: ${error.message}`));
      });
    });
  }

  /** Ends the process at once, whatever it does. */
  kill(): void {
    this.killed = true;
    this.process.kill("SIGKILL");
    this.end("was ended");
  }

  private reply(reply: Reply): void {
    const pending = this.settle(reply.id);
    if (reply.kind === "done") pending?.resolve(reply.outputs);
    else pending?.reject(new RuntimeFailure(reply.reason, reply.message));
  }

  private settle(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    if (this.pending.size === 0) letGo(this.process);
    return pending;
  }

  private end(how: string): void {
    this.ended = true;
    const said = this.stderr.trim();
    const error = new RuntimeFailure("model", `the process that runs ONNX Runtime ${how}${said === "" ? "" : `: ${said}`}`);
    for (const pending of this.pending.values()) pending.reject(error);
    this.pending.clear();
  }
}
