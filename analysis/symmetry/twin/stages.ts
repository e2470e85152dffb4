/**
 * @file Fewer resolutions: a pyramid (Liu et al. 2103.14030) repeats a stage at half the resolution, again and again. Its stages
 * are no equal blocks, since what they read has other numbers of places; the last one of a run stays, and the images become as
 * small as it needs them.
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

/**
 * The graph with one stage of the longest run of stages that differ in resolution and widths only; the graph itself where there
 * is none, or where the images cannot become as small as the last stage needs them.
 */
export function withoutStages(graph: Graph): Shortened {
  const segments = segmentsOf(graph);
  const run = longestRun(graph, segments);
  const none: Shortened = { graph, removed: 0, standIns: new Map() };
  if (!run) return none;
  const { at, period, times } = run;
  const kept = at + (times - 1) * period;
  const entry = segments[at]!.entry;
  const wanted = shapeOf(graph, segments[kept]!.entry)!;
  const dropped = new Set(segments.slice(at, kept).flatMap((s) => s.nodes));
  const cut = without(graph, dropped, new Map([[segments[kept]!.entry, entry]]));
  const smaller = withSmallerInputs(cut, entry, wanted);
  if (!smaller || !isUnchangedBehind(graph, smaller, segments[kept]!.entry, entry)) return none;
  const standIns = new Map<string, string>();
  for (let k = at; k < kept + period; k++) {
    const last = segments[kept + ((k - at) % period)]!;
    segments[k]!.parameters.forEach((p, n) => standIns.set(p, last.parameters[n]!));
  }
  return { graph: smaller, removed: times - 1, standIns };
}

function shapeOf(graph: Graph, value: string): readonly number[] | undefined {
  return graph.types.get(value)?.shape;
}

/** The run with most segments to leave out; shorter stages where several have as many. */
function longestRun(graph: Graph, segments: readonly Segment[]): Run | undefined {
  let best: Run | undefined;
  let most = 0;
  for (let period = 1; period <= Math.min(LONGEST_PERIOD, segments.length / 2); period++) {
    for (let at = 0; at + 2 * period <= segments.length; at++) {
      let times = 1;
      while (repeats(segments, at, period, times)) times++;
      if (times < 2 || (times - 1) * period <= most || !isPyramid(graph, segments, { at, period, times })) continue;
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

/** Whether every stage of a run reads fewer places than the one before, and as many channels. */
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

/** Whether all that comes behind a value has the shapes that it had, when another value takes its place. */
function isUnchangedBehind(before: Graph, after: Graph, value: string, other: string): boolean {
  const behind = new Set([value, other]);
  return after.nodes.every((node) => {
    if (!node.inputs.some((i) => behind.has(i))) return true;
    for (const o of node.outputs) behind.add(o);
    return node.outputs.every((o) => o === "" || shapeOf(before, o)?.join() === shapeOf(after, o)?.join());
  });
}
