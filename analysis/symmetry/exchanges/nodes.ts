/** @file What the search for exchanges knows of operators: how slots pass through each of them. */
import { type Attribute, type Node, numberAttribute, numbersAttribute } from "../../graph/graph";
import { ABSENT } from "../../graph/numbering";
import { EVEN as EVEN_FUNCTIONS, ODD as ODD_FUNCTIONS } from "../../lowering/mirrored-form";
import { parseEinsum } from "../../operators/einsum";
import type { Slots } from "./slots";

/** How slots pass: entry by entry, summed over labels, reduced over axes, normalised along an axis, or only as a whole. */
export type Passing =
  | { readonly kind: "entries"; readonly axes?: readonly number[] }
  | {
      readonly kind: "contraction";
      /** A label for each axis of the operands and of the result; an axis with an empty one passes no slots. */
      readonly labels: readonly (readonly string[])[];
      readonly output: readonly string[];
    }
  | { readonly kind: "reduction"; readonly over: readonly number[]; readonly keeps: boolean }
  | { readonly kind: "normalised"; readonly axis: number }
  | { readonly kind: "whole" };

/** A node that is no movement; of a chain of one commutative operator, all of it. */
export interface Application {
  /** Position of the node in the graph, of a chain that of its last one. */
  readonly at: number;
  readonly node: Node;
  /** Values. */
  readonly operands: readonly number[];
  readonly output: number;
  readonly passing: Passing;
}

/** Commutative operators whose chains are one. */
const CHAINED: ReadonlySet<string> = new Set(["Add", "Mul", "Max", "Min"]);
/** Operators that give the same when their operands change places. */
export const COMMUTATIVE: ReadonlySet<string> = new Set([...CHAINED, "Sum", "Mean"]);

const ODD: ReadonlySet<string> = new Set([...ODD_FUNCTIONS, "ReduceSum", "ReduceMean", "AveragePool", "GlobalAveragePool"]);
const EVEN: ReadonlySet<string> = new Set([...EVEN_FUNCTIONS, "ReduceSumSquare", "ReduceL1", "ReduceL2"]);
const UNARY: ReadonlySet<string> = new Set([
  ...["Relu", "Sigmoid", "HardSigmoid", "HardSwish", "Exp", "Log", "Sqrt", "Softplus", "LeakyRelu", "Elu", "Selu", "Celu"],
  ...["ThresholdedRelu", "Mish", "Gelu", "Floor", "Ceil", "Round", "Acos", "Acosh", "Clip", "Swish"],
]);
const BINARY: ReadonlySet<string> = new Set(["Sub", "Div", "Pow", "PRelu"]);
const REDUCTIONS: ReadonlySet<string> = new Set([
  ...["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2"],
  ...["ReduceLogSumExp"],
]);
const SPATIAL: ReadonlySet<string> = new Set(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"]);

/** f(-x) = sign f(x) + offset. */
export function reflection(node: Node): { readonly sign: number; readonly offset: number } | undefined {
  if (ODD.has(node.operator)) return { sign: -1, offset: 0 };
  if (EVEN.has(node.operator)) return { sign: 1, offset: 0 };
  const isHalfway = node.operator === "HardSigmoid" && numberAttribute(node, "beta", 0.5) === 0.5;
  return node.operator === "Sigmoid" || isHalfway ? { sign: -1, offset: 1 } : undefined;
}

/** The applications of a graph: its nodes without movements, chains taken as one. */
export class Applications {
  private readonly known = new Map<number, Application>();
  private readonly isOutput = new Set<number>();
  /** The last node of the chain by an inner one of it. */
  private readonly ends = new Map<number, number>();
  /** How many were looked at while exchanges were followed. */
  looks = 0;

  constructor(readonly slots: Slots) {
    for (const o of slots.graph.outputs) this.isOutput.add(slots.numbering.of(o));
  }

  isGraphOutput(value: number): boolean {
    return this.isOutput.has(value);
  }

  /** The last node of the chain that a node is in, found once for all nodes on the way: sums have thousands of terms. */
  private outermost(at: number): number {
    const passed: number[] = [];
    let outer = at;
    let known = this.ends.get(outer);
    for (let next = this.outer(outer); known === undefined && next !== undefined; next = this.outer(outer)) {
      passed.push(outer);
      outer = next;
      known = this.ends.get(outer);
    }
    const end = known ?? outer;
    for (const p of passed) this.ends.set(p, end);
    return end;
  }

  /** The application that a node belongs to. */
  of(at: number): Application {
    const outer = this.outermost(at);
    let known = this.known.get(outer);
    if (!known) {
      known = this.make(outer);
      this.known.set(outer, known);
    }
    return known;
  }

  /** The next node of the chain that a node is an inner one of. */
  private outer(at: number): number | undefined {
    const { slots } = this;
    const { graph, numbering } = slots;
    const node = graph.nodes[at]!;
    const value = numbering.outputs[at]![0]!;
    if (node.domain !== "" || !CHAINED.has(node.operator) || slots.isMovement(at)) return undefined;
    if (this.isOutput.has(value) || numbering.readerCount(value) !== 1) return undefined;
    const reader = numbering.firstReader(value);
    const next = graph.nodes[reader]!;
    const isOnce = numbering.inputs[reader]!.filter((i) => i === value).length === 1;
    return isOnce && next.operator === node.operator && next.domain === "" && !slots.isMovement(reader) ? reader : undefined;
  }

  private make(at: number): Application {
    const { graph, numbering } = this.slots;
    const node = graph.nodes[at]!;
    const operands: number[] = [];
    const pending = [...numbering.inputs[at]!].reverse();
    while (pending.length > 0) {
      const value = pending.pop()!;
      const inner = value === ABSENT ? ABSENT : numbering.writer(value);
      if (inner !== ABSENT && inner !== at && this.outermost(inner) === at) {
        pending.push(...[...numbering.inputs[inner]!].reverse());
      } else operands.push(value);
    }
    const isOne = numbering.outputs[at]!.filter((o) => o !== ABSENT).length === 1;
    return { at, node, operands, output: numbering.outputs[at]![0]!, passing: isOne ? this.passing(at, node, operands) : WHOLE };
  }

  private passing(at: number, node: Node, operands: readonly number[]): Passing {
    if (node.domain !== "") return WHOLE;
    const { operator } = node;
    const shapes = operands.map((o) => this.slots.shape(o));
    const output = this.slots.numbering.outputs[at]![0]!;
    if (shapes.some((s) => s === undefined) || this.slots.shape(output) === undefined) return WHOLE;
    const first = shapes[0]!;
    if (REDUCTIONS.has(operator)) {
      const listed = numbersAttribute(node, "axes") ?? this.slots.numbering.constants[operands[1] ?? ABSENT]?.data;
      if (operands.length > 1 && listed === undefined) return WHOLE;
      if (listed === undefined && numberAttribute(node, "noop_with_empty_axes", 0) !== 0) return WHOLE;
      const over = listed ? Array.from(listed, (a) => (a < 0 ? a + first.length : a)) : first.map((_, a) => a);
      return { kind: "reduction", over, keeps: numberAttribute(node, "keepdims", 1) !== 0 };
    }
    if (operator === "Softmax" || operator === "LogSoftmax") {
      const axis = numberAttribute(node, "axis", -1);
      return this.slots.graph.opset >= 13 ? { kind: "normalised", axis: axis < 0 ? axis + first.length : axis } : WHOLE;
    }
    if (SPATIAL.has(operator)) return { kind: "entries", axes: [0, 1] };
    if (CHAINED.has(operator) || BINARY.has(operator)) return { kind: "entries" };
    if (operands.length === 1 && (ODD.has(operator) || EVEN.has(operator) || UNARY.has(operator))) return { kind: "entries" };
    return this.contraction(node, shapes as readonly (readonly number[])[]) ?? WHOLE;
  }

  private contraction(node: Node, shapes: readonly (readonly number[])[]): Passing | undefined {
    if (shapes.length !== 2) return undefined;
    const [x, w] = shapes as [readonly number[], readonly number[]];
    if (node.operator === "Einsum") {
      const equation = node.attributes["equation"];
      if (typeof equation !== "string") return undefined;
      const { inputs, output } = parseEinsum(
        equation,
        shapes.map((s) => s.length),
      );
      // A diagonal, or an axis that broadcasts, passes no slots.
      const isPlain = inputs.every(
        (l, k) => new Set(l).size === l.length && l.every((c, a) => sizeOf(c, inputs, shapes) === shapes[k]![a]),
      );
      return isPlain ? { kind: "contraction", labels: inputs, output } : undefined;
    }
    if (node.operator === "MatMul") {
      if (x.length < 2 || w.length < 2) return undefined;
      const rank = Math.max(x.length, w.length) - 2;
      const batch = (shape: readonly number[]): string[] =>
        shape.slice(0, -2).map((n, i) => {
          const at = i + rank - (shape.length - 2);
          const other = shape === x ? w : x;
          const size = other[at - rank + other.length - 2];
          return size === undefined || size === n ? `batch ${at}` : n === 1 ? "" : `batch ${at}`;
        });
      const all = Array.from({ length: rank }, (_, i) => `batch ${i}`);
      return {
        kind: "contraction",
        labels: [
          [...batch(x), "row", "inner"],
          [...batch(w), "inner", "column"],
        ],
        output: [...all, "row", "column"],
      };
    }
    const isTransposed = node.operator === "ConvTranspose";
    if (node.operator !== "Conv" && !isTransposed) return undefined;
    const still = x.slice(2).map(() => "");
    const groups = numberAttribute(node, "group", 1);
    if (groups > 1) {
      if (isTransposed || w[1] !== 1 || groups !== x[1] || groups !== w[0]) return undefined;
      return {
        kind: "contraction",
        labels: [
          ["sample", "channel", ...still],
          ["channel", "", ...still],
        ],
        output: ["sample", "channel", ...still],
      };
    }
    const weight = isTransposed ? ["in", "out"] : ["out", "in"];
    return {
      kind: "contraction",
      labels: [
        ["sample", "in", ...still],
        [...weight, ...still],
      ],
      output: ["sample", "out", ...still],
    };
  }
}

/** Whether a sum of products stays as it is when its two operands change places. */
export function isSymmetric({ passing }: Application): boolean {
  return passing.kind === "contraction" && passing.labels[0]!.join() === passing.labels[1]!.join();
}

function sizeOf(label: string, inputs: readonly (readonly string[])[], shapes: readonly (readonly number[])[]): number {
  return Math.max(...inputs.map((l, k) => (l.includes(label) ? shapes[k]![l.indexOf(label)]! : 1)));
}

const WHOLE: Passing = { kind: "whole" };

/** Whether two nodes apply one operator in one way. */
export function sameOperator(a: Node, b: Node): boolean {
  if (a === b) return true;
  if (a.operator !== b.operator || a.domain !== b.domain) return false;
  const keys = Object.keys(a.attributes);
  return keys.length === Object.keys(b.attributes).length && keys.every((k) => sameAttribute(a.attributes[k], b.attributes[k]));
}

function sameAttribute(x: Attribute | undefined, y: Attribute | undefined): boolean {
  if (typeof x !== "object" || typeof y !== "object") return x === y;
  return Array.isArray(x) && Array.isArray(y) && x.length === y.length && x.every((v, i) => v === y[i]);
}
