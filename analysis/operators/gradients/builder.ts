/** @file A graph that grows: nodes are appended with their types inferred by the operator table. */
import type { Graph, GraphInput, Node, Parameter } from "../../graph/graph";
import type { Origin } from "../../graph/source";
import type { Tensor, TensorType } from "../../graph/tensor";
import type { Builder, Operator } from "../operator";

/** Looks an operator up. */
type Table = (operator: string, domain: string) => Operator | undefined;

/** Constants of at most this many elements are shared when they are equal. */
const LARGEST_SHARED = 64;

/** Appends nodes of operator set 21 to a graph. */
export class GraphBuilder implements Builder {
  readonly nodes: Node[];
  readonly constants: Map<string, Tensor>;
  readonly types: Map<string, TensorType>;
  readonly inputs: GraphInput[];
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Origin of the nodes that are made. */
  origin: Origin = {};
  readonly #shared = new Map<string, string>();
  /** Names of nodes so far: their values may have other ones. */
  readonly #nodeNames: Set<string>;
  #counter = 0;

  constructor(
    readonly source: Graph,
    private readonly table: Table,
    /** What names that are made begin with: those of a nested graph may not be those of the graph around it. */
    private readonly prefix = "",
  ) {
    this.nodes = [...source.nodes];
    this.#nodeNames = new Set(source.nodes.map((n) => n.name));
    this.constants = new Map(source.constants);
    this.types = new Map(source.types);
    this.inputs = [...source.inputs];
    this.parameters = source.parameters;
  }

  /** A name that nothing has. */
  fresh(base: string): string {
    for (;;) {
      const name = `${this.prefix}${base}_${this.#counter++}`;
      if (!this.types.has(name) && !this.constants.has(name) && !this.#nodeNames.has(name)) return name;
    }
  }

  type(value: string): TensorType {
    return this.types.get(value) ?? { type: "other", shape: undefined };
  }

  constant(value: string): Tensor | undefined {
    return this.constants.get(value);
  }

  addConstant(tensor: Tensor): string {
    const isSmall = tensor.data.length <= LARGEST_SHARED;
    const key = isSmall ? `${tensor.type}[${tensor.shape.join()}]${tensor.data.join()}` : undefined;
    const known = key === undefined ? undefined : this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.fresh("constant");
    this.constants.set(name, tensor);
    this.types.set(name, { type: tensor.type, shape: tensor.shape });
    if (key !== undefined) this.#shared.set(key, name);
    return name;
  }

  addInput(name: string, type: GraphInput["type"], shape: readonly number[]): string {
    this.inputs.push({ name, type, shape });
    this.types.set(name, { type, shape });
    return name;
  }

  add(operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string {
    return this.addAll(operator, inputs, 1, attributes)[0]!;
  }

  /**
   * Adds a node with several outputs and returns their names.
   * @throws Error when the operator has no shape rule or its inputs contradict it
   */
  addAll(operator: string, inputs: readonly string[], outputs: number, attributes: Node["attributes"] = {}): string[] {
    const names = Array.from({ length: outputs }, () => this.fresh(operator));
    this.append({ name: names[0]!, operator, domain: "", inputs, outputs: names, attributes, origin: this.origin });
    return names;
  }

  /** Appends a node as it is, under another name where its own is taken, and infers its types. */
  append(node: Node): void {
    const entry = this.table(node.operator, node.domain);
    if (!entry) throw new Error(`${node.operator} ${node.name}: the operator is not in the operator table`);
    const types = entry.infer(node, {
      inputs: node.inputs.map((i) => this.type(i)),
      opset: 21,
      constant: (index) => this.constants.get(node.inputs[index] ?? ""),
    });
    node.outputs.forEach((name, k) => {
      if (name !== "" && types[k]) this.types.set(name, types[k]);
    });
    this.take(node);
  }

  /** Appends a node whose outputs' types are known, under another name where its own is taken. */
  take(node: Node): void {
    const name = this.#nodeNames.has(node.name) ? this.fresh(node.operator) : node.name;
    this.#nodeNames.add(name);
    this.nodes.push(name === node.name ? node : { ...node, name });
  }

  /** The graph so far. */
  finish(outputs: readonly string[]): Graph {
    return {
      name: this.source.name,
      opset: 21,
      inputs: this.inputs,
      outputs,
      nodes: this.nodes,
      parameters: this.parameters,
      constants: this.constants,
      types: this.types,
    };
  }
}
