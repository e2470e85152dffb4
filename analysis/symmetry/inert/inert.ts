/**
 * @file Inert parameters: whatever is added to them, the function stays the same, because every path to an output forgets
 * it. A bias before batch normalisation is one (the mean that is subtracted contains it), and the bias of the keys of
 * softmax attention (it adds one number to a whole row of scores).
 */
import { CAPTURED_INPUTS, consumers, type Graph, type Node, type Parameter, producers } from "../../graph/graph";
import { isFloating, type Shape } from "../../graph/tensor";
import { operatorsThat } from "../../operators/movers";
import { pass } from "./rules";
import { Patterns, type Shift } from "./shift";

/** A node at which a shift disappears. */
export interface Forgetter {
  /**
   * "mean": a mean that contains it is subtracted. "difference": it cancels against itself in another sum. "softmax": it is
   * the same for all that compete.
   */
  readonly how: "mean" | "difference" | "softmax";
  readonly node: Node;
}

/** Entries [start, end) of one axis of a parameter. */
export interface Segment {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

/** A parameter that the function does not depend on. */
export interface InertParameter {
  readonly parameter: Parameter;
  /** The part that is inert; absent where all of it is. */
  readonly segment?: Segment;
  /** Where its shift disappears, in graph order; at least one. */
  readonly forgottenBy: readonly Forgetter[];
}

/** Parts of one parameter beyond which a search by parts is given up. */
const MOST_PARTS = 16;

/** Finds the inert parameters of a graph, and the inert parts of parameters that slices cut apart. */
export function findInertParameters(normal: Graph): InertParameter[] {
  const search = new Search(normal);
  const out: InertParameter[] = [];
  for (const p of normal.parameters.values()) {
    if (!p.trainable || !isFloating(p.type) || p.shape.some((n) => n === 0)) continue;
    out.push(...search.parameter(p));
  }
  return out;
}

/** Those of some values of known shape that every path to an output forgets, whatever is added to them. */
export function findForgotten(normal: Graph, values: Iterable<string>): string[] {
  const search = new Search(normal);
  return [...values].filter((v) => search.isForgotten(v));
}

/**
 * Nodes that all shifts together are followed through. Through thousands of layers without a nonlinearity each bias would be
 * followed to the end; what is not followed counts as read.
 */
const MOST_STEPS = 300_000;

class Search {
  private readonly order = new Map<Node, number>();
  private readonly readers: ReadonlyMap<string, readonly Node[]>;
  private readonly writers: ReadonlyMap<string, Node>;
  private readonly outputs: ReadonlySet<string>;
  private steps = 0;

  constructor(private readonly graph: Graph) {
    graph.nodes.forEach((n, i) => this.order.set(n, i));
    this.readers = consumers(graph);
    this.writers = producers(graph);
    this.outputs = new Set(graph.outputs);
  }

  parameter(parameter: Parameter): InertParameter[] {
    const whole = new Patterns(undefined);
    const forgottenBy = this.follow(parameter.name, parameter.shape, whole);
    if (forgottenBy !== undefined) return forgottenBy.length > 0 ? [{ parameter, forgottenBy }] : [];
    // The parts of the longest axis that slices cut: queries, keys and values of one fused projection.
    const out: InertParameter[] = [];
    for (const [axis, places] of whole.cuts) {
      const size = parameter.shape[axis]!;
      const bounds = [...new Set([0, ...places, size])].filter((b) => b >= 0 && b <= size).sort((a, b) => a - b);
      if (bounds.length - 1 > MOST_PARTS || bounds.length < 3) continue;
      for (let i = 1; i < bounds.length; i++) {
        const segment = { axis, start: bounds[i - 1]!, end: bounds[i]! };
        const found = this.follow(parameter.name, parameter.shape, new Patterns({ ...segment, size }));
        if (found !== undefined && found.length > 0) out.push({ parameter, segment, forgottenBy: found });
      }
    }
    return out;
  }

  /** Whether all that reads a value forgets what is added to it. */
  isForgotten(value: string): boolean {
    const shape = this.graph.types.get(value)?.shape;
    const found = shape && this.follow(value, shape, new Patterns(undefined));
    return found !== undefined && found.length > 0;
  }

  /** The nodes that forget the shift of a value, in graph order; undefined where it reaches an output or cannot be followed. */
  private follow(source: string, shape: Shape, patterns: Patterns): Forgetter[] | undefined {
    if (this.outputs.has(source)) return undefined;
    const shifts = new Map<string, Shift>([[source, patterns.own(shape)]]);
    const pending = new Agenda(this.order);
    for (const reader of this.readers.get(source) ?? []) pending.add(reader);
    const forgottenBy: Forgetter[] = [];
    for (let node = pending.next(); node !== undefined; node = pending.next()) {
      if (node.attributes[CAPTURED_INPUTS] !== undefined || ++this.steps > MOST_STEPS) return undefined;
      const outcome = pass({
        graph: this.graph,
        node,
        patterns,
        shifts: node.inputs.map((i) => shifts.get(i)),
        writer: (value) => this.writers.get(value),
      });
      if (outcome === "escapes") return undefined;
      if (outcome.terms.length === 0) {
        const how = this.forgets(node);
        if (how !== undefined) forgottenBy.push({ how, node });
        continue;
      }
      const value = node.outputs[0]!;
      if (this.outputs.has(value)) return undefined;
      shifts.set(value, outcome);
      for (const reader of this.readers.get(value) ?? []) pending.add(reader);
    }
    return forgottenBy;
  }

  /** How a node makes a shift disappear; undefined where it only leaves out the part of a tensor that moves. */
  private forgets(node: Node): Forgetter["how"] | undefined {
    switch (node.operator) {
      case "Add":
      case "Sub":
        return node.inputs.some((i) => this.isMean(i)) ? "mean" : "difference";
      case "Softmax":
      case "ArgMax":
      case "ArgMin":
      case "Hardmax":
        return "softmax";
      default:
        return undefined;
    }
  }

  /** Whether a value is a mean, up to its sign and shape: a reduction, or a sum that is scaled. */
  private isMean(value: string): boolean {
    let at: string | undefined = value;
    for (let steps = 0; at !== undefined && steps < 8; steps++) {
      const node: Node | undefined = this.writers.get(at);
      if (node?.operator === "ReduceMean" || node?.operator === "ReduceSum" || node?.operator === "AveragePool") return true;
      if (node === undefined || !MOVING.has(node.operator)) return false;
      at = node.inputs.find((i) => !this.graph.constants.has(i));
    }
    return false;
  }
}

/** Operators through which a mean stays one for the purpose of its name; of those that pick, Gather may read places by data. */
const MOVING: ReadonlySet<string> = new Set([
  ...operatorsThat("reshapes", "transposes", "repeats"),
  "Slice",
  "Cast",
  "Neg",
  "Mul",
  "Div",
]);

/** Nodes to visit, in graph order and each once: a binary heap. */
class Agenda {
  private readonly heap: Node[] = [];
  private readonly known = new Set<Node>();

  constructor(private readonly order: ReadonlyMap<Node, number>) {}

  add(node: Node): void {
    if (this.known.has(node)) return;
    this.known.add(node);
    const heap = this.heap;
    let i = heap.push(node) - 1;
    for (; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (this.at(parent) <= this.at(i)) break;
      [heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
      i = parent;
    }
  }

  next(): Node | undefined {
    const heap = this.heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < heap.length && this.at(child) < this.at(least)) least = child;
      if (least === i) return first;
      [heap[i], heap[least]] = [heap[least]!, heap[i]!];
      i = least;
    }
  }

  private at(index: number): number {
    return this.order.get(this.heap[index]!)!;
  }
}
