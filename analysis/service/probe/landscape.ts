/**
 * @file The shape of the loss where training ended: flat directions against symmetries, barriers between replicas, and what holds
 * the weights away from their nearest mirrors. All through gradients of the training loss at other weights.
 */
import { align } from "../../dynamics/gauge/align";
import { balance } from "../../dynamics/gauge/balance";
import { independent } from "../../dynamics/measures/breaking";
import { measureCollapse } from "../../dynamics/measures/collapse";
import { FlatParameters, hessianProduct, nearZeroEigenvalues } from "../../dynamics/measures/hessian";
import { midpointBarrier } from "../../dynamics/measures/noise";
import { decayOf, rateOf } from "../../dynamics/measures/settings";
import { overPairs } from "../../dynamics/measures/statistics";
import { weakestMirror } from "../../dynamics/measures/weakest-mirror";
import type { Trajectory } from "../../dynamics/trajectory";
import { measured, plain } from "../../probe/record/make";
import type { RecordedCollapse, RecordedLandscape } from "../../probe/record/record";
import type { Objective, ProbeSetting } from "../../probe/types";
import type { ModelAnalysis } from "../../symmetry/analysis";
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";

/** What the loss says of one setting. */
export interface Landscape {
  readonly landscape: RecordedLandscape;
  readonly collapse: ReadonlyMap<Symmetry, RecordedCollapse>;
}

/** Entries of networks whose Hessian is looked at: beyond, one product costs more than all the rest. */
const LARGEST_HESSIAN = 300_000;
/** Networks of so few entries have all eigenvalues computed. */
const EXACT = 250;
/** Eigenvalues below this share of the largest count as zero: what float32 gradients leave of them. */
const ZERO = 3e-3;
/** Replicas between which barriers are measured. */
const MOST_REPLICAS = 3;
/** Symmetries whose nearest mirror is measured, the weakest first. */
const MOST_MIRRORS = 12;
/** Steps of Lanczos, the most that fit; and starting vectors, the least that have an error. */
const STEPS = [60, 40, 25, 15] as const;
const PROBES = 2;
/** Share of a count that its error may be; a count that is known less well is not told. */
const LARGEST_ERROR = 0.25;
/** Entries beyond which replicas are not aligned: assignments cost too much. */
const LARGEST_ALIGNED = 100_000;

/**
 * Measures as much as fits into about `seconds`, by what evaluations are estimated to cost, so that the same request measures the
 * same everywhere; what does not fit is absent.
 * @param runs of one setting
 */
export async function measureLandscape(
  objective: Objective,
  setting: ProbeSetting,
  runs: readonly Trajectory[],
  analysis: Pick<ModelAnalysis, "symmetries" | "continuous" | "countOrigin">,
  seconds: number,
): Promise<Landscape> {
  let left = seconds;
  /** Whether so many evaluations over all mini-batches still fit; if so they are taken off. */
  const affords = (evaluations: number, besides = 0): boolean => {
    const cost = evaluations * objective.seconds + besides;
    if (cost > left) return false;
    left -= cost;
    return true;
  };
  const ends = runs.filter((r) => r.divergedAt === undefined).map((r) => r.recordings.at(-1)!.parameters);
  const collapse = new Map<Symmetry, RecordedCollapse>();
  const [first] = ends;
  if (!first) return { landscape: {}, collapse };
  const loss = async (w: ParameterValues) => (await objective.evaluate(w)).loss;
  // Under a reparametrisation the weights that train are not those that symmetries act on.
  const isPlain = !setting.reparametrisation;
  const size = objective.trainable.reduce((n, p) => n + (first.get(p)?.length ?? 0), 0);

  if (isPlain) {
    const balanced = balance(first, analysis.symmetries);
    for (const symmetry of independent(analysis.symmetries).slice(0, MOST_MIRRORS)) {
      const mirror = weakestMirror(symmetry, balanced);
      const [parameter] = symmetry.parameters;
      if (!mirror || parameter === undefined || !affords(4)) continue;
      const { training } = setting;
      const found = await measureCollapse(
        mirror,
        first,
        {
          loss,
          batches: objective.batches,
          batchGradient: async (w, batch) => (await objective.evaluate(w, batch)).gradient,
        },
        {
          learningRate: rateOf(training, parameter, training.learningRate),
          weightDecay: decayOf(training, parameter),
        },
      );
      if (!(found.distance > 0)) continue;
      collapse.set(symmetry, {
        mirror: mirror.name,
        distance: found.distance,
        lossIncrease: found.lossIncrease,
        margin: plain(found.margin),
        exponent: plain(found.exponent),
        exponentError: plain(found.exponentError),
        curvature: found.curvature,
        curvatureVariance: found.curvatureVariance,
      });
    }
  }

  let barrier: RecordedLandscape["barrier"];
  if (isPlain && ends.length > 1 && size <= LARGEST_ALIGNED && affords(6 * MOST_REPLICAS)) {
    const used = ends.slice(0, MOST_REPLICAS);
    const raw = new Map<string, number>();
    const aligned = new Map<string, number>();
    for (let a = 0; a < used.length; a++) {
      for (let b = a + 1; b < used.length; b++) {
        const [x, y] = [used[a]!, used[b]!];
        raw.set(`${a} ${b}`, await midpointBarrier(x, y, loss));
        const found = align(x, y, analysis.symmetries, { restarts: 1 });
        // Balanced weights are the same function.
        aligned.set(
          `${a} ${b}`,
          await midpointBarrier(new Map([...x, ...found.reference]), new Map([...y, ...found.aligned]), loss),
        );
      }
    }
    const over = (values: ReadonlyMap<string, number>) =>
      measured(overPairs(used.length, (a, b) => values.get(`${a} ${b}`) ?? Number.NaN));
    barrier = { raw: over(raw), aligned: over(aligned) };
  }

  let hessian: RecordedLandscape["hessian"];
  const isExact = size <= EXACT && affords(2 * size);
  // Orthogonalising costs about 4 ns per entry and pair of vectors.
  const steps = isExact ? 0 : STEPS.find((n) => size <= LARGEST_HESSIAN && affords(2 * PROBES * n, PROBES * 4e-9 * n * n * size));
  if (steps !== undefined) {
    const flat = new FlatParameters(objective.trainable, first);
    const product = hessianProduct(flat, first, async (w) => (await objective.evaluate(w)).gradient);
    const found = await nearZeroEigenvalues(product, flat.size, {
      relative: ZERO,
      exactSize: isExact ? EXACT : 0,
      steps,
      probes: PROBES,
    });
    // Few steps tell the smallest eigenvalues of a large network neither from zero nor from each other.
    const isResolved = found.exact || found.error <= LARGEST_ERROR * found.count;
    if (isResolved)
      hessian = {
        nearZero: found.count,
        error: found.error,
        exact: found.exact,
        expected: analysis.continuous.total,
        parameters: flat.size,
        largest: found.largest,
        smallest: found.smallest,
        threshold: ZERO,
      };
  }
  return { landscape: { ...(hessian ? { hessian } : {}), ...(barrier ? { barrier } : {}) }, collapse };
}
