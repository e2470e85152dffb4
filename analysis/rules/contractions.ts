/** @file Linear maps by trained weights, and which of them follow each other without a nonlinearity. */
import { consumers, type Graph, type Node, numberAttribute, type Parameter, producers } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import { operatorsThat } from "../operators/movers";

/** One application of a trained matrix or kernel to a value. */
export interface Contraction {
  readonly node: Node;
  readonly weight: Parameter;
  /** The value that the weight is applied to. */
  readonly data: string;
}

/** Two matrices that are multiplied without anything between that bends, in the order in which data pass. */
export interface MatrixPair {
  readonly first: FactorMatrix;
  readonly second: FactorMatrix;
}

/** A matrix parameter, and whether its rows are what it reads (as ONNX's MatMul has it) or what it writes (PyTorch). */
export interface FactorMatrix {
  readonly parameter: string;
  readonly rows: "in" | "out";
}

/** Operators that hand all entries of their input on, in another layout. */
export const LAYOUT: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes"), "Cast"]);

/** Linear operators that do not mix channels and have one operand. */
const TRANSPARENT: ReadonlySet<string> = new Set([
  ...LAYOUT,
  "Expand",
  "AveragePool",
  "GlobalAveragePool",
  "Pad",
  "Neg",
  "Dropout",
]);

/** A graph in normal form with what is asked of it again and again. */
export class Linear {
  private readonly writers: ReadonlyMap<string, Node>;
  private readonly readers: ReadonlyMap<string, readonly Node[]>;
  private readonly outputs: ReadonlySet<string>;
  /** By node. */
  readonly contractions: ReadonlyMap<Node, Contraction>;

  constructor(readonly graph: Graph) {
    this.writers = producers(graph);
    this.readers = consumers(graph);
    this.outputs = new Set(graph.outputs);
    const found = new Map<Node, Contraction>();
    for (const node of graph.nodes) {
      const c = this.contraction(node);
      if (c) found.set(node, c);
    }
    this.contractions = found;
  }

  /** The trained parameter that a value is, up to its layout. */
  parameterBehind(value: string): Parameter | undefined {
    let at = value;
    for (let steps = 0; steps < 12; steps++) {
      const p = this.graph.parameters.get(at);
      if (p) return p;
      const node = this.writers.get(at);
      if (!node || !LAYOUT.has(node.operator)) return undefined;
      at = node.inputs[0]!;
    }
    return undefined;
  }

  /** Which axis of its parameter a matrix product reads; undefined where the weight gets there through a reshape. */
  rowsOf({ node, data }: Contraction): FactorMatrix["rows"] | undefined {
    if (node.operator !== "MatMul") return undefined;
    const isLeft = node.inputs[0] === data;
    let at = node.inputs[isLeft ? 1 : 0]!;
    let isTurned = false;
    for (let steps = 0; steps < 12 && !this.graph.parameters.has(at); steps++) {
      const writer = this.writers.get(at);
      if (writer?.operator === "Transpose") isTurned = !isTurned;
      else if (writer?.operator !== "Identity" && writer?.operator !== "Cast") return undefined;
      at = writer.inputs[0]!;
    }
    return isLeft === isTurned ? "out" : "in";
  }

  private contraction(node: Node): Contraction | undefined {
    if (node.domain !== "") return undefined;
    const [a = "", b = ""] = node.inputs;
    if (node.operator === "Conv" || node.operator === "ConvTranspose") {
      const weight = this.parameterBehind(b);
      return weight?.trainable && numberAttribute(node, "group", 1) === 1 ? { node, weight, data: a } : undefined;
    }
    if (node.operator !== "MatMul") return undefined;
    const [left, right] = [this.parameterBehind(a), this.parameterBehind(b)];
    if (left && right) return undefined;
    const weight = right ?? left;
    return weight?.trainable && weight.shape.length === 2 ? { node, weight, data: right ? a : b } : undefined;
  }

  /**
   * The contractions that read what a contraction writes with nothing but linear, channel-wise operators between, or
   * undefined where something else reads it too.
   */
  followers(node: Node): { readonly next: readonly Contraction[]; readonly biases: readonly Parameter[] } | undefined {
    const next: Contraction[] = [];
    const biases: Parameter[] = [];
    const pending = [node.outputs[0]!];
    for (let steps = 0; pending.length > 0; steps++) {
      const value = pending.pop()!;
      if (this.outputs.has(value) || steps > 64) return undefined;
      for (const reader of this.readers.get(value) ?? []) {
        const c = this.contractions.get(reader);
        if (c) {
          if (c.data !== value) return undefined;
          next.push(c);
          continue;
        }
        const outcome = this.passes(reader, value);
        if (!outcome) return undefined;
        if (outcome !== true) biases.push(outcome);
        pending.push(reader.outputs[0]!);
      }
    }
    return next.length > 0 ? { next, biases } : undefined;
  }

  /** Whether a node hands a value on linearly and channel by channel; the bias that it adds, if it adds one. */
  private passes(node: Node, value: string): boolean | Parameter {
    if (node.domain !== "") return false;
    if (TRANSPARENT.has(node.operator)) return node.inputs[0] === value;
    const other = node.inputs.find((i) => i !== value);
    if (other === undefined || node.inputs.length !== 2) return false;
    switch (node.operator) {
      case "Add":
      case "Sub": {
        const p = this.parameterBehind(other);
        if (p) return p.shape.filter((d) => d > 1).length <= 1 ? p : false;
        return this.graph.constants.has(other);
      }
      case "Mul":
      case "Div": {
        const c = this.graph.constants.get(other);
        return c !== undefined && elementCount(c.shape) === 1 && (node.operator === "Mul" || node.inputs[0] === value);
      }
      default:
        return false;
    }
  }
}

const known = new WeakMap<Graph, Linear>();

/** The linear structure of a graph in normal form; worked out once. */
export function linearStructure(normal: Graph): Linear {
  let found = known.get(normal);
  if (!found) {
    found = new Linear(normal);
    known.set(normal, found);
  }
  return found;
}

/** All pairs of matrices that are multiplied without anything between that bends, of a graph in normal form. */
export function matrixPairs(normal: Graph): MatrixPair[] {
  const linear = linearStructure(normal);
  const out: MatrixPair[] = [];
  for (const c of linear.contractions.values()) {
    const rows = linear.rowsOf(c);
    if (rows === undefined) continue;
    for (const next of linear.followers(c.node)?.next ?? []) {
      const nextRows = linear.rowsOf(next);
      if (nextRows === undefined) continue;
      out.push({ first: { parameter: c.weight.name, rows }, second: { parameter: next.weight.name, rows: nextRows } });
    }
  }
  return out;
}
