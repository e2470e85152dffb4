/**
 * @file How Noether charges move under the optimisers (arXiv 2012.04728, 2105.02716): exact for SGD with decay in the
 * gradient, closed forms for momentum, and the half-life of imbalance. Q is |theta_out|^2 - |theta_in|^2 for rescalings,
 * |theta|^2 for scales, <theta, n> for translations.
 */

/**
 * One step of SGD: Q <- (1 - eta lambda)^2 Q + eta^2 (|g_out|^2 - |g_in|^2), gradients without the decay. Exact, since
 * <g_out, theta_out> = <g_in, theta_in>. For scales pass |g|^2 as the difference.
 */
export function nextQuadraticCharge(charge: number, learningRate: number, decay: number, gradientDifference: number): number {
  return (1 - learningRate * decay) ** 2 * charge + learningRate ** 2 * gradientDifference;
}

/** One step of SGD for a translation charge: Q <- (1 - eta lambda) Q. Exact. */
export function nextLinearCharge(charge: number, learningRate: number, decay: number): number {
  return (1 - learningRate * decay) * charge;
}

/** Steps in which the imbalance of a rescaling halves: (1 - beta) ln 2 / (2 eta lambda). Infinity without decay. */
export function balanceHalfLife(learningRate: number, decay: number, momentum = 0): number {
  return decay > 0 ? ((1 - momentum) * Math.LN2) / (2 * learningRate * decay) : Infinity;
}

/** Imbalance that gradient noise sustains against decay: Q = eta (E|g_out|^2 - E|g_in|^2) / (2 lambda). */
export function stationaryImbalance(learningRate: number, decay: number, gradientDifference: number): number {
  return (learningRate * gradientDifference) / (2 * decay);
}

/**
 * How much of a charge is left after n steps of heavy-ball momentum beta (dampening alpha) without driving force, by the
 * damped oscillator of 2012.04728: gam = (1-beta)/(eta(1-alpha)(1+beta)), om^2 = 4 lambda/(eta(1-alpha)(1+beta)) for
 * quadratic charges and half of that for linear ones, time eta(1-alpha) n.
 */
export function momentumChargeFactor(
  charge: "quadratic" | "linear",
  learningRate: number,
  decay: number,
  momentum: number,
  steps: number,
  dampening = 0,
): number {
  const rate = learningRate * (1 - dampening);
  const t = rate * steps;
  const gam = (1 - momentum) / (rate * (1 + momentum));
  const square = ((charge === "quadratic" ? 4 : 2) * decay) / (rate * (1 + momentum));
  const gap = gam * gam - square;
  if (Math.abs(gap) < 1e-12 * gam * gam) return Math.exp(-gam * t) * (1 + gam * t);
  if (gap < 0) {
    const frequency = Math.sqrt(-gap);
    return Math.exp(-gam * t) * (Math.cos(frequency * t) + (gam / frequency) * Math.sin(frequency * t));
  }
  const root = Math.sqrt(gap);
  // -gam + root loses digits where decay is weak: its equal -square / (gam + root) does not.
  const [slow, fast] = [-square / (gam + root), -gam - root];
  return (slow * Math.exp(fast * t) - fast * Math.exp(slow * t)) / (slow - fast);
}

/**
 * Exact change of a rescaling charge under an adaptive optimiser with decoupled decay and update u (theta <- (1 - eta lambda)
 * theta - eta u): the middle term is the drive of kinetic symmetry breaking, which vanishes for SGD only.
 */
export function adaptiveChargeChange(
  charge: number,
  learningRate: number,
  decay: number,
  weightsAlongUpdate: number,
  updateDifference: number,
): number {
  const keep = 1 - learningRate * decay;
  return (keep * keep - 1) * charge - 2 * learningRate * keep * weightsAlongUpdate + learningRate ** 2 * updateDifference;
}
