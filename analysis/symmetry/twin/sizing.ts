/** @file What a sizing rule sees of one node, and the axis rules of the operator table over sizes in place of atoms. */
import type { Axis, AxisRuleContext } from "../../graph/axes";
import type { Graph, Node } from "../../graph/graph";
import type { Shape, Tensor, TensorType } from "../../graph/tensor";
import type { SizeAlgebra } from "./algebra";
import { open, SizeConflict, type SizedAxis } from "./sizes";
import type { Survey } from "./survey";

/**
 * What shrinks besides channels. "thin": as "dense", and windows without padding lose taps too, which fits where no branches
 * of unlike windows meet; "dense": kernels, tables, classes, vocabularies, and windows move by one place, so that space
 * is as small as one kernel; "strided": the same, with strides as they are; "space": inputs only: weights
 * keep their shapes; "channels": nothing.
 */
export type Reach = "thin" | "dense" | "strided" | "space" | "channels";

/** The sized axes of a graph's values, as nodes read and write them. */
export interface SizeValues {
  readonly graph: Graph;
  readonly survey: Survey;
  readonly algebra: SizeAlgebra;
  readonly reach: Reach;
  axesOf(value: string): readonly SizedAxis[] | undefined;
  setAxes(value: string, axes: readonly SizedAxis[]): void;
  /** Axes of a constant for one of its readers. */
  copyOfConstant(name: string): readonly SizedAxis[];
  /** Runs after all nodes. */
  postpone(action: () => void): void;
}

/** Constant operands that are lists of axes and the like: the same in the twin. */
const UNCHANGED: Readonly<Record<string, readonly number[]>> = {
  ReduceMean: [1],
  ReduceSum: [1],
  ReduceSumSquare: [1],
  ReduceMax: [1],
  ReduceMin: [1],
  ReduceL1: [1],
  ReduceL2: [1],
  TopK: [1],
  ReduceProd: [1],
  ReduceLogSum: [1],
  ReduceLogSumExp: [1],
  CumSum: [1],
  Trilu: [1],
  Clip: [1, 2],
};

/** How a rewritten node differs from its source. */
export interface Rewriting {
  readonly inputs?: readonly string[];
  readonly attributes?: Node["attributes"];
}

/** What a sizing rule sees of one node. */
export class Sizing {
  private make: ((name: (tensor: Tensor) => string) => Rewriting) | undefined;
  private replaced: Set<number> | undefined;
  private copies: Map<number, readonly SizedAxis[]> | undefined;
  /** True once the rule made an axis whose size is the operator's own arithmetic. */
  computes = false;
  /** True once the rule made an axis that nothing at this node says anything of. */
  makesFree = false;

  constructor(
    readonly node: Node,
    private readonly values: SizeValues,
  ) {
    for (const i of UNCHANGED[node.operator] ?? []) if (i < node.inputs.length) this.operand(i);
  }

  /** The sizes of all axes. */
  get algebra(): SizeAlgebra {
    return this.values.algebra;
  }

  /** What the old graph says. */
  get survey(): Survey {
    return this.values.survey;
  }

  /** Which kernels and windows see what. */
  get reach(): Reach {
    return this.values.reach;
  }

  /** Axes of an input in the new graph. */
  input(index: number): readonly SizedAxis[] {
    const name = this.node.inputs[index] ?? "";
    if (name === "") return [];
    if (!this.values.graph.constants.has(name)) return this.values.axesOf(name) ?? [];
    this.copies ??= new Map();
    let axes = this.copies.get(index);
    if (!axes) {
      axes = this.values.copyOfConstant(name);
      this.copies.set(index, axes);
    }
    return axes;
  }

  /** Sized axes of a constant operand that is data; undefined where no rule asked for it. */
  copy(index: number): readonly SizedAxis[] | undefined {
    return this.isOperand(index) ? undefined : this.copies?.get(index);
  }

  absent(index: number): boolean {
    return (this.node.inputs[index] ?? "") === "";
  }

  /** Old shape of an input. */
  shape(index: number): Shape {
    return this.survey.shape(this.node.inputs[index] ?? "") ?? [];
  }

  /** Old shape of an output. */
  outputShape(index = 0): Shape {
    return this.survey.shape(this.node.outputs[index] ?? "") ?? [];
  }

  /** The source's value of a constant input. */
  constant(index: number): Tensor | undefined {
    return this.values.graph.constants.get(this.node.inputs[index] ?? "");
  }

  output(axes: readonly SizedAxis[], index = 0): void {
    this.values.setAxes(this.node.outputs[index]!, axes);
  }

  /** A new open axis: its size is that of the free atom that axis inference gives the output, or whatever it meets. */
  fresh(old: number): SizedAxis {
    if (old > 1) this.makesFree = true;
    return open(old);
  }

  /**
   * The output's shape by the operator's own rule, for the node with these attributes, in place of some operands others, and
   * for some inputs other shapes than their new ones (where not all axes matter). Makes the other inputs' sizes known.
   */
  inferShape(
    attributes: Node["attributes"] = this.node.attributes,
    operands?: ReadonlyMap<number, Tensor>,
    shapes?: ReadonlyMap<number, Shape>,
  ): Shape {
    return this.inferTypes(attributes, operands, shapes)[0]?.shape ?? unknownShape(this.node.outputs[0]!);
  }

  /** Types of all outputs, as {@link inferShape}; empty for an operator that is not in the table. */
  inferTypes(
    attributes: Node["attributes"],
    operands?: ReadonlyMap<number, Tensor>,
    shapes?: ReadonlyMap<number, Shape>,
  ): readonly TensorType[] {
    const entry = this.survey.operator(this.node);
    if (!entry) return [];
    const inputs = this.node.inputs.map((name, i): TensorType => {
      const type = this.values.graph.types.get(name);
      if (name === "" || !type?.shape) return { type: type?.type ?? "other", shape: undefined };
      const shape = shapes?.get(i);
      if (shape) return { type: type.type, shape };
      const operand = operands?.get(i);
      if (operand) return { type: operand.type, shape: operand.shape };
      if (this.isOperand(i)) return type;
      const axes = this.copies?.get(i) ?? this.values.axesOf(name);
      return { type: type.type, shape: axes?.map((a) => this.algebra.close(a)) };
    });
    try {
      return entry.infer(
        { ...this.node, attributes },
        { inputs, opset: this.values.graph.opset, constant: (i) => operands?.get(i) ?? this.constant(i) },
      );
    } catch (error) {
      throw new SizeConflict(error instanceof Error ? error.message : String(error));
    }
  }

  /** Rewrites the node once all sizes are known. `name` makes a constant of a tensor. */
  rewrite(make: (name: (tensor: Tensor) => string) => Rewriting): void {
    this.make = make;
  }

  /** What is to change of the node, now that all sizes are known. */
  rewriting(name: (tensor: Tensor) => string): Rewriting {
    return this.make?.(name) ?? {};
  }

  /** States that a constant operand is no data: it stays as it is, or the rewriting replaces it. */
  operand(index: number): void {
    this.replaced ??= new Set();
    this.replaced.add(index);
  }

  /** Whether a constant operand is no data. */
  isOperand(index: number): boolean {
    return this.replaced?.has(index) === true;
  }

  /** Runs after all nodes, when only what nothing decides is open. */
  later(action: () => void): void {
    this.values.postpone(action);
  }
}

/** The axis rules of the operator table, over sizes in place of atoms. */
export class SizeRules implements AxisRuleContext {
  constructor(private readonly sizing: Sizing) {}

  get node(): Node {
    return this.sizing.node;
  }

  input(index: number): readonly Axis[] {
    return this.sizing.input(index);
  }

  rawInput(index: number): readonly Axis[] {
    return this.sizing.input(index);
  }

  absent(index: number): boolean {
    return this.sizing.absent(index);
  }

  shape(index: number): Shape {
    return this.sizing.shape(index);
  }

  outputShape(index = 0): Shape {
    return this.sizing.outputShape(index);
  }

  constant(index: number): Tensor | undefined {
    return this.sizing.constant(index);
  }

  output(axes: readonly Axis[], index = 0): void {
    this.sizing.output(axes as readonly SizedAxis[], index);
  }

  indexedLater(): boolean {
    return false;
  }

  joinedLater(): boolean {
    return false;
  }

  counting(): void {}

  counted(): undefined {
    return undefined;
  }

  countedAlong(): undefined {
    return undefined;
  }

  fresh(size: number): Axis {
    return this.sizing.fresh(size);
  }

  pinned(size: number): Axis {
    this.sizing.computes = true;
    return open(size);
  }

  pin(): void {}

  places(size: number): Axis {
    return this.pinned(size);
  }

  pinPlaces(): void {}

  unify(a: Axis, b: Axis): void {
    this.sizing.algebra.unify(a as SizedAxis, b as SizedAxis);
  }

  slice(axis: Axis, start: number, end: number): Axis {
    return this.sizing.algebra.slice(axis as SizedAxis, start, end);
  }

  entries(axis: Axis, places: readonly number[]): readonly Axis[] {
    return places.map((p) => this.slice(axis, p, p + 1));
  }

  concat(parts: readonly Axis[]): Axis {
    return this.sizing.algebra.concat(parts as readonly SizedAxis[]);
  }

  product(factors: readonly Axis[]): Axis {
    return this.sizing.algebra.product(factors as readonly SizedAxis[]);
  }

  split(axis: Axis, sizes: readonly number[]): readonly Axis[] {
    return this.sizing.algebra.split(axis as SizedAxis, sizes);
  }

  settle(axes: readonly Axis[]): readonly Axis[] {
    return axes;
  }

  reshape(axes: readonly Axis[], from: readonly number[], to: readonly number[]): readonly Axis[] {
    return this.sizing.algebra.reshape(axes as readonly SizedAxis[], from, to);
  }

  stack(): undefined {
    return undefined;
  }

  join(): undefined {
    return undefined;
  }

  pick(): undefined {
    return undefined;
  }
}

/** Sizing rule of an operator. */
export type SizingRule = (sizing: Sizing) => void;

/** States that an operator does not know the shape of what it writes. */
export function unknownShape(value: string): never {
  throw new SizeConflict(`the new shape of ${value} is not known`);
}
