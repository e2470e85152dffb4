/** @file The one error that the analysis of a Graph may end in. */

/** What a {@link GraphError} says. */
export interface GraphErrorDetails {
  /** Name of the graph. */
  readonly graph: string;
  /** The node at fault, `Conv conv1`, or the value, `input x`. */
  readonly place: string;
  /** What is wrong, as a sentence without the place. */
  readonly problem: string;
  /** What should have been there. */
  readonly expected: string;
}

/**
 * A Graph that is none: values that two nodes write, outputs that nobody writes, sizes that no tensor has. What is merely
 * not understood (unknown operators, nodes that contradict their operator) is no error but opaque.
 */
export class GraphError extends Error {
  readonly graph: string;
  readonly place: string;

  constructor({ graph, place, problem, expected }: GraphErrorDetails) {
    super(`${graph}, ${place}: ${problem}. Expected ${expected}. Export the model again, or report it if it loads elsewhere.`);
    this.name = "GraphError";
    this.graph = graph;
    this.place = place;
  }
}
