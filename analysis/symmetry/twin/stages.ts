/**
 * @file Fewer resolutions: a pyramid (Liu et al. 2103.14030) repeats a stage at half the resolution, again and again. Its stages
 * are no equal blocks, since what they read has other numbers of places. The last two of a run stay, so that there is one between
 * two others; what each of them would have twice they share out, and the images become as small as they need them.
 */
import type { Graph } from "../../graph/graph";
import { inferShapes } from "../../operators/inference";
import { LONGEST_PERIOD, type Segment, segmentsOf, type Shortened, without } from "./depth";

/** Repetitions of one stage. */
interface Run {
  /** Position of its first segment, and segments of one stage. */
  readonly at: number;
  readonly period: number;
  readonly times: number;
}

/** Stages that stay. */
const KEPT = 2;

/**
 * The graph with two stages of the longest run of stages that differ in resolution and widths only, and each block that is added
 * to what it reads in one of the two; the graph itself where there is no such run, or where the images cannot become as small as
 * the last stages need them.
 */
export function withoutStages(graph: Graph): Shortened {
  const segments = segmentsOf(graph);
  const run = longestRun(graph, segments);
  const none: Shortened = { graph, removed: 0, standIns: new Map() };
  if (!run) return none;
  const { at, period, times } = run;
  const stages = Array.from({ length: times }, (_, k) => segments.slice(at + k * period, at + (k + 1) * period));
  const kept = stages.slice(-KEPT);
  const sharers = whoKeeps(graph, kept);
  const gone = new Set(stages.slice(0, -KEPT).flat());
  kept.forEach((stage, k) => {
    stage.forEach((s, n) => {
      if (sharers[n] !== undefined && sharers[n] !== k) gone.add(s);
    });
  });
  if (gone.size === 0) return none;
  const entry = segments[at]!.entry;
  const first = kept[0]![0]!.entry;
  // What is left out hands on what it reads; the first of the stages that stay reads what the first one did.
  const replaced = new Map([...gone].map((s) => [s.exit, s.entry]));
  if (first !== entry) replaced.set(first, entry);
  const cut = without(graph, new Set([...gone].flatMap((s) => s.nodes)), replaced);
  const smaller = withSmallerInputs(cut, entry, shapeOf(graph, first)!);
  if (!smaller || !isUnchangedBehind(graph, smaller, entry)) return none;
  const standIns = new Map<string, string>();
  for (const stage of stages) {
    stage.forEach((s, n) => {
      const stays = kept[sharers[n] ?? 0]![n]!;
      s.parameters.forEach((p, i) => standIns.set(p, stays.parameters[i]!));
    });
  }
  return { graph: smaller, removed: 0, stages: times, standIns };
}

/**
 * By segment of a stage, which of the stages that stay keeps it; undefined where all do. Segments that are added to what they
 * read fit in or out of any stage: each stage keeps some that lie together.
 */
function whoKeeps(graph: Graph, kept: readonly (readonly Segment[])[]): readonly (number | undefined)[] {
  const isAdded = ({ entry, exit, nodes }: Segment): boolean => {
    const last = graph.nodes[nodes.at(-1) ?? -1];
    if (last?.operator !== "Add" || !last.outputs.includes(exit) || !last.inputs.includes(entry)) return false;
    return nodes.some((k) => graph.nodes[k] !== last && graph.nodes[k]!.inputs.includes(entry));
  };
  const added = kept[0]!.flatMap((s, n) => (isAdded(s) ? [n] : []));
  if (added.length < kept.length) return [];
  const out: (number | undefined)[] = kept[0]!.map(() => undefined);
  added.forEach((n, k) => {
    out[n] = Math.floor((k * kept.length) / added.length);
  });
  return out;
}

function shapeOf(graph: Graph, value: string): readonly number[] | undefined {
  return graph.types.get(value)?.shape;
}

/** The run with most segments to leave out; shorter stages where several have as many. */
function longestRun(graph: Graph, segments: readonly Segment[]): Run | undefined {
  let best: Run | undefined;
  let most = 0;
  for (let period = 1; period <= Math.min(LONGEST_PERIOD, segments.length / KEPT); period++) {
    for (let at = 0; at + KEPT * period <= segments.length; at++) {
      let times = 1;
      while (repeats(segments, at, period, times)) times++;
      if (times < KEPT || (times - 1) * period <= most || !isPyramid(graph, segments, { at, period, times })) continue;
      [best, most] = [{ at, period, times }, (times - 1) * period];
    }
  }
  return best;
}

/** Whether the segments after so many stages are one more. */
function repeats(segments: readonly Segment[], at: number, period: number, times: number): boolean {
  for (let k = at; k < at + period; k++) {
    const own = segments[k]!.stage;
    if (own === undefined || segments[k + times * period]?.stage !== own) return false;
  }
  return true;
}

/** Whether every stage of a run reads fewer places than the one before, and no more channels. */
function isPyramid(graph: Graph, segments: readonly Segment[], { at, period, times }: Run): boolean {
  let before = shapeOf(graph, segments[at]!.entry);
  for (let k = 1; k < times; k++) {
    const next = shapeOf(graph, segments[at + k * period]!.entry);
    if (!before || next?.length !== before.length) return false;
    const [old, own] = [before, next];
    if (!own.every((n, axis) => n <= old[axis]!) || own.join() === old.join()) return false;
    before = next;
  }
  return true;
}

/** The graph with inputs of which the given value has the wanted shape: one axis at a time, the smallest size that does. */
function withSmallerInputs(graph: Graph, value: string, wanted: readonly number[]): Graph | undefined {
  const last = graph.nodes.findIndex((n) => n.outputs.includes(value));
  const stem = { ...graph, nodes: graph.nodes.slice(0, last + 1) };
  let inputs = graph.inputs;
  const open = (found: readonly number[]): number => found.filter((n, axis) => n !== wanted[axis]).length;
  let left = open(shapeOf(graph, value)!);
  for (const [k, input] of graph.inputs.entries()) {
    for (let axis = 1; axis < input.shape.length && left > 0; axis++) {
      for (let size = 2; size < input.shape[axis]!; size++) {
        const shape = inputs[k]!.shape.map((n, i) => (i === axis ? size : n));
        const tried = inputs.map((own, i) => (i === k ? { ...own, shape } : own));
        const inference = inferShapes({ ...stem, inputs: tried });
        const found = inference.problems.length === 0 ? shapeOf(inference.graph, value) : undefined;
        if (found?.length !== wanted.length || open(found) >= left) continue;
        [inputs, left] = [tried, open(found)];
        break;
      }
    }
  }
  if (left > 0) return undefined;
  const { graph: out, problems } = inferShapes({ ...graph, inputs });
  return problems.length === 0 ? out : undefined;
}

/** Whether all that comes behind a value has the shapes that it had. */
function isUnchangedBehind(before: Graph, after: Graph, value: string): boolean {
  const behind = new Set([value]);
  return after.nodes.every((node) => {
    if (!node.inputs.some((i) => behind.has(i))) return true;
    for (const o of node.outputs) behind.add(o);
    return node.outputs.every((o) => o === "" || shapeOf(before, o)?.join() === shapeOf(after, o)?.join());
  });
}
