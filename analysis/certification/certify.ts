/**
 * @file Certification: applies a random element of each claimed symmetry to the weights and compares outputs through ONNX
 * Runtime. A claim that fails is withdrawn and shown as a failure, never as a symmetry.
 */
import type { Graph } from "../graph/graph";
import { Random } from "../numerics/random";
import { baseWeights, compareUnderActions, createRunner, type Runner } from "../runtime";
import type { Certificate, ModelAnalysis } from "../symmetry/analysis";
import type { ParameterValues, Symmetry } from "../symmetry/symmetry";

/** Largest relative deviation of outputs in float32 that still counts as equal. */
export const TOLERANCE = 1e-5;

export interface CertifyOptions {
  readonly seed?: number;
  /** A runner to use and keep; by default one is started and ended. */
  readonly runner?: Runner;
  readonly signal?: AbortSignal;
}

/**
 * Checks every symmetry of an analysis that acts by a finite element: all of one kind together first, one by one only if
 * that moves the output. Claims that hold only up to a normalisation's epsilon are checked on the normal form, where
 * epsilons are zero.
 */
export async function certify(analysis: ModelAnalysis, options: CertifyOptions = {}): Promise<Certificate> {
  const unknown = analysis.graph.nodes.find((n) => n.domain === "python");
  if (unknown) return skipped(`the model calls ${unknown.operator}, which cannot be run without its definition`, false);
  const base = baseWeights(analysis.graph, options.seed ?? 1);
  const randomWeights = base.random.length > 0;
  const runner = options.runner ?? createRunner();
  const check = new Check(base.values, runner, options);
  try {
    const suspects = await check.failures(analysis.graph, analysis.symmetries);
    const failed = suspects.length > 0 ? await check.failures(analysis.normal, suspects) : [];
    const first = failed[0];
    if (!first) return { status: "certified", maxRelativeDeviation: check.worst, failed: [], randomWeights };
    return {
      status: "failed",
      maxRelativeDeviation: check.worst,
      reason: `${first.group} (${first.kind}) on ${first.parameters.slice(0, 3).join(", ")} changes the output`,
      failed: failed.map((s) => s.id),
      randomWeights,
    };
  } catch (error) {
    return skipped(error instanceof Error ? error.message : String(error), randomWeights);
  } finally {
    if (!options.runner) runner.dispose();
  }
}

function skipped(reason: string, randomWeights: boolean): Certificate {
  return { status: "skipped", maxRelativeDeviation: 0, reason, failed: [], randomWeights };
}

/** Applies symmetries and compares outputs. */
class Check {
  /** Largest deviation among the comparisons that counted. */
  worst = 0;
  private readonly random: Random;

  constructor(
    private readonly base: ParameterValues,
    private readonly runner: Runner,
    private readonly options: CertifyOptions,
  ) {
    this.random = new Random(options.seed ?? 1);
  }

  /** The symmetries that move the outputs of a graph by more than the tolerance. */
  async failures(graph: Graph, symmetries: readonly Symmetry[]): Promise<Symmetry[]> {
    const kinds = new Map<string, Symmetry[]>();
    for (const s of symmetries) {
      const list = kinds.get(s.kind);
      if (list) list.push(s);
      else kinds.set(s.kind, [s]);
    }
    const groups = [...kinds.values()];
    const together = await this.deviations(graph, groups.map((g) => this.actAll(g)));
    const failed: Symmetry[] = [];
    for (const [i, group] of groups.entries()) {
      if (together[i]! < TOLERANCE) this.worst = Math.max(this.worst, together[i]!);
      else {
        for (const s of group) {
          const [alone] = await this.deviations(graph, [this.actAll([s])]);
          if (alone! < TOLERANCE) this.worst = Math.max(this.worst, alone!);
          else failed.push(s);
        }
      }
    }
    return failed;
  }

  private actAll(symmetries: readonly Symmetry[]): ParameterValues {
    const moved = new Map<string, Float64Array>();
    const current = new Map(this.base);
    for (const s of symmetries) {
      for (const [name, values] of s.actRandomly(current, () => this.random.uniform())) {
        current.set(name, values);
        moved.set(name, values);
      }
    }
    return moved;
  }

  private async deviations(graph: Graph, variants: readonly ParameterValues[]): Promise<readonly number[]> {
    if (variants.length === 0) return [];
    const { seed, signal } = this.options;
    const compare = { ...(seed === undefined ? {} : { seed }), ...(signal ? { signal } : {}) };
    return (await compareUnderActions(graph, this.base, variants, this.runner, undefined, compare)).maxRelativeDeviation;
  }
}
