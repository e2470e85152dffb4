/**
 * @file The equivariance column of the operator table: what each operator does to channel axes, to units of measure and
 * to signs. Rules are data where they can be, so that the inference engines interpret them and tests can enumerate them.
 */
import type { AxisRuleContext } from "../graph/axes";
import type { Node } from "../graph/graph";
import type { Tensor } from "../graph/tensor";

/**
 * How a log-scale passes through (units of measure, see symmetry/units). Let s be the log-scale of a tensor, as a
 * function of its channel indices.
 * - pass: s(out) = s(in), cell by cell; movement and positively homogeneous operators.
 * - product: s(out) = sum of exponents[i] * s(in_i): Mul [1, 1], Div [1, -1], Sqrt [0.5].
 * - equal: all inputs and the output share one s: Add, Sub, Where (its data inputs).
 * - contraction: s(out) = s(in_0) + s(in_1), contracted indices cancel: MatMul, Einsum, Conv.
 * - reduction: reduced indices carry no scale, the rest passes with `factor`: ReduceMean 1, ReduceSumSquare 2.
 * - slope: the first input passes, the second (PRelu's slopes) has no scale.
 * - power: Pow with a constant exponent k: s(out) = k * s(in); with any other exponent no scale passes.
 * - parts: several of these at once, each between some of the operands: operators that are taken whole.
 * - zero: no scale passes: all others.
 */
export type UnitRule =
  | { readonly kind: "pass" }
  | { readonly kind: "product"; readonly exponents: (node: Node) => readonly number[] | undefined }
  | { readonly kind: "equal"; readonly inputs?: readonly number[] }
  | { readonly kind: "contraction" }
  | { readonly kind: "reduction"; readonly factor: number }
  | { readonly kind: "slope" }
  | { readonly kind: "power" }
  | { readonly kind: "parts"; readonly parts: (node: Node) => readonly UnitPart[] }
  | { readonly kind: "zero" };

/**
 * One of several relations between log-scales (or signs) of the operands of one operator: operand 0 is the output, operand k + 1
 * input k. The first operand takes the place of the output: contraction, equal and product are as in `UnitRule` (product of
 * first powers); zero: they have none; within: those behind the first have what labels of the first allow, and nothing
 * is said of the first. NO_OPERAND as the first one has no labels.
 */
export interface UnitPart {
  readonly kind: "contraction" | "equal" | "product" | "within" | "zero";
  readonly operands: readonly number[];
  /** Absent where it holds for both. */
  readonly field?: "scales" | "signs";
}

/** Stands for an operand that is not there. */
export const NO_OPERAND = -1;

/**
 * How a sign passes through. odd: f(-x) = -f(x); even: f(-x) = f(x); units: follow the unit rule modulo 2
 * (products, sums, contractions, movement); none: no sign passes.
 */
export type Parity = "odd" | "even" | "units" | "none";

/** An index over which an operator sums up: the axes of its inputs along which it runs. */
export type SummedIndex = readonly (readonly [input: number, axis: number])[];

/** How parameter symmetries pass through one operator. */
export interface Equivariance {
  /** Engine A: relates, splits or pins the axes of inputs and outputs. */
  axes(context: AxisRuleContext): void;
  /** Engine B. */
  readonly units: UnitRule;
  readonly parity: Parity;
  /**
   * False for a node that units and parity do not hold for (a Pad by ones, a Cast to integers): nothing passes it then.
   * Absent where they always hold. `constant` gives the value of a constant input.
   */
  readonly holds?: (node: Node, constant: (input: number) => Tensor | undefined) => boolean;
  /**
   * Engine C: linear in its activations without mixing in a gain, so that edges between such operators carry no field of
   * their own (Add, Transpose, ReduceMean, ...).
   */
  readonly glue: boolean;
  /**
   * The indices over which one entry of the output sums up (contracts, normalises), each as the axes of inputs that it runs along.
   * Absent where there are none, or none that could be left in the output.
   */
  readonly sums?: (node: Node, ranks: readonly number[]) => readonly SummedIndex[];
}
