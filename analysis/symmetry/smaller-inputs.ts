/**
 * @file Smaller inputs for the numeric engines. Symmetries are properties of weights: a convolution has the same ones on
 * 4 x 4 images as on 64 x 64, where every sample costs 256 times as much.
 */
import type { Graph, Node } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import type { Equivariance } from "../operators/equivariance";
import { type InferredAxes, inferAxes } from "./spaces/infer";
import { makeTwin } from "./twin/twin";
import { findUnits, type Scaling } from "./units/scalings";

/** A graph with its axes and scalings. */
export interface Prepared {
  readonly graph: Graph;
  readonly axes: InferredAxes;
  readonly scalings: readonly Scaling[];
}

/** Activation entries up to which a graph is taken as it is. */
const CHEAP = 20_000;

/** Number of activation entries that one evaluation computes. */
export function work(graph: Graph): number {
  let n = 0;
  for (const node of graph.nodes) for (const o of node.outputs) n += elementCount(graph.types.get(o)?.shape ?? []);
  return n;
}

/**
 * The same network on smaller inputs, with all its channels and weights as they are; undefined where inputs are small
 * already or the weights' shapes depend on them.
 */
export function onSmallerInputs(
  graph: Graph,
  axes: InferredAxes,
  equivariance: (node: Node) => Equivariance | undefined,
): Prepared | undefined {
  if (work(graph) <= CHEAP) return undefined;
  const twin = makeTwin(graph, axes, { size: (space) => space.size, kernels: "keep" });
  if ("reason" in twin || work(twin.graph) >= work(graph)) return undefined;
  for (const p of graph.parameters.values()) {
    if (p.trainable && twin.graph.parameters.get(p.name)?.shape.join() !== p.shape.join()) return undefined;
  }
  const small = inferAxes(twin.graph, { equivariance, softPins: false });
  return { graph: twin.graph, axes: small, scalings: findUnits(twin.graph, small, equivariance).scalings };
}

/** The atoms of one inference that stand where another's stand, by the axes of the parameters. */
export function correspondingAtoms(graph: Graph, from: InferredAxes, to: InferredAxes): (atom: number) => readonly number[] {
  const map = new Map<number, Set<number>>();
  for (const p of graph.parameters.values()) {
    const [a, b] = [from.layout(p.name), to.layout(p.name)];
    a?.forEach((segments, axis) => {
      segments.forEach((segment, s) => {
        const other = b?.[axis]?.[s];
        if (other?.length !== segment.length) return;
        segment.forEach((f, i) => {
          if (other[i]!.size !== f.size) return;
          const set = map.get(f.atom);
          if (set) set.add(other[i]!.atom);
          else map.set(f.atom, new Set([other[i]!.atom]));
        });
      });
    });
  }
  return (atom) => [...(map.get(atom) ?? [])];
}
