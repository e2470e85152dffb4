/** @file Tensors with values, and the types of tensors without. */

/** Element types, named as in ONNX's text syntax. */
export type ElementType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "bool"
  | "string"
  | "complex64"
  | "complex128"
  | "other";

/** Sizes per axis. Front ends put a concrete size in the place of a symbolic one (see `Graph.symbols`). */
export type Shape = readonly number[];

/** What shape inference knows of a tensor. `shape` is undefined behind an opaque operator. */
export interface TensorType {
  readonly type: ElementType;
  readonly shape: Shape | undefined;
}

/**
 * A tensor with values, row-major. All element types are held as float64 (booleans as 0 and 1): constants are small
 * and the numeric engines work in double precision, so one representation serves folding, evaluation and actions.
 */
export interface Tensor {
  readonly type: ElementType;
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i]!;
  return n;
}

/** Row-major strides of a shape. */
export function strides(shape: Shape): number[] {
  const out = new Array<number>(shape.length);
  let n = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    out[i] = n;
    n *= shape[i]!;
  }
  return out;
}

/** A tensor from plain numbers; float64 unless told. Throws RangeError if the count does not fit the shape. */
export function tensor(shape: Shape, data: ArrayLike<number>, type: ElementType = "float64"): Tensor {
  if (data.length !== elementCount(shape)) {
    throw new RangeError(`a tensor of shape [${shape.join(", ")}] has ${elementCount(shape)} elements, not ${data.length}`);
  }
  return { type, shape: [...shape], data: data instanceof Float64Array ? data : Float64Array.from(data) };
}

/** A scalar (rank 0). */
export function scalar(value: number, type: ElementType = "float64"): Tensor {
  return { type, shape: [], data: Float64Array.of(value) };
}

/** An int64 vector, as ONNX wants shapes, axes and indices. */
export function int64Vector(values: readonly number[]): Tensor {
  return { type: "int64", shape: [values.length], data: Float64Array.from(values) };
}

/** A tensor filled with one value. */
export function filled(shape: Shape, value: number, type: ElementType = "float64"): Tensor {
  return { type, shape: [...shape], data: new Float64Array(elementCount(shape)).fill(value) };
}

const FLOATING: ReadonlySet<ElementType> = new Set(["float32", "float64", "float16", "bfloat16"]);

/** Whether gradients can flow through tensors of this type. */
export function isFloating(type: ElementType): boolean {
  return FLOATING.has(type);
}
