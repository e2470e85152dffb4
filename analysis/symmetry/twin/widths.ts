/** @file How small each free atom becomes. */
import { type Graph, numbersAttribute } from "../../graph/graph";
import { isPlain } from "../spaces/blocks";
import type { InferredAxes } from "../spaces/infer";
import { type Occurrence, parameterOccurrences } from "../spaces/occurrences";
import type { Survey } from "./survey";

/** A free atom about to be shrunk. */
export interface ShrinkingSpace {
  readonly atom: number;
  readonly size: number;
  /** Heads, groups, experts: factors with another free factor inside. */
  readonly outer: boolean;
}

/** How small free atoms become, where the graph leaves a choice. */
export interface WidthChoices {
  readonly size?: ((space: ShrinkingSpace) => number) | undefined;
  /** Channels and head sizes get these widths in turn, so that neighbours differ. */
  readonly pattern?: readonly [number, ...number[]];
  /** Added to all of them. */
  readonly wider?: number | undefined;
  /** Root atoms that get no entries at all. */
  readonly empty?: ReadonlySet<number>;
}

/** Neighbouring pieces of shuffled channels that shrink as one. */
export interface ShuffledRun {
  readonly old: number;
  readonly value: number;
  /** Stands for all of them. */
  readonly atom: number;
  /** Index of the last segment that belongs to it. */
  readonly last: number;
}

/** Widths of channels and head sizes, in turn. More than two, else permutations and rotations look alike. */
const USUAL = [3, 4] as const;
/** Heads and groups. */
const OUTER_WIDTH = 2;
/** Plain input features in which something acts: pairs of few features have too few dimensions. */
const FEATURE_WIDTH = 8;
/** Channels that a norm reads together. */
const MEASURED_WIDTH = 4;
/** What the shortest run of shuffled channels becomes: enough for halves of halves. */
const SHUFFLED_WIDTH = 4;

/** Sizes of free atoms, under statements that some are equal or must stay. */
export class Widths {
  private readonly parent = new Map<number, number>();
  private readonly kept = new Set<number>();
  private chosen: Map<number, number> | undefined;
  /** Cluster of each shuffled atom, and the length that each cluster's runs are multiples of. */
  private readonly clusterOf = new Map<number, number>();
  private readonly unitOf = new Map<number, number>();
  private readonly outer = new Set<number>();
  private readonly order: readonly number[];
  private readonly thin = new Set<number>();
  private readonly features = new Set<number>();
  private readonly measured = new Set<number>();
  private readonly between = new Set<number>();
  private readonly size: WidthChoices["size"];
  private pattern: readonly [number, ...number[]];
  private readonly wider: number;
  private readonly empty: ReadonlySet<number>;

  constructor(
    private readonly survey: Survey,
    private readonly axes: InferredAxes,
    choices: WidthChoices = {},
  ) {
    this.size = choices.size;
    this.pattern = choices.pattern ?? USUAL;
    this.wider = choices.wider ?? 0;
    this.empty = choices.empty ?? new Set();
    const { graph } = survey;
    const occurrences = parameterOccurrences(axes, graph.parameters.keys());
    const seen = new Set<number>();
    for (const o of occurrences) {
      const atom = this.find(o.atoms[o.factor]!);
      if (this.isFree(atom)) seen.add(atom);
    }
    this.order = [...seen];
    this.findOuter(graph, occurrences);
    this.findBetween(occurrences);
    this.findThin(graph, occurrences);
    this.findFeatures(graph);
    this.findMeasured(graph);
    this.findClusters(graph);
    this.findEqualBlocks(graph);
  }

  private find(atom: number): number {
    return this.axes.atoms.find(atom);
  }

  private isFree(atom: number): boolean {
    const { atoms } = this.axes;
    return !atoms.isPinned(atom) && atoms.isLeaf(atom) && atoms.sizeOf(atom) > 1;
  }

  /**
   * Heads and groups: another free factor follows in some product, and no weight of a contraction has them alone (then they
   * are channels: depthwise convolutions, heads that are mixed).
   */
  private findOuter(graph: Graph, occurrences: readonly Occurrence[]): void {
    const alone = new Set<number>();
    const contracted = this.contractedParameters(graph);
    for (const o of occurrences) {
      const atom = this.find(o.atoms[o.factor]!);
      const inside = o.atoms.slice(o.factor + 1).some((a) => this.isFree(a) || !this.axes.atoms.isLeaf(a));
      if (inside) this.outer.add(atom);
      else if (contracted.has(o.parameter)) alone.add(atom);
    }
    for (const a of alone) this.outer.delete(a);
  }

  /**
   * Factors that always stand between two others: what is left of channels that are grouped in two ways (a group norm before a
   * concatenation, another one behind it). One of them in place of two keeps both kinds of groups.
   */
  private findBetween(occurrences: readonly Occurrence[]): void {
    const others = new Set<number>();
    for (const o of occurrences) {
      const atom = this.find(o.atoms[o.factor]!);
      const isFree = (a: number): boolean => this.isFree(a);
      if (o.atoms.slice(0, o.factor).some(isFree) && o.atoms.slice(o.factor + 1).some(isFree)) this.between.add(atom);
      else others.add(atom);
    }
    for (const a of others) this.between.delete(a);
  }

  /** Parameters that enter a contraction, perhaps moved. */
  private contractedParameters(graph: Graph): Set<string> {
    const origin = new Map<string, string>();
    for (const p of graph.parameters.keys()) origin.set(p, p);
    const out = new Set<string>();
    for (const node of graph.nodes) {
      const sources = node.inputs.flatMap((i) => origin.get(i) ?? []);
      if (sources.length === 0) continue;
      if (/^(MatMul|Einsum|Conv|ConvTranspose)$/.test(node.operator)) for (const s of sources) out.add(s);
      else if (/^(Transpose|Reshape|Identity)$/.test(node.operator)) origin.set(node.outputs[0]!, sources[0]!);
    }
    return out;
  }

  /** Atoms that some weight connects to one or two entries only get the smallest width: the other side must hold more rows. */
  private findThin(graph: Graph, occurrences: readonly Occurrence[]): void {
    const contracted = this.contractedParameters(graph);
    for (const o of occurrences) {
      const shape = graph.parameters.get(o.parameter)!.shape;
      const others = shape.reduce((n, d, i) => (i === o.axis ? n : n * d), 1);
      if (shape.length > 1 && others <= 2 && contracted.has(o.parameter)) this.thin.add(this.find(o.atoms[o.factor]!));
    }
  }

  /** Atoms of plain inputs (rows of features). */
  private findFeatures(graph: Graph): void {
    for (const { name, shape } of graph.inputs) {
      if (shape.length > 2) continue;
      for (const layout of this.axes.layout(name) ?? []) {
        for (const f of layout.flat()) if (this.isFree(f.atom)) this.features.add(this.find(f.atom));
      }
    }
  }

  /** Channels over whose length something is divided: normed vectors of three entries without their mean are a circle. */
  private findMeasured(graph: Graph): void {
    for (const node of graph.nodes) {
      if (node.operator !== "ReduceSumSquare") continue;
      const layout = this.axes.layout(node.inputs[0]!);
      const given = numbersAttribute(node, "axes") ?? graph.constants.get(node.inputs[1] ?? "")?.data ?? [];
      for (const axis of given) {
        // Among places that are read together with them, few channels are many entries.
        const isAlone = layout?.at(axis)?.every((segment) => segment.every((f) => this.isFree(f.atom) || f.size === 1)) === true;
        if (!isAlone) continue;
        for (const f of layout?.at(axis)?.flat() ?? []) if (this.isFree(f.atom)) this.measured.add(this.find(f.atom));
      }
    }
  }

  /** Channels that were shuffled entry by entry shrink in proportion, all of a stage together. */
  private findClusters(graph: Graph): void {
    const { atoms } = this.axes;
    const members = new Map<number, number>();
    const root = (a: number): number => {
      let r = a;
      while (members.get(r) !== undefined && members.get(r) !== r) r = members.get(r)!;
      return r;
    };
    const axesOf = [...graph.parameters.keys()].flatMap((p) =>
      (this.axes.axes(p) ?? []).map((axis) => (isPlain(axis) ? atoms.normal(axis) : [])),
    );
    const shuffled = (segments: readonly (readonly number[])[]) =>
      segments.length > 1 &&
      segments.every((s) => s.length === 1 && !atoms.isPinned(s[0]!)) &&
      new Set(segments.map((s) => s[0])).size === segments.length;
    for (const segments of axesOf) {
      if (!shuffled(segments) || !segments.some((s) => atoms.sizeOf(s[0]!) === 1)) continue;
      for (const s of segments) {
        if (!members.has(s[0]!)) members.set(s[0]!, s[0]!);
        members.set(root(s[0]!), root(segments[0]![0]!));
      }
    }
    if (members.size === 0) return;
    const lengths = new Map<number, number>();
    for (const segments of axesOf) {
      for (const { from, to, cluster } of runs(segments, (a) => (members.has(a) ? root(a) : undefined))) {
        let n = 0;
        for (let i = from; i <= to; i++) n += atoms.sizeOf(segments[i]![0]!);
        lengths.set(cluster, gcd(lengths.get(cluster) ?? 0, n));
      }
    }
    for (const atom of members.keys()) {
      const cluster = root(atom);
      if (lengths.get(cluster)! <= SHUFFLED_WIDTH) continue;
      this.clusterOf.set(atom, cluster);
      this.unitOf.set(cluster, lengths.get(cluster)!);
    }
  }

  /** Blocks behind one selector are equally long. */
  private findEqualBlocks(graph: Graph): void {
    const { atoms } = this.axes;
    for (const value of graph.types.keys()) {
      for (const axis of this.axes.axes(value) ?? []) {
        if (isPlain(axis) || axis.kind === "selector") continue;
        const options = axis.options.map((o) => atoms.normal(o));
        for (const other of options.slice(1)) {
          other.forEach((segment, i) => {
            segment.forEach((a, k) => {
              const b = options[0]![i]?.[k];
              if (b !== undefined && atoms.sizeOf(a) === atoms.sizeOf(b)) this.equate([a, b]);
            });
          });
        }
      }
    }
  }

  private classOf(atom: number): number {
    let r = this.find(atom);
    for (let next = this.parent.get(r); next !== undefined; next = this.parent.get(r)) r = next;
    return r;
  }

  /** States that atoms of equal old size get equal new ones; false if that was known. */
  equate(atoms: readonly number[]): boolean {
    let changed = false;
    const bySize = new Map<number, number>();
    for (const a of atoms) {
      const size = this.axes.atoms.sizeOf(a);
      const c = this.classOf(a);
      const other = bySize.get(size);
      if (other === undefined) bySize.set(size, c);
      else if (this.classOf(other) !== c) {
        this.parent.set(c, this.classOf(other));
        changed = true;
      }
    }
    if (changed) this.chosen = undefined;
    return changed;
  }

  /** States that atoms keep their size; false if all of them do. */
  keep(atoms: readonly number[]): boolean {
    let changed = false;
    for (const a of atoms) {
      const cluster = this.clusterOf.get(this.find(a));
      if (cluster !== undefined) {
        for (const [atom, c] of [...this.clusterOf]) if (c === cluster) this.clusterOf.delete(atom);
        changed = true;
      }
      const c = this.classOf(a);
      if (this.kept.has(c)) continue;
      this.kept.add(c);
      changed = true;
    }
    if (changed) this.chosen = undefined;
    return changed;
  }

  /** Chooses other widths from here on. */
  usePattern(pattern: readonly [number, ...number[]]): void {
    this.pattern = pattern;
    this.chosen = undefined;
  }

  /** The new size of a free root atom. */
  of(root: number): number {
    const { atoms } = this.axes;
    if (this.empty.has(this.find(root))) return 0;
    this.chosen ??= this.choose();
    const c = this.classOf(root);
    let value = this.chosen.get(c);
    if (value === undefined) {
      // Only activations have it: heads that a Tile makes, for instance.
      value = this.kept.has(c) ? atoms.sizeOf(root) : Math.min(atoms.sizeOf(root), this.pattern[0]);
      this.chosen.set(c, value);
    }
    return value;
  }

  private choose(): Map<number, number> {
    const out = new Map<number, number>();
    let turn = 0;
    const outers = new Set([...this.outer].map((a) => this.classOf(a)));
    const thins = new Set([...this.thin].map((a) => this.classOf(a)));
    const features = new Set([...this.features].map((a) => this.classOf(a)));
    const measured = new Set([...this.measured].map((a) => this.classOf(a)));
    const between = new Set([...this.between].map((a) => this.classOf(a)));
    for (const atom of this.order) {
      const c = this.classOf(atom);
      if (out.has(c)) continue;
      const old = this.axes.atoms.sizeOf(atom);
      const outer = outers.has(c);
      const wanted =
        this.size?.({ atom, size: old, outer }) ??
        (between.has(c) ? 1 : undefined) ??
        this.usual(outer, thins.has(c), features.has(c), measured.has(c), turn) + this.wider;
      if (!outer && !thins.has(c)) turn++;
      out.set(c, this.kept.has(c) ? old : Math.max(1, Math.min(old, wanted)));
    }
    return out;
  }

  private usual(outer: boolean, thin: boolean, feature: boolean, measured: boolean, turn: number): number {
    if (outer) return OUTER_WIDTH;
    if (feature) return FEATURE_WIDTH;
    if (measured) return MEASURED_WIDTH;
    return thin ? this.pattern[0] : this.pattern[turn % this.pattern.length]!;
  }

  /** The run of shuffled channels that begins with segment i of an axis, if one does. */
  shuffledRun(segments: readonly (readonly number[])[], i: number): ShuffledRun | undefined {
    const { atoms } = this.axes;
    const clusterAt = (k: number) => (segments[k]?.length === 1 ? this.clusterOf.get(this.find(segments[k]![0]!)) : undefined);
    const cluster = clusterAt(i);
    if (cluster === undefined) return undefined;
    let last = i;
    let old = 0;
    for (let k = i; clusterAt(k) === cluster; k++) {
      last = k;
      old += atoms.sizeOf(segments[k]![0]!);
    }
    return { old, value: (old / this.unitOf.get(cluster)!) * SHUFFLED_WIDTH, atom: cluster, last };
  }

  /** Whether some channels shrink in proportion to their shuffles. */
  get shuffles(): boolean {
    return this.clusterOf.size > 0;
  }

  /** Whether some channels are left out altogether. */
  get leavesOut(): boolean {
    return this.empty.size > 0;
  }

  /** Root atoms of the parameters with their new sizes, but for those of shuffled channels, which have none of their own. */
  sizes(): Map<number, number> {
    return new Map(this.order.filter((a) => !this.clusterOf.has(a) && !this.empty.has(a)).map((a) => [a, this.of(a)]));
  }
}

/** Maximal runs of single-atom segments of one cluster. */
function* runs(
  segments: readonly (readonly number[])[],
  clusterOf: (atom: number) => number | undefined,
): Generator<{ readonly from: number; readonly to: number; readonly cluster: number }> {
  let from = 0;
  while (from < segments.length) {
    const cluster = segments[from]!.length === 1 ? clusterOf(segments[from]![0]!) : undefined;
    let to = from;
    while (cluster !== undefined && segments[to + 1]?.length === 1 && clusterOf(segments[to + 1]![0]!) === cluster) to++;
    if (cluster !== undefined) yield { from, to, cluster };
    from = to + 1;
  }
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
