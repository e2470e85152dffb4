/**
 * @file Everything that a probe's runs say about the symmetries of their model, setting by setting. No number without its
 * uncertainty over replicas.
 */
import type { ModelAnalysis } from "../../symmetry/analysis";
import type { Symmetry } from "../../symmetry/symmetry";
import { align } from "../gauge/align";
import type { MatrixFrame } from "../gauge/matrix-groups";
import { unitSets } from "../gauge/units";
import { predictedCharges } from "../measures/charges";
import { gradientNoiseScale } from "../measures/noise";
import type { NormCourse } from "../measures/norms";
import { type SpectrumMeasures, spectrumMeasures } from "../measures/rank";
import { replicaDistance } from "../measures/replica-distance";
import type { RunSettings } from "../measures/settings";
import { type Estimate, estimate, overPairs, pairedDifference } from "../measures/statistics";
import { dormantFraction, type UnitMeasures } from "../measures/units";
import type { Trajectory } from "../trajectory";
import type { SymmetryCourse } from "../verdict/course";
import { verdictOf } from "../verdict/verdict";
import { type ChargeCourse, measureRun, type Prepared, prepare, type Reparametrisation, type RunMeasures } from "./run";
import type {
  ChargeSummary,
  Course,
  NormSummary,
  ProbeSummary,
  RankSummary,
  SettingComparison,
  SettingSummary,
  SymmetrySummary,
  UnitSummary,
} from "./types";

/** Points that a loss curve is averaged to. */
const CURVE_POINTS = 100;
/** Products of weights that the alignment of one pair may cost per sweep before it is left out. */
const ALIGNMENT_COST = 4e8;

/** One setting as it was trained. */
export interface MeasuredSetting {
  readonly name: string;
  readonly training: RunSettings;
  /** Its own model, where the setting changes the architecture. */
  readonly analysis?: Pick<ModelAnalysis, "symmetries">;
  readonly reparametrisation?: Reparametrisation;
}

/** Summarises runs. `analysis` is that of the graph that was trained (the twin's, where the twin was). */
export function summarise(
  analysis: Pick<ModelAnalysis, "symmetries">,
  settings: readonly MeasuredSetting[],
  runs: readonly Trajectory[],
): ProbeSummary {
  const notes: string[] = [];
  const prepared = new Map<Pick<ModelAnalysis, "symmetries">, Prepared>();
  const details = settings.flatMap((setting) => {
    const own = runs.filter((r) => r.setting === setting.name).sort((a, b) => a.replica - b.replica);
    if (own.length === 0) return [];
    const model = setting.analysis ?? analysis;
    const ready = prepared.get(model) ?? prepare(model.symmetries, own[0]!.recordings[0]!.parameters);
    prepared.set(model, ready);
    return [summariseSetting(setting, own, ready, notes)];
  });
  const [first, ...others] = details;
  return {
    settings: details.map((d) => d.summary),
    comparisons: first ? others.map((o) => compare(first, o)) : [],
    notes: [...new Set(notes)],
  };
}

/** Per-replica numbers that comparisons pair. */
interface Detail {
  readonly summary: SettingSummary;
  readonly replicas: readonly number[];
  readonly degrees: readonly number[];
  readonly losses: readonly number[];
  readonly accuracies: readonly (number | undefined)[];
  readonly dead: readonly number[];
  readonly distinct: readonly number[];
}

function summariseSetting(setting: MeasuredSetting, runs: readonly Trajectory[], ready: Prepared, notes: string[]): Detail {
  const { training } = setting;
  const { symmetries, chains } = ready;
  const measured = runs.map((run) => measureRun(run, training, ready, setting.reparametrisation));
  const courses = measured.map((m) => m.courses);
  const total = chains.reduce((n, c) => n + c.mirrors, 0);
  const modelDegree = (of: readonly SymmetryCourse[], k: number): number =>
    total > 0 ? of.reduce((s, c) => s + (c.degrees[k] ?? Number.NaN) * c.mirrors, 0) / total : Number.NaN;
  const degrees = courses.map((c) => modelDegree(c, (c[0]?.degrees.length ?? 0) - 1));
  const ends = measured.map((m) => m.balancedEnd);
  const units = ready.meters.map((meter) => meter && ends.map((end) => meter.measure(end)));
  const finals = runs.map(finalLoss);
  const accuracies = runs.map((r) => r.evaluation?.accuracy);
  const noise = runs.map((r) => gradientNoiseScale(r.recordings.flatMap((rec) => (rec.noise ? [rec.noise] : []))));
  const diverged = runs.filter((r) => r.divergedAt !== undefined).length;
  if (diverged > 0)
    notes.push(`${diverged} of ${runs.length} replicas of ${setting.name} diverged; their last finite state counts`);
  const alignment = aligned(measured, symmetries, notes);
  const at = longest(courses.map((c) => c[0]?.at ?? []));
  const summary: SettingSummary = {
    setting: setting.name,
    replicas: runs.length,
    diverged,
    loss: lossCurve(runs),
    finalLoss: estimate(finals),
    ...(accuracies.every((a) => a !== undefined) ? { accuracy: estimate(accuracies) } : {}),
    degree: estimate(degrees),
    degreeCourse: { at, values: at.map((_, k) => estimate(courses.map((c) => modelDegree(c, k)))) },
    symmetries: symmetries.map((s, i) => {
      const ranks = summariseRanks(chains.find((c) => c.symmetry === s)?.frames ?? [], s, measured);
      const [run] = measured;
      const similarity = run && ready.meters[i]?.similarity([run.balancedStart, run.balancedEnd]);
      return {
        ...summariseSymmetry(s, measured, units[i], training),
        ...(ranks ? { ranks } : {}),
        ...(similarity ? { similarity } : {}),
      };
    }),
    replicaDistance: replicaDistance(measured.map((m) => m.end)),
    ...(alignment ? { alignment } : {}),
    dormant: dormant(runs, -1),
    dormantAtStart: dormant(runs, 0),
    ...(noise.some((n) => !Number.isNaN(n)) ? { noiseScale: estimate(noise) } : {}),
  };
  const count = (of: (u: UnitMeasures) => number) =>
    runs.map((_, r) => units.reduce((n, perRun) => n + (perRun?.[r]?.reduce((m, u) => m + of(u), 0) ?? 0), 0));
  return {
    summary,
    replicas: runs.map((r) => r.replica),
    degrees,
    losses: finals,
    accuracies,
    dead: count((u) => u.dead.length),
    distinct: count((u) => u.distinct),
  };
}

function summariseSymmetry(
  symmetry: Symmetry,
  runs: readonly RunMeasures[],
  units: readonly (readonly UnitMeasures[])[] | undefined,
  training: RunSettings,
): SymmetrySummary {
  const own = runs.flatMap((r) => r.courses.find((x) => x.symmetry === symmetry) ?? []);
  const at = longest(own.map((c) => c.at));
  const degree = own.length > 0 ? estimate(own.map((c) => c.degrees.at(-1)!)) : undefined;
  const charges = summariseCharges(runs.flatMap((r) => r.charges.get(symmetry) ?? []));
  const norms = summariseNorms(runs.flatMap((r) => r.norms.get(symmetry) ?? []));
  return {
    symmetry,
    ...(degree ? { degree } : {}),
    ...(own.length > 0
      ? {
          course: { at, values: at.map((_, k) => estimate(own.map((c) => c.degrees[k] ?? Number.NaN))) },
          verdict: verdictOf(own, training),
          order: estimate(own.map((c) => c.orders.at(-1) ?? Number.NaN)),
        }
      : {}),
    ...(charges ? { charges } : {}),
    ...(units ? { units: summariseUnits(units) } : {}),
    ...(norms ? { norms } : {}),
  };
}

function summariseUnits(perRun: readonly (readonly UnitMeasures[])[]): UnitSummary {
  const sum = (of: (u: UnitMeasures) => number) => estimate(perRun.map((sets) => sets.reduce((n, u) => n + of(u), 0)));
  return {
    units: perRun[0]!.reduce((n, u) => n + u.units, 0),
    dead: sum((u) => u.dead.length),
    duplicates: sum((u) => u.duplicates.length),
    distinct: sum((u) => u.distinct),
  };
}

function summariseRanks(
  frames: readonly MatrixFrame[],
  symmetry: Symmetry,
  runs: readonly RunMeasures[],
): RankSummary | undefined {
  if (frames.length === 0) return undefined;
  const spectra = runs.map((r) => r.spectra.get(symmetry) ?? []);
  const perRun = spectra.map((s) => s.map((state) => state.map((values) => spectrumMeasures(values))));
  const at = longest(runs.map((r) => r.at));
  const mean = (k: number, of: (m: SpectrumMeasures) => number) =>
    estimate(
      perRun.map((states) => {
        const list = states.at(k);
        return list && list.length > 0 ? list.reduce((s, m) => s + of(m), 0) / list.length : Number.NaN;
      }),
    );
  const values = (k: number): Estimate[] => {
    const first = spectra.flatMap((s) => s.at(k)?.[0] ?? []);
    const count = Math.max(0, ...first.map((v) => v.length));
    return Array.from({ length: count }, (_, i) => estimate(first.map((v) => v[i] ?? Number.NaN)));
  };
  return {
    full: frames.reduce((n, f) => n + Math.min(f.basis.rows, f.set.size), 0) / frames.length,
    effective: mean(-1, (m) => m.effectiveRank),
    stable: mean(-1, (m) => m.stableRank),
    numerical: mean(-1, (m) => m.numericalRank),
    course: { at, values: at.map((_, k) => mean(k, (m) => m.effectiveRank)) },
    spectrum: { start: values(0), end: values(-1) },
  };
}

function summariseCharges(courses: readonly ChargeCourse[]): ChargeSummary | undefined {
  const perRun = courses.map((c) => c.steps);
  if (perRun.length === 0 || !perRun[0]!.some((s) => s.identity !== undefined)) return undefined;
  const most = (of: (s: (typeof perRun)[number][number]) => number | undefined) =>
    perRun.map((course) => Math.max(...course.flatMap((s) => of(s) ?? [])));
  const mean = (values: ArrayLike<number>, empty = 0) =>
    values.length > 0 ? Array.from(values).reduce((a, b) => a + b, 0) / values.length : empty;
  const at = longest(perRun.map((c) => c.map((s) => s.step)));
  const residual = most((s) => s.residual).filter(Number.isFinite);
  const size = (charges: Float64Array | undefined): number => (charges ? mean(charges.map(Math.abs)) : Number.NaN);
  const predicted = perRun.map(predictedCharges);
  return {
    identity: estimate(most((s) => s.identity)),
    drive: estimate(perRun.map((course) => mean(course.flatMap((s) => s.drive ?? [])))),
    imbalance: {
      at,
      values: at.map((_, k) =>
        estimate(perRun.map((c) => mean((c[k]?.balance ?? []).map(Math.abs).filter(Number.isFinite), Number.NaN))),
      ),
    },
    size: { at, values: at.map((_, k) => estimate(perRun.map((c) => size(c[k]?.charges)))) },
    ...(predicted.some((p) => p !== undefined)
      ? { predicted: { at, values: at.map((_, k) => estimate(predicted.map((p) => size(p?.[k])))) } }
      : {}),
    ...(residual.length > 0 ? { residual: estimate(residual) } : {}),
  };
}

function summariseNorms(perRun: readonly NormCourse[]): NormSummary | undefined {
  if (perRun.length === 0) return undefined;
  const at = longest(perRun.map((c) => c.steps.map((s) => s.step)));
  const course = (of: (s: (typeof perRun)[number]["steps"][number]) => Float64Array): Course => ({
    at,
    values: at.map((_, k) =>
      estimate(
        perRun.map((c) => {
          const step = c.steps[k];
          return step ? of(step).reduce((a, b) => a + b, 0) / of(step).length : Number.NaN;
        }),
      ),
    ),
  });
  const ratios = perRun.flatMap((c) => c.equilibriumRatio ?? []);
  return {
    norm: course((s) => s.norm),
    effectiveRate: course((s) => s.effectiveRate),
    ...(ratios.length > 0 ? { equilibriumRatio: estimate(ratios) } : {}),
  };
}

function finalLoss(run: Trajectory): number {
  if (run.evaluation) return run.evaluation.loss;
  const tail = run.losses.subarray(Math.floor(0.9 * run.losses.length));
  return tail.length > 0 ? tail.reduce((a, b) => a + b, 0) / tail.length : Number.NaN;
}

function lossCurve(runs: readonly Trajectory[]): Course {
  const steps = Math.max(...runs.map((r) => r.losses.length));
  const width = Math.max(1, Math.ceil(steps / CURVE_POINTS));
  const at: number[] = [];
  const values: Estimate[] = [];
  for (let from = 0; from < steps; from += width) {
    const to = Math.min(steps, from + width);
    at.push((from + to - 1) / 2);
    values.push(
      estimate(
        runs.map((r) => {
          const window = r.losses.subarray(from, to);
          return window.reduce((a, b) => a + b, 0) / window.length;
        }),
      ),
    );
  }
  return { at, values };
}

function longest(lists: readonly (readonly number[])[]): readonly number[] {
  return lists.reduce((a, b) => (b.length > a.length ? b : a), []);
}

function dormant(runs: readonly Trajectory[], index: 0 | -1): Map<string, Estimate> {
  const out = new Map<string, Estimate>();
  for (const layer of runs[0]?.recordings.at(index)?.activity.keys() ?? []) {
    out.set(
      layer,
      estimate(
        runs.map((r) => {
          const activity = r.recordings.at(index)?.activity.get(layer);
          return activity ? dormantFraction(activity) : Number.NaN;
        }),
      ),
    );
  }
  return out;
}

function aligned(runs: readonly RunMeasures[], symmetries: readonly Symmetry[], notes: string[]): SettingSummary["alignment"] {
  if (runs.length < 2) return undefined;
  const cost = symmetries
    .flatMap(unitSets)
    .reduce((n, s) => n + s.size * s.size * s.blocks.reduce((m, b) => m + b.features, 0), 0);
  const pairs = (runs.length * (runs.length - 1)) / 2;
  if (cost * pairs > ALIGNMENT_COST) {
    notes.push("layers are too wide to align replicas within the time; distances modulo symmetry are left out");
    return undefined;
  }
  const states = runs.map((r) => r.end);
  const found = new Map<string, ReturnType<typeof align>>();
  const pair = (a: number, b: number) => {
    const known = found.get(`${a} ${b}`) ?? align(states[a]!, states[b]!, symmetries, { restarts: 1 });
    found.set(`${a} ${b}`, known);
    return known;
  };
  return {
    raw: overPairs(runs.length, (a, b) => pair(a, b).raw),
    remaining: overPairs(runs.length, (a, b) => pair(a, b).remaining),
    ratio: overPairs(runs.length, (a, b) => pair(a, b).ratio),
  };
}

function compare(first: Detail, other: Detail): SettingComparison {
  const shared = other.replicas.flatMap((r, j) => {
    const i = first.replicas.indexOf(r);
    return i < 0 ? [] : [[i, j] as const];
  });
  const difference = (of: (d: Detail) => readonly (number | undefined)[]) =>
    pairedDifference(
      shared.map(([i]) => of(first)[i] ?? Number.NaN),
      shared.map(([, j]) => of(other)[j] ?? Number.NaN),
    );
  const accuracy = difference((d) => d.accuracies);
  return {
    setting: other.summary.setting,
    against: first.summary.setting,
    degree: difference((d) => d.degrees),
    loss: difference((d) => d.losses),
    deadUnits: difference((d) => d.dead),
    distinctUnits: difference((d) => d.distinct),
    ...(accuracy.replicas > 0 ? { accuracy } : {}),
  };
}
