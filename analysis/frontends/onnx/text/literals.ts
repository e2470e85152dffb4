/** @file Types, numbers and small tensors in ONNX's text syntax. */
import { type ElementType, elementCount, isFloating, type Tensor } from "../../../graph/tensor";
import { toInt64 } from "../encode";
import type { DeclaredSize } from "../types";

/** Names of element types in the syntax; types without one are written as `opaque()`. */
const TYPES: Readonly<Partial<Record<ElementType, string>>> = {
  float32: "float",
  float64: "double",
  float16: "float16",
  bfloat16: "bfloat16",
  int8: "int8",
  int16: "int16",
  int32: "int32",
  int64: "int64",
  uint8: "uint8",
  uint16: "uint16",
  uint32: "uint32",
  uint64: "uint64",
  bool: "bool",
  string: "string",
  complex64: "complex64",
  complex128: "complex128",
};

/**
 * A tensor's type: `float[N,3,224,224]`, `float[]` where the rank is unknown, `float` for a scalar.
 * @param named writes the name of a symbolic size
 */
export function typeText(
  type: ElementType,
  sizes: readonly DeclaredSize[] | undefined,
  named: (symbol: string) => string = String,
): string {
  const name = TYPES[type];
  if (name === undefined) return "opaque()";
  if (sizes === undefined) return `${name}[]`;
  if (sizes.length === 0) return name;
  return `${name}[${sizes.map((s) => (s === undefined ? "?" : typeof s === "number" ? String(s) : named(s))).join(",")}]`;
}

/** The shortest decimal that is this float32, or this double; always with a point or an exponent, so that it reads as a float. */
export function floatText(value: number, single: boolean): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  let text = String(value);
  if (single && Math.fround(value) === value) {
    for (let digits = 1; digits <= 9; digits++) {
      const shorter = Number(value.toPrecision(digits));
      if (Math.fround(shorter) === value) {
        text = String(shorter);
        break;
      }
    }
  }
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** An integer; what float64 rounds up to 2^63 is the largest int64 ("to the end", in slices). */
export function integerText(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : toInt64(value).toString();
}

/** The values of a tensor as `{1, 2, 3}`. */
export function valuesText({ type, data }: Tensor): string {
  const number = isFloating(type) ? (v: number) => floatText(v, type !== "float64") : integerText;
  return `{${Array.from(data, number).join(", ")}}`;
}

/** The largest tensor whose values are printed. */
const MOST_VALUES = 16;

/** Whether a tensor's values are printed: few, of a type that the syntax has literals for. */
export function isPrintable({ type, shape }: Pick<Tensor, "type" | "shape">): boolean {
  if (type === "string" || type === "other" || type === "float16" || type === "bfloat16" || type.startsWith("complex"))
    return false;
  return elementCount(shape) <= MOST_VALUES;
}
