/** @file How a size that shrinks is shared among its parts: pieces between cuts, and factors. */
import { blamed, oldSize, SizeConflict, type SizedAxis } from "./sizes";

/** How many entries a piece between two cuts keeps at least, in old positions of the whole axis. */
export type Least = (from: number, to: number) => number;

/** Free axes that hold shuffled channels are cut in proportion, or not at all. */
export function proportional(axis: SizedAxis, k: number, value: number): number {
  const n = oldSize(axis);
  const at = (k * value) / n;
  if (!Number.isInteger(at)) throw new SizeConflict(`a cut at ${k} of ${n} falls between entries`, blamed(axis));
  return at;
}

/**
 * Where a cut at k of n falls after the axis has shrunk: single entries stay single, every piece keeps an entry, the rest is
 * shared in proportion.
 */
export function boundary(n: number, value: number, k: number, cuts: readonly number[], least?: Least): number {
  if (n === value) return k;
  const places = [0, ...[...new Set([...cuts, k])].sort((a, b) => a - b), n];
  const pieces = places
    .slice(1)
    .map((to, i) => ({ old: to - places[i]!, least: least ? Math.min(to - places[i]!, least(places[i]!, to)) : 1 }));
  const spare = value - pieces.reduce((sum, p) => sum + p.least, 0);
  if (spare < 0) throw new SizeConflict(`${value} entries are too few for ${pieces.length} pieces`);
  const room = pieces.map((p) => p.old - p.least);
  const weight = room.reduce((a, b) => a + b, 0);
  if (spare > weight) throw new SizeConflict(`${pieces.length} pieces cannot grow to ${value}`);
  // Largest remainders decide where the odd entries go.
  const shares = room.map((r) => (weight === 0 ? 0 : (spare * r) / weight));
  const sizes = pieces.map((p, i) => p.least + Math.floor(shares[i]!));
  let left = value - sizes.reduce((a, b) => a + b, 0);
  const order = shares.map((s, i) => [s - Math.floor(s), i] as const).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  for (const [, i] of order) {
    if (left === 0) break;
    if (room[i]! > 0) {
      sizes[i]!++;
      left--;
    }
  }
  let at = 0;
  for (let i = 0; places[i] !== k; i++) at += sizes[i]!;
  return at;
}

/** Blocks of shuffled channels: their number stays, or else their length. */
export function shareOfFree(value: number, outer: number, inner: number): readonly [number, number] | undefined {
  if (value % outer === 0) return [outer, value / outer];
  if (value % inner === 0) return [value / inner, inner];
  return undefined;
}

/** Windows, patches and the like: squares stay square, else the inner part becomes as small as it can. */
export function shareOfPinned(value: number, outer: number, inner: number): readonly [number, number] | undefined {
  if (value === outer * inner) return [outer, inner];
  const root = Math.round(Math.sqrt(value));
  if (outer === inner && root * root === value && root > 1) return [root, root];
  if (outer === 1) return [1, value];
  if (inner === 1) return [value, 1];
  for (let b = 2; b <= value / 2; b++) if (value % b === 0) return [value / b, b];
  return undefined;
}
