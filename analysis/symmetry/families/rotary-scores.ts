/**
 * @file Scores of queries with keys that nothing but constant tables comes between: where each of the two comes from, and which
 * rows of which weights are its coordinates.
 */
import { type Node, numbersAttribute, stringAttribute } from "../../graph/graph";
import { elementCount, type Tensor } from "../../graph/tensor";
import { operatorsThat } from "../../operators/movers";
import { operatorTable } from "../../operators/table";
import type { Network } from "../counting/network";
import { isGlue } from "../fields/edges";

/** Rows of a weight or entries of a bias, along one of its axes. */
export interface RowsOf {
  readonly parameter: string;
  readonly axis: number;
}

/** One of the two operands of scores. */
export interface ScoreOperand {
  /** The value from which on only these scores read it, and its entries' rows, entry by entry. */
  readonly value: string;
  readonly rows: Float64Array;
  /** The rows that occur, ascending. */
  readonly listed: Int32Array;
  /** The weight that writes it, and its bias. */
  readonly written: readonly RowsOf[];
}

/** Scores and what they are made of. */
export interface Scores {
  readonly value: string;
  /** Coordinates of one head: as many as are contracted, fewer where some are written by weights of their own. */
  readonly depth: number;
  readonly operands: readonly [ScoreOperand, ScoreOperand];
  /** Other values that the scores are made of: coordinates of heads that no table comes to. */
  readonly others: readonly string[];
}

/** Operators that show entries of their first input in other places. */
const SHOWING: ReadonlySet<string> = operatorsThat("reshapes", "transposes", "picks");

/** Nodes between a weight and its scores at most. */
const LONGEST = 60;

/** The products of two activations that are made of weights by tables and moves alone, with some table among them. */
export function* scoresIn(network: Network): Iterable<Scores> {
  for (const { node } of network.steps) {
    try {
      const found = scoresAt(network, node);
      if (found) yield found;
    } catch {
      // Attributes of damaged nodes are of other types than their operators say: nothing is told of what meets them.
    }
  }
}

function scoresAt(network: Network, node: Node): Scores | undefined {
  const depth = contractedSize(network, node);
  if (depth === undefined) return undefined;
  const [a, b] = node.inputs as [string, string];
  const [left, right] = [cellBehind(network, a, node), cellBehind(network, b, node)];
  if (!left || !right) return undefined;
  const operands = [left, right].map((c) => operandOf(network, c)) as [ScoreOperand | undefined, ScoreOperand | undefined];
  if (!operands[0] || !operands[1] || sharesRows(operands[0], operands[1])) return undefined;
  const own = [left, right].map((c, k) => ownDepth(network, c, operands[k]!, depth)).find((n) => Number.isInteger(n) && n > 1);
  if (own === undefined) return undefined;
  const others = [...new Set([...left.others, ...right.others])];
  return { value: node.outputs[0]!, depth: own, operands: [operands[0], operands[1]], others };
}

/** How many of a head's coordinates an operand's weight writes, where other weights write the others. */
function ownDepth(network: Network, { others }: Cell, { listed }: ScoreOperand, depth: number): number {
  const all = others.reduce((n, value) => n + (network.shape(value).at(-1) ?? 0), listed.length);
  return (listed.length * depth) / all;
}

function contractedSize(network: Network, node: Node): number | undefined {
  const [a, b] = node.inputs;
  if (node.inputs.length !== 2 || a === b || !network.isActivation(a!) || !network.isActivation(b!)) return undefined;
  if (node.operator === "MatMul") return network.shape(a!).at(-1);
  if (node.operator !== "Einsum") return undefined;
  const [left, out] = stringAttribute(node, "equation", "").replaceAll(" ", "").split("->");
  const [first, second] = (left ?? "").split(",");
  if (!first || !second || out === undefined || left!.includes(".")) return undefined;
  const both = [...first].filter((l) => second.includes(l) && !out.includes(l));
  return both.length === 1 ? network.shape(a!)[first.indexOf(both[0]!)] : undefined;
}

/** What is between contractions with weights and the scores: the nodes, the one value that tables come to, and the others. */
interface Cell {
  readonly nodes: ReadonlySet<Node>;
  readonly source: string;
  readonly others: readonly string[];
}

function cellBehind(network: Network, operand: string, scores: Node): Cell | undefined {
  const nodes = new Set<Node>([scores]);
  const sources = new Set<string>();
  const pending = [operand];
  while (pending.length > 0) {
    const value = pending.pop()!;
    const step = network.producer(value);
    const isBetween = step && isGlue(network, step) && step.node.inputs.every((i) => network.kind(i) !== "parameter");
    if (!isBetween) {
      sources.add(value);
      continue;
    }
    if (nodes.has(step.node)) continue;
    nodes.add(step.node);
    if (nodes.size > LONGEST) return undefined;
    for (const i of step.node.inputs) if (network.isActivation(i)) pending.push(i);
  }
  const turned = [...sources].filter((s) => meetsTable(network, s, nodes));
  const [source] = turned;
  return source !== undefined && turned.length === 1
    ? { nodes, source, others: [...sources].filter((s) => s !== source) }
    : undefined;
}

/** Whether some of these nodes behind a value multiplies by a table. */
function meetsTable(network: Network, source: string, nodes: ReadonlySet<Node>): boolean {
  const pending = [source];
  const seen = new Set<Node>();
  while (pending.length > 0) {
    for (const node of network.consumers(pending.pop()!)) {
      if (!nodes.has(node) || seen.has(node)) continue;
      seen.add(node);
      if (node.operator === "Mul" && node.inputs.some((i) => (network.constant(i)?.data.length ?? 1) > 1)) return true;
      pending.push(...node.outputs);
    }
  }
  return false;
}

function operandOf(network: Network, { nodes, source }: Cell): ScoreOperand | undefined {
  const written = writersOf(network, source);
  const shape = network.shape(source);
  const width = shape.at(-1);
  if (!written || width === undefined || network.outputs.includes(source)) return undefined;
  // Each entry is its row's number, as long as it is only shown elsewhere.
  let at = source;
  let rows: Tensor = { type: "float64", shape, data: Float64Array.from({ length: elementCount(shape) }, (_, i) => i % width) };
  const outside: { readonly node: Node; readonly seen: Tensor }[] = [];
  for (;;) {
    const readers = network.consumers(at);
    const others = readers.filter((n) => !nodes.has(n));
    if (others.length === 0) break;
    const inside = readers.filter((n) => nodes.has(n));
    const next = inside[0];
    if (inside.length !== 1 || !next || !SHOWING.has(next.operator)) return undefined;
    for (const node of others) outside.push({ node, seen: rows });
    const shown = shownBy(network, next, rows);
    if (!shown || network.outputs.includes(next.outputs[0]!)) return undefined;
    rows = shown;
    at = next.outputs[0]!;
  }
  const own = new Set(rows.data);
  // What others show of the source must be other rows.
  for (const { node, seen } of outside) {
    const shown = SHOWING.has(node.operator) ? shownBy(network, node, seen) : undefined;
    if (!shown || shown.data.some((r) => own.has(r))) return undefined;
  }
  const inner = [...nodes].flatMap((n) => n.outputs).filter((o) => !network.consumers(o).every((n) => nodes.has(n)));
  // Values on the way, apart from the scores themselves and those before `at`, are read by nobody else.
  const before = new Set(valuesUpTo(network, source, at, nodes));
  const last = [...nodes][0]!.outputs[0]!;
  if (inner.some((o) => o !== last && !before.has(o))) return undefined;
  return { value: at, rows: rows.data, listed: Int32Array.from(own).sort(), written };
}

function valuesUpTo(network: Network, source: string, end: string, nodes: ReadonlySet<Node>): string[] {
  const out = [source];
  for (let at = source; at !== end; ) {
    at = network.consumers(at).find((n) => nodes.has(n))!.outputs[0]!;
    out.push(at);
  }
  return out;
}

/** What a node that only moves entries makes of the first input's; undefined where it cannot be evaluated. */
function shownBy(network: Network, node: Node, value: Tensor): Tensor | undefined {
  const inputs = node.inputs.map((i, k) => (k === 0 ? value : i === "" ? undefined : network.constant(i)));
  if (inputs.some((t, k) => t === undefined && node.inputs[k] !== "")) return undefined;
  return operatorTable(node.operator, node.domain)?.evaluate?.(node, inputs)[0];
}

/** The weight that writes a value's last axis by its rows, with its bias; both read nowhere else. */
function writersOf(network: Network, value: string): RowsOf[] | undefined {
  const node = network.producer(value)?.node;
  if (!node) return undefined;
  if (node.operator === "Add") {
    const [bias, ...more] = node.inputs.filter((i) => network.kind(i) === "parameter");
    const [product, ...others] = node.inputs.filter((i) => network.isActivation(i));
    if (!bias || !product || more.length > 0 || others.length > 0 || network.consumers(product).length !== 1) return undefined;
    const shape = network.shape(bias);
    if (!isOwn(network, bias) || shape.length !== 1 || shape[0] !== network.shape(value).at(-1)) return undefined;
    const weight = network.producer(product)?.node.operator === "MatMul" ? writersOf(network, product) : undefined;
    return weight && [...weight, { parameter: bias, axis: 0 }];
  }
  if (node.operator !== "MatMul" || !network.isActivation(node.inputs[0]!)) return undefined;
  const weight = node.inputs[1]!;
  if (isOwn(network, weight)) return network.shape(weight).length === 2 ? [{ parameter: weight, axis: 1 }] : undefined;
  const transpose = network.producer(weight)?.node;
  if (transpose?.operator !== "Transpose" || network.consumers(weight).length !== 1) return undefined;
  const perm = numbersAttribute(transpose, "perm");
  const turned = transpose.inputs[0]!;
  const isTurned = isOwn(network, turned) && perm?.length === 2 && perm[0] === 1;
  return isTurned ? [{ parameter: turned, axis: 0 }] : undefined;
}

function isOwn(network: Network, parameter: string): boolean {
  return (
    network.trainable.includes(parameter) && network.consumers(parameter).length === 1 && !network.outputs.includes(parameter)
  );
}

function sharesRows(a: ScoreOperand, b: ScoreOperand): boolean {
  const rows = new Set(a.listed);
  const names = new Set(a.written.map((w) => w.parameter));
  return b.written.some((w) => names.has(w.parameter)) && b.listed.some((r) => rows.has(r));
}
