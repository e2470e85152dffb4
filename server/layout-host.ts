/** @file Lays drawings out in a process of its own, which is there only while somebody looks at one. */
import { createHash } from "node:crypto";
import type { Layout, LayoutRequest } from "./protocol";
import { AnalysisProcess, type WorkerModule } from "./worker/process";

/** Layouts that are kept; going back to one that was seen takes no time. */
const KEPT = 32;
/** Milliseconds after which a layout is given up. */
const LIMIT = 120_000;
/** Milliseconds after which the process is ended for want of work; not before a layout is given up. */
const IDLE = LIMIT + 30_000;

/** Layouts by what is laid out. */
export class LayoutHost {
  readonly #module: WorkerModule;
  readonly #known = new Map<string, Layout>();
  #process: AnalysisProcess | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(module: WorkerModule) {
    this.#module = module;
  }

  /** Starts the process ahead of the first request. */
  warmUp(): void {
    this.#running().warmUp();
  }

  /** Rejects with `AnalysisFailure`, or with the signal's reason; aborting ends the process at once. */
  async layout(request: LayoutRequest, signal: AbortSignal): Promise<Layout> {
    const key = createHash("sha256").update(JSON.stringify(request)).digest("base64url");
    const known = this.#known.get(key);
    if (known) return known;
    try {
      const calls = [{ method: "layout", args: [request] }] as const;
      const made = await this.#running().run<Layout>({ calls, signal, timeLimit: LIMIT });
      const [oldest] = this.#known.keys();
      if (this.#known.size >= KEPT && oldest !== undefined) this.#known.delete(oldest);
      this.#known.set(key, made);
      return made;
    } finally {
      this.#running();
    }
  }

  /** The process, which ends some time after the last call of this. */
  #running(): AnalysisProcess {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#stop(), IDLE).unref();
    return (this.#process ??= new AnalysisProcess(this.#module, { grace: 0 }));
  }

  dispose(): void {
    clearTimeout(this.#idle);
    this.#stop();
  }

  #stop(): void {
    this.#process?.dispose();
    this.#process = undefined;
  }
}
