/**
 * @file Which execution provider trains. Every one that is considered is reported with why it was used or not; one that is
 * asked for by name is used or the probe fails: nothing falls back silently.
 */
import { RuntimeFailure } from "../runtime/ort";
import type { WireTensors } from "../runtime/protocol";
import type { DeviceChoice, ProviderTrial } from "./types";
import type { ProbeProcesses } from "./worker/process";
import type { Provider } from "./worker/protocol";

/** One step of the training itself: what a provider has to get right. */
export interface SelfCheck {
  readonly model: Uint8Array;
  readonly feeds: WireTensors;
}

/** Providers in the order in which "auto" considers them, by platform; cpu is always last. */
function candidates(platform: string): readonly string[] {
  if (platform === "darwin") return ["coreml", "webgpu", "cpu"];
  return platform === "win32" ? ["dml", "cuda", "webgpu", "cpu"] : ["cuda", "webgpu", "cpu"];
}

/** Largest relative difference of a step's outputs between a provider and the CPU. */
const TOLERANCE = 2e-3;

/** Steps below this cost (seconds on one core) are not worth a GPU's dispatches. */
const WORTH_A_GPU = 0.05;

/** What was chosen. */
export interface ProviderChoice {
  readonly provider: string;
  readonly trials: readonly ProviderTrial[];
}

/**
 * Chooses a provider.
 * @param seconds estimated cost of a step on one core
 * @param check runs on the CPU and on the candidate, whose results have to agree
 * @throws RuntimeFailure where the one that was asked for cannot be used
 */
export async function chooseProvider(
  device: DeviceChoice,
  seconds: number,
  check: () => SelfCheck,
  processes: ProbeProcesses,
): Promise<ProviderChoice> {
  if (device === "cpu") return { provider: "cpu", trials: [{ provider: "cpu", outcome: "used", reason: "it was asked for" }] };
  const trials: ProviderTrial[] = [];
  if (device !== "auto") {
    const trial = await attempt(device, check(), processes);
    if (trial.outcome !== "used") {
      throw new RuntimeFailure(
        "unavailable",
        `${device} was asked for and cannot be used: ${trial.reason}. Use --device cpu, or auto`,
      );
    }
    return { provider: device, trials: [trial] };
  }
  for (const provider of candidates(process.platform)) {
    if (provider === "cpu") {
      const reason = trials.some((t) => t.outcome !== "not tried")
        ? "nothing faster can be used"
        : "steps this small are fastest here";
      trials.push({ provider, outcome: "used", reason });
      return { provider, trials };
    }
    if (seconds < WORTH_A_GPU) {
      const ms = (seconds * 1000).toPrecision(2);
      trials.push({
        provider,
        outcome: "not tried",
        reason: `a step costs about ${ms} ms; dispatching to a device costs more than it saves`,
      });
      continue;
    }
    const trial = await attempt(provider, check(), processes);
    trials.push(trial);
    if (trial.outcome === "used") return { provider, trials };
  }
  return { provider: "cpu", trials };
}

/** Runs the check in a process of its own: a driver may end the process. */
async function attempt(name: string, check: SelfCheck, processes: ProbeProcesses): Promise<ProviderTrial> {
  const worker = processes.take();
  let isUsed = false;
  const run = async (provider: Provider) => (await worker.run(check.model, check.feeds, [{}], provider))[0] ?? {};
  try {
    const expected = await run({ name: "cpu", threads: 1 });
    const found = await run({ name, threads: 1 });
    const worst = disagreement(expected, found);
    if (worst > TOLERANCE) {
      const reason = `one step differs from the CPU's by ${worst.toPrecision(2)} (at most ${TOLERANCE} is expected)`;
      return { provider: name, outcome: "wrong results", reason };
    }
    isUsed = true;
    return { provider: name, outcome: "used", reason: `one step agrees with the CPU's to ${worst.toPrecision(2)}` };
  } catch (error) {
    return { provider: name, outcome: "unavailable", reason: plainly(error) };
  } finally {
    // One that trains next has the device's programs compiled already.
    if (isUsed) processes.give(worker);
    else worker.kill();
  }
}

/** What the runtime says without the place in its source and the condition that did not hold. */
function plainly(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^\S*:\d+ .*? was false\. /s, "");
}

/** The largest |difference| over the largest |value|, over all outputs; Infinity where something is missing or not finite. */
function disagreement(expected: WireTensors, found: WireTensors): number {
  let worst = 0;
  for (const [name, e] of Object.entries(expected)) {
    const f = found[name];
    if (!f || f.data.length !== e.data.length) return Number.POSITIVE_INFINITY;
    let size = 1e-6;
    let difference = 0;
    for (let i = 0; i < e.data.length; i++) {
      const [a, b] = [Number(e.data[i]), Number(f.data[i])];
      if (!Number.isFinite(b)) return Number.POSITIVE_INFINITY;
      size = Math.max(size, Math.abs(a));
      difference = Math.max(difference, Math.abs(a - b));
    }
    worst = Math.max(worst, difference / size);
  }
  return worst;
}
