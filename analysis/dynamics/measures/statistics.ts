/** @file Means with their uncertainty: what every measure over replicas reports. */

/** A value with its standard error; the error is NaN where there is too little to tell. */
export interface Estimate {
  readonly value: number;
  readonly error: number;
  /** Number of independent runs behind it. */
  readonly replicas: number;
}

/** Mean of independent values, standard error s / sqrt(n). Values that are not finite are left out. */
export function estimate(values: ArrayLike<number>): Estimate {
  const finite = Array.from(values).filter(Number.isFinite);
  const n = finite.length;
  if (n === 0) return { value: Number.NaN, error: Number.NaN, replicas: 0 };
  const mean = finite.reduce((a, b) => a + b, 0) / n;
  if (n === 1) return { value: mean, error: Number.NaN, replicas: 1 };
  const variance = finite.reduce((a, b) => a + (b - mean) ** 2, 0) / (n - 1);
  return { value: mean, error: Math.sqrt(variance / n), replicas: n };
}

/** Mean difference second - first of paired runs, with the standard error of the differences. Throws RangeError on unequal counts. */
export function pairedDifference(first: ArrayLike<number>, second: ArrayLike<number>): Estimate {
  if (first.length !== second.length) throw new RangeError(`${first.length} and ${second.length} runs cannot be paired`);
  return estimate(Array.from(first, (x, i) => second[i]! - x));
}

/**
 * Mean over all pairs of replicas. Pairs share replicas and are not independent, so the error is the jackknife's over
 * replicas (each left out in turn); NaN below three of them. `of` is called once per pair.
 */
export function overPairs(replicas: number, of: (a: number, b: number) => number): Estimate {
  const values: { readonly a: number; readonly b: number; readonly value: number }[] = [];
  for (let a = 0; a < replicas; a++) for (let b = a + 1; b < replicas; b++) values.push({ a, b, value: of(a, b) });
  const mean = (without: number): number => {
    const kept = values.filter((p) => p.a !== without && p.b !== without);
    return kept.reduce((s, p) => s + p.value, 0) / kept.length;
  };
  const value = mean(-1);
  if (replicas < 3) return { value, error: Number.NaN, replicas };
  const left = Array.from({ length: replicas }, (_, k) => mean(k));
  const centre = left.reduce((a, b) => a + b, 0) / replicas;
  const spread = left.reduce((a, b) => a + (b - centre) ** 2, 0);
  return { value, error: Math.sqrt(((replicas - 1) / replicas) * spread), replicas };
}

/** Least squares y = intercept + slope x with standard errors; errors are NaN below three points. Throws RangeError below two. */
export function linearFit(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): { readonly intercept: Estimate; readonly slope: Estimate; readonly residual: number } {
  const n = x.length;
  if (n < 2 || y.length !== n) throw new RangeError(`a straight line needs at least two points, not ${Math.min(n, y.length)}`);
  const mx = Array.from(x).reduce((a, b) => a + b, 0) / n;
  const my = Array.from(y).reduce((a, b) => a + b, 0) / n;
  let [sxx, sxy] = [0, 0];
  for (let i = 0; i < n; i++) {
    sxx += (x[i]! - mx) ** 2;
    sxy += (x[i]! - mx) * (y[i]! - my);
  }
  const slope = sxy / sxx;
  const intercept = my - slope * mx;
  let rss = 0;
  for (let i = 0; i < n; i++) rss += (y[i]! - intercept - slope * x[i]!) ** 2;
  const s2 = n > 2 ? rss / (n - 2) : Number.NaN;
  return {
    slope: { value: slope, error: Math.sqrt(s2 / sxx), replicas: n },
    intercept: { value: intercept, error: Math.sqrt(s2 * (1 / n + (mx * mx) / sxx)), replicas: n },
    residual: Math.sqrt(rss / n),
  };
}
