/** @file Changes compared: how each entry hangs on the coordinates that it comes from, and whether one change makes up for another. */
import { type Change, isKnown, MIXED, NONE, ofRank, sources } from "./change";

/** How a change depends on its source's coordinates: every entry on one at most, every entry on one of its own. */
export interface Dependence {
  readonly entryByEntry: boolean;
  readonly distinct: boolean;
  /** Number of coordinates that something depends on. */
  readonly coordinates: number;
}

const UNCLEAR: Dependence = { entryByEntry: false, distinct: false, coordinates: 0 };

const DEPENDENCES = new WeakMap<Change, Dependence>();

/** How a change depends on its source's coordinates. */
export function dependenceOf(c: Change): Dependence {
  let out = DEPENDENCES.get(c);
  if (!out) {
    out = readDependence(c);
    DEPENDENCES.set(c, out);
  }
  return out;
}

function readDependence({ data, from }: Change): Dependence {
  if (!data || !from) return UNCLEAR;
  let last = -1;
  for (let i = 0; i < from.length; i++) {
    const k = from[i]!;
    if (k === MIXED || (k !== NONE && data[i] === 0)) return UNCLEAR;
    if (k > last) last = k;
  }
  const met = new Uint8Array(last + 1);
  let coordinates = 0;
  for (let i = 0; i < from.length; i++) {
    const k = from[i]!;
    if (k === NONE || met[k] === 1) continue;
    met[k] = 1;
    coordinates++;
  }
  return { entryByEntry: true, distinct: coordinates === from.length, coordinates };
}

/** Whether every entry of a change depends on one coordinate at most. */
export function isEntryByEntry(c: Change): boolean {
  return dependenceOf(c).entryByEntry;
}

/**
 * Whether one change, entry by entry, can make up for another: it reaches all its entries, and equal coordinates have equal
 * things to make up for.
 */
export function isCovered(wanted: Change, by: Change): boolean {
  if (!isKnown(wanted) || !isKnown(by)) return false;
  const rank = Math.max(wanted.shape.length, by.shape.length);
  const [w, b] = [ofRank(wanted, rank), ofRank(by, rank)];
  if (w.shape.some((n, i) => n > b.shape[i]!)) return false;
  if (dependenceOf(by).distinct) return true;
  const at = sources(w.shape, b.shape);
  const needed = new Map<number, number>();
  for (let i = 0; i < at.length; i++) {
    const x = w.data![at[i]!]!;
    const k = b.from![i]!;
    if (k === NONE) {
      if (x !== 0) return false;
      continue;
    }
    const need = x / b.data![i]!;
    const before = needed.get(k);
    if (before === undefined) needed.set(k, need);
    else if (Math.abs(before - need) > 1e-9 * Math.abs(need)) return false;
  }
  return true;
}

/** Whether two changes are the same multiples of the same coordinates at the same entries. */
export function isSameChange(a: Change, b: Change): boolean {
  if (a === b) return true;
  if (!isKnown(a) || !isKnown(b)) return false;
  const rank = Math.max(a.shape.length, b.shape.length);
  const [p, q] = [ofRank(a, rank), ofRank(b, rank)];
  if (p.shape.some((n, i) => n !== q.shape[i]) || (a.from === undefined) !== (b.from === undefined)) return false;
  for (let i = 0; i < a.data.length; i++) if (a.data[i] !== b.data[i] || a.from?.[i] !== b.from?.[i]) return false;
  return true;
}

/** The coordinates of a pivot that undo what has arrived. */
export function madeUp(arrived: Change, reach: Change, size: number): Float64Array {
  const rank = Math.max(arrived.shape.length, reach.shape.length);
  const [a, r] = [ofRank(arrived, rank), ofRank(reach, rank)];
  const out = new Float64Array(size);
  if (!isKnown(a) || !isKnown(r)) return out;
  const at = sources(a.shape, r.shape);
  for (let i = 0; i < at.length; i++) {
    const k = r.from![i]!;
    if (k >= 0) out[k] = -a.data[at[i]!]! / r.data[i]!;
  }
  return out;
}
