/**
 * @file The Hessian's lowest and near-zero eigenvalues by Lanczos with full reorthogonalisation, through Hessian-vector
 * products that are central differences of gradients. Each continuous symmetry leaves zero eigenvalues at a minimum
 * (1710.06096: Goldstone directions): their number is compared with the dimension that the analysis found.
 */
import { EigenvalueDecomposition, Matrix as MlMatrix } from "ml-matrix";
import { dot, norm } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import type { ParameterValues } from "../../symmetry/symmetry";

/** The loss's gradient at given parameters (those that train, by name). */
export type GradientFunction = (parameters: ParameterValues) => Promise<ParameterValues>;

/** A product with the Hessian, on flat vectors of all trainable entries. */
export type HessianProduct = (direction: Float64Array) => Promise<Float64Array>;

/** Parameters side by side in one vector, in a fixed order. */
export class FlatParameters {
  readonly size: number;

  constructor(
    readonly names: readonly string[],
    private readonly point: ParameterValues,
  ) {
    this.size = names.reduce((n, p) => n + point.get(p)!.length, 0);
  }

  flatten(values: ParameterValues): Float64Array {
    const out = new Float64Array(this.size);
    let offset = 0;
    for (const name of this.names) {
      const length = this.point.get(name)!.length;
      const v = values.get(name);
      if (v) out.set(v, offset);
      offset += length;
    }
    return out;
  }

  /** The point moved by `step` times a flat direction; parameters that are not listed are as they were. */
  moved(direction: Float64Array, step: number): ParameterValues {
    const out = new Map(this.point);
    let offset = 0;
    for (const name of this.names) {
      const own = this.point.get(name)!;
      out.set(
        name,
        own.map((x, i) => x + step * direction[offset + i]!),
      );
      offset += own.length;
    }
    return out;
  }
}

/**
 * Hessian-vector products at a point by central differences. `relativeStep` times |theta| / |v| is the step: about the cube root
 * of the arithmetic's precision (3e-3 for float32, 1e-5 for float64).
 */
export function hessianProduct(
  flat: FlatParameters,
  at: ParameterValues,
  gradient: GradientFunction,
  relativeStep = 3e-3,
): HessianProduct {
  const scale = Math.max(norm(flat.flatten(at)), 1e-6);
  return async (direction) => {
    const length = norm(direction);
    if (length === 0) return new Float64Array(flat.size);
    const step = (relativeStep * scale) / length;
    const plus = flat.flatten(await gradient(flat.moved(direction, step)));
    const minus = flat.flatten(await gradient(flat.moved(direction, -step)));
    return plus.map((p, i) => (p - minus[i]!) / (2 * step));
  };
}

/** Ritz values, falling, with their error bounds and the weight each has in the starting vector. */
export interface LanczosResult {
  readonly values: Float64Array;
  /** |A y - theta y| for each Ritz pair. */
  readonly residuals: Float64Array;
  /** Squared first components: Gauss quadrature weights of the spectral density seen by the starting vector. */
  readonly weights: Float64Array;
  /** Steps that were made; all of the space where this is its dimension. */
  readonly steps: number;
}

/** Lanczos from a random vector (or a given one) with full reorthogonalisation. Ends early when the space is exhausted. */
export async function lanczos(
  product: HessianProduct,
  size: number,
  options: { readonly steps?: number; readonly seed?: number; readonly start?: Float64Array } = {},
): Promise<LanczosResult> {
  const most = Math.min(options.steps ?? 60, size);
  let q: Float64Array = options.start ? options.start.slice() : new Random(options.seed ?? 1).normals(size);
  const first = norm(q);
  q = q.map((x) => x / first);
  const basis: Float64Array[] = [];
  const alpha: number[] = [];
  const beta: number[] = [];
  while (alpha.length < most) {
    basis.push(q);
    const w = await product(q);
    alpha.push(dot(w, q));
    for (let round = 0; round < 2; round++) {
      for (const b of basis) {
        const c = dot(w, b);
        for (let i = 0; i < size; i++) w[i]! -= c * b[i]!;
      }
    }
    const length = norm(w);
    const scale = Math.max(...alpha.map(Math.abs), ...beta, 1e-300);
    beta.push(length);
    if (length < 1e-9 * scale) break;
    q = w.map((x) => x / length);
  }
  const n = alpha.length;
  const tridiagonal = MlMatrix.zeros(n, n);
  for (let i = 0; i < n; i++) {
    tridiagonal.set(i, i, alpha[i]!);
    if (i + 1 < n) {
      tridiagonal.set(i, i + 1, beta[i]!);
      tridiagonal.set(i + 1, i, beta[i]!);
    }
  }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(tridiagonal, { assumeSymmetric: true });
  const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  return {
    values: Float64Array.from(order, (i) => realEigenvalues[i]!),
    residuals: Float64Array.from(order, (i) => Math.abs(beta[n - 1]! * eigenvectorMatrix.get(n - 1, i))),
    weights: Float64Array.from(order, (i) => eigenvectorMatrix.get(0, i) ** 2),
    steps: n,
  };
}

/** Near-zero eigenvalues of a Hessian. */
export interface NearZeroCount {
  /** Their number: exact where Lanczos exhausted the space, else estimated from spectral weights. */
  readonly count: number;
  /** Standard error over starting vectors, and half of what Lanczos has not told apart from zero; 0 where exact. */
  readonly error: number;
  readonly exact: boolean;
  readonly largest: number;
  readonly smallest: number;
  /** Eigenvalues at most this large in magnitude counted. */
  readonly threshold: number;
}

/**
 * Counts eigenvalues below `relative` times the largest magnitude. Spectral weights of `probes` random starting vectors estimate
 * the share of such eigenvalues (stochastic Lanczos quadrature, Golub & Meurant): a Ritz value stands for eigenvalues as far away as
 * its residual, so that the weight of those that may lie on either side of the threshold counts by half, and as error. Up to
 * `exactSize` entries the Hessian is made whole and diagonalised.
 */
export async function nearZeroEigenvalues(
  product: HessianProduct,
  size: number,
  options: {
    readonly relative?: number;
    readonly probes?: number;
    readonly steps?: number;
    readonly exactSize?: number;
    readonly seed?: number;
  } = {},
): Promise<NearZeroCount> {
  const relative = options.relative ?? 1e-4;
  if (size <= (options.exactSize ?? 300)) {
    const values = await fullSpectrum(product, size);
    const magnitude = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const threshold = relative * magnitude;
    const count = values.filter((v) => Math.abs(v) <= threshold).length;
    return { count, error: 0, exact: true, largest: values[0] ?? 0, smallest: values.at(-1) ?? 0, threshold };
  }
  const probes = options.probes ?? 4;
  const runs: LanczosResult[] = [];
  for (let k = 0; k < probes; k++) {
    runs.push(await lanczos(product, size, { steps: options.steps ?? 60, seed: (options.seed ?? 1) + k }));
  }
  const largest = Math.max(...runs.map((r) => r.values[0]!));
  const smallest = Math.min(...runs.map((r) => r.values.at(-1)!));
  const threshold = relative * Math.max(Math.abs(largest), Math.abs(smallest));
  const share = (run: LanczosResult, isCounted: (magnitude: number, residual: number) => boolean): number =>
    run.weights.reduce((s, w, i) => s + (isCounted(Math.abs(run.values[i]!), run.residuals[i]!) ? w : 0), 0);
  const least = runs.map((r) => share(r, (magnitude, residual) => magnitude + residual <= threshold));
  const most = runs.map((r) => share(r, (magnitude, residual) => magnitude - residual <= threshold));
  const shares = least.map((low, k) => (low + most[k]!) / 2);
  const [mean, unresolved] = [meanOf(shares), (meanOf(most) - meanOf(least)) / 2];
  const variance = shares.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, probes - 1);
  const error = (Math.sqrt(variance / probes) + unresolved) * size;
  return { count: mean * size, error, exact: false, largest, smallest, threshold };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** All eigenvalues, falling, of the symmetrised matrix of products with the unit vectors. */
export async function fullSpectrum(product: HessianProduct, size: number): Promise<Float64Array> {
  const matrix = MlMatrix.zeros(size, size);
  for (let j = 0; j < size; j++) {
    const unit = new Float64Array(size);
    unit[j] = 1;
    const column = await product(unit);
    for (let i = 0; i < size; i++) matrix.set(i, j, column[i]!);
  }
  const symmetric = MlMatrix.add(matrix, matrix.transpose()).mul(0.5);
  const { realEigenvalues } = new EigenvalueDecomposition(symmetric, { assumeSymmetric: true });
  return Float64Array.from(realEigenvalues).sort().reverse();
}
