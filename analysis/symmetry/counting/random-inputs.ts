/** @file Random inputs at which the numeric engines look. */
import type { GraphInput } from "../../graph/graph";
import { elementCount, isFloating, type Tensor } from "../../graph/tensor";
import type { Random } from "../../numerics/random";
import { INPUT_DEVIATION, indexBounds } from "./index-bounds";
import type { Network } from "./network";

/** Part of the indices of a deck that are drawn as they come: inputs that hold each index once would be special. */
const FREELY = 0.25;

/** Indices in turn, so that a few inputs read all rows of a table. */
export class IndexDeck {
  private left: number[] = [];

  /** The next of the whole numbers below a bound. */
  next(bound: number, random: Random): number {
    if (random.uniform() < FREELY) return random.integer(bound);
    if (this.left.length === 0) this.left = Array.from(random.sample(bound, bound));
    return this.left.pop()!;
  }
}

/**
 * A random value for a network input: normal, or whole numbers below the size of the table that they index; those of a deck where
 * one is given.
 */
export function randomInput(network: Network, input: GraphInput, random: Random, deck?: IndexDeck): Tensor {
  const count = elementCount(input.shape);
  if (isFloating(input.type)) return { type: input.type, shape: input.shape, data: random.normals(count, INPUT_DEVIATION) };
  const data = new Float64Array(count);
  const bound = input.type === "bool" ? 2 : indexBounds(network).of(input.name);
  for (let i = 0; i < count; i++) data[i] = deck ? deck.next(bound, random) : random.integer(bound);
  return { type: input.type, shape: input.shape, data };
}
