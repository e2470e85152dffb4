/** @file Graph-valued attributes: what they read from the graph around them, and renaming that. */
import type { Graph, Node, Parameter } from "../graph/graph";
import { isGraph } from "./workspace";

/** Names that a body defines itself. */
function defined(graph: Graph): Set<string> {
  const own = new Set<string>([...graph.parameters.keys(), ...graph.constants.keys()]);
  for (const i of graph.inputs) own.add(i.name);
  for (const n of graph.nodes) for (const o of n.outputs) own.add(o);
  return own;
}

/** What a body (and the bodies in it) reads from outside, and the parameters that it holds. */
export function freeValues(graph: Graph): { readonly captured: ReadonlySet<string>; readonly parameters: readonly Parameter[] } {
  const own = defined(graph);
  const captured = new Set<string>();
  const parameters = [...graph.parameters.values()];
  const read = (value: string) => {
    if (value !== "" && !own.has(value)) captured.add(value);
  };
  for (const node of graph.nodes) {
    node.inputs.forEach(read);
    for (const attribute of Object.values(node.attributes)) {
      if (!isGraph(attribute)) continue;
      const inner = freeValues(attribute);
      parameters.push(...inner.parameters);
      inner.captured.forEach(read);
    }
  }
  graph.outputs.forEach(read);
  return { captured, parameters };
}

/** The body with what it reads from outside renamed. */
export function substitute(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const own = defined(graph);
  const outer = new Map([...names].filter(([name]) => !own.has(name)));
  const rename = (value: string) => outer.get(value) ?? value;
  const nodes = graph.nodes.map(
    (node): Node => ({
      ...node,
      inputs: node.inputs.map(rename),
      attributes: Object.fromEntries(
        Object.entries(node.attributes).map(([name, value]) => [name, isGraph(value) ? substitute(value, outer) : value]),
      ),
    }),
  );
  return { ...graph, nodes, outputs: graph.outputs.map(rename) };
}
