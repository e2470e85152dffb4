/**
 * @file What syre does at a symmetric point: decay towards a frozen random anchor theta_0 (arXiv 2408.15495, corollary 1; the
 * displaced equilibrium derived). It needs decay: without, it has no effect.
 */

/** Force off the symmetric point along a mirror of rank k: lambda sigma_0 sqrt(k), typical over draws of the anchor. */
export function syreForce(decay: number, anchorDeviation: number, rank = 1): number {
  return decay * anchorDeviation * Math.sqrt(rank);
}

/** Recommended anchor deviation 0.01 / sqrt(fan_in): one hundredth of the usual initialisation (section 5.4 of the paper). */
export function anchorDeviation(fanIn: number): number {
  return 0.01 / Math.sqrt(fanIn);
}

/**
 * Where an attracting symmetric point moves to along a mirror with anchor component s_0: s* = lambda s_0 / (h + lambda).
 * NaN where the point does not attract (h + lambda <= 0): there the weights leave by themselves.
 */
export function displacedEquilibrium(decay: number, anchor: number, curvature: number): number {
  return curvature + decay > 0 ? (decay * anchor) / (curvature + decay) : Number.NaN;
}

/**
 * Steps to leave a saddle (c = h + lambda < 0) from the displacement that the anchor makes up to `typical`:
 * ln(typical / |lambda s_0 / c|) / (eta |c|). Infinity where nothing leads away.
 */
export function escapeSteps(learningRate: number, decay: number, anchor: number, curvature: number, typical: number): number {
  const c = curvature + decay;
  const start = Math.abs((decay * anchor) / c);
  if (c >= 0 || start === 0) return Infinity;
  return Math.max(0, Math.log(typical / start) / (learningRate * -c));
}
