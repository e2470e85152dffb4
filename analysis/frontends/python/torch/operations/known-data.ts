/** @file Operations whose result's shape depends on entries: followed where the entries are known, opaque elsewhere. */
import { elementCount, strides } from "../../../../graph/tensor";
import type { GraphBuilder } from "../../emit/builder";
import { notUnderstood } from "../../evaluator/errors";
import { is } from "../../values/inspect";
import { int, tuple } from "../../values/make";
import type { TensorValue, Value } from "../../values/value";
import { axisOf, type Reader, shapeOf } from "../arguments";
import { indexTensor } from "../indexing";
import { tensorBinary } from "../arithmetic";
import { pickedIndices } from "../picked";
import type { OperationTable } from "../operation";

/** All entries of a tensor, where they are known and few. */
function entries(t: TensorValue): number[] | undefined {
  if (!t.constant || !t.shape) return undefined;
  const n = elementCount(t.shape);
  if (n > 65536) return undefined;
  const { constant } = t;
  return Array.from({ length: n }, (_, i) => constant.at(i));
}

function vector(b: GraphBuilder, t: TensorValue, data: readonly number[]): TensorValue {
  return b.tensor({ type: t.type, shape: [data.length], data: Float64Array.from(data) });
}

/** Places of entries that are not zero, which only known entries tell. */
export function nonzero(a: Reader, b: GraphBuilder, asTuple: boolean): Value {
  const t = a.tensor("input");
  const data = entries(t);
  if (!data || !t.shape) {
    const picked = pickedIndices(a.interpreter, t);
    if (asTuple) return tuple(picked);
    const rows = b.node(
      "Concat",
      picked.map((p) => b.unsqueeze(p, [1])),
      { axis: 1 },
    );
    return { ...rows, picked: t };
  }
  const by = strides(t.shape);
  const rows = data.flatMap((v, i) => (v ? [i] : []));
  const columns = t.shape.map((d, axis) => rows.map((i) => Math.floor(i / by[axis]!) % d));
  if (asTuple) return tuple(columns.map((c) => b.ints(c)));
  const rank = t.shape.length;
  return b.constant({ shape: [rows.length, rank], at: (k) => columns[k % rank]![Math.floor(k / rank)]! }, "int64");
}

/** The mean or sum over the differences of an axis and the like need no known data, but live with their kin. */
function difference(a: Reader, b: GraphBuilder): Value {
  let out = a.tensor("input");
  const axis = axisOf(a.int("dim", -1), shapeOf(a.interpreter, out).length);
  for (let i = 0; i < a.int("n", 1); i++) {
    const size = shapeOf(a.interpreter, out)[axis]!;
    const next = tensorBinary(a.interpreter, "-", b.slice(out, axis, 1, size), b.slice(out, axis, 0, size - 1));
    if (!is(next, "tensor")) return next;
    out = next;
  }
  return out;
}

/** Adds operations whose results' shapes hang on the data. */
export function addKnownData(table: OperationTable): void {
  table.add("nonzero", "input as_tuple", (a, b) => nonzero(a, b, a.bool("as_tuple", false)));
  table.add("diff", "input n dim", (a, b) => difference(a, b));
  table.add("unique unique_consecutive", "input sorted return_inverse return_counts dim", (a, b) => {
    const t = a.tensor("input");
    const data = entries(t);
    if (!data || a.has("return_inverse") || a.has("return_counts") || a.has("dim"))
      return notUnderstood("unique: the size of the result depends on the data");
    return vector(
      b,
      t,
      [...new Set(data)].sort((x, y) => x - y),
    );
  });
  table.add("masked_select", "input mask", (a) => indexTensor(a.interpreter, a.tensor("input"), a.tensor("mask")));
  table.add("equal allclose", "input other", (a) => {
    const x = entries(a.tensor("input"));
    const y = entries(a.tensor("other"));
    return x && y
      ? x.length === y.length && x.every((v, i) => v === y[i])
      : notUnderstood("whether two tensors are equal depends on the data");
  });
  table.add("count_nonzero", "input", (a) => {
    const data = entries(a.tensor("input"));
    return data ? int(data.filter((v) => v !== 0).length) : notUnderstood("count_nonzero depends on the data");
  });
  table.add("addcdiv", "input tensor1 tensor2 value", (a) => {
    const i = a.interpreter;
    const quotient = tensorBinary(i, "/", a.value("tensor1"), a.value("tensor2"));
    return tensorBinary(i, "+", a.value("input"), a.has("value") ? tensorBinary(i, "*", quotient, a.value("value")) : quotient);
  });
  table.add("fmod", "input other", (a, b) => {
    const x = a.tensor("input");
    const quotient = tensorBinary(a.interpreter, "/", x, a.value("other"));
    if (!is(quotient, "tensor")) return quotient;
    const whole = b.node("Mul", [b.node("Sign", [quotient]), b.node("Floor", [b.node("Abs", [quotient])])]);
    return tensorBinary(a.interpreter, "-", x, tensorBinary(a.interpreter, "*", whole, a.value("other")));
  });
  table.add("masked_scatter index_put", "input", (a, b) => {
    const t = a.tensor("input");
    const inputs = a.interpreter.tensorsIn([
      t,
      ...a.rest,
      ...["dim", "index", "source", "mask", "src", "tensor", "value", "values", "indices"].map((n) => a.value(n)),
    ]);
    a.interpreter.noteOpaque("index_put", "writes at positions that depend on the data");
    return b.opaque("index_put", inputs, { type: t.type, shape: t.shape });
  });
}
