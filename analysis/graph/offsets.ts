/**
 * @file Parameters that are only read with a constant added (the gain `1 + w` of a norm, the bias of a layer that makes such
 * gains): with what is added they are parameters like any other, which may be scaled and turned.
 */
import type { Graph, Node, Parameter } from "./graph";
import type { Tensor, TensorType } from "./tensor";

/** What is added to a parameter wherever it is read. */
export interface ParameterOffset {
  /** The parameter as the model has it. */
  readonly given: Parameter;
  /** One number for each of its entries. */
  readonly values: Float64Array;
}

/** Offsets by the names of parameters. */
export type ParameterOffsets = ReadonlyMap<string, ParameterOffset>;

const GIVEN = new WeakMap<Graph, Graph>();

/** A graph on parameters with their offsets as one on the parameters as they are, to which they are added first. */
export function onGivenParameters(graph: Graph, offsets: ParameterOffsets): Graph {
  const known = GIVEN.get(graph);
  if (known) return known;
  const parameters = new Map(graph.parameters);
  const constants = new Map<string, Tensor>(graph.constants);
  const types = new Map<string, TensorType>(graph.types);
  const free = (name: string): string => (types.has(name) ? free(`${name}'`) : name);
  const sums = new Map<string, string>();
  const added: Node[] = [];
  for (const [name, { given, values }] of offsets) {
    if (!parameters.has(name)) continue;
    const { type, shape, origin } = given;
    parameters.set(name, given);
    const offset = free(`${name}/offset`);
    constants.set(offset, { type, shape, data: values });
    types.set(offset, { type, shape });
    const sum = free(`${name}/sum`);
    types.set(sum, { type, shape });
    sums.set(name, sum);
    added.push({ name: sum, operator: "Add", domain: "", inputs: [name, offset], outputs: [sum], attributes: {}, origin });
  }
  const nodes = graph.nodes.map((node) =>
    node.inputs.some((i) => sums.has(i)) ? { ...node, inputs: node.inputs.map((i) => sums.get(i) ?? i) } : node,
  );
  const made: Graph = { ...graph, parameters, constants, types, nodes: [...added, ...nodes] };
  GIVEN.set(graph, made);
  return made;
}
