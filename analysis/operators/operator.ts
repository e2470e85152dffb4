/**
 * @file What an entry of the operator table is. An operator lives in one place, whole: its shape rule, its value and
 * derivative, what it is made of, and how parameter symmetries pass through it. Adding an operator is adding one entry.
 */
import type { Graph, Node } from "../graph/graph";
import type { Shape, Tensor, TensorType } from "../graph/tensor";
import type { Equivariance } from "./equivariance";

/** What a shape rule may look at. */
export interface InferenceContext {
  /** Types of the inputs; an absent optional input has type "other" and no shape. */
  readonly inputs: readonly TensorType[];
  /** The value of an input where it is a constant (shapes, axes, indices), else undefined. */
  constant(index: number): Tensor | undefined;
  /** The opset whose semantics apply. */
  readonly opset: number;
}

/** Adds nodes to a graph; names are made unique. */
export interface Builder {
  /** Type of any value, also of those made here. */
  type(value: string): TensorType;
  constant(value: string): Tensor | undefined;
  /** Adds a constant and returns its name. */
  addConstant(tensor: Tensor): string;
  /** Adds a node of another operator and returns its first output's name. */
  add(operator: string, inputs: readonly string[], attributes?: Node["attributes"]): string;
}

/** Builds the nodes that an operator is lowered to. Their origin is that of the node being lowered. */
export interface Lowering extends Builder {
  readonly node: Node;
  readonly opset: number;
  /** Whether anything reads output `index` of the node; one that nothing reads need not be made. */
  isUsed(index: number): boolean;
  /**
   * Adds the nodes of a graph-valued attribute, its inputs replaced by the given values; values that it does not define
   * are those of the surrounding graph. Returns the names of its outputs.
   */
  inline(body: Graph, inputs: readonly string[]): readonly string[];
  /**
   * How many steps of a recurrence that reads and writes these sequences along these axes to unroll at most: Infinity
   * where the function itself is wanted, or where something tells the steps apart besides their data.
   */
  recurrentSteps(
    read: readonly { readonly value: string; readonly axis: number }[],
    written: readonly { readonly value: string; readonly axis: number }[],
  ): number;
  /** Tells the reader of the normal form what this lowering left out. Equal sentences are kept once. */
  note(text: string): void;
}

/** Builds the nodes of a vector-Jacobian product: the gradients of a node's inputs from those of its outputs. */
export interface Gradient extends Builder {
  readonly node: Node;
  readonly opset: number;
  /** Gradient of each output, of its shape; undefined where none flows. At least one is there. */
  readonly dy: readonly (string | undefined)[];
  /** Whether the gradient of input `index` is needed. */
  wants(index: number): boolean;
  /** Shape of a value. @throws Error where it is unknown */
  shape(value: string): Shape;
  /** Adds a node with several outputs and returns their names. */
  addAll(operator: string, inputs: readonly string[], outputs: number, attributes?: Node["attributes"]): string[];
  /**
   * A value that is computed in one of two ways, as a scalar condition says when the graph runs; the other way costs
   * nothing then. Both may read the values that are named.
   */
  choose(
    condition: string,
    reads: readonly string[],
    yes: (branch: Gradient) => string,
    no: (branch: Gradient) => string,
  ): string;
}

/**
 * Where an operator that computes nothing puts the entries of its data (its first input, or all inputs where it joins them):
 * - reshapes: all of them, in the same order, under another shape;
 * - transposes: all of them, the axes in another order;
 * - regroups: all of them, blocks of one axis as places along others;
 * - picks: some of them, as whole slices along axes; one slice may be picked several times;
 * - splits: all of them, in parts: the only ones with several outputs;
 * - repeats: all of them, each equally often;
 * - joins: all entries of all inputs.
 * A Cast is none of them: it may round.
 */
export type Movement = "reshapes" | "transposes" | "regroups" | "picks" | "splits" | "repeats" | "joins";

/** One entry of the operator table. */
export interface Operator {
  /** ONNX op_type. */
  readonly name: string;
  /** "" for the standard domain, "com.microsoft" for ONNX Runtime's own. */
  readonly domain?: string;
  /** Its outputs differ from run to run: it is never evaluated, so never taken for a constant, and two of it are not one. */
  readonly random?: true;
  /** What it does with the entries of its data, where it computes nothing. */
  readonly moves?: Movement;
  /**
   * Types of the outputs. Return a type with an undefined shape where it cannot be known.
   * Throws Error with a plain sentence when the inputs do not fit ("MatMul: inner sizes 4 and 5 differ").
   */
  infer(node: Node, context: InferenceContext): readonly TensorType[];
  /**
   * The value in float64; the reference that numeric engines, constant folding and tests use. `opset` is the version whose
   * semantics apply, the newest when absent (only Softmax and its kin changed in a way that the node does not show).
   */
  evaluate?(node: Node, inputs: readonly (Tensor | undefined)[], opset?: number): readonly Tensor[];
  /**
   * The derivative of the first output along one direction: inputs x, output y, directions dx (undefined is zero).
   * Returns undefined for zero. Only primitives need it; the others are lowered first.
   */
  tangent?(
    node: Node,
    x: readonly (Tensor | undefined)[],
    y: Tensor,
    dx: readonly (Tensor | undefined)[],
    opset?: number,
  ): Tensor | undefined;
  /** The derivatives of all outputs; only operators with several differentiable outputs (Split) have it. */
  tangents?(
    node: Node,
    x: readonly (Tensor | undefined)[],
    y: readonly Tensor[],
    dx: readonly (Tensor | undefined)[],
    opset?: number,
  ): readonly (Tensor | undefined)[];
  /**
   * Rewrites the node into other operators, closer to the primitives; returns the names of the values that take the
   * place of its outputs, or undefined where this node must stay as it is.
   */
  lower?(lowering: Lowering): readonly string[] | undefined;
  /**
   * The gradients of the inputs, each of its input's shape, undefined for zero and for those that are not wanted; the nodes
   * have the forms of operator set 21. An operator without one is lowered first; where that is impossible, training is too.
   * Throws Error with a plain sentence for a case that the rule does not cover.
   */
  gradient?(gradient: Gradient): readonly (string | undefined)[];
  /** How parameter symmetries pass through; primitives have it. An operator without one, after lowering, is opaque. */
  readonly equivariance?: Equivariance;
}

/** Looks an operator up; undefined means opaque. */
export type OperatorTable = (operator: string, domain: string) => Operator | undefined;

export type { Graph };
