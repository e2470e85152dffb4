/** @file Tensors made from shapes and attributes: Constant, Shape, Size, Range, ConstantOfShape, EyeLike, and Trilu. */
import type { Node } from "../graph/graph";
import { numberAttribute } from "../graph/graph";
import { type ElementType, type Shape, type Tensor, elementCount, int64Vector, scalar } from "../graph/tensor";
import { linear, sameAsFirst, zeroTangent } from "./factories";
import type { Operator } from "./operator";
import { elementType, fail, firstType, inputShape, knownConstants, onnxElementType, required, unknownShape } from "./rules";

function isTensor(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && "data" in value && "shape" in value;
}

/**
 * The tensor that a Constant node holds, in any of its attributes. Throws Error when none is there, or one that has no
 * tensor (sparse values, strings).
 */
export function constantValue(node: Node): Tensor {
  const { value, value_float, value_floats, value_int, value_ints } = node.attributes;
  if (isTensor(value)) return value;
  if (typeof value_float === "number") return scalar(value_float, "float32");
  if (typeof value_int === "number") return scalar(value_int, "int64");
  if (Array.isArray(value_floats)) {
    return { type: "float32", shape: [value_floats.length], data: Float64Array.from(value_floats as readonly number[]) };
  }
  if (Array.isArray(value_ints)) return int64Vector(value_ints as readonly number[]);
  return fail(node, "it has none of the attributes value, value_float, value_floats, value_int, value_ints");
}

/** The axes of x that Shape lists: all, or start to end from opset 15 on. */
function listedSizes(node: Node, shape: Shape): number[] {
  const rank = shape.length;
  const clamp = (bound: number): number => Math.max(0, Math.min(rank, bound < 0 ? bound + rank : bound));
  return shape.slice(clamp(numberAttribute(node, "start", 0)), clamp(numberAttribute(node, "end", rank)));
}

function rangeLength(start: number, limit: number, step: number): number {
  return Math.max(0, Math.ceil((limit - start) / step));
}

/** The one value that ConstantOfShape fills with: float32 zero unless told. */
function fillOf(node: Node): { type: ElementType; value: number } {
  const value = node.attributes.value;
  return isTensor(value) ? { type: value.type, value: value.data[0] ?? 0 } : { type: "float32", value: 0 };
}

/** Element type that `dtype` names, or that of the input. */
function dtypeOr(node: Node, fallback: ElementType): ElementType {
  const dtype = node.attributes.dtype;
  return typeof dtype === "number" ? onnxElementType(dtype) : fallback;
}

/** Keeps one triangle of the last two axes: the upper one by default, shifted by the optional input k. */
const evaluateTrilu: NonNullable<Operator["evaluate"]> = (node, inputs) => {
  const x = required(node, inputs, 0);
  const rank = x.shape.length;
  if (rank < 2) fail(node, "the input has fewer than two axes");
  const [rows, columns] = [x.shape[rank - 2]!, x.shape[rank - 1]!];
  const upper = numberAttribute(node, "upper", 1) === 1;
  const k = inputs[1]?.data[0] ?? 0;
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i++) {
    const column = i % columns;
    const row = Math.floor(i / columns) % rows;
    if (upper ? column - row >= k : column - row <= k) data[i] = x.data[i]!;
  }
  return [{ type: x.type, shape: x.shape, data }];
};

/** Tensors made from shapes and attributes. */
export const generatingOperators: readonly Operator[] = [
  {
    name: "Constant",
    infer(node) {
      const value = constantValue(node);
      return [{ type: value.type, shape: value.shape }];
    },
    evaluate: (node) => [constantValue(node)],
    tangent: zeroTangent,
  },
  {
    name: "Shape",
    infer(node, context) {
      const shape = inputShape(context, 0);
      return [shape === undefined ? unknownShape("int64") : { type: "int64", shape: [listedSizes(node, shape).length] }];
    },
    evaluate: (node, inputs) => [int64Vector(listedSizes(node, required(node, inputs, 0).shape))],
    tangent: zeroTangent,
  },
  {
    name: "Size",
    infer: () => [{ type: "int64", shape: [] }],
    evaluate: (node, inputs) => [scalar(elementCount(required(node, inputs, 0).shape), "int64")],
    tangent: zeroTangent,
  },
  {
    name: "Range",
    infer(node, context) {
      const known = knownConstants(node, context);
      const [start, limit, step] = [0, 1, 2].map((i) => known(i)?.data[0]);
      const type = firstType(context);
      if (start === undefined || limit === undefined || step === undefined) return [unknownShape(type)];
      if (step === 0) fail(node, "the step is 0");
      return [{ type, shape: [rangeLength(start, limit, step)] }];
    },
    evaluate(node, inputs) {
      const [start, limit, step] = [0, 1, 2].map((i) => required(node, inputs, i).data[0]!) as [number, number, number];
      if (step === 0) fail(node, "the step is 0");
      const data = Float64Array.from({ length: rangeLength(start, limit, step) }, (_, i) => start + i * step);
      return [{ type: required(node, inputs, 0).type, shape: [data.length], data }];
    },
    tangent: zeroTangent,
  },
  {
    name: "ConstantOfShape",
    infer(node, context) {
      const shape = knownConstants(node, context)(0);
      const { type } = fillOf(node);
      return [shape === undefined ? unknownShape(type) : { type, shape: Array.from(shape.data) }];
    },
    evaluate(node, inputs) {
      const shape = Array.from(required(node, inputs, 0).data);
      const { type, value } = fillOf(node);
      return [{ type, shape, data: new Float64Array(elementCount(shape)).fill(value) }];
    },
    tangent: zeroTangent,
  },
  {
    name: "EyeLike",
    infer: (node, context) => [{ type: dtypeOr(node, elementType(context, 0)), shape: inputShape(context, 0) }],
    evaluate(node, inputs) {
      const x = required(node, inputs, 0);
      if (x.shape.length !== 2) fail(node, "the input is not a matrix");
      const [rows, columns] = [x.shape[0]!, x.shape[1]!];
      const k = numberAttribute(node, "k", 0);
      const data = new Float64Array(rows * columns);
      for (let i = 0; i < rows; i++) if (i + k >= 0 && i + k < columns) data[i * columns + i + k] = 1;
      return [{ type: dtypeOr(node, x.type), shape: x.shape, data }];
    },
    tangent: zeroTangent,
  },
  linear("Trilu", sameAsFirst, evaluateTrilu, [0]),
];
