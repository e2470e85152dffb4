/** @file Factories for the entries of the operator table that are one formula each. */
import type { Node } from "../graph/graph";
import type { ElementType, Tensor } from "../graph/tensor";
import { isFloating } from "../graph/tensor";
import { broadcastBinary, expandTo } from "./kernels/strided";
import type { Operator } from "./operator";
import { addTangents, broadcastInputs, broadcastShape, elementType, firstType, inputShape, required, zerosLike } from "./rules";

/** Further fields of an entry (equivariance, lowering), laid over what a factory makes. */
export type Extra = Partial<Omit<Operator, "name">>;

/** A function of one number with its derivative; the derivative also gets the value y = value(x). */
export interface Curve {
  value(x: number): number;
  /** Undefined for functions that are constant almost everywhere. */
  readonly slope?: ((x: number, y: number) => number) | undefined;
}

/** The output type rule of entries that keep the type and shape of their first input. */
export const sameAsFirst: Operator["infer"] = (_node, context) => [
  { type: elementType(context, 0), shape: inputShape(context, 0) },
];

/** A fresh tensor with the values of f. */
export function mapTensor(x: Tensor, f: (x: number) => number, type: ElementType = x.type): Tensor {
  const source = x.data;
  const data = new Float64Array(source.length);
  for (let i = 0; i < data.length; i++) data[i] = f(source[i]!);
  return { type, shape: x.shape, data };
}

/** A function applied to every element of the first input, whose parameters are read off the node once per call. */
export function pointwiseWith(
  name: string,
  curve: (node: Node, inputs: readonly (Tensor | undefined)[]) => Curve,
  extra: Extra = {},
): Operator {
  return {
    name,
    infer: sameAsFirst,
    evaluate(node, inputs) {
      const f = curve(node, inputs);
      return [mapTensor(required(node, inputs, 0), f.value)];
    },
    tangent(node, x, y, dx) {
      const direction = dx[0];
      const slope = curve(node, x).slope;
      if (direction === undefined || slope === undefined) return undefined;
      const source = required(node, x, 0).data;
      const data = new Float64Array(source.length);
      for (let i = 0; i < data.length; i++) data[i] = slope(source[i]!, y.data[i]!) * direction.data[i]!;
      return { type: y.type, shape: y.shape, data };
    },
    ...extra,
  };
}

/** A function applied to every element. Without `slope` it is constant almost everywhere (Floor, Sign). */
export function pointwise(
  name: string,
  value: (x: number) => number,
  slope?: (x: number, y: number) => number,
  extra: Extra = {},
): Operator {
  const curve: Curve = { value, slope };
  return pointwiseWith(name, () => curve, extra);
}

/** A function of two numbers with its partial derivatives; y is its value. */
export interface Surface {
  value(a: number, b: number): number;
  readonly first: (a: number, b: number, y: number) => number;
  readonly second: (a: number, b: number, y: number) => number;
}

/** One partial derivative times a direction, on the broadcast shape; both a and b are expanded already. */
function partial(
  f: (a: number, b: number, y: number) => number,
  a: Float64Array,
  b: Float64Array,
  y: Tensor,
  direction: Float64Array,
): Tensor {
  const data = new Float64Array(y.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(a[i]!, b[i]!, y.data[i]!) * direction[i]!;
  return { type: y.type, shape: y.shape, data };
}

/** A differentiable function of two broadcast inputs; `surface` may read the node and the element type. */
export function binaryWith(name: string, surface: (node: Node, type: ElementType) => Surface, extra: Extra = {}): Operator {
  return {
    name,
    infer: (node, context) => [{ type: firstType(context), shape: broadcastInputs(node, context, [0, 1]) }],
    evaluate(node, inputs) {
      const a = required(node, inputs, 0);
      const b = required(node, inputs, 1);
      const shape = broadcastShape(node, [a.shape, b.shape]);
      return [
        { type: a.type, shape, data: broadcastBinary(a.data, a.shape, b.data, b.shape, shape, surface(node, a.type).value) },
      ];
    },
    tangent(node, x, y, dx) {
      const a = required(node, x, 0);
      const b = required(node, x, 1);
      const [da, db] = dx;
      if (da === undefined && db === undefined) return undefined;
      const f = surface(node, a.type);
      const aAll = expandTo(a.data, a.shape, y.shape);
      const bAll = expandTo(b.data, b.shape, y.shape);
      return addTangents(
        da && partial(f.first, aAll, bAll, y, expandTo(da.data, a.shape, y.shape)),
        db && partial(f.second, aAll, bAll, y, expandTo(db.data, b.shape, y.shape)),
      );
    },
    ...extra,
  };
}

/** A differentiable function of two broadcast inputs. */
export function binary(
  name: string,
  value: (a: number, b: number) => number,
  first: (a: number, b: number, y: number) => number,
  second: (a: number, b: number, y: number) => number,
  extra: Extra = {},
): Operator {
  const surface: Surface = { value, first, second };
  return binaryWith(name, () => surface, extra);
}

/** A function of two broadcast inputs without derivative: comparisons ("bool" results), logic, bits. */
export function predicate(
  name: string,
  value: (a: number, b: number) => number,
  type: ElementType | "same" = "bool",
  extra: Extra = {},
): Operator {
  return {
    name,
    infer: (node, context) => [
      { type: type === "same" ? firstType(context) : type, shape: broadcastInputs(node, context, [0, 1]) },
    ],
    evaluate(node, inputs) {
      const a = required(node, inputs, 0);
      const b = required(node, inputs, 1);
      const shape = broadcastShape(node, [a.shape, b.shape]);
      const data = broadcastBinary(a.data, a.shape, b.data, b.shape, shape, value);
      return [{ type: type === "same" ? a.type : type, shape, data }];
    },
    tangent: zeroTangent,
    ...extra,
  };
}

/** The tangent of operators that are constant almost everywhere or give integers. */
export const zeroTangent: NonNullable<Operator["tangent"]> = () => undefined;

/** The inputs of a node with some replaced by their directions (zeros where a direction is zero). */
export function substituteDirections(
  x: readonly (Tensor | undefined)[],
  dx: readonly (Tensor | undefined)[],
  linear: readonly number[],
): (Tensor | undefined)[] | undefined {
  if (!linear.some((index) => dx[index] !== undefined)) return undefined;
  const inputs = [...x];
  for (const index of linear) {
    const value = x[index];
    if (value !== undefined) inputs[index] = dx[index] ?? zerosLike(value);
  }
  return inputs;
}

/**
 * The tangent of an operator that is jointly linear in the given inputs (all inputs when none are given): the operator
 * itself, applied to the directions. `evaluate` is the entry's own kernel.
 */
export function linearIn(
  evaluate: NonNullable<Operator["evaluate"]>,
  inputs?: readonly number[],
): NonNullable<Operator["tangent"]> {
  return (node, x, _y, dx, opset) => {
    const substituted = substituteDirections(x, dx, inputs ?? [...x.keys()]);
    return substituted && evaluate(node, substituted, opset)[0];
  };
}

/** The tangent of an operator that is linear in each of the given inputs apart: the product rule. */
export function multilinearIn(
  evaluate: NonNullable<Operator["evaluate"]>,
  inputs?: readonly number[],
): NonNullable<Operator["tangent"]> {
  return (node, x, _y, dx, opset) => {
    let sum: Tensor | undefined;
    for (const index of inputs ?? x.keys()) {
      const direction = dx[index];
      if (direction === undefined) continue;
      const term = evaluate(node, x.with(index, direction), opset)[0];
      sum = addTangents(sum, term);
    }
    return sum;
  };
}

/** An entry whose first output is linear in the listed inputs (all when none are given). */
export function linear(
  name: string,
  infer: Operator["infer"],
  evaluate: NonNullable<Operator["evaluate"]>,
  inputs?: readonly number[],
  extra: Extra = {},
): Operator {
  return { name, infer, evaluate, tangent: linearIn(evaluate, inputs), ...extra };
}

/** Whether derivatives of values of this type are kept: integers, booleans and strings have none. */
export function differentiable(type: ElementType): boolean {
  return isFloating(type) || type === "other";
}
