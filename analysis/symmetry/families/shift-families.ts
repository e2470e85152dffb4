/**
 * @file Translations and unread directions at any size, known from the graph alone (ALGORITHM.md 5.3): what is forgotten
 * behind a parameter, and what other parameters make up for. Nothing is solved numerically; how much a parameter has to make
 * up for is computed from the weights when a symmetry acts.
 */
import type { Graph } from "../../graph/graph";
import type { InferredAxes } from "../spaces/infer";
import type { ParameterValues } from "../symmetry";
import { behindGains } from "./behind-gains";
import { type Change, isKnown, MIXED, NONE, ofRank, sources } from "./change";
import { Flow, type Memory } from "./follow";
import { kernelFamilies } from "./kernels";
import { normalisedBiasFamilies } from "./normalised-biases";
import { isBlocked } from "./rules";
import { additive, selfContained, type Source } from "./sources";
import { unreadable } from "./unreadable";

/** A group of additions to weights. */
export interface ShiftFamily {
  readonly family: "translation" | "unread";
  /** The parameter that is free. */
  readonly parameter: string;
  /** All that move. */
  readonly parameters: readonly string[];
  /** Sizes whose product is the dimension. */
  readonly sizes: readonly number[];
  readonly dimension: number;
  /** What the coordinates add to the weights; linear in them where there is no `tangent`. */
  delta(weights: ParameterValues, coordinates: ArrayLike<number>): ParameterValues;
  /** The linear part of that, where it is not linear. */
  tangent?(weights: ParameterValues, coordinates: ArrayLike<number>): ParameterValues;
}

/** A source with the values that hold what it does. */
interface Held {
  readonly source: Source;
  readonly arrivals: ReadonlyMap<string, Change>;
  readonly stops: ReadonlySet<string>;
}

/** Values that one source may need to be held at. */
const MOST_STOPS = 64;

/** Nodes of a way up to which what they made of a change is kept. */
const LONGEST_KEPT = 48;

/** All shift families of a graph in normal form, given its axes without soft pins. */
export function shiftFamilies(graph: Graph, axes: InferredAxes): ShiftFamily[] {
  const flow = new Flow(graph);
  const trails = new Map<string, Trail>();
  const candidates = [...additive(flow, axes)];
  const stations = new Stations(
    flow,
    candidates.map((c) => c.whole),
  );
  const free = forgotten(flow, axes, stations, trails);
  const isWhole = new Set(free.filter((s) => s.whole).map((s) => s.source.parameter));
  const isFree = new Set(free.map((s) => `${s.source.parameter} ${s.source.size}`));
  const held: Held[] = [];
  const keep = (h: Held | undefined) => {
    if (h) held.push(h);
  };
  for (const { whole, pieces, groups } of candidates) {
    if (isWhole.has(whole.parameter)) continue;
    // A norm over groups may forget them where it does not forget the whole.
    for (const source of groups) if (!isFree.has(`${source.parameter} ${source.size}`)) keep(hold(flow, stations, source));
    const isKnownWay = whole.size === flow.shape(whole.parameter).reduce((n, d) => n * d, 1);
    const trail = isKnownWay ? trails.get(whole.parameter) : undefined;
    if (trail?.lost && isSameForParts(trail)) continue;
    const together = hold(flow, stations, whole, trail);
    // Pieces that go different ways are held in different places.
    if (together && (pieces.length === 0 || isHeldWhole(together))) held.push(together);
    else for (const piece of pieces) keep(hold(flow, stations, piece));
  }
  for (const source of unreadable(flow, axes)) keep(hold(flow, stations, source));
  const all = compensated(graph, held, stations);
  // Whose entries are free one by one is free along groups of them.
  const oneByOne = new Set(all.flatMap(({ source }) => (source.isGrouped ? [] : [source.parameter])));
  const traded = all.filter(({ source }) => !source.isGrouped || !oneByOne.has(source.parameter));
  // Of two biases that are added: one against the other, and one along groups, is all.
  const along = new Map(free.flatMap(({ source }) => (source.isGrouped ? [[source.parameter, source.size] as const] : [])));
  const isSaid = ({ parameter, size, isGrouped }: Source): boolean =>
    isGrouped === true &&
    traded.some(({ source, family }) => {
      const [own, other, ...more] = family.parameters;
      return own === parameter && !source.isGrouped && more.length === 0 && along.get(other ?? "") === size;
    });
  const alike = free.filter(({ source }) => !isSaid(source)).map(({ source }) => alone(graph, source));
  const found = [...alike, ...traded.map((t) => t.family)];
  const taken = new Set(found.filter((f) => f.family === "translation").map((f) => f.parameter));
  const kernels = kernelFamilies(graph, flow, taken);
  for (const { parameters } of kernels) for (const p of parameters) taken.add(p);
  return [...found, ...kernels, ...normalisedBiasFamilies(graph, flow, taken)];
}

/** A source on its way: what it changes, and what nodes made of it. */
interface Trail {
  readonly start: ReadonlyMap<string, Change>;
  readonly memory: Memory;
  /** Whether it is known that it cannot be held. */
  lost: boolean;
}

function trailOf(flow: Flow, source: Source): Trail {
  return { start: source.start(flow), memory: new Map(), lost: false };
}

/** Whether parts of a parameter go the way of the whole: where its entries never got further than into functions of the inputs. */
function isSameForParts({ memory }: Trail): boolean {
  for (const { entering, out } of memory.values()) {
    if (!entering.some((c) => c && isKnown(c))) continue;
    if (out === undefined || (!isBlocked(out) && isKnown(out))) return false;
  }
  return true;
}

/**
 * Values to which a parameter of its own is added, entry by entry: it can make up for whatever arrives there. A change that has
 * come far ends at the next one. That says as much as following it to the end of the network, where one bias makes up for those
 * of all layers: each bias is free once, and those that make up for it come after it.
 */
class Stations {
  readonly #flow: Flow;
  readonly #sources: ReadonlyMap<string, Source>;
  readonly #held = new Map<string, Held | undefined>();

  constructor(flow: Flow, sources: readonly Source[]) {
    this.#flow = flow;
    this.#sources = new Map(
      sources.flatMap((source) => {
        const value = this.#addedTo(source.parameter);
        return value === undefined ? [] : [[value, source] as const];
      }),
    );
  }

  has(value: string): boolean {
    return this.#sources.has(value);
  }

  /** The parameter that is added to a station's value, held there; undefined where it does not arrive entry by entry. */
  at(value: string): Held | undefined {
    const source = this.#sources.get(value);
    if (source === undefined) return undefined;
    if (!this.#held.has(value)) {
      const stops = new Set([value]);
      const { arrivals, blocked, lost } = this.#flow.follow(source.start(this.#flow), stops);
      const arrived = arrivals.get(value);
      const holds = !lost && blocked.size === 0 && arrivals.size === 1 && arrived !== undefined && isEntryByEntry(arrived);
      this.#held.set(value, holds ? { source, arrivals, stops } : undefined);
    }
    return this.#held.get(value);
  }

  /** The value that a sum with the parameter gives, if nothing else reads the parameter. */
  #addedTo(parameter: string): string | undefined {
    for (let value = parameter; ; ) {
      const [reader, ...others] = this.#flow.readersOf(value);
      if (reader === undefined || others.length > 0 || reader.domain !== "") return undefined;
      const to = reader.outputs[0]!;
      if (reader.operator === "Add") return this.#flow.isActivation(to) ? to : undefined;
      if (reader.operator !== "Reshape" && reader.operator !== "Transpose") return undefined;
      value = to;
    }
  }
}

/** Sources that nothing behind notices. Whole parameters leave their trails: most of them are followed further. */
function forgotten(
  flow: Flow,
  axes: InferredAxes,
  stations: Stations,
  trails: Map<string, Trail>,
): { readonly source: Source; readonly whole: boolean }[] {
  const out: { source: Source; whole: boolean }[] = [];
  const done = new Set<string>();
  for (const source of [...selfContained(flow, axes), ...behindGains(flow)]) {
    // What is the same for a whole axis is so for its groups.
    const along = `${source.parameter} ${source.sameAlong}`;
    if (done.has(source.parameter) || done.has(along)) continue;
    const trail = trailOf(flow, source);
    const whole = source.size === flow.shape(source.parameter).reduce((n, d) => n * d, 1);
    const { blocked, lost } = flow.follow(trail.start, new Set(), trail.memory, stations);
    // Of long ways too much would be kept.
    const memory = trail.memory.size > LONGEST_KEPT && !lost ? new Map() : trail.memory;
    if (whole) trails.set(source.parameter, { ...trail, memory, lost });
    if (lost || blocked.size > 0) continue;
    if (whole) done.add(source.parameter);
    if (source.sameAlong !== undefined) done.add(along);
    out.push({ source, whole });
  }
  return out;
}

/** Where a source has to be held; undefined where it cannot be. */
function hold(flow: Flow, stations: Stations, source: Source, before?: Trail): Held | undefined {
  const { start, memory, lost } = before ?? trailOf(flow, source);
  if (lost) return undefined;
  const stops = new Set<string>();
  while (stops.size <= MOST_STOPS) {
    const followed = flow.follow(start, stops, memory, stations);
    if (followed.lost) return undefined;
    if (followed.blocked.size === 0) return { source, arrivals: followed.arrivals, stops };
    const before = stops.size;
    for (const b of followed.blocked) stops.add(b);
    if (stops.size === before) return undefined;
  }
  return undefined;
}

/** Whether all coordinates arrive at one place. */
function isHeldWhole({ source, arrivals }: Held): boolean {
  const [only] = arrivals.values();
  return arrivals.size === 1 && isEntryByEntry(only!) && dependenceOf(only!).coordinates === source.size;
}

function alone(graph: Graph, source: Source): ShiftFamily {
  return {
    family: source.family,
    parameter: source.parameter,
    parameters: [source.parameter],
    sizes: source.sizes,
    dimension: source.size,
    delta: (weights, coordinates) => new Map([[source.parameter, source.delta(new Flow(graph, weights), coordinates)]]),
  };
}

/**
 * Sources that others make up for: at each value that holds, one of the sources that arrive there entry by entry is set to the
 * negative of all others; the others are free.
 */
function compensated(
  graph: Graph,
  all: readonly Held[],
  stations: Stations,
): { readonly source: Source; readonly family: ShiftFamily }[] {
  const alive = new Set(all.filter((h) => h.source.size > 0));
  for (;;) {
    const places = placesOf(alive);
    const { pivots, uncovered } = choosePivots(places, stations);
    if (uncovered.size === 0) {
      const chosen = new Set([...pivots.values()]);
      const isItself = (h: Held): boolean =>
        [...h.arrivals.keys()].every((v) => !places.has(v) || pivots.get(v)?.source.parameter === h.source.parameter);
      return [...alive]
        .filter((h) => !chosen.has(h) && !(h.source.isGrouped && isItself(h)))
        .map((h) => ({ source: h.source, family: familyOf(graph, h, places, pivots) }));
    }
    for (const h of uncovered) alive.delete(h);
  }
}

/** What arrives at a value; of values at which the same arrives, the first stands for the others. */
interface Place {
  readonly held: readonly Held[];
  readonly isOneOfSeveral: boolean;
}
type Places = ReadonlyMap<string, Place>;

/**
 * The values that hold something, those at which all sources arrive alike taken as one: the steps of a recurrence, which add
 * the same bias to what they read. Who makes up for something at one of them does so at all.
 */
function placesOf(alive: ReadonlySet<Held>): Places {
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

/** Whether two changes are the same multiples of the same coordinates at the same entries. */
function isSameChange(a: Change, b: Change): boolean {
  if (a === b) return true;
  if (!isKnown(a) || !isKnown(b)) return false;
  const rank = Math.max(a.shape.length, b.shape.length);
  const [p, q] = [ofRank(a, rank), ofRank(b, rank)];
  if (p.shape.some((n, i) => n !== q.shape[i]) || (a.from === undefined) !== (b.from === undefined)) return false;
  for (let i = 0; i < a.data.length; i++) if (a.data[i] !== b.data[i] || a.from?.[i] !== b.from?.[i]) return false;
  return true;
}

/** Who makes up for what at each place, and the sources that nobody makes up for. */
function choosePivots(
  places: Places,
  stations: Stations,
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
      const station = stations.at(value);
      if (station && held.every((h) => h.source.parameter !== station.source.parameter)) best = station;
    }
    if (best) pivots.set(value, best);
    for (const h of held) {
      if (h !== best && (!best || !isCovered(h.arrivals.get(value)!, best.arrivals.get(value)!))) uncovered.add(h);
    }
  }
  return { pivots, uncovered };
}

/** How a change depends on its source's coordinates: every entry on one at most, every entry on one of its own. */
interface Dependence {
  readonly entryByEntry: boolean;
  readonly distinct: boolean;
  /** Number of coordinates that something depends on. */
  readonly coordinates: number;
}

const UNCLEAR: Dependence = { entryByEntry: false, distinct: false, coordinates: 0 };

const DEPENDENCES = new WeakMap<Change, Dependence>();

function dependenceOf(c: Change): Dependence {
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

function isEntryByEntry(c: Change): boolean {
  return dependenceOf(c).entryByEntry;
}

/**
 * Whether one change, entry by entry, can make up for another: it reaches all its entries, and equal coordinates have equal
 * things to make up for.
 */
function isCovered(wanted: Change, by: Change): boolean {
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

function familyOf(graph: Graph, held: Held, places: Places, pivots: ReadonlyMap<string, Held>): ShiftFamily {
  const { source } = held;
  const others = [...held.arrivals.keys()].filter((v) => places.has(v)).map((v) => [v, pivots.get(v)!] as const);
  return {
    family: source.family,
    parameter: source.parameter,
    parameters: [...new Set([source.parameter, ...others.map(([, h]) => h.source.parameter)])],
    sizes: source.sizes,
    dimension: source.size,
    delta(weights, coordinates) {
      const flow = new Flow(graph, weights);
      const out = new Map([[source.parameter, source.delta(flow, coordinates)]]);
      const { arrivals } = flow.follow(source.start(flow, coordinates), held.stops);
      for (const [value, pivot] of others) {
        const arrived = arrivals.get(value);
        if (!arrived || !isKnown(arrived)) continue;
        const own = pivot.source;
        const made = own.delta(flow, madeUp(arrived, reachOf(flow, pivot, value), own.size));
        const before = out.get(own.parameter);
        out.set(own.parameter, before ? before.map((x, i) => x + made[i]!) : made);
      }
      return out;
    },
  };
}

/** What a pivot with all coordinates 1 does at the value that it holds. */
function reachOf(flow: Flow, pivot: Held, value: string): Change {
  const ones = new Float64Array(pivot.source.size).fill(1);
  // Equal entries would be taken for one: coordinates are told apart by what they come from.
  const arrived = flow.follow(pivot.source.start(flow, ones), pivot.stops).arrivals.get(value);
  if (!arrived) throw new Error(`a change of ${pivot.source.parameter} does not reach ${value} at these weights`);
  return arrived;
}

/** The coordinates of a pivot that undo what has arrived. */
function madeUp(arrived: Change, reach: Change, size: number): Float64Array {
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
