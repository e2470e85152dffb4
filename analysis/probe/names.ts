/** @file What the inputs and outputs of training models are called. The prefix keeps them apart from a network's own names. */

/** Where data are: inputs of the outermost graph. */
export const dataName = (input: string): string => `probe:data:${input}`;
/** The input that holds the targets. */
export const TARGETS = "probe:data:targets";
/** What a step picks of the data. */
export const INDEX = "probe:index";
/** Losses and norms of the gradient, one per step (and run). */
export const LOSSES = "probe:losses";
/** The output that holds the norms of gradients. */
export const NORMS = "probe:norms";
/** The input of a number of {@link stepNumbers}. */
export const numberInput = (name: string): string => `probe:${name}`;
/** The new value of a state tensor. */
export const nextOf = (state: string): string => `${state}:next`;
/** The gradient of a pack, an output of the single step. */
export const gradientOf = (pack: string): string => `${pack}:gradient`;
/** What the Scan calls its input for a state tensor, the indices or a number: names inside of it must be others. */
export const scanInput = (name: string): string => `${name}:all`;
