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
  | { readonly kind: "zero" };

/**
 * How a sign passes through. odd: f(-x) = -f(x); even: f(-x) = f(x); units: follow the unit rule modulo 2
 * (products, sums, contractions, movement); none: no sign passes.
 */
export type Parity = "odd" | "even" | "units" | "none";

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
}
