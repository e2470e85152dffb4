/** @file What the runs of a probe have done so far: losses, norms and recorded states as they come in. */
import type { RawRun } from "./cache";
import type { PlannedJob, Run } from "./jobs";
import { type CompactRecording, recordingOf } from "./memory";
import { scheduleFactor } from "./optimiser";
import type { ProbeOptions, ProbeSetting } from "./types";
import type { StateLayout, WireRecording } from "./worker/protocol";

/** What runs have done so far. */
export class Ledger {
  private readonly raw: {
    losses: number[];
    norms: number[];
    recordings: CompactRecording[];
    evaluation?: RawRun["evaluation"];
  }[];
  private readonly done: number[];

  constructor(
    private readonly runs: readonly Run[],
    private readonly steps: number,
    private readonly options: ProbeOptions,
  ) {
    this.raw = runs.map(() => ({ losses: [], norms: [], recordings: [] }));
    this.done = runs.map(() => 0);
  }

  /** Takes in what a job tells. */
  events({ runs, job, layout, frozen }: PlannedJob) {
    const places = runs.map((run) => this.runs.indexOf(run));
    return {
      progress: (step: number, losses: Float32Array, norms: Float32Array) => {
        const count = losses.length / runs.length;
        const points = places.map((place, r) => {
          const own = this.raw[place]!;
          let sum = 0;
          for (let t = 0; t < count; t++) {
            own.losses.push(losses[t * runs.length + r]!);
            own.norms.push(norms[t * runs.length + r]!);
            sum += losses[t * runs.length + r]!;
          }
          this.done[place] = step;
          const { setting, replica } = runs[r]!;
          return { setting: setting.name, replica, step, loss: sum / count };
        });
        this.options.onProgress?.({ kind: "point", step: Math.min(...this.done), steps: this.steps, points });
      },
      recording: (recording: WireRecording) => {
        places.forEach((place, r) => {
          const { setting, replica } = runs[r]!;
          const own = compact(recording, job.layout, r, setting, this.steps);
          this.raw[place]!.recordings.push(own);
          const { loss, accuracy } = recording.observed[r]!;
          const evaluation = { loss, ...(accuracy === undefined ? {} : { accuracy }) };
          this.raw[place]!.evaluation = evaluation;
          this.options.onRecording?.({ setting: setting.name, replica }, recordingOf(own, layout, frozen), evaluation);
        });
      },
    };
  }

  finish(): RawRun[] {
    return this.runs.map((run, i): RawRun => {
      const { losses, norms, recordings, evaluation } = this.raw[i]!;
      return {
        setting: run.setting.name,
        replica: run.replica,
        seed: run.seed,
        losses: Float64Array.from(losses),
        norms: Float64Array.from(norms),
        recordings,
        evaluation,
      };
    });
  }
}

/** One run's part of a recording. */
function compact(
  wire: WireRecording,
  layout: readonly StateLayout[],
  r: number,
  setting: ProbeSetting,
  steps: number,
): CompactRecording {
  const size = new Map(layout.map((s) => [s.name, s.size]));
  const part = (values: Readonly<Record<string, Float32Array>>) =>
    Object.fromEntries(
      Object.entries(values).map(([name, all]) => {
        const n = size.get(name)!;
        return [name, all.length === n ? all : all.slice(r * n, (r + 1) * n)];
      }),
    );
  const { training } = setting;
  return {
    step: wire.step,
    learningRate: training.learningRate * scheduleFactor(training.schedule, Math.min(wire.step, steps - 1), steps),
    state: part(wire.state),
    ...(wire.gradient ? { gradient: part(wire.gradient) } : {}),
    ...(wire.after ? { after: part(wire.after) } : {}),
    activity: wire.observed[r]!.activity,
    ...(wire.noise ? { noise: wire.noise[r]! } : {}),
  };
}
