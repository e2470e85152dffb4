/** @file What a probe is going to train: networks or their twins, runs with their seeds, and the steps that are recorded. */
import type { Graph } from "../graph/graph";
import { anchorsOf } from "./anchors";
import { stepSeconds } from "./cost";
import { asFloat32 } from "./float32";
import type { Run } from "./jobs";
import { optimiserSlots } from "./optimiser";
import { shrink, type TwinWidth } from "./shrink";
import type { ProbeRequest, ProbeResult, ProbeSetting } from "./types";
import { Variant } from "./variant";

/** Budgets where a request has none: seconds, bytes; and how many states are recorded. */
export const DEFAULTS = { seconds: 60, bytes: 2 * 2 ** 30, recordings: 11 } as const;

/** Runs to train, and what is to be said of them. */
export interface Plan {
  readonly runs: readonly Run[];
  /** As they are trained. */
  readonly settings: readonly ProbeSetting[];
  readonly twin: ProbeResult["twin"] | undefined;
  readonly notes: readonly string[];
}

/**
 * Networks, runs and whether twins stand in.
 * @param processes that will train at once
 */
export function planProbe(request: ProbeRequest, processes: number): Plan {
  const device = request.device === "auto" || request.device === "cpu" ? "cpu" : request.device;
  const portable = device !== "cpu";
  const seconds = request.budget?.seconds ?? DEFAULTS.seconds;
  const bytes = request.budget?.bytes ?? DEFAULTS.bytes;
  const total = request.steps * request.replicas * request.settings.length;
  const share = Math.min(processes, request.replicas * request.settings.length);
  const notes: string[] = [];
  const time = (v: Variant) => (stepSeconds(v.cost) * total) / share;
  const memory = (v: Variant) => memoryOf(v, request) * share;
  const affordable = (v: Variant) => time(v) <= seconds && memory(v) <= bytes;
  const make = (graph: Graph, setting: ProbeSetting) =>
    new Variant(graph, Math.max(1, setting.training.batchSize), request.loss, portable);
  let twin: Plan["twin"];
  const variants = new Map<Graph, Map<number, Variant>>();
  let width: TwinWidth | undefined;
  const variantOf = (setting: ProbeSetting): Variant => {
    const graph = setting.graph ?? request.graph;
    const byBatch = variants.get(graph) ?? new Map<number, Variant>();
    variants.set(graph, byBatch);
    const size = setting.training.batchSize;
    const known = byBatch.get(size);
    if (known) return known;
    let variant = make(asFloat32(graph), setting);
    const wanted = request.budget?.twin ?? (twin !== undefined || !affordable(variant));
    if (wanted) {
      const full = variant;
      const whole = full.cost.parameters;
      const small = shrink(asFloat32(graph), size, (g) => affordable(make(g, setting)), width);
      if ("reason" in small) notes.push(`the model is trained at full size, whatever it costs: it has no twin (${small.reason})`);
      else {
        variant = make(small.graph, setting);
        // What is compared has to have the same widths.
        width ??= small.width;
        const reason =
          request.budget?.twin === true
            ? "its twin was asked for"
            : time(full) > seconds
              ? `${total} steps of the model would take about ${Math.round(time(full))} s, more than the ${seconds} s of the budget`
              : `the model would take about ${(memory(full) / 2 ** 30).toFixed(1)} GiB, more than the ${(bytes / 2 ** 30).toFixed(1)} GiB of the budget`;
        twin ??= { reason, originalParameters: whole, notes: small.notes };
      }
    }
    byBatch.set(size, variant);
    return variant;
  };
  const runs: Run[] = [];
  const settings: ProbeSetting[] = [];
  for (const asked of request.settings) {
    const variant = variantOf(asked);
    if (twin && (asked.initial || asked.reparametrisation)) {
      throw new RangeError(
        `${asked.name} gives values for the parameters of the model itself, which is too large to be trained: raise the budget`,
      );
    }
    const setting: ProbeSetting = {
      ...asked,
      ...(asked.graph ? { graph: variant.graph } : {}),
      ...(asked.anchors ? { reparametrisation: anchorsOf(variant.graph, asked.anchors) } : {}),
    };
    settings.push(setting);
    for (let replica = 0; replica < request.replicas; replica++) {
      runs.push({ setting, variant, replica, seed: replicaSeed(request.seed, replica) });
    }
  }
  return { runs, settings, twin, notes: [...notes, ...(runs[0]?.variant.notes ?? [])] };
}

/** The user's data do not fit a twin. */
export function dataOf(request: ProbeRequest, plan: Plan): ProbeRequest["data"] {
  return plan.twin && request.data.kind !== "synthetic" ? { kind: "synthetic" } : request.data;
}

/** Seeds of replicas are far apart, and the same for all settings. */
function replicaSeed(seed: number, replica: number): number {
  return (Math.imul(seed + 1, 0x9e3779b1) + Math.imul(replica + 1, 0x85ebca6b)) | 0;
}

/** Bytes that one run takes while it trains: state, gradients, values that the backward pass reads, a few recordings. */
function memoryOf(variant: Variant, request: ProbeRequest): number {
  const { parameters, bytes } = variant.cost;
  const slots = 3 + Math.max(...request.settings.map((s) => optimiserSlots(s.training).length));
  return 4 * parameters * (slots + 6) + 2 * bytes;
}

/** Which steps are recorded: evenly spaced, the first and the last among them, as many as memory holds. */
export function recordingSteps(request: ProbeRequest, plan: Plan, notes: string[]): number[] {
  const wanted = Math.max(2, request.recordings ?? DEFAULTS.recordings);
  const [first] = plan.runs as [Run];
  const slots = 1 + optimiserSlots(first.setting.training).length;
  const perRecording = 4 * first.variant.cost.parameters * ((request.recordGradients ?? true) ? 2 * slots + 1 : slots);
  const bytes = (request.budget?.bytes ?? DEFAULTS.bytes) / 2;
  const most = Math.max(2, Math.floor(bytes / Math.max(1, perRecording * plan.runs.length)));
  const count = Math.min(wanted, most, request.steps + 1);
  if (count < Math.min(wanted, request.steps + 1))
    notes.push(`${count} states are recorded instead of ${wanted}, for lack of memory`);
  return [...new Set(Array.from({ length: count }, (_, k) => Math.round((k * request.steps) / (count - 1))))];
}
