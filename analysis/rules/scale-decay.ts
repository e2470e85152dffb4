/** @file Scale-invariant weights and the decay that optimisers give them: what two rules on them share. */
import type { OptimiserFact } from "../frontends/python/index";
import { elementCount } from "../graph/tensor";
import type { CheckedFile, CheckedModel } from "./checked";
import { optimisedGroups } from "./decay";

const invariant = new WeakMap<CheckedModel, ReadonlySet<string>>();

/** Matrices and kernels on which a scale symmetry acts: multiplied by a positive number they give the same function. */
export function scaleInvariant(model: CheckedModel): ReadonlySet<string> {
  let found = invariant.get(model);
  if (!found) {
    const moved = new Map<string, Uint8Array>();
    for (const s of model.analysis().symmetries) {
      if (s.kind !== "scale") continue;
      for (const { parameter, flat } of s.diagonal?.() ?? []) {
        const shape = model.graph.parameters.get(parameter)?.shape;
        if (!shape || shape.length < 2) continue;
        const entries = moved.get(parameter) ?? new Uint8Array(elementCount(shape));
        for (const i of flat) entries[i] = 1;
        moved.set(parameter, entries);
      }
    }
    // Rows of a table that nobody looks up scale freely as well; the weight is invariant only where all of it is.
    found = new Set([...moved].flatMap(([name, entries]) => (entries.every((x) => x === 1) ? [name] : [])));
    invariant.set(model, found);
  }
  return found;
}

/** Scale-invariant weights of one optimiser under one decay. */
export interface InvariantGroup {
  readonly optimiser: OptimiserFact;
  readonly model: CheckedModel;
  readonly weights: readonly string[];
  readonly weightDecay: number;
  readonly learningRate: number | undefined;
  /** Beta of SGD, beta1 of Adam. */
  readonly momentum: number;
}

/** The scale-invariant weights that optimisers of the file move, one entry per optimiser and decay. */
export function invariantGroups(file: CheckedFile): InvariantGroup[] {
  return optimisedGroups(file).flatMap(({ optimiser, model, group, parameters, weightDecay }): InvariantGroup[] => {
    if (optimiser.range.file !== file.file) return [];
    const all = scaleInvariant(model);
    const weights = parameters.filter((p) => all.has(p));
    if (weights.length === 0) return [];
    const momentum = optimiser.momentum?.value ?? optimiser.betas?.value[0] ?? 0;
    const learningRate = group.learningRate ?? optimiser.learningRate?.value;
    return [{ optimiser, model, weights, weightDecay, learningRate, momentum }];
  });
}
