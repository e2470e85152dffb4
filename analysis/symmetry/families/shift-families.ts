/**
 * @file Translations and unread directions at any size, known from the graph alone (ALGORITHM.md 5.3): what is forgotten
 * behind a parameter, and what other parameters make up for. Nothing is solved numerically; how much a parameter has to make
 * up for is computed from the weights when a symmetry acts.
 */
import type { Graph } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import { hiddenParameters } from "../inert/hidden";
import type { InferredAxes } from "../spaces/infer";
import type { ParameterValues } from "../symmetry";
import { behindGains } from "./behind-gains";
import { type Change, isKnown } from "./change";
import { dependenceOf, isEntryByEntry, madeUp } from "./dependence";
import { Flow, type Memory } from "./follow";
import { kernelFamilies } from "./kernels";
import { normalisedBiasFamilies } from "./normalised-biases";
import { choosePivots, type Held, type Places, placesOf } from "./pivots";
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
  const hidden = new Set(hiddenParameters(graph));
  const seen = [...found, ...kernels, ...normalisedBiasFamilies(graph, flow, taken)].filter(
    ({ parameters }) => !parameters.every((p) => hidden.has(p)),
  );
  return [...seen, ...[...hidden].map((p) => whole(flow, p))];
}

/** All of a parameter, whatever it is. */
function whole(flow: Flow, parameter: string): ShiftFamily {
  const sizes = flow.shape(parameter);
  const dimension = elementCount(sizes);
  return {
    family: "translation",
    parameter,
    parameters: [parameter],
    sizes,
    dimension,
    delta: (_, coordinates) => new Map([[parameter, Float64Array.from({ length: dimension }, (_entry, i) => coordinates[i]!)]]),
  };
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

  /** A source held at the first stations of others that it comes to; undefined where it gets past them. */
  hold(source: Source): Held | undefined {
    const stops = new Set([...this.#sources].flatMap(([value, own]) => (own.parameter === source.parameter ? [] : [value])));
    const { arrivals, blocked, lost } = this.#flow.follow(source.start(this.#flow), stops);
    return lost || blocked.size > 0 || arrivals.size === 0 ? undefined : { source, arrivals, stops };
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
  const early = new Set<Held>();
  for (;;) {
    const places = placesOf(alive);
    const { pivots, uncovered } = choosePivots(places, (value) => stations.at(value));
    if (uncovered.size === 0) {
      const chosen = new Set([...pivots.values()]);
      const isItself = (h: Held): boolean =>
        [...h.arrivals.keys()].every((v) => !places.has(v) || pivots.get(v)?.source.parameter === h.source.parameter);
      return [...alive]
        .filter((h) => !chosen.has(h) && !(h.source.isGrouped && isItself(h)))
        .map((h) => ({ source: h.source, family: familyOf(graph, h, places, pivots) }));
    }
    for (const h of uncovered) {
      alive.delete(h);
      // What nobody makes up for in the end (behind a rotation by places) may be made up for where it first meets a bias.
      const sooner = early.has(h) ? undefined : stations.hold(h.source);
      if (!sooner) continue;
      early.add(sooner);
      alive.add(sooner);
    }
  }
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
