/**
 * @file The replica distance metric (arXiv 2409.06402): how far the weight distributions of replicas are apart, layer by layer.
 * Its paper gives no exact formula; this one is ours: 1-D Wasserstein distance of the sorted weights over their spread. It is
 * blind to permutations, so it measures weight statistics; `align` (gauge/align.ts) measures what symmetry explains.
 */
import type { ParameterValues } from "../../symmetry/symmetry";
import { type Estimate, overPairs } from "./statistics";

/** Wasserstein-1 distance of two equally large samples: mean |sort(a)_k - sort(b)_k|, in the unit of the weights. */
export function wasserstein(a: Float64Array, b: Float64Array): number {
  if (a.length !== b.length) throw new RangeError(`samples of ${a.length} and ${b.length} numbers have no common order`);
  const [x, y] = [a.slice().sort(), b.slice().sort()];
  return sortedDistance(x, y);
}

function sortedDistance(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.abs(x[i]! - y[i]!);
  return sum / x.length;
}

/** The metric of one parameter. */
export interface LayerDistance {
  readonly parameter: string;
  /** Wasserstein distance over standard deviation, mean over pairs of replicas; jackknife error. No unit. */
  readonly distance: Estimate;
}

/** The metric of a set of replicas. */
export interface ReplicaDistance {
  readonly layers: readonly LayerDistance[];
  /** Mean over layers. Smaller: replicas agree more. */
  readonly mean: Estimate;
}

/**
 * The metric over the given parameters (by default all that every replica has, with at least `fewest` entries: distributions
 * of a handful of weights say nothing). Layers without spread (all zero) are left out.
 */
export function replicaDistance(
  replicas: readonly ParameterValues[],
  options: { readonly parameters?: readonly string[]; readonly fewest?: number } = {},
): ReplicaDistance {
  const names = options.parameters ?? [...(replicas[0]?.keys() ?? [])];
  const layers: LayerDistance[] = [];
  const tables: { readonly sorted: readonly Float64Array[]; readonly spread: number }[] = [];
  for (const parameter of names) {
    const values = replicas.map((r) => r.get(parameter)).filter((v) => v !== undefined);
    if (values.length < replicas.length || (values[0]?.length ?? 0) < (options.fewest ?? 16)) continue;
    const spread = values.reduce((s, v) => s + deviation(v), 0) / values.length;
    if (!(spread > 0)) continue;
    const sorted = values.map((v) => v.slice().sort());
    tables.push({ sorted, spread });
    layers.push({
      parameter,
      distance: overPairs(replicas.length, (a, b) => sortedDistance(sorted[a]!, sorted[b]!) / spread),
    });
  }
  const mean = overPairs(replicas.length, (a, b) =>
    tables.reduce((s, { sorted, spread }) => s + sortedDistance(sorted[a]!, sorted[b]!) / spread / tables.length, 0),
  );
  return { layers, mean };
}

function deviation(x: Float64Array): number {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  return Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length);
}
