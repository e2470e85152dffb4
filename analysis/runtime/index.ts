/** @file Running models in ONNX Runtime. */
export { type BaseWeights, baseWeights, type CompareOptions, type Comparison, compareUnderActions } from "./certify";
export { indexBound, randomInputs } from "./random-inputs";
export { randomWeights } from "./random-weights";
export {
  createRunner,
  type Feeds,
  RunCancelled,
  type Runner,
  type RunnerOptions,
  type RunnerSession,
  type RunOptions,
  RuntimeFailure,
} from "./runner";
