/**
 * @file The graph with its partners stacked: one value [members, ...shape] that holds them all, and readers that take their
 * member out of it. It computes the same; a frame of the stack mixes its members.
 */
import type { Graph, Node } from "../../graph/graph";
import type { Tensor, TensorType } from "../../graph/tensor";
import { producers } from "../../graph/graph";

/** A stack: the value that holds the members along its first axis. */
export interface Stack {
  readonly value: string;
  readonly members: readonly string[];
}

/** A graph with stacks. */
export interface StackedGraph {
  readonly graph: Graph;
  readonly stacks: readonly Stack[];
}

/** Rewrites a graph so that each set of members (values of one shape, none computed from another) passes through a stack. */
export function stackedGraph(graph: Graph, sets: readonly (readonly string[])[]): StackedGraph {
  if (sets.length === 0) return { graph, stacks: [] };
  const constants = new Map<string, Tensor>(graph.constants);
  const types = new Map<string, TensorType>(graph.types);
  const own = new Map<string, Node[]>();
  const taken = new Map<string, string>();
  const stackOf = new Map<string, number>();
  const constant = (name: string, shape: readonly number[], values: readonly number[]): string => {
    constants.set(name, { type: "int64", shape, data: Float64Array.from(values) });
    types.set(name, { type: "int64", shape });
    return name;
  };
  const stacks = sets.map((members, s): Stack => {
    const value = `stack~${s}`;
    const type = graph.types.get(members[0]!)!;
    const shape = type.shape!;
    const origin = producers(graph).get(members[0]!)?.origin ?? {};
    const nodes: Node[] = [];
    const add = (
      operator: string,
      inputs: readonly string[],
      output: string,
      result: readonly number[],
      attributes = {},
    ): void => {
      nodes.push({ name: `${output}/${operator}`, operator, domain: "", inputs, outputs: [output], attributes, origin });
      types.set(output, { ...type, shape: result });
    };
    const target = constant(`${value}/shape`, [shape.length + 1], [1, ...shape]);
    members.forEach((m, k) => add("Reshape", [m, target], `${value}/in${k}`, [1, ...shape]));
    const inputs = members.map((_, k) => `${value}/in${k}`);
    add("Concat", inputs, value, [members.length, ...shape], { axis: 0 });
    members.forEach((m, k) => {
      add("Gather", [value, constant(`${value}/at${k}`, [], [k])], `${value}/out${k}`, shape, { axis: 0 });
      taken.set(m, `${value}/out${k}`);
      stackOf.set(m, s);
    });
    own.set(value, nodes);
    return { value, members };
  });
  const renamed = graph.nodes.map((n) =>
    n.inputs.some((i) => taken.has(i)) ? { ...n, inputs: n.inputs.map((i) => taken.get(i) ?? i) } : n,
  );
  const nodes = inOrder([...renamed, ...[...own.values()].flat()], graph, constants);
  return { graph: { ...graph, nodes, constants, types }, stacks };
}

/** Nodes in topological order, as near to the given order as that allows. Throws Error where there is a circle. */
function inOrder(nodes: readonly Node[], graph: Graph, constants: ReadonlyMap<string, Tensor>): Node[] {
  const writer = new Map<string, number>();
  nodes.forEach((n, k) => {
    for (const o of n.outputs) if (o !== "") writer.set(o, k);
  });
  const missing = nodes.map((n) => new Set(n.inputs.flatMap((i) => writer.get(i) ?? [])).size);
  const readers = new Map<number, number[]>();
  nodes.forEach((n, k) => {
    for (const w of new Set(n.inputs.flatMap((i) => writer.get(i) ?? []))) {
      const list = readers.get(w);
      if (list) list.push(k);
      else readers.set(w, [k]);
    }
  });
  const ready = missing.flatMap((m, k) => (m === 0 ? [k] : []));
  const out: Node[] = [];
  for (let at = 0; at < ready.length; at++) {
    const k = ready[at]!;
    out.push(nodes[k]!);
    for (const r of readers.get(k) ?? []) if (--missing[r]! === 0) ready.push(r);
  }
  if (out.length < nodes.length) throw new Error(`stacks of ${graph.name} wait for one another (${constants.size} constants)`);
  return out;
}
