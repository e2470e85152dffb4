/**
 * @file One symmetry along one run: its degree of breaking at every recorded state, and what moves its weakest mirror: decay,
 * the mean gradient, or the noise of steps.
 */
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import type { Balancer } from "../gauge/balance";
import type { MirrorChains } from "../measures/breaking";
import { decayOf, rateOf, type RunSettings } from "../measures/settings";
import type { Recording, Trajectory } from "../trajectory";

/**
 * What moves the logarithm of the squared distance from the mirrors per step, mean over recorded steps; negative pulls onto
 * the mirrors. With s^2 = |theta|^2 over the weights concerned: decay -2 eta lambda, gradient -2 eta <theta, g> / s^2, steps
 * + |Delta theta|^2 / s^2.
 */
export interface PullBudget {
  readonly decay: number;
  readonly gradient: number;
  readonly steps: number;
}

/** One symmetry along one run. */
export interface SymmetryCourse {
  readonly symmetry: Symmetry;
  readonly mirrors: number;
  /** Recorded steps, and the degree B at each (0 fully symmetric, 1 broken). */
  readonly at: readonly number[];
  readonly degrees: Float64Array;
  /** The share of broken mirrors at each, which verdicts are about. */
  readonly broken: Float64Array;
  /** Smallest order parameter over the scale, at each recorded step: where the weakest mirror is heading. */
  readonly weakest: Float64Array;
  /** Root mean square of all order parameters |O_m^T theta| at each: the distance from the mirrors, not relative. */
  readonly orders: Float64Array;
  /** Of all weights that the symmetry moves; absent without recorded gradients or for adaptive decay in the gradient. */
  readonly budget?: PullBudget;
}

/** Courses of all symmetries with mirrors along one run. States that are not finite end it. */
export function symmetryCourses(
  chains: readonly MirrorChains[],
  balancer: Balancer,
  run: Trajectory,
  settings: RunSettings,
): SymmetryCourse[] {
  const recordings = run.recordings.filter((r) => run.divergedAt === undefined || r.step < run.divergedAt);
  if (recordings.length === 0) return [];
  const balanced = recordings.map((r) => balancer.apply(r.parameters));
  return chains.map((chain) => {
    const orders = balanced.map((b) => chain.orderParameters(b));
    const initial = orders[0]!;
    const degrees = Float64Array.from(orders, (o) => chain.degree(o, initial));
    const broken = Float64Array.from(orders, (o) => chain.brokenShare(o, initial));
    const weakest = Float64Array.from(orders, (o) =>
      o.reduce((least, { values, scale }) => Math.min(least, scale > 0 ? (values.at(-1) ?? 0) / scale : 0), Infinity),
    );
    const size = Float64Array.from(orders, (o) => {
      const all = o.flatMap(({ values }) => [...values]);
      return Math.sqrt(all.reduce((s, x) => s + x * x, 0) / Math.max(1, all.length));
    });
    const budget = pullBudget(chain.symmetry, recordings, settings);
    return {
      symmetry: chain.symmetry,
      mirrors: chain.mirrors,
      at: recordings.map((r) => r.step),
      degrees,
      broken,
      weakest,
      orders: size,
      ...(budget ? { budget } : {}),
    };
  });
}

/** Sums over the parameters of a symmetry, mean over the recorded steps that have an update. */
export function pullBudget(symmetry: Symmetry, recordings: readonly Recording[], settings: RunSettings): PullBudget | undefined {
  if (settings.optimiser === "adam") return undefined;
  let [decay, gradient, steps, n] = [0, 0, 0, 0];
  for (const r of recordings) {
    if (!r.after) continue;
    const part = stepBudget(symmetry, r, r.after, settings);
    if (!part) continue;
    decay += part.decay;
    gradient += part.gradient;
    steps += part.steps;
    n++;
  }
  return n > 0 ? { decay: decay / n, gradient: gradient / n, steps: steps / n } : undefined;
}

function stepBudget(symmetry: Symmetry, r: Recording, after: ParameterValues, settings: RunSettings): PullBudget | undefined {
  let [square, decay, drift, step] = [0, 0, 0, 0];
  for (const name of symmetry.parameters) {
    const [w, then] = [r.parameters.get(name), after.get(name)];
    if (!w || !then) continue;
    const shrink = rateOf(settings, name, r.learningRate) * decayOf(settings, name);
    for (let i = 0; i < w.length; i++) {
      const delta = then[i]! - w[i]!;
      square += w[i]! * w[i]!;
      decay -= 2 * shrink * w[i]! * w[i]!;
      // What is not decay is the optimiser's update, momentum and normalisation included.
      drift += 2 * w[i]! * (delta + shrink * w[i]!);
      step += delta * delta;
    }
  }
  return square > 0 ? { decay: decay / square, gradient: drift / square, steps: step / square } : undefined;
}
