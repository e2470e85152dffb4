/**
 * @file The balanced gauge: of all weights that scalings make of the given ones, those of least norm. The function is the same,
 * and what is left to compare is free of scales (the gauge that weight decay prefers).
 */
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";

/** Entries of one independent factor, sorted by coefficient. */
interface Factor {
  readonly terms: readonly { readonly coefficient: number; readonly places: readonly Place[] }[];
}

/** Some entries of one parameter. */
interface Place {
  readonly parameter: string;
  readonly flat: readonly number[];
}

const MOST_SWEEPS = 60;
const SETTLED = 1e-7;

/**
 * Balanced copies of the parameters that scalings move; the others are shared. Rescalings minimise the norm, factor by factor
 * until nothing moves; scale invariances (whose orbit shrinks to zero) get unit norm. Factors with a dead side stay as they are.
 */
export function balance(parameters: ParameterValues, symmetries: readonly Symmetry[]): Map<string, Float64Array> {
  const out = new Map(parameters);
  const factors = symmetries.flatMap((s) => (s.kind === "rescaling" || s.kind === "scale" ? factorsOf(s, out) : []));
  for (const name of new Set(factors.flatMap((f) => f.terms.flatMap((t) => t.places.map((p) => p.parameter))))) {
    out.set(name, out.get(name)!.slice());
  }
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let largest = 0;
    for (const f of factors) largest = Math.max(largest, Math.abs(relax(f, out)));
    if (largest < SETTLED) break;
  }
  return out;
}

function factorsOf(symmetry: Symmetry, parameters: ParameterValues): Factor[] {
  const coefficients = new Map<string, { parameter: string; flat: number; index: number; coefficient: number }>();
  for (const { parameter, flat, index, coefficient } of symmetry.diagonal?.() ?? []) {
    if (!parameters.has(parameter)) continue;
    for (let k = 0; k < flat.length; k++) {
      const key = `${parameter} ${flat[k]!} ${index[k]!}`;
      const known = coefficients.get(key);
      if (known) known.coefficient += coefficient[k]!;
      else coefficients.set(key, { parameter, flat: flat[k]!, index: index[k]!, coefficient: coefficient[k]! });
    }
  }
  const lists = new Map<number, Map<number, Map<string, number[]>>>();
  for (const c of coefficients.values()) {
    if (Math.abs(c.coefficient) < 1e-9) continue;
    const rounded = Number(c.coefficient.toPrecision(9));
    const terms = lists.get(c.index) ?? new Map<number, Map<string, number[]>>();
    lists.set(c.index, terms);
    const places = terms.get(rounded) ?? new Map<string, number[]>();
    terms.set(rounded, places);
    const flats = places.get(c.parameter);
    if (flats) flats.push(c.flat);
    else places.set(c.parameter, [c.flat]);
  }
  return [...lists.values()].map((terms) => ({
    terms: [...terms].map(([coefficient, places]) => ({
      coefficient,
      places: [...places].map(([parameter, flat]) => ({ parameter, flat })),
    })),
  }));
}

/** Moves one factor to its best scale; returns the log-scale. */
function relax(factor: Factor, parameters: ParameterValues): number {
  const squares = factor.terms.map((t) => {
    let sum = 0;
    for (const { parameter, flat } of t.places) {
      const w = parameters.get(parameter)!;
      for (const k of flat) sum += w[k]! * w[k]!;
    }
    return sum;
  });
  const positive = squares.some((s, i) => s > 0 && factor.terms[i]!.coefficient > 0);
  const negative = squares.some((s, i) => s > 0 && factor.terms[i]!.coefficient < 0);
  const oneSided = factor.terms.every((t) => t.coefficient > 0) || factor.terms.every((t) => t.coefficient < 0);
  let log = 0;
  if (positive && negative) log = leastNorm(factor, squares);
  else if (oneSided && (positive || negative)) log = unitNorm(factor, squares);
  if (log === 0 || !Number.isFinite(log)) return 0;
  factor.terms.forEach(({ coefficient, places }) => {
    const f = Math.exp(coefficient * log);
    for (const { parameter, flat } of places) {
      const w = parameters.get(parameter)!;
      for (const k of flat) w[k]! *= f;
    }
  });
  return log;
}

/** Minimises the convex function sum_c S_c exp(2 c t) by Newton steps that are cut short where they would overshoot. */
function leastNorm(factor: Factor, squares: readonly number[]): number {
  let t = 0;
  for (let round = 0; round < 100; round++) {
    let [slope, curvature] = [0, 0];
    factor.terms.forEach(({ coefficient: c }, i) => {
      const e = squares[i]! * Math.exp(2 * c * t);
      slope += 2 * c * e;
      curvature += 4 * c * c * e;
    });
    const step = Math.max(-2, Math.min(2, -slope / curvature));
    t += step;
    if (Math.abs(step) < 1e-12) break;
  }
  return t;
}

/** The t at which sum_c S_c exp(2 c t) = 1. All c have one sign. */
function unitNorm(factor: Factor, squares: readonly number[]): number {
  let t = 0;
  for (let round = 0; round < 100; round++) {
    let [value, slope] = [0, 0];
    factor.terms.forEach(({ coefficient: c }, i) => {
      const e = squares[i]! * Math.exp(2 * c * t);
      value += e;
      slope += 2 * c * e;
    });
    // In the logarithm the function is nearly straight.
    const step = (-Math.log(value) * value) / slope;
    t += step;
    if (Math.abs(step) < 1e-12) break;
  }
  return t;
}
