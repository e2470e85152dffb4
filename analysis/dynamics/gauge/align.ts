/**
 * @file Replicas modulo the model's own group: permutations by weight matching (Git Re-Basin, arXiv 2209.04836: coordinate
 * descent over the found permutations, each an assignment problem), signs by the better of two, scalings and general linear groups
 * by the balanced gauge, rotations by Procrustes.
 */
import { bestAssignment } from "../../numerics/assignment";
import { Matrix } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import { balance } from "./balance";
import { balanceFrame, type MatrixFrame, matrixFrames, procrustes, rotate } from "./matrix-groups";
import { oddFeatures, type SignEntries, signEntries } from "./signs";
import { type UnitSet, unitSets } from "./units";

/** Two replicas brought together. Distances are |a - b|^2 / (|a|^2 + |b|^2): 1 for unrelated weights, 0 for equal ones. */
export interface Alignment {
  /** The second replica's parameters in the gauge of the first (both balanced). */
  readonly aligned: ParameterValues;
  /** The first replica's parameters, balanced. */
  readonly reference: ParameterValues;
  /** As the replicas are. */
  readonly raw: number;
  /** After scalings only. */
  readonly balanced: number;
  /** After all of the group. */
  readonly remaining: number;
  /** remaining / raw: about 1 where symmetry explains nothing, 0 where the replicas are copies of each other. */
  readonly ratio: number;
}

const MOST_SWEEPS = 50;
/** Relative gain of a permutation below which units are left where they are: the last sweeps trade almost equal ones. */
const WORTH_A_SWEEP = 1e-4;

/** Brings `b` as close to `a` as the symmetries can by coordinate descent from `restarts` random orders; deterministic for a seed. */
export function align(
  a: ParameterValues,
  b: ParameterValues,
  symmetries: readonly Symmetry[],
  options: { readonly seed?: number; readonly restarts?: number } = {},
): Alignment {
  const names = [...new Set(symmetries.flatMap((s) => s.parameters))].filter((p) => a.has(p) && b.has(p));
  const pick = (values: ParameterValues) => new Map(names.map((n) => [n, values.get(n)!]));
  const raw = relativeDistance(pick(a), pick(b));
  const reference = ownCopies(pick(balance(pick(a), symmetries)));
  const start = ownCopies(pick(balance(pick(b), symmetries)));
  const balanced = relativeDistance(reference, start);
  // Orthogonal matrices contain permutations and signs: where all of a space turns, no assignment is needed.
  const frames = symmetries.flatMap((s) => matrixFrames(s, symmetries, a)).filter((f) => f.basis.rows === f.set.size);
  for (const f of frames) {
    balanceFrame(f, reference);
    balanceFrame(f, start);
  }
  const isTurning = (set: UnitSet) => frames.some((f) => f.set.symmetry === set.symmetry && f.set.copy === set.copy);
  const sets = symmetries.flatMap(unitSets).filter((s) => s.size > 1 && !isTurning(s));
  const signs = symmetries.filter((s) => s.kind === "sign" && s.diagonal).map(signEntries);
  const random = new Random(options.seed ?? 1);
  let best = start;
  let least = relativeDistance(reference, start);
  for (let round = 0; round < (options.restarts ?? 2); round++) {
    const found = descend(reference, start, { sets, signs, frames }, random);
    const distance = relativeDistance(reference, found);
    if (distance < least) [best, least] = [found, distance];
  }
  return { aligned: best, reference, raw, balanced, remaining: least, ratio: raw > 0 ? least / raw : Number.NaN };
}

function ownCopies(values: ParameterValues): Map<string, Float64Array> {
  return new Map([...values].map(([k, v]) => [k, v.slice()]));
}

/** |a - b|^2 / (|a|^2 + |b|^2) over the parameters of `a`; 0 where both vanish. */
export function relativeDistance(a: ParameterValues, b: ParameterValues): number {
  let [difference, size] = [0, 0];
  for (const [name, x] of a) {
    const y = b.get(name)!;
    for (let i = 0; i < x.length; i++) {
      difference += (x[i]! - y[i]!) ** 2;
      size += x[i]! * x[i]! + y[i]! * y[i]!;
    }
  }
  return size > 0 ? difference / size : 0;
}

/** What may be done to the second replica. */
interface Moves {
  readonly sets: readonly UnitSet[];
  readonly signs: readonly SignEntries[];
  readonly frames: readonly MatrixFrame[];
}

function descend(
  a: ParameterValues,
  from: ParameterValues,
  { sets, signs, frames }: Moves,
  random: Random,
): Map<string, Float64Array> {
  const b = new Map([...from].map(([k, v]) => [k, v.slice()]));
  const odd = sets.map((set) => oddFeatures(set, signs));
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let moved = false;
    for (const k of random.sample(sets.length, sets.length)) {
      const set = sets[k]!;
      const gain = matchingGain(set, odd[k]!, a, b);
      const match = bestAssignment(gain);
      let [now, then] = [0, 0];
      for (let i = 0; i < set.size; i++) {
        now += gain.get(i, i);
        then += gain.get(i, match[i]!);
      }
      if (then <= now + WORTH_A_SWEEP * Math.abs(then) + 1e-12) continue;
      permute(set, b, match);
      moved = true;
    }
    for (const s of signs) if (flip(s, a, b)) moved = true;
    for (const f of frames) {
      const rotation = procrustes(f, a, b);
      let turn = 0;
      for (let i = 0; i < rotation.rows; i++) turn += 1 - rotation.get(i, i);
      if (turn < 1e-10 * rotation.rows) continue;
      rotate(f, rotation, b);
      moved = true;
    }
    if (!moved) break;
  }
  return b;
}

/** Inner products of all units of a with all of b, per unit; odd features count by their magnitude, since a flip can turn them. */
function matchingGain(set: UnitSet, odd: readonly Uint8Array[], a: ParameterValues, b: ParameterValues): Matrix {
  const n = set.size;
  const even = new Matrix(n, n);
  const turning = new Matrix(n, n);
  let turns = false;
  set.blocks.forEach((block, index) => {
    const [x, y] = [a.get(block.parameter), b.get(block.parameter)];
    if (!x || !y) return;
    const { features, flat } = block;
    const mask = odd[index]!;
    for (const kind of [0, 1] as const) {
      const chosen = kind === 0 && !mask.includes(1) ? flat : flat.filter((_, at) => mask[at % features] === kind);
      if (chosen.length === 0) continue;
      turns ||= kind === 1;
      addInnerProducts((kind === 1 ? turning : even).data, gather(x, chosen), gather(y, chosen), n);
    }
  });
  if (turns) for (let k = 0; k < even.data.length; k++) even.data[k]! += Math.abs(turning.data[k]!);
  return even;
}

/**
 * Adds x y^T to a square matrix; x and y have `n` rows. Two rows of x by four of y at a time, so that a value that is read is
 * used several times: most of a probe's own time is spent here.
 */
function addInnerProducts(out: Float64Array, x: Float64Array, y: Float64Array, n: number): void {
  const features = x.length / n;
  const [rows, columns] = [n - (n % 2), n - (n % 4)];
  for (let i = 0; i < rows; i += 2) {
    const p0 = i * features;
    const p1 = p0 + features;
    for (let j = 0; j < columns; j += 4) {
      const q0 = j * features;
      const q1 = q0 + features;
      const q2 = q1 + features;
      const q3 = q2 + features;
      let a0 = 0;
      let a1 = 0;
      let a2 = 0;
      let a3 = 0;
      let b0 = 0;
      let b1 = 0;
      let b2 = 0;
      let b3 = 0;
      for (let k = 0; k < features; k++) {
        const u = x[p0 + k]!;
        const v = x[p1 + k]!;
        const y0 = y[q0 + k]!;
        const y1 = y[q1 + k]!;
        const y2 = y[q2 + k]!;
        const y3 = y[q3 + k]!;
        a0 += u * y0;
        a1 += u * y1;
        a2 += u * y2;
        a3 += u * y3;
        b0 += v * y0;
        b1 += v * y1;
        b2 += v * y2;
        b3 += v * y3;
      }
      const at = i * n + j;
      out[at]! += a0;
      out[at + 1]! += a1;
      out[at + 2]! += a2;
      out[at + 3]! += a3;
      out[at + n]! += b0;
      out[at + n + 1]! += b1;
      out[at + n + 2]! += b2;
      out[at + n + 3]! += b3;
    }
  }
  for (let i = 0; i < n; i++) {
    for (let j = i < rows ? columns : 0; j < n; j++) {
      let sum = 0;
      for (let k = 0, p = i * features, q = j * features; k < features; k++) sum += x[p + k]! * y[q + k]!;
      out[i * n + j]! += sum;
    }
  }
}

function gather(values: Float64Array, flat: Int32Array): Float64Array {
  const out = new Float64Array(flat.length);
  for (let k = 0; k < flat.length; k++) out[k] = values[flat[k]!]!;
  return out;
}

/** Puts unit match[i] in the place of unit i, along every axis. In place. */
export function permute(set: UnitSet, parameters: Map<string, Float64Array>, match: Int32Array): void {
  for (const { parameter, features, flat } of set.blocks) {
    const values = parameters.get(parameter);
    if (!values) continue;
    const before = gather(values, flat);
    for (let i = 0; i < set.size; i++) {
      const source = match[i]! * features;
      for (let k = 0; k < features; k++) values[flat[i * features + k]!] = before[source + k]!;
    }
  }
}

/** Flips every factor whose entries agree better with `a` after a flip. In place; returns whether any did. */
function flip({ byIndex }: SignEntries, a: ParameterValues, b: Map<string, Float64Array>): boolean {
  let any = false;
  for (const entries of byIndex.values()) {
    let inner = 0;
    for (const { parameter, flat } of entries) inner += (a.get(parameter)?.[flat] ?? 0) * (b.get(parameter)?.[flat] ?? 0);
    if (inner >= 0) continue;
    any = true;
    for (const { parameter, flat } of entries) {
      const values = b.get(parameter);
      if (values) values[flat] = -values[flat]!;
    }
  }
  return any;
}
