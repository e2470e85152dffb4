/**
 * @file Weights before a normalisation (scale-invariant): norm, effective learning rate and angle per step in equilibrium.
 * The gradient is orthogonal to the weights and shrinks like 1/r, so that steps push outward and decay pulls inward
 * (arXiv 2105.02716, 2012.04728, 2006.08419). `gradientSquare` is E|g|^2 at unit norm, t counts steps.
 */

/** One step of plain SGD: r^2 <- (1 - eta lambda)^2 r^2 + eta^2 |g|^2 / r^2. Exact. */
export function nextSquaredNorm(squaredNorm: number, learningRate: number, decay: number, gradientSquare: number): number {
  return (1 - learningRate * decay) ** 2 * squaredNorm + (learningRate ** 2 * gradientSquare) / squaredNorm;
}

/**
 * How gradients of successive steps are related. noise: independent (small batches late in training). persistent: the same
 * for longer than momentum remembers (large batches); the case of 2105.02716. Without momentum both agree.
 */
export type GradientMemory = "noise" | "persistent";

/**
 * Equilibrium norm r: r^4 = eta E|g|^2 / (2 lambda (1 - beta)) for independent gradients (2006.08419), and
 * eta (1 + beta) E|g|^2 / (2 lambda (1 - beta)^2) for persistent ones (2105.02716). Infinity without decay.
 */
export function equilibriumNorm(
  learningRate: number,
  decay: number,
  gradientSquare: number,
  momentum = 0,
  memory: GradientMemory = "noise",
): number {
  if (decay <= 0) return Infinity;
  const gain = memory === "noise" ? 1 / (1 - momentum) : (1 + momentum) / (1 - momentum) ** 2;
  return ((learningRate * gradientSquare * gain) / (2 * decay)) ** 0.25;
}

/** Learning rate that a scale-invariant weight of norm r feels as a direction: eta / r^2, times 1 / (1 - beta). */
export function effectiveLearningRate(learningRate: number, norm: number, momentum = 0): number {
  return learningRate / ((1 - momentum) * norm * norm);
}

/** Effective learning rate in equilibrium without momentum, sqrt(2 eta lambda / E|g|^2): set by decay and rate together. */
export function equilibriumEffectiveRate(learningRate: number, decay: number, gradientSquare: number): number {
  return Math.sqrt((2 * learningRate * decay) / gradientSquare);
}

/** Optimisers whose equilibrium angle is known. */
export type AngularOptimiser = "sgd" | "adamw";

/**
 * Angle in radians by which the weight turns each step in equilibrium: sqrt(2 eta lambda / (1 + beta)) for SGD (2006.08419),
 * sqrt(2 eta lambda (1 - beta1) / (1 + beta1)) for AdamW (2305.17212), `momentum` being beta or beta1. Independent gradients.
 */
export function angularStep(learningRate: number, decay: number, momentum = 0, optimiser: AngularOptimiser = "sgd"): number {
  const square = (2 * learningRate * decay) / (1 + momentum);
  return Math.sqrt(optimiser === "adamw" ? square * (1 - momentum) : square);
}

/** Steps in which r^4 comes e times closer to equilibrium: (1 - beta) / (4 eta lambda). Infinity without decay. */
export function relaxationSteps(learningRate: number, decay: number, momentum = 0): number {
  return decay > 0 ? (1 - momentum) / (4 * learningRate * decay) : Infinity;
}

/** Norm after n steps without decay: r^4 = r_0^4 + 2 eta^2 n E|g|^2. The effective learning rate falls like n^(-1/2). */
export function undecayedNorm(initialNorm: number, learningRate: number, gradientSquare: number, steps: number): number {
  return (initialNorm ** 4 + 2 * learningRate ** 2 * steps * gradientSquare) ** 0.25;
}

/**
 * Squared norm along a run with a changing gradient (2105.02716, massless limit), per step i with t = eta i:
 * r^4 = e^{-4 lambda t/(1-beta)} r_0^4 + 2 eta (1+beta)/(1-beta)^3 sum e^{-4 lambda (t-s)/(1-beta)} |g_s|^2 eta.
 * `gradientSquares` are |g|^2 at unit norm per step; returns r^2 after each step.
 */
export function squaredNormCourse(
  initialSquaredNorm: number,
  learningRate: number,
  decay: number,
  momentum: number,
  gradientSquares: ArrayLike<number>,
): Float64Array {
  const keep = Math.exp((-4 * learningRate * decay) / (1 - momentum));
  const gain = (2 * learningRate ** 2 * (1 + momentum)) / (1 - momentum) ** 3;
  const out = new Float64Array(gradientSquares.length);
  let fourth = initialSquaredNorm ** 2;
  for (let i = 0; i < out.length; i++) {
    fourth = keep * fourth + gain * gradientSquares[i]!;
    out[i] = Math.sqrt(fourth);
  }
  return out;
}
