/** @file Arrays out of nothing: filled, counted, drawn at random, or from Python's numbers. */
import type { ElementType } from "../../../graph/tensor";
import { NotUnderstood, notUnderstood } from "../evaluator/errors";
import { filledConstant } from "../values/constant";
import { is } from "../values/inspect";
import { int, unknown } from "../values/make";
import type { TensorValue, Value } from "../values/value";
import { type Reader, shapeOf } from "../torch/arguments";
import type { OperationTable } from "../torch/operation";
import { drawnTensor, tensorFrom } from "../torch/operations/creation";
import { elementType, torch } from "./support";

function typeOf(a: Reader, fallback: ElementType): ElementType {
  return elementType(a.value("dtype")) ?? fallback;
}

function shapeArgument(a: Reader): number[] {
  return a.has("shape") || a.rest.length > 0 ? (a.ints("shape") ?? []) : [];
}

/** An array of what Python's values say; what is not known stays unknown instead of an error. */
function arrayOf(a: Reader): Value {
  const v = a.value("x");
  if (is(v, "unknown")) return v;
  try {
    return tensorFrom(a, v, elementType(a.value("dtype")));
  } catch (error) {
    if (!(error instanceof NotUnderstood)) throw error;
    return unknown(error.message, v);
  }
}

/** Random numbers of a shape: known in shape and law, not in value. */
function drawn(a: Reader, scheme: string): TensorValue {
  const std = a.has("stddev") ? a.number("stddev") : scheme === "normal_" ? 1 : undefined;
  return drawnTensor(shapeArgument(a), typeOf(a, "float32"), { scheme, ...(std !== undefined ? { std } : {}) });
}

/** Adds functions of NumPy's names that make arrays. */
export function addArrayCreation(table: OperationTable): void {
  for (const [name, value] of [
    ["zeros", 0],
    ["ones", 1],
  ] as const) {
    table.add(name, "shape dtype", (a) => a.builder.constant(filledConstant(shapeArgument(a), value), typeOf(a, "float32")));
    table.add(`${name}_like`, "x dtype", (a) => {
      const x = a.tensor("x");
      return a.builder.constant(filledConstant([...shapeOf(a.interpreter, x)], value), typeOf(a, x.type));
    });
  }
  table.add("empty", "shape dtype", (a) => a.builder.constant(filledConstant(shapeArgument(a), 0), typeOf(a, "float32")));
  table.add("full", "shape fill_value dtype", (a) => {
    const fallback = is(a.value("fill_value"), "int") ? "int64" : "float32";
    return a.builder.constant(filledConstant(shapeArgument(a), a.number("fill_value")), typeOf(a, fallback));
  });
  table.add("full_like", "x fill_value dtype", (a) => {
    const x = a.tensor("x");
    return a.builder.constant(filledConstant([...shapeOf(a.interpreter, x)], a.number("fill_value")), typeOf(a, x.type));
  });
  table.add("arange range", "start stop step dtype", (a) => {
    if (a.has("limit")) a.set("stop", a.value("limit"));
    const bounds = a.has("stop")
      ? [a.value("start"), a.value("stop"), a.has("step") ? a.value("step") : int(1)]
      : [a.value("start")];
    const to = elementType(a.value("dtype"));
    return torch(a.interpreter, "arange", bounds, to ? { dtype: { k: "dtype", type: to } } : {});
  });
  table.add("linspace", "start stop num", (a) =>
    torch(a.interpreter, "linspace", [a.value("start"), a.value("stop"), a.has("num") ? a.value("num") : int(50)]),
  );
  table.add("eye identity_matrix", "n m k dtype", (a) => {
    const rows = a.has("N") ? a.int("N") : a.int("n");
    const columns = a.int("m", rows);
    const k = a.int("k", 0);
    return a.builder.constant(
      { shape: [rows, columns], at: (i) => ((i % columns) - Math.floor(i / columns) === k ? 1 : 0) },
      typeOf(a, "float32"),
    );
  });
  table.add("tri", "n m k dtype", (a) => {
    const rows = a.has("N") ? a.int("N") : a.int("n");
    const columns = a.int("m", rows);
    const k = a.int("k", 0);
    return a.builder.constant(
      { shape: [rows, columns], at: (i) => ((i % columns) - Math.floor(i / columns) <= k ? 1 : 0) },
      typeOf(a, "float32"),
    );
  });
  table.add("array asarray convert_to_tensor constant", "x dtype", (a) => arrayOf(a));
  table.add("copy convert_to_numpy", "x", (a) => a.value("x"));
  table.add("random_normal", "shape mean stddev dtype", (a) => drawn(a, "normal_"));
  table.add("random_truncated_normal", "shape mean stddev dtype", (a) => drawn(a, "trunc_normal_"));
  table.add("random_uniform", "shape minval maxval dtype", (a) => drawn(a, "uniform_"));
  table.add("random_bernoulli", "shape p", (a) => drawn(a, "uniform_"));
  table.add("random_randint", "shape minval maxval dtype", () => notUnderstood("whole numbers drawn at random"));
}
