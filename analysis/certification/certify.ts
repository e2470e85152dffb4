/**
 * @file Certification: applies a random element of each claimed symmetry to the weights and compares outputs through ONNX
 * Runtime. A claim that fails is withdrawn and shown as a failure, never as a symmetry.
 */
import { createRunner, MovingWeights, type Runner } from "../runtime";
import type { Certificate, ModelAnalysis, TwinCertificate } from "../symmetry/analysis";
import { measureDimension } from "../symmetry/counting/jacobian";
import type { Symmetry } from "../symmetry/symmetry";
import { FullSizeCheck } from "./full-size";
import { certifyTwin, claimOf, mostMoved } from "./twin";
import type { TwinProcess } from "./twin-process";

/** Trained entries up to which a model runs at full size: each comparison holds them several times over. */
const MOST_WEIGHTS = 150_000_000;

/** How claims are to be checked. */
export interface CertifyOptions {
  readonly seed?: number;
  /** A runner to use and keep; by default one is started and ended. */
  readonly runner?: Runner;
  readonly signal?: AbortSignal;
  /** Looks at the twin while the model runs; by default this process does, before that. */
  readonly twins?: TwinProcess;
  /** False takes no rank on the twin of a model that is too large for one of its own. */
  readonly twin?: false;
}

/**
 * Checks every symmetry of an analysis that acts by a finite element: all of them together first, halves of them where that moves
 * the output, down to single ones. Claims that hold only up to a normalisation's epsilon are checked on the normal form, where
 * epsilons are zero.
 * @throws the signal's reason when it is aborted
 */
export async function certify(analysis: ModelAnalysis, options: CertifyOptions = {}): Promise<Certificate> {
  const begin = performance.now();
  const certificate = await certified(analysis, options);
  return { ...certificate, milliseconds: Math.round(performance.now() - begin) };
}

async function certified(analysis: ModelAnalysis, options: CertifyOptions): Promise<Certificate> {
  const unknown = analysis.graph.nodes.find((n) => n.domain === "python");
  if (unknown) return skipped(`the model calls ${unknown.operator}, which cannot be run without its definition`, false);
  if (analysis.parameters > MOST_WEIGHTS) {
    const twin = await measuredOnTwin(analysis, options);
    const reason = `${analysis.parameters} weights are too many to run at full size; the claims are checked on a small copy only`;
    return { ...skipped(reason, true), ...measured(analysis, twin) };
  }
  const seed = options.seed ?? 1;
  // While the model runs here, another process looks at the twin.
  const ended = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, ended.signal]) : ended.signal;
  const onTwin = measuredOnTwin(analysis, { ...options, signal });
  onTwin.catch(() => {});
  const runner = options.runner ?? createRunner();
  const checks: FullSizeCheck[] = [];
  const checkAt = (at: MovingWeights, more: { readonly fromFirst?: true } = {}): FullSizeCheck => {
    const check = new FullSizeCheck(at, runner, { seed, signal, ...more });
    checks.push(check);
    return check;
  };
  let randomWeights = true;
  try {
    const weights = new MovingWeights(analysis.graph, { seed, generic: true });
    randomWeights = weights.random.length > 0;
    const byRule = analysis.symmetries.filter((s) => s.origin === "rule");
    const { failed: refuted, later } = await checkAt(weights).failures([analysis.graph, analysis.normal], byRule);
    const failed: Symmetry[] = [...refuted];
    const exactUpToEpsilon = later && analysis.notes.some((n) => /epsilon/.test(n));
    // Groups that are solved for exist at generic weights; at a file's own some may not (gains that are all one).
    const solved = analysis.symmetries.filter((s) => s.origin === "numeric");
    if (solved.length > 0 && analysis.genericWeights) {
      const generic = new MovingWeights(analysis.normal, { seed, values: analysis.genericWeights });
      failed.push(...(await checkAt(generic, { fromFirst: true }).failures([analysis.normal], solved)).failed);
    }
    const unchecked = checks.flatMap((c) => [...c.unchecked]);
    const first = failed[0];
    const twin = await onTwin;
    const outcome = {
      maxRelativeDeviation: Math.max(...checks.map((c) => c.worst)),
      randomWeights,
      ...(exactUpToEpsilon ? { exactUpToEpsilon } : {}),
      ...(unchecked.length > 0 ? { unchecked } : {}),
      ...measured(analysis, twin),
    };
    const broken = typeof twin === "object" ? twin.failed[0] : undefined;
    if (!first && broken === undefined) return { status: "certified", ...outcome, failed: [] };
    const claim = first ? claimOf(first) : `${broken}, on the twin,`;
    return { status: "failed", ...outcome, reason: `${claim} changes the output`, failed: failed.map((s) => s.id) };
  } catch (error) {
    options.signal?.throwIfAborted();
    return skipped(error instanceof Error ? error.message : String(error), randomWeights);
  } finally {
    ended.abort();
    for (const check of checks) await check.close().catch(() => {});
    if (!options.runner) runner.dispose();
  }
}

/** The twin's part, for models on which no numeric engine ran; a sentence where there is no twin. */
async function measuredOnTwin(analysis: ModelAnalysis, options: CertifyOptions): Promise<TwinCertificate | string | undefined> {
  if (analysis.measurable || options.twin === false || analysis.parameters === 0) return undefined;
  try {
    const how = { seed: options.seed ?? 1, ...(options.signal ? { signal: options.signal } : {}) };
    return await (options.twins ? options.twins.certify(analysis, how) : certifyTwin(analysis, how));
  } catch (error) {
    options.signal?.throwIfAborted();
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Explained against measured continuous dimension. The rank of the Jacobian is taken in float64 with epsilons at zero; a
 * rectifier that is off adds directions at that draw only, so several draws are taken and the smallest dimension counts.
 */
function measured(
  whole: ModelAnalysis,
  twin: TwinCertificate | string | undefined,
): Pick<Certificate, "dimensions" | "twin" | "unmeasured"> {
  const analysis = whole.apart ?? whole;
  if (analysis.measurable) {
    const explained = analysis.continuous.total;
    const { dimension } = measureDimension(analysis.measurable, { explained });
    const moving = dimension > explained ? movingOf(analysis, analysis.measurable) : [];
    return { dimensions: { explained, measured: dimension, on: "model", ...(moving.length > 0 ? { moving } : {}) } };
  }
  if (twin === undefined) return {};
  if (typeof twin === "string") return { unmeasured: twin };
  const { explained, measured: found, moving } = twin;
  return { dimensions: { explained, measured: found, on: "twin", ...(moving ? { moving } : {}) }, twin };
}

/** Trained entries up to which a second rank is taken, to say what is not explained. */
const MOST_NAMED = 1000;

/** The parameters that unexplained directions move, at the weights at which the numeric engines know their groups. */
function movingOf(analysis: ModelAnalysis, graph: ModelAnalysis["graph"]): readonly string[] {
  const { genericWeights: weights } = analysis;
  if (!weights || analysis.parameters > MOST_NAMED) return [];
  const known = analysis.symmetries.flatMap((s) => s.generators(weights).map((g) => g.vector));
  return mostMoved(measureDimension(graph, { weights }), known);
}

function skipped(reason: string, randomWeights: boolean): Certificate {
  return { status: "skipped", maxRelativeDeviation: 0, reason, failed: [], randomWeights };
}
