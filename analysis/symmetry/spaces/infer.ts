/** @file Runs the axis rules of the operator table over a graph: every axis of every value as segments of atoms. */
import type { AxisLayout, AxisStructure } from "../../graph/axes";
import { consumers, type Graph, type Node } from "../../graph/graph";
import { type Shape, strides, type Tensor } from "../../graph/tensor";
import type { Equivariance } from "../../operators/equivariance";
import { AtomStore, type PlainAxis } from "./atoms";
import { findFrames } from "./frames";
import { BlockAlgebra, type BlockAxis, isPlain } from "./blocks";
import { indexedLater } from "./lookahead";
import { type AxisScene, RuleContext } from "./rule-context";

/** The axes of every value, with the store that gives their atoms meaning. */
export interface InferredAxes extends AxisStructure {
  readonly graph: Graph;
  readonly atoms: AtomStore;
  readonly blocks: BlockAlgebra;
  /** Axes of a value as inferred, with blocks; undefined for values of unknown shape. */
  axes(value: string): readonly BlockAxis[] | undefined;
  /** The layout of an axis without blocks. */
  layoutOf(axis: PlainAxis): AxisLayout;
  /** Nodes without a rule, or with tensors of unknown shape: they pin everything that they touch. */
  readonly opaque: readonly Node[];
  /** Whether soft pins have met any operator; where not, inference without them would find the same. */
  readonly feltSoftPins: boolean;
}

export interface AxisInferenceOptions {
  /** Equivariance of an operator; undefined means opaque. */
  readonly equivariance: (node: Node) => Equivariance | undefined;
  /**
   * Whether the pattern of a constant (a rotary table along its frequencies), a frozen weight or the order of the network's
   * inputs and outputs (see frames.ts) pins: they forbid permutations, not scalings or matrix actions. Inference runs once
   * with and once without, where that makes a difference.
   */
  readonly softPins: boolean;
}

/**
 * Infers the axes of all values. Near-linear in the number of axes. Never throws: a node that contradicts its operator's
 * rule (attributes of wrong types, shapes that do not fit) is opaque.
 */
export function inferAxes(graph: Graph, options: AxisInferenceOptions): InferredAxes {
  const inference = new Inference(graph, options);
  inference.run();
  return inference;
}

class Inference implements InferredAxes, AxisScene {
  readonly atoms = new AtomStore();
  readonly blocks = new BlockAlgebra(this.atoms);
  readonly opaque: Node[] = [];
  feltSoftPins = false;
  private readonly known = new Map<string, readonly BlockAxis[]>();
  /** Of integers that count positions along an axis. */
  private readonly counts = new Map<string, BlockAxis>();
  private readonly softlyPinned = new Set<string>();
  private readonly readers: ReadonlyMap<string, readonly Node[]>;
  private readonly layouts = new Map<string, readonly AxisLayout[]>();

  constructor(
    readonly graph: Graph,
    private readonly options: AxisInferenceOptions,
  ) {
    this.readers = consumers(graph);
  }

  run(): void {
    const { graph, options, atoms, known } = this;
    const frames = findFrames(graph, this.readers);
    if (options.softPins && (frames.inputs.size > 0 || frames.outputs.size > 0)) this.feltSoftPins = true;
    for (const input of graph.inputs) {
      const open = options.softPins ? undefined : frames.inputs.get(input.name);
      known.set(
        input.name,
        input.shape.map((n, i) => (open?.includes(i) ? atoms.fresh(n) : atoms.pinnedAxis(n))),
      );
    }
    for (const p of graph.parameters.values()) {
      // A frozen weight cannot be permuted along; running statistics are, they are measured again.
      const isFixed = options.softPins && !p.trainable && !p.buffer;
      if (isFixed) this.softlyPinned.add(p.name);
      known.set(p.name, isFixed ? this.pinnedAxes(p.shape) : p.shape.map((n) => atoms.fresh(n)));
    }
    for (const [name, value] of graph.constants) {
      const varies = options.softPins ? variesAlong(value) : undefined;
      if (varies?.includes(true)) this.softlyPinned.add(name);
      known.set(
        name,
        value.shape.map((n, i) => (varies?.[i] ? atoms.pinnedAxis(n) : atoms.fresh(n))),
      );
    }
    const context = new RuleContext(this);
    const outputs = new Set(graph.outputs);
    for (const node of graph.nodes) this.visit(node, context, outputs);
    for (const o of graph.outputs) {
      this.pinCount(o);
      if (options.softPins || !frames.outputs.has(o)) this.pinAxes(o);
    }
  }

  private visit(node: Node, context: RuleContext, outputs: ReadonlySet<string>): void {
    const { graph, known, counts } = this;
    const rule = this.options.equivariance(node);
    if (!rule || !node.inputs.every(this.isUsable) || !node.outputs.every(this.isUsable)) return this.makeOpaque(node);
    context.enter(node);
    try {
      rule.axes(context);
    } catch {
      // What the rule has stated so far only makes for fewer symmetries.
      return this.makeOpaque(node);
    }
    if (counts.size > 0) {
      node.inputs.forEach((input, i) => {
        const axis = counts.get(input);
        if (!axis || context.usedWell.includes(i)) return;
        if (i === 0 && MOVES_INTEGERS.has(node.operator)) counts.set(node.outputs[0]!, axis);
        else this.pinCount(input);
      });
    }
    // Outputs that the rule says nothing of (indices, masks) are pinned, and so is all they are made of if anybody reads them.
    for (const o of node.outputs) {
      if (o === "" || known.has(o)) continue;
      known.set(o, this.pinnedAxes(graph.types.get(o)!.shape!));
      if (this.readers.has(o) || outputs.has(o)) for (const i of node.inputs) this.pinAxes(i);
    }
  }

  private readonly isUsable = (value: string): boolean => {
    if (value === "") return true;
    const shape = this.graph.types.get(value)?.shape;
    return shape !== undefined && !shape.includes(0);
  };

  private makeOpaque(node: Node): void {
    this.opaque.push(node);
    for (const i of node.inputs) {
      this.pinAxes(i);
      this.pinCount(i);
    }
    for (const o of node.outputs) {
      const shape = this.graph.types.get(o)?.shape;
      if (o !== "" && shape) this.known.set(o, this.pinnedAxes(shape));
    }
  }

  private pinnedAxes(shape: Shape): PlainAxis[] {
    return shape.map((n) => this.atoms.pinnedAxis(n));
  }

  private pinAxes(value: string): void {
    for (const a of this.blocks.settle(this.known.get(value) ?? [])) this.atoms.pin(a);
  }

  /** Pins the axis that integers count along. */
  private pinCount(value: string): void {
    const along = this.counts.get(value);
    if (along) this.atoms.pin(this.blocks.settle([along])[0]!);
  }

  read(value: string): readonly BlockAxis[] {
    if (this.softlyPinned.has(value)) this.feltSoftPins = true;
    return this.known.get(value) ?? [];
  }

  write(value: string, axes: readonly BlockAxis[]): void {
    this.known.set(value, axes);
  }

  setCounted(value: string, axis: BlockAxis): void {
    this.counts.set(value, axis);
  }

  counted(value: string): BlockAxis | undefined {
    return this.counts.get(value);
  }

  indexedLater(value: string, axis: number): boolean {
    return indexedLater(this.graph, this.readers, value, axis);
  }

  axes(value: string): readonly BlockAxis[] | undefined {
    return this.known.get(value);
  }

  layout(value: string): readonly AxisLayout[] | undefined {
    const axes = this.known.get(value);
    if (!axes) return undefined;
    let out = this.layouts.get(value);
    if (!out) {
      out = axes.map((a) => this.layoutOf(this.asPlain(a)));
      this.layouts.set(value, out);
    }
    return out;
  }

  /** The axis as one for all blocks. Looking must not state that they are alike: where they differ, it is pinned. */
  private asPlain(axis: BlockAxis): PlainAxis {
    if (isPlain(axis)) return axis;
    if (axis.kind === "selector") return this.atoms.pinnedAxis(axis.count);
    const first = axis.options[0]!;
    return axis.options.every((o) => this.blocks.sameAtoms(first, o)) ? first : this.atoms.pinnedAxis(this.atoms.axisSize(first));
  }

  layoutOf(axis: PlainAxis): AxisLayout {
    return this.atoms.layout(axis);
  }
}

/** Operators that hand on integers of their first input as they are. */
const MOVES_INTEGERS: ReadonlySet<string> = new Set([
  "Identity",
  "Cast",
  "Reshape",
  "Transpose",
  "Slice",
  "Expand",
  "Tile",
  "Gather",
]);

/** For each axis of a constant whether its values change along it. */
function variesAlong(value: Tensor): boolean[] {
  const { data, shape } = value;
  const step = strides(shape);
  return shape.map((n, axis) => {
    const inner = step[axis]!;
    for (let block = 0; n > 1 && block < data.length; block += n * inner) {
      for (let i = block + inner; i < block + n * inner; i++) if (data[i] !== data[i - inner]) return true;
    }
    return false;
  });
}
