/**
 * @file Certification: applies a random element of each claimed symmetry to the weights and compares outputs through ONNX
 * Runtime. A claim that fails is withdrawn and shown as a failure, never as a symmetry.
 */
import type { Graph } from "../graph/graph";
import { Random } from "../numerics/random";
import { baseWeights, compareUnderActions, createRunner, type Runner } from "../runtime";
import type { Certificate, ModelAnalysis, TwinCertificate } from "../symmetry/analysis";
import { measureDimension } from "../symmetry/counting/jacobian";
import type { ParameterValues, Symmetry } from "../symmetry/symmetry";
import { certifyTwin, claimOf } from "./twin";

/** Largest relative deviation of outputs in float32 that still counts as equal. */
export const TOLERANCE = 1e-5;

/**
 * Deep networks with batch statistics amplify float32 rounding beyond that: a deviation of this many times what a last-bit
 * change of every weight does is rounding too.
 */
const ROUNDING_FACTOR = 5;

/** Trained entries up to which a model runs at full size: each comparison holds them several times over. */
const MOST_WEIGHTS = 150_000_000;

export interface CertifyOptions {
  readonly seed?: number;
  /** A runner to use and keep; by default one is started and ended. */
  readonly runner?: Runner;
  readonly signal?: AbortSignal;
  /** False takes no rank on the twin of a model that is too large for one of its own. */
  readonly twin?: false;
}

/**
 * Checks every symmetry of an analysis that acts by a finite element: those of related kinds together first, halves of them where
 * that moves the output, down to single ones. Claims that hold only up to a normalisation's epsilon are checked on the normal form, where
 * epsilons are zero.
 */
export async function certify(analysis: ModelAnalysis, options: CertifyOptions = {}): Promise<Certificate> {
  const unknown = analysis.graph.nodes.find((n) => n.domain === "python");
  if (unknown) return skipped(`the model calls ${unknown.operator}, which cannot be run without its definition`, false);
  if (analysis.parameters > MOST_WEIGHTS) {
    const twin = await measuredOnTwin(analysis, options);
    const reason = `${analysis.parameters} weights are too many to run at full size; the claims are checked on a small copy only`;
    return { ...skipped(reason, true), ...measured(analysis, twin) };
  }
  const base = baseWeights(analysis.graph, options.seed ?? 1);
  const randomWeights = base.random.length > 0;
  const runner = options.runner ?? createRunner();
  const byRule = analysis.symmetries.filter((s) => s.origin === "rule");
  const solved = analysis.symmetries.filter((s) => s.origin === "numeric");
  const check = new Check(runner, options);
  // While the model runs in a process of its own, this one looks at the twin.
  const ended = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, ended.signal]) : ended.signal;
  const onTwin = measuredOnTwin(analysis, { ...options, signal });
  onTwin.catch(() => {});
  try {
    const suspects = await check.failures(analysis.graph, base.values, byRule);
    const failed = suspects.length > 0 ? await check.failures(analysis.normal, base.values, suspects) : [];
    const exactUpToEpsilon = suspects.length > failed.length && analysis.notes.some((n) => /epsilon/.test(n));
    // Groups that are solved for exist at generic weights; at a file's own some may not (gains that are all one).
    if (solved.length > 0 && analysis.genericWeights) {
      failed.push(...(await check.failures(analysis.normal, analysis.genericWeights, solved)));
    }
    const first = failed[0];
    const twin = await onTwin;
    const outcome = {
      maxRelativeDeviation: check.worst,
      randomWeights,
      ...(exactUpToEpsilon ? { exactUpToEpsilon } : {}),
      ...(check.unchecked.size > 0 ? { unchecked: [...check.unchecked] } : {}),
      ...measured(analysis, twin),
    };
    const broken = typeof twin === "object" ? twin.failed[0] : undefined;
    if (!first && broken === undefined) return { status: "certified", ...outcome, failed: [] };
    const claim = first ? claimOf(first) : `${broken}, on the twin,`;
    return { status: "failed", ...outcome, reason: `${claim} changes the output`, failed: failed.map((s) => s.id) };
  } catch (error) {
    return skipped(error instanceof Error ? error.message : String(error), randomWeights);
  } finally {
    ended.abort();
    if (!options.runner) runner.dispose();
  }
}

/** The twin's part, for models on which no numeric engine ran; a sentence where there is no twin. */
async function measuredOnTwin(analysis: ModelAnalysis, options: CertifyOptions): Promise<TwinCertificate | string | undefined> {
  if (analysis.measurable || options.twin === false || analysis.parameters === 0) return undefined;
  try {
    return await certifyTwin(analysis, { seed: options.seed ?? 1, ...(options.signal ? { signal: options.signal } : {}) });
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
  analysis: ModelAnalysis,
  twin: TwinCertificate | string | undefined,
): Pick<Certificate, "dimensions" | "twin" | "unmeasured"> {
  if (analysis.measurable) {
    const explained = analysis.continuous.total;
    return { dimensions: { explained, measured: measureDimension(analysis.measurable, { explained }).dimension, on: "model" } };
  }
  if (twin === undefined) return {};
  if (typeof twin === "string") return { unmeasured: twin };
  return { dimensions: { explained: twin.explained, measured: twin.measured, on: "twin" }, twin };
}

function skipped(reason: string, randomWeights: boolean): Certificate {
  return { status: "skipped", maxRelativeDeviation: 0, reason, failed: [], randomWeights };
}

/** What each kind does to rounding: kinds that magnify it are not mixed with others. */
const MIXES: Readonly<Record<Symmetry["kind"], string>> = {
  permutation: "discrete",
  sign: "discrete",
  swap: "discrete",
  linear: "matrices",
  rotation: "matrices",
  scale: "scale",
  rescaling: "rescaling",
  translation: "translation",
  unread: "unread",
};

/** Symmetries that are applied together. */
function batches(symmetries: readonly Symmetry[]): Symmetry[][] {
  const out = new Map<string, Symmetry[]>();
  for (const s of symmetries) {
    const list = out.get(MIXES[s.kind]);
    if (list) list.push(s);
    else out.set(MIXES[s.kind], [s]);
  }
  return [...out.values()];
}

/** Applies symmetries and compares outputs. */
class Check {
  /** Largest deviation among the comparisons that counted. */
  worst = 0;
  /** Symmetries that could not be applied, by id. */
  readonly unchecked = new Set<string>();
  private readonly random: Random;

  constructor(
    private readonly runner: Runner,
    private readonly options: CertifyOptions,
  ) {
    this.random = new Random(options.seed ?? 1);
  }

  /** The symmetries that move the outputs of a graph by more than the tolerance. */
  async failures(graph: Graph, base: ParameterValues, symmetries: readonly Symmetry[]): Promise<Symmetry[]> {
    // One element after the other on the same weights: if that changes nothing, each of them does not.
    let groups: (readonly Symmetry[])[] = batches(symmetries);
    const failed: Symmetry[] = [];
    for (let isFirst = true; groups.length > 0; isFirst = false) {
      const suspects = await this.moving(graph, base, groups);
      groups = [];
      for (const g of suspects) {
        const half = g.length >> 1;
        if (half > 0) groups.push(g.slice(0, half), g.slice(half));
        // Who was alone from the beginning gets a second element, as everybody else.
        else if (isFirst) groups.push(g);
        else failed.push(...g);
      }
    }
    return failed;
  }

  /** The batches whose elements together move the outputs. */
  private async moving(
    graph: Graph,
    base: ParameterValues,
    groups: readonly (readonly Symmetry[])[],
  ): Promise<(readonly Symmetry[])[]> {
    // Made one by one when their turn comes: each may be as large as the model.
    const act = (g: readonly Symmetry[]): ParameterValues => this.actAll(base, g);
    const variants = (function* () {
      for (const g of groups) yield act(g);
    })();
    const { deviations, rounding } = await this.compare(graph, base, variants);
    return groups.filter((_, i) => !this.passes(deviations[i]!, rounding));
  }

  private actAll(base: ParameterValues, symmetries: readonly Symmetry[]): ParameterValues {
    const moved = new Map<string, Float64Array>();
    const current = new Map(base);
    // Arrays that were made here: the next element may overwrite them.
    const owned = new Set<Float64Array>();
    for (const s of symmetries) {
      const element = s.randomElement(() => this.random.uniform());
      let acted: ParameterValues;
      try {
        acted = s.act(current, element, owned);
      } catch {
        // Solved by Newton's method, which does not always arrive: that says nothing of the others.
        this.unchecked.add(s.id);
        continue;
      }
      for (const [name, values] of acted) {
        if (values !== current.get(name)) owned.add(values);
        current.set(name, values);
        moved.set(name, values);
      }
    }
    return moved;
  }

  private passes(deviation: number, rounding: number): boolean {
    if (!(deviation < Math.max(TOLERANCE, ROUNDING_FACTOR * rounding))) return false;
    this.worst = Math.max(this.worst, deviation);
    return true;
  }

  private async compare(
    graph: Graph,
    base: ParameterValues,
    variants: Iterable<ParameterValues>,
  ): Promise<{ readonly deviations: readonly number[]; readonly rounding: number }> {
    const { seed, signal } = this.options;
    const given = { ...(seed === undefined ? {} : { seed }), ...(signal ? { signal } : {}), roundingAbove: TOLERANCE };
    const { maxRelativeDeviation, rounding } = await compareUnderActions(graph, base, variants, this.runner, undefined, given);
    return { deviations: maxRelativeDeviation, rounding };
  }
}
