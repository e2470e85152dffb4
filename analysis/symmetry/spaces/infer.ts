/** @file Runs the axis rules of the operator table over a graph: every axis of every value as segments of atoms. */
import type { AxisLayout, AxisStructure } from "../../graph/axes";
import type { Graph, Node } from "../../graph/graph";
import { ABSENT, type Numbering, numberingOf } from "../../graph/numbering";
import { type Shape, strides, type Tensor } from "../../graph/tensor";
import type { Equivariance } from "../../operators/equivariance";
import type { PlainAxis } from "./atom-table";
import { AtomStore } from "./atoms";
import { findFrames } from "./frames";
import { BlockAlgebra, type BlockAxis, isPlain } from "./blocks";
import { indexedLater, joinedLater } from "./lookahead";
import { mayTie } from "./ties";
import { type AxisScene, RuleContext } from "./rule-context";

/** The axes of every value, with the store that gives their atoms meaning. */
export interface InferredAxes extends AxisStructure {
  readonly graph: Graph;
  readonly atoms: AtomStore;
  readonly blocks: BlockAlgebra;
  readonly numbering: Numbering;
  /** Axes of a value as inferred, with blocks; undefined for values of unknown shape. */
  axes(value: string): readonly BlockAxis[] | undefined;
  /** The same by the value's number. */
  axesOf(value: number): readonly BlockAxis[] | undefined;
  /** The layouts of a value's axes, by its number. */
  layoutsOf(value: number): readonly AxisLayout[] | undefined;
  /** The layout of an axis without blocks. */
  layoutOf(axis: PlainAxis): AxisLayout;
  /** Nodes without a rule, or with tensors of unknown shape: they pin everything that they touch. */
  readonly opaque: readonly Node[];
  /** The rules that axes were inferred by. */
  equivariance(node: Node): Equivariance | undefined;
  /** Whether soft pins have met any operator; where not, inference without them would find the same. */
  readonly feltSoftPins: boolean;
}

/** How axes are to be inferred. */
export interface AxisInferenceOptions {
  /** Equivariance of an operator; undefined means opaque. */
  readonly equivariance: (node: Node) => Equivariance | undefined;
  /**
   * Whether the pattern of a constant (a rotary table along its frequencies), a frozen weight or the order of the network's
   * inputs and outputs (see frames.ts) pins: they forbid permutations, not scalings or matrix actions. Inference runs once
   * with and once without, where that makes a difference.
   */
  readonly softPins: boolean;
  /**
   * Leaves places free: those of inputs and outputs, and those that convolutions and pools move among. Scalings may differ
   * from place to place, whoever moves among places allows none himself; permutations and matrices must never be read off
   * such axes. Only without `softPins`.
   */
  readonly freePlaces?: boolean;
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
  readonly hasFreePlaces: boolean;
  readonly numbering: Numbering;
  readonly equivariance: AxisInferenceOptions["equivariance"];
  /** By number of the value, like all that follow. */
  private readonly known: (readonly BlockAxis[] | undefined)[];
  private readonly layouts: (readonly AxisLayout[] | undefined)[];
  private readonly softlyPinned: Uint8Array;
  /** Whether a value's shape is known and it is not empty. */
  private readonly usable: Uint8Array;
  /** Of integers that count positions along an axis. */
  private readonly counts = new Map<number, BlockAxis>();

  constructor(
    readonly graph: Graph,
    private readonly options: AxisInferenceOptions,
  ) {
    this.hasFreePlaces = options.freePlaces === true && !options.softPins;
    this.equivariance = options.equivariance;
    this.numbering = numberingOf(graph);
    const { count, types, constants } = this.numbering;
    this.known = new Array<readonly BlockAxis[] | undefined>(count).fill(undefined);
    this.layouts = new Array<readonly AxisLayout[] | undefined>(count).fill(undefined);
    this.softlyPinned = new Uint8Array(count);
    this.usable = new Uint8Array(count);
    for (let v = 0; v < count; v++) {
      const shape = types[v]?.shape;
      // An empty list of sizes says that a Reshape gives a scalar.
      if (shape !== undefined && (!shape.includes(0) || (constants[v] !== undefined && shape.length === 1))) this.usable[v] = 1;
    }
  }

  run(): void {
    const { graph, options, atoms, known, numbering } = this;
    const frames = findFrames(graph, numbering);
    if (options.softPins && (frames.inputs.size > 0 || frames.outputs.size > 0)) this.feltSoftPins = true;
    for (const input of graph.inputs) {
      const open = options.softPins ? undefined : frames.inputs.get(input.name);
      const isFree = (i: number) => open?.includes(i) === true || (this.hasFreePlaces && i > 0);
      known[numbering.of(input.name)] = input.shape.map((n, i) => (isFree(i) ? atoms.fresh(n) : atoms.pinnedAxis(n)));
    }
    let at = 0;
    for (const p of graph.parameters.values()) {
      // A frozen weight cannot be permuted along; running statistics are, they are measured again.
      const isFixed = options.softPins && !p.trainable && !p.buffer;
      const value = numbering.parameters[at++]!;
      if (isFixed) this.softlyPinned[value] = 1;
      known[value] = isFixed ? this.pinnedAxes(p.shape) : p.shape.map((n) => atoms.fresh(n));
    }
    for (const [name, constant] of graph.constants) {
      const varies = options.softPins ? variesAlong(constant) : undefined;
      const value = numbering.of(name);
      if (varies?.includes(true)) this.softlyPinned[value] = 1;
      known[value] = constant.shape.map((n, i) => (varies?.[i] ? atoms.pinnedAxis(n) : atoms.fresh(n)));
    }
    const context = new RuleContext(this);
    const outputs = new Set(graph.outputs.map((o) => numbering.of(o)));
    for (let k = 0; k < graph.nodes.length; k++) this.visit(k, context, outputs);
    for (const o of graph.outputs) {
      this.pinCount(numbering.of(o));
      if (!this.hasFreePlaces && (options.softPins || !frames.outputs.has(o))) this.pinAxes(numbering.of(o));
    }
  }

  /** Applies the rule of the k-th node. */
  private visit(k: number, context: RuleContext, outputs: ReadonlySet<number>): void {
    const { known, counts, numbering } = this;
    const node = this.graph.nodes[k]!;
    const [inputs, written] = [numbering.inputs[k]!, numbering.outputs[k]!];
    const rule = this.equivariance(node);
    if (!rule || !this.areUsable(inputs) || !this.areUsable(written)) return this.makeOpaque(k);
    context.enter(node, inputs, written);
    try {
      rule.axes(context);
    } catch {
      // What the rule has stated so far only makes for fewer symmetries.
      return this.makeOpaque(k);
    }
    for (const o of counts.size > 0 ? written : []) {
      // Of equal entries a search takes the first.
      if (counts.has(o) && mayTie(this.graph, numbering, inputs[0]!)) this.pinCount(o);
    }
    if (counts.size > 0) {
      inputs.forEach((input, i) => {
        const axis = counts.get(input);
        if (!axis || context.usedWell.includes(i)) return;
        if (i === 0 && MOVES_INTEGERS.has(node.operator)) counts.set(written[0]!, axis);
        else this.pinCount(input);
      });
    }
    // Outputs that the rule says nothing of (indices, masks) are pinned, and so is all they are made of if anybody reads them.
    for (const o of written) {
      if (o === ABSENT || known[o] !== undefined) continue;
      known[o] = this.pinnedAxes(numbering.types[o]!.shape!);
      if (numbering.readerCount(o) > 0 || outputs.has(o)) for (const i of inputs) this.pinAxes(i);
    }
  }

  private areUsable(values: readonly number[]): boolean {
    for (const v of values) if (v !== ABSENT && this.usable[v] === 0) return false;
    return true;
  }

  private makeOpaque(k: number): void {
    this.opaque.push(this.graph.nodes[k]!);
    for (const i of this.numbering.inputs[k]!) {
      this.pinAxes(i);
      this.pinCount(i);
    }
    for (const o of this.numbering.outputs[k]!) {
      const shape = this.numbering.types[o]?.shape;
      if (o !== ABSENT && shape) this.known[o] = this.pinnedAxes(shape);
    }
  }

  private pinnedAxes(shape: Shape): PlainAxis[] {
    return shape.map((n) => this.atoms.pinnedAxis(n));
  }

  private pinAxes(value: number): void {
    const axes = this.known[value];
    if (axes !== undefined) for (const a of this.blocks.settle(axes)) this.atoms.pin(a);
  }

  /** Pins the axis that integers count along. */
  private pinCount(value: number): void {
    const along = this.counts.get(value);
    if (along) this.atoms.pin(this.blocks.settle([along])[0]!);
  }

  read(value: number): readonly BlockAxis[] {
    if (this.softlyPinned[value] === 1) this.feltSoftPins = true;
    return this.known[value] ?? [];
  }

  /** Throws Error where a rule has no axis in some place: the operator's attributes are not those of its shapes. */
  write(value: number, axes: readonly BlockAxis[]): void {
    for (let k = 0; k < axes.length; k++) if (axes[k] === undefined) throw new Error(`the output has no axis ${k}`);
    if (value !== ABSENT) this.known[value] = axes;
  }

  setCounted(value: number, axis: BlockAxis): void {
    this.counts.set(value, axis);
  }

  counted(value: number): BlockAxis | undefined {
    return this.counts.get(value);
  }

  indexedLater(value: number, axis: number): boolean {
    return indexedLater(this.graph, this.numbering, value, axis);
  }

  joinedLater(value: number): boolean {
    return joinedLater(this.graph, this.numbering, value);
  }

  axes(value: string): readonly BlockAxis[] | undefined {
    return this.known[this.numbering.of(value)];
  }

  axesOf(value: number): readonly BlockAxis[] | undefined {
    return this.known[value];
  }

  layout(value: string): readonly AxisLayout[] | undefined {
    return this.layoutsOf(this.numbering.of(value));
  }

  layoutsOf(id: number): readonly AxisLayout[] | undefined {
    const axes = this.known[id];
    if (!axes) return undefined;
    let out = this.layouts[id];
    if (!out) {
      out = axes.map((a) => this.layoutOf(this.asPlain(a)));
      this.layouts[id] = out;
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
