/** @file How many directions a matrix or a product of matrices uses: effective rank, stable rank, numerical rank. */
import { Matrix } from "../../numerics/matrix";
import { singularValues } from "../../numerics/rank";

/** What a spectrum says. */
export interface SpectrumMeasures {
  /** exp(-sum p log p), p = sigma / sum sigma (Roy & Vetterli 2007): between 1 and the number of singular values. */
  readonly effectiveRank: number;
  /** sum sigma^2 / sigma_1^2. */
  readonly stableRank: number;
  /** Singular values above `threshold` times the largest. */
  readonly numericalRank: number;
  /** Number of singular values: the largest that all three can be. */
  readonly full: number;
}

/** Measures of a falling or unordered list of singular values; all zero for a vanishing matrix. */
export function spectrumMeasures(values: ArrayLike<number>, threshold = 1e-3): SpectrumMeasures {
  const sigma = Float64Array.from(values);
  const largest = sigma.reduce((a, b) => Math.max(a, b), 0);
  const full = sigma.length;
  if (!(largest > 0)) return { effectiveRank: 0, stableRank: 0, numericalRank: 0, full };
  const sum = sigma.reduce((a, b) => a + b, 0);
  let [entropy, squares, above] = [0, 0, 0];
  for (const s of sigma) {
    const p = s / sum;
    if (p > 0) entropy -= p * Math.log(p);
    squares += (s / largest) ** 2;
    if (s > threshold * largest) above++;
  }
  return { effectiveRank: Math.exp(entropy), stableRank: squares, numericalRank: above, full };
}

/** Singular values of the product `left * right` (a x r times r x b), at most r of them, without forming products larger than r x r's factors need. */
export function productSpectrum(left: Matrix, right: Matrix): Float64Array {
  const values = singularValues(left.multiply(right));
  return values.subarray(0, Math.min(values.length, left.columns));
}

/** Effective rank of centred activations or features (samples x units): the columns' means are taken off first. */
export function featureSpectrum(features: Matrix): Float64Array {
  const centred = new Matrix(features.rows, features.columns, features.data.slice());
  for (let j = 0; j < features.columns; j++) {
    let mean = 0;
    for (let i = 0; i < features.rows; i++) mean += features.get(i, j) / features.rows;
    for (let i = 0; i < features.rows; i++) centred.data[i * features.columns + j]! -= mean;
  }
  return singularValues(centred);
}
