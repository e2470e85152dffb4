/**
 * @file Dense blocks (Huang et al. 1608.06993): layer after layer reads all that came before, side by side, and adds channels of
 * its own. Such layers are no chain that could be shortened; they are left out by giving what they add no channels.
 */
import { type Graph, type Node, numberAttribute, producers } from "../../graph/graph";
import { isPlain } from "../spaces/blocks";
import type { InferredAxes } from "../spaces/infer";
import { signatureOf } from "./signature";

/** Layers of a block that stay: one that another one reads, and one that only the end of the block does. */
const KEPT = 2;
/** Nodes that a layer may consist of. */
const LARGEST_LAYER = 200;

/** Layers that can be left out. */
export interface DenseLayers {
  /** Root atoms of the channels that they add. */
  readonly atoms: ReadonlySet<number>;
  /** Number of the layers. */
  readonly count: number;
  /** For their parameters, those of the last layer that stays. */
  readonly standIns: ReadonlyMap<string, string>;
}

/** All layers of dense blocks beyond the first two of each that differ from their predecessors in the widths that they read only. */
export function denseLayers(graph: Graph, axes: InferredAxes): DenseLayers {
  const search = new Search(graph, axes);
  // The longest concatenation of a block comes last and tells of all its layers.
  for (const node of [...graph.nodes].reverse()) if (isConcat(node)) search.look(node);
  return search;
}

function isConcat(node: Node | undefined): node is Node {
  return node?.operator === "Concat" && node.domain === "";
}

/** A layer: what it computes from the concatenation of all parts before its own. */
interface Layer {
  readonly kind: string;
  readonly parameters: readonly string[];
}

class Search implements DenseLayers {
  readonly atoms = new Set<number>();
  readonly standIns = new Map<string, string>();
  count = 0;
  private readonly writers: ReadonlyMap<string, Node>;
  private readonly position = new Map<Node, number>();
  private readonly given: ReadonlySet<string>;
  private readonly readers = new Map<string, Set<number>>();
  /** Parts of blocks that are known. */
  private readonly seen = new Set<string>();

  constructor(
    private readonly graph: Graph,
    private readonly axes: InferredAxes,
  ) {
    this.writers = producers(graph);
    this.given = new Set(graph.inputs.map((i) => i.name));
    graph.nodes.forEach((n, k) => {
      this.position.set(n, k);
      for (const i of n.inputs) if (graph.parameters.has(i)) this.readers.set(i, (this.readers.get(i) ?? new Set()).add(k));
    });
  }

  /** Looks at a concatenation as the end of a dense block. */
  look(end: Node): void {
    const parts = this.partsOf(end).sort((a, b) => this.placeOf(a) - this.placeOf(b));
    if (parts.length <= KEPT + 1 || new Set(parts).size < parts.length || parts.some((p) => this.seen.has(p))) return;
    const layers = parts.map((part, k) => (k < KEPT ? undefined : this.layerOf(part, parts.slice(0, k))));
    const model = layers[KEPT];
    if (!model) return;
    let last = KEPT;
    while (layers[last + 1]?.kind === model.kind) last++;
    if (last === KEPT) return;
    const axis = this.axisOf(end);
    const kept = new Set(parts.slice(0, KEPT + 1).flatMap((p) => this.atomsOf(p, axis) ?? []));
    for (let k = KEPT + 1; k <= last; k++) {
      const own = this.atomsOf(parts[k]!, axis);
      if (own === undefined || own.some((a) => kept.has(a))) return;
    }
    for (const p of parts) this.seen.add(p);
    for (let k = KEPT + 1; k <= last; k++) {
      for (const a of this.atomsOf(parts[k]!, axis)!) this.atoms.add(a);
      layers[k]!.parameters.forEach((p, i) => this.standIns.set(p, model.parameters[i]!));
      this.count++;
    }
  }

  private axisOf(concat: Node): number {
    const axis = numberAttribute(concat, "axis", 0);
    return axis < 0 ? axis + (this.graph.types.get(concat.outputs[0]!)?.shape?.length ?? 0) : axis;
  }

  private placeOf(value: string): number {
    const writer = this.writers.get(value);
    return writer ? this.position.get(writer)! : -1;
  }

  /** What is put side by side, with concatenations of concatenations in one list. */
  private partsOf(concat: Node): string[] {
    const out: string[] = [];
    const stack = [...concat.inputs].reverse();
    const axis = this.axisOf(concat);
    while (stack.length > 0) {
      const value = stack.pop()!;
      const writer = this.writers.get(value);
      if (isConcat(writer) && this.axisOf(writer) === axis) stack.push(...[...writer.inputs].reverse());
      else out.push(value);
    }
    return out;
  }

  /** The layer that writes a part, if it reads the concatenation of all earlier ones and nothing else. */
  private layerOf(part: string, before: readonly string[]): Layer | undefined {
    const wanted = new Set(before);
    const nodes = new Set<number>();
    let entry: string | undefined;
    const stack = [part];
    const met = new Set<string>();
    while (stack.length > 0) {
      const value = stack.pop()!;
      if (met.has(value)) continue;
      met.add(value);
      const writer = this.writers.get(value);
      if (!writer) {
        if (this.given.has(value)) return undefined;
        continue;
      }
      if (wanted.has(value)) return undefined;
      if (isConcat(writer) && value !== part) {
        const parts = this.partsOf(writer);
        if (parts.length === wanted.size && parts.every((p) => wanted.has(p))) {
          if (entry !== undefined && entry !== value) return undefined;
          entry = value;
          continue;
        }
      }
      nodes.add(this.position.get(writer)!);
      if (nodes.size > LARGEST_LAYER) return undefined;
      stack.push(...writer.inputs.filter((i) => i !== ""));
    }
    if (entry === undefined) return undefined;
    const isShared = (p: string) => [...this.readers.get(p)!].some((k) => !nodes.has(k));
    const order = [...nodes].sort((a, b) => a - b);
    const { kind, parameters } = signatureOf(this.graph, entry, part, order, isShared, this.given);
    return kind === undefined ? undefined : { kind, parameters };
  }

  /** The free root atoms that an axis of a value consists of; undefined where it has others. */
  private atomsOf(value: string, axis: number): number[] | undefined {
    const { atoms } = this.axes;
    const found = this.axes.axes(value)?.[axis];
    if (!found || !isPlain(found)) return undefined;
    const roots = atoms.normal(found).flat();
    return roots.every((a) => atoms.isLeaf(a) && !atoms.isPinned(a)) ? roots.map((a) => atoms.find(a)) : undefined;
  }
}
