/** @file Which exchanges are no news: permutations of one space of channels, and products of swaps that are known. */
import { actExchange, exchangeOf, movedEntries } from "../actions/exchange";
import type { PermutationAction } from "../actions/permutation";
import { UnionFind } from "../../numerics/unionFind";
import { type BranchSwap, namesOf } from "../swaps";
import type { ExchangeFamily, WeightExchange } from "./weights";

type Shape = (parameter: string) => readonly number[];

/** A family, and whether it is one exchange of two branches with all their weights. */
export interface NewExchange {
  readonly family: ExchangeFamily;
  readonly isSwap: boolean;
}

/** Families that are not made of swaps, those that found them among one another included; with names as swaps have them. */
export function newExchanges(families: readonly ExchangeFamily[], swaps: readonly BranchSwap[], shape: Shape): NewExchange[] {
  const numbers = new Map<string, number>();
  const of = (p: string): number => {
    const own = numbers.get(p) ?? numbers.size;
    numbers.set(p, own);
    return own;
  };
  for (const { parameter, images } of families.flatMap((f) => (f.count === 1 ? f.element(0) : []))) {
    of(parameter);
    for (const m of images.values()) of(m.parameter);
  }
  for (const p of swaps.flatMap((s) => s.pairs.flat())) of(p);
  const joined = new UnionFind(numbers.size);
  for (const [p, q] of swaps.flatMap((s) => s.pairs)) joined.union(of(p), of(q));
  return families.flatMap((family): NewExchange[] => {
    if (family.count > 1) return [{ family, isSwap: false }];
    const pairs = exchangeOf(family.element(0), family.names, shape).parameters;
    if (pairs.length === 0) return [{ family, isSwap: false }];
    const isKnown = pairs.every(([p, q]) => joined.find(of(p)) === joined.find(of(q)));
    if (isKnown) return [];
    for (const [p, q] of pairs) joined.union(of(p), of(q));
    return [{ family: { ...family, names: namesOf(pairs) }, isSwap: true }];
  });
}

/** Entries that an exchange moves, of those alike only one, up to which it is told: its order is found by making it. */
const MOST_MOVED = 1_000_000;

/** Whether the weights that a family moves are few enough to be told of. */
export function isSmall(family: ExchangeFamily, shape: Shape): boolean {
  return movedEntries(family.element(0), shape) <= MOST_MOVED;
}

/** Whether the first exchange of a family only permutes the units of a space. */
export function isPermutation(family: ExchangeFamily, permutations: readonly PermutationAction[], shape: Shape): boolean {
  const exchange = family.element(0);
  // A permutation of units leaves entries in their parameter.
  if (exchange.some((s) => [...s.images.values()].some((m) => m.parameter !== s.parameter || m.sign !== 1))) return false;
  return permutations.some((action) => isMadeBy(exchange, action, shape));
}

/** Whether a permutation of the units of a space does what an exchange that leaves entries in their parameters does. */
function isMadeBy(exchange: WeightExchange, action: PermutationAction, shape: Shape): boolean {
  const { parameters } = action;
  if (exchange.some((s) => !parameters.includes(s.parameter))) return false;
  if (!action.areCopiesWithin() || exchange.some((s) => s.axes.length !== 1)) return isMadeOfEntries(exchange, action, shape);
  const element = Array.from({ length: action.copies }, () => Array.from({ length: action.space.size }, (_, i) => i));
  const moved = new Map<string, ReadonlyMap<number, number>>();
  for (const { parameter, axes, images } of exchange) {
    const axis = axes[0]!;
    moved.set(`${parameter}/${axis}`, new Map([...images].map(([to, m]) => [m.index, to] as const)));
    for (const [to, m] of images) {
      const [from, goal] = [action.unitsAt(parameter, axis, m.index), action.unitsAt(parameter, axis, to)];
      // What changes places within a unit is no permutation of units.
      if (from.length !== 1 || goal.length !== 1 || from[0] === goal[0]) return false;
      for (const c of action.copiesAt(parameter, axis, m.index)) element[c]![from[0]!] = goal[0]!;
    }
  }
  if (element.some((p) => new Set(p).size !== p.length)) return false;
  return action.places().every(([parameter, axis]) => {
    const own = moved.get(`${parameter}/${axis}`);
    return action.along(parameter, axis, element).every((to, from) => to === (own?.get(from) ?? from));
  });
}

/** The same, by what becomes of each entry. */
function isMadeOfEntries(exchange: WeightExchange, action: PermutationAction, shape: Shape): boolean {
  let next = 1;
  // Entries that carry their own number show where they went.
  const numbered = new Map(
    action.parameters.map((p) => {
      const size = shape(p).reduce((n, d) => n * d, 1);
      return [p, Float64Array.from({ length: next + size > MOST_MOVED ? 0 : size }, () => next++)] as const;
    }),
  );
  // What is too large to look at is not told of.
  if ([...numbered].some(([, v]) => v.length === 0)) return true;
  const after = actExchange(exchange, numbered, shape);
  const element = elementOf(action, numbered, after);
  if (!element) return false;
  const permuted = action.act(numbered, element);
  return action.parameters.every((p) => {
    const [a, b] = [after.get(p) ?? numbered.get(p)!, permuted.get(p) ?? numbered.get(p)!];
    return a.every((x, i) => x === b[i]);
  });
}

/** Where the first features of the units went; undefined where not to first features. */
function elementOf(
  action: PermutationAction,
  numbered: ReadonlyMap<string, Float64Array>,
  after: ReadonlyMap<string, Float64Array>,
): number[][] | undefined {
  const out = Array.from({ length: action.copies }, () => Array.from({ length: action.space.size }, (_, i) => i));
  for (const { parameter, copy, units, features, flat } of action.units()) {
    const values = after.get(parameter);
    if (!values) continue;
    const before = numbered.get(parameter)!;
    const unitOf = new Map(Array.from({ length: units }, (_, u) => [before[flat[u * features]!]!, u] as const));
    for (let u = 0; u < units; u++) {
      const from = unitOf.get(values[flat[u * features]!]!);
      if (from === undefined) return undefined;
      if (from !== u) out[copy]![from] = u;
    }
  }
  return out;
}
