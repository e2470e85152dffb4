/**
 * @file Noether charges of matrix groups along a recorded run. GL(r) acts as Zc -> A Zc, Zk -> A^-T Zk: its charge is the matrix
 * Q = Zc Zc^T - Zk Zk^T, its gradient identity Zc Gc^T = (Zk Gk^T)^T, and SGD moves it exactly as
 * Q' = (1 - eta lambda)^2 Q + eta^2 (Gc Gc^T - Gk Gk^T) (arXiv 2012.04728, written for matrices). O(r) acts as Z -> R Z: the
 * identity is that Z G^T is symmetric, and it has no quadratic charge. Of other groups, and of translations, generators tell.
 */
import { dot, type Matrix, norm } from "../../numerics/matrix";
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import { frameSides, type MatrixFrame } from "../gauge/matrix-groups";
import type { Recording } from "../trajectory";
import { type ChargeStep, isPlainSgd, updates } from "./charges";
import { decayOf, rateOf, type RunSettings } from "./settings";

/** Whether a symmetry is all of GL(r) or O(r) on each of its frames, so that identities of matrices hold entry by entry. */
function isWholeGroup(symmetry: Symmetry, frames: readonly MatrixFrame[]): boolean {
  const dimension = frames.reduce((n, f) => {
    const r = f.basis.rows;
    return n + (f.contravariant.length > 0 ? r * r : (r * (r - 1)) / 2);
  }, 0);
  return frames.length > 0 && dimension === symmetry.dimension;
}

/** Charges of a matrix group along a run; one entry per frame (head). Undefined unless `isWholeGroup`. */
export function matrixChargeCourse(
  symmetry: Symmetry,
  frames: readonly MatrixFrame[],
  recordings: readonly Recording[],
  settings: RunSettings,
): readonly ChargeStep[] | undefined {
  if (!isWholeGroup(symmetry, frames)) return undefined;
  return recordings.map((r) => matrixStep(symmetry, frames, r, settings));
}

function matrixStep(
  symmetry: Symmetry,
  frames: readonly MatrixFrame[],
  { step, parameters, gradient, after, ...rest }: Recording,
  settings: RunSettings,
): ChargeStep {
  const before = frames.map((f) => chargeOf(f, parameters));
  const out = {
    step,
    charges: Float64Array.from(before, (c) => norm(c.charge.data)),
    balance: Float64Array.from(before, (c, i) =>
      frames[i]!.contravariant.length > 0 && c.size > 0 ? norm(c.charge.data) / c.size : Number.NaN,
    ),
  };
  if (!gradient) return out;
  const identity = Math.max(...frames.map((f) => violation(f, parameters, gradient)));
  if (!after) return { ...out, identity };
  const update = updates(symmetry, { parameters, ...rest }, after, settings);
  const drive = Math.max(...frames.map((f) => violation(f, parameters, update)));
  const decays = new Set(symmetry.parameters.map((p) => decayOf(settings, p)));
  const rates = new Set(symmetry.parameters.map((p) => rateOf(settings, p, rest.learningRate)));
  if (!isPlainSgd(settings) || decays.size !== 1 || rates.size !== 1) return { ...out, identity, drive };
  const [eta, decay] = [[...rates][0]!, [...decays][0]!];
  const residuals = frames.flatMap((f, i) => {
    if (f.contravariant.length === 0) return [];
    const then = chargeOf(f, after).charge.data;
    const [now, kick] = [before[i]!.charge.data, chargeOf(f, gradient).charge.data];
    const keep = (1 - eta * decay) ** 2;
    const missed = then.map((q, k) => q - keep * now[k]! - eta * eta * kick[k]!);
    return before[i]!.size > 0 ? [norm(missed) / before[i]!.size] : [];
  });
  return { ...out, identity, drive, ...(residuals.length > 0 ? { residual: Math.max(...residuals) } : {}) };
}

/** Q, r x r, and |Zc|^2 + |Zk|^2. */
function chargeOf(frame: MatrixFrame, values: ParameterValues): { readonly charge: Matrix; readonly size: number } {
  const { covariant, contravariant } = frameSides(frame, values);
  const charge = covariant.multiply(covariant.transpose());
  let size = dot(covariant.data, covariant.data);
  if (contravariant) {
    const other = contravariant.multiply(contravariant.transpose());
    for (let k = 0; k < charge.data.length; k++) charge.data[k]! -= other.data[k]!;
    size += dot(contravariant.data, contravariant.data);
  }
  return { charge, size };
}

/** How far a direction y of the parameter space is from leaving all charges alone, 0 to 1: for the gradient the identity. */
function violation(frame: MatrixFrame, weights: ParameterValues, y: ParameterValues): number {
  const [z, g] = [frameSides(frame, weights), frameSides(frame, y)];
  const left = z.covariant.multiply(g.covariant.transpose());
  const right = z.contravariant && g.contravariant ? z.contravariant.multiply(g.contravariant.transpose()) : left;
  let square = 0;
  for (let i = 0; i < left.rows; i++) for (let j = 0; j < left.rows; j++) square += (left.get(i, j) - right.get(j, i)) ** 2;
  const size =
    norm(z.covariant.data) * norm(g.covariant.data) +
    (z.contravariant && g.contravariant ? norm(z.contravariant.data) * norm(g.contravariant.data) : 0);
  return size > 0 ? Math.sqrt(square) / size : 0;
}

/** Gradients below this share of the model's are judged on its scale. */
const INERT = 1e-2;
/** Entries of generators beyond which they would cost more than they tell. */
const MOST_ENTRIES = 2e6;

/**
 * Charges of a symmetry through its generators: <theta, X> for translations, whose direction X does not depend on the weights and
 * which SGD moves as Q' = (1 - eta lambda) Q; of other groups only the identity <g, X theta> = 0 and the drive. Undefined for
 * discrete groups, and where generators are too many or do not exist at these weights.
 */
export function generatorCourse(
  symmetry: Symmetry,
  recordings: readonly Recording[],
  settings: RunSettings,
): readonly ChargeStep[] | undefined {
  const first = recordings[0]?.parameters;
  if (symmetry.dimension === 0 || !first) return undefined;
  const entries = symmetry.parameters.reduce((n, p) => n + (first.get(p)?.length ?? 0), 0);
  if (entries * symmetry.dimension > MOST_ENTRIES) return undefined;
  try {
    return recordings.map((r) => generatorStep(symmetry, r, settings));
  } catch {
    return undefined; // groups that are solved for need generic weights
  }
}

function generatorStep(symmetry: Symmetry, recording: Recording, settings: RunSettings): ChargeStep {
  const { step, parameters, gradient, after } = recording;
  const isTranslation = symmetry.kind === "translation";
  const vectors = symmetry.generators(parameters).map((g) => g.vector);
  const own = (x: ParameterValues): ParameterValues =>
    new Map(symmetry.parameters.flatMap((p) => (x.has(p) ? [[p, x.get(p)!]] : [])));
  const theta = own(parameters);
  const size = Math.sqrt(inner(theta, theta));
  const charges = isTranslation ? Float64Array.from(vectors, (v) => inner(theta, v)) : new Float64Array(0);
  const lengths = vectors.map((v) => Math.sqrt(inner(v, v)));
  const out = {
    step,
    charges,
    balance: charges.map((q, i) => (size > 0 && lengths[i]! > 0 ? q / (size * lengths[i]!) : Number.NaN)),
  };
  if (!gradient) return out;
  // Where the whole gradient of what moves is rounding (a key's bias), it has no direction to speak of.
  const least = INERT * Math.sqrt(inner(gradient, gradient));
  const cosine = (y: ParameterValues): number => {
    const length = Math.max(least, Math.sqrt(inner(y, y)));
    return Math.max(
      0,
      ...vectors.map((v, i) => (length > 0 && lengths[i]! > 0 ? Math.abs(inner(y, v)) / (length * lengths[i]!) : 0)),
    );
  };
  const identity = cosine(own(gradient));
  if (!after) return { ...out, identity };
  const drive = cosine(updates(symmetry, recording, after, settings));
  const decays = new Set(symmetry.parameters.map((p) => rateOf(settings, p, recording.learningRate) * decayOf(settings, p)));
  if (!isTranslation || !isPlainSgd(settings) || decays.size !== 1 || size === 0) return { ...out, identity, drive };
  const then = own(after);
  const keep = 1 - [...decays][0]!;
  const missed = vectors.map((v, i) => Math.abs(inner(then, v) - keep * charges[i]!) / (size * lengths[i]!));
  return { ...out, identity, drive, residual: Math.max(0, ...missed.filter(Number.isFinite)) };
}

function inner(a: ParameterValues, b: ParameterValues): number {
  let sum = 0;
  for (const [name, x] of a) {
    const y = b.get(name);
    if (y) sum += dot(x, y);
  }
  return sum;
}
