/**
 * @file The twin in a process of its own: it is looked at while the model runs at full size, and can be ended at any moment,
 * in the middle of a rank too.
 */
import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Attribute, Graph } from "../graph/graph";
import type { ModelAnalysis, TwinCertificate } from "../symmetry/analysis";
import { subjectOf, type TwinOptionsOfCheck, type TwinSubject } from "./twin";

/** What the process is asked. */
export interface TwinRequest {
  readonly id: number;
  readonly subject: TwinSubject;
  readonly options: Omit<TwinOptionsOfCheck, "signal">;
}

/** What it answers: the certificate, a sentence where there is no twin, or why it failed. */
export type TwinReply =
  | { readonly id: number; readonly outcome: TwinCertificate | string }
  | { readonly id: number; readonly error: string };

/** The last of the error stream that is kept for the message when the process dies. */
const KEPT_STDERR = 500;

interface Waiting {
  resolve(outcome: TwinCertificate | string): void;
  reject(error: unknown): void;
}

/** Certifies twins in a child process, which is started at need and kept for the next. */
export class TwinProcess {
  private child: ChildProcess | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;
  private stderr = "";

  /**
   * The same as `certifyTwin`, elsewhere. Aborting ends the process at once.
   * @throws Error when the process ends before it has answered; the signal's reason when that is aborted
   */
  certify(
    model: Pick<ModelAnalysis, "normal" | "symmetries" | "apart">,
    options: TwinOptionsOfCheck = {},
  ): Promise<TwinCertificate | string> {
    const { signal, ...others } = options;
    const id = ++this.next;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const abort = (): void => {
        waiting.reject(signal!.reason);
        this.waiting.delete(id);
        this.dispose();
      };
      signal?.addEventListener("abort", abort, { once: true });
      const done = (): void => signal?.removeEventListener("abort", abort);
      const waiting: Waiting = {
        resolve: (outcome) => (done(), resolve(outcome)),
        reject: (error) => (done(), reject(error)),
      };
      this.waiting.set(id, waiting);
      const child = (this.child ??= this.start());
      child.ref();
      child.channel?.ref();
      const { normal, groups } = subjectOf(model);
      const subject: TwinSubject = { normal: portable(normal), groups };
      const request: TwinRequest = { id, subject, options: others };
      child.send(request, (error) => {
        if (error) this.settle(id)?.reject(new Error(`the twin could not be handed over: ${error.message}`));
      });
    });
  }

  /** Ends the process; what it was at fails. The next request starts another. */
  dispose(): void {
    const { child } = this;
    this.child = undefined;
    child?.kill("SIGKILL");
    this.fail("was ended");
  }

  private start(): ChildProcess {
    const here = fileURLToPath(import.meta.url);
    const worker = path.join(path.dirname(here), `twin-worker${path.extname(here)}`);
    // TypeScript source needs tsx; the parent's own flags (test runner, inspector port) must not be handed on.
    const execArgv = worker.endsWith(".ts")
      ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href]
      : [];
    const child = fork(worker, [], { execArgv, serialization: "advanced", stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.stderr = "";
    const end = (how: string): void => {
      if (this.child !== child) return;
      this.child = undefined;
      this.fail(how);
    };
    child.on("message", (reply: TwinReply) => {
      const waiting = this.settle(reply.id);
      if ("error" in reply) waiting?.reject(new Error(reply.error));
      else waiting?.resolve(reply.outcome);
    });
    child.on("error", (error) => end(`cannot be started: ${error.message}`));
    child.on("exit", (code, signal) => end(signal ? `was ended by ${signal}` : `ended with code ${code}`));
    child.stderr?.on("data", (chunk: Buffer) => (this.stderr = (this.stderr + chunk.toString()).slice(-KEPT_STDERR)));
    (child.stderr as (NodeJS.ReadableStream & { unref?: () => void }) | null)?.unref?.();
    return child;
  }

  private settle(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (this.waiting.size === 0) {
      // An idle child does not keep its parent alive.
      this.child?.unref();
      this.child?.channel?.unref();
    }
    return waiting;
  }

  private fail(how: string): void {
    const said = this.stderr.trim();
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const w of all) w.reject(new Error(`the process that looks at the twin ${how}${said === "" ? "" : `: ${said}`}`));
  }
}

/** A graph without what cannot leave its process: the functions that read weights, which a twin has no use for. */
function portable(graph: Graph): Graph {
  const attribute = (a: Attribute): Attribute => (typeof a === "object" && "nodes" in a ? portable(a) : a);
  return {
    ...graph,
    nodes: graph.nodes.map((n) =>
      Object.values(n.attributes).some((a) => attribute(a) !== a)
        ? { ...n, attributes: Object.fromEntries(Object.entries(n.attributes).map(([k, a]) => [k, attribute(a)])) }
        : n,
    ),
    parameters: new Map(
      [...graph.parameters].map(([name, { read, ...p }]) => {
        void read;
        return [name, p];
      }),
    ),
  };
}
