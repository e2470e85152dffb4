/** @file What optimisers in the code do to a model's parameters: learning rate and weight decay, parameter by parameter. */
import type { Certainty, OptimiserFact, ParameterGroup } from "../frontends/python/index";
import type { CheckedFile, CheckedModel } from "./checked";

/** Parameters of a model under one setting of one optimiser. */
export interface OptimisedGroup {
  readonly optimiser: OptimiserFact;
  readonly model: CheckedModel;
  readonly group: ParameterGroup;
  readonly parameters: readonly string[];
  readonly weightDecay: number;
  readonly certainty: Certainty;
}

/** The model that an optimiser trains, in its own file or in one that this imports. */
export function trainedModel(file: CheckedFile, optimiser: OptimiserFact): CheckedModel | undefined {
  const { model, modelFile } = optimiser;
  if (model === undefined) return undefined;
  const here = modelFile === undefined || modelFile === file.file ? file.models.find((m) => m.name === model) : undefined;
  return here ?? file.trained?.().find((m) => m.name === model);
}

/** Optimisers of a file with the models that they train. */
export function optimisedGroups(file: CheckedFile): OptimisedGroup[] {
  const out: OptimisedGroup[] = [];
  for (const optimiser of file.facts?.().optimisers ?? []) {
    const model = trainedModel(file, optimiser);
    if (!model) continue;
    for (const group of optimiser.groups) {
      if (group.parameters === undefined || group.weightDecay === undefined) continue;
      const certainty = optimiser.weightDecay?.certainty ?? "literal";
      out.push({ optimiser, model, group, parameters: group.parameters, weightDecay: group.weightDecay, certainty });
    }
  }
  return out;
}

/** The least weight decay on some parameters of a model, where the code says it for all of them. */
export function decayOf(
  file: CheckedFile,
  model: CheckedModel,
  parameters: readonly string[],
): { readonly value: number; readonly optimiser: OptimiserFact } | undefined {
  let least: { value: number; optimiser: OptimiserFact } | undefined;
  const groups = optimisedGroups(file).filter((g) => g.model === model);
  for (const p of parameters) {
    const group = groups.find((g) => g.parameters.includes(p));
    if (!group) return undefined;
    if (least === undefined || group.weightDecay < least.value) least = { value: group.weightDecay, optimiser: group.optimiser };
  }
  return least;
}

/** Optimisers that divide a gradient by its own size, entry by entry. */
export function isAdaptive(kind: string): boolean {
  return /Adam|RMSprop|Adagrad|Adadelta|Adafactor|Lion|Rprop/i.test(kind);
}

/** Whether decay is applied to the weights themselves, apart from the gradient. */
export function isDecoupled(kind: string): boolean {
  return /AdamW|SGDW|Lion|Muon|Adafactor/i.test(kind);
}
