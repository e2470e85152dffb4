/**
 * @file How close weights are to falling onto a mirror: order parameter, collapse margin (deterministic threshold) and collapse
 * exponent (noise threshold), measured on a loss that is given as a function (arXiv 2309.16932, 2306.04251).
 */
import { collapseExponent, collapseExponentError, collapseMargin } from "../closed-forms/thresholds";
import type { ParameterValues } from "../../symmetry/symmetry";

/** The part of the weights that a mirror flips: P theta, parameters without such a part absent (a Symmetry's mirrors fit). */
export interface MirrorLike {
  project(weights: ParameterValues): ParameterValues;
}

/** Mean loss over data, and the mean gradient over one mini-batch. */
export interface LossFunctions {
  loss(parameters: ParameterValues): Promise<number>;
  /** Gradient of mini-batch number `batch`, without decay. */
  batchGradient(parameters: ParameterValues, batch: number): Promise<ParameterValues>;
  readonly batches: number;
}

/** s = |O^T theta| / |theta| over the given parameters; 0 on the mirror. */
export function mirrorOrder(mirror: MirrorLike, parameters: ParameterValues): number {
  const size = squaredNorm(parameters);
  return size > 0 ? Math.sqrt(squaredNorm(mirror.project(parameters)) / size) : 0;
}

/** What the two thresholds say about one mirror. */
export interface CollapseMeasure {
  /** |O^T theta| (not relative). */
  readonly distance: number;
  /** M = lambda |O^T theta|^2 / (2 Delta L): above 1 collapse is preferred by the regularised loss. */
  readonly margin: number;
  /** Delta L: what the loss rises by on the mirror. */
  readonly lossIncrease: number;
  /** E log|1 - eta (h_b + lambda)| at the mirror, along the direction of O^T theta: negative collapses. */
  readonly exponent: number;
  readonly exponentError: number;
  /** Mean h and variance between batches of the curvature at the mirror. */
  readonly curvature: number;
  readonly curvatureVariance: number;
}

/**
 * Measures one mirror. The curvature of each batch is the central difference of its gradient along the direction in which the
 * weights are away from the mirror, at the projected point; `step` is relative to that distance.
 */
export async function measureCollapse(
  mirror: MirrorLike,
  parameters: ParameterValues,
  functions: LossFunctions,
  settings: { readonly learningRate: number; readonly weightDecay: number },
  step = 0.1,
): Promise<CollapseMeasure> {
  const part = mirror.project(parameters);
  const distance = Math.sqrt(squaredNorm(part));
  const centre = shifted(parameters, part, -1);
  const lossIncrease = (await functions.loss(centre)) - (await functions.loss(parameters));
  const curvatures: number[] = [];
  if (distance > 0) {
    const h = step;
    for (let b = 0; b < functions.batches; b++) {
      const plus = await functions.batchGradient(shifted(centre, part, h), b);
      const minus = await functions.batchGradient(shifted(centre, part, -h), b);
      // <o, g(c + h s o) - g(c - h s o)> / (2 h s) with o = part / s.
      curvatures.push((inner(part, plus) - inner(part, minus)) / (2 * h * distance * distance));
    }
  }
  const mean = curvatures.reduce((a, b) => a + b, 0) / curvatures.length;
  const variance = curvatures.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, curvatures.length - 1);
  return {
    distance,
    margin: collapseMargin(settings.weightDecay, distance * distance, lossIncrease),
    lossIncrease,
    exponent: collapseExponent(settings.learningRate, curvatures, settings.weightDecay),
    exponentError: collapseExponentError(settings.learningRate, curvatures, settings.weightDecay),
    curvature: mean,
    curvatureVariance: variance,
  };
}

function squaredNorm(values: ParameterValues): number {
  let sum = 0;
  for (const v of values.values()) for (const x of v) sum += x * x;
  return sum;
}

function inner(a: ParameterValues, b: ParameterValues): number {
  let sum = 0;
  for (const [name, x] of a) {
    const y = b.get(name);
    if (y) for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  }
  return sum;
}

function shifted(parameters: ParameterValues, by: ParameterValues, factor: number): ParameterValues {
  const out = new Map(parameters);
  for (const [name, d] of by) {
    const own = parameters.get(name)!;
    out.set(
      name,
      own.map((x, i) => x + factor * d[i]!),
    );
  }
  return out;
}
