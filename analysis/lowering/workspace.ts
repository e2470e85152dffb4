/**
 * @file The graph while passes rewrite it. Nodes are added from inputs to outputs; adding one folds it if its inputs are
 * constants, drops it if it does nothing, shares it if it was computed before, and infers the types of its outputs.
 */
import type { Attribute, Graph, GraphInput, Node, Parameter } from "../graph/graph";
import { elementCount, type Tensor, type TensorType } from "../graph/tensor";
import type { InferenceContext, Operator } from "../operators/operator";
import { operatorTable } from "../operators/table";
import { simplify } from "./simplify";

/** The operator set version whose forms the normal form uses. */
export const NORMAL_OPSET = 21;

/** Constants above this number of elements are not computed ahead. */
export const LARGEST_FOLDED = 4_000_000;

/** Up to this number of elements, equal constants are one constant. */
const LARGEST_SHARED = 64;

/** Operators whose two applications to the same inputs differ. */
const RANDOM: ReadonlySet<string> = new Set([
  "Bernoulli",
  "Multinomial",
  "RandomNormal",
  "RandomNormalLike",
  "RandomUniform",
  "RandomUniformLike",
]);

const UNKNOWN: TensorType = { type: "other", shape: undefined };

/** Whether an attribute is a graph. */
export function isGraph(attribute: Attribute): attribute is Graph {
  return typeof attribute === "object" && "nodes" in attribute;
}

/** A value under rewriting: all that is known of it in one place, found by one look-up. */
interface Value {
  readonly name: string;
  /** A number of its own, by which computations are told apart. */
  readonly id: number;
  type: TensorType;
  constant: Tensor | undefined;
  writer: Node | undefined;
  /** The value that stands for it now. */
  alias: Value | undefined;
}

/** A graph under rewriting. */
export class Workspace {
  nodes: Node[] = [];
  outputs: string[];
  readonly inputs: readonly GraphInput[];
  readonly parameters: Map<string, Parameter>;
  readonly notes: string[] = [];
  readonly #values = new Map<string, Value>();
  /** The first node of each hash; the rare others that share it are not found again, which costs a node and no more. */
  #computed = new Map<number, Node>();
  readonly #shared = new Map<string, string>();
  /** Occurs in no name of the source graph, so that names with it and a counter are new. */
  readonly #mark: string;
  #counter = 0;

  constructor(readonly source: Graph) {
    this.inputs = source.inputs;
    this.outputs = [...source.outputs];
    this.parameters = new Map(source.parameters);
    for (const i of source.inputs) this.#define(i.name, { type: i.type, shape: i.shape });
    for (const [name, p] of source.parameters) this.#define(name, { type: p.type, shape: p.shape });
    for (const [name, c] of source.constants) this.#define(name, { type: c.type, shape: c.shape }, c);
    this.#mark = markFor(source);
  }

  #define(name: string, type: TensorType = UNKNOWN, constant?: Tensor): Value {
    const value: Value = { name, id: this.#values.size, type, constant, writer: undefined, alias: undefined };
    this.#values.set(name, value);
    return value;
  }

  /** The value of this name, made if there is none yet. */
  #value(name: string): Value {
    return this.#values.get(name) ?? this.#define(name);
  }

  /** The value that stands for this one now. */
  #root(name: string): Value {
    const value = this.#value(name);
    if (value.alias === undefined) return value;
    let root = value.alias;
    while (root.alias !== undefined) root = root.alias;
    // Path compression keeps chains of vanished nodes from being walked again and again.
    for (let v = value; v !== root; ) {
      const next = v.alias!;
      v.alias = root;
      v = next;
    }
    return root;
  }

  /** The name of the value that stands for this one now. */
  resolve(value: string): string {
    return value === "" ? "" : this.#root(value).name;
  }

  /** Lets another value stand for this one from here on. */
  replace(value: string, by: string): void {
    if (value === "" || by === "") return;
    const from = this.#value(value);
    const to = this.#root(by);
    if (from !== to) from.alias = to;
  }

  type(value: string): TensorType {
    return this.#values.get(value)?.type ?? UNKNOWN;
  }

  constant(value: string): Tensor | undefined {
    return this.#values.get(value)?.constant;
  }

  /** The node added so far that writes a value. */
  writer(value: string): Node | undefined {
    return this.#values.get(value)?.writer;
  }

  /** A name for a value or node that is not in use. */
  fresh(base: string): string {
    return base + this.#mark + this.#counter++;
  }

  /** Adds a constant, or finds an equal small one. */
  addConstant(tensor: Tensor, base = "constant"): string {
    const key =
      elementCount(tensor.shape) <= LARGEST_SHARED ? `${tensor.type}[${tensor.shape.join()}]${tensor.data.join()}` : undefined;
    const known = key === undefined ? undefined : this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.fresh(base);
    this.#define(name, { type: tensor.type, shape: tensor.shape }, tensor);
    if (key !== undefined) this.#shared.set(key, name);
    return name;
  }

  /** Adds a parameter under its name, or under a similar one where that is taken by another; returns the name. */
  addParameter(parameter: Parameter): string {
    let name = parameter.name;
    const own = this.parameters.get(name);
    if (own !== parameter && (own !== undefined || this.#values.has(name) || this.source.types.has(name))) {
      name = this.fresh(name);
    }
    this.parameters.set(name, name === parameter.name ? parameter : { ...parameter, name });
    if (!this.#values.has(name)) this.#define(name, { type: parameter.type, shape: parameter.shape });
    return name;
  }

  /** Gives a value the name that it is to have in the end. */
  rename(value: string, name: string): void {
    const { type, writer } = this.#value(value);
    Object.assign(this.#value(name), { type, writer, alias: undefined });
  }

  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  /** The node with its inputs as they are called now. */
  resolved(node: Node): Node {
    let inputs: string[] | undefined;
    for (let i = 0; i < node.inputs.length; i++) {
      const name = this.resolve(node.inputs[i]!);
      if (name === node.inputs[i]) continue;
      inputs ??= [...node.inputs];
      inputs[i] = name;
    }
    return inputs === undefined ? node : { ...node, inputs };
  }

  /**
   * Infers the types of a node's outputs; what stays unknown is taken from the source graph where it says so. False where
   * the operator has no shape rule or its inputs contradict the rule.
   */
  infer(node: Node, entry: Operator | undefined, opset: number): boolean {
    let found: readonly TensorType[] | undefined;
    if (entry !== undefined) {
      try {
        found = entry.infer(node, new Inputs(this, node, opset));
      } catch {
        found = undefined; // contradictory shapes: the node stays as it is, for inference to report
      }
    }
    for (let i = 0; i < node.outputs.length; i++) {
      const name = node.outputs[i]!;
      if (name === "") continue;
      const value = this.#value(name);
      const type = found?.[i];
      if (type?.shape !== undefined) value.type = type;
      else if (value.type === UNKNOWN) value.type = this.source.types.get(name) ?? type ?? UNKNOWN;
    }
    return found !== undefined;
  }

  /** Computes a node whose inputs are all constants; true if it became constants itself. */
  fold(node: Node, entry: Operator | undefined, opset: number): boolean {
    if (entry?.evaluate === undefined || RANDOM.has(node.operator)) return false;
    for (const i of node.inputs) if (i !== "" && this.constant(i) === undefined) return false;
    if (!this.infer(node, entry, opset)) return false;
    for (const o of node.outputs) {
      const shape = o === "" ? undefined : this.type(o).shape;
      if (shape !== undefined && elementCount(shape) > LARGEST_FOLDED) return false;
    }
    try {
      const inputs = node.inputs.map((i) => (i === "" ? undefined : this.constant(i)));
      const values = entry.evaluate(node, inputs, opset);
      node.outputs.forEach((name, i) => {
        const value = values[i];
        if (name !== "" && value !== undefined) this.replace(name, this.addConstant(value, name));
      });
      return true;
    } catch {
      return false; // no kernel for this case: the node stays
    }
  }

  /** Adds a node that needs no lowering. Its inputs and outputs keep their names unless the node vanishes. */
  add(given: Node, opset = NORMAL_OPSET): void {
    const node = this.resolved(given);
    const entry = operatorTable(node.operator, node.domain);
    if (this.fold(node, entry, opset)) return;
    if (this.type(node.outputs[0] ?? "") === UNKNOWN) this.infer(node, entry, opset);
    this.addTyped(node, entry);
  }

  /** Adds a node whose inputs are resolved and whose output types are known; no entry means that it is opaque. */
  addTyped(node: Node, entry: Operator | undefined): void {
    const simpler = entry === undefined ? undefined : simplify(this, node);
    if (typeof simpler === "string") this.replace(node.outputs[0]!, simpler);
    else this.#push(simpler ?? node, entry);
  }

  #push(node: Node, entry: Operator | undefined): void {
    if (entry !== undefined && !RANDOM.has(node.operator)) {
      const hash = this.#hash(node);
      const before = this.#computed.get(hash);
      if (before === undefined) {
        this.#computed.set(hash, node);
      } else if (sameComputation(before, node)) {
        node.outputs.forEach((name, i) => this.replace(name, before.outputs[i] ?? ""));
        return;
      }
    }
    for (const o of node.outputs) if (o !== "") this.#value(o).writer = node;
    this.nodes.push(node);
  }

  /** Passes over all nodes in order; `visit` adds what is to remain. */
  rewrite(visit: (node: Node) => void): void {
    const old = this.nodes;
    this.nodes = [];
    this.#computed = new Map();
    for (const node of old) for (const o of node.outputs) if (o !== "") this.#value(o).writer = undefined;
    for (const node of old) visit(this.resolved(node));
    this.outputs = this.outputs.map((o) => this.resolve(o));
  }

  /** Exchanges some nodes for others, or drops them (undefined), and calls values as they are called now. */
  exchange(changes: ReadonlyMap<Node, Node | undefined>): void {
    const nodes: Node[] = [];
    for (const old of this.nodes) {
      const node = changes.has(old) ? changes.get(old) : old;
      if (node === undefined) continue;
      const resolved = this.resolved(node);
      if (resolved !== old) for (const o of resolved.outputs) if (o !== "") this.#value(o).writer = resolved;
      nodes.push(resolved);
    }
    this.nodes = nodes;
    this.outputs = this.outputs.map((o) => this.resolve(o));
  }

  /** A number that equal computations share. */
  #hash(node: Node): number {
    let hash = textHash(node.operator, node.outputs.length);
    for (const i of node.inputs) hash = mix(hash, i === "" ? -1 : this.#value(i).id);
    const { perm, axis } = node.attributes;
    if (Array.isArray(perm)) for (const p of perm as readonly number[]) hash = mix(hash, p);
    return typeof axis === "number" ? mix(hash, axis) : hash;
  }
}

function mix(hash: number, value: number): number {
  const h = Math.imul(hash ^ value, 0x9e3779b1);
  return h ^ (h >>> 15);
}

function textHash(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = mix(hash, text.charCodeAt(i));
  return hash;
}

/** Whether two nodes compute the same from the same values. */
function sameComputation(a: Node, b: Node): boolean {
  if (a.operator !== b.operator || a.domain !== b.domain || a.outputs.length !== b.outputs.length) return false;
  if (a.inputs.length !== b.inputs.length || a.inputs.some((x, i) => x !== b.inputs[i])) return false;
  const names = Object.keys(a.attributes);
  if (names.length !== Object.keys(b.attributes).length) return false;
  return names.every((n) => sameAttribute(a.attributes[n]!, b.attributes[n]));
}

/** Graphs and tensors count as different: comparing them costs more than computing twice. */
function sameAttribute(a: Attribute, b: Attribute | undefined): boolean {
  if (typeof a !== "object") return a === b;
  if (b === undefined || !Array.isArray(a) || !Array.isArray(b)) return false;
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

/** What a shape rule sees of a node. */
class Inputs implements InferenceContext {
  readonly inputs: readonly TensorType[];
  constructor(
    private readonly workspace: Workspace,
    private readonly node: Node,
    readonly opset: number,
  ) {
    this.inputs = node.inputs.map((i) => workspace.type(i));
  }

  constant(index: number): Tensor | undefined {
    return this.workspace.constant(this.node.inputs[index] ?? "");
  }
}

/** A mark that occurs in no name of a graph. */
function markFor(graph: Graph): string {
  let mark = "~";
  const names = function* (): Iterable<string> {
    for (const n of graph.nodes) {
      yield n.name;
      yield* n.outputs;
    }
    for (const i of graph.inputs) yield i.name;
    yield* graph.parameters.keys();
    yield* graph.constants.keys();
  };
  for (const name of names()) while (name.includes(mark)) mark += "~";
  return mark;
}
