/** @file What the inference says of one model; front ends make the graph, everything a user sees is a function of this. */
import type { Graph } from "../graph/graph";
import type { ChannelSpace, ContinuousCounts, ParameterValues, Swap, Symmetry } from "./symmetry";

/** An operator that inference does not understand; it pins what it touches. */
export interface OpaqueOperator {
  readonly operator: string;
  /** Node name or module path. */
  readonly where: string;
}

/** How the continuous dimensions were obtained. */
export type CountOrigin =
  /** Ranks of tangent vectors of the model itself. */
  | "model"
  /** Ranks on the twin (the same graph with small channel spaces), scaled up by rule. */
  | "twin"
  /** Scalings only, exactly, at full size; no numeric engine ran. */
  | "scalings";

/** All symmetries of one model. */
export interface ModelAnalysis {
  /** The graph as the front end gave it. */
  readonly graph: Graph;
  /** Its normal form, on which inference ran (but see `apart`). */
  readonly normal: Graph;
  readonly spaces: readonly ChannelSpace[];
  readonly symmetries: readonly Symmetry[];
  readonly swaps: readonly Swap[];
  /** The exchanges among the symmetries that no swap tells of: of the parts of units, some with their signs. */
  readonly exchanges: readonly Symmetry[];
  readonly continuous: ContinuousCounts;
  readonly countOrigin: CountOrigin;
  /** The normal form on inputs small enough for ranks, where numeric engines ran. */
  readonly measurable?: Graph;
  /** The generic weights at which they ran; groups that are solved for exist there whatever the file's weights are. */
  readonly genericWeights?: ParameterValues;
  readonly opaque: readonly OpaqueOperator[];
  /** Number of trainable parameter entries. */
  readonly parameters: number;
  /** Where the claim is weaker than it looks, in sentences ("epsilons are taken as zero"). */
  readonly notes: readonly string[];
  /**
   * Where the model picks weights out of tensors by constant indices: the same of these slices as parameters of their own, on which
   * inference ran. Measurements are taken there.
   */
  readonly apart?: ModelAnalysis;
  /**
   * Where composite operators stayed whole (see `manyNodes`): the same with all of them lowered, which takes seconds. Small copies are
   * made of that.
   */
  readonly lowered?: () => ModelAnalysis;
}

/** Options of the inference. */
export interface AnalysisOptions {
  /** Counts for a softmax cross-entropy on the output instead of for the function itself. */
  readonly loss?: "softmax";
  /** Largest number of trainable entries for which the numeric engines run on the model itself (default 3,000). */
  readonly numericLimit?: number;
  /** False leaves the numeric engines out: permutations, scalings and signs only, in milliseconds at any size. */
  readonly numeric?: boolean;
  /** Number of nodes above which only permutations, scales and signs are looked for (default 30,000). */
  readonly manyNodes?: number;
  readonly seed?: number;
}

/** The outcome of applying claimed symmetries to weights and comparing outputs. */
export interface Certificate {
  readonly status: "certified" | "failed" | "skipped";
  /** Largest |difference| / |output| over all symmetries, float32 through ONNX Runtime; 0 when skipped. */
  readonly maxRelativeDeviation: number;
  /** Why it failed or was skipped. */
  readonly reason?: string;
  /** Symmetries whose check failed, by id; they are withdrawn. */
  readonly failed: readonly string[];
  /** Symmetries that were found numerically and could not be applied, by id. */
  readonly unchecked?: readonly string[];
  /** True when weights were missing and random ones stood in. */
  readonly randomWeights: boolean;
  /** True when some claims hold only with the normalisations' epsilons at zero, and were checked so. */
  readonly exactUpToEpsilon?: true;
  /** Explained and measured continuous dimension of the model or of its twin, where the Jacobian's rank was taken. */
  readonly dimensions?: CertifiedDimensions;
  /** What the twin showed, for models too large for ranks of their own. */
  readonly twin?: TwinCertificate;
  /** Why no rank was taken, where none was. */
  readonly unmeasured?: string;
  /** How long all of that took. */
  readonly milliseconds?: number;
}

/** Explained against measured continuous dimension. */
export interface CertifiedDimensions {
  readonly explained: number;
  readonly measured: number;
  readonly on: "model" | "twin";
  /** Where some are not explained: parameters that the unexplained directions move, those that they move most first. */
  readonly moving?: readonly string[];
}

/** What was found and measured on the twin: the same structure with small channel spaces. */
export interface TwinCertificate {
  /** Number of its trainable entries. */
  readonly parameters: number;
  readonly explained: number;
  readonly measured: number;
  /** Parameters that the unexplained directions move most, where there are any. */
  readonly moving?: readonly string[];
  /** What is explained, by family. */
  readonly continuous: ContinuousCounts;
  /** Number of symmetries of which a random element was applied. */
  readonly symmetries: number;
  /** Largest |difference| / |output| over all of them, in float64. */
  readonly maxRelativeDeviation: number;
  /** Claims that moved the outputs, and those that could not be applied, in words. */
  readonly failed: readonly string[];
  readonly unchecked: readonly string[];
  /** Groups that were solved for and of which a finite element moved the outputs, in words: they are not counted. */
  readonly leftOut: readonly string[];
  /** How it differs from a smaller copy, in sentences. */
  readonly notes: readonly string[];
  /** The dimensions of the whole model, scaled up. */
  readonly model: ModelCounts;
}

/** Dimensions of a model too large for ranks of its own: which directions are new the twin says, how many the model does. */
export interface ModelCounts {
  readonly continuous: ContinuousCounts;
  /** Whether these are all: rules explain everything that was measured on the twin, and each group has its counterpart there. */
  readonly exact: boolean;
  /** Directions of the twin that no rule explains. */
  readonly unexplained: number;
  /** Symmetries, by id, that the twin does not speak of; they are not counted. */
  readonly open: readonly string[];
}

/** A connected piece of the network on which one matrix group acts (ALGORITHM.md section 4). */
export interface RegionGroup {
  readonly kind: "linear" | "rotation";
  /** `GL(3)`, `O(4)`, `(C*)^2`. */
  readonly notation: string;
  readonly dimension: number;
  /** Root atoms of the spaces that it acts on. */
  readonly atoms: readonly number[];
  readonly parameters: readonly string[];
}
