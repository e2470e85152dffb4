/** @file Where changes are held, and who makes up for them: at each value one of the sources that arrive there entry by entry. */
import type { Change } from "./change";
import { dependenceOf, isCovered, isEntryByEntry, isSameChange } from "./dependence";
import type { Source } from "./sources";

/** A source with the values that hold what it does. */
export interface Held {
  readonly source: Source;
  readonly arrivals: ReadonlyMap<string, Change>;
  readonly stops: ReadonlySet<string>;
}

/** What arrives at a value; of values at which the same arrives, the first stands for the others. */
export interface Place {
  readonly held: readonly Held[];
  readonly isOneOfSeveral: boolean;
}
/** What arrives, by value. */
export type Places = ReadonlyMap<string, Place>;

/**
 * The values that hold something, those at which all sources arrive alike taken as one: the steps of a recurrence, which add
 * the same bias to what they read. Who makes up for something at one of them does so at all.
 */
export function placesOf(alive: ReadonlySet<Held>): Places {
  const members = new Map<string, Held[]>();
  let several = false;
  for (const h of alive) {
    if (h.arrivals.size > 1) several = true;
    for (const v of h.arrivals.keys()) {
      const list = members.get(v);
      if (list) list.push(h);
      else members.set(v, [h]);
    }
  }
  if (!several) return new Map([...members].map(([value, held]) => [value, { held, isOneOfSeveral: false }] as const));
  const numbers = new Map([...alive].map((h, k) => [h, k] as const));
  const alike = new Map<string, string[]>();
  const out = new Map<string, Place>();
  for (const [value, held] of members) {
    const key = held.map((h) => numbers.get(h)).join(" ");
    const known = alike.get(key) ?? [];
    const same = known.find((v) => held.every((h) => isSameChange(h.arrivals.get(v)!, h.arrivals.get(value)!)));
    out.set(same ?? value, { held, isOneOfSeveral: same !== undefined });
    if (same === undefined) alike.set(key, [...known, value]);
  }
  return out;
}

/** Who makes up for what at each place, and the sources that nobody makes up for. */
export function choosePivots(
  places: Places,
  atStation: (value: string) => Held | undefined,
): {
  readonly pivots: ReadonlyMap<string, Held>;
  readonly uncovered: ReadonlySet<Held>;
} {
  const arrivals = new Map<Held, number>();
  for (const { held } of places.values()) for (const h of held) arrivals.set(h, (arrivals.get(h) ?? 0) + 1);
  const pivots = new Map<string, Held>();
  const uncovered = new Set<Held>();
  for (const [value, { held, isOneOfSeveral }] of places) {
    const candidates = held.filter(
      (h) => h.source.family === "translation" && arrivals.get(h) === 1 && isEntryByEntry(h.arrivals.get(value)!),
    );
    // Who moves each entry by itself makes up for everything that is no wider, and nobody else for that one.
    let best = candidates.find((h) => {
      const by = h.arrivals.get(value)!;
      return dependenceOf(by).distinct && held.every((o) => o === h || isCovered(o.arrivals.get(value)!, by));
    });
    let most = -1;
    for (const h of best ? [] : candidates) {
      const covers = held.filter((o) => o !== h && isCovered(o.arrivals.get(value)!, h.arrivals.get(value)!)).length;
      if (covers > most) [best, most] = [h, covers];
    }
    if (!best && !isOneOfSeveral) {
      const station = atStation(value);
      if (station && held.every((h) => h.source.parameter !== station.source.parameter)) best = station;
    }
    if (best) pivots.set(value, best);
    for (const h of held) {
      if (h !== best && (!best || !isCovered(h.arrivals.get(value)!, best.arrivals.get(value)!))) uncovered.add(h);
    }
  }
  return { pivots, uncovered };
}
