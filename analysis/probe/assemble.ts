/** @file The result of a probe from what was trained or cached. */
import type { Trajectory } from "../dynamics/trajectory";
import type { CachedProbe } from "./cache";
import type { Run } from "./jobs";
import { recordingOf } from "./memory";
import type { Plan } from "./plan";
import type { ProbeRequest, ProbeResult } from "./types";

/** The result from what was trained or cached. */
export function assemble(request: ProbeRequest, plan: Plan, raw: CachedProbe, cached: boolean): ProbeResult {
  const [first] = plan.runs as [Run];
  const runs = raw.runs.map((r, i): Trajectory => {
    const { variant } = plan.runs[i]!;
    const shared =
      r.recordings[0] !== undefined && variant.layout(true).parameters.every((p) => p.name in r.recordings[0]!.state);
    const layout = variant.layout(shared);
    const frozen = new Map(
      layout.frozen.flatMap((name) => {
        const value = variant.graph.parameters.get(name)?.read?.()?.data;
        return value ? [[name, value] as const] : [];
      }),
    );
    const diverged = r.losses.findIndex((l) => !Number.isFinite(l));
    return {
      setting: r.setting,
      replica: r.replica,
      seed: r.seed,
      losses: r.losses,
      gradientNorms: r.norms,
      recordings: r.recordings.map((c) => recordingOf(c, layout, frozen)),
      ...(r.evaluation ? { evaluation: r.evaluation } : {}),
      ...(diverged < 0 ? {} : { divergedAt: diverged }),
    };
  });
  return {
    graph: first.variant.graph,
    parameters: first.variant.cost.parameters,
    ...(plan.twin ? { twin: plan.twin } : {}),
    loss: first.variant.loss.kind,
    settings: plan.settings,
    data: raw.data,
    runs,
    device: raw.device,
    steps: request.steps,
    seed: request.seed,
    notes: raw.notes,
    seconds: raw.seconds,
    cached,
  };
}
