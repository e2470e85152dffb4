/**
 * @file The graph while passes rewrite it. Nodes are added from inputs to outputs; adding one folds it if its inputs are
 * constants, drops it if it does nothing, shares it if it was computed before, and infers the types of its outputs.
 */
import type { Attribute, Graph, GraphInput, Node, Parameter } from "../graph/graph";
import { elementCount, type Tensor, type TensorType } from "../graph/tensor";
import type { Operator } from "../operators/operator";
import { simplify } from "./simplify";
import { entryOf } from "./table";

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

function isTensor(attribute: Attribute): attribute is Tensor {
  return typeof attribute === "object" && "data" in attribute;
}

/** A graph under rewriting. */
export class Workspace {
  nodes: Node[] = [];
  outputs: string[];
  readonly inputs: readonly GraphInput[];
  readonly parameters: Map<string, Parameter>;
  readonly constants: Map<string, Tensor>;
  readonly types = new Map<string, TensorType>();
  readonly notes: string[] = [];
  #alias = new Map<string, string>();
  #writers = new Map<string, Node>();
  #computed = new Map<string, readonly string[]>();
  readonly #shared = new Map<string, string>();
  readonly #nodeNames = new Set<string>();
  #counter = 0;

  constructor(readonly source: Graph) {
    this.inputs = source.inputs;
    this.outputs = [...source.outputs];
    this.parameters = new Map(source.parameters);
    this.constants = new Map(source.constants);
    for (const i of source.inputs) this.types.set(i.name, { type: i.type, shape: i.shape });
    for (const [name, p] of source.parameters) this.types.set(name, { type: p.type, shape: p.shape });
    for (const [name, c] of source.constants) this.types.set(name, { type: c.type, shape: c.shape });
    for (const n of source.nodes) this.#nodeNames.add(n.name);
  }

  /** The value that stands for this one now. */
  resolve(value: string): string {
    const direct = this.#alias.get(value);
    if (direct === undefined) return value;
    let root = direct;
    for (let next = this.#alias.get(root); next !== undefined; next = this.#alias.get(root)) root = next;
    // Path compression keeps chains of vanished nodes from being walked again and again.
    for (let v = value; v !== root; ) {
      const next = this.#alias.get(v)!;
      this.#alias.set(v, root);
      v = next;
    }
    return root;
  }

  /** Lets another value stand for this one from here on. */
  replace(value: string, by: string): void {
    if (value !== "" && by !== "" && value !== by) this.#alias.set(value, by);
  }

  type(value: string): TensorType {
    return this.types.get(value) ?? UNKNOWN;
  }

  constant(value: string): Tensor | undefined {
    return this.constants.get(value);
  }

  /** The node added so far that writes a value. */
  writer(value: string): Node | undefined {
    return this.#writers.get(value);
  }

  /** A value name that is not in use. */
  freshValue(base: string): string {
    for (;;) {
      const name = `${base}~${this.#counter++}`;
      if (!this.types.has(name) && !this.source.types.has(name)) return name;
    }
  }

  /** A node name that is not in use. */
  freshNode(base: string): string {
    let name = base;
    while (this.#nodeNames.has(name)) name = `${base}~${this.#counter++}`;
    this.#nodeNames.add(name);
    return name;
  }

  /** Adds a constant, or finds an equal small one. */
  addConstant(tensor: Tensor, base = "constant"): string {
    const key = tensor.data.length <= LARGEST_SHARED ? `${tensor.type}[${tensor.shape.join()}]${tensor.data.join()}` : undefined;
    const known = key === undefined ? undefined : this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.freshValue(base);
    this.constants.set(name, tensor);
    this.types.set(name, { type: tensor.type, shape: tensor.shape });
    if (key !== undefined) this.#shared.set(key, name);
    return name;
  }

  /** Adds a parameter under its name, or under a similar one where that is taken by another; returns the name. */
  addParameter(parameter: Parameter): string {
    let name = parameter.name;
    while (this.parameters.get(name) !== parameter && (this.types.has(name) || this.source.types.has(name))) {
      name = this.freshValue(parameter.name);
    }
    this.parameters.set(name, name === parameter.name ? parameter : { ...parameter, name });
    this.types.set(name, { type: parameter.type, shape: parameter.shape });
    return name;
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

  /** Infers the types of a node's outputs; what stays unknown is taken from the source graph where it says so. */
  infer(node: Node, entry: Operator | undefined, opset: number): boolean {
    let found: readonly TensorType[] | undefined;
    if (entry !== undefined) {
      try {
        const inputs = node.inputs.map((i) => this.type(i));
        found = entry.infer(node, { inputs, opset, constant: (i) => this.constants.get(node.inputs[i] ?? "") });
      } catch {
        found = undefined; // contradictory shapes: the node stays as it is, for inference to report
      }
    }
    node.outputs.forEach((name, i) => {
      if (name === "") return;
      const type = found?.[i];
      if (type?.shape !== undefined) this.types.set(name, type);
      else if (!this.types.has(name)) this.types.set(name, this.source.types.get(name) ?? type ?? UNKNOWN);
    });
    return found !== undefined;
  }

  /** Computes a node whose inputs are all constants; true if it became constants itself. */
  fold(node: Node, entry: Operator | undefined, opset: number): boolean {
    if (entry?.evaluate === undefined || RANDOM.has(node.operator)) return false;
    for (const i of node.inputs) if (i !== "" && !this.constants.has(i)) return false;
    if (!this.infer(node, entry, opset)) return false;
    for (const o of node.outputs) {
      if (o === "") continue;
      const shape = this.type(o).shape;
      if (shape !== undefined && elementCount(shape) > LARGEST_FOLDED) return false;
    }
    try {
      const values = entry.evaluate(
        node,
        node.inputs.map((i) => this.constants.get(i)),
        opset,
      );
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
    const entry = entryOf(node);
    if (this.fold(node, entry, opset)) return;
    this.addInferred(node, entry, opset, false);
  }

  /** Adds a node whose inputs are resolved and, if told, whose output types are known. */
  addInferred(node: Node, entry: Operator | undefined, opset: number, typed: boolean): void {
    if (!typed && (node.outputs[0] === undefined || !this.types.has(node.outputs[0]))) this.infer(node, entry, opset);
    const simpler = entry === undefined ? undefined : simplify(this, node);
    if (typeof simpler === "string") {
      this.replace(node.outputs[0]!, simpler);
      return;
    }
    this.#push(simpler ?? node, entry);
  }

  #push(node: Node, entry: Operator | undefined): void {
    const key = entry === undefined ? undefined : computationKey(node);
    const before = key === undefined ? undefined : this.#computed.get(key);
    if (before !== undefined) {
      node.outputs.forEach((name, i) => this.replace(name, before[i] ?? ""));
      return;
    }
    if (key !== undefined) this.#computed.set(key, node.outputs);
    for (const o of node.outputs) if (o !== "") this.#writers.set(o, node);
    this.nodes.push(node);
  }

  /** Passes over all nodes in order; `visit` adds what is to remain. */
  rewrite(visit: (node: Node) => void): void {
    const old = this.nodes;
    this.nodes = [];
    this.#writers = new Map();
    this.#computed = new Map();
    for (const node of old) visit(this.resolved(node));
    this.outputs = this.outputs.map((o) => this.resolve(o));
  }

  /** The readers of each value among the present nodes. */
  readers(): Map<string, Node[]> {
    const out = new Map<string, Node[]>();
    for (const node of this.nodes) {
      for (const [k, i] of node.inputs.entries()) {
        if (i === "" || node.inputs.indexOf(i) !== k) continue;
        const list = out.get(i);
        if (list) list.push(node);
        else out.set(i, [node]);
      }
    }
    return out;
  }
}

/** A text that two nodes share exactly when they compute the same; undefined where that cannot be told. */
function computationKey(node: Node): string | undefined {
  if (RANDOM.has(node.operator)) return undefined;
  let key = `${node.domain} ${node.operator} ${node.outputs.length} ${node.inputs.join(" ")}`;
  const names = Object.keys(node.attributes);
  if (names.length > 1) names.sort();
  for (const name of names) {
    const value = node.attributes[name]!;
    if (typeof value === "object" && (isGraph(value) || isTensor(value))) return undefined;
    key += ` ${name}=${typeof value === "object" ? value.join() : value}`;
  }
  return key;
}
