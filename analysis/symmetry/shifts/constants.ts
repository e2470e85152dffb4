/**
 * @file Constant directions: those that are the same whatever the weights are. What moves along one is a translation, even where
 * an exponential or the like makes a scale of it that only engine C sees.
 */
import { Random } from "../../numerics/random";
import { ParameterSpace } from "../counting/families";
import type { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import type { ParameterValues } from "../symmetry";
import { reduced } from "./reduced";
import { certified } from "./shifts";

/** The combinations of directions at some weights that leave the outputs as they are at other generic weights too. */
export function constantDirections(network: Network, vectors: readonly ParameterValues[], seed: number): ParameterValues[] {
  if (vectors.length === 0) return [];
  const random = new Random(seed);
  const elsewhere = genericWeights(network, random);
  const space = new ParameterSpace(network.trainable.map((p) => [p, elsewhere.get(p)!.length] as const));
  const flat = reduced(vectors.map((v) => space.flatten(v))).vectors;
  return reduced(certified(network, elsewhere, flat, space, random)).vectors.map((v) => space.unflatten(v));
}
