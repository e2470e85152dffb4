/**
 * @file A value of its own for each reader, where it matters. Entries that are alike along an axis order nothing: two readers of
 * one tensor of zeros (the initial states of both directions of a recurrence), or of one index that is repeated for every
 * channel, have no coordinates in common.
 */
import type { Graph, Node } from "../graph/graph";
import { elementCount, isFloating, strides, type Tensor, type TensorType } from "../graph/tensor";

/** The graph with a copy per use of each shared constant that is the same along some axis. Values are not copied. */
export function separateConstants(graph: Graph): Graph {
  const uses = new Map<string, number>();
  for (const [name, c] of graph.constants) if (isFloating(c.type) && elementCount(c.shape) > 1) uses.set(name, 0);
  if (uses.size === 0) return graph;
  for (const node of graph.nodes) for (const i of node.inputs) if (uses.has(i)) uses.set(i, uses.get(i)! + 1);
  const shared = new Set<string>();
  for (const [name, count] of uses) if (count > 1 && isAlikeAlongAnAxis(graph.constants.get(name)!)) shared.add(name);
  if (shared.size === 0) return graph;
  const constants = new Map(graph.constants);
  const types = new Map<string, TensorType>(graph.types);
  const used = new Set<string>();
  const next = new Map<string, number>();
  const own = (name: string): string => {
    if (!shared.has(name)) return name;
    if (!used.has(name)) {
      used.add(name);
      return name;
    }
    let copy: string;
    let k = next.get(name) ?? 2;
    do copy = `${name}#${k++}`;
    while (types.has(copy));
    next.set(name, k);
    constants.set(copy, graph.constants.get(name)!);
    types.set(copy, graph.types.get(name) ?? graph.constants.get(name)!);
    return copy;
  };
  const nodes = graph.nodes.map((node): Node => {
    return node.inputs.some((i) => shared.has(i)) ? { ...node, inputs: node.inputs.map(own) } : node;
  });
  return { ...graph, nodes, constants, types };
}

/** Whether a tensor has an axis of several entries along which nothing changes. */
function isAlikeAlongAnAxis(value: Tensor): boolean {
  const step = strides(value.shape);
  return value.shape.some((n, axis) => {
    if (n < 2) return false;
    const inner = step[axis]!;
    for (let i = inner; i < value.data.length; i++) {
      if (Math.floor(i / inner) % n > 0 && value.data[i] !== value.data[i - inner]) return false;
    }
    return true;
  });
}

/** The graph with an Expand for each reader of what is repeated. */
export function separateExpands(graph: Graph): Graph {
  const repeated = new Map<string, Node>();
  for (const node of graph.nodes) if (node.operator === "Expand" && node.domain === "") repeated.set(node.outputs[0]!, node);
  if (repeated.size === 0) return graph;
  const read = new Map<string, number>();
  const types = new Map<string, TensorType>(graph.types);
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => {
      const source = repeated.get(value);
      if (source === undefined) return value;
      let k = (read.get(value) ?? 0) + 1;
      if (k > 1) while (types.has(`${value}#${k}`)) k++;
      read.set(value, k);
      if (k === 1) return value;
      const copy = `${value}#${k}`;
      types.set(copy, types.get(value)!);
      nodes.push({ ...source, name: copy, outputs: [copy] });
      return copy;
    });
    nodes.push(inputs.some((value, i) => value !== node.inputs[i]) ? { ...node, inputs } : node);
  }
  return nodes.length === graph.nodes.length ? graph : { ...graph, nodes, types };
}
