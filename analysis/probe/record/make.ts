/** @file From a probe's result and what was measured on it to the record. */
import { fitCriticalRate } from "../../dynamics/measures/critical-rate";
import type { Estimate } from "../../dynamics/measures/statistics";
import type {
  Course,
  ProbeSummary,
  RankSummary,
  SettingComparison,
  SettingSummary,
  SymmetrySummary,
  UnitSummary,
} from "../../dynamics/summary/types";
import type { Trajectory } from "../../dynamics/trajectory";
import type { Verdict } from "../../dynamics/verdict/verdict";
import type { ModelAnalysis } from "../../symmetry/analysis";
import type { Symmetry } from "../../symmetry/symmetry";
import type { ProbeResult, TrainingSettings } from "../types";
import type {
  Measured,
  MeasuredCourse,
  ProbeRecord,
  RecordedCollapse,
  RecordedComparison,
  RecordedLandscape,
  RecordedMeasures,
  RecordedProduct,
  RecordedRanks,
  RecordedRun,
  RecordedSetting,
  RecordedSweep,
  RecordedSymmetry,
  RecordedTraining,
  RecordedUnits,
  RecordedVerdict,
  UnitSimilarity,
} from "./record";

/** Points of one run's loss curve at most. */
const CURVE_POINTS = 300;

/** What is known of the symmetries of a model that was trained. */
export type TrainedModel = Pick<ModelAnalysis, "symmetries" | "spaces" | "graph">;

/** What a record is made of. */
export interface ProbeFindings {
  readonly name: string;
  readonly result: Omit<ProbeResult, "graph">;
  readonly summary: ProbeSummary;
  /** The model that a setting trained. */
  modelOf(setting: string): TrainedModel;
  /** Products of matrices in the model that a setting trained. */
  productsOf?(setting: string): readonly RecordedProduct[];
  /** The loss where a setting's training ended. */
  landscapeOf?(setting: string): RecordedLandscape | undefined;
  collapseOf?(setting: string, symmetry: Symmetry): RecordedCollapse | undefined;
  readonly sweep?: { readonly what: string; readonly values: readonly number[] };
  readonly replicas: number;
}

/** The record. */
export function makeRecord(findings: ProbeFindings): ProbeRecord {
  const { name, result, summary, modelOf, productsOf, landscapeOf, collapseOf, replicas, sweep } = findings;
  const { twin } = result;
  return {
    schema: 1,
    model: name,
    parameters: result.parameters,
    ...(twin ? { twin } : {}),
    loss: result.loss,
    data: result.data,
    device: result.device,
    steps: result.steps,
    replicas,
    seed: result.seed,
    settings: summary.settings.map((s) => {
      const { training } = result.settings.find((x) => x.name === s.setting)!;
      const runs = result.runs.filter((r) => r.setting === s.setting);
      const products = productsOf?.(s.setting) ?? [];
      const recorded = recordSetting(s, training, runs, modelOf(s.setting));
      const landscape = landscapeOf?.(s.setting);
      const symmetries = recorded.symmetries.map((m, i) => {
        const collapse = collapseOf?.(s.setting, s.symmetries[i]!.symmetry);
        return collapse ? { ...m, collapse } : m;
      });
      return { ...recorded, symmetries, products, ...(landscape ? { landscape } : {}) };
    }),
    comparisons: summary.comparisons.map(recordComparison),
    ...(sweep ? { sweep: recordSweep(sweep, summary, modelOf) } : {}),
    notes: [...new Set([...result.notes, ...summary.notes])],
    seconds: result.seconds,
    cached: result.cached,
  };
}

/** A number, or null for what JSON cannot say. */
export function plain(x: number): number | null {
  // JSON has no negative zero either.
  return Number.isFinite(x) ? x + 0 : null;
}

/** An estimate as it is recorded. */
export function measured({ value, error, replicas }: Estimate): Measured {
  return { value: plain(value), error: plain(error), replicas };
}

function course({ at, values }: Course): MeasuredCourse {
  return { at: [...at], values: values.map(measured) };
}

function recordSetting(
  s: SettingSummary,
  training: TrainingSettings,
  runs: readonly Trajectory[],
  model: TrainedModel,
): Omit<RecordedSetting, "products"> {
  return {
    name: s.setting,
    training: recordTraining(training),
    replicas: s.replicas,
    diverged: s.diverged,
    runs: runs.map(recordRun),
    loss: course(s.loss),
    finalLoss: measured(s.finalLoss),
    ...(s.accuracy ? { accuracy: measured(s.accuracy) } : {}),
    degree: measured(s.degree),
    degreeCourse: course(s.degreeCourse),
    symmetries: s.symmetries.map((x) => recordMeasures(x, model)),
    replicaDistance: {
      mean: measured(s.replicaDistance.mean),
      layers: s.replicaDistance.layers.map((l) => ({ parameter: l.parameter, distance: measured(l.distance) })),
    },
    ...(s.alignment
      ? {
          alignment: {
            raw: measured(s.alignment.raw),
            remaining: measured(s.alignment.remaining),
            ratio: measured(s.alignment.ratio),
          },
        }
      : {}),
    dormant: [...s.dormant].map(([layer, end]) => ({
      layer,
      start: measured(s.dormantAtStart.get(layer) ?? { value: Number.NaN, error: Number.NaN, replicas: 0 }),
      end: measured(end),
    })),
    ...(s.noiseScale ? { noiseScale: measured(s.noiseScale) } : {}),
  };
}

function recordTraining(training: TrainingSettings): RecordedTraining {
  return { ...training, clipNorm: plain(training.clipNorm) };
}

function recordRun(run: Trajectory): RecordedRun {
  const steps = run.losses.length;
  const width = Math.max(1, Math.ceil(steps / CURVE_POINTS));
  const at: number[] = [];
  const losses: (number | null)[] = [];
  for (let from = 0; from < steps; from += width) {
    const window = run.losses.subarray(from, Math.min(steps, from + width));
    at.push(from + (window.length - 1) / 2);
    losses.push(plain(window.reduce((a, b) => a + b, 0) / window.length));
  }
  const { evaluation } = run;
  return {
    replica: run.replica,
    seed: run.seed,
    at,
    losses,
    ...(evaluation
      ? {
          evaluation: {
            loss: plain(evaluation.loss),
            ...(evaluation.accuracy === undefined ? {} : { accuracy: evaluation.accuracy }),
          },
        }
      : {}),
    ...(run.divergedAt === undefined ? {} : { divergedAt: run.divergedAt }),
  };
}

/** A symmetry without its action. */
function recordSymmetry(symmetry: Symmetry, model: Pick<TrainedModel, "spaces" | "graph">): RecordedSymmetry {
  const { id, kind, group, dimension, parameters } = symmetry;
  const acts = model.spaces.filter((s) => symmetry.spaces.includes(s.id)).flatMap((s) => s.acts);
  const isMatrix = (name: string) => (model.graph.parameters.get(name)?.shape.length ?? 0) >= 2;
  const writer = acts.find((a) => a.axis === 0 && isMatrix(a.parameter) && parameters.includes(a.parameter))?.parameter;
  return { id, kind, group, dimension, parameters: [...parameters], ...(writer === undefined ? {} : { writer }) };
}

function recordMeasures(x: SymmetrySummary, model: TrainedModel): RecordedMeasures {
  const { charges, norms } = x;
  return {
    symmetry: recordSymmetry(x.symmetry, model),
    ...(x.degree ? { degree: measured(x.degree) } : {}),
    ...(x.course ? { course: course(x.course) } : {}),
    ...(x.verdict ? { verdict: recordVerdict(x.verdict) } : {}),
    ...(x.units ? { units: recordUnits(x.units) } : {}),
    ...(charges
      ? {
          charges: {
            identity: measured(charges.identity),
            ...(charges.residual ? { residual: measured(charges.residual) } : {}),
            drive: measured(charges.drive),
            imbalance: course(charges.imbalance),
            size: course(charges.size),
            ...(charges.predicted ? { predicted: course(charges.predicted) } : {}),
          },
        }
      : {}),
    ...(norms
      ? {
          norms: {
            norm: course(norms.norm),
            effectiveRate: course(norms.effectiveRate),
            ...(norms.equilibriumRatio ? { equilibriumRatio: measured(norms.equilibriumRatio) } : {}),
          },
        }
      : {}),
    ...(x.ranks ? { ranks: recordRanks(x.ranks) } : {}),
    ...(x.similarity ? { similarity: recordSimilarity(x.similarity) } : {}),
  };
}

function recordVerdict(v: Verdict): RecordedVerdict {
  return {
    kind: v.kind,
    ...(v.step ? { step: measured(v.step) } : {}),
    start: measured(v.start),
    end: measured(v.end),
    restored: v.restored,
    mirrors: v.mirrors,
    driver: v.driver,
    evidence: [...v.evidence],
    ...(v.heading === undefined ? {} : { heading: v.heading }),
  };
}

function recordUnits(u: UnitSummary): RecordedUnits {
  return { units: u.units, dead: measured(u.dead), duplicates: measured(u.duplicates), distinct: measured(u.distinct) };
}

function recordRanks(r: RankSummary): RecordedRanks {
  return {
    full: r.full,
    effective: measured(r.effective),
    stable: measured(r.stable),
    numerical: measured(r.numerical),
    course: course(r.course),
    spectrum: { start: r.spectrum.start.map(measured), end: r.spectrum.end.map(measured) },
  };
}

function recordSimilarity({ copy, units, norms, cosines }: NonNullable<SymmetrySummary["similarity"]>): UnitSimilarity {
  // Three digits are what a picture can show.
  const rounded = (values: ArrayLike<number> | undefined) => Array.from(values ?? [], (x) => Math.round(1000 * x) / 1000 + 0);
  return { copy, units: [...units], start: rounded(cosines[0]), end: rounded(cosines.at(-1)), norms: [...norms] };
}

/** The order parameters of all symmetries against what was swept; the sweep's settings come first. */
function recordSweep(
  { what, values }: NonNullable<ProbeFindings["sweep"]>,
  summary: ProbeSummary,
  modelOf: ProbeFindings["modelOf"],
): RecordedSweep {
  const swept = summary.settings.slice(0, values.length);
  const model = modelOf(swept[0]?.setting ?? "");
  return {
    what,
    values: [...values],
    symmetries: (swept[0]?.symmetries ?? []).flatMap(({ symmetry, order }, i) => {
      if (!order) return [];
      const orders = swept.map((s) => s.symmetries[i]?.order ?? { value: Number.NaN, error: Number.NaN, replicas: 0 });
      const fit =
        what === "lr" && values.length >= 3
          ? fitCriticalRate(
              values,
              orders.map((o) => o.value),
            )
          : undefined;
      return [
        {
          symmetry: recordSymmetry(symmetry, model),
          order: orders.map(measured),
          ...(fit
            ? {
                fit: {
                  a: measured(fit.a),
                  b: measured(fit.b),
                  criticalRate: measured(fit.criticalRate),
                  residual: plain(fit.residual),
                  points: fit.points,
                },
              }
            : {}),
        },
      ];
    }),
  };
}

function recordComparison(c: SettingComparison): RecordedComparison {
  return {
    setting: c.setting,
    against: c.against,
    degree: measured(c.degree),
    loss: measured(c.loss),
    ...(c.accuracy ? { accuracy: measured(c.accuracy) } : {}),
    deadUnits: measured(c.deadUnits),
    distinctUnits: measured(c.distinctUnits),
  };
}
