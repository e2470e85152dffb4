/** @file What shape rules and kernels of all families share: reading inputs and attributes, axes, broadcasting. */
import type { Node } from "../graph/graph";
import type { ElementType, Shape, Tensor, TensorType } from "../graph/tensor";
import { elementCount } from "../graph/tensor";
import type { InferenceContext } from "./operator";

/** The value of an input where it is known; shape rules pass constants, kernels pass their inputs. */
export type Known = (index: number) => Tensor | undefined;

/** Throws an Error whose message begins with the operator's name, as all shape contradictions do. */
export function fail(node: Node, message: string): never {
  throw new Error(`${node.operator}: ${message}`);
}

/** A shape for messages. */
export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Whether the optional input is there. */
export function hasInput(node: Node, index: number): boolean {
  const name = node.inputs[index];
  return name !== undefined && name !== "";
}

/** Element type of an input; "other" where it is absent or unknown. */
export function elementType(context: InferenceContext, index: number): ElementType {
  return context.inputs[index]?.type ?? "other";
}

/** Shape of an input, undefined where it is absent or unknown. */
export function inputShape(context: InferenceContext, index: number): Shape | undefined {
  return context.inputs[index]?.shape;
}

/** A type of unknown shape. */
export function unknownShape(type: ElementType): TensorType {
  return { type, shape: undefined };
}

/** The input tensor of a kernel; throws where it is absent. */
export function required(node: Node, inputs: readonly (Tensor | undefined)[], index: number): Tensor {
  return inputs[index] ?? fail(node, `input ${index} is needed for its value and is absent`);
}

/** The constants of a shape rule as a function, without those of absent inputs. */
export function knownConstants(node: Node, context: InferenceContext): Known {
  return (index) => (hasInput(node, index) ? context.constant(index) : undefined);
}

/** The inputs of a kernel as a function. */
export function knownInputs(inputs: readonly (Tensor | undefined)[]): Known {
  return (index) => inputs[index];
}

/** An axis counted from the front; throws when it lies outside of the rank. */
export function axisOf(node: Node, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(normal) || normal < 0 || normal >= rank) {
    fail(node, `axis ${axis} is outside of a tensor with ${rank} ${rank === 1 ? "axis" : "axes"}`);
  }
  return normal;
}

/** Axes counted from the front; throws when one lies outside or is named twice. */
export function axesOf(node: Node, axes: readonly number[], rank: number): number[] {
  const normal = axes.map((axis) => axisOf(node, axis, rank));
  if (new Set(normal).size !== normal.length) fail(node, `axes ${showShape(axes)} name one axis twice`);
  return normal;
}

/** The numbers in a constant vector. */
export function numbersOf(tensor: Tensor): number[] {
  // A loop: Array.from goes through the iterator protocol, and shape arithmetic comes here all the time.
  const out = new Array<number>(tensor.data.length);
  for (let i = 0; i < out.length; i++) out[i] = tensor.data[i]!;
  return out;
}

/**
 * A list that older opsets have as an attribute and newer ones as an input: "absent" where neither is there, undefined
 * where the input's value is unknown.
 */
export function listArgument(
  node: Node,
  known: Known,
  attribute: string,
  index: number,
): readonly number[] | "absent" | undefined {
  const a = node.attributes[attribute];
  if (Array.isArray(a)) return a as readonly number[];
  if (typeof a === "number") return [a];
  if (!hasInput(node, index)) return "absent";
  const value = known(index);
  return value === undefined ? undefined : numbersOf(value);
}

/** NumPy's broadcast of several shapes; throws when they do not fit. */
export function broadcastShape(node: Node, shapes: readonly Shape[]): number[] {
  let rank = 0;
  for (const shape of shapes) rank = Math.max(rank, shape.length);
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const missing = rank - shape.length;
    for (let axis = 0; axis < shape.length; axis++) {
      const size = shape[axis]!;
      const at = missing + axis;
      if (size === 1 || size === out[at]) continue;
      if (out[at] !== 1) {
        fail(node, `shapes ${shapes.map(showShape).join(" and ")} cannot be broadcast together (sizes ${out[at]} and ${size})`);
      }
      out[at] = size;
    }
  }
  return out;
}

/** The broadcast of the shapes of all inputs that are there, or undefined where one is unknown. */
export function broadcastInputs(node: Node, context: InferenceContext, indices?: readonly number[]): number[] | undefined {
  // Up to operator set 6 the second input stood at an axis of the first, which exporters of that time wrote for biases.
  if (context.opset < 7 && node.attributes["axis"] !== undefined) {
    fail(
      node,
      `broadcasting from an axis, as in operator set ${context.opset}, is not understood: convert the model to 7 or later`,
    );
  }
  const shapes: Shape[] = [];
  for (const index of indices ?? node.inputs.keys()) {
    if (!hasInput(node, index)) continue;
    const shape = inputShape(context, index);
    if (shape === undefined) return undefined;
    shapes.push(shape);
  }
  return broadcastShape(node, shapes);
}

/** The first element type among the inputs that is known. */
export function firstType(context: InferenceContext, indices?: readonly number[]): ElementType {
  for (const index of indices ?? context.inputs.keys()) {
    const type = context.inputs[index]?.type;
    if (type !== undefined && type !== "other") return type;
  }
  return "other";
}

/** A tensor of zeros with the shape and type of another. */
export function zerosLike(tensor: Tensor): Tensor {
  return { type: tensor.type, shape: tensor.shape, data: new Float64Array(elementCount(tensor.shape)) };
}

/** a + b for tangents, where undefined is zero. */
export function addTangents(a: Tensor | undefined, b: Tensor | undefined): Tensor | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  const data = new Float64Array(a.data.length);
  for (let i = 0; i < data.length; i++) data[i] = a.data[i]! + b.data[i]!;
  return { type: a.type, shape: a.shape, data };
}

const INTEGER: ReadonlySet<ElementType> = new Set(["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]);

/** Whether arithmetic on this type truncates. */
export function isInteger(type: ElementType): boolean {
  return INTEGER.has(type);
}

const ONNX_TYPES: Readonly<Record<number, ElementType>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
  14: "complex64",
  15: "complex128",
  16: "bfloat16",
};

/** The element type of a TensorProto.DataType number, as attributes `to` and `dtype` hold it (onnx.proto). */
export function onnxElementType(code: number): ElementType {
  return ONNX_TYPES[code] ?? "other";
}

/** The TensorProto.DataType number of an element type; undefined for those that it does not have. */
export function onnxTypeCode(type: ElementType): number | undefined {
  const code = Object.keys(ONNX_TYPES).find((key) => ONNX_TYPES[Number(key)] === type);
  return code === undefined ? undefined : Number(code);
}
