/** @file NumPy's reductions, sorting and running sums. `axis=None` is all axes; variances divide by n. */
import { isFloating } from "../../../graph/tensor";
import { notUnderstood } from "../evaluator/errors";
import { axisOf, type Reader } from "../torch/arguments";
import type { OperationTable } from "../torch/operation";
import { like } from "../torch/operations/pointwise";
import { reduce } from "../torch/operations/reductions";
import { int, tuple } from "../values/make";
import type { TensorValue, Value } from "../values/value";
import { axesOf, elementType, floating, rankOf, torch } from "./support";

const PARAMS = "x axis keepdims";

function keep(a: Reader): boolean {
  return a.bool("keepdims", false) || a.bool("keep_dims", false);
}

function reduced(a: Reader, operator: string, floats: boolean): TensorValue {
  const b = a.builder;
  let x = a.tensor("x");
  if (a.has("where")) return notUnderstood("a reduction with a mask");
  const over = axesOf(a, x);
  const to = elementType(a.value("dtype"));
  if (to) x = b.cast(x, to);
  else if (floats) x = floating(b, x);
  else if (x.type === "bool") x = b.cast(x, "int64");
  return reduce(b, operator, x, over, keep(a));
}

function variance(a: Reader, root: boolean): TensorValue {
  const b = a.builder;
  const x = floating(b, a.tensor("x"));
  const over = axesOf(a, x);
  const n = over.reduce((m, d) => m * x.shape![d]!, 1);
  const centred = b.node("Sub", [x, reduce(b, "ReduceMean", x, over, true)]);
  let out = reduce(b, "ReduceMean", b.node("Mul", [centred, centred]), over, keep(a));
  const ddof = a.has("ddof") ? a.number("ddof") : 0;
  if (ddof !== 0) out = b.node("Mul", [out, like(b, out, n / Math.max(n - ddof, 1e-9))]);
  return root ? b.node("Sqrt", [out]) : out;
}

function truthReduction(a: Reader, operator: string): TensorValue {
  const b = a.builder;
  const x = b.cast(b.cast(a.tensor("x"), "bool"), "int64");
  return b.cast(reduce(b, operator, x, axesOf(a, x), keep(a)), "bool");
}

/** The mean of squares over given axes is a norm's square: `norm(x, ord, axis, keepdims)`. */
function norm(a: Reader): Value {
  const x = a.tensor("x");
  const over = axesOf(a, x);
  const order = a.value("ord");
  return torch(a.interpreter, "vector_norm", [x, order === "fro" || order === "euclidean" ? int(2) : (order ?? int(2))], {
    dim: tuple(over.map(int)),
    keepdim: keep(a),
  });
}

/** Adds functions of NumPy's names that reduce along axes. */
export function addArrayReductions(table: OperationTable): void {
  table.add("mean average nanmean", PARAMS, (a) => {
    if (a.has("weights")) return notUnderstood("an average with weights");
    return reduced(a, "ReduceMean", true);
  });
  table.add("sum nansum", PARAMS, (a) => reduced(a, "ReduceSum", false));
  table.add("prod", PARAMS, (a) => reduced(a, "ReduceProd", false));
  table.add("max amax nanmax", PARAMS, (a) => reduced(a, "ReduceMax", false));
  table.add("min amin nanmin", PARAMS, (a) => reduced(a, "ReduceMin", false));
  table.add("logsumexp", PARAMS, (a) => reduced(a, "ReduceLogSumExp", true));
  table.add("var", "x axis keepdims", (a) => variance(a, false));
  table.add("std", "x axis keepdims", (a) => variance(a, true));
  table.add("moments", "x axis keepdims", (a) => {
    if (a.has("axes")) a.set("axis", a.value("axes"));
    return tuple([reduced(a, "ReduceMean", true), variance(a, false)]);
  });
  table.add("any", PARAMS, (a) => truthReduction(a, "ReduceMax"));
  table.add("all", PARAMS, (a) => truthReduction(a, "ReduceMin"));
  table.add("norm", "x ord axis keepdims", (a) => norm(a));
  for (const which of ["max", "min"] as const) {
    table.add(`arg${which}`, PARAMS, (a, b) => {
      const x = a.tensor("x");
      const rank = rankOf(a.interpreter, x);
      if (!a.has("axis")) return torch(a.interpreter, `arg${which}`, [x]);
      const axis = axisOf(a.int("axis"), rank);
      return b.node(which === "max" ? "ArgMax" : "ArgMin", [x], { axis, keepdims: keep(a) ? 1 : 0 });
    });
  }
  table.add("cumsum", "x axis", (a, b) => {
    let x = a.tensor("x");
    if (!isFloating(x.type)) x = b.cast(x, "int64");
    if (!a.has("axis")) {
      const flat = torch(a.interpreter, "reshape", [x, int(-1)]);
      return torch(a.interpreter, "cumsum", [flat, int(0)]);
    }
    return torch(a.interpreter, "cumsum", [x, a.value("axis")]);
  });
  table.add("cumprod", "x axis", (a) => torch(a.interpreter, "cumprod", [a.tensor("x"), int(a.int("axis", 0))]));
  table.add("top_k", "x k", (a) => torch(a.interpreter, "topk", [a.tensor("x"), a.value("k")]));
  table.add("argsort", "x axis", (a) => torch(a.interpreter, "argsort", [a.tensor("x"), int(a.int("axis", -1))]));
  table.add("sort", "x axis", (a) => {
    const pair = torch(a.interpreter, "sort", [a.tensor("x"), int(a.int("axis", -1))]);
    return typeof pair === "object" && pair !== null && pair.k === "tuple" ? pair.items[0]! : pair;
  });
}
