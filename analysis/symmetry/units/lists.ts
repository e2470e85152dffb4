/**
 * @file Lists of labels that many joint cells have in common. Layers are many, the ways in which their tensors line up are few:
 * one list for all of them is less garbage, and tells at a look that they are alike.
 */

const ranges: (readonly number[] | undefined)[] = [];

/** 0, 1, .., n - 1: one list for each length. */
export function upTo(n: number): readonly number[] {
  return (ranges[n] ??= Array.from({ length: n }, (_, i) => i));
}

/** Lists that were made before, by length. */
const shared: (readonly number[])[][] = [];

/** How many lists of one length are remembered. */
const MOST_SHARED = 16;

/** The first entries of a list as a list of their own, the same one each time for the same entries where there are few such lists. */
export function sharedList(entries: readonly number[], count: number): readonly number[] {
  const known = (shared[count] ??= []);
  for (const list of known) {
    let i = 0;
    while (i < count && list[i] === entries[i]) i++;
    if (i === count) return list;
  }
  const made = entries.slice(0, count);
  if (known.length < MOST_SHARED) known.push(made);
  return made;
}
