/** @file What the code says about training: optimisers, rates, schedules, losses, batches. Every fact has its place. */
import type { SourceRange } from "../../../graph/source";

/**
 * How sure a value is. literal: written at the place of use. default: it comes from a name, a field, an argument's
 * default or the library's own default, and may be overridden where the program is started.
 */
export type Certainty = "literal" | "default";

/** One value with its place. */
export interface Fact<T> {
  readonly value: T;
  readonly range: SourceRange;
  /** The code that it was read from. */
  readonly source: string;
  readonly certainty: Certainty;
}

/** Parameters that one optimiser moves with one set of options. */
export interface ParameterGroup {
  /** Names in the model; undefined where the group could not be followed. */
  readonly parameters: readonly string[] | undefined;
  readonly learningRate?: number;
  readonly weightDecay?: number;
}

/** One optimiser. */
export interface OptimiserFact {
  /** Class in torch.optim. */
  readonly kind: string;
  readonly range: SourceRange;
  readonly source: string;
  /** Class of the model whose parameters it moves. */
  readonly model: string | undefined;
  /** File of that class; absent where it is not written in Python that can be read. */
  readonly modelFile?: string;
  /** True when all trainable parameters of the model are in its groups. */
  readonly wholeModel: boolean | undefined;
  readonly groups: readonly ParameterGroup[];
  readonly learningRate?: Fact<number>;
  /** The library's default counts: AdamW decays by 0.01 unless told otherwise. */
  readonly weightDecay?: Fact<number>;
  readonly momentum?: Fact<number>;
  readonly betas?: Fact<readonly [number, number]>;
}

/** A kind of thing at a place: a scheduler, a loss. */
export interface NamedFact {
  readonly kind: string;
  readonly range: SourceRange;
  readonly source: string;
}

/** What the code of a file says about training. */
export interface TrainingFacts {
  readonly optimisers: readonly OptimiserFact[];
  /** Scheduler classes; "by hand" where the code writes the rate into the parameter groups. */
  readonly schedules: readonly NamedFact[];
  readonly losses: readonly NamedFact[];
  readonly batchSize?: Fact<number>;
  readonly gradientClipping?: Fact<number | undefined>;
  readonly accumulation?: Fact<number>;
  /** Number of optimiser steps, where the code says it. */
  readonly steps?: Fact<number>;
  readonly mixedPrecision: readonly NamedFact[];
  /** deepcopy of modules, and `[module] * n`. */
  readonly copies: readonly (NamedFact & { readonly modules: readonly string[] })[];
  /** Whether a training loop was seen: without one, absence of a fact means nothing. */
  readonly trains: boolean;
}

/** The facts of a file that says nothing about training. */
export const NO_FACTS: TrainingFacts = {
  optimisers: [],
  schedules: [],
  losses: [],
  mixedPrecision: [],
  copies: [],
  trains: false,
};
