/** @file Norms of scale-invariant weights against their predicted equilibrium, and the rate at which they really learn (2105.02716). */
import { effectiveLearningRate, equilibriumNorm } from "../closed-forms/scale-invariance";
import type { Symmetry } from "../../symmetry/symmetry";
import type { Recording } from "../trajectory";
import { decayOf, rateOf, type RunSettings } from "./settings";

/** Norms of one scale symmetry at one recorded step; one entry per independent factor (channel, or one for a whole matrix). */
export interface NormStep {
  readonly step: number;
  /** r = |theta_d|. */
  readonly norm: Float64Array;
  /** eta / r^2, times 1/(1 - beta) for momentum. */
  readonly effectiveRate: Float64Array;
  /** |g|^2 at unit norm, r^2 |g|^2; absent without gradient. */
  readonly unitGradientSquare?: Float64Array;
}

/** The course of norms and their predicted end. */
export interface NormCourse {
  readonly steps: readonly NormStep[];
  /**
   * r^4 over its equilibrium value at the last recording, mean over factors; the gradient is averaged over the second half of
   * the recordings. 1: in equilibrium. Absent for adaptive optimisers, without decay, and without gradients.
   */
  readonly equilibriumRatio?: number;
}

/** Norms along a run; undefined unless the symmetry is a scale invariance. */
export function normCourse(symmetry: Symmetry, recordings: readonly Recording[], settings: RunSettings): NormCourse | undefined {
  const entries = symmetry.kind === "scale" ? symmetry.diagonal?.() : undefined;
  if (!entries || entries.length === 0) return undefined;
  let count = 0;
  for (const e of entries) for (const d of e.index) count = Math.max(count, d + 1);
  const momentum = settings.optimiser === "sgd" ? settings.momentum : 0;
  const first = symmetry.parameters[0]!;
  const squares = (of: ReadonlyMap<string, Float64Array>): Float64Array => {
    const out = new Float64Array(count);
    for (const { parameter, flat, index } of entries) {
      const w = of.get(parameter);
      if (w) for (let k = 0; k < flat.length; k++) out[index[k]!]! += w[flat[k]!]! ** 2;
    }
    return out;
  };
  const steps = recordings.map((r): NormStep => {
    const square = squares(r.parameters);
    const eta = rateOf(settings, first, r.learningRate);
    const gradient = r.gradient ? squares(r.gradient) : undefined;
    return {
      step: r.step,
      norm: square.map(Math.sqrt),
      effectiveRate: square.map((s) => effectiveLearningRate(eta, Math.sqrt(s), momentum)),
      ...(gradient ? { unitGradientSquare: gradient.map((g, d) => g * square[d]!) } : {}),
    };
  });
  const decay = decayOf(settings, first);
  const late = steps.slice(Math.floor(steps.length / 2)).flatMap((s) => (s.unitGradientSquare ? [s.unitGradientSquare] : []));
  if (settings.optimiser !== "sgd" || decay <= 0 || late.length === 0) return { steps };
  const last = steps.at(-1)!.norm;
  const eta = rateOf(settings, first, recordings.at(-1)!.learningRate);
  let sum = 0;
  for (let d = 0; d < count; d++) {
    const mean = late.reduce((s, g) => s + g[d]!, 0) / late.length;
    sum += (last[d]! / equilibriumNorm(eta, decay, mean, momentum)) ** 4;
  }
  return { steps, equilibriumRatio: sum / count };
}
