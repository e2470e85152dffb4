/** @file How the parameters of a symmetry are trained, from what the user's code says; what it leaves open is assumed, and said. */
import { say } from "../../texts/say";

/** How weight decay enters the step. coupled: added to the gradient. decoupled: multiplies the weight (AdamW). */
export type DecayForm = "coupled" | "decoupled";

/** All numbers that closed forms need for one symmetry; `assumed` says in words which of them the code did not tell. */
export interface TrainingSettings {
  /** Class in torch.optim. */
  readonly optimiser: string;
  /** True where steps are normalised per coordinate (Adam and its kin): thresholds on gradients do not apply as they are. */
  readonly adaptive: boolean;
  readonly decayForm: DecayForm;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Heavy-ball momentum, or beta1 of the Adam family. */
  readonly momentum: number;
  readonly batchSize: number;
  /** Number of optimiser steps. */
  readonly steps: number;
  readonly assumed: readonly string[];
  /** No optimiser was found: nothing of this is the user's. */
  readonly unknown?: true;
}

interface Valued<T> {
  readonly value: T;
}

interface OptimiserLike {
  readonly kind: string;
  /** Class of the model that it trains, where known. */
  readonly model?: string | undefined;
  readonly wholeModel?: boolean | undefined;
  readonly groups: readonly {
    readonly parameters: readonly string[] | undefined;
    readonly learningRate?: number;
    readonly weightDecay?: number;
  }[];
  readonly learningRate?: Valued<number>;
  readonly weightDecay?: Valued<number>;
  readonly momentum?: Valued<number>;
  readonly betas?: Valued<readonly [number, number]>;
}

/** What this room reads of the Python front end's training facts (its `TrainingFacts` fits), and of a probe's settings. */
export interface TrainingFactsLike {
  readonly optimisers: readonly OptimiserLike[];
  readonly batchSize?: Valued<number>;
  readonly accumulation?: Valued<number>;
  /** Number of optimiser steps, where known. */
  readonly steps?: Valued<number>;
  /** What was assumed before, in words. */
  readonly assumed?: readonly string[];
}

const ASSUMED_STEPS = 10_000;
const ASSUMED_BATCH = 32;
const ASSUMED_RATE = { adaptive: 1e-3, plain: 0.1 };

const ADAPTIVE: ReadonlySet<string> = new Set(
  "Adam AdamW NAdam RAdam Adamax Adagrad Adadelta RMSprop Rprop SparseAdam Adafactor Lion LAMB".split(" "),
);
const DECOUPLED: ReadonlySet<string> = new Set("AdamW Lion LAMB Muon SGDW".split(" "));

/**
 * The settings under which `parameters` train. Several optimisers: the one that moves them. `rank` gives a parameter's number
 * of axes: where groups decay differently, vectors (biases) do not count if at least two matrices take part.
 */
export function settingsFor(
  parameters: readonly string[],
  facts: TrainingFactsLike,
  rank?: (parameter: string) => number | undefined,
): TrainingSettings {
  const optimiser = optimiserOf(parameters, facts);
  return settingsUnder(facts, optimiser, groupsOf(parameters, optimiser, rank));
}

/** The same for many sets of parameters: one object for equal settings, made once for each set of groups. */
export function settingsReader(
  facts: TrainingFactsLike,
  rank?: (parameter: string) => number | undefined,
): (parameters: readonly string[]) => TrainingSettings {
  const numbers = new Map<Group | OptimiserLike | undefined, number>([[undefined, 0]]);
  const numberOf = (part: Group | OptimiserLike | undefined): number => {
    if (!numbers.has(part)) numbers.set(part, numbers.size);
    return numbers.get(part)!;
  };
  const known = new Map<string, TrainingSettings>();
  const equal = new Map<string, TrainingSettings>();
  return (parameters) => {
    const optimiser = optimiserOf(parameters, facts);
    const groups = [...groupsOf(parameters, optimiser, rank)];
    const key = [numberOf(optimiser), ...groups.map(numberOf).sort((a, b) => a - b)].join(" ");
    let settings = known.get(key);
    if (!settings) {
      const made = settingsUnder(facts, optimiser, groups);
      const text = JSON.stringify(made);
      settings = equal.get(text) ?? made;
      equal.set(text, settings);
      known.set(key, settings);
    }
    return settings;
  };
}

function settingsUnder(
  facts: TrainingFactsLike,
  optimiser: OptimiserLike | undefined,
  groups: Iterable<Group | undefined>,
): TrainingSettings {
  const assumed: string[] = [...(facts.assumed ?? [])];
  const kind = optimiser?.kind ?? "SGD";
  if (!optimiser) assumed.push(say`no optimiser was found: plain SGD without weight decay`);
  const adaptive = ADAPTIVE.has(kind);
  const per = [...groups];
  const rates = per.map((g) => g?.learningRate ?? optimiser?.learningRate?.value).filter((v) => v !== undefined);
  const decays = per.map((g) => g?.weightDecay ?? optimiser?.weightDecay?.value).filter((v) => v !== undefined);
  const learningRate = rates.length > 0 ? Math.max(...rates) : ASSUMED_RATE[adaptive ? "adaptive" : "plain"];
  if (rates.length === 0) assumed.push(say`learning rate ${learningRate}`);
  // One undecayed factor keeps a product alive: the smallest decay decides.
  const weightDecay = decays.length > 0 ? Math.min(...decays) : 0;
  if (decays.length === 0 && optimiser) assumed.push(say`weight decay 0`);
  if (decays.length > 0 && Math.max(...decays) > weightDecay) {
    assumed.push(say`its parameters decay by ${weightDecay} to ${Math.max(...decays)}: the smallest counts`);
  }
  const single = facts.batchSize?.value;
  if (single === undefined) assumed.push(say`batch size ${ASSUMED_BATCH}`);
  const steps = facts.steps?.value;
  if (steps === undefined) assumed.push(say`${ASSUMED_STEPS} steps`);
  return {
    optimiser: kind,
    adaptive,
    decayForm: DECOUPLED.has(kind) ? "decoupled" : "coupled",
    learningRate,
    weightDecay,
    momentum: optimiser?.momentum?.value ?? optimiser?.betas?.value[0] ?? (adaptive ? 0.9 : 0),
    batchSize: (single ?? ASSUMED_BATCH) * (facts.accumulation?.value ?? 1),
    steps: steps ?? ASSUMED_STEPS,
    assumed,
    ...(optimiser ? {} : { unknown: true as const }),
  };
}

type Group = OptimiserLike["groups"][number];

/** Groups by parameter, made once per optimiser: models have thousands of symmetries. */
const OWNERS = new WeakMap<OptimiserLike, ReadonlyMap<string, Group>>();

/** The group of an optimiser that moves a parameter; its first one where the groups could not be followed. */
function groupOf(optimiser: OptimiserLike, parameter: string): Group | undefined {
  let owners = OWNERS.get(optimiser);
  if (!owners) {
    owners = new Map(optimiser.groups.flatMap((g) => (g.parameters ?? []).map((p) => [p, g] as const)).reverse());
    OWNERS.set(optimiser, owners);
  }
  return owners.get(parameter) ?? optimiser.groups.find((g) => g.parameters === undefined);
}

/** The optimiser that moves some of the parameters; the first one where none does. */
function optimiserOf(parameters: readonly string[], facts: TrainingFactsLike): OptimiserLike | undefined {
  return facts.optimisers.find((o) => parameters.some((p) => groupOf(o, p))) ?? facts.optimisers[0];
}

/** The groups in which the parameters that decide train, each once. */
function groupsOf(
  parameters: readonly string[],
  optimiser: OptimiserLike | undefined,
  rank?: (parameter: string) => number | undefined,
): ReadonlySet<Group | undefined> {
  const out = new Set<Group | undefined>();
  for (const p of deciding(parameters, rank)) out.add(optimiser && groupOf(optimiser, p));
  return out;
}

function deciding(parameters: readonly string[], rank?: (p: string) => number | undefined): readonly string[] {
  const matrices = parameters.filter((p) => (rank?.(p) ?? 0) >= 2);
  return matrices.length >= 2 ? matrices : parameters;
}
