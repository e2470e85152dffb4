/** @file Which exchanges are no news: permutations of one space of channels, and products of swaps that are known. */
import { exchangeOf, exchangeSymmetry } from "../actions/exchange";
import { UnionFind } from "../../numerics/unionFind";
import { type BranchSwap, namesOf } from "../swaps";
import type { Symmetry } from "../symmetry";
import type { ExchangeFamily } from "./exchanges";

/** A family, and whether it is one exchange of two branches with all their weights. */
export interface NewExchange {
  readonly family: ExchangeFamily;
  readonly isSwap: boolean;
}

/** Families that are not made of swaps, those that found them among one another included; with names as swaps have them. */
export function newExchanges(
  families: readonly ExchangeFamily[],
  swaps: readonly BranchSwap[],
  shape: (parameter: string) => readonly number[],
): NewExchange[] {
  const numbers = new Map<string, number>();
  const of = (p: string): number => {
    const own = numbers.get(p) ?? numbers.size;
    numbers.set(p, own);
    return own;
  };
  for (const { parameter, images } of families.flatMap((f) => f.elements.flat())) {
    of(parameter);
    for (const m of images.values()) of(m.parameter);
  }
  for (const p of swaps.flatMap((s) => s.pairs.flat())) of(p);
  const joined = new UnionFind(numbers.size);
  for (const [p, q] of swaps.flatMap((s) => s.pairs)) joined.union(of(p), of(q));
  return families.flatMap((family): NewExchange[] => {
    const pairs = exchangeOf(family, shape).parameters;
    if (pairs.length === 0) return [{ family, isSwap: false }];
    const isKnown = pairs.every(([p, q]) => joined.find(of(p)) === joined.find(of(q)));
    if (family.elements.length > 1) return [{ family, isSwap: false }];
    if (isKnown) return [];
    for (const [p, q] of pairs) joined.union(of(p), of(q));
    return [{ family: { ...family, names: namesOf(pairs) }, isSwap: true }];
  });
}

/** Entries of the weights that an exchange moves up to which it is told: its order is found by making it. */
const MOST_MOVED = 1_000_000;

/** Whether the weights that a family moves are few enough to be told of. */
export function isSmall({ elements }: ExchangeFamily, shape: (parameter: string) => readonly number[]): boolean {
  const moved = new Set(elements[0]!.map((s) => s.parameter));
  return [...moved].reduce((n, p) => n + shape(p).reduce((m, d) => m * d, 1), 0) <= MOST_MOVED;
}

/** Whether the first exchange of a family only permutes the units of a space. */
export function isPermutation(
  family: ExchangeFamily,
  permutations: readonly Symmetry[],
  shape: (parameter: string) => readonly number[],
): boolean {
  const exchange = family.elements[0]!;
  // A permutation of units leaves entries in their parameter.
  if (exchange.some((s) => [...s.images.values()].some((m) => m.parameter !== s.parameter))) return false;
  if (exchange.some((s) => [...s.images.values()].some((m) => m.sign !== 1))) return false;
  const moved = exchange.map((s) => s.parameter);
  const own = exchangeSymmetry({ ...family, elements: [exchange] }, 0, shape, () => []);
  for (const space of permutations) {
    if (moved.some((p) => !space.parameters.includes(p))) continue;
    let next = 1;
    // Entries that carry their own number show where they went.
    const numbered = new Map(
      space.parameters.map((p) => {
        const size = shape(p).reduce((n, d) => n * d, 1);
        return [p, Float64Array.from({ length: size }, () => next++)] as const;
      }),
    );
    const after = own.act(numbered, Float64Array.of(1));
    const element = elementOf(space, numbered, after);
    if (!element) continue;
    const permuted = space.act(numbered, element);
    const isEqual = space.parameters.every((p) => {
      const [a, b] = [after.get(p) ?? numbered.get(p)!, permuted.get(p) ?? numbered.get(p)!];
      return a.every((x, i) => x === b[i]);
    });
    if (isEqual) return true;
  }
  return false;
}

/** Where the first features of the units went; undefined where not to first features. */
function elementOf(
  space: Symmetry,
  numbered: ReadonlyMap<string, Float64Array>,
  after: ReadonlyMap<string, Float64Array>,
): Float64Array | undefined {
  const blocks = space.units?.() ?? [];
  const size = blocks[0]?.units ?? 0;
  const copies = 1 + Math.max(-1, ...blocks.map((b) => b.copy));
  const out = Float64Array.from({ length: copies * size }, (_, k) => k % size);
  for (const { parameter, copy, units, features, flat } of blocks) {
    const values = after.get(parameter);
    if (!values) continue;
    const before = numbered.get(parameter)!;
    const unitOf = new Map(Array.from({ length: units }, (_, u) => [before[flat[u * features]!]!, u] as const));
    for (let u = 0; u < units; u++) {
      const from = unitOf.get(values[flat[u * features]!]!);
      if (from === undefined) return undefined;
      if (from !== u) out[copy * size + from] = u;
    }
  }
  return out;
}
