/**
 * @file The Graph: the one representation of a network. Nodes are ONNX operators with ONNX semantics, parameters carry
 * their PyTorch or ONNX names, everything knows where it came from. Front ends produce it; nothing downstream knows which.
 */
import type { Origin } from "./source";
import type { ElementType, Shape, Tensor, TensorType } from "./tensor";

/** An attribute of a node. Graph-valued attributes (If, Loop, Scan) hold whole Graphs. */
export type Attribute = number | string | readonly number[] | readonly string[] | Tensor | Graph;

/** One application of an operator. Absent optional inputs and outputs are "". */
export interface Node {
  /** Unique in its graph. */
  readonly name: string;
  /** ONNX op_type, for example `Conv`; for an unknown call of a front end, the name as the user wrote it. */
  readonly operator: string;
  /** "" is the standard ONNX domain. Unknown Python calls have the domain "python". */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly origin: Origin;
}

/** How a parameter starts, where the source says so; what rules about initialisation read. */
export interface Initialisation {
  /** PyTorch's name (`kaiming_uniform_`, `zeros_`, `normal_`, ...), or "default" for a layer's own. */
  readonly scheme: string;
  /** The one value that all entries have at the start, when they all have the same. */
  readonly constant?: number;
  readonly std?: number;
  readonly origin?: Origin;
}

/**
 * A weight tensor: a parameter that trains, or a frozen one or a buffer (running statistics) that does not. Values are
 * read only on demand; `read` is absent or returns undefined where the file has none (external data absent, source code).
 */
export interface Parameter {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
  /** False for buffers and for parameters with requires_grad=False: generic but fixed. */
  readonly trainable: boolean;
  /** Running statistics: measured by the model as it trains, so they go along with what they are measured of. */
  readonly buffer?: boolean;
  readonly read?: () => Tensor | undefined;
  readonly initialisation?: Initialisation;
  readonly origin: Origin;
}

/** A tensor that the caller supplies. */
export interface GraphInput {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
}

/** A network as a directed acyclic graph of ONNX operators, in topological order. */
export interface Graph {
  readonly name: string;
  /** The version of the standard operator set whose semantics the nodes follow. */
  readonly opset: number;
  readonly inputs: readonly GraphInput[];
  /** Names of the values that the network returns. */
  readonly outputs: readonly string[];
  /** In topological order: a node comes after the nodes that write its inputs. */
  readonly nodes: readonly Node[];
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Untrained tensors whose values are known: Constant nodes, integer initialisers, masks, tables. */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** What shape inference found for each value, by name (inputs, parameters, constants and node outputs). */
  readonly types: ReadonlyMap<string, TensorType>;
  /** Names of sizes that the source left symbolic, by the concrete size that stands for them here (for display only). */
  readonly symbols?: ReadonlyMap<number, string>;
}

/**
 * Attribute of a node with nested graphs (If, Loop, Scan): how many of its last inputs are not ONNX inputs but outer
 * values that its nested graphs read by name. Front ends list them, so that no use of a value is hidden from inference.
 */
export const CAPTURED_INPUTS = "captured_inputs";

/** The inputs as ONNX counts them: without the captured values at the end. */
export function formalInputs(node: Node): readonly string[] {
  const captured = node.attributes[CAPTURED_INPUTS];
  return typeof captured === "number" ? node.inputs.slice(0, node.inputs.length - captured) : node.inputs;
}

const WRITERS = new WeakMap<Graph, ReadonlyMap<string, Node>>();
const READERS = new WeakMap<Graph, ReadonlyMap<string, readonly Node[]>>();

/** The node that writes each value, by value name. Made once for each graph: graphs do not change. */
export function producers(graph: Graph): ReadonlyMap<string, Node> {
  const known = WRITERS.get(graph);
  if (known !== undefined) return known;
  const out = new Map<string, Node>();
  for (const node of graph.nodes) for (const o of node.outputs) if (o !== "") out.set(o, node);
  WRITERS.set(graph, out);
  return out;
}

/**
 * The nodes that read each value, by value name, in graph order; a node that reads a value twice is listed once. Made once
 * for each graph: graphs do not change.
 */
export function consumers(graph: Graph): ReadonlyMap<string, readonly Node[]> {
  const known = READERS.get(graph);
  if (known !== undefined) return known;
  const out = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const i of node.inputs) {
      if (i === "") continue;
      const list = out.get(i);
      if (list === undefined) out.set(i, [node]);
      else if (list.at(-1) !== node) list.push(node);
    }
  }
  READERS.set(graph, out);
  return out;
}

/** A numeric attribute, or the fallback when it is absent. Throws TypeError when it has another type. */
export function numberAttribute(node: Node, name: string, fallback: number): number {
  const a = node.attributes[name];
  if (a === undefined) return fallback;
  if (typeof a !== "number") throw new TypeError(`${node.operator} ${node.name}: attribute ${name} is not a number`);
  return a;
}

/** A string attribute, or the fallback when it is absent. Throws TypeError when it has another type. */
export function stringAttribute(node: Node, name: string, fallback: string): string {
  const a = node.attributes[name];
  if (a === undefined) return fallback;
  if (typeof a !== "string") throw new TypeError(`${node.operator} ${node.name}: attribute ${name} is not a string`);
  return a;
}

/** A list of numbers, or undefined when it is absent. Throws TypeError when it has another type. */
export function numbersAttribute(node: Node, name: string): readonly number[] | undefined {
  const a = node.attributes[name];
  if (a === undefined) return undefined;
  if (!Array.isArray(a) || a.some((v) => typeof v !== "number")) {
    throw new TypeError(`${node.operator} ${node.name}: attribute ${name} is not a list of numbers`);
  }
  return a as readonly number[];
}
