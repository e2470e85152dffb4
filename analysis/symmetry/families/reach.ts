/** @file Graphs whose sizes no memory holds: damaged files say anything. */
import type { Graph } from "../../graph/graph";
import { elementCount, type Shape } from "../../graph/tensor";

const LONGEST_AXIS = 2 ** 24;
const MOST_ENTRIES = 2 ** 31;

/** Whether every value and parameter has a size that changes of it can be written down for. */
export function isWithinReach(graph: Graph): boolean {
  const holds = (shape: Shape | undefined): boolean =>
    shape === undefined || (shape.every((n) => n <= LONGEST_AXIS) && elementCount(shape) <= MOST_ENTRIES);
  for (const { shape } of graph.types.values()) if (!holds(shape)) return false;
  for (const { shape } of graph.parameters.values()) if (!holds(shape)) return false;
  return true;
}
