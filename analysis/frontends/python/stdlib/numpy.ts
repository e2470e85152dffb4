/** @file numpy, as far as model code uses it at construction time: arrays are tensors. */
import { operations } from "../torch/operations/index";
import { namespaceOf } from "../values/namespaces";
import { float, native } from "../values/make";
import type { NamespaceValue, Value } from "../values/value";

/** numpy's names for operations that torch calls otherwise. */
const NAMES: Readonly<Record<string, string>> = {
  array: "tensor",
  asarray: "tensor",
  concatenate: "cat",
  power: "pow",
  arccos: "acos",
  arcsin: "asin",
  arctan: "atan",
};

const TYPES: Readonly<Record<string, Value>> = {
  float32: { k: "dtype", type: "float32" },
  float64: { k: "dtype", type: "float64" },
  float16: { k: "dtype", type: "float16" },
  int64: { k: "dtype", type: "int64" },
  int32: { k: "dtype", type: "int32" },
  uint8: { k: "dtype", type: "uint8" },
  bool_: { k: "dtype", type: "bool" },
};

/** The module numpy. */
export function numpyModule(): NamespaceValue {
  return namespaceOf(
    "numpy",
    [
      ["pi", float(Math.PI)],
      ["e", float(Math.E)],
      ["inf", float(Number.POSITIVE_INFINITY)],
      ["nan", float(Number.NaN)],
      ["newaxis", null],
      ...Object.entries(TYPES),
      [
        "random",
        namespaceOf(
          "numpy.random",
          [],
          (n) => operations.callable(n === "normal" || n === "randn" ? "randn" : "rand") ?? native(n, () => null),
        ),
      ],
      ["linalg", namespaceOf("numpy.linalg", [], (n) => operations.callable(n))],
    ],
    (n) => operations.callable(NAMES[n] ?? n),
  );
}
