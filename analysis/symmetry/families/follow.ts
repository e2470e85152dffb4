/** @file Follows a change of one value through the network, to where it ends, is held, or cannot pass. */
import { consumers, type Graph, type Node } from "../../graph/graph";
import type { Shape, Tensor } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { operatorTable } from "../../operators/table";
import type { ParameterValues } from "../symmetry";
import { type Change, isKnown, sum } from "./change";
import { isBlocked, pass, type Scene } from "./rules";

/** Nodes that one change may pass. */
const MOST_STEPS = 20_000;

/** Nodes after which a change is held at the next station rather than followed on: deep linear networks are long. */
const FAR = 64;

/** Generic numbers that are drawn at once. */
const SMALLEST_POOL = 1 << 14;

/** Where a change has got to. */
export interface Followed {
  /** What arrives at the values that hold it. */
  readonly arrivals: ReadonlyMap<string, Change>;
  /** Further values that have to hold it, since something after them does not let it pass. */
  readonly blocked: ReadonlySet<string>;
  /** Whether it cannot be held at all. */
  readonly lost: boolean;
}

/**
 * What nodes made of which changes, by position: a source is followed again for every value that has to hold it, and most of
 * the way is the same each time.
 */
export type Memory = Map<number, { readonly entering: readonly (Change | undefined)[]; readonly out: ReturnType<typeof pass> }>;

/** A network's values as the rules see them. */
export class Flow implements Scene {
  private readonly order = new Map<Node, number>();
  private readonly readers: ReadonlyMap<string, readonly Node[]>;
  private readonly active = new Set<string>();
  private readonly outputs: ReadonlySet<string>;
  private readonly writers = new Map<string, Node>();
  private readonly values = new Map<string, Tensor>();
  private readonly source = new Random(5);
  private pool = new Float64Array(0);
  private drawnUpTo = 0;
  private numbers = new Int32Array(0);
  private readonly products = new WeakMap<Float64Array, Map<string, Float64Array>>();
  readonly exact: boolean;

  /** With weights, changes have their entries; without, entries behind products with weights are generic numbers. */
  constructor(
    readonly graph: Graph,
    private readonly weights?: ParameterValues,
  ) {
    this.exact = weights !== undefined;
    this.readers = consumers(graph);
    this.outputs = new Set(graph.outputs);
    for (const i of graph.inputs) this.active.add(i.name);
    graph.nodes.forEach((n, k) => {
      this.order.set(n, k);
      const isActive = n.inputs.some((i) => this.active.has(i));
      for (const o of n.outputs) {
        if (isActive) this.active.add(o);
        this.writers.set(o, n);
      }
    });
  }

  /** The shape of a value or parameter; empty where it is unknown. */
  shape(value: string): Shape {
    return this.graph.types.get(value)?.shape ?? this.graph.parameters.get(value)?.shape ?? [];
  }

  /** Whether a value depends on a graph input. */
  isActivation(value: string): boolean {
    return this.active.has(value);
  }

  /** A number between 0.5 and 1.5: nothing cancels by chance, nothing is small. */
  random(): number {
    return 0.5 + this.source.uniform();
  }

  /** So many random numbers, from a pool that is read only: what begins at different places is not told to agree. */
  generic(count: number): Float64Array {
    if (this.drawnUpTo + count > this.pool.length) {
      if (this.pool.length < 2 * count) {
        this.pool = new Float64Array(Math.max(SMALLEST_POOL, 2 * count));
        for (let i = 0; i < this.pool.length; i++) this.pool[i] = this.random();
      }
      // From another place each time: what two sources do at one value is not to agree.
      this.drawnUpTo = Math.floor(this.source.uniform() * (this.pool.length - count));
    }
    this.drawnUpTo += count;
    return this.pool.subarray(this.drawnUpTo - count, this.drawnUpTo);
  }

  /** Generic numbers for the product of a change with a value: the same ones each time that this product is met. */
  genericProduct(change: Float64Array, by: string, count: number): Float64Array {
    let known = this.products.get(change);
    if (!known) this.products.set(change, (known = new Map()));
    const key = `${by} ${count}`;
    let out = known.get(key);
    if (!out) known.set(key, (out = this.generic(count)));
    return out;
  }

  /** 0, 1, 2, .. : read only. */
  counting(count: number): Int32Array {
    if (this.numbers.length < count) {
      this.numbers = new Int32Array(2 * count);
      for (let i = 0; i < this.numbers.length; i++) this.numbers[i] = i;
    }
    return this.numbers.subarray(0, count);
  }

  /**
   * A value that hangs on weights alone: computed from the weights that are given, drawn at random where none are. Throws
   * Error where a weight is missing or an operator has no value.
   */
  fixed(value: string): Tensor {
    const known = this.graph.constants.get(value) ?? this.values.get(value);
    if (known) return known;
    const made = this.weights ? this.computed(value, this.weights) : this.drawn(value);
    this.values.set(value, made);
    return made;
  }

  private drawn(value: string): Tensor {
    const shape = this.shape(value);
    const data = new Float64Array(shape.reduce((n, d) => n * d, 1));
    for (let i = 0; i < data.length; i++) data[i] = this.random();
    return { type: "float64", shape, data };
  }

  private computed(value: string, weights: ParameterValues): Tensor {
    const p = this.graph.parameters.get(value);
    if (p) {
      const data = weights.get(value);
      if (!data) throw new Error(`no weights are given for parameter ${value}`);
      return { type: "float64", shape: p.shape, data };
    }
    const node = this.writers.get(value);
    const operator = node && operatorTable(node.operator, node.domain);
    if (!operator?.evaluate) throw new Error(`${value} cannot be computed from weights`);
    const inputs = node!.inputs.map((i) => (i === "" ? undefined : this.fixed(i)));
    return operator.evaluate(node!, inputs)[node!.outputs.indexOf(value)]!;
  }

  /** The nodes that read a value, in graph order. */
  readersOf(value: string): readonly Node[] {
    return this.readers.get(value) ?? [];
  }

  /** The node that writes a value; undefined for inputs, parameters and constants. */
  writerOf(value: string): Node | undefined {
    return this.writers.get(value);
  }

  /**
   * Follows changes from where they begin; `stops` hold what arrives there as long as it is known entry by entry. A memory
   * serves one source: it saves the way that its changes, the same objects, have gone before. What has passed many nodes is
   * blocked at the next station.
   */
  follow(
    start: ReadonlyMap<string, Change>,
    stops: ReadonlySet<string>,
    memory?: Memory,
    stations?: { has(value: string): boolean },
  ): Followed {
    const changes = new Map<string, Change>();
    const depths = new Map<string, number>();
    const arrivals = new Map<string, Change>();
    const blocked = new Set<string>();
    const queue = new Queue();
    let lost = false;
    const hold = (value: string, c: Change): void => {
      if (!isKnown(c)) {
        if (c.origins!.length === 0) lost = true;
        for (const o of c.origins!) blocked.add(o);
      } else if (this.active.has(value)) blocked.add(value);
      else lost = true;
    };
    const arrive = (value: string, c: Change, depth: number): void => {
      if (isKnown(c) && stops.has(value)) {
        arrivals.set(value, c);
        return;
      }
      if (depth > FAR && isKnown(c) && stations?.has(value)) {
        blocked.add(value);
        return;
      }
      // A function of the inputs that is constant along nothing is forgotten by nothing.
      const shape = this.shape(value);
      if (
        this.outputs.has(value) ||
        (!isKnown(c) && !c.runs && c.shape.every((n, i) => n === shape[i] && (n > 1 || shape.length === 0)))
      )
        return hold(value, c);
      const before = changes.get(value);
      changes.set(value, before ? sum(before, c, 1, value)! : c);
      depths.set(value, depth);
      for (const n of this.readersOf(value)) queue.push(this.order.get(n)!);
    };
    for (const [value, c] of start) arrive(value, c, 0);
    for (let steps = 0; !lost && blocked.size === 0; steps++) {
      const k = queue.pop();
      if (k === undefined) break;
      if (steps > MOST_STEPS) return { arrivals, blocked, lost: true };
      const node = this.graph.nodes[k]!;
      const entering = node.inputs.map((i) => changes.get(i));
      const before = memory?.get(k);
      const isSame = before?.entering.every((c, i) => c === entering[i]) === true;
      const out = isSame ? before!.out : pass(this, node, entering);
      if (!isSame) memory?.set(k, { entering, out });
      if (out === undefined) continue;
      if (isBlocked(out)) for (const i of out.inputs) hold(node.inputs[i]!, entering[i]!);
      else {
        let depth = 0;
        for (const i of node.inputs) depth = Math.max(depth, depths.get(i) ?? 0);
        arrive(node.outputs[0]!, out, depth + 1);
      }
    }
    return { arrivals, blocked, lost };
  }
}

/** Positions of nodes in ascending order, each once. */
class Queue {
  private readonly heap: number[] = [];
  private readonly inside = new Set<number>();

  push(k: number): void {
    if (this.inside.has(k)) return;
    this.inside.add(k);
    const { heap } = this;
    let at = heap.push(k) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (heap[up]! <= heap[at]!) break;
      [heap[up], heap[at]] = [heap[at]!, heap[up]!];
      at = up;
    }
  }

  pop(): number | undefined {
    const { heap } = this;
    const first = heap[0];
    if (first === undefined) return undefined;
    this.inside.delete(first);
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      for (let at = 0; ; ) {
        let least = at;
        for (const down of [2 * at + 1, 2 * at + 2]) if (down < heap.length && heap[down]! < heap[least]!) least = down;
        if (least === at) break;
        [heap[least], heap[at]] = [heap[at]!, heap[least]!];
        at = least;
      }
    }
    return first;
  }
}
