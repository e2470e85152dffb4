/** @file Lays drawings out in a process of its own, which is there only while somebody looks at one. */
import { createHash } from "node:crypto";
import type { Layout, LayoutRequest } from "./protocol";
import { OccasionalProcess } from "./worker/occasional";
import type { WorkerModule } from "./worker/process";

/** Layouts that are kept; going back to one that was seen takes no time. */
const KEPT = 32;
/** Milliseconds after which a layout is given up. */
const LIMIT = 120_000;
/** Milliseconds after which the process is ended for want of work; not before a layout is given up. */
const IDLE = LIMIT + 30_000;

/** Layouts by what is laid out. */
export class LayoutHost {
  readonly #process: OccasionalProcess;
  readonly #known = new Map<string, Layout>();

  constructor(module: WorkerModule) {
    this.#process = new OccasionalProcess(module, { idle: IDLE, grace: 0 });
  }

  /** Starts the process ahead of the first request. */
  warmUp(): void {
    this.#process.get().warmUp();
  }

  /** Rejects with `AnalysisFailure`, or with the signal's reason; aborting ends the process at once. */
  async layout(request: LayoutRequest, signal: AbortSignal): Promise<Layout> {
    const key = createHash("sha256").update(JSON.stringify(request)).digest("base64url");
    const known = this.#known.get(key);
    if (known) return known;
    const calls = [{ method: "layout", args: [request] }] as const;
    const made = await this.#process.get().run<Layout>({ calls, signal, timeLimit: LIMIT });
    const [oldest] = this.#known.keys();
    if (this.#known.size >= KEPT && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(key, made);
    return made;
  }

  dispose(): void {
    this.#process.dispose();
  }
}
