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
import type { ParameterValues, Symmetry } from "../symmetry/symmetry";
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

/** Applies a random element of every symmetry to the twin's generic weights: those of a kind together, one by one if that fails. */
function applied(
  analysis: ModelAnalysis,
  seed: number,
): { readonly failed: string[]; readonly unchecked: string[]; readonly deviation: number } {
  const weights = analysis.genericWeights!;
  const outputs = new Retraction(Network.of(analysis.measurable!), seed);
  const random = new Random(seed);
  const failed: string[] = [];
  const unchecked: string[] = [];
  let worst = 0;
  const act = (s: Symmetry, at: ParameterValues): ParameterValues =>
    new Map([
      ...at,
      ...s.act(
        at,
        s.randomElement(() => random.uniform()),
      ),
    ]);
  const passes = (moved: ParameterValues): boolean => {
    const deviation = outputs.deviation(weights, moved);
    if (deviation < TOLERANCE) worst = Math.max(worst, deviation);
    return deviation < TOLERANCE;
  };
  for (const kind of new Set(analysis.symmetries.map((s) => s.kind))) {
    const symmetries = analysis.symmetries.filter((s) => s.kind === kind);
    // Groups that are solved for act at the weights that they were found at.
    if (symmetries.every((s) => s.origin === "rule") && passes(symmetries.reduce((at, s) => act(s, at), weights))) continue;
    for (const s of symmetries) {
      const claim = `${s.group} (${s.kind}) on ${s.parameters.slice(0, 3).join(", ")}`;
      try {
        if (!passes(act(s, weights))) failed.push(claim);
      } catch (error) {
        if (s.origin === "rule") throw error;
        unchecked.push(`${claim}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return { failed, unchecked, deviation: worst };
}
