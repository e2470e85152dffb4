/**
 * @file The balanced gauge: of all weights that scalings make of the given ones, those of least norm. The function is the same,
 * and what is left to compare is free of scales (the gauge that weight decay prefers).
 */
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";

/** Entries of one independent factor that scale with one coefficient. */
interface Term {
  readonly coefficient: number;
  readonly places: readonly { readonly parameter: string; readonly flat: Int32Array }[];
}

type Factor = readonly Term[];

const MOST_SWEEPS = 200;
/** Largest change of a log-scale per sweep at which the gauge counts as found: measures, and comparisons of copies. */
const SETTLED = 1e-4;
const SETTLED_EXACTLY = 1e-9;

/** Reading factors off a symmetry costs more than using them: kept as long as the symmetry is. */
const known = new WeakMap<Symmetry, readonly Factor[]>();

/** The balanced gauge of a model, prepared for many states. */
export class Balancer {
  private readonly factors: readonly Factor[];
  private readonly moved: readonly string[];

  constructor(symmetries: readonly Symmetry[]) {
    this.factors = symmetries.flatMap((s) => {
      if (s.kind !== "rescaling" && s.kind !== "scale") return [];
      const factors = known.get(s) ?? factorsOf(s);
      known.set(s, factors);
      return factors;
    });
    this.moved = [...new Set(this.factors.flatMap((f) => f.flatMap((t) => t.places.map((p) => p.parameter))))];
  }

  /**
   * Balanced copies of the parameters that scalings move; the others are shared. Rescalings minimise the norm, factor by factor
   * until nothing moves; scale invariances (whose orbit shrinks to zero) get unit norm. Factors with a dead side stay.
   */
  apply(parameters: ParameterValues, settled = SETTLED): Map<string, Float64Array> {
    const out = new Map(parameters);
    for (const name of this.moved) {
      const own = parameters.get(name);
      if (own) out.set(name, own.slice());
    }
    for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
      let largest = 0;
      for (const f of this.factors) largest = Math.max(largest, Math.abs(relax(f, out)));
      if (largest < settled) break;
    }
    return out;
  }
}

/** The balanced gauge of one state, to rounding. */
export function balance(parameters: ParameterValues, symmetries: readonly Symmetry[]): Map<string, Float64Array> {
  return new Balancer(symmetries).apply(parameters, SETTLED_EXACTLY);
}

/** The factors of a scaling; an entry that is listed twice for one factor has the sum of its coefficients. */
function factorsOf(symmetry: Symmetry): Factor[] {
  const entries = symmetry.diagonal?.() ?? [];
  let count = 0;
  for (const { index } of entries) for (const d of index) count = Math.max(count, d + 1);
  const parameters = [...new Set(entries.map((e) => e.parameter))];
  const factors = Array.from({ length: count }, () => new Map<number, Map<string, number[]>>());
  for (const parameter of parameters) {
    const coefficients = new Map<number, number>();
    for (const { parameter: p, flat, index, coefficient } of entries) {
      if (p !== parameter) continue;
      for (let k = 0; k < flat.length; k++) {
        const key = flat[k]! * count + index[k]!;
        coefficients.set(key, (coefficients.get(key) ?? 0) + coefficient[k]!);
      }
    }
    for (const [key, c] of coefficients) {
      if (Math.abs(c) < 1e-9) continue;
      const rounded = Number(c.toPrecision(9));
      const terms = factors[key % count]!;
      const places = terms.get(rounded) ?? new Map<string, number[]>();
      terms.set(rounded, places);
      const list = places.get(parameter);
      if (list) list.push(Math.floor(key / count));
      else places.set(parameter, [Math.floor(key / count)]);
    }
  }
  return factors.map((terms) =>
    [...terms].map(([coefficient, places]) => ({
      coefficient,
      places: [...places].map(([parameter, flat]) => ({ parameter, flat: Int32Array.from(flat) })),
    })),
  );
}

/** Moves one factor to its best scale; returns the log-scale. */
function relax(factor: Factor, parameters: ParameterValues): number {
  const squares = factor.map((t) => {
    let sum = 0;
    for (const { parameter, flat } of t.places) {
      const w = parameters.get(parameter);
      if (w) for (const k of flat) sum += w[k]! * w[k]!;
    }
    return sum;
  });
  const positive = squares.some((s, i) => s > 0 && factor[i]!.coefficient > 0);
  const negative = squares.some((s, i) => s > 0 && factor[i]!.coefficient < 0);
  const oneSided = factor.every((t) => t.coefficient > 0) || factor.every((t) => t.coefficient < 0);
  let log = 0;
  if (positive && negative) log = leastNorm(factor, squares);
  else if (oneSided && (positive || negative)) log = unitNorm(factor, squares);
  // A step that moves nothing by more than rounding is not worth the writing.
  if (Math.abs(log) < 1e-12 || !Number.isFinite(log)) return 0;
  for (const { coefficient, places } of factor) {
    const f = Math.exp(coefficient * log);
    for (const { parameter, flat } of places) {
      const w = parameters.get(parameter);
      if (w) for (const k of flat) w[k]! *= f;
    }
  }
  return log;
}

/** Minimises the convex function sum_c S_c exp(2 c t) by Newton steps that are cut short where they would overshoot. */
function leastNorm(factor: Factor, squares: readonly number[]): number {
  let t = 0;
  for (let round = 0; round < 100; round++) {
    let [slope, curvature] = [0, 0];
    factor.forEach(({ coefficient: c }, i) => {
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
    factor.forEach(({ coefficient: c }, i) => {
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
