/** @file What a probe's runs say, as plain data: what texts, JSON, HTML and rules are made of. */
import type { Symmetry } from "../../symmetry/symmetry";
import type { ReplicaDistance } from "../measures/replica-distance";
import type { Estimate } from "../measures/statistics";
import type { UnitCosines } from "../measures/units";
import type { Verdict } from "../verdict/verdict";

/** A quantity along the steps, mean over replicas. */
export interface Course {
  readonly at: readonly number[];
  readonly values: readonly Estimate[];
}

/** Charges of one scaling in one setting, over its recorded steps. */
export interface ChargeSummary {
  /** Largest violation of the gradient identity: 0 for an exact symmetry, rounding in practice. */
  readonly identity: Estimate;
  /** Largest relative residual of the exact SGD recursion; absent unless the run was plain SGD. */
  readonly residual?: Estimate;
  /** Kinetic symmetry breaking of the updates. */
  readonly drive: Estimate;
  /** Mean |q| over factors: imbalance between both sides (rescalings). */
  readonly imbalance: Course;
  /** Mean |Q| over factors. */
  readonly size: Course;
  /** The same as the law of plain SGD predicts it from the first recorded state; absent for other optimisers. */
  readonly predicted?: Course;
}

/** What the units of one layer became, mean over replicas (heads and blocks together). */
export interface UnitSummary {
  readonly units: number;
  readonly dead: Estimate;
  readonly duplicates: Estimate;
  readonly distinct: Estimate;
}

/** Rank of what a matrix group acts on (a product's singular values), mean over replicas and heads. */
export interface RankSummary {
  /** The largest that it can be. */
  readonly full: number;
  readonly effective: Estimate;
  readonly stable: Estimate;
  /** Singular values above a thousandth of the largest. */
  readonly numerical: Estimate;
  /** Effective rank along the run. */
  readonly course: Course;
  /** Singular values of the first head, falling, at the first and the last recorded state. */
  readonly spectrum: { readonly start: readonly Estimate[]; readonly end: readonly Estimate[] };
}

/** Norms of scale-invariant weights. */
export interface NormSummary {
  /** r^4 over its predicted equilibrium at the end; absent where none is predicted. */
  readonly equilibriumRatio?: Estimate;
  readonly norm: Course;
  readonly effectiveRate: Course;
}

/** One symmetry in one setting. */
export interface SymmetrySummary {
  readonly symmetry: Symmetry;
  /** Degree of breaking at the end; absent for symmetries without mirrors, which have no symmetric point. */
  readonly degree?: Estimate;
  readonly course?: Course;
  readonly verdict?: Verdict;
  /** Root mean square distance from its mirrors at the end. */
  readonly order?: Estimate;
  readonly charges?: ChargeSummary;
  readonly units?: UnitSummary;
  readonly norms?: NormSummary;
  readonly ranks?: RankSummary;
  /** Of permutations: cosines of units in the first replica, at start and end. */
  readonly similarity?: UnitCosines;
}

/** All replicas of one setting. */
export interface SettingSummary {
  readonly setting: string;
  readonly replicas: number;
  /** Replicas whose loss became infinite; they count up to there. */
  readonly diverged: number;
  /** Mini-batch loss, averaged over windows of steps. */
  readonly loss: Course;
  /** Held-out loss and accuracy at the end, where measured; else the loss over the last tenth of the steps. */
  readonly finalLoss: Estimate;
  readonly accuracy?: Estimate;
  /** The model's degree of symmetry breaking (measures/breaking.ts), at the end and along the run. */
  readonly degree: Estimate;
  readonly degreeCourse: Course;
  readonly symmetries: readonly SymmetrySummary[];
  readonly replicaDistance: ReplicaDistance;
  /** Distance of replicas as they are, and modulo the group, over |a|^2 + |b|^2; absent with one replica. */
  readonly alignment?: { readonly raw: Estimate; readonly remaining: Estimate; readonly ratio: Estimate };
  /** Share of dormant units by layer at the end (ReDo score at most 0.1). */
  readonly dormant: ReadonlyMap<string, Estimate>;
  /** The same at the start. */
  readonly dormantAtStart: ReadonlyMap<string, Estimate>;
  /** Gradient noise scale in examples; absent where it was not recorded. */
  readonly noiseScale?: Estimate;
}

/** The difference that a setting makes against the first one, paired by replica. */
export interface SettingComparison {
  readonly setting: string;
  readonly against: string;
  readonly degree: Estimate;
  readonly loss: Estimate;
  readonly accuracy?: Estimate;
  readonly deadUnits: Estimate;
  readonly distinctUnits: Estimate;
}

/** All settings, and what they change. */
export interface ProbeSummary {
  readonly settings: readonly SettingSummary[];
  readonly comparisons: readonly SettingComparison[];
  readonly notes: readonly string[];
}
