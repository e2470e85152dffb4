/**
 * @file A finished probe as plain data: everything that texts, pages, the editor's panel and rules show of it. It survives JSON
 * unchanged: what is not a number is null, and there are no maps. `noether probe --format json` prints it.
 */
import type { Family } from "../../symmetry/symmetry";
import type { DeviceReport, LossKind, TrainingSettings } from "../types";

/** A value with its standard error over replicas; null where there is too little to tell (one replica has no error). */
export interface Measured {
  readonly value: number | null;
  readonly error: number | null;
  /** Number of independent runs behind it. */
  readonly replicas: number;
}

/** A quantity along the steps. */
export interface MeasuredCourse {
  readonly at: readonly number[];
  readonly values: readonly Measured[];
}

/** A symmetry, without its action. */
export interface RecordedSymmetry {
  readonly id: string;
  readonly kind: Family | "permutation" | "sign" | "swap";
  /** In notation: `S(8)`, `R+^8`, `GL(3)`. */
  readonly group: string;
  /** Continuous dimension; 0 for discrete groups. */
  readonly dimension: number;
  /** Parameters that it moves. */
  readonly parameters: readonly string[];
  /** Of what is exchanged or transformed: the weight whose first axis holds the units, where there is one. */
  readonly writer?: string;
}

/** The verdict on one symmetry in one setting. */
export interface RecordedVerdict {
  readonly kind: "breaks" | "stays symmetric" | "collapses";
  /** Step at which half of the change had happened; absent where nothing changed. */
  readonly step?: Measured;
  readonly start: Measured;
  readonly end: Measured;
  /** About how many of `mirrors` are not broken at the end. */
  readonly restored: number;
  readonly mirrors: number;
  /** The setting that drives it: weight decay, learning rate, batch size, initialisation, or architecture and data. */
  readonly driver: string;
  readonly evidence: readonly string[];
  /** Step at which the weakest mirror would be reached; absent where it does not shrink. */
  readonly heading?: number;
}

/** Units of one layer (all copies together), means over replicas. */
export interface RecordedUnits {
  readonly units: number;
  readonly dead: Measured;
  readonly duplicates: Measured;
  readonly distinct: Measured;
}

/** Rank of what a matrix group acts on: a product's singular values. */
export interface RecordedRanks {
  /** The largest that it can be. */
  readonly full: number;
  readonly effective: Measured;
  readonly stable: Measured;
  /** Singular values above a thousandth of the largest. */
  readonly numerical: Measured;
  /** Effective rank along the run. */
  readonly course: MeasuredCourse;
  /** Singular values of the first head or block, falling, at start and end. */
  readonly spectrum: { readonly start: readonly Measured[]; readonly end: readonly Measured[] };
}

/** Noether charges of a scaling. */
export interface RecordedCharges {
  /** Largest violation of the gradient identity. */
  readonly identity: Measured;
  /** Largest relative residual of the exact recursion of SGD; absent for other optimisers. */
  readonly residual?: Measured;
  /** Kinetic symmetry breaking of the updates. */
  readonly drive: Measured;
  /** Mean |q| in [0, 1]: imbalance between both sides. */
  readonly imbalance: MeasuredCourse;
  /** Mean |Q| over factors (units, channels). */
  readonly size: MeasuredCourse;
  /**
   * The same as Q' = (1 - eta lambda)^2 Q + eta^2 (|g_out|^2 - |g_in|^2) predicts it from the first recorded state, with the drive
   * interpolated between recordings; absent unless the run was plain SGD.
   */
  readonly predicted?: MeasuredCourse;
}

/** Norms of scale-invariant weights. */
export interface RecordedNorms {
  readonly norm: MeasuredCourse;
  readonly effectiveRate: MeasuredCourse;
  /** r^4 over its predicted equilibrium at the end; absent where none is predicted. */
  readonly equilibriumRatio?: Measured;
}

/**
 * What the loss says about the weakest mirror of a symmetry at the end of training: of the first replica, along the direction in
 * which the weights are away from it (2309.16932, 2306.04251).
 */
export interface RecordedCollapse {
  /** What is lost on the mirror: `unit 3`, `the difference of units 1 and 4`. */
  readonly mirror: string;
  /** |O^T theta|. */
  readonly distance: number;
  /** What the mean loss rises by on the mirror. */
  readonly lossIncrease: number;
  /** Deterministic threshold M = lambda |O^T theta|^2 / (2 Delta L): above 1 the regularised loss prefers the mirror; null: infinite. */
  readonly margin: number | null;
  /** Noise threshold: mean of log|1 - eta (h_b + lambda)| over mini-batches, per step; negative collapses. */
  readonly exponent: number | null;
  /** Standard error over mini-batches. */
  readonly exponentError: number | null;
  /** Mean curvature h of the loss along the direction on the mirror, and its variance between mini-batches. */
  readonly curvature: number;
  readonly curvatureVariance: number;
}

/** The shape of the loss at the end of training. */
export interface RecordedLandscape {
  /** Eigenvalues of the Hessian that are zero up to rounding, of the first replica, against the symmetries' dimension. */
  readonly hessian?: {
    readonly nearZero: number;
    /** Standard error over starting vectors; 0 where all eigenvalues were computed. */
    readonly error: number;
    readonly exact: boolean;
    /** Continuous symmetries of the function: so many eigenvalues at least vanish at a minimum. */
    readonly expected: number;
    readonly parameters: number;
    readonly largest: number;
    readonly smallest: number;
    /** Share of the largest below which one counts as zero. */
    readonly threshold: number;
  };
  /** Loss at the midpoint of two replicas over the mean of their losses, as they are and after alignment by the model's group. */
  readonly barrier?: { readonly raw: Measured; readonly aligned: Measured };
}

/** The order parameter against a swept setting, of one symmetry. */
export interface RecordedSweep {
  readonly what: string;
  readonly values: readonly number[];
  readonly symmetries: readonly {
    readonly symmetry: RecordedSymmetry;
    /** |w|: root mean square distance from the mirrors at the end, per value. */
    readonly order: readonly Measured[];
    /**
     * Fit of |w|^2 = a - b eta^2 over learning rates (1710.06096; heuristic), where there are three; the critical rate is null
     * where the order parameter does not fall.
     */
    readonly fit?: {
      readonly a: Measured;
      readonly b: Measured;
      readonly criticalRate: Measured;
      /** Root mean square of what the law leaves, over the largest |w|^2. */
      readonly residual: number | null;
      readonly points: number;
    };
  }[];
}

/** How similar the units of one layer are to each other: cosines of their weights in the balanced gauge. */
export interface UnitSimilarity {
  /** Head or block. */
  readonly copy: number;
  /** Indices of the units that are shown: all, or those with the largest norms. */
  readonly units: readonly number[];
  /** Cosines, row by row, units x units, of the first replica; -1 to 1. */
  readonly start: readonly number[];
  readonly end: readonly number[];
  /** Norms of the shown units at the end. */
  readonly norms: readonly number[];
}

/** One symmetry in one setting. */
export interface RecordedMeasures {
  readonly symmetry: RecordedSymmetry;
  /** Degree of breaking at the end, 0 (fully symmetric) to 1; absent for symmetries without mirrors. */
  readonly degree?: Measured;
  readonly course?: MeasuredCourse;
  readonly verdict?: RecordedVerdict;
  readonly units?: RecordedUnits;
  readonly charges?: RecordedCharges;
  readonly norms?: RecordedNorms;
  readonly ranks?: RecordedRanks;
  readonly similarity?: UnitSimilarity;
  readonly collapse?: RecordedCollapse;
}

/** A product of two weight matrices with nothing between that bends: what decay on both makes of its rank. */
export interface RecordedProduct {
  readonly first: string;
  readonly second: string;
  /** The largest rank that it can have. */
  readonly full: number;
  /** Effective rank exp(-sum p log p), p = sigma / sum sigma. */
  readonly start: Measured;
  readonly end: Measured;
  /** Singular values, falling. */
  readonly spectrum: { readonly start: readonly Measured[]; readonly end: readonly Measured[] };
}

/** One run of one setting. */
export interface RecordedRun {
  readonly replica: number;
  readonly seed: number;
  /** Mini-batch loss, averaged over windows of steps; null where it was not finite. */
  readonly at: readonly number[];
  readonly losses: readonly (number | null)[];
  readonly evaluation?: { readonly loss: number | null; readonly accuracy?: number };
  /** First step with a loss that is not finite. */
  readonly divergedAt?: number;
}

/** Training settings; JSON has no infinity, so a norm that is not clipped is null. */
export type RecordedTraining = Omit<TrainingSettings, "clipNorm"> & { readonly clipNorm: number | null };

/** One setting with all its replicas. */
export interface RecordedSetting {
  readonly name: string;
  readonly training: RecordedTraining;
  readonly replicas: number;
  readonly diverged: number;
  readonly runs: readonly RecordedRun[];
  readonly loss: MeasuredCourse;
  /** Held-out loss and accuracy at the end, where measured; else the loss over the last tenth of the steps. */
  readonly finalLoss: Measured;
  readonly accuracy?: Measured;
  /** The model's degree of symmetry breaking, at the end and along the run. */
  readonly degree: Measured;
  readonly degreeCourse: MeasuredCourse;
  readonly symmetries: readonly RecordedMeasures[];
  /** Products of matrices that follow each other. */
  readonly products: readonly RecordedProduct[];
  readonly replicaDistance: {
    readonly mean: Measured;
    readonly layers: readonly { readonly parameter: string; readonly distance: Measured }[];
  };
  /** Distance of replicas as they are and modulo the model's group, over |a|^2 + |b|^2; absent with one replica. */
  readonly alignment?: { readonly raw: Measured; readonly remaining: Measured; readonly ratio: Measured };
  /** Share of dormant units (ReDo score at most 0.1) by the name of the nonlinearity's output, at the start and at the end. */
  readonly dormant: readonly { readonly layer: string; readonly start: Measured; readonly end: Measured }[];
  /** Gradient noise scale in examples. */
  readonly noiseScale?: Measured;
  /** Absent where there was no time or the model is too large. */
  readonly landscape?: RecordedLandscape;
}

/** What a setting changes against the first one: differences paired by replica (same initial weights, same data order). */
export interface RecordedComparison {
  readonly setting: string;
  readonly against: string;
  readonly degree: Measured;
  readonly loss: Measured;
  readonly accuracy?: Measured;
  readonly deadUnits: Measured;
  readonly distinctUnits: Measured;
}

/** A finished probe. */
export interface ProbeRecord {
  readonly schema: 1;
  /** Name of the model. */
  readonly model: string;
  /** Trainable entries of what was trained. */
  readonly parameters: number;
  /** Why its twin was trained, and what that leaves out; absent where the model itself was. */
  readonly twin?: { readonly reason: string; readonly originalParameters: number; readonly notes: readonly string[] };
  readonly loss: LossKind;
  readonly data: { readonly description: string; readonly examples: number };
  readonly device: DeviceReport;
  readonly steps: number;
  readonly replicas: number;
  readonly seed: number;
  /** The first is the user's own. */
  readonly settings: readonly RecordedSetting[];
  readonly comparisons: readonly RecordedComparison[];
  readonly sweep?: RecordedSweep;
  readonly notes: readonly string[];
  readonly seconds: number;
  readonly cached: boolean;
}
