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
  /** q_d = Q_d / sum_e |c_e| theta_e^2 in [-1, 1]: 0 balanced (rescalings); 1 throughout for scales. NaN where Q has no meaning. */
  readonly balance: Float64Array;
  /** Largest |<g, X theta>| / (|g| |X theta|) over the factors: 0 for an exact symmetry. Absent without gradient. */
  readonly identity?: number;
  /**
   * Largest |Q' - ((1 - eta lambda)^2 Q + eta^2 sum c g^2)| over the factors, relative to the largest sum |c| theta^2.
   * Present for plain SGD with one decay and rate per symmetry and no clipping (2012.04728; exact, no approximation).
   */
  readonly residual?: number;
  /** What moves the charges of plain SGD: present where `residual` is. */
  readonly law?: ChargeLaw;
  /** Kinetic symmetry breaking |<u, X theta>| / (|u| |X theta|), root mean square over factors weighted by size, u the update without decay (2105.02716). */
  readonly drive?: number;
}

/** Q' = (1 - rate decay)^2 Q + rate^2 drive, exact for one step of plain SGD (2012.04728). */
export interface ChargeLaw {
  readonly rate: number;
  readonly decay: number;
  /** sum_e c_e g_e^2 over the entries of each factor. */
  readonly drive: Float64Array;
}

type Entries = ReturnType<NonNullable<Symmetry["diagonal"]>>;

/** Sums over the entries of each factor, for weights theta and another direction y of the parameter space. */
interface Sums {
  /** sum c theta y, sum |c theta y|. */
  readonly signed: Float64Array;
  readonly absolute: Float64Array;
  /** |X theta|^2 and |y|^2 over the entries that move. */
  readonly field: Float64Array;
  readonly own: Float64Array;
}

function factorCount(entries: Entries): number {
  let n = 0;
  for (const e of entries) for (const d of e.index) n = Math.max(n, d + 1);
  return n;
}

function contract(entries: Entries, count: number, theta: ParameterValues, y: ParameterValues): Sums {
  const out = {
    signed: new Float64Array(count),
    absolute: new Float64Array(count),
    field: new Float64Array(count),
    own: new Float64Array(count),
  };
  const { signed, absolute, field, own } = out;
  for (const { parameter, flat, index, coefficient } of entries) {
    const [a, b] = [theta.get(parameter), y.get(parameter)];
    if (!a || !b) continue;
    for (let k = 0; k < flat.length; k++) {
      const [at, d] = [flat[k]!, index[k]!];
      const moved = coefficient[k]! * a[at]!;
      const other = b[at]!;
      const product = moved * other;
      signed[d]! += product;
      absolute[d]! += Math.abs(product);
      field[d]! += moved * moved;
      own[d]! += other * other;
    }
  }
  return out;
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
  const before = contract(entries, count, parameters, parameters);
  const { signed, absolute } = before;
  const out = {
    step: recording.step,
    charges: signed,
    balance: signed.map((q, d) => (absolute[d]! > 0 ? q / absolute[d]! : 0)),
  };
  if (!gradient) return out;
  const identity = largestCosine(contract(entries, count, parameters, gradient));
  if (!after) return { ...out, identity };
  const drive = meanCosine(contract(entries, count, parameters, updates(symmetry, recording, after, settings)));
  return { ...out, identity, drive, ...sgdStep(symmetry, entries, recording, before, after, gradient, settings) };
}

/**
 * The charges that the law predicts at each recorded step from those of the first one alone. Between recordings the drive and
 * the rate are taken as the means of both ends, so the prediction is as good as they are smooth. Undefined without a law.
 */
export function predictedCharges(course: readonly ChargeStep[]): readonly Float64Array[] | undefined {
  const [first] = course;
  if (!first?.law) return undefined;
  const out = [first.charges];
  let law = first.law;
  for (let k = 1; k < course.length; k++) {
    // The last state may have no gradient.
    const next = course[k]!.law ?? law;
    const steps = course[k]!.step - course[k - 1]!.step;
    const rate = (law.rate + next.rate) / 2;
    const keep = (1 - rate * law.decay) ** 2;
    const left = keep ** steps;
    const driven = rate * rate * (keep === 1 ? steps : (1 - left) / (1 - keep));
    out.push(out[k - 1]!.map((q, d) => left * q + (driven * (law.drive[d]! + next.drive[d]!)) / 2));
    law = next;
  }
  return out;
}

/** Largest |<y, X theta>| / (|y| |X theta|). Factors with hardly any y are judged on the scale of the others: rounding only. */
function largestCosine({ signed, own, field }: Sums): number {
  const sizes = signed.map((_, d) => Math.sqrt(own[d]! * field[d]!));
  const typical = Math.sqrt(sizes.reduce((s, x) => s + x * x, 0) / sizes.length);
  let largest = 0;
  for (let d = 0; d < sizes.length; d++) {
    const size = Math.max(sizes[d]!, 1e-3 * typical);
    if (size > 0) largest = Math.max(largest, Math.abs(signed[d]!) / size);
  }
  return largest;
}

/** Root mean square cosine, factors weighted by their size: those with hardly any update have no direction to speak of. */
function meanCosine({ signed, own, field }: Sums): number {
  let [squares, sizes] = [0, 0];
  for (let d = 0; d < signed.length; d++) {
    squares += signed[d]! ** 2;
    sizes += own[d]! * field[d]!;
  }
  return sizes > 0 ? Math.sqrt(squares / sizes) : 0;
}

/** The update u without decay: after = theta - eta (u + lambda theta). */
export function updates(
  symmetry: Symmetry,
  recording: Pick<Recording, "parameters" | "learningRate">,
  after: ParameterValues,
  settings: RunSettings,
): ParameterValues {
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

function sgdStep(
  symmetry: Symmetry,
  entries: Entries,
  recording: Recording,
  before: Sums,
  after: ParameterValues,
  gradient: ParameterValues,
  settings: RunSettings,
): { readonly residual?: number; readonly law?: ChargeLaw } {
  if (!isPlainSgd(settings)) return {};
  const decays = new Set(symmetry.parameters.map((p) => decayOf(settings, p)));
  const rates = new Set(symmetry.parameters.map((p) => rateOf(settings, p, recording.learningRate)));
  if (decays.size !== 1 || rates.size !== 1) return {};
  const [eta, decay] = [[...rates][0]!, [...decays][0]!];
  const count = before.signed.length;
  const then = contract(entries, count, after, after);
  const square = contract(entries, count, gradient, gradient);
  const scale = before.absolute.reduce((a, b) => Math.max(a, b), 0);
  if (!(scale > 0)) return {};
  let largest = 0;
  for (let d = 0; d < count; d++) {
    const predicted = (1 - eta * decay) ** 2 * before.signed[d]! + eta * eta * square.signed[d]!;
    largest = Math.max(largest, Math.abs(then.signed[d]! - predicted) / scale);
  }
  return { residual: largest, law: { rate: eta, decay, drive: square.signed } };
}
