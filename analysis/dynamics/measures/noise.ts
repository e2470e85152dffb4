/** @file Gradient noise scale and loss barriers between replicas. */
import type { ParameterValues } from "../../symmetry/symmetry";
import type { GradientNoise } from "../trajectory";

/**
 * B_simple = tr(Sigma) / |G|^2 in examples (McCandlish et al. 2018, 1812.06162): batches far below it are mostly noise. Both
 * parts are averaged over the records first, since the ratio of single estimates is biased. Infinity where no signal is left.
 */
export function gradientNoiseScale(records: readonly GradientNoise[]): number {
  if (records.length === 0) return Number.NaN;
  const signal = records.reduce((s, r) => s + r.signal, 0) / records.length;
  const trace = records.reduce((s, r) => s + r.trace, 0) / records.length;
  return signal > 0 ? Math.max(0, trace) / signal : Infinity;
}

/**
 * Midpoint barrier L((a + b)/2) - (L(a) + L(b))/2 (Git Re-Basin, 2209.04836). Near zero after alignment and high before:
 * the replicas are the same solution in different gauges.
 */
export async function midpointBarrier(
  a: ParameterValues,
  b: ParameterValues,
  loss: (parameters: ParameterValues) => Promise<number>,
): Promise<number> {
  const middle = new Map(a);
  for (const [name, x] of a) {
    const y = b.get(name);
    if (y)
      middle.set(
        name,
        x.map((v, i) => (v + y[i]!) / 2),
      );
  }
  return (await loss(middle)) - ((await loss(a)) + (await loss(b))) / 2;
}
