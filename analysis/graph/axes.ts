/** @file Axis atoms as the rest of the code sees them (symmetry/spaces does the inference that fills this). */
import type { Node } from "./graph";
import type { Tensor } from "./tensor";

/** One factor of a product axis. Factors with equal `atom` are the same coordinate system. */
export interface AxisFactor {
  readonly atom: number;
  readonly size: number;
  /** Nothing may act on it: graph inputs and outputs, spatial axes, opaque operators. */
  readonly pinned: boolean;
  /** What it is made of, where it is a concatenation inside of a product: heads of two kinds of channels each. */
  readonly parts?: AxisLayout;
}

/** A row-major product of factors, outermost first; empty for size 1. */
export type AxisSegment = readonly AxisFactor[];

/** An axis: segments in order of concatenation. */
export type AxisLayout = readonly AxisSegment[];

/** What inference found out about the axes of all values of a graph. */
export interface AxisStructure {
  /** The layouts of a value's axes, outermost axis first; undefined for values of unknown shape. */
  layout(value: string): readonly AxisLayout[] | undefined;
}

/** An axis under inference; only the algebra that made it looks inside. */
export type Axis = Readonly<object>;

/**
 * What an axis rule can do. `input(i)[k]` is axis k of input i, outermost first.
 *
 * Some tensors hold differing blocks along one axis, a fused (query, key, value) for instance: that axis is a *selector*
 * and the axes inside *depend* on it. `input` states that all blocks are alike first; `rawInput` leaves them apart, and
 * only movement operators, which know how to carry them, may use it.
 */
export interface AxisRuleContext {
  readonly node: Node;
  input(index: number): readonly Axis[];
  rawInput(index: number): readonly Axis[];
  /** True where the optional input is absent. */
  absent(index: number): boolean;
  shape(index: number): readonly number[];
  outputShape(index?: number): readonly number[];
  /** The value of an input where it is a constant. */
  constant(index: number): Tensor | undefined;
  output(axes: readonly Axis[], index?: number): void;
  /**
   * States that an integer output counts positions along an axis (where the largest entries are). Tables may be looked up
   * with it along that same axis; any other use of it pins the axis.
   */
  counting(axis: Axis, index?: number): void;
  /** The axis along which the integers of an input count positions, if that was stated; asking for it is using it well. */
  counted(index: number): Axis | undefined;
  /** The same for an axis of a given size; another one is not used well. */
  countedAlong(index: number, size: number): Axis | undefined;
  /** True where some later operator picks single entries along the given axis of the (first) output. */
  indexedLater(axis: number): boolean;
  /** True where some later operator concatenates what the (first) output becomes, before weights read it. */
  joinedLater(): boolean;

  /** A new axis of one free atom (no atom at all for size 1). */
  fresh(size: number): Axis;
  /** A new axis of one pinned atom. */
  pinned(size: number): Axis;
  pin(axis: Axis): void;
  /**
   * A new axis of places among which an operator moved (a convolution's space). Nothing may permute them, and the operator
   * itself passes no scale that depends on one; later ones may still scale what they hold place by place.
   */
  places(size: number): Axis;
  /** States that an axis holds such places. */
  pinPlaces(axis: Axis): void;
  /** States that two axes of equal size are one coordinate system. */
  unify(a: Axis, b: Axis): void;
  /** Part [start, end) of an axis. */
  slice(axis: Axis, start: number, end: number): Axis;
  /** Single entries of an axis, by their places. */
  entries(axis: Axis, places: readonly number[]): readonly Axis[];
  /** Concatenation in order. */
  concat(parts: readonly Axis[]): Axis;
  /** Row-major product, outermost first. */
  product(factors: readonly Axis[]): Axis;
  /** Reads an axis as a product of the given sizes, outermost first (refining atoms as needed). */
  split(axis: Axis, sizes: readonly number[]): readonly Axis[];
  /** States that all blocks of axes with blocks are alike; what `input` does. */
  settle(axes: readonly Axis[]): readonly Axis[];
  /** Reads the axes of a tensor in another shape of the same element count (ONNX Reshape). */
  reshape(axes: readonly Axis[], from: readonly number[], to: readonly number[]): readonly Axis[];
  /**
   * Tensors of one entry along axis `axis`, stacked along it: their other axes may stay apart, block by block. Undefined
   * where they are the same anyway.
   */
  stack(pieces: readonly (readonly Axis[])[], axis: number): readonly Axis[] | undefined;
  /** Tensors with blocks along the same axis, concatenated along axis `axis` block by block; undefined where blocks do not match. */
  join(pieces: readonly (readonly Axis[])[], axis: number): readonly Axis[] | undefined;
  /** The axes that are left when entry `index` of axis `axis` is picked, or undefined where that axis has no blocks. */
  pick(axes: readonly Axis[], axis: number, index: number): readonly Axis[] | undefined;
}
