/**
 * @file The degree of symmetry breaking, of one symmetry and of a model.
 *
 * A symmetry is broken as far as the weights are away from its mirrors (arXiv 2309.16932). Take a chain of M independent
 * mirrors O_1, ..., O_M of the group and the order parameters s_m = |O_m^T theta| in the balanced gauge. The degree is their
 * mean, relative to what unrelated units of the layer's scale have:
 *
 *     B(G) = (1/M) sum_m min(1, s_m / s_0),   s_0^2 = mean over units of |z|^2, now or at the start, whichever is larger.
 *
 * 0: the weights are on all mirrors (fully symmetric: all units equal, all dead, rank zero). 1: units are of one size and as
 * far apart as unrelated ones, all directions of a product equally strong. Random weights of wide layers start near 1, those of
 * narrow ones lower, since many units cannot be unrelated in few dimensions. Chains: permutations of n units have n - 1
 * mirrors, the distance |z_i - z_j| / sqrt 2 of each next unit (farthest first) from those before, up to sign where units may
 * change it; signs and scalings have one mirror per factor, the norm of its weights; matrix groups of size r have r, the root
 * of the singular values of the product. The model's degree is the mean over all mirrors of all its symmetries. The
 * uncertainty is the standard error over replicas: a degree is an Estimate, always.
 *
 * Verdicts count mirrors instead: one is broken when s_m is more than a few hundredths of the largest unit,
 *
 *     share of broken mirrors = (1/M) sum_m min(1, s_m / (tau s_max)),   tau = sqrt(1e-3),
 *
 * s_max being the largest unit now, and at least a tenth of the largest at the start.
 */
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import { Balancer } from "../gauge/balance";
import { type MatrixFrame, matrixFrames, matrixOrderParameters } from "../gauge/matrix-groups";
import { oddFeatures, signEntries } from "../gauge/signs";
import { pairDistances, type UnitSet, unitSets, unitVectors } from "../gauge/units";
import { type Estimate, estimate } from "./statistics";

/** Order parameters below this share of the scale count as (partly) unbroken in verdicts. */
export const TAU = Math.sqrt(1e-3);
/** Share of the initial scale below which a whole layer counts as shrunk to the symmetric point. */
const INITIAL_SHARE = 0.1;

/** Order parameters of a chain of mirrors, and the scale that they are compared with. */
export interface OrderParameters {
  /** s_m, falling. */
  readonly values: Float64Array;
  /** Largest unit norm of the layer. */
  readonly scale: number;
  /** Root mean square of the unit norms. */
  readonly typical: number;
}

/** Order parameters with the scale of the units that they are of. */
function ordered(values: Float64Array, norms: ArrayLike<number>): OrderParameters {
  let [largest, squares] = [0, 0];
  for (let i = 0; i < norms.length; i++) {
    largest = Math.max(largest, norms[i]!);
    squares += norms[i]! ** 2;
  }
  return { values, scale: largest, typical: Math.sqrt(squares / Math.max(1, norms.length)) };
}

/** One layer or copy of one symmetry. */
type Chain = (balanced: ParameterValues) => OrderParameters;

/** A symmetry prepared for many states: its chains of mirrors; empty where it has none (translations, unread directions). */
export class MirrorChains {
  private readonly chains: readonly Chain[];
  readonly mirrors: number;

  /** How matrix groups act; empty for other kinds. */
  readonly frames: readonly MatrixFrame[];

  /**
   * `symmetries` are all of the model: units that may change sign are compared up to it. `weights` are some of the model's (its
   * initial ones): without them matrix groups have no chains.
   */
  constructor(
    readonly symmetry: Symmetry,
    symmetries: readonly Symmetry[],
    weights?: ParameterValues,
  ) {
    this.frames = weights ? matrixFrames(symmetry, symmetries, weights) : [];
    this.chains = [...chainsOf(symmetry, symmetries), ...this.frames.map(matrixChain)];
    this.mirrors = mirrorCount(symmetry) + this.frames.reduce((n, f) => n + Math.min(f.basis.rows, f.set.size), 0);
  }

  /** Order parameters chain by chain, of weights in the balanced gauge. */
  orderParameters(balanced: ParameterValues): readonly OrderParameters[] {
    return this.chains.map((c) => c(balanced));
  }

  /** B(G) of one state, the degree of breaking; `initial` are the order parameters at the start of training. NaN without mirrors. */
  degree(now: readonly OrderParameters[], initial: readonly OrderParameters[]): number {
    return meanOver(now, (o, i) => Math.max(o.typical, initial[i]?.typical ?? 0));
  }

  /** The share of broken mirrors of one state, which verdicts are about. NaN without mirrors. */
  brokenShare(now: readonly OrderParameters[], initial: readonly OrderParameters[]): number {
    return meanOver(now, (o, i) => TAU * Math.max(o.scale, INITIAL_SHARE * (initial[i]?.scale ?? 0)));
  }
}

/** Mean over all mirrors of min(1, s / reference); 0 where there is nothing to compare with. */
function meanOver(now: readonly OrderParameters[], referenceOf: (o: OrderParameters, chain: number) => number): number {
  let [sum, n] = [0, 0];
  now.forEach((o, i) => {
    const reference = referenceOf(o, i);
    for (const s of o.values) sum += reference > 0 ? Math.min(1, s / reference) : 0;
    n += o.values.length;
  });
  return n > 0 ? sum / n : Number.NaN;
}

function mirrorCount(symmetry: Symmetry): number {
  if (symmetry.units) return unitSets(symmetry).reduce((n, s) => n + s.size - 1, 0);
  if (symmetry.diagonal) {
    const indices = new Set<number>();
    for (const e of symmetry.diagonal()) for (const d of e.index) indices.add(d);
    return indices.size;
  }
  return 0;
}

function chainsOf(symmetry: Symmetry, symmetries: readonly Symmetry[]): Chain[] {
  if (symmetry.units) {
    const signs = symmetries.filter((s) => s.kind === "sign" && s.diagonal).map(signEntries);
    return unitSets(symmetry).map((set) => {
      const odd = oddFeatures(set, signs);
      return (balanced) => exchangeChain(set, balanced, odd);
    });
  }
  if (symmetry.diagonal) {
    const entries = symmetry.diagonal();
    return [(balanced) => factorChain(entries, balanced)];
  }
  return [];
}

/** Farthest-first distances between units: the chain of exchanges. |O^T theta| of an exchange is |z_i - z_j| / sqrt 2. */
function exchangeChain(set: UnitSet, balanced: ParameterValues, odd: readonly Uint8Array[]): OrderParameters {
  const z = unitVectors(set, balanced);
  const distances = pairDistances(set, balanced, odd);
  const norms = Array.from({ length: set.size }, (_, i) => Math.sqrt(z.row(i).reduce((s, x) => s + x * x, 0)));
  let latest = norms.indexOf(Math.max(...norms));
  const left = new Set(norms.keys());
  left.delete(latest);
  const closest = new Float64Array(set.size).fill(Infinity);
  const values = new Float64Array(Math.max(0, set.size - 1));
  for (let m = 0; m < values.length; m++) {
    let farthest = -1;
    for (const i of left) {
      closest[i] = Math.min(closest[i]!, distances.get(i, latest));
      if (farthest < 0 || closest[i]! > closest[farthest]!) farthest = i;
    }
    values[m] = Math.sqrt(closest[farthest]! / 2);
    left.delete(farthest);
    latest = farthest;
  }
  return ordered(values, norms);
}

/** Norms of the directions that a matrix group moves, in its balanced gauge. */
function matrixChain(frame: MatrixFrame): Chain {
  return (balanced) => {
    const values = matrixOrderParameters(frame, balanced);
    return ordered(values, values);
  };
}

/** Norms of the weights of each factor of a diagonal group. */
function factorChain(entries: ReturnType<NonNullable<Symmetry["diagonal"]>>, balanced: ParameterValues): OrderParameters {
  const squares: number[] = [];
  for (const { parameter, flat, index } of entries) {
    const w = balanced.get(parameter);
    if (w) for (let k = 0; k < flat.length; k++) squares[index[k]!] = (squares[index[k]!] ?? 0) + w[flat[k]!]! ** 2;
  }
  const values = Float64Array.from(
    squares.filter((s) => s !== undefined),
    Math.sqrt,
  )
    .sort()
    .reverse();
  return ordered(values, values);
}

/** The symmetries without those whose factors are products of another one's (all units together besides each by itself). */
export function independent(symmetries: readonly Symmetry[]): readonly Symmetry[] {
  const diagonal = symmetries.filter((s) => s.diagonal).map((s) => ({ symmetry: s, places: placesOf(s), count: mirrorCount(s) }));
  const coarse = diagonal.filter((s) =>
    diagonal.some((t) => t.symmetry.kind === s.symmetry.kind && t.count > s.count && refines(t.places, s.places)),
  );
  return symmetries.filter((s) => !coarse.some((c) => c.symmetry === s));
}

/** The factors that move each entry. */
type Places = ReadonlyMap<string, ReadonlyMap<number, readonly number[]>>;

function placesOf(symmetry: Symmetry): Places {
  const out = new Map<string, Map<number, number[]>>();
  for (const { parameter, flat, index } of symmetry.diagonal!()) {
    const own = out.get(parameter) ?? new Map<number, number[]>();
    out.set(parameter, own);
    flat.forEach((at, k) => {
      const list = own.get(at);
      if (list) list.push(index[k]!);
      else own.set(at, [index[k]!]);
    });
  }
  return out;
}

/** Whether both move the same entries and every factor of `fine` lies within one factor of `coarse`. */
function refines(fine: Places, coarse: Places): boolean {
  const inside = new Map<number, number>();
  let entries = 0;
  for (const [parameter, own] of coarse) {
    const other = fine.get(parameter);
    for (const [flat, [c, ...more]] of own) {
      const list = other?.get(flat);
      if (!list || more.length > 0) return false;
      for (const f of list) {
        if ((inside.get(f) ?? c) !== c) return false;
        inside.set(f, c!);
      }
      entries++;
    }
  }
  for (const own of fine.values()) entries -= own.size;
  return entries === 0;
}

/** The degree of one symmetry. */
export interface SymmetryDegree {
  readonly symmetry: Symmetry;
  /** Number of mirrors in its chains: its weight in the model's degree. */
  readonly mirrors: number;
  readonly degree: Estimate;
}

/** Degrees of a model. */
export interface BreakingDegrees {
  readonly symmetries: readonly SymmetryDegree[];
  /** Mean over all mirrors of all symmetries. */
  readonly model: Estimate;
}

/**
 * Degrees after training from the states of several replicas (`now`) and their initialisations, in equal order. Symmetries
 * without mirrors (translations, unread directions: they have no symmetric point) are left out.
 */
export function degreesOfBreaking(
  symmetries: readonly Symmetry[],
  replicas: readonly { readonly now: ParameterValues; readonly initial: ParameterValues }[],
): BreakingDegrees {
  const chains = independent(symmetries)
    .map((s) => new MirrorChains(s, symmetries, replicas[0]?.initial))
    .filter((c) => c.mirrors > 0);
  const balancer = new Balancer(symmetries);
  const perReplica = replicas.map(({ now, initial }) => {
    const [then, start] = [balancer.apply(now), balancer.apply(initial)];
    return chains.map((c) => c.degree(c.orderParameters(then), c.orderParameters(start)));
  });
  const total = chains.reduce((n, c) => n + c.mirrors, 0);
  return {
    symmetries: chains.map((c, i) => ({
      symmetry: c.symmetry,
      mirrors: c.mirrors,
      degree: estimate(perReplica.map((degrees) => degrees[i]!)),
    })),
    model: estimate(perReplica.map((degrees) => degrees.reduce((s, d, i) => s + d * chains[i]!.mirrors, 0) / total)),
  };
}
