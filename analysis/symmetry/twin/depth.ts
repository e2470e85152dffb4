/**
 * @file Fewer repetitions: a chain of equal blocks (the blocks of a transformer, of a stage of a ResNet) is shortened. What acts
 * inside a block, and between neighbours, is the same for two of them as for twelve.
 */
import type { Graph } from "../../graph/graph";
import { signatureOf } from "./signature";

/** Segments that one repeated block may consist of. */
export const LONGEST_PERIOD = 64;

/** A piece of the graph that is entered and left by one value each. */
export interface Segment {
  readonly entry: string;
  readonly exit: string;
  /** Positions of its nodes, those that parameters and constants alone feed among them. */
  readonly nodes: readonly number[];
  /** Equal for segments that compute the same with other parameters; undefined where it cannot be taken out. */
  readonly signature: string | undefined;
  /** The same without the widths. */
  readonly kind: string | undefined;
  /** The same without the number of places. */
  readonly stage: string | undefined;
  /** Its parameters, in the order in which the signature meets them. */
  readonly parameters: readonly string[];
}

/** A graph with fewer repetitions. */
export interface Shortened {
  readonly graph: Graph;
  /** Number of blocks left out. */
  readonly removed: number;
  /** Of how many stages at different resolutions some are left out, where they are. */
  readonly stages?: number;
  /** For the parameters of repeated blocks, kept or not, those of the first block of their run. */
  readonly standIns: ReadonlyMap<string, string>;
}

/**
 * The graph with every run of equal blocks cut down to `keep` of them; the graph itself where nothing repeats. Parameters of
 * blocks that are gone are gone. `by` tells when blocks are equal: "kind" lets the first of them differ from the others in the
 * widths that it reads, as at the beginning of a stage.
 */
export function withoutRepetitions(graph: Graph, keep: number, by: "signature" | "kind" = "signature"): Shortened {
  const segments = [...segmentsOf(graph)];
  const standIns = new Map<string, string>();
  const dropped = new Set<number>();
  const replaced = new Map<string, string>();
  let removed = 0;
  // Short blocks first: stages of equally many blocks are then repetitions themselves.
  for (let period = 1; period <= LONGEST_PERIOD; period++) {
    for (let i = 0; i + period * (keep + 1) <= segments.length; i++) {
      const times = repetitions(graph, segments, i, period, keep, by);
      if (times < 2) continue;
      for (let k = i + period; k < i + times * period; k++) {
        const first = segments[i + ((k - i) % period)]!;
        segments[k]!.parameters.forEach((p, n) => standIns.set(p, first.parameters[n]!));
      }
      if (times <= keep) continue;
      const gone = segments.splice(i + keep * period, (times - keep) * period);
      for (const s of gone) for (const n of s.nodes) dropped.add(n);
      replaced.set(gone.at(-1)!.exit, gone[0]!.entry);
      removed += times - keep;
    }
  }
  return dropped.size === 0 ? { graph, removed, standIns } : { graph: without(graph, dropped, replaced), removed, standIns };
}

/**
 * The graph without the nodes at some positions and what only they read, where others stand in for values that they made. Types
 * stay as they are.
 */
export function without(graph: Graph, dropped: ReadonlySet<number>, replaced: ReadonlyMap<string, string>): Graph {
  const rename = (value: string): string => {
    let at = value;
    for (let next = replaced.get(at); next !== undefined; next = replaced.get(at)) at = next;
    return at;
  };
  const nodes = graph.nodes.flatMap((n, k) =>
    dropped.has(k) ? [] : [n.inputs.some((i) => replaced.has(i)) ? { ...n, inputs: n.inputs.map(rename) } : n],
  );
  const used = new Set(nodes.flatMap((n) => n.inputs));
  for (const o of graph.outputs) used.add(o);
  const made = new Set(nodes.flatMap((n) => n.outputs));
  const isThere = (name: string): boolean => used.has(name) || made.has(name) || graph.inputs.some((i) => i.name === name);
  return {
    ...graph,
    nodes,
    parameters: new Map([...graph.parameters].filter(([name]) => used.has(name))),
    constants: new Map([...graph.constants].filter(([name]) => used.has(name))),
    types: new Map([...graph.types].filter(([name]) => isThere(name))),
  };
}

/**
 * How many times the segments from a position on repeat the first `period` of them; with other widths, as often as what comes
 * after those that are kept leaves a value as it found it.
 */
function repetitions(
  graph: Graph,
  segments: readonly Segment[],
  at: number,
  period: number,
  keep: number,
  by: "signature" | "kind",
): number {
  let length = 0;
  while (at + length < segments.length) {
    const own = segments[at + length]![by];
    if (own === undefined || (length >= period && own !== segments[at + length - period]![by])) break;
    length++;
  }
  let times = Math.floor(length / period);
  const shape = (value: string): string | undefined => graph.types.get(value)?.shape?.join();
  const kept = at + keep * period;
  while (by === "kind" && times > keep && shape(segments[kept]!.entry) !== shape(segments[at + times * period - 1]!.exit))
    times--;
  return times;
}

const chains = new WeakMap<Graph, readonly Segment[]>();

/** The graph as a chain of segments between values that everything from the inputs to the outputs goes through. */
export function segmentsOf(graph: Graph): readonly Segment[] {
  let known = chains.get(graph);
  if (!known) {
    known = chainOf(graph);
    chains.set(graph, known);
  }
  return known;
}

function chainOf(graph: Graph): Segment[] {
  const given = new Set(graph.inputs.map((i) => i.name));
  const active = new Set(given);
  const last = new Map<string, number>();
  graph.nodes.forEach((n, k) => {
    if (n.inputs.some((i) => active.has(i))) for (const o of n.outputs) active.add(o);
    for (const i of n.inputs) last.set(i, k);
  });
  const isOutput = new Set(graph.outputs);
  const open = new Set<string>();
  const cuts: { readonly value: string; readonly after: number }[] = [];
  graph.nodes.forEach((n, k) => {
    if (!n.outputs.some((o) => active.has(o))) return;
    for (const o of n.outputs) if (o !== "" && ((last.get(o) ?? -1) > k || isOutput.has(o))) open.add(o);
    for (const i of n.inputs) if (last.get(i) === k && !isOutput.has(i)) open.delete(i);
    if (open.size === 1) {
      const [value] = open;
      if (n.outputs.includes(value!)) cuts.push({ value: value!, after: k });
    }
  });
  const ofSegment = assignment(graph, cuts, active);
  const nodesOf: number[][] = cuts.map(() => []);
  ofSegment.forEach((s, k) => {
    if (s > 0 && s < cuts.length) nodesOf[s]!.push(k);
  });
  const owner = new Map<string, Set<number>>();
  graph.nodes.forEach((n, k) => {
    for (const i of n.inputs) {
      if (!graph.parameters.has(i)) continue;
      const own = owner.get(i) ?? new Set();
      owner.set(i, own.add(ofSegment[k]!));
    }
  });
  const isShared = (p: string): boolean => owner.get(p)?.size !== 1;
  const everywhere = new Set([...given, ...tablesOf(graph)].filter((v) => !graph.parameters.has(v) || isShared(v)));
  return cuts.slice(1).map(({ value }, k): Segment => {
    const nodes = nodesOf[k + 1]!;
    const entry = cuts[k]!.value;
    return { entry, exit: value, nodes, ...signatureOf(graph, entry, value, nodes, isShared, everywhere) };
  });
}

/** Values of which nothing trains and that hang on no input (angles of rotary positions, masks): any block may read them. */
function tablesOf(graph: Graph): ReadonlySet<string> {
  const out = new Set<string>();
  for (const p of graph.parameters.values()) if (!p.trainable) out.add(p.name);
  for (const n of graph.nodes)
    if (n.inputs.every((i) => i === "" || out.has(i) || graph.constants.has(i))) for (const o of n.outputs) out.add(o);
  return out;
}

/** Which segment each node belongs to: activations by their place, the others with what reads them; -1 for several. */
function assignment(graph: Graph, cuts: readonly { readonly after: number }[], active: ReadonlySet<string>): number[] {
  const out = new Array<number>(graph.nodes.length).fill(-2);
  const readers = new Map<string, number[]>();
  let s = 0;
  graph.nodes.forEach((n, k) => {
    for (const i of n.inputs) {
      const list = readers.get(i);
      if (list) list.push(k);
      else readers.set(i, [k]);
    }
    while (s < cuts.length && cuts[s]!.after < k) s++;
    if (n.outputs.some((o) => active.has(o))) out[k] = s;
  });
  for (let k = graph.nodes.length - 1; k >= 0; k--) {
    if (out[k] !== -2) continue;
    const places = new Set(graph.nodes[k]!.outputs.flatMap((o) => (readers.get(o) ?? []).map((r) => out[r]!)));
    out[k] = places.size === 1 ? [...places][0]! : -1;
  }
  return out;
}
