/**
 * @file Swaps: two branches of the same shape that meet in a commutative operator may exchange their parameters
 * (ALGORITHM.md section 7).
 */
import type { Attribute, Graph, Node } from "../graph/graph";
import { ABSENT, type Numbering, numberingOf } from "../graph/numbering";
import type { Equivariance } from "../operators/equivariance";
import { type EntryExchange, PickedAxes, type PickedPair, pickOf } from "./picked";
import type { Swap } from "./symmetry";

/** Two branches and which parameter of one takes the place of which of the other. */
export interface BranchSwap {
  readonly names: Swap;
  /** Pairs of parameters to exchange; two pairs with one member in common cannot occur. */
  readonly pairs: readonly (readonly [string, string])[];
  /** What else changes places: the rows of a router that belong to two experts. */
  readonly entries: readonly EntryExchange[];
}

/** The parameters of two branches, and which entries of other values they pick. */
interface Match {
  readonly pairs: readonly (readonly [string, string])[];
  readonly picked: readonly PickedPair[];
}

/** Operators that give the same for x and -x. */
const EVEN: ReadonlySet<string> = new Set(["Abs", "Cos", "Cosh", "ReduceSumSquare", "ReduceL1", "ReduceL2"]);

const COMMUTATIVE: ReadonlySet<string> = new Set(["Add", "Mul", "Max", "Min", "Sum", "Mean"]);

/** Among more operands of one kind no exchange is looked for. */
const MOST_ALIKE = 64;
/** The same of partial results of a chain, of which each may have its like anywhere. */
const MOST_PARTIAL = 12;

/** Every pair of exchangeable operands of commutative operators. */
export function findSwaps(graph: Graph, equivariance: (node: Node) => Equivariance | undefined): BranchSwap[] {
  const matcher = new BranchMatcher(graph);
  const axes = new PickedAxes(graph, equivariance);
  const active = activeValues(graph, matcher.numbering);
  const out: BranchSwap[] = [];
  const seen = new Set<string>();
  for (let k = 0; k < graph.nodes.length; k++) {
    const node = graph.nodes[k]!;
    if (node.domain !== "" || !(COMMUTATIVE.has(node.operator) ? !matcher.isInner(k) : matcher.isReadEvenly(k))) continue;
    // Exchanging two summed biases is part of the translations that move weight from one to the other.
    const { operands, inner } = matcher.operands(k);
    const isOwn = (o: number): boolean => node.operator === "Mul" || active[o] === 1;
    const partial = inner.filter(isOwn);
    for (const alike of [...matcher.alike(operands.filter(isOwn)), partial]) {
      for (const [one, other] of pairsOf(alike, alike === partial)) {
        const match = matcher.match(one, other);
        if (!match) continue;
        const { pairs, picked } = match;
        const entries = picked.length > 0 ? axes.exchanges(picked) : [];
        const own = new Set(pairs.flat());
        if (!entries || entries.some((e) => e.action.parameters.some((p) => own.has(p)))) continue;
        const key = pairs.map((p) => p.join("~")).join();
        if (seen.has(key) || (alike === partial && out.some((s) => isWithin(s.pairs, pairs)))) continue;
        seen.add(key);
        out.push({ pairs, entries, names: namesOf(pairs) });
      }
    }
  }
  return out;
}

/** The pairs to compare: the first with all others, or all where those with no like may come first. */
function* pairsOf(alike: readonly number[], all: boolean): Iterable<readonly [number, number]> {
  if (alike.length > (all ? MOST_PARTIAL : MOST_ALIKE)) return;
  for (let k = 0; k < (all ? alike.length : 1); k++) for (let i = k + 1; i < alike.length; i++) yield [alike[k]!, alike[i]!];
}

/** Whether some pairs of parameters are among others: the rest of what the two branches add is part of translations. */
function isWithin(some: BranchSwap["pairs"], others: BranchSwap["pairs"]): boolean {
  const known = new Set(others.map((p) => p.join("~")));
  return some.every((p) => known.has(p.join("~")));
}

/** Which values depend on a graph input, by number. */
function activeValues(graph: Graph, numbering: Numbering): Uint8Array {
  const active = new Uint8Array(numbering.count);
  for (const i of graph.inputs) active[numbering.of(i.name)] = 1;
  for (let k = 0; k < graph.nodes.length; k++) {
    for (const i of numbering.inputs[k]!) {
      if (i === ABSENT || active[i] === 0) continue;
      for (const o of numbering.outputs[k]!) if (o !== ABSENT) active[o] = 1;
      break;
    }
  }
  return active;
}

/** Whether the operands of a node may be taken for operands of the one that reads it. */
function chains(outer: Node, inner: Node): boolean {
  return inner.operator === outer.operator && inner.domain === "" && outer.operator !== "Mean";
}

/** Compares the sub-graphs behind two values with their parameters as wildcards. Values and nodes are numbers. */
class BranchMatcher {
  readonly numbering: Numbering;
  private readonly isOutput: Uint8Array;
  private readonly signatures = new Map<number, string>();

  constructor(private readonly graph: Graph) {
    this.numbering = numberingOf(graph);
    this.isOutput = new Uint8Array(this.numbering.count);
    for (const o of graph.outputs) this.isOutput[this.numbering.of(o)] = 1;
  }

  private writer(value: number): Node | undefined {
    const at = this.numbering.writer(value);
    return at === ABSENT ? undefined : this.graph.nodes[at];
  }

  private parameter(value: number) {
    return this.graph.parameters.get(this.numbering.names[value]!);
  }

  /** Whether a node is one of the inner ones of such a chain as `operands` flattens. */
  isInner(node: number): boolean {
    const { numbering, graph, isOutput } = this;
    const value = numbering.outputs[node]![0]!;
    if (numbering.readerCount(value) !== 1 || isOutput[value] === 1) return false;
    return chains(graph.nodes[numbering.firstReader(value)]!, graph.nodes[node]!);
  }

  /** Whether a node is a difference that only even functions read: they do not tell which of its operands is taken away. */
  isReadEvenly(node: number): boolean {
    const { numbering, graph } = this;
    const { operator } = graph.nodes[node]!;
    const value = numbering.outputs[node]![0]!;
    if (operator !== "Sub" || this.isOutput[value] === 1 || numbering.readerCount(value) === 0) return false;
    return numbering.readers(value).every((at) => {
      const reader = graph.nodes[at]!;
      const [base, second] = numbering.inputs[at]!;
      if (reader.domain !== "" || base !== value) return false;
      if (reader.operator === "Mul") return second === value;
      if (reader.operator === "Pow") return numbering.constants[second!]?.data.every((x) => x % 2 === 0) === true;
      return EVEN.has(reader.operator);
    });
  }

  /**
   * The operands of a chain of one commutative and associative operator, flattened, and the chain's partial results: of these
   * two with nothing in common may be alike as wholes, x Phi(x) and y Phi(y) of a product.
   */
  operands(node: number): { readonly operands: number[]; readonly inner: number[] } {
    const { numbering, graph } = this;
    const outer = graph.nodes[node]!;
    const [out, partial]: [number[], number[]] = [[], []];
    const pending = [...numbering.inputs[node]!].reverse();
    while (pending.length > 0) {
      const value = pending.pop()!;
      if (value === ABSENT) continue;
      const inner = numbering.writer(value);
      if (inner !== ABSENT && chains(outer, graph.nodes[inner]!) && this.isInner(inner)) {
        partial.push(value);
        const inputs = numbering.inputs[inner]!;
        for (let i = inputs.length - 1; i >= 0; i--) pending.push(inputs[i]!);
      } else out.push(value);
    }
    return { operands: out, inner: partial };
  }

  /** Operands that may match by what wrote them, those of one kind together. */
  alike(operands: readonly number[]): Iterable<readonly number[]> {
    if (operands.length < 2) return [];
    if (operands.length === 2) return this.mayMatch(operands[0]!, operands[1]!) ? [operands] : [];
    const byKind = new Map<string, number[]>();
    for (const o of operands) {
      const key = this.signature(o);
      const list = byKind.get(key);
      if (list) list.push(o);
      else byKind.set(key, [o]);
    }
    return byKind.values();
  }

  /** Whether two values have one signature. */
  private mayMatch(a: number, b: number): boolean {
    const { numbering } = this;
    const [m, n] = [numbering.writer(a), numbering.writer(b)];
    if (a !== b && (m === ABSENT) !== (n === ABSENT)) return false;
    if (m !== ABSENT && this.graph.nodes[m]!.operator !== this.graph.nodes[n]!.operator) return false;
    return this.signature(a) === this.signature(b);
  }

  /** A cheap necessary condition for two values to match: what wrote them, and that it has parameters. */
  private signature(value: number): string {
    const known = this.signatures.get(value);
    if (known !== undefined) return known;
    const shape = this.numbering.types[value]?.shape?.join("x") ?? "?";
    const p = this.parameter(value);
    const made = p ? `parameter ${p.trainable}` : (this.writer(value)?.operator ?? this.numbering.names[value]!);
    const out = `${made} ${shape}`;
    this.signatures.set(value, out);
    return out;
  }

  /** The parameters to exchange, or undefined where the two branches differ or are not separate. */
  match(a: number, b: number): Match | undefined {
    const { numbering } = this;
    const picked: PickedPair[] = [];
    const partner = new Map<number, number>();
    const pairs: (readonly [string, string])[] = [];
    const nodes = new Set<number>();
    const pending: [number, number][] = [[a, b]];
    while (pending.length > 0) {
      const [x, y] = pending.pop()!;
      if (x === y) continue;
      if (x === ABSENT || y === ABSENT) return undefined;
      const known = partner.get(x);
      if (known !== undefined || partner.has(y)) {
        if (known !== y || partner.get(y) !== x) return undefined;
        continue;
      }
      partner.set(x, y);
      partner.set(y, x);
      const p = this.parameter(x);
      const q = this.parameter(y);
      if (p || q) {
        if (!p?.trainable || !q?.trainable || p.shape.join() !== q.shape.join()) return undefined;
        pairs.push([p.name, q.name]);
        continue;
      }
      const [i, j] = [numbering.writer(x), numbering.writer(y)];
      if (i === ABSENT || j === ABSENT) return undefined;
      const [m, n] = [this.graph.nodes[i]!, this.graph.nodes[j]!];
      const [read, other] = [numbering.inputs[i]!, numbering.inputs[j]!];
      if (m.operator !== n.operator || m.domain !== n.domain || read.length !== other.length) return undefined;
      if (numbering.outputs[i]!.indexOf(x) !== numbering.outputs[j]!.indexOf(y)) return undefined;
      if (!sameAttributes(m.attributes, n.attributes)) return undefined;
      nodes.add(i).add(j);
      const [here, there] = [pickOf(this.graph, numbering, i), pickOf(this.graph, numbering, j)];
      if (here && there && here.value === there.value && here.axis === there.axis && here.index !== there.index) {
        picked.push({ value: here.value, axis: here.axis, entries: [here.index, there.index] });
        continue;
      }
      for (let k = 0; k < read.length; k++) {
        if (!this.sameConstant(read[k]!, other[k]!)) pending.push([read[k]!, other[k]!]);
      }
    }
    // What the branches own must not be read from elsewhere.
    for (const value of partner.keys()) {
      if (this.isOutput[value] === 1) return undefined;
      if (value === a || value === b) continue;
      for (const reader of numbering.readers(value)) if (!nodes.has(reader)) return undefined;
    }
    if (numbering.readerCount(a) !== 1 || numbering.readerCount(b) !== 1) return undefined;
    return pairs.length > 0 ? { pairs: pairs.sort((x, y) => (x[0] < y[0] ? -1 : 1)), picked } : undefined;
  }

  private sameConstant(a: number, b: number): boolean {
    if (a === b) return true;
    if (a === ABSENT || b === ABSENT) return false;
    const { constants } = this.numbering;
    const [x, y] = [constants[a], constants[b]];
    if (!x || !y || x.type !== y.type || x.shape.join() !== y.shape.join()) return false;
    return x.data.every((v, i) => v === y.data[i]);
  }
}

function sameAttributes(a: Readonly<Record<string, Attribute>>, b: Readonly<Record<string, Attribute>>): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((k) => {
    const [x, y] = [a[k], b[k]];
    if (typeof x !== "object" || typeof y !== "object") return x === y;
    return Array.isArray(x) && Array.isArray(y) && x.length === y.length && x.every((v, i) => v === y[i]);
  });
}

/** One pair: the parameters. Several: the module paths up to where they part. */
export function namesOf(pairs: readonly (readonly [string, string])[]): Swap {
  const [first, second] = pairs[0]!;
  if (pairs.length === 1) return [first, second];
  const [x, y] = [first.split("."), second.split(".")];
  let at = 0;
  while (at < x.length - 1 && x[at] === y[at]) at++;
  return [x.slice(0, at + 1).join("."), y.slice(0, at + 1).join(".")];
}
