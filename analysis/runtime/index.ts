/** @file Running models in ONNX Runtime. */
export { comparable, deviation, type ObserveOptions, ObservedNetwork, type Outputs } from "./observe";
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
export { MovingWeights, type WeightOptions } from "./weights";
