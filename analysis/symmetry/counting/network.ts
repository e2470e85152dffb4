/**
 * @file A normal-form graph as the numeric engines see it: which values are activations, which hang on parameters alone,
 * what can be computed and differentiated, and where it cannot, what to hold fixed.
 */
import type { Graph, GraphInput, Node } from "../../graph/graph";
import { elementCount, isFloating, type Shape, type Tensor } from "../../graph/tensor";
import { operatorsThat } from "../../operators/movers";
import type { Operator, OperatorTable } from "../../operators/operator";
import { operatorTable } from "../../operators/table";

/** What a value hangs on. Parameter values have parameters (and constants) only above them. */
export type ValueKind = "constant" | "parameter" | "activation";

/** A node that can be evaluated and differentiated, with its entry of the operator table. */
export interface Step {
  readonly node: Node;
  readonly operator: Operator & Required<Pick<Operator, "evaluate">>;
}

/** Operators with floating outputs that are constant almost everywhere. */
const PIECEWISE: ReadonlySet<string> = new Set(["Sign", "Floor", "Ceil", "Round", "Hardmax"]);

/** Operators that move entries about, or pick some. */
const MOVING: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes", "picks"), "Cast"]);

/** Options of a network. */
export interface NetworkOptions {
  /** Names of parameters to hold fixed besides those that do not train. */
  readonly frozen?: Iterable<string>;
  /** Where operators are looked up; the project's operator table unless told. */
  readonly operators?: OperatorTable;
}

const networks = new WeakMap<Graph, Network>();

/**
 * A graph in normal form, opened at its opaque operators: what enters one is observed there like an output, what leaves
 * it arrives like an input. Everything found about the opened network holds for the whole one, whatever the opaque
 * operators do (sound), and nothing else is lost.
 */
export class Network {
  readonly graph: Graph;
  /** Nodes that can be computed, in topological order. */
  readonly steps: readonly Step[];
  /** The graph's inputs, the outputs of opaque nodes and truth values that decide for all, as far as anything computable reads them. */
  readonly inputs: readonly GraphInput[];
  /**
   * The graph's floating outputs, the floating values that opaque nodes read, and those that comparisons, roundings and index
   * searches read: what jumps must not move at all. Only those that some weight moves.
   */
  readonly outputs: readonly string[];
  readonly opaque: readonly Node[];
  /** Names of the parameters that train, in the graph's order. */
  readonly trainable: readonly string[];
  private readonly kinds = new Map<string, ValueKind>();
  /** Values that hang on a weight that trains. */
  private readonly moving = new Set<string>();
  /** Values that are constant almost everywhere: what comparisons and roundings give, and all that is made of it alone. */
  private readonly flat = new Set<string>();
  private readonly writer = new Map<string, Step>();
  private readonly readers = new Map<string, Node[]>();
  /** All values that some node reads or the graph returns. */
  private readonly used: ReadonlySet<string>;

  /** The network of a graph; the same object for the same graph, so that what is known about its steps is kept. */
  static of(graph: Graph, options: NetworkOptions = {}): Network {
    if (options.frozen !== undefined || options.operators !== undefined) return new Network(graph, options);
    let known = networks.get(graph);
    if (!known) {
      known = new Network(graph);
      networks.set(graph, known);
    }
    return known;
  }

  constructor(graph: Graph, options: NetworkOptions = {}) {
    this.graph = graph;
    this.used = new Set([...graph.nodes.flatMap((n) => n.inputs), ...graph.outputs]);
    const lookup = options.operators ?? operatorTable;
    const frozen = new Set(options.frozen ?? []);
    this.trainable = [...graph.parameters.values()].filter((p) => p.trainable && !frozen.has(p.name)).map((p) => p.name);
    for (const name of graph.constants.keys()) this.kinds.set(name, "constant");
    for (const name of graph.parameters.keys()) this.kinds.set(name, "parameter");
    for (const input of graph.inputs) this.kinds.set(input.name, "activation");
    for (const name of this.trainable) this.moving.add(name);

    const inputs = [...graph.inputs];
    const outputs = new Set<string>();
    const steps: Step[] = [];
    const opaque: Node[] = [];
    const beyond = new Set<string>(); // values of unknown shape behind opaque nodes
    for (const node of graph.nodes) {
      const used = node.inputs.filter((i) => i !== "");
      const step = used.some((i) => beyond.has(i)) ? undefined : this.step(node, lookup);
      if (step && this.jumps(step)) for (const i of used) if (this.observable(i)) outputs.add(i);
      if (step && this.decides(node)) {
        const [name] = node.outputs as readonly [string];
        this.kinds.set(name, "activation");
        this.flat.add(name);
        inputs.push({ name, type: "bool", shape: this.shape(name) });
      } else if (step) {
        steps.push(step);
        const kind = this.kindOfOutputs(used);
        const moves = used.some((i) => this.moving.has(i));
        const varying = used.filter((i) => this.kinds.get(i) !== "constant");
        const flat = PIECEWISE.has(node.operator) || (varying.length > 0 && varying.every((i) => this.isFlat(i)));
        for (const o of node.outputs) {
          if (o === "") continue;
          if (moves) this.moving.add(o);
          if (flat) this.flat.add(o);
          this.kinds.set(o, kind);
          this.writer.set(o, step);
        }
      } else {
        opaque.push(node);
        for (const i of used) if (!beyond.has(i) && this.observable(i)) outputs.add(i);
        for (const o of node.outputs) {
          if (o === "") continue;
          this.kinds.set(o, "activation");
          const type = graph.types.get(o);
          if (type?.shape) inputs.push({ name: o, type: type.type, shape: type.shape });
          else beyond.add(o);
        }
      }
      for (const i of new Set(used)) {
        const list = this.readers.get(i);
        if (list) list.push(node);
        else this.readers.set(i, [node]);
      }
    }
    for (const o of graph.outputs) if (!beyond.has(o) && this.observable(o)) outputs.add(o);
    this.steps = steps;
    this.inputs = inputs;
    this.outputs = [...outputs].filter((o) => this.moving.has(o));
    this.opaque = opaque;
  }

  /** The node as a computable step; undefined makes it opaque. */
  private step(node: Node, lookup: OperatorTable): Step | undefined {
    const operator = lookup(node.operator, node.domain);
    if (!operator?.evaluate) return undefined;
    for (const [index, o] of node.outputs.entries()) {
      if (o === "") continue;
      const type = this.graph.types.get(o);
      if (!type?.shape) return undefined;
      // Derivatives exist for first outputs only.
      if (isFloating(type.type) && index > 0 && (this.readsActivation(node) || this.readsParameter(node))) return undefined;
      if (index === 0 && isFloating(type.type) && !operator.tangent && this.movesFloats(node)) return undefined;
    }
    return { node, operator: operator as Step["operator"] };
  }

  /**
   * Whether the node turns floats into something piecewise constant that somebody reads: derivatives do not see its jumps. The
   * largest entries themselves do not jump where nobody asks for their places.
   */
  private jumps({ node, operator }: Step): boolean {
    if (!this.movesFloats(node)) return false;
    const places = (o: string): boolean => this.used.has(o) && !isFloating(this.typeOf(o).type);
    return !operator.tangent || PIECEWISE.has(node.operator) || node.outputs.some((o) => o !== "" && places(o));
  }

  /**
   * Whether the node gives one truth value for many, by what a reduction leaves of them: `mask.any()`, which an If asks. It arrives like
   * an input, true or false by chance: among random inputs it might never be false, as hardly any batch leaves an expert without a
   * token.
   */
  private decides(node: Node): boolean {
    const [name, ...more] = node.outputs;
    if (name === undefined || more.length > 0 || !this.readsActivation(node)) return false;
    const { type, shape } = this.typeOf(name);
    return type === "bool" && shape !== undefined && elementCount(shape) === 1 && node.inputs.some((i) => this.sumsUp(i));
  }

  /** Whether a value is what a reduction leaves of several that jump, or picked from that. */
  private sumsUp(value: string): boolean {
    const { node } = this.writer.get(value) ?? {};
    if (node === undefined) return false;
    if (MOVING.has(node.operator)) return this.sumsUp(node.inputs[0]!);
    const [from, to] = [node.inputs[0]!, node.outputs[0]!].map((v) => elementCount(this.typeOf(v).shape ?? []));
    return node.operator.startsWith("Reduce") && from! > to! && this.isFlat(node.inputs[0]!);
  }

  private readsActivation(node: Node): boolean {
    return node.inputs.some((i) => this.kinds.get(i) === "activation");
  }

  private readsParameter(node: Node): boolean {
    return node.inputs.some((i) => this.kinds.get(i) === "parameter");
  }

  private movesFloats(node: Node): boolean {
    return node.inputs.some((i) => i !== "" && this.kinds.get(i) !== "constant" && isFloating(this.typeOf(i).type));
  }

  private kindOfOutputs(inputs: readonly string[]): ValueKind {
    let kind: ValueKind = "constant";
    for (const i of inputs) {
      const k = this.kinds.get(i) ?? "activation";
      if (k === "activation") return k;
      if (k === "parameter") kind = k;
    }
    return kind;
  }

  private observable(value: string): boolean {
    return this.kinds.get(value) !== "constant" && isFloating(this.typeOf(value).type);
  }

  private typeOf(value: string): { readonly type: GraphInput["type"]; readonly shape: Shape | undefined } {
    const known = this.graph.types.get(value) ?? this.graph.parameters.get(value) ?? this.graph.constants.get(value);
    const type = known ?? this.graph.inputs.find((i) => i.name === value);
    return type ?? { type: "other", shape: undefined };
  }

  /** What the value hangs on; constants for names that are nowhere. */
  kind(value: string): ValueKind {
    return this.kinds.get(value) ?? "constant";
  }

  /** Whether the value is made of weights that do not train (and constants) only: a table. */
  isFrozen(value: string): boolean {
    return this.kinds.get(value) === "parameter" && !this.moving.has(value);
  }

  /** Whether no weight that trains has a part in the value: no change of weights moves it. */
  isStill(value: string): boolean {
    return !this.moving.has(value);
  }

  /** Whether the value depends on a graph input. */
  isActivation(value: string): boolean {
    return this.kinds.get(value) === "activation";
  }

  /** Whether derivatives flow through the value. */
  isDifferentiable(value: string): boolean {
    return isFloating(this.typeOf(value).type);
  }

  /** Whether small changes of what the value hangs on leave it as it is: indices, masks, roundings. */
  isFlat(value: string): boolean {
    return this.flat.has(value) || !this.isDifferentiable(value);
  }

  /** The value's shape. Throws Error for a value of unknown shape, which no computable step reads. */
  shape(value: string): Shape {
    const shape = this.typeOf(value).shape;
    if (!shape) throw new Error(`the shape of ${value} is unknown: shape inference has to run before the numeric engines`);
    return shape;
  }

  /** The computable step that writes the value, if any. */
  producer(value: string): Step | undefined {
    return this.writer.get(value);
  }

  /** All nodes that read the value, opaque ones too. */
  consumers(value: string): readonly Node[] {
    return this.readers.get(value) ?? [];
  }

  /** The value of a constant; undefined for everything else. */
  constant(value: string): Tensor | undefined {
    return this.graph.constants.get(value);
  }

  /** Number of trainable numbers. */
  get parameterCount(): number {
    return this.trainable.reduce((n, p) => n + this.shape(p).reduce((a, b) => a * b, 1), 0);
  }
}
