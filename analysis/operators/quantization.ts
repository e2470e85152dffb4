/** @file Quantised arithmetic: to and from small integers, and the integer products that exporters put between. */
import { type Node, numberAttribute } from "../graph/graph";
import { type ElementType, type Shape, type Tensor, elementCount } from "../graph/tensor";
import { zeroTangent } from "./factories";
import { matmulShapes } from "./kernels/matmul";
import { roundHalfToEven } from "./kernels/special";
import { groupsOf, slidingWindows } from "./kernels/window";
import type { Operator } from "./operator";
import { axisOf, elementType, fail, inputShape, onnxElementType, required, showShape, unknownShape } from "./rules";

/** Smallest and largest numbers of the types that QuantizeLinear makes. */
export const QUANTISED_LIMITS: Readonly<Partial<Record<ElementType, readonly [number, number]>>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
};

/** Index into scales (one number, one per index of the axis, or one per block along it) of each element. */
function scaleIndex(node: Node, shape: Shape, scale: Shape): (element: number) => number {
  if (elementCount(scale) === 1) return () => 0;
  const axis = axisOf(node, numberAttribute(node, "axis", 1), shape.length);
  const inner = elementCount(shape.slice(axis + 1));
  const size = shape[axis]!;
  if (scale.length === 1) {
    if (scale[0] !== size) fail(node, `${scale[0]} scales do not fit axis ${axis} of ${showShape(shape)}`);
    return (element) => Math.floor(element / inner) % size;
  }
  const block = numberAttribute(node, "block_size", 0);
  const blocks = scale[axis]!;
  if (block <= 0 || Math.ceil(size / block) !== blocks)
    fail(node, `scales of shape ${showShape(scale)} do not fit ${showShape(shape)}`);
  return (element) => {
    const at = Math.floor(element / inner) % size;
    return (Math.floor(element / (inner * size)) * blocks + Math.floor(at / block)) * inner + (element % inner);
  };
}

function quantizedType(node: Node, zeroPoint: ElementType): ElementType {
  if (zeroPoint !== "other") return zeroPoint;
  const code = numberAttribute(node, "output_dtype", 0);
  return code === 0 ? "uint8" : onnxElementType(code);
}

const dequantize: NonNullable<Operator["evaluate"]> = (node, inputs) => {
  const x = required(node, inputs, 0);
  const scale = required(node, inputs, 1);
  const zero = inputs[2];
  const at = scaleIndex(node, x.shape, scale.shape);
  const data = x.data.map((v, i) => (v - (zero?.data[at(i)] ?? 0)) * scale.data[at(i)]!);
  return [{ type: scale.type, shape: x.shape, data }];
};

/** Shape of a convolution of integers. */
function integerConvolution(
  name: string,
  weights: number,
  type: (context: Parameters<Operator["infer"]>[1]) => ElementType,
): Operator {
  return {
    name,
    infer(node, context) {
      const x = inputShape(context, 0);
      const w = inputShape(context, weights);
      if (x === undefined || w === undefined) return [unknownShape(type(context))];
      const groups = groupsOf(node, w[0]!);
      if (x[1] !== w[1]! * groups) fail(node, `an input of ${x[1]} channels does not fit weights of shape ${showShape(w)}`);
      return [{ type: type(context), shape: [x[0]!, w[0]!, ...slidingWindows(node, x.slice(2), w.slice(2)).output] }];
    },
  };
}

/** Shape of a product of integer matrices. */
function integerProduct(
  name: string,
  second: number,
  type: (context: Parameters<Operator["infer"]>[1]) => ElementType,
): Operator {
  return {
    name,
    infer(node, context) {
      const a = inputShape(context, 0);
      const b = inputShape(context, second);
      return [{ type: type(context), shape: a && b && matmulShapes(a, b, node.operator).output }];
    },
  };
}

/** Quantisation. */
export const quantizationOperators: readonly Operator[] = [
  {
    name: "QuantizeLinear",
    infer: (node, context) => [{ type: quantizedType(node, elementType(context, 2)), shape: inputShape(context, 0) }],
    evaluate(node, inputs) {
      const x = required(node, inputs, 0);
      const scale = required(node, inputs, 1);
      const zero = inputs[2];
      const type = quantizedType(node, zero?.type ?? "other");
      const [low, high] = QUANTISED_LIMITS[type] ?? fail(node, `numbers of type ${type} are not supported`);
      const at = scaleIndex(node, x.shape, scale.shape);
      const data = x.data.map((v, i) => {
        const q = roundHalfToEven(v / scale.data[at(i)]!) + (zero?.data[at(i)] ?? 0);
        return Math.max(low, Math.min(high, q));
      });
      return [{ type, shape: x.shape, data }];
    },
    tangent: zeroTangent,
  },
  {
    name: "DequantizeLinear",
    infer: (_node, context) => [{ type: elementType(context, 1), shape: inputShape(context, 0) }],
    evaluate: dequantize,
    tangent: (node, x, _y, dx) => dx[1] && dequantize(node, [x[0], dx[1], x[2]])[0],
  },
  {
    name: "DynamicQuantizeLinear",
    infer: (_node, context) => [
      { type: "uint8", shape: inputShape(context, 0) },
      { type: "float32", shape: [] },
      { type: "uint8", shape: [] },
    ],
    evaluate(node, inputs) {
      const x = required(node, inputs, 0);
      // The range always has zero in it.
      let low = 0;
      let high = 0;
      for (const v of x.data) {
        low = Math.min(low, v);
        high = Math.max(high, v);
      }
      const scale = (high - low) / 255;
      const zero = scale === 0 ? 0 : Math.max(0, Math.min(255, roundHalfToEven(-low / scale)));
      const data = x.data.map((v) => Math.max(0, Math.min(255, roundHalfToEven(scale === 0 ? 0 : v / scale) + zero)));
      const single = (value: number, type: ElementType): Tensor => ({ type, shape: [], data: Float64Array.of(value) });
      return [{ type: "uint8", shape: x.shape, data }, single(scale, "float32"), single(zero, "uint8")];
    },
    tangent: zeroTangent,
  },
  integerConvolution("ConvInteger", 1, () => "int32"),
  integerConvolution("QLinearConv", 3, (context) => elementType(context, 7)),
  integerProduct("MatMulInteger", 1, () => "int32"),
  integerProduct("QLinearMatMul", 3, (context) => elementType(context, 7)),
];
