/** @file What one run says by itself: measured recording by recording, so that its states need not all be kept. */
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import { Balancer } from "../gauge/balance";
import { invariantSpectrum } from "../gauge/matrix-groups";
import { independent, MirrorChains } from "../measures/breaking";
import { chargeCourse, type ChargeStep } from "../measures/charges";
import { generatorCourse, matrixChargeCourse } from "../measures/matrix-charges";
import { type NormCourse, normCourse } from "../measures/norms";
import type { RunSettings } from "../measures/settings";
import { UnitMeter } from "../measures/units";
import type { Recording, Trajectory } from "../trajectory";
import { type SymmetryCourse, symmetryCourses } from "../verdict/course";

/** Constants by parameter: the model reads scale * theta + shift where a fix trains theta (syre). */
export type Reparametrisation = ReadonlyMap<string, { readonly scale?: Float64Array; readonly shift?: Float64Array }>;

/** Structure that all runs of a model share. */
export interface Prepared {
  readonly symmetries: readonly Symmetry[];
  readonly chains: readonly MirrorChains[];
  readonly balancer: Balancer;
  /** Of the permutations; others have none. */
  readonly meters: readonly (UnitMeter | undefined)[];
  /** Scalings whose factors are products of others' have no charges of their own. */
  readonly charged: ReadonlySet<Symmetry>;
}

/** Reads off the symmetries what measures need; `weights` are some of the model's, initial ones. */
export function prepare(symmetries: readonly Symmetry[], weights: ParameterValues): Prepared {
  const finest = independent(symmetries);
  const chains = finest.map((s) => new MirrorChains(s, symmetries, weights)).filter((c) => c.mirrors > 0);
  const meters = symmetries.map((s) => (s.units ? new UnitMeter(s, symmetries) : undefined));
  return { symmetries, chains, balancer: new Balancer(symmetries), meters, charged: new Set(finest) };
}

/** Charges along a run. */
export interface ChargeCourse {
  readonly steps: readonly ChargeStep[];
}

/** One run. */
export interface RunMeasures {
  readonly courses: readonly SymmetryCourse[];
  readonly charges: ReadonlyMap<Symmetry, ChargeCourse>;
  readonly norms: ReadonlyMap<Symmetry, NormCourse>;
  /** Singular values of what matrix groups act on, by symmetry: per recorded state and frame (head). */
  readonly spectra: ReadonlyMap<Symmetry, readonly (readonly Float64Array[])[]>;
  readonly at: readonly number[];
  /** The first state, in the balanced gauge. */
  readonly balancedStart: ParameterValues;
  /** The last state before a divergence, as the model reads it, and in the balanced gauge. */
  readonly end: ParameterValues;
  readonly balancedEnd: ParameterValues;
}

/** Measures one run. Under a reparametrisation charges and norms are left out: their laws are those of the weights that train. */
export function measureRun(run: Trajectory, settings: RunSettings, ready: Prepared, change?: Reparametrisation): RunMeasures {
  const recordings = run.recordings.map((r) => held(r, change));
  const whole: Trajectory = { ...run, recordings };
  const charges = new Map<Symmetry, ChargeCourse>();
  const norms = new Map<Symmetry, NormCourse>();
  if (!change) {
    for (const s of ready.charged) {
      const frames = ready.chains.find((c) => c.symmetry === s)?.frames ?? [];
      const steps =
        chargeCourse(s, recordings, settings) ??
        matrixChargeCourse(s, frames, recordings, settings) ??
        generatorCourse(s, recordings, settings);
      if (steps) charges.set(s, { steps });
      const course = normCourse(s, recordings, settings);
      if (course) norms.set(s, course);
    }
  }
  const finite = recordings.filter((r) => run.divergedAt === undefined || r.step < run.divergedAt);
  const balancedOf = (r: Recording) => ready.balancer.apply(r.parameters);
  const last = finite.at(-1) ?? recordings[0]!;
  const end = last.parameters;
  const framed = ready.chains.filter((c) => c.frames.length > 0);
  const spectra = new Map<Symmetry, Float64Array[][]>(framed.map((c) => [c.symmetry, []]));
  if (framed.length > 0) {
    for (const r of finite) {
      const balanced = balancedOf(r);
      for (const c of framed) spectra.get(c.symmetry)!.push(c.frames.map((f) => invariantSpectrum(f, balanced)));
    }
  }
  return {
    courses: symmetryCourses(ready.chains, ready.balancer, whole, settings),
    charges,
    norms,
    spectra,
    at: finite.map((r) => r.step),
    end,
    balancedStart: balancedOf(recordings[0]!),
    balancedEnd: balancedOf(last),
  };
}

/** A recording whose values are made once, as the model reads them. */
function held(r: Recording, change: Reparametrisation | undefined): Recording {
  const { gradient, after } = r;
  return {
    step: r.step,
    learningRate: r.learningRate,
    activity: r.activity,
    parameters: effective(r.parameters, change),
    ...(gradient ? { gradient } : {}),
    ...(after ? { after: effective(after, change) } : {}),
    ...(r.noise ? { noise: r.noise } : {}),
  };
}

/** Parameters as the model reads them. */
export function effective(values: ParameterValues, change: Reparametrisation | undefined): ParameterValues {
  if (!change) return values;
  const out = new Map(values);
  for (const [name, { scale, shift }] of change) {
    const own = values.get(name);
    if (own)
      out.set(
        name,
        own.map((x, i) => x * (scale?.[i] ?? 1) + (shift?.[i] ?? 0)),
      );
  }
  return out;
}
