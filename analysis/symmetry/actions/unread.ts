/** @file Symmetries of weights that nothing reads: anything may be added to them. */
import type { Parameter } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import type { Entries } from "../inert/masked";
import type { Generator, Symmetry } from "../symmetry";

/** Coordinates are drawn from this half-open range on both sides of zero. */
const LARGEST = 0.8;
/** Coordinates that a random element moves at most: of large parameters a part will do. */
const MOST_MOVED = 4096;
/** Numbers in all tangent vectors together up to which they are listed. */
const MOST_TANGENT_ENTRIES = 50_000_000;

/** One Symmetry per parameter that nothing reads, with a coordinate for each of its entries. */
export function unreadSymmetries(unread: readonly Parameter[]): Symmetry[] {
  return unread.map((p) => unreadSymmetry(p, elementCount(p.shape), (k) => k));
}

/** One Symmetry per parameter of which nothing reads some entries, with a coordinate for each of these. */
export function maskedSymmetries(masked: readonly Entries[]): Symmetry[] {
  return masked.map(({ parameter, flat }) => unreadSymmetry(parameter, flat.length, (k) => flat[k]!));
}

function unreadSymmetry({ name, shape }: Parameter, size: number, position: (coordinate: number) => number): Symmetry {
  const entries = elementCount(shape);
  return {
    id: `unread-parameter:${name}`,
    kind: "unread",
    origin: "rule",
    group: size === 1 ? "R" : `R^${size}`,
    dimension: size,
    parameters: [name],
    spaces: [],
    randomElement(random) {
      const out = new Float64Array(size);
      const step = Math.max(1, Math.floor(size / MOST_MOVED));
      for (let k = 0; k < size; k += step) out[k] = (2 * random() - 1) * LARGEST;
      return out;
    },
    act(weights, element, owned) {
      const given = weights.get(name)!;
      const moved = owned?.has(given) ? given : given.slice();
      for (let k = 0; k < size; k++) moved[position(k)]! += element[k]!;
      return new Map([[name, moved]]);
    },
    generators() {
      if (size * entries > MOST_TANGENT_ENTRIES)
        throw new RangeError(`${size} tangent vectors of ${entries} entries are too many to list: ask for them on the twin`);
      return Array.from({ length: size }, (_, k): Generator => {
        const vector = new Float64Array(entries);
        vector[position(k)] = 1;
        return { family: "unread", vector: new Map([[name, vector]]), spaces: [] };
      });
    },
    // Adding to an entry changes it whatever it is: no weights stay as they are.
    fixedSet: () => undefined,
  };
}
