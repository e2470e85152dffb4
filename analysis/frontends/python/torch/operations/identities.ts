/** @file Operations that leave the values as they are: casts, devices, copies, gradients; and in-place writes. */
import { isFloating } from "../../../../graph/tensor";
import type { GraphBuilder } from "../../emit/builder";
import { notUnderstood } from "../../evaluator/errors";
import { filledConstant } from "../../values/constant";
import { is } from "../../values/inspect";
import { float, int, list, tuple, unknown } from "../../values/make";
import type { TensorValue, Value } from "../../values/value";
import { type Reader, scalarTensor, shapeOf } from "../arguments";
import type { OperationTable } from "../operation";
import { drawnTensor } from "./creation";
import { asView } from "./views";

const SAME =
  "contiguous to_dense coalesce pin_memory cuda cpu requires_grad_ retain_grad detach_ share_memory_ record_stream " +
  "rename align_to refine_names is_contiguous_ real checkpoint_name wait mark_dynamic";

/** A copy that shares memory but is no parameter. */
function alias(t: TensorValue): TensorValue {
  return asView(
    t,
    t,
    (base) => base,
    (_, value) => value,
  );
}

function to(a: Reader, b: GraphBuilder): Value {
  const t = a.tensor("input");
  for (const v of [a.value("dtype"), a.value("device"), a.value("other"), ...a.rest]) {
    if (is(v, "dtype")) return t.shape === undefined && b.isOpen(t) && v.type === t.type ? t : castTo(b, t, v);
    if (is(v, "tensor")) return b.cast(t, v.type);
  }
  return t;
}

function castTo(b: GraphBuilder, t: TensorValue, v: { type: TensorValue["type"] }): TensorValue {
  return b.cast(t, v.type);
}

/** Adds operations that give back what they take, or a view of it. */
export function addIdentities(table: OperationTable): void {
  table.add(SAME, "input", (a) => a.value("input"));
  table.add("detach stop_gradient", "input", (a) => alias(a.tensor("input")));
  table.add("clone alias positive resolve_conj lift_fresh", "input", (a) => {
    const t = a.tensor("input");
    return { ...t, parameter: undefined, view: undefined, version: 0 };
  });
  table.add("to", "input dtype device", (a, b) => to(a, b));
  table.add("type", "input dtype", (a, b) => (a.has("dtype") ? to(a, b) : `torch.${a.tensor("input").type}`));
  table.add("astype", "input dtype", (a, b) => {
    const v = a.value("dtype");
    return is(v, "dtype") ? castTo(b, a.tensor("input"), v) : b.cast(a.tensor("input"), v === "int" ? "int64" : "float32");
  });
  table.add("type_as", "input other", (a, b) => b.cast(a.tensor("input"), a.tensor("other").type));
  const casts: Readonly<Record<string, TensorValue["type"]>> = {
    float: "float32",
    double: "float64",
    half: "float16",
    bfloat16: "bfloat16",
    long: "int64",
    int: "int32",
    short: "int16",
    byte: "uint8",
    char: "int8",
    bool: "bool",
  };
  for (const [name, type] of Object.entries(casts)) table.add(name, "input", (a, b) => b.cast(a.tensor("input"), type));
  table.add("item", "input", (a) => {
    const t = a.tensor("input");
    const n = scalarTensor(t);
    if (t.drawn?.scheme === "uniform_") return { k: "unknown", reason: "a random number", inputs: [], uniform: true };
    return n === undefined
      ? unknown("the number in a tensor", t)
      : isFloating(t.type)
        ? float(n)
        : t.type === "bool"
          ? n !== 0
          : int(n);
  });
  table.add("tolist", "input", (a) => {
    const t = a.tensor("input");
    if (t.shape?.length === 1 && t.constant && t.shape[0]! <= 4096) {
      const { constant } = t;
      return list(
        Array.from({ length: t.shape[0]! }, (_, i) => (isFloating(t.type) ? float(constant.at(i)) : int(constant.at(i)))),
      );
    }
    return unknown("the numbers in a tensor", t);
  });
  table.add("numpy", "input", (a) => a.tensor("input"));
  table.add("is_floating_point", "input", (a) => isFloating(a.tensor("input").type));
  table.add("is_complex", "input", () => false);
  table.add("is_tensor", "input", (a) => is(a.value("input"), "tensor"));
  table.add("is_contiguous", "input", () => true);
  table.add("stride", "input dim", (a) => {
    const shape = shapeOf(a.interpreter, a.tensor("input"));
    const strides = shape.map((_, i) => shape.slice(i + 1).reduce((x, y) => x * y, 1));
    return a.has("dim") ? int(strides.at(a.int("dim")) ?? 1) : tuple(strides.map(int));
  });
  table.add("get_device", "input", () => int(0));
  table.add("element_size", "input", () => int(4));
  table.add("storage untyped_storage", "input", () => unknown("storage"));
  table.add("backward", "input", () => null);
  table.add("register_hook", "input", () => null);
  table.add("zero_", "input", (a, b) =>
    b.constant(filledConstant([...shapeOf(a.interpreter, a.tensor("input"))], 0), a.tensor("input").type),
  );
  table.add("fill_", "input value", (a, b) => {
    const t = a.tensor("input");
    const n = scalarTensor(a.value("value")) ?? a.number("value");
    return b.constant(filledConstant([...shapeOf(a.interpreter, t)], n), t.type);
  });
  table.add("copy_", "input other non_blocking", (a) => a.tensor("other"));
  table.add("set_", "input source", (a) => a.tensor("source"));
  table.add("normal_", "input mean std", (a) =>
    drawnTensor(shapeOf(a.interpreter, a.tensor("input")), a.tensor("input").type, {
      scheme: "normal_",
      std: a.number("std", 1),
    }),
  );
  table.add("uniform_", "input from to", (a) => {
    const low = a.has("from") ? a.number("from") : a.has("a") ? a.number("a") : 0;
    const high = a.has("to") ? a.number("to") : a.has("b") ? a.number("b") : 1;
    return drawnTensor(shapeOf(a.interpreter, a.tensor("input")), a.tensor("input").type, {
      scheme: "uniform_",
      std: (high - low) / Math.sqrt(12),
    });
  });
  table.add("exponential_ geometric_ log_normal_ cauchy_ random_", "input", (a) =>
    drawnTensor(shapeOf(a.interpreter, a.tensor("input")), a.tensor("input").type, { scheme: "random" }),
  );
  // Taken at its mean, like dropout.
  table.add("bernoulli_", "input p", (a, b) => {
    const t = a.tensor("input");
    const p = a.value("p");
    const n =
      p === null
        ? 0.5
        : (scalarTensor(p) ?? (is(p, "float") || is(p, "int") ? p.v : notUnderstood("the probability is not known")));
    return b.constant(filledConstant([...shapeOf(a.interpreter, t)], n), t.type);
  });
  table.add("resize_ resize_as_", "input size", (a) => notUnderstood(`resize_ of ${a.tensor("input").value}`));
}
