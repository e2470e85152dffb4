/** @file Symmetries of parameters that nothing reads: anything may be added to them. */
import type { Parameter } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import type { Generator, ParameterValues, Symmetry } from "../symmetry";

/** Coordinates are drawn from this half-open range on both sides of zero. */
const LARGEST = 0.8;

/** One Symmetry per parameter, with a coordinate for each of its entries. */
export function unreadSymmetries(unread: readonly Parameter[]): Symmetry[] {
  return unread.map(({ name, shape }): Symmetry => {
    const size = elementCount(shape);
    return {
      id: `unread-parameter:${name}`,
      kind: "unread",
      origin: "rule",
      group: size === 1 ? "R" : `R^${size}`,
      dimension: size,
      parameters: [name],
      spaces: [],
      randomElement: (random) => Float64Array.from({ length: size }, () => (2 * random() - 1) * LARGEST),
      act: (weights, element): ParameterValues => new Map([[name, weights.get(name)!.map((w, i) => w + element[i]!)]]),
      generators: () =>
        Array.from({ length: size }, (_, k): Generator => {
          const vector = new Float64Array(size);
          vector[k] = 1;
          return { family: "unread", vector: new Map([[name, vector]]), spaces: [] };
        }),
      // Adding to an entry changes it whatever it is: no weights stay as they are.
      fixedSet: () => undefined,
    };
  });
}
