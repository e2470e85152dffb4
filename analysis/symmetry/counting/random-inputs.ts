/** @file Random inputs at which the numeric engines look. */
import type { GraphInput } from "../../graph/graph";
import { elementCount, isFloating, type Tensor } from "../../graph/tensor";
import type { Random } from "../../numerics/random";
import type { Network } from "./network";

/** Operators that move or copy entries of their first input and leave them as they are. */
export const MOVEMENT: ReadonlySet<string> = new Set([
  "Identity",
  "Cast",
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
  "Slice",
  "Expand",
  "Concat",
  "Gather",
  "Tile",
]);

/** Standard deviation of random network inputs: wide, so that both sides of every kink are seen. */
export const INPUT_DEVIATION = 1.5;

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
  const bound = input.type === "bool" ? 2 : indexBound(network, input.name);
  for (let i = 0; i < count; i++) data[i] = deck ? deck.next(bound, random) : random.integer(bound);
  return { type: input.type, shape: input.shape, data };
}

/** One more than the largest index that every table read by this value allows; 2 where it indexes nothing. */
function indexBound(network: Network, input: string): number {
  let bound = Number.POSITIVE_INFINITY;
  const stack: { value: string; offset: number }[] = [{ value: input, offset: 0 }];
  const seen = new Set<string>();
  while (stack.length > 0) {
    const { value, offset } = stack.pop()!;
    if (seen.has(value)) continue;
    seen.add(value);
    for (const node of network.consumers(value)) {
      const out = node.outputs[0];
      if ((node.operator === "Gather" || node.operator === "GatherElements") && node.inputs[1] === value) {
        const axis = typeof node.attributes.axis === "number" ? node.attributes.axis : 0;
        const shape = network.shape(node.inputs[0]!);
        bound = Math.min(bound, shape[axis < 0 ? axis + shape.length : axis]! - offset);
      } else if (node.operator === "GatherND" && node.inputs[1] === value) {
        const first = typeof node.attributes.batch_dims === "number" ? node.attributes.batch_dims : 0;
        const coordinates = network.shape(value).at(-1) ?? 1;
        bound = Math.min(
          bound,
          ...network
            .shape(node.inputs[0]!)
            .slice(first, first + coordinates)
            .map((n) => n - offset),
        );
      } else if (node.operator === "OneHot" && node.inputs[0] === value) {
        bound = Math.min(bound, (network.constant(node.inputs[1] ?? "")?.data[0] ?? Number.POSITIVE_INFINITY) - offset);
      } else if (out !== undefined && node.operator === "Add") {
        const other = network.constant(node.inputs[0] === value ? node.inputs[1]! : node.inputs[0]!);
        if (other) stack.push({ value: out, offset: offset + Math.max(...other.data) });
      } else if (out !== undefined && MOVEMENT.has(node.operator)) stack.push({ value: out, offset });
    }
  }
  return Number.isFinite(bound) ? Math.max(1, bound) : 2;
}
