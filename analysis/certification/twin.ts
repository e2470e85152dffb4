/**
 * @file Certification on the twin: a model of any size is checked on a small copy with the same structure, in this process and
 * in float64. Random elements of every symmetry of the twin are applied, and the Jacobian's rank is compared with what they
 * explain.
 */
import type { Graph } from "../graph/graph";
import { Random } from "../numerics/random";
import { analyse, equivarianceOf } from "../symmetry/analyse";
import type { ModelAnalysis, TwinCertificate } from "../symmetry/analysis";
import { Retraction } from "../symmetry/actions/retraction";
import { measureDimension } from "../symmetry/counting/jacobian";
import { Network } from "../symmetry/counting/network";
import { inferAxes } from "../symmetry/spaces/infer";
import { makeTwin, trainableEntries } from "../symmetry/twin/twin";

/** Largest relative deviation of outputs in float64 that still counts as equal. */
const TOLERANCE = 1e-8;
/** Trainable entries of a twin up to which ranks are taken. */
const MOST_ENTRIES = 700;

/** Makes and checks the twin of a model; a sentence where there is none that is small enough. */
export function certifyTwin(normal: Graph, seed = 1): TwinCertificate | string {
  const axes = inferAxes(normal, { equivariance: equivarianceOf, softPins: false });
  const twin = makeTwin(normal, axes, { depth: "shrink" });
  if ("reason" in twin) return twin.reason;
  const entries = trainableEntries(twin.graph);
  if (entries > MOST_ENTRIES) return `a copy of its structure still has ${entries} weights, too many for a rank`;
  const analysis = analyse(twin.graph, { numericLimit: MOST_ENTRIES, seed });
  if (!analysis.measurable || !analysis.genericWeights) return analysis.notes.at(-1) ?? "the twin cannot be evaluated";
  const { failed, unchecked, deviation } = applied(analysis, seed);
  const explained = analysis.continuous.total;
  const { dimension } = measureDimension(analysis.measurable, { explained, seed });
  return {
    parameters: entries,
    explained,
    measured: dimension,
    continuous: analysis.continuous,
    symmetries: analysis.symmetries.length,
    maxRelativeDeviation: deviation,
    failed,
    unchecked,
    notes: twin.notes,
  };
}

/** Applies a random element of every symmetry to the twin's generic weights. */
function applied(
  analysis: ModelAnalysis,
  seed: number,
): { readonly failed: string[]; readonly unchecked: string[]; readonly deviation: number } {
  const weights = analysis.genericWeights!;
  const outputs = new Retraction(Network.of(analysis.measurable!), seed);
  const random = new Random(seed);
  const failed: string[] = [];
  const unchecked: string[] = [];
  let deviation = 0;
  for (const s of analysis.symmetries) {
    const claim = `${s.group} (${s.kind}) on ${s.parameters.slice(0, 3).join(", ")}`;
    try {
      const moved = new Map([
        ...weights,
        ...s.act(
          weights,
          s.randomElement(() => random.uniform()),
        ),
      ]);
      const d = outputs.deviation(weights, moved);
      if (d < TOLERANCE) deviation = Math.max(deviation, d);
      else failed.push(claim);
    } catch (error) {
      if (s.origin === "rule") throw error;
      unchecked.push(`${claim}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { failed, unchecked, deviation };
}
