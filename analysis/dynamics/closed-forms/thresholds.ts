/**
 * @file When a symmetric point attracts: with decay alone, with decay and gradient noise, and which units or singular values
 * vanish. Along a mirror direction o (arXiv 2309.16932): curvature h = o^T H o of the loss at the symmetric point, per-sample
 * variance v_h of that curvature, learning rate eta, decay lambda (penalty lambda/2 |theta|^2), batch size B.
 */

/**
 * Learning rate with which heavy-ball momentum acts in the long run: eta / (1 - beta). Exact for slow directions; inside of
 * thresholds with noise it is a heuristic. Throws RangeError unless 0 <= beta < 1.
 */
export function effectiveRate(learningRate: number, momentum = 0): number {
  if (!(momentum >= 0 && momentum < 1)) throw new RangeError(`momentum is ${momentum}, expected a number in [0, 1)`);
  return learningRate / (1 - momentum);
}

/** Smallest decay at which the symmetric point attracts gradient descent: lambda_c = -h (0 where it attracts by itself). 2309.16932. */
export function criticalDecay(curvature: number): number {
  return Math.max(0, -curvature);
}

/**
 * Steps of gradient descent in which the distance to an attracting symmetric point shrinks by `factor` (for example 1e-3):
 * ln(1/factor) / (eta (h + lambda)); Infinity where the point does not attract. Momentum through `effectiveRate`.
 */
export function stepsToShrink(factor: number, learningRate: number, curvature: number, decay: number): number {
  const rate = learningRate * (curvature + decay);
  return rate > 0 ? Math.log(1 / factor) / rate : Infinity;
}

/**
 * Collapse margin M = lambda |O^T theta|^2 / (2 Delta L), with Delta L = L((I - OO^T) theta) - L(theta) the loss that
 * collapsing costs: above 1 the regularised loss is lower at the symmetric point (2309.16932, theorem 1, rewritten).
 * Infinity where collapsing costs nothing.
 */
export function collapseMargin(decay: number, squaredDistance: number, lossIncrease: number): number {
  const gain = 0.5 * decay * squaredDistance;
  if (gain === 0) return 0;
  return lossIncrease <= 0 ? Infinity : gain / lossIncrease;
}

/**
 * Lyapunov exponent of the distance to the symmetric point under SGD, per step: mean over batches of
 * log|1 - eta (h_b + lambda)|. Negative: collapses with probability 1 (2309.16932, 2306.04251). `curvatures` are h_b per batch.
 */
export function collapseExponent(learningRate: number, curvatures: ArrayLike<number>, decay: number): number {
  let sum = 0;
  for (let i = 0; i < curvatures.length; i++) sum += Math.log(Math.abs(1 - learningRate * (curvatures[i]! + decay)));
  return curvatures.length > 0 ? sum / curvatures.length : Number.NaN;
}

/** Standard error of `collapseExponent` over the batches; NaN below two of them. */
export function collapseExponentError(learningRate: number, curvatures: ArrayLike<number>, decay: number): number {
  const n = curvatures.length;
  if (n < 2) return Number.NaN;
  const mean = collapseExponent(learningRate, curvatures, decay);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (Math.log(Math.abs(1 - learningRate * (curvatures[i]! + decay))) - mean) ** 2;
  return Math.sqrt(sum / (n - 1) / n);
}

/**
 * Learning rate above which gradient noise makes a saddle attract, to second order: with c = h + lambda < 0,
 * eta_c = -2c / (c^2 + v_h/B). 0 for c >= 0 (attracts at any stable rate). Valid for eta |h_b + lambda| below about 0.5.
 * Momentum: compare with `effectiveRate` (heuristic).
 */
export function criticalLearningRate(curvature: number, decay: number, variance: number, batchSize: number): number {
  const c = curvature + decay;
  return c >= 0 ? 0 : (-2 * c) / (c * c + variance / batchSize);
}

/**
 * Batch size below which the saddle attracts: B_c = eta v_h / (2|c| - eta c^2). Infinity where it attracts without noise
 * (c >= 0) or where the step overshoots the saddle's own scale.
 */
export function criticalBatchSize(curvature: number, decay: number, variance: number, learningRate: number): number {
  const c = curvature + decay;
  const room = 2 * Math.abs(c) - learningRate * c * c;
  return c >= 0 || room <= 0 ? Infinity : (learningRate * variance) / room;
}

/**
 * What pulls into the symmetric point, in units of curvature, in the continuous limit: lambda + eta v_h / (2B). The point
 * attracts when this exceeds -h (2306.04251: alpha > 0 with diffusion eta v_h / B).
 */
export function attraction(decay: number, learningRate: number, variance: number, batchSize: number): number {
  return decay + (learningRate * variance) / (2 * batchSize);
}

/** Whether a unit u sigma(w x) near zero dies: lambda > sigma_max(G), G = E[delta x^T] over active samples. 2309.16932. */
export function unitDies(decay: number, gradientNorm: number): boolean {
  return decay > gradientNorm;
}

/**
 * Singular values of a product layer W = U V that survive decay lambda on both factors, for whitened inputs and a quadratic
 * loss: max(sigma - lambda, 0). 2309.16932 (nuclear norm); the same threshold holds for query-key and value-output products.
 */
export function softThreshold(singularValues: ArrayLike<number>, decay: number): Float64Array {
  return Float64Array.from(singularValues, (s) => Math.max(s - decay, 0));
}
