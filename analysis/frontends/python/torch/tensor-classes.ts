/** @file The classes Tensor, Parameter, Buffer and Size, element types, and what `torch.finfo` says of them. */
import type { ElementType } from "../../../graph/tensor";
import { uniformValue } from "../emit/initialisation";
import { makeClass } from "../evaluator/classes";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { namespaceOf } from "../values/namespaces";
import { is, intOf } from "../values/inspect";
import { float, int, tuple, unknown } from "../values/make";
import type { Arguments, ClassValue, TensorValue, Value } from "../values/value";
import { Reader } from "./arguments";
import { drawnTensor, tensorFrom } from "./operations/creation";

/** The names of element types in `torch`. */
export const DTYPES: Readonly<Record<string, ElementType>> = {
  float32: "float32",
  float: "float32",
  float64: "float64",
  double: "float64",
  float16: "float16",
  half: "float16",
  bfloat16: "bfloat16",
  int8: "int8",
  int16: "int16",
  short: "int16",
  int32: "int32",
  int: "int32",
  int64: "int64",
  long: "int64",
  uint8: "uint8",
  uint16: "uint16",
  uint32: "uint32",
  bool: "bool",
  complex64: "complex64",
  cfloat: "complex64",
  complex128: "complex128",
  float8_e4m3fn: "other",
  float8_e5m2: "other",
  quint8: "uint8",
  qint8: "int8",
};

/** The classes of tensors. */
export interface TensorClasses {
  readonly tensorClass: ClassValue;
  readonly parameterClass: ClassValue;
  readonly bufferClass: ClassValue;
  readonly dtypeClass: ClassValue;
  readonly sizeClass: ClassValue;
}

/** Makes the classes of tensors. `root` is the class `object`. */
export function tensorClasses(root: ClassValue): TensorClasses {
  const tensorClass = makeClass({ name: "Tensor", bases: [root], fields: [], construct: constructTensor });
  const parameterClass = makeClass({ name: "Parameter", bases: [tensorClass], fields: [], construct: constructParameter });
  const bufferClass = makeClass({
    name: "Buffer",
    bases: [tensorClass],
    fields: [],
    construct: (i, _, a) => {
      const t = a.positional[0] ?? a.keywords.get("data") ?? null;
      return is(t, "tensor") ? i.builder.parameter(t.shape, t.type, { buffer: true, trainable: false }, t.constant) : t;
    },
  });
  const dtypeClass = makeClass({ name: "dtype", bases: [root], fields: [] });
  const sizeClass = makeClass({
    name: "Size",
    bases: [root],
    fields: [],
    construct: (i, _, a) => tuple(iterate(i, a.positional[0] ?? tuple([])) ?? []),
  });
  return { tensorClass, parameterClass, bufferClass, dtypeClass, sizeClass };
}

/** `torch.finfo` and `torch.iinfo`. */
export function limits(a: Arguments, floats: boolean): Value {
  const d = a.positional[0];
  const type = is(d, "dtype") ? d.type : floats ? "float32" : "int64";
  const table: Readonly<Record<string, readonly [number, number]>> = {
    float32: [3.4028234663852886e38, 1.1920928955078125e-7],
    float64: [Number.MAX_VALUE, Number.EPSILON],
    float16: [65504, 0.0009765625],
    bfloat16: [3.3895313892515355e38, 0.0078125],
    int64: [2 ** 63 - 1, 1],
    int32: [2 ** 31 - 1, 1],
    int8: [127, 1],
    uint8: [255, 1],
  };
  const [max, eps] = table[type] ?? [3.4e38, 1e-7];
  const make = floats ? float : int;
  return namespaceOf("finfo", [
    ["max", make(max)],
    ["min", make(type === "uint8" ? 0 : -max)],
    ["eps", float(eps)],
    ["tiny", float(1.1754943508222875e-38)],
    ["smallest_normal", float(1.1754943508222875e-38)],
    ["bits", int(32)],
  ]);
}

/** `torch.Tensor(...)`: sizes or values. */
function constructTensor(i: Interpreter, _: ClassValue, args: Arguments): Value {
  const sizes = args.positional.map(intOf);
  if (sizes.length > 0 && sizes.every((s) => s !== undefined)) return drawnTensor(sizes, "float32", { scheme: "empty" });
  const first = args.positional[0];
  if (first === undefined) return drawnTensor([0], "float32", { scheme: "empty" });
  return tensorFrom(new Reader(i, ["data"], args), first, "float32");
}

/** `nn.Parameter(tensor, requires_grad)`. */
function constructParameter(i: Interpreter, _: ClassValue, args: Arguments): Value {
  const a = new Reader(i, ["data", "requires_grad"], args);
  const data = a.value("data");
  if (data !== null && !is(data, "tensor") && !is(data, "float") && !is(data, "int"))
    return unknown("a parameter made of an unknown value", data);
  const t: TensorValue = data === null ? drawnTensor([0], "float32", { scheme: "empty" }) : a.tensor("data", "float32");
  const trainable = a.bool("requires_grad", true);
  const first = uniformValue(t.constant);
  const initialisation = t.drawn
    ? { ...t.drawn, origin: i.origin() }
    : {
        scheme: first === 0 ? "zeros_" : first === 1 ? "ones_" : first !== undefined ? "constant_" : "computed",
        ...(first !== undefined ? { constant: first } : {}),
        origin: i.origin(),
      };
  return i.builder.parameter(t.shape, t.type, { buffer: false, trainable, initialisation });
}
