/**
 * @file Entries of one value that alike branches pick one by one: expert k is weighed by the k-th probability of a router. Two
 * such branches may change places where the two entries may, and that axis inference tells of the network without the picks.
 */
import { type Graph, type Node, numberAttribute } from "../graph/graph";
import { ABSENT, type Numbering, numberingOf } from "../graph/numbering";
import { elementCount, tensor } from "../graph/tensor";
import type { Equivariance } from "../operators/equivariance";
import { PermutationAction } from "./actions/permutation";
import { inferAxes } from "./spaces/infer";
import { enclosingAtoms } from "./spaces/enclosing";
import { atomSpaces } from "./spaces/spaces";

/** One entry of a value along an axis, as a node reads it. */
export interface Pick {
  /** The value's number. */
  readonly value: number;
  readonly axis: number;
  readonly index: number;
}

/** Which entries of which values two branches pick, each as [entry of the one, entry of the other]. */
export interface PickedPair {
  /** The value's number. */
  readonly value: number;
  readonly axis: number;
  readonly entries: readonly [number, number];
}

/** An exchange of two entries of a space, with all weights along it. */
export interface EntryExchange {
  readonly action: PermutationAction;
  readonly entries: readonly [number, number];
}

/** What a node picks: a Slice of length one along one axis, or a Gather of one index. */
export function pickOf(graph: Graph, numbering: Numbering, at: number): Pick | undefined {
  const node = graph.nodes[at]!;
  if (node.domain !== "") return undefined;
  const inputs = numbering.inputs[at]!;
  const value = inputs[0] ?? ABSENT;
  const shape = value === ABSENT ? undefined : numbering.types[value]?.shape;
  if (!shape) return undefined;
  const single = (input: number, fallback?: number): number | undefined => {
    const number = inputs[input] ?? ABSENT;
    if (number === ABSENT) return fallback;
    const constant = numbering.constants[number];
    return constant && constant.data.length === 1 ? Number(constant.data[0]) : undefined;
  };
  const from = (n: number, size: number): number => (n < 0 ? n + size : n);
  if (node.operator === "Gather") {
    const axis = from(numberAttribute(node, "axis", 0), shape.length);
    const index = single(1);
    return index === undefined ? undefined : { value, axis, index: from(index, shape[axis]!) };
  }
  if (node.operator !== "Slice") return undefined;
  const [start, end, along, step] = [single(1), single(2), single(3, shape.length === 1 ? 0 : undefined), single(4, 1)];
  if (start === undefined || end === undefined || along === undefined || step !== 1) return undefined;
  const axis = from(along, shape.length);
  const size = shape[axis]!;
  const index = from(start, size);
  return Math.min(from(end, size), size) === index + 1 ? { value, axis, index } : undefined;
}

/** Finds out which picked entries of one graph may be exchanged; the same values are looked at once. */
export class PickedAxes {
  private readonly numbering: Numbering;
  private readonly known = new Map<string, readonly PermutationAction[] | undefined>();

  constructor(
    private readonly graph: Graph,
    private readonly equivariance: (node: Node) => Equivariance | undefined,
  ) {
    this.numbering = numberingOf(graph);
  }

  /**
   * The exchanges of weights that exchange these entries and leave all else as it is but for what reads the picks; undefined
   * where there are none.
   */
  exchanges(pairs: readonly PickedPair[]): EntryExchange[] | undefined {
    const key = pairs.map((p) => `${p.value}/${p.axis}`).join();
    if (!this.known.has(key)) this.known.set(key, this.find(pairs));
    const actions = this.known.get(key);
    if (!actions) return undefined;
    const out = new Map<PermutationAction, readonly [number, number]>();
    for (const [k, { entries }] of pairs.entries()) {
      const known = out.get(actions[k]!);
      if (known && (known[0] !== entries[0] || known[1] !== entries[1])) return undefined;
      out.set(actions[k]!, entries);
    }
    return [...out].map(([action, entries]) => ({ action, entries }));
  }

  /** For each value how weights move with its entries. */
  private find(pairs: readonly PickedPair[]): PermutationAction[] | undefined {
    const { graph, numbering } = this;
    const picks = new Set<Node>();
    for (const { value, axis } of pairs) for (const node of this.picksOf(value, axis)) picks.add(node);
    const without = withoutNodes(graph, picks);
    if (!without) return undefined;
    const axes = inferAxes(without, { equivariance: this.equivariance, softPins: true });
    const spaces = atomSpaces(without, axes, (p) => p.trainable || p.buffer === true);
    const enclosing = enclosingAtoms(axes, spaces);
    const shape = (p: string): readonly number[] => without.parameters.get(p)!.shape;
    const actions = spaces.map(() => undefined as PermutationAction | undefined);
    const out: PermutationAction[] = [];
    for (const { value, axis } of pairs) {
      const segments = axes.layout(numbering.names[value]!)?.[axis];
      const factor = segments?.length === 1 && segments[0]!.length === 1 ? segments[0]![0]! : undefined;
      if (!factor || factor.pinned || factor.parts) return undefined;
      const at = spaces.findIndex((s) => s.atoms.length === 1 && s.atoms[0] === factor.atom);
      // Without a weight along it the axis is one of the data.
      if (at < 0 || enclosing[at] !== undefined) return undefined;
      out.push((actions[at] ??= new PermutationAction(axes, spaces[at]!, undefined, shape)));
    }
    return out;
  }

  /** The nodes that pick entries of a value along an axis and are the only ones to pick theirs; others pin the axis. */
  private picksOf(value: number, axis: number): Node[] {
    const byIndex = new Map<number, Node[]>();
    for (const at of new Set(this.numbering.readers(value))) {
      const pick = pickOf(this.graph, this.numbering, at);
      if (pick?.value !== value || pick.axis !== axis) continue;
      const list = byIndex.get(pick.index);
      if (list) list.push(this.graph.nodes[at]!);
      else byIndex.set(pick.index, [this.graph.nodes[at]!]);
    }
    return [...byIndex.values()].flatMap((nodes) => (nodes.length === 1 ? nodes : []));
  }
}

/** The graph with constants, no two entries of which are equal, in place of what some nodes compute. */
function withoutNodes(graph: Graph, removed: ReadonlySet<Node>): Graph | undefined {
  const constants = new Map(graph.constants);
  for (const node of removed) {
    const name = node.outputs[0]!;
    const type = graph.types.get(name);
    if (!type?.shape || graph.outputs.includes(name)) return undefined;
    constants.set(
      name,
      tensor(
        type.shape,
        Array.from({ length: elementCount(type.shape) }, (_, i) => i),
        type.type,
      ),
    );
  }
  return { ...graph, nodes: graph.nodes.filter((n) => !removed.has(n)), constants };
}
