/**
 * @file Noether charges of scalings along a recorded run: their values, whether the gradient obeys the symmetry's identity,
 * whether SGD moves them exactly as predicted, and how much of an update breaks the symmetry kinetically. A relative residual
 * above rounding says that the claim, the gradient or the optimiser is not what it is taken for.
 */
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import type { Recording } from "../trajectory";
import { decayOf, rateOf, type RunSettings } from "./settings";

/** What one recorded step says about the charges of one symmetry; one entry per independent factor (unit, channel). */
export interface ChargeStep {
  readonly step: number;
  /** Q_d = sum_e c_e theta_e^2 over the entries of factor d; c = +1 on one side of a rescaling, -1 on the other. */
  readonly charges: Float64Array;
  /** q_d = Q_d / sum_e |c_e| theta_e^2 in [-1, 1]: 0 balanced (rescalings); 1 throughout for scales. */
  readonly balance: Float64Array;
  /** Largest |<g, X theta>| / (|g| |X theta|) over the factors: 0 for an exact symmetry. Absent without gradient. */
  readonly identity?: number;
  /**
   * Largest |Q' - ((1 - eta lambda)^2 Q + eta^2 sum c g^2)| over the factors, relative to the largest sum |c| theta^2.
   * Present for plain SGD with one decay and rate per symmetry and no clipping (2012.04728; exact, no approximation).
   */
  readonly residual?: number;
  /** Kinetic symmetry breaking |<u, X theta>| / (|u| |X theta|), root mean square over factors weighted by size, u the update without decay (2105.02716). */
  readonly drive?: number;
}

interface Sums {
  /** sum c theta^2, sum |c| theta^2 per factor. */
  readonly signed: Float64Array;
  readonly absolute: Float64Array;
}

type Entries = ReturnType<NonNullable<Symmetry["diagonal"]>>;

function factorCount(entries: Entries): number {
  let n = 0;
  for (const e of entries) for (const d of e.index) n = Math.max(n, d + 1);
  return n;
}

/** Sums of c x y per factor, and of |c| |x y|. */
function contract(entries: Entries, count: number, x: ParameterValues, y: ParameterValues): Sums {
  const signed = new Float64Array(count);
  const absolute = new Float64Array(count);
  for (const { parameter, flat, index, coefficient } of entries) {
    const [a, b] = [x.get(parameter), y.get(parameter)];
    if (!a || !b) continue;
    for (let k = 0; k < flat.length; k++) {
      const product = coefficient[k]! * a[flat[k]!]! * b[flat[k]!]!;
      signed[index[k]!]! += product;
      absolute[index[k]!]! += Math.abs(product);
    }
  }
  return { signed, absolute };
}

/** Squares |y|^2 and |X theta|^2 per factor, over the entries that move. */
function lengths(
  entries: Entries,
  count: number,
  theta: ParameterValues,
  y: ParameterValues,
): readonly [Float64Array, Float64Array] {
  const own = new Float64Array(count);
  const field = new Float64Array(count);
  for (const { parameter, flat, index, coefficient } of entries) {
    const [a, b] = [theta.get(parameter), y.get(parameter)];
    if (!a || !b) continue;
    for (let k = 0; k < flat.length; k++) {
      own[index[k]!]! += b[flat[k]!]! ** 2;
      field[index[k]!]! += (coefficient[k]! * a[flat[k]!]!) ** 2;
    }
  }
  return [own, field];
}

/** Charges of a scaling along a run's recordings; undefined for symmetries without diagonal action, and for signs. */
export function chargeCourse(
  symmetry: Symmetry,
  recordings: readonly Recording[],
  settings: RunSettings,
): readonly ChargeStep[] | undefined {
  if (symmetry.kind === "sign") return undefined;
  const entries = symmetry.diagonal?.();
  if (!entries || entries.length === 0) return undefined;
  const count = factorCount(entries);
  return recordings.map((r) => chargeStep(symmetry, entries, count, r, settings));
}

function chargeStep(
  symmetry: Symmetry,
  entries: Entries,
  count: number,
  recording: Recording,
  settings: RunSettings,
): ChargeStep {
  const { parameters, gradient, after } = recording;
  const { signed, absolute } = contract(entries, count, parameters, parameters);
  const out = {
    step: recording.step,
    charges: signed,
    balance: signed.map((q, d) => (absolute[d]! > 0 ? q / absolute[d]! : 0)),
  };
  if (!gradient) return out;
  const identity = largestCosine(entries, count, parameters, gradient);
  if (!after) return { ...out, identity };
  const drive = meanCosine(entries, count, parameters, updates(symmetry, recording, after, settings));
  const residual = sgdResidual(symmetry, entries, count, recording, after, gradient, settings);
  return { ...out, identity, drive, ...(residual === undefined ? {} : { residual }) };
}

function largestCosine(entries: Entries, count: number, theta: ParameterValues, y: ParameterValues): number {
  // Factors with hardly any gradient are judged on the scale of the others: their own would be rounding only.
  const { signed } = contract(entries, count, theta, y);
  const [own, field] = lengths(entries, count, theta, y);
  const sizes = signed.map((_, d) => Math.sqrt(own[d]! * field[d]!));
  const typical = Math.sqrt(sizes.reduce((s, x) => s + x * x, 0) / count);
  let largest = 0;
  for (let d = 0; d < count; d++) {
    const size = Math.max(sizes[d]!, 1e-3 * typical);
    if (size > 0) largest = Math.max(largest, Math.abs(signed[d]!) / size);
  }
  return largest;
}

/** Root mean square cosine, factors weighted by their size: those with hardly any update have no direction to speak of. */
function meanCosine(entries: Entries, count: number, theta: ParameterValues, y: ParameterValues): number {
  const { signed } = contract(entries, count, theta, y);
  const [own, field] = lengths(entries, count, theta, y);
  let [squares, sizes] = [0, 0];
  for (let d = 0; d < count; d++) {
    squares += signed[d]! ** 2;
    sizes += own[d]! * field[d]!;
  }
  return sizes > 0 ? Math.sqrt(squares / sizes) : 0;
}

/** The update u without decay: after = theta - eta (u + lambda theta). */
function updates(symmetry: Symmetry, recording: Recording, after: ParameterValues, settings: RunSettings): ParameterValues {
  const out = new Map<string, Float64Array>();
  for (const name of symmetry.parameters) {
    const [before, then] = [recording.parameters.get(name), after.get(name)];
    if (!before || !then) continue;
    const eta = rateOf(settings, name, recording.learningRate);
    // Decay inside of an adaptive gradient is normalised with it and cannot be told apart.
    const decay = settings.optimiser === "adam" ? 0 : decayOf(settings, name);
    out.set(
      name,
      before.map((x, i) => (x - then[i]!) / eta - decay * x),
    );
  }
  return out;
}

/** Whether SGD is plain: the step is -eta (g + lambda theta) and nothing else. */
export function isPlainSgd(settings: RunSettings): boolean {
  return settings.optimiser === "sgd" && settings.momentum === 0 && (settings.clipNorm ?? Infinity) === Infinity;
}

function sgdResidual(
  symmetry: Symmetry,
  entries: Entries,
  count: number,
  recording: Recording,
  after: ParameterValues,
  gradient: ParameterValues,
  settings: RunSettings,
): number | undefined {
  if (!isPlainSgd(settings)) return undefined;
  const decays = new Set(symmetry.parameters.map((p) => decayOf(settings, p)));
  const rates = new Set(symmetry.parameters.map((p) => rateOf(settings, p, recording.learningRate)));
  if (decays.size !== 1 || rates.size !== 1) return undefined;
  const [eta, decay] = [[...rates][0]!, [...decays][0]!];
  const before = contract(entries, count, recording.parameters, recording.parameters);
  const then = contract(entries, count, after, after);
  const square = contract(entries, count, gradient, gradient);
  const scale = before.absolute.reduce((a, b) => Math.max(a, b), 0);
  if (!(scale > 0)) return undefined;
  let largest = 0;
  for (let d = 0; d < count; d++) {
    const predicted = (1 - eta * decay) ** 2 * before.signed[d]! + eta * eta * square.signed[d]!;
    largest = Math.max(largest, Math.abs(then.signed[d]! - predicted) / scale);
  }
  return largest;
}
