/** @file What axis rules see of the graph and may do to its axes; one object serves all nodes in turn. */
import type { Axis, AxisRuleContext } from "../../graph/axes";
import type { Node } from "../../graph/graph";
import { ABSENT, type Numbering } from "../../graph/numbering";
import type { Shape, Tensor } from "../../graph/tensor";
import type { PlainAxis } from "./atom-table";
import type { AtomStore } from "./atoms";
import type { BlockAlgebra, BlockAxis } from "./blocks";

/** The inference behind the rules. */
export interface AxisScene {
  readonly atoms: AtomStore;
  readonly blocks: BlockAlgebra;
  /** Values are given by number. */
  readonly numbering: Numbering;
  /** Whether axes of places stay free (see `AxisInferenceOptions.freePlaces`). */
  readonly hasFreePlaces: boolean;
  read(value: number): readonly BlockAxis[];
  write(value: number, axes: readonly BlockAxis[]): void;
  setCounted(value: number, axis: BlockAxis): void;
  counted(value: number): BlockAxis | undefined;
  indexedLater(value: number, axis: number): boolean;
  joinedLater(value: number): boolean;
}

const NO_SHAPE: Shape = [];

/** The context of one node after another. */
export class RuleContext implements AxisRuleContext {
  node!: Node;
  /** Inputs whose counting of positions the rule has taken care of. */
  readonly usedWell: number[] = [];
  private inputs: readonly number[] = [];
  private outputs: readonly number[] = [];

  constructor(private readonly scene: AxisScene) {}

  /** Turns to the next node, given with the numbers of its values. */
  enter(node: Node, inputs: readonly number[], outputs: readonly number[]): void {
    this.node = node;
    this.inputs = inputs;
    this.outputs = outputs;
    this.usedWell.length = 0;
  }

  private value(input: number): number {
    return this.inputs[input] ?? ABSENT;
  }

  private plain(axis: Axis): PlainAxis {
    return this.scene.blocks.settled(axis as BlockAxis);
  }

  rawInput(input: number): readonly Axis[] {
    return this.scene.read(this.value(input)) as readonly Axis[];
  }

  input(input: number): readonly Axis[] {
    return this.scene.blocks.settle(this.scene.read(this.value(input)));
  }

  absent(input: number): boolean {
    return this.value(input) === ABSENT;
  }

  shape(input: number): Shape {
    return this.scene.numbering.types[this.value(input)]?.shape ?? NO_SHAPE;
  }

  outputShape(output = 0): Shape {
    return this.scene.numbering.types[this.outputs[output] ?? ABSENT]?.shape ?? NO_SHAPE;
  }

  constant(input: number): Tensor | undefined {
    return this.scene.numbering.constants[this.value(input)];
  }

  output(axes: readonly Axis[], output = 0): void {
    this.scene.write(this.outputs[output]!, axes as readonly BlockAxis[]);
  }

  counting(axis: Axis, output = 0): void {
    this.scene.setCounted(this.outputs[output]!, axis as BlockAxis);
  }

  counted(input: number): Axis | undefined {
    this.usedWell.push(input);
    return this.scene.counted(this.value(input));
  }

  countedAlong(input: number, size: number): Axis | undefined {
    const axis = this.scene.counted(this.value(input));
    return axis !== undefined && this.scene.atoms.axisSize(this.plain(axis)) === size ? this.counted(input) : undefined;
  }

  indexedLater(axis: number): boolean {
    return this.scene.indexedLater(this.outputs[0]!, axis);
  }

  joinedLater(): boolean {
    return this.scene.joinedLater(this.outputs[0]!);
  }

  fresh(size: number): Axis {
    return this.scene.atoms.fresh(size);
  }

  pinned(size: number): Axis {
    return this.scene.atoms.pinnedAxis(size);
  }

  pin(axis: Axis): void {
    this.scene.atoms.pin(this.plain(axis));
  }

  places(size: number): Axis {
    return this.scene.hasFreePlaces ? this.fresh(size) : this.pinned(size);
  }

  pinPlaces(axis: Axis): void {
    if (!this.scene.hasFreePlaces) this.pin(axis);
  }

  unify(a: Axis, b: Axis): void {
    this.scene.atoms.unify(this.plain(a), this.plain(b));
  }

  slice(axis: Axis, start: number, end: number): Axis {
    return this.scene.atoms.slice(this.plain(axis), start, end);
  }

  entries(axis: Axis, places: readonly number[]): readonly Axis[] {
    return this.scene.atoms.entries(this.plain(axis), places);
  }

  concat(parts: readonly Axis[]): Axis {
    return this.scene.atoms.concat(parts.map((p) => this.plain(p)));
  }

  product(factors: readonly Axis[]): Axis {
    return this.scene.atoms.product(factors.map((f) => this.plain(f)));
  }

  split(axis: Axis, sizes: readonly number[]): readonly Axis[] {
    return this.scene.atoms.split(this.plain(axis), sizes);
  }

  settle(axes: readonly Axis[]): readonly Axis[] {
    return this.scene.blocks.settle(axes as readonly BlockAxis[]);
  }

  reshape(axes: readonly Axis[], from: Shape, to: Shape): readonly Axis[] {
    return this.scene.blocks.reshape(axes as readonly BlockAxis[], from, to, {
      indexed: (k) => this.indexedLater(k),
      joined: () => this.joinedLater(),
    });
  }

  stack(pieces: readonly (readonly Axis[])[], axis: number): readonly Axis[] | undefined {
    return this.scene.blocks.stack(pieces as readonly (readonly PlainAxis[])[], axis) as readonly Axis[] | undefined;
  }

  join(pieces: readonly (readonly Axis[])[], axis: number): readonly Axis[] | undefined {
    return this.scene.blocks.join(pieces as readonly (readonly BlockAxis[])[], axis) as readonly Axis[] | undefined;
  }

  pick(axes: readonly Axis[], axis: number, index: number): readonly Axis[] | undefined {
    return this.scene.blocks.pick(axes as readonly BlockAxis[], axis, index) as readonly Axis[] | undefined;
  }
}
