/** @file Test support: graphs written by hand, a line per node. */
import type { Attribute, Graph, Node, Parameter } from "../../graph/graph";
import type { ElementType, Shape, Tensor } from "../../graph/tensor";

/** Builds a Graph node by node; the methods return value names. */
export class GraphBuilder {
  readonly #nodes: Node[] = [];
  readonly #inputs: { name: string; type: ElementType; shape: Shape }[] = [];
  readonly #parameters = new Map<string, Parameter>();
  readonly #constants = new Map<string, Tensor>();

  constructor(
    readonly opset = 17,
    /** Starts the names of what is made here, so that bodies and the graphs around them do not share names. */
    readonly prefix = "",
  ) {}

  input(name: string, shape: Shape, type: ElementType = "float32"): string {
    this.#inputs.push({ name, type, shape });
    return name;
  }

  parameter(name: string, shape: Shape, trainable = true): string {
    this.#parameters.set(name, { name, type: "float32", shape, trainable, origin: {} });
    return name;
  }

  constant(shape: Shape, data: readonly number[], type: ElementType = "float32"): string {
    const name = `${this.prefix}c${this.#constants.size}`;
    this.#constants.set(name, { type, shape, data: Float64Array.from(data) });
    return name;
  }

  /** A node with one output, in the standard domain unless told. */
  add(operator: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}, domain = ""): string {
    return this.addAll(operator, inputs, 1, attributes, domain)[0]!;
  }

  /** A node with several outputs. */
  addAll(
    operator: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Record<string, Attribute> = {},
    domain = "",
  ): string[] {
    const name = `${this.prefix}n${this.#nodes.length}`;
    const names = Array.from({ length: outputs }, (_, i) => (outputs === 1 ? `${name}.y` : `${name}.y${i}`));
    this.#nodes.push({ name, operator, domain, inputs, outputs: names, attributes, origin: { node: name } });
    return names;
  }

  build(...outputs: readonly string[]): Graph {
    return {
      name: "graph",
      opset: this.opset,
      inputs: this.#inputs,
      outputs,
      nodes: this.#nodes,
      parameters: this.#parameters,
      constants: this.#constants,
      types: new Map(),
    };
  }
}
