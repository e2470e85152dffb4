/**
 * @file Swaps: two branches of the same shape that meet in a commutative operator may exchange their parameters
 * (ALGORITHM.md section 7).
 */
import { type Attribute, consumers, type Graph, type Node, producers } from "../graph/graph";
import type { Swap } from "./symmetry";

/** Two branches and which parameter of one takes the place of which of the other. */
export interface BranchSwap {
  readonly names: Swap;
  /** Pairs of parameters to exchange; two pairs with one member in common cannot occur. */
  readonly pairs: readonly (readonly [string, string])[];
}

const COMMUTATIVE: ReadonlySet<string> = new Set(["Add", "Mul", "Max", "Min", "Sum", "Mean"]);

/** Every pair of exchangeable operands of commutative operators. */
export function findSwaps(graph: Graph): BranchSwap[] {
  const matcher = new BranchMatcher(graph);
  const active = new Set(graph.inputs.map((i) => i.name));
  for (const node of graph.nodes) if (node.inputs.some((i) => active.has(i))) for (const o of node.outputs) active.add(o);
  const out: BranchSwap[] = [];
  const seen = new Set<string>();
  for (const node of graph.nodes) {
    if (!COMMUTATIVE.has(node.operator) || node.domain !== "" || matcher.isInner(node)) continue;
    const operands = matcher.operands(node);
    const byShape = new Map<string, string[]>();
    for (const o of operands) {
      // Exchanging two summed biases is part of the translations that move weight from one to the other.
      if (node.operator !== "Mul" && !active.has(o)) continue;
      const key = matcher.signature(o);
      const list = byShape.get(key);
      if (list) list.push(o);
      else byShape.set(key, [o]);
    }
    for (const alike of byShape.values()) {
      for (let i = 1; i < alike.length && alike.length <= 64; i++) {
        const pairs = matcher.match(alike[0]!, alike[i]!);
        if (!pairs) continue;
        const key = pairs.map((p) => p.join("~")).join();
        if (seen.has(key)) continue;
        seen.add(key);
        out.push({ pairs, names: namesOf(pairs) });
      }
    }
  }
  return out;
}

/** Whether the operands of a node may be taken for operands of the one that reads it. */
function chains(outer: Node, inner: Node): boolean {
  return inner.operator === outer.operator && inner.domain === "" && outer.operator !== "Mean";
}

/** Compares the sub-graphs behind two values with their parameters as wildcards. */
class BranchMatcher {
  private readonly writer: ReadonlyMap<string, Node>;
  private readonly readers: ReadonlyMap<string, readonly Node[]>;
  private readonly outputs: ReadonlySet<string>;
  private readonly signatures = new Map<string, string>();

  constructor(private readonly graph: Graph) {
    this.writer = producers(graph);
    this.readers = consumers(graph);
    this.outputs = new Set(graph.outputs);
  }

  /** Whether a node is one of the inner ones of such a chain as `operands` flattens. */
  isInner(node: Node): boolean {
    const value = node.outputs[0]!;
    const readers = this.readers.get(value);
    return readers?.length === 1 && !this.outputs.has(value) && chains(readers[0]!, node);
  }

  /** The operands of a chain of one commutative and associative operator, flattened. */
  operands(node: Node): string[] {
    const out: string[] = [];
    const pending = [...node.inputs].reverse();
    while (pending.length > 0) {
      const value = pending.pop()!;
      const inner = this.writer.get(value);
      if (inner && chains(node, inner) && this.isInner(inner)) {
        for (let i = inner.inputs.length - 1; i >= 0; i--) pending.push(inner.inputs[i]!);
      } else if (value !== "") out.push(value);
    }
    return out;
  }

  /** A cheap necessary condition for two values to match: what wrote them, and that it has parameters. */
  signature(value: string): string {
    const known = this.signatures.get(value);
    if (known !== undefined) return known;
    const shape = this.graph.types.get(value)?.shape?.join("x") ?? "?";
    const p = this.graph.parameters.get(value);
    const node = this.writer.get(value);
    const made = p ? `parameter ${p.trainable}` : node ? node.operator : value;
    const out = `${made} ${shape}`;
    this.signatures.set(value, out);
    return out;
  }

  /** The parameters to exchange, or undefined where the two branches differ or are not separate. */
  match(a: string, b: string): (readonly [string, string])[] | undefined {
    const partner = new Map<string, string>();
    const pairs: (readonly [string, string])[] = [];
    const nodes = new Set<Node>();
    const pending: [string, string][] = [[a, b]];
    while (pending.length > 0) {
      const [x, y] = pending.pop()!;
      if (x === y) continue;
      const known = partner.get(x);
      if (known !== undefined || partner.has(y)) {
        if (known !== y || partner.get(y) !== x) return undefined;
        continue;
      }
      partner.set(x, y);
      partner.set(y, x);
      const p = this.graph.parameters.get(x);
      const q = this.graph.parameters.get(y);
      if (p || q) {
        if (!p?.trainable || !q?.trainable || p.shape.join() !== q.shape.join()) return undefined;
        pairs.push([x, y]);
        continue;
      }
      const [m, n] = [this.writer.get(x), this.writer.get(y)];
      if (!m || !n || m.operator !== n.operator || m.domain !== n.domain || m.inputs.length !== n.inputs.length) return undefined;
      if (m.outputs.indexOf(x) !== n.outputs.indexOf(y) || !sameAttributes(m.attributes, n.attributes)) return undefined;
      nodes.add(m).add(n);
      for (let i = 0; i < m.inputs.length; i++) {
        if (this.sameConstant(m.inputs[i]!, n.inputs[i]!)) continue;
        pending.push([m.inputs[i]!, n.inputs[i]!]);
      }
    }
    // What the branches own must not be read from elsewhere.
    const meeting = new Set([a, b]);
    for (const value of partner.keys()) {
      if (this.outputs.has(value)) return undefined;
      for (const reader of this.readers.get(value) ?? []) if (!nodes.has(reader) && !meeting.has(value)) return undefined;
    }
    for (const end of meeting) if ((this.readers.get(end)?.length ?? 0) !== 1) return undefined;
    return pairs.length > 0 ? pairs.sort((x, y) => (x[0] < y[0] ? -1 : 1)) : undefined;
  }

  private sameConstant(a: string, b: string): boolean {
    if (a === b) return true;
    const [x, y] = [this.graph.constants.get(a), this.graph.constants.get(b)];
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
function namesOf(pairs: readonly (readonly [string, string])[]): Swap {
  const [first, second] = pairs[0]!;
  if (pairs.length === 1) return [first, second];
  const [x, y] = [first.split("."), second.split(".")];
  let at = 0;
  while (at < x.length - 1 && x[at] === y[at]) at++;
  return [x.slice(0, at + 1).join("."), y.slice(0, at + 1).join(".")];
}
