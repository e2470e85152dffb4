/** @file What the array functions share: axes as NumPy counts them, and torch's table under NumPy's names. */
import { type ElementType, isFloating } from "../../../graph/tensor";
import type { GraphBuilder } from "../emit/builder";
import { notUnderstood } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { axisOf, type Reader, shapeOf } from "../torch/arguments";
import { operations } from "../torch/operations/index";
import { is } from "../values/inspect";
import type { TensorValue, Value } from "../values/value";

/** Calls an operation of torch's table; it is not counted, because its caller was. */
export function torch(
  interpreter: Interpreter,
  name: string,
  positional: readonly Value[],
  keywords: Readonly<Record<string, Value>> = {},
): Value {
  const callable = operations.callable(name);
  if (!callable) return notUnderstood(`${name} is not in the tables`);
  interpreter.calls--;
  return callable.call(interpreter, { positional, keywords: new Map(Object.entries(keywords)) });
}

/** The same, where the result is a tensor. */
export function torchTensor(
  interpreter: Interpreter,
  name: string,
  positional: readonly Value[],
  keywords: Readonly<Record<string, Value>> = {},
): TensorValue {
  const v = torch(interpreter, name, positional, keywords);
  return is(v, "tensor") ? v : notUnderstood(`${name} does not give a tensor here`);
}

/** The rank of a tensor; asks for the shape of an open input. */
export function rankOf(interpreter: Interpreter, t: TensorValue): number {
  return shapeOf(interpreter, t).length;
}

/** The axes that the argument `axis` names: all of them when it is None. */
export function axesOf(a: Reader, t: TensorValue, name = "axis"): number[] {
  const rank = rankOf(a.interpreter, t);
  const given = a.ints(name);
  if (!given) return Array.from({ length: rank }, (_, i) => i);
  return given.map((d) => axisOf(d, rank));
}

/** A floating tensor: whole numbers are cast. */
export function floating(b: GraphBuilder, t: TensorValue): TensorValue {
  if (t.shape === undefined) b.needShape(t);
  return isFloating(t.type) || t.type.startsWith("complex") ? t : b.cast(t, "float32");
}

const DTYPES: Readonly<Record<string, ElementType>> = {
  float32: "float32",
  float: "float32",
  float_: "float32",
  double: "float64",
  float64: "float64",
  float16: "float16",
  half: "float16",
  bfloat16: "bfloat16",
  mixed_float16: "float32",
  mixed_bfloat16: "float32",
  int8: "int8",
  int16: "int16",
  int32: "int64",
  int64: "int64",
  int: "int64",
  int_: "int64",
  uint8: "uint8",
  uint16: "uint16",
  uint32: "uint32",
  bool: "bool",
  bool_: "bool",
  boolean: "bool",
  complex64: "complex64",
  complex128: "complex128",
};

/** Names of element types as members of a namespace. Indices of any width are held as int64, ONNX's own for them. */
export const ELEMENT_TYPES: readonly (readonly [string, Value])[] = Object.entries(DTYPES).map(([n, type]) => [
  n,
  { k: "dtype", type },
]);

/** The element type that a value names: a dtype, its name, or one of Python's own types; undefined for anything else. */
export function elementType(v: Value): ElementType | undefined {
  if (is(v, "dtype")) return v.type;
  if (typeof v === "string") return DTYPES[v];
  if (is(v, "class")) return DTYPES[v.name];
  return undefined;
}
