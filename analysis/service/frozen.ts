/** @file Parameters that the user freezes, by name or pattern. */
import type { Graph } from "../graph/graph";

/** The graph with the parameters that match one of the patterns frozen. */
export function freeze(graph: Graph, patterns: readonly string[]): Graph {
  if (patterns.length === 0) return graph;
  const tests = patterns.map(wildcard);
  const parameters = new Map(graph.parameters);
  for (const [name, p] of parameters) {
    if (p.trainable && tests.some((t) => t.test(name))) parameters.set(name, { ...p, trainable: false });
  }
  return { ...graph, parameters };
}

/** `*` stands for any characters, `?` for one. */
function wildcard(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${source}$`);
}
