/** @file What is left of a graph where some values have no entries: concatenations go without them, their writers are gone. */
import type { Graph, Node } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import { SizeConflict } from "./sizes";

/** The graph without values that have no entries, and without what only they needed. Throws SizeConflict where others read them. */
export function withoutEmpty(graph: Graph, shapeOf: (value: string) => readonly number[] | undefined): Graph {
  const isEmpty = (value: string): boolean => {
    const shape = value === "" ? undefined : shapeOf(value);
    return shape !== undefined && elementCount(shape) === 0;
  };
  const live = new Set(graph.outputs);
  const nodes: Node[] = [];
  for (const o of graph.outputs) if (isEmpty(o)) throw new SizeConflict(`nothing is left of ${o}`);
  for (let k = graph.nodes.length - 1; k >= 0; k--) {
    const node = graph.nodes[k]!;
    if (!node.outputs.some((o) => live.has(o))) continue;
    let { inputs } = node;
    if (inputs.some(isEmpty)) {
      if (node.operator !== "Concat" || node.domain !== "")
        throw new SizeConflict(`${node.operator} ${node.name} would read nothing`);
      inputs = inputs.filter((i) => !isEmpty(i));
    }
    for (const i of inputs) live.add(i);
    nodes.push(inputs === node.inputs ? node : { ...node, inputs });
  }
  const kept = <T>(map: ReadonlyMap<string, T>): Map<string, T> => new Map([...map].filter(([name]) => live.has(name)));
  return { ...graph, nodes: nodes.reverse(), parameters: kept(graph.parameters), constants: kept(graph.constants) };
}
