/** @file Special functions in double precision. */

const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);
/** Distance of the points around which erf is expanded, how far they reach, and the degree of the expansions. */
const SPACING = 0.125;
const REACH = 6;
const DEGREE = 14;

/** erf by its series of positive terms, 2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!! (DLMF 7.6.2). */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return TWO_OVER_ROOT_PI * Math.exp(-x * x) * sum;
}

/**
 * Taylor coefficients of erf around multiples of SPACING. With g = erf', g' = -2 x g gives the recurrence
 * (k + 1) g[k+1] = -2 x0 g[k] - 2 g[k-1] for the coefficients of g, and erf[k+1] = g[k] / (k + 1).
 */
const ERF_TABLE: Float64Array = (() => {
  const points = REACH / SPACING + 1;
  const table = new Float64Array(points * (DEGREE + 1));
  for (let i = 0; i < points; i++) {
    const x0 = i * SPACING;
    let previous = 0;
    let current = TWO_OVER_ROOT_PI * Math.exp(-x0 * x0);
    table[i * (DEGREE + 1)] = x0 === 0 ? 0 : erfSeries(x0);
    for (let k = 0; k < DEGREE; k++) {
      table[i * (DEGREE + 1) + k + 1] = current / (k + 1);
      const next = (-2 * x0 * current - 2 * previous) / (k + 1);
      previous = current;
      current = next;
    }
  }
  return table;
})();

/** The error function, to about 1e-16 absolute and 1e-15 relative error. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (!(a < REACH)) return Number.isNaN(x) ? x : Math.sign(x);
  const i = Math.round(a / SPACING);
  const d = a - i * SPACING;
  const base = i * (DEGREE + 1);
  let sum = ERF_TABLE[base + DEGREE]!;
  for (let k = DEGREE - 1; k >= 0; k--) sum = sum * d + ERF_TABLE[base + k]!;
  return x < 0 ? -sum : sum;
}

/** erf'(x) = 2/sqrt(pi) exp(-x^2). */
export function erfSlope(x: number): number {
  return TWO_OVER_ROOT_PI * Math.exp(-x * x);
}

/** The distribution function of the standard normal law. */
export function normalCdf(x: number): number {
  return 0.5 * (1 + erf(x * Math.SQRT1_2));
}

/** The density of the standard normal law. */
export function normalDensity(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

/** 1 / (1 + exp(-x)) without overflow. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** log(1 + exp(x)) without overflow. */
export function softplus(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}

/** Rounding to the nearest integer, halves to even, as IEEE 754 and ONNX Round do. */
export function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
