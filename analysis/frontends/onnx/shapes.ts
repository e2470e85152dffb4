/** @file Shape inference as the reader needs it. */
import type { Graph } from "../../graph/graph";

/** A contradiction between shapes. */
export interface InferenceProblem {
  readonly node: string;
  readonly message: string;
}

/** Until the operator table's inference is there: types stay as the file declares them. */
export function inferShapes(graph: Graph): { graph: Graph; problems: InferenceProblem[] } {
  return { graph, problems: [] };
}
