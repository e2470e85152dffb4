/**
 * @file The graph while passes rewrite it. Nodes are added from inputs to outputs; adding one folds it if its inputs are
 * constants, drops it if it does nothing, shares it if it was computed before, and infers the types of its outputs.
 */
import { withLazy } from "../graph/lazy";
import type { Attribute, Graph, GraphInput, Node, Parameter } from "../graph/graph";
import { ABSENT as NUMBER_OF_NONE, keepNumbers } from "../graph/numbering";
import { elementCount, type Shape, type Tensor, type TensorType } from "../graph/tensor";
import type { InferenceContext, Operator } from "../operators/operator";
import { operatorTable } from "../operators/table";
import { ItemsByOperator } from "./items-by-operator";
import { NamedValues } from "./named-values";
import { hashOf, sameComputation } from "./sameness";
import { simplify } from "./simplify";
import { ABSENT, type Item, showShape, UNKNOWN, type Value } from "./values";

/** The operator set version whose forms the normal form uses. */
export const NORMAL_OPSET = 21;

/** Constants above this number of elements are not computed ahead. */
export const LARGEST_FOLDED = 4_000_000;

/** The domain of nodes that contradict their operator: no engine knows it, so that they are opaque. */
export const INVALID_DOMAIN = "invalid";

/** Whether an attribute is a graph. */
export function isGraph(attribute: Attribute): attribute is Graph {
  return typeof attribute === "object" && "nodes" in attribute;
}

/** A graph under rewriting. */
export class Workspace extends NamedValues {
  items: Item[] = [];
  readonly #byOperator = new ItemsByOperator();
  outputs: string[];
  readonly inputs: readonly GraphInput[];
  readonly notes: string[] = [];
  #parameters: ReadonlyMap<string, Parameter>;
  /** The values of the source graph's parameters. */
  readonly #given: readonly Value[];
  /** The first item of each hash; the rare others that share it are not found again, which costs a node and no more. */
  #computed = new Map<number, Item>();
  #sweeps = 0;

  constructor(source: Graph) {
    super(source);
    this.inputs = source.inputs;
    this.outputs = [...source.outputs];
    this.#parameters = source.parameters;
    for (const i of source.inputs) this.give("input", i.name, i);
    const given: Value[] = [];
    source.parameters.forEach((p, name) => given.push(this.give("parameter", name, p)));
    this.#given = given;
    source.constants.forEach((c, name) => this.give("constant", name, c, c));
  }

  get parameters(): ReadonlyMap<string, Parameter> {
    return this.#parameters;
  }

  /** Other parameters, in their order, take the place of some; each has been added before. */
  replaceParameters(parts: ReadonlyMap<string, readonly Parameter[]>): void {
    const added = new Set([...parts.values()].flatMap((list) => list.map((p) => p.name)));
    const parameters = new Map<string, Parameter>();
    for (const [name, p] of this.#parameters) {
      const own = parts.get(name);
      if (own) for (const part of own) parameters.set(part.name, part);
      else if (!added.has(name)) parameters.set(name, p);
    }
    this.#parameters = parameters;
  }

  /** Parameters of the same names and shapes take the place of others. */
  changeParameters(changed: readonly Parameter[]): void {
    const parameters = new Map(this.#parameters);
    for (const p of changed) parameters.set(p.name, p);
    this.#parameters = parameters;
  }

  /** Adds a parameter under its name, or under a similar one where that is taken by another; returns the name. */
  addParameter(parameter: Parameter): string {
    let name = parameter.name;
    const own = this.parameters.get(name);
    if (own !== parameter && (own !== undefined || this.all.has(name) || this.source.types.has(name))) {
      name = this.fresh(name);
    }
    const named = name === parameter.name ? parameter : { ...parameter, name };
    // The source graph's own map is not written to.
    if (this.#parameters === this.source.parameters) this.#parameters = new Map(this.#parameters);
    (this.#parameters as Map<string, Parameter>).set(name, named);
    if (!this.all.has(name)) this.define(name, { type: parameter.type, shape: parameter.shape }, undefined, true);
    return name;
  }

  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  /** The node with its values, its inputs as they are called now. */
  open(node: Node): Item {
    const inputs = new Array<Value>(node.inputs.length);
    let renamed = false;
    for (let i = 0; i < inputs.length; i++) {
      const name = node.inputs[i]!;
      const root = this.root(this.value(name));
      inputs[i] = root;
      if (root.name !== name) renamed = true;
    }
    const outputs = new Array<Value>(node.outputs.length);
    for (let i = 0; i < outputs.length; i++) outputs[i] = this.value(node.outputs[i]!);
    return { node: renamed ? { ...node, inputs: inputs.map((v) => v.name) } : node, inputs, outputs };
  }

  /** What an item becomes whose node is another one now: values that both name are not looked up again. */
  reopen({ node: before, inputs, outputs }: Item, node: Node): Item {
    const own = (name: string, k: number) => (name === before.inputs[k] ? inputs[k]! : this.root(this.value(name)));
    const made = (name: string, k: number) => (name === before.outputs[k] ? outputs[k]! : this.value(name));
    return { node, inputs: node.inputs.map(own), outputs: node.outputs.map(made) };
  }

  /**
   * Infers the types of a node's outputs; what stays unknown is taken from the source graph where it says so. Returns what
   * is wrong where the inputs contradict the operator's shape rule.
   */
  infer({ node, inputs, outputs }: Item, entry: Operator | undefined, opset: number): string | undefined {
    let found: readonly TensorType[] | undefined;
    let problem: string | undefined;
    if (entry !== undefined) {
      try {
        found = entry.infer(node, new RuleInputs(inputs, opset));
        for (let k = 0; k < found.length; k++) if (found[k]!.shape !== undefined) checkSizes(node, found[k]!.shape!);
      } catch (error) {
        found = undefined;
        problem = error instanceof Error ? error.message : String(error);
      }
    }
    for (let i = 0; i < outputs.length; i++) {
      const value = outputs[i]!;
      if (value === ABSENT) continue;
      const type = found?.[i];
      if (type?.shape !== undefined) value.type = type;
      else if (value.type === UNKNOWN) value.type = this.source.types.get(value.name) ?? type ?? UNKNOWN;
    }
    return problem;
  }

  /** Computes a node whose inputs are all constants; true if it became constants itself. */
  fold(item: Item, entry: Operator | undefined, opset: number): boolean {
    const { node, inputs, outputs } = item;
    if (entry?.evaluate === undefined || entry.random) return false;
    for (let k = 0; k < inputs.length; k++) if (inputs[k] !== ABSENT && inputs[k]!.constant === undefined) return false;
    if (this.infer(item, entry, opset) !== undefined) return false;
    for (const { type } of outputs) {
      if (type.shape !== undefined && elementCount(type.shape) > LARGEST_FOLDED) return false;
    }
    try {
      const values = entry.evaluate(
        node,
        inputs.map((i) => i.constant),
        opset,
      );
      if (node.outputs.some((name, i) => name !== "" && values[i] === undefined)) return false;
      node.outputs.forEach((name, i) => {
        if (name !== "") this.replace(name, this.addConstant(values[i]!, name));
      });
      return true;
    } catch {
      return false; // no kernel for this case: the node stays
    }
  }

  /** Adds a node that needs no lowering. Its inputs and outputs keep their names unless the node vanishes. */
  add(node: Node, opset = NORMAL_OPSET): void {
    const item = this.open(node);
    const entry = operatorTable(item.node.operator, item.node.domain);
    if (this.fold(item, entry, opset)) return;
    if (item.outputs[0]?.type === UNKNOWN) this.infer(item, entry, opset);
    this.addTyped(item, entry);
  }

  /** Adds a node whose output types are known; no entry means that it is opaque. */
  addTyped(item: Item, entry: Operator | undefined): void {
    const simpler = entry === undefined ? undefined : simplify(this, item);
    if (simpler === undefined || simpler === ABSENT) this.#push(item, entry);
    else if ("operator" in simpler) this.#push(this.open(simpler), entry);
    else this.replace(item.node.outputs[0]!, simpler.name);
  }

  #push(item: Item, entry: Operator | undefined): void {
    if (entry !== undefined && !entry.random) {
      const hash = hashOf(item);
      const before = this.#computed.get(hash);
      if (before === undefined) {
        this.#computed.set(hash, item);
      } else if (sameComputation(before, item)) {
        item.node.outputs.forEach((name, i) => this.replace(name, before.node.outputs[i] ?? ""));
        return;
      }
    }
    const { outputs } = item;
    for (let k = 0; k < outputs.length; k++) if (outputs[k] !== ABSENT) outputs[k]!.writer = item;
    this.items.push(item);
  }

  /** The items of the given operators, of ONNX itself, in order. */
  itemsOf(...operators: readonly string[]): readonly Item[] {
    return this.#byOperator.of(this.items, operators);
  }

  /** Passes over all nodes in order; `visit` adds what is to remain. */
  rewrite(visit: (item: Item) => void): void {
    const old = this.items;
    this.items = [];
    this.#computed = new Map();
    for (const { outputs } of old) for (const o of outputs) if (o !== ABSENT) o.writer = undefined;
    for (const item of old) visit(this.current(item));
    this.outputs = this.outputs.map((o) => this.resolve(o));
  }

  /** Exchanges some items for nodes, or drops them (undefined), and calls values as they are called now. */
  exchange(changes: ReadonlyMap<Item, Node | undefined>): void {
    const items: Item[] = [];
    this.#computed = new Map();
    for (const old of this.items) {
      const changed = changes.has(old) ? changes.get(old) : old.node;
      if (changed === undefined) continue;
      const item = changed === old.node ? this.current(old) : this.open(changed);
      if (item !== old) for (const o of item.outputs) if (o !== ABSENT) o.writer = item;
      items.push(item);
    }
    this.items = items;
    this.outputs = this.outputs.map((o) => this.resolve(o));
  }

  /** The item with its inputs as they are called now. */
  current(item: Item): Item {
    const { inputs } = item;
    for (let k = 0; k < inputs.length; k++) if (inputs[k]!.alias !== undefined) return this.open(item.node);
    return item;
  }

  /** A number that no value has been seen in yet: passes mark values with it. */
  newSweep(): number {
    return ++this.#sweeps;
  }

  /** Notes for each value how often items read it, outputs of the graph counting as a read without a reader. */
  countReaders(): void {
    for (const { inputs, outputs } of this.items) {
      for (let k = 0; k < inputs.length; k++) forgetReads(inputs[k]!);
      for (let k = 0; k < outputs.length; k++) forgetReads(outputs[k]!);
    }
    for (const item of this.items) {
      const { inputs } = item;
      for (let k = 0; k < inputs.length; k++) {
        inputs[k]!.reads++;
        inputs[k]!.reader ??= item;
      }
    }
    for (const o of this.outputs) this.value(o).reads++;
  }

  /** Keeps the nodes that the outputs depend on. */
  removeDeadCode(): void {
    const sweep = this.newSweep();
    for (const o of this.outputs) this.value(o).seen = sweep;
    const kept: Item[] = [];
    for (let k = this.items.length - 1; k >= 0; k--) {
      const item = this.items[k]!;
      let isLive = false;
      for (const o of item.outputs) if (o.seen === sweep && o !== ABSENT) isLive = true;
      if (isLive) {
        for (const i of item.inputs) i.seen = sweep;
        kept.push(item);
      } else {
        for (const o of item.outputs) if (o !== ABSENT) o.writer = undefined;
      }
    }
    // What is gone must not be shared by what is added later.
    if (kept.length < this.items.length) this.#computed = new Map();
    this.items = kept.reverse();
  }

  /** Gives outputs that were computed under other names the names that they have in the source graph. */
  keepOutputNames(): void {
    const names = new Map<Value, Value>();
    this.outputs.forEach((name, k) => {
      const [value, wanted] = [this.value(name), this.value(this.source.outputs[k]!)];
      if (value === wanted || value.writer === undefined || names.has(value) || wanted.writer !== undefined) return;
      if (wanted.constant !== undefined || this.parameters.has(wanted.name)) return;
      if (this.inputs.some((i) => i.name === wanted.name)) return;
      names.set(value, wanted);
    });
    if (names.size === 0) return;
    for (const [value, wanted] of names) Object.assign(wanted, { type: value.type, alias: undefined });
    const sweep = this.newSweep();
    for (const value of names.keys()) value.seen = sweep;
    const isRenamed = (v: Value) => v.seen === sweep;
    const rename = (v: Value) => names.get(v) ?? v;
    this.items = this.items.map((item) => {
      if (!item.inputs.some(isRenamed) && !item.outputs.some(isRenamed)) return item;
      const [inputs, outputs] = [item.inputs.map(rename), item.outputs.map(rename)];
      const node = { ...item.node, inputs: inputs.map((v) => v.name), outputs: outputs.map((v) => v.name) };
      return { node, inputs, outputs };
    });
    this.outputs = this.outputs.map((o) => rename(this.value(o)).name);
  }

  /**
   * The graph, with the constants and types that it uses. All parameters stay, also unread ones. The workspace is of no use
   * afterwards.
   */
  finish(): Graph {
    const names: string[] = [];
    const typeList: TensorType[] = [];
    const constantList: (Tensor | undefined)[] = [];
    const constants = new Map<string, Tensor>();
    this.all.forEach((value) => {
      value.number = NUMBER_OF_NONE;
      // What is left of it is kept with the numbers: nodes that are gone must not be.
      value.writer = value.reader = undefined;
    });
    const use = (value: Value): number => {
      if (value.number !== NUMBER_OF_NONE || value === ABSENT) return value.number;
      value.number = names.push(value.name) - 1;
      typeList.push(value.type);
      constantList.push(value.constant);
      if (value.constant !== undefined) constants.set(value.name, value.constant);
      return value.number;
    };
    for (const i of this.inputs) use(this.value(i.name));
    const parameters =
      this.#parameters === this.source.parameters
        ? this.#given.map(use)
        : Array.from(this.#parameters.keys(), (name) => use(this.value(name)));
    const count = this.items.length;
    const nodes = new Array<Node>(count);
    const inputs = new Array<readonly number[]>(count);
    const outputs = new Array<readonly number[]>(count);
    for (let k = 0; k < count; k++) {
      const item = this.items[k]!;
      nodes[k] = item.node;
      inputs[k] = item.inputs.map(use);
      outputs[k] = item.outputs.map(use);
    }
    for (const o of this.outputs) use(this.value(o));
    const { name, symbols } = this.source;
    const made = {
      name,
      opset: NORMAL_OPSET,
      inputs: this.inputs,
      outputs: this.outputs,
      nodes,
      parameters: this.parameters,
      constants,
      ...(symbols === undefined ? {} : { symbols }),
    };
    const graph: Graph = withLazy(made, { types: typesByName(names, typeList) });
    const of = numberByName(this.all);
    keepNumbers(graph, { names, types: typeList, constants: constantList, inputs, outputs, parameters, of });
    return graph;
  }
}

// Functions that are made out here do not keep the whole workspace alive as long as the graph.

/** Few ask for types by name, and a table of all names is a tenth of the time of a large graph. */
function typesByName(names: readonly string[], types: readonly TensorType[]): () => ReadonlyMap<string, TensorType> {
  return () => new Map(names.map((value, k) => [value, types[k]!]));
}

function numberByName(values: ReadonlyMap<string, Value>): (value: string) => number {
  return (value) => values.get(value)?.number ?? NUMBER_OF_NONE;
}

function forgetReads(value: Value): void {
  value.reads = 0;
  value.reader = undefined;
}

/** What a shape rule sees of a node. */
class RuleInputs implements InferenceContext {
  readonly inputs: readonly TensorType[];
  constructor(
    private readonly values: readonly Value[],
    readonly opset: number,
  ) {
    this.inputs = values.map((v) => v.type);
  }

  constant(index: number): Tensor | undefined {
    return this.values[index]?.constant;
  }
}

/** Throws Error where a shape that a rule found has sizes that no tensor has. */
function checkSizes(node: Node, shape: Shape): void {
  for (let i = 0; i < shape.length; i++) {
    if (!Number.isSafeInteger(shape[i]) || shape[i]! < 0)
      throw new Error(`${node.operator}: the output would have the shape ${showShape(shape)}`);
  }
}
