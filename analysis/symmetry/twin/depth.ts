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
  const { standIns, dropped, replaced, removed } = cutDown(graph, segmentsOf(graph), keep, by);
  return dropped.size === 0 ? { graph, removed, standIns } : { graph: without(graph, dropped, replaced), removed, standIns };
}

/** What goes when runs of equal blocks are cut down. */
interface Cut {
  readonly standIns: ReadonlyMap<string, string>;
  /** Positions of the nodes that go, and values that others stand in for. */
  readonly dropped: ReadonlySet<number>;
  readonly replaced: ReadonlyMap<string, string>;
  /** Number of blocks. */
  readonly removed: number;
}

function cutDown(graph: Graph, chain: readonly Segment[], keep: number, by: "signature" | "kind"): Cut {
  const segments = [...chain];
  const standIns = new Map<string, string>();
  const dropped = new Set<number>();
  const replaced = new Map<string, string>();
  let removed = 0;
  // Short blocks first: stages of equally many blocks are then repetitions themselves.
  for (let period = 1; period <= LONGEST_PERIOD; period++) {
    for (let i = 0; i + period * (keep + 1) <= segments.length; i++) {
      const times = repetitions(graph, segments, i, period, keep, by);
      // Two linear layers one after the other, the end of one block and the beginning of the next, are no block and its copy.
      if (times < 2 || (times === 2 && segments.slice(i, i + period).every((s) => isAffine(graph, s)))) continue;
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
  return { standIns, dropped, replaced, removed };
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

/** Operators that make affine functions of activations, where all but one of their inputs are weights or constants. */
const AFFINE: ReadonlySet<string> = new Set(["Conv", "MatMul", "Add", "Reshape", "Transpose", "Identity"]);

/** Whether a segment is an affine function of what enters it. */
function isAffine(graph: Graph, { entry, nodes }: Segment): boolean {
  const active = new Set([entry]);
  return nodes.every((k) => {
    const { operator, domain, inputs, outputs } = graph.nodes[k]!;
    const read = inputs.filter((i) => active.has(i));
    if (read.length === 0) return true;
    for (const o of outputs) active.add(o);
    return read.length === 1 && domain === "" && AFFINE.has(operator);
  });
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

/** Values that many blocks read are looked for so many times, in gaps of at least this part of the nodes. */
const MOST_ROUNDS = 8;
const LEAST_GAP = 0.1;
/** The part of a gap that a value lives through which many blocks in it read, and not only one. */
const LONG_LIVED = 0.5;

/**
 * Blocks of a decoder all read what the encoder wrote, and those of other models the bias of positions or the embedding of a time:
 * such values are open from the first block to the last, so that nothing else is a cut. They are set aside wherever more can be
 * left out then.
 */
function chainOf(graph: Graph): Segment[] {
  const active = activeValues(graph);
  const given = givenEverywhere(graph);
  let common: ReadonlySet<string> = new Set();
  let best = chainBeside(graph, active, given, common);
  const goes = (segments: readonly Segment[]): readonly number[] =>
    (["signature", "kind"] as const).map((by) => cutDown(graph, segments, 1, by).dropped.size);
  let most = goes(best.segments);
  const looked = new Set<number>();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const ends = [-1, ...best.cuts, graph.nodes.length - 1];
    const gaps = ends.slice(1).map((to, k) => ({ from: ends[k]!, to }));
    const gap = gaps.reduce((a, b) => (looked.has(a.to) || (!looked.has(b.to) && b.to - b.from > a.to - a.from) ? b : a));
    if (looked.has(gap.to) || gap.to - gap.from < LEAST_GAP * graph.nodes.length) break;
    looked.add(gap.to);
    const more = longLived(graph, active, gap).filter((v) => !common.has(v));
    if (more.length === 0) continue;
    const wider = new Set([...common, ...more]);
    const next = chainBeside(graph, active, given, wider);
    const dropped = goes(next.segments);
    if (dropped.some((n, k) => n < most[k]!) || dropped.every((n, k) => n === most[k])) continue;
    [best, common, most] = [next, wider, dropped];
  }
  return best.segments;
}

/** Active values that are open through most of a gap between two cuts, and read in it by several nodes. */
function longLived(
  graph: Graph,
  active: ReadonlySet<string>,
  { from, to }: { readonly from: number; readonly to: number },
): readonly string[] {
  const born = new Map<string, number>();
  const read = new Map<string, number>();
  graph.nodes.forEach((n, k) => {
    for (const o of n.outputs) if (active.has(o)) born.set(o, k);
    for (const i of n.inputs) if (born.has(i)) read.set(i, k);
  });
  for (const o of graph.outputs) if (born.has(o)) read.set(o, graph.nodes.length);
  return [...read].flatMap(([value, last]) => {
    const lives = Math.min(last, to) - Math.max(born.get(value)!, from);
    return lives > LONG_LIVED * (to - from) ? [value] : [];
  });
}

/** Values that hang on the inputs. */
function activeValues(graph: Graph): ReadonlySet<string> {
  const active = new Set(graph.inputs.map((i) => i.name));
  for (const n of graph.nodes) if (n.inputs.some((i) => active.has(i))) for (const o of n.outputs) active.add(o);
  return active;
}

/** Values that may be read anywhere and stay when a block goes: inputs, and tables that do not train. */
function givenEverywhere(graph: Graph): ReadonlySet<string> {
  const readers = new Map<string, number>();
  for (const n of graph.nodes)
    for (const i of new Set(n.inputs)) if (graph.parameters.has(i)) readers.set(i, (readers.get(i) ?? 0) + 1);
  const tables = [...tablesOf(graph)].filter((v) => !graph.parameters.has(v) || (readers.get(v) ?? 0) > 1);
  return new Set([...graph.inputs.map((i) => i.name), ...tables]);
}

/** The chain of segments where some values, which many of them read, do not count. */
function chainBeside(
  graph: Graph,
  active: ReadonlySet<string>,
  given: ReadonlySet<string>,
  common: ReadonlySet<string>,
): { readonly segments: Segment[]; readonly cuts: readonly number[] } {
  const last = new Map<string, number>();
  graph.nodes.forEach((n, k) => {
    for (const i of n.inputs) last.set(i, k);
  });
  const isOutput = new Set(graph.outputs);
  const open = new Set<string>();
  const cuts: { readonly value: string; readonly after: number }[] = [];
  graph.nodes.forEach((n, k) => {
    if (!n.outputs.some((o) => active.has(o))) return;
    for (const o of n.outputs) if (o !== "" && !common.has(o) && ((last.get(o) ?? -1) > k || isOutput.has(o))) open.add(o);
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
  // Segments that write what others read besides their exits: they cannot be taken out.
  const writer = new Map<string, number>();
  const needed = new Set<number>();
  graph.nodes.forEach((n, k) => {
    const own = ofSegment[k]!;
    for (const i of n.inputs) {
      if (graph.parameters.has(i)) owner.set(i, (owner.get(i) ?? new Set<number>()).add(own));
      const from = common.has(i) ? writer.get(i) : undefined;
      if (from !== undefined && from !== own) needed.add(from);
    }
    for (const o of n.outputs) if (common.has(o)) writer.set(o, own);
  });
  for (const o of graph.outputs) if (writer.has(o)) needed.add(writer.get(o)!);
  const isShared = (p: string): boolean => owner.get(p)?.size !== 1;
  // What parameters alone make and several segments read (a bias of relative positions) stays as well.
  const shared = graph.nodes.flatMap((n, k) => (ofSegment[k] === SEVERAL ? n.outputs.filter((o) => !active.has(o)) : []));
  const everywhere = new Set([...given, ...common, ...shared]);
  const segments = cuts.slice(1).map(({ value }, k): Segment => {
    const nodes = nodesOf[k + 1]!;
    const entry = cuts[k]!.value;
    const found = signatureOf(graph, entry, value, nodes, isShared, everywhere);
    const kept = needed.has(k + 1) ? { signature: undefined, kind: undefined, stage: undefined } : {};
    return { entry, exit: value, nodes, ...found, ...kept };
  });
  return { segments, cuts: cuts.map((c) => c.after) };
}

/** Values of which nothing trains and that hang on no input (angles of rotary positions, masks): any block may read them. */
function tablesOf(graph: Graph): ReadonlySet<string> {
  const out = new Set<string>();
  for (const p of graph.parameters.values()) if (!p.trainable) out.add(p.name);
  for (const n of graph.nodes)
    if (n.inputs.every((i) => i === "" || out.has(i) || graph.constants.has(i))) for (const o of n.outputs) out.add(o);
  return out;
}

/** In place of a segment, for nodes that several read. */
const SEVERAL = -1;

/** Which segment each node belongs to: activations by their place, the others with what reads them. */
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
    out[k] = places.size === 1 ? [...places][0]! : SEVERAL;
  }
  return out;
}
