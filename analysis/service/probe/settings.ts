/** @file Which settings a probe trains: the user's own first, then what is swept or compared with it. */
import type { TrainingFacts } from "../../frontends/python/facts/facts";
import type { Graph } from "../../graph/graph";
import { DEFAULT_TRAINING, type KnownTraining, settingsFromFacts } from "../../probe/settings";
import type { AnchorPlan, ProbeSetting, TrainingSettings } from "../../probe/types";

/** Settings that can be swept. */
export const SWEEPS = ["lr", "weight-decay", "batch-size", "momentum"] as const;
/** A setting of training that a probe may vary. */
export type SweepKey = (typeof SWEEPS)[number];

/** Values of one setting, each trained by itself. */
export interface Sweep {
  readonly what: SweepKey;
  readonly values: readonly number[];
}

/** A change to compare with the user's own setting: of the training, of the model, or of how its weights are made. */
export interface ComparedSetting {
  readonly name: string;
  readonly training?: Partial<TrainingSettings>;
  /** The changed model. Parameters of the same name and shape start with the same values as in the user's own. */
  readonly graph?: Graph;
  readonly anchors?: AnchorPlan;
}

/** Changes that every model has, by name. */
export const COMPARISONS = ["syre", "advanced-syre", "no-decay"] as const;
/** A change of training that a probe may compare with. */
export type Comparison = (typeof COMPARISONS)[number];

/** A comparison that cannot be made with these settings; the message says what to add. */
export class ComparisonError extends Error {
  override readonly name = "ComparisonError";
}

/** What the code says about training, and what that is overridden by. */
export function knownTraining(
  facts: TrainingFacts | undefined,
  model: string,
  overrides: Partial<TrainingSettings> = {},
): KnownTraining {
  const known: KnownTraining = facts ? settingsFromFacts(facts, model) : { training: DEFAULT_TRAINING, notes: [] };
  return { ...known, training: { ...known.training, ...overrides } };
}

/** Settings to train. @throws ComparisonError */
export function probeSettings(
  training: TrainingSettings,
  options: { readonly sweep?: Sweep; readonly compare?: readonly (Comparison | ComparedSetting)[]; readonly seed: number },
): ProbeSetting[] {
  const { sweep } = options;
  const own: ProbeSetting[] = sweep
    ? sweep.values.map((value) => ({ name: `${sweep.what}=${value}`, training: { ...training, [KEYS[sweep.what]]: value } }))
    : [{ name: "as it is", training }];
  const others = (options.compare ?? []).map((c): ProbeSetting => {
    if (typeof c === "string") return named(c, training, options.seed);
    const { name, graph, anchors } = c;
    return {
      name,
      training: { ...training, ...c.training },
      ...(graph ? { graph } : {}),
      ...(anchors ? { anchors } : {}),
    };
  });
  return [...own, ...others];
}

const KEYS = { lr: "learningRate", "weight-decay": "weightDecay", "batch-size": "batchSize", momentum: "momentum" } as const;

function named(comparison: Comparison, training: TrainingSettings, seed: number): ProbeSetting {
  const decays = training.weightDecay > 0 || training.groups.some((g) => (g.weightDecay ?? 0) > 0);
  if (!decays) {
    throw new ComparisonError(
      `${comparison} needs weight decay to compare with, and the code sets none: set a weight decay (on the command line --weight-decay)`,
    );
  }
  if (comparison === "no-decay") {
    const groups = training.groups.map((g) => ({ ...g, weightDecay: 0 }));
    return { name: "no decay", training: { ...training, weightDecay: 0, groups } };
  }
  return comparison === "syre"
    ? { name: "syre", training, anchors: { seed } }
    : { name: "advanced syre", training, anchors: { seed, diagonal: DIAGONAL } };
}

/** Spread of the diagonal of advanced syre. The paper only asks for distinct entries that differ little. */
const DIAGONAL = 0.01;
