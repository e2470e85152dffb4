/**
 * @file Order parameter against learning rate (arXiv 1710.06096): |w|^2 = a - b eta^2 below the critical learning rate
 * eta_c = sqrt(a / b), zero above. The paper's derivation is heuristic physics; this is its measurable prediction.
 */
import { type Estimate, linearFit } from "./statistics";

/** The fit of a sweep. */
export interface CriticalRateFit {
  /** |w|^2 extrapolated to learning rate 0. */
  readonly a: Estimate;
  readonly b: Estimate;
  /** NaN where the order parameter does not fall with the learning rate. */
  readonly criticalRate: Estimate;
  /** Root mean square of what the law leaves, relative to the largest order parameter squared. */
  readonly residual: number;
  /** Points that were fitted: those below the transition. */
  readonly points: number;
}

/**
 * Fits runs at several learning rates: `order` is |w| (distance from the symmetric point) at the end of each. Points whose order
 * parameter vanished (below `vanished` of the largest) are above the transition and left out. Throws RangeError below three rates.
 */
export function fitCriticalRate(rates: ArrayLike<number>, order: ArrayLike<number>, vanished = 0.02): CriticalRateFit {
  if (rates.length < 3) throw new RangeError(`the fit needs at least three learning rates, not ${rates.length}`);
  const largest = Math.max(...Array.from(order).filter(Number.isFinite));
  const below = Array.from(rates, (eta, i) => ({ x: eta * eta, y: order[i]! ** 2 })).filter(
    ({ y }) => Number.isFinite(y) && Math.sqrt(y) > vanished * largest,
  );
  if (below.length < 2) {
    const nothing = { value: Number.NaN, error: Number.NaN, replicas: below.length };
    return { a: nothing, b: nothing, criticalRate: nothing, residual: Number.NaN, points: below.length };
  }
  const fit = linearFit(
    below.map((p) => p.x),
    below.map((p) => p.y),
  );
  const [a, b] = [fit.intercept.value, -fit.slope.value];
  const critical = a > 0 && b > 0 ? Math.sqrt(a / b) : Number.NaN;
  // First order, without the covariance of a and b, which only shrinks it.
  const error = (critical / 2) * Math.hypot(fit.intercept.error / a, fit.slope.error / b);
  return {
    a: fit.intercept,
    b: { ...fit.slope, value: b },
    criticalRate: { value: critical, error, replicas: below.length },
    residual: fit.residual / (largest * largest),
    points: below.length,
  };
}
