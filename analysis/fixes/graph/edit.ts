/** @file A graph under change: nodes and parameters come and go by name, values are rewired, types are found again at the end. */
import { CAPTURED_INPUTS, type Graph, type Node, type Parameter } from "../../graph/graph";
import { elementCount, type Shape, type Tensor, tensor } from "../../graph/tensor";
import { inferShapes } from "../../operators/inference";
import { refuse } from "../source/draft";

/** A graph under change. */
export class GraphEdit {
  nodes: Node[];
  readonly parameters: Map<string, Parameter>;
  readonly constants: Map<string, Tensor>;

  constructor(readonly graph: Graph) {
    this.nodes = [...graph.nodes];
    this.parameters = new Map(graph.parameters);
    this.constants = new Map(graph.constants);
  }

  /** The nodes that read a value now. */
  readers(value: string): Node[] {
    return this.nodes.filter((n) => n.inputs.includes(value));
  }

  /** The node that writes a value now. */
  writer(value: string): Node | undefined {
    return this.nodes.find((n) => n.outputs.includes(value));
  }

  /** The one node that reads a value, if nothing else does and it is no output. */
  soleReader(value: string): Node | undefined {
    if (this.graph.outputs.includes(value)) return undefined;
    const [reader, ...more] = this.readers(value);
    return more.length === 0 && reader?.attributes[CAPTURED_INPUTS] === undefined ? reader : undefined;
  }

  /** Shape of a value as the graph had it. */
  shape(value: string): Shape | undefined {
    return this.parameters.get(value)?.shape ?? this.constants.get(value)?.shape ?? this.graph.types.get(value)?.shape;
  }

  /** Values of a parameter or a constant. @throws NotEditable where the file has none */
  values(name: string): Float64Array {
    const found = this.parameters.get(name)?.read?.() ?? this.constants.get(name);
    return found?.data ?? refuse(`${name} has no values in this file`);
  }

  hasValues(name: string): boolean {
    return this.constants.has(name) || this.parameters.get(name)?.read?.() !== undefined;
  }

  /** New values for a parameter. */
  set(name: string, data: Float64Array): void {
    const p = this.parameters.get(name)!;
    this.parameters.set(name, { ...p, read: () => tensor(p.shape, data, p.type) });
  }

  /** A new parameter beside another one; drawn like a layer's own where it has no values. */
  add(
    name: string,
    like: Parameter,
    shape: Shape,
    more: { readonly data?: Float64Array; readonly frozen?: boolean } = {},
  ): string {
    const { data, frozen = false } = more;
    const { read: _, initialisation: __, ...rest } = like;
    this.parameters.set(name, {
      ...rest,
      name,
      shape: [...shape],
      trainable: like.trainable && !frozen,
      ...(data ? { read: () => tensor(shape, data, like.type) } : { initialisation: { scheme: "default" } }),
    });
    return name;
  }

  /** A constant. */
  constant(base: string, value: Tensor): string {
    const name = this.fresh(base);
    this.constants.set(name, value);
    return name;
  }

  /** A name that nothing has. */
  fresh(base: string): string {
    const taken = (name: string): boolean =>
      this.parameters.has(name) ||
      this.constants.has(name) ||
      this.graph.types.has(name) ||
      this.nodes.some((n) => n.name === name || n.outputs.includes(name));
    if (!taken(base)) return base;
    for (let i = 1; ; i++) if (!taken(`${base}_${i}`)) return `${base}_${i}`;
  }

  /** A node with one output. */
  node(operator: string, inputs: readonly string[], like: Node, attributes: Node["attributes"] = {}): Node {
    const name = this.fresh(`${like.name}/${operator.toLowerCase()}`);
    return { name, operator, domain: "", inputs, outputs: [`${name}_output`], attributes, origin: like.origin };
  }

  /** Puts nodes before another one. */
  before(node: Node, ...added: Node[]): void {
    this.nodes.splice(this.nodes.indexOf(node), 0, ...added);
  }

  /** Puts nodes behind another one. */
  after(node: Node, ...added: Node[]): void {
    this.nodes.splice(this.nodes.indexOf(node) + 1, 0, ...added);
  }

  /** One node in place of another. */
  replace(node: Node, by: Node): void {
    this.nodes[this.nodes.indexOf(node)] = by;
  }

  /** All readers of a value read another one, except some. @throws NotEditable where nested graphs read it by name */
  rewire(from: string, to: string, except: readonly Node[] = []): void {
    this.nodes = this.nodes.map((n) => {
      if (!n.inputs.includes(from) || except.includes(n)) return n;
      if (n.attributes[CAPTURED_INPUTS] !== undefined) refuse(`${n.name} reads ${from} inside of a nested graph`);
      return { ...n, inputs: n.inputs.map((i) => (i === from ? to : i)) };
    });
  }

  /** Takes a node out; what read its output reads `value` instead. */
  remove(node: Node, value: string): void {
    const output = node.outputs[0]!;
    if (this.graph.outputs.includes(output)) {
      this.replace(node, { ...node, operator: "Identity", domain: "", inputs: [value], attributes: {} });
      return;
    }
    this.nodes = this.nodes.filter((n) => n !== node);
    this.rewire(output, value);
  }

  /** Inserts what is computed from a value between it and its readers. `make` gets the value and returns nodes, the last of which writes. */
  between(value: string, make: (value: string) => Node[]): void {
    if (this.graph.outputs.includes(value)) refuse(`${value} is an output of the model`);
    const added = make(value);
    const last = added.at(-1)!;
    this.rewire(value, last.outputs[0]!);
    const writer = this.writer(value);
    if (writer) this.after(writer, ...added);
    else this.nodes.unshift(...added);
  }

  /** The graph, without what nothing reads any more. @throws NotEditable where it does not fit together */
  finish(): Graph {
    const wanted = new Set(this.graph.outputs);
    const kept: Node[] = [];
    for (const node of [...this.nodes].reverse()) {
      if (!node.outputs.some((o) => wanted.has(o))) continue;
      kept.unshift(node);
      for (const i of node.inputs) wanted.add(i);
    }
    const graph: Graph = {
      ...this.graph,
      nodes: kept,
      parameters: new Map([...this.parameters].filter(([name]) => wanted.has(name))),
      constants: new Map([...this.constants].filter(([name]) => wanted.has(name))),
      types: new Map(),
    };
    const { graph: typed, problems } = inferShapes({ ...graph, types: this.graph.types });
    const before = new Set(inferShapes(this.graph).problems.map((p) => p.node.name));
    const problem = problems.find((p) => !before.has(p.node.name));
    if (problem) refuse(`${problem.node.operator} ${problem.node.name}: ${problem.message}`);
    return typed;
  }
}

/** Entries of a parameter that belong to one index of an axis, multiplied by its factor. */
export function scaled(data: Float64Array, shape: Shape, axis: number, factors: ArrayLike<number>): Float64Array {
  const inner = elementCount(shape.slice(axis + 1));
  const size = shape[axis]!;
  return data.map((x, i) => x * factors[Math.floor(i / inner) % size]!);
}
