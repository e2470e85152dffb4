/**
 * @file What of a graph a person wants to see: not the arithmetic on shapes, not what only prepares a weight, not nodes that
 * pass their input on. What is left out is remembered with the node that it serves.
 */
import { consumers, type Graph, type Node, producers } from "../graph/graph";
import { operatorsThat } from "../operators/movers";

/** A graph's nodes as they are drawn. */
export interface VisibleGraph {
  /** In graph order. */
  readonly nodes: readonly Node[];
  /** For each drawn node the values of the data that it reads, those of drawn nodes or inputs of the network. */
  readonly reads: ReadonlyMap<Node, readonly string[]>;
  /** For each drawn node the parameters that it reads, some through nodes that are not drawn. */
  readonly parameters: ReadonlyMap<Node, readonly string[]>;
  /** The drawn node that stands for one that is not drawn, by name: the first that uses it. */
  readonly standsFor: ReadonlyMap<string, Node>;
  /** The value that is drawn in the place of a network output: itself, or what a passing node got it from. */
  drawn(value: string): string;
}

/** Operators whose output depends on nothing but the shape of their input. */
const MEASURES: ReadonlySet<string> = new Set(["Shape", "Size"]);
/** Operators that pass their input on. */
const PASSES: ReadonlySet<string> = new Set(["Identity"]);
/** Operators that only rearrange: applied to a weight they are a matter of layout. */
const REARRANGES: ReadonlySet<string> = new Set([
  ...operatorsThat("reshapes", "transposes", "splits"),
  "Cast",
  "Expand",
  "Slice",
]);

/** Leaves out what nobody wants to see. Linear in the size of the graph. */
export function visibleGraph(graph: Graph): VisibleGraph {
  const wanted = new Set(graph.outputs);
  const settled = new Set(graph.constants.keys());
  /** The weights behind values that are rearranged weights. */
  const weights = new Map<string, readonly string[]>([...graph.parameters.keys()].map((p) => [p, [p]]));
  const alias = new Map<string, string>();
  const drawn = (value: string): string => {
    let at = value;
    for (let next = alias.get(at); next !== undefined; next = alias.get(at)) at = next;
    return at;
  };
  const nodes: Node[] = [];
  const reads = new Map<Node, readonly string[]>();
  const parameters = new Map<Node, readonly string[]>();
  for (const node of graph.nodes) {
    const inputs = node.inputs.filter((i) => i !== "");
    const output = node.outputs[0] ?? "";
    const isWanted = node.outputs.some((o) => wanted.has(o));
    const isRandom = node.operator.startsWith("Random") || node.operator === "Bernoulli" || node.operator === "Multinomial";
    if (!isWanted && !isRandom && (MEASURES.has(node.operator) || inputs.every((i) => settled.has(i)))) {
      for (const o of node.outputs) settled.add(o);
      continue;
    }
    const data = inputs.filter((i) => !settled.has(i) && !weights.has(i));
    const own = [...new Set(inputs.flatMap((i) => weights.get(i) ?? []))];
    if (!isWanted && data.length === 0 && own.length > 0 && REARRANGES.has(node.operator)) {
      for (const o of node.outputs) weights.set(o, own);
      continue;
    }
    if (PASSES.has(node.operator) && data.length === 1 && node.outputs.length === 1) {
      alias.set(output, data[0]!);
      continue;
    }
    nodes.push(node);
    reads.set(node, [...new Set(data.map(drawn))]);
    parameters.set(node, own);
  }
  return { nodes, reads, parameters, standsFor: representatives(graph, new Set(nodes)), drawn };
}

/** For each node that is not drawn the first drawn one after it, or the one before it where none follows. */
function representatives(graph: Graph, drawn: ReadonlySet<Node>): Map<string, Node> {
  const readers = consumers(graph);
  const writers = producers(graph);
  const out = new Map<string, Node>();
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (drawn.has(node)) {
      out.set(node.name, node);
      continue;
    }
    const after = node.outputs.flatMap((o) => readers.get(o) ?? []);
    const found = after.map((n) => out.get(n.name)).find((n) => n !== undefined);
    if (found) out.set(node.name, found);
  }
  for (const node of graph.nodes) {
    if (out.has(node.name)) continue;
    const before = node.inputs.map((i) => writers.get(i)).find((n) => n !== undefined && out.has(n.name));
    if (before) out.set(node.name, out.get(before.name)!);
  }
  return out;
}
