/** @file Training settings: PyTorch's defaults, and what the user's own code says. */
import type { OptimiserFact, TrainingFacts } from "../frontends/python/facts/facts";
import type { LossKind, Schedule, TrainingSettings } from "./types";

/** SGD with PyTorch's defaults, a learning rate that suits most networks, and batches of 32. */
export const DEFAULT_TRAINING: TrainingSettings = {
  optimiser: "sgd",
  learningRate: 0.05,
  momentum: 0,
  dampening: 0,
  nesterov: false,
  betas: [0.9, 0.999],
  epsilon: 1e-8,
  weightDecay: 0,
  groups: [],
  clipNorm: Number.POSITIVE_INFINITY,
  schedule: { kind: "constant" },
  batchSize: 32,
};

/** Largest batch that a probe takes from the code: larger ones cost time and show the same. */
const LARGEST_BATCH = 256;

/** What a probe takes from the training facts, and what it could not. */
export interface KnownTraining {
  readonly training: TrainingSettings;
  readonly loss?: LossKind;
  readonly notes: readonly string[];
}

/** The loss that a class or function of torch is. */
const LOSSES: Readonly<Record<string, LossKind>> = {
  CrossEntropyLoss: "cross-entropy",
  cross_entropy: "cross-entropy",
  NLLLoss: "cross-entropy",
  nll_loss: "cross-entropy",
  MSELoss: "mse",
  mse_loss: "mse",
  BCEWithLogitsLoss: "bce",
  binary_cross_entropy_with_logits: "bce",
  BCELoss: "bce",
  binary_cross_entropy: "bce",
};

const OPTIMISERS: Readonly<Record<string, TrainingSettings["optimiser"]>> = { SGD: "sgd", Adam: "adam", AdamW: "adamw" };

/**
 * The settings that the code trains a model with.
 * @param model class of the model; the optimiser that moves it counts, else the first
 */
export function settingsFromFacts(facts: TrainingFacts, model?: string): KnownTraining {
  const notes: string[] = [];
  let training = DEFAULT_TRAINING;
  const found = facts.optimisers.find((o) => model !== undefined && o.model === model) ?? facts.optimisers[0];
  if (found) {
    const kind = OPTIMISERS[found.kind];
    if (kind === undefined) notes.push(`${found.kind} is trained as Adam: a probe knows SGD, Adam and AdamW`);
    const optimiser = kind ?? "adam";
    training = {
      ...training,
      optimiser,
      learningRate: found.learningRate?.value ?? (optimiser === "sgd" ? DEFAULT_TRAINING.learningRate : 1e-3),
      weightDecay: found.weightDecay?.value ?? (optimiser === "adamw" ? 0.01 : 0),
      momentum: found.momentum?.value ?? 0,
      betas: found.betas?.value ?? training.betas,
      groups: ownOptions(found),
    };
    if (found.groups.some((g) => g.parameters === undefined))
      notes.push("a parameter group of the optimiser could not be followed");
  }
  const batch = facts.batchSize?.value;
  if (batch !== undefined) {
    if (batch > LARGEST_BATCH) notes.push(`batches of ${LARGEST_BATCH} stand for those of ${batch}`);
    training = { ...training, batchSize: Math.min(batch, LARGEST_BATCH) };
  }
  const clip = facts.gradientClipping?.value;
  if (clip !== undefined) training = { ...training, clipNorm: clip };
  const [schedule] = facts.schedules;
  if (schedule) {
    const known = scheduleOf(schedule.kind);
    if (known) training = { ...training, schedule: known };
    else notes.push(`the schedule ${schedule.kind} is left out: the learning rate stays constant`);
  }
  const loss = facts.losses.map((l) => LOSSES[l.kind]).find((l) => l !== undefined);
  return { training, ...(loss === undefined ? {} : { loss }), notes };
}

/**
 * Groups with options that differ from the optimiser's: what agrees with it is left to it, so that changing the setting (a sweep, an
 * option of the command line) changes these parameters too.
 */
function ownOptions(optimiser: OptimiserFact): TrainingSettings["groups"] {
  return optimiser.groups.flatMap((g) => {
    const rate = g.learningRate === optimiser.learningRate?.value ? undefined : g.learningRate;
    const decay = g.weightDecay === optimiser.weightDecay?.value ? undefined : g.weightDecay;
    if (g.parameters === undefined || (rate === undefined && decay === undefined)) return [];
    return [
      {
        parameters: g.parameters,
        ...(rate === undefined ? {} : { learningRate: rate }),
        ...(decay === undefined ? {} : { weightDecay: decay }),
      },
    ];
  });
}

function scheduleOf(kind: string): Schedule | undefined {
  if (/cosine|onecycle/i.test(kind)) return { kind: "cosine" };
  return /linear/i.test(kind) ? { kind: "linear" } : undefined;
}
