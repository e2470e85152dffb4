/**
 * @file A constant of its own for each reader, where it matters. Entries that are alike along an axis order nothing: two
 * readers of one tensor of zeros (the initial states of both directions of a recurrence) have no coordinates in common.
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
