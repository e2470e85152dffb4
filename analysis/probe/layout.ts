/** @file The layout of a network's parameters: which train, which are running statistics, which stay. */
import { elementCount, type Shape } from "../graph/tensor";
import { LARGEST_FLAT, makePacks, type Pack } from "./packs";
import type { Trainable } from "./prepare";

/** Where the values of a network's parameters are. */
export interface Layout {
  readonly parameters: readonly Pack[];
  readonly statistics: readonly Pack[];
  /** Parameters and buffers that do not change. */
  readonly frozen: readonly string[];
}

/** Lays out the parameters that the network uses; in one vector where they are few, or where several runs share a graph. */
export function layoutOf(trainable: Trainable, shared: boolean): Layout {
  const { graph } = trainable;
  const read = new Set(graph.nodes.flatMap((n) => n.inputs));
  const own = (name: string): { name: string; shape: Shape } => ({ name, shape: graph.parameters.get(name)!.shape });
  const statistics = new Set(trainable.statistics.flatMap((s) => [s.mean, s.variance]));
  const names = [...graph.parameters.keys()].filter((name) => read.has(name) || statistics.has(name));
  const moves = (name: string) => graph.parameters.get(name)!.trainable && graph.parameters.get(name)!.type === "float32";
  const moving = names.filter((name) => moves(name) && !statistics.has(name));
  const size = moving.reduce((n, name) => n + elementCount(graph.parameters.get(name)!.shape), 0);
  return {
    parameters: makePacks("probe:theta", moving.map(own), shared || (size <= LARGEST_FLAT && moving.length > 1)),
    statistics: makePacks("probe:statistics", [...statistics].map(own), true),
    frozen: names.filter((name) => !moves(name) && !statistics.has(name)),
  };
}
