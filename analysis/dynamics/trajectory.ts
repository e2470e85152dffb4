/**
 * @file What a probe records of a training run: losses and gradient sizes at every step, the whole state at a few. Measures
 * are functions of a Symmetry and these.
 */
import type { ParameterValues } from "../symmetry/symmetry";

/** The state of one run at one step. Values are made from compact storage at each access: keep what is used twice. */
export interface Recording {
  /** How many updates had been made: 0 is the initialisation. */
  readonly step: number;
  /** All parameters and buffers before the update of this step, by name. */
  readonly parameters: ParameterValues;
  /**
   * Gradient of the mini-batch loss (without weight decay, before clipping) that this step's update uses, by trainable
   * parameter. Absent at the last recording, which no update follows, and where the request leaves gradients out.
   */
  readonly gradient?: ParameterValues;
  /** Parameters after the update of this step; there where `gradient` is. With it one-step laws can be checked exactly. */
  readonly after?: ParameterValues;
  /** State of the optimiser before the update: `momentum` (SGD: buffer, Adam: first moment) and `variance` (Adam: second moment). */
  readonly momentum?: ParameterValues;
  readonly variance?: ParameterValues;
  /** Learning rate of this step, the schedule included. */
  readonly learningRate: number;
  /** Hidden units, by the name of the nonlinearity's output: what they do on a fixed batch of data. */
  readonly activity: ReadonlyMap<string, UnitActivity>;
  /** Gradient noise at this step; absent where it was not asked for. */
  readonly noise?: GradientNoise;
}

/** What the units of one layer do on a fixed batch. All arrays have one entry per unit (channel). */
export interface UnitActivity {
  /** Mean |h| over batch and positions. */
  readonly meanAbsolute: Float64Array;
  /** Fraction of batch entries and positions at which h is not zero. */
  readonly active: Float64Array;
}

/** Squared norms that give the gradient noise scale B_simple = trace / signal (McCandlish et al., 1812.06162, appendix A.1). */
export interface GradientNoise {
  /** Estimate of |G|^2, the squared norm of the expected gradient. Unbiased, so it may be negative. */
  readonly signal: number;
  /** Estimate of tr(Sigma), the sum of the variances of one example's gradient. */
  readonly trace: number;
  /** Size of the small and of the large batch that it was estimated with. */
  readonly small: number;
  readonly large: number;
}

/** One training run: one setting, one replica. */
export interface Trajectory {
  /** Name of its setting, see ProbeResult.settings. */
  readonly setting: string;
  /** Replicas of different settings with the same number share initialisation and order of the data (paired seeds). */
  readonly replica: number;
  readonly seed: number;
  /** Mini-batch loss of each step, before its update. */
  readonly losses: Float64Array;
  /** Euclidean norm of the mini-batch gradient of each step, before clipping. */
  readonly gradientNorms: Float64Array;
  /** In order of steps; the first is step 0, the last is after all updates. */
  readonly recordings: readonly Recording[];
  /** Loss (and accuracy of classifiers) on held-out data at the end. */
  readonly evaluation?: { readonly loss: number; readonly accuracy?: number };
  /** First step with a loss that is not finite; the run says nothing from there on. */
  readonly divergedAt?: number;
}
