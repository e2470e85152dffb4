/** @file Reductions, softmax and its kin, norms, sorting and running sums. */
import { isFloating } from "../../../../graph/tensor";
import type { GraphBuilder } from "../../emit/builder";
import { notUnderstood } from "../../evaluator/errors";
import { is } from "../../values/inspect";
import { tuple } from "../../values/make";
import type { TensorValue, Value } from "../../values/value";
import { axisOf, type Reader, shapeOf } from "../arguments";
import { drawnTensor } from "./creation";
import { promote } from "../arithmetic";
import type { OperationTable } from "../operation";
import { clip, like } from "./pointwise";

/** The axes of a reduction: all when none are given. */
function axes(a: Reader, t: TensorValue): number[] {
  const shape = shapeOf(a.interpreter, t);
  const dims = a.ints("dim");
  if (!dims || dims.length === 0) return shape.map((_, i) => i);
  return dims.map((d) => axisOf(d, shape.length));
}

/** One ONNX reduction. */
export function reduce(b: GraphBuilder, operator: string, t: TensorValue, over: readonly number[], keep: boolean): TensorValue {
  if (over.length === 0) return t;
  return b.node(operator, [t, b.ints(over)], { keepdims: keep ? 1 : 0 });
}

function input(a: Reader, floats: boolean): TensorValue {
  const b = a.builder;
  let t = a.tensor("input");
  shapeOf(a.interpreter, t);
  const to = a.dtype();
  if (to) t = b.cast(t, to);
  else if (floats && !isFloating(t.type)) t = b.cast(t, "float32");
  else if (t.type === "bool") t = b.cast(t, "int64");
  return t;
}

/** Softmax or its logarithm, along the axis that torch takes where none is given. */
export function softmax(a: Reader, operator: "Softmax" | "LogSoftmax", fallback?: number): TensorValue {
  const t = input(a, true);
  const rank = shapeOf(a.interpreter, t).length;
  const dim = a.has("dim") ? a.int("dim") : (fallback ?? (rank === 0 || rank === 1 || rank === 3 ? 0 : 1));
  return a.builder.node(operator, [t], { axis: axisOf(dim, rank) });
}

/** Vector norms. */
export function vectorNorm(a: Reader, p: Value, over: readonly number[], keep: boolean): TensorValue {
  const b = a.builder;
  const t = input(a, true);
  const order =
    p === null || p === "fro" ? 2 : is(p, "int") || is(p, "float") ? p.v : notUnderstood("the order of a norm is not known");
  if (order === 2) return reduce(b, "ReduceL2", t, over, keep);
  if (order === 1) return reduce(b, "ReduceL1", t, over, keep);
  if (order === Number.POSITIVE_INFINITY) return reduce(b, "ReduceMax", b.node("Abs", [t]), over, keep);
  if (order === Number.NEGATIVE_INFINITY) return reduce(b, "ReduceMin", b.node("Abs", [t]), over, keep);
  if (order === 0) return notUnderstood("a norm of order 0");
  const powers = reduce(b, "ReduceSum", b.node("Pow", [b.node("Abs", [t]), like(b, t, order)]), over, keep);
  return b.node("Pow", [powers, like(b, t, 1 / order)]);
}

function variance(a: Reader, root: boolean): TensorValue {
  const b = a.builder;
  const t = input(a, true);
  const shape = shapeOf(a.interpreter, t);
  let over = axes(a, t);
  let correction = 1;
  const dim = a.value("dim");
  if (typeof dim === "boolean") {
    over = shape.map((_, i) => i);
    correction = dim ? 1 : 0;
  } else if (a.has("correction")) correction = a.number("correction");
  else if (a.has("unbiased")) correction = a.bool("unbiased", true) ? 1 : 0;
  const keep = a.bool("keepdim", false);
  const n = over.reduce((m, d) => m * shape[d]!, 1);
  const centred = b.node("Sub", [t, reduce(b, "ReduceMean", t, over, true)]);
  let out = reduce(b, "ReduceMean", b.node("Mul", [centred, centred]), over, keep);
  if (correction !== 0) out = b.node("Mul", [out, like(b, out, n / Math.max(n - correction, 1e-9))]);
  return root ? b.node("Sqrt", [out]) : out;
}

function extremum(a: Reader, which: "Max" | "Min"): Value {
  const b = a.builder;
  const other = a.value("dim");
  if (is(other, "tensor")) return b.node(which, promote(a.interpreter, a.value("input"), other));
  const t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  if (!a.has("dim"))
    return reduce(
      b,
      `Reduce${which}`,
      t,
      shape.map((_, i) => i),
      false,
    );
  const axis = axisOf(a.int("dim"), shape.length);
  const keep = a.bool("keepdim", false);
  const values = reduce(b, `Reduce${which}`, t, [axis], keep);
  const indices = b.node(`Arg${which}`, [t], { axis, keepdims: keep ? 1 : 0 });
  return tuple([values, indices], ["values", "indices"]);
}

function argExtremum(a: Reader, which: "Max" | "Min"): Value {
  const b = a.builder;
  let t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  const keep = a.bool("keepdim", false);
  if (!a.has("dim")) {
    t = b.reshape(t, [-1]);
    return b.node(`Arg${which}`, [t], { axis: 0, keepdims: 0 });
  }
  return b.node(`Arg${which}`, [t], { axis: axisOf(a.int("dim"), shape.length), keepdims: keep ? 1 : 0 });
}

function topk(a: Reader, k: number, largest: boolean, dim: number): Value {
  const b = a.builder;
  const t = a.tensor("input");
  const axis = axisOf(dim, shapeOf(a.interpreter, t).length);
  const [values, indices] = b.outputs("TopK", [t, b.ints([k])], { axis, largest: largest ? 1 : 0, sorted: 1 }, 2);
  return tuple([values!, indices!], ["values", "indices"]);
}

/** Adds reductions along axes. */
export function addReductions(table: OperationTable): void {
  const plain = (names: string, operator: string, floats: boolean): void => {
    table.add(names, "input dim keepdim dtype", (a, b) => {
      const t = input(a, floats);
      return reduce(b, operator, t, axes(a, t), a.bool("keepdim", false));
    });
  };
  plain("mean nanmean", "ReduceMean", true);
  plain("sum nansum", "ReduceSum", false);
  plain("prod", "ReduceProd", false);
  plain("amax", "ReduceMax", false);
  plain("amin", "ReduceMin", false);
  plain("logsumexp", "ReduceLogSumExp", true);
  table.add("std", "input dim unbiased keepdim correction", (a) => variance(a, true));
  table.add("var", "input dim unbiased keepdim correction", (a) => variance(a, false));
  table.add("var_mean", "input dim unbiased keepdim correction", (a, b) => {
    const t = input(a, true);
    return tuple([variance(a, false), reduce(b, "ReduceMean", t, axes(a, t), a.bool("keepdim", false))]);
  });
  table.add("std_mean", "input dim unbiased keepdim correction", (a, b) => {
    const t = input(a, true);
    return tuple([variance(a, true), reduce(b, "ReduceMean", t, axes(a, t), a.bool("keepdim", false))]);
  });
  table.add("max", "input dim keepdim", (a) => extremum(a, "Max"));
  table.add("min", "input dim keepdim", (a) => extremum(a, "Min"));
  table.add("argmax", "input dim keepdim", (a) => argExtremum(a, "Max"));
  table.add("argmin", "input dim keepdim", (a) => argExtremum(a, "Min"));
  table.add("any", "input dim keepdim", (a, b) => {
    const t = b.cast(b.cast(a.tensor("input"), "bool"), "int64");
    shapeOf(a.interpreter, t);
    return b.cast(reduce(b, "ReduceMax", t, axes(a, t), a.bool("keepdim", false)), "bool");
  });
  table.add("all", "input dim keepdim", (a, b) => {
    const t = b.cast(b.cast(a.tensor("input"), "bool"), "int64");
    shapeOf(a.interpreter, t);
    return b.cast(reduce(b, "ReduceMin", t, axes(a, t), a.bool("keepdim", false)), "bool");
  });
  table.add("softmax", "input dim _stacklevel dtype", (a) => softmax(a, "Softmax"));
  table.add("log_softmax", "input dim _stacklevel dtype", (a) => softmax(a, "LogSoftmax"));
  table.add("gumbel_softmax", "logits tau hard eps dim", (a, b) => {
    const logits = a.tensor("logits");
    const shape = shapeOf(a.interpreter, logits);
    const axis = axisOf(a.has("dim") ? a.int("dim") : -1, shape.length);
    const drawn = drawnTensor(shape, logits.type, { scheme: "uniform_", std: Math.sqrt(1 / 12) });
    const exponential = b.node("Neg", [b.node("Log", [drawn])]);
    const noisy = b.node("Sub", [logits, b.node("Log", [exponential])]);
    const tau = a.has("tau") ? a.number("tau") : 1;
    const soft = b.node("Softmax", [b.node("Div", [noisy, like(b, noisy, tau)])], { axis });
    if (!a.bool("hard", false)) return soft;
    // The forward value of the straight-through estimator.
    const best = b.node("ArgMax", [soft], { axis, keepdims: 0 });
    const depth = b.scalar(shape[axis] ?? notUnderstood("gumbel_softmax of a scalar"), "int64");
    return b.cast(b.node("OneHot", [best, depth, b.ints([0, 1])], { axis }), soft.type);
  });
  table.add("softmin", "input dim", (a, b) => {
    a.set("input", b.node("Neg", [a.tensor("input")]));
    return softmax(a, "Softmax");
  });
  table.add("norm", "input p dim keepdim dtype", (a) => {
    const t = a.tensor("input");
    shapeOf(a.interpreter, t);
    return vectorNorm(a, a.value("p"), axes(a, t), a.bool("keepdim", false));
  });
  table.add("vector_norm", "input ord dim keepdim dtype", (a) => {
    const t = a.tensor("input");
    shapeOf(a.interpreter, t);
    return vectorNorm(a, a.value("ord"), axes(a, t), a.bool("keepdim", false));
  });
  table.add("normalize", "input p dim eps", (a, b) => {
    const x = a.tensor("input");
    const rank = shapeOf(a.interpreter, x).length;
    const over = a.has("dim") ? a.ints("dim")!.map((d) => axisOf(d, rank)) : [axisOf(1, rank)];
    const n = vectorNorm(a, a.value("p"), over, true);
    return b.node("Div", [x, clip(b, n, like(b, n, a.number("eps", 1e-12)))]);
  });
  table.add("cosine_similarity", "input other dim eps", (a, b) => {
    const x = a.tensor("input");
    const y = a.tensor("other");
    const rank = shapeOf(a.interpreter, x).length;
    const axis = [axisOf(a.int("dim", 1), rank)];
    const eps = a.number("eps", 1e-8);
    const unit = (t: TensorValue): TensorValue => {
      const n = reduce(b, "ReduceL2", t, axis, true);
      return b.node("Div", [t, clip(b, n, like(b, n, eps))]);
    };
    return reduce(b, "ReduceSum", b.node("Mul", [unit(x), unit(y)]), axis, false);
  });
  table.add("cumsum cumsum_", "input dim dtype", (a, b) => {
    const t = input(a, false);
    return b.node("CumSum", [t, b.scalar(axisOf(a.int("dim"), shapeOf(a.interpreter, t).length), "int64")]);
  });
  table.add("topk", "input k dim largest sorted", (a) => topk(a, a.int("k"), a.bool("largest", true), a.int("dim", -1)));
  const sort = (a: Reader): { size: number; dim: number; down: boolean } => {
    const shape = shapeOf(a.interpreter, a.tensor("input"));
    const dim = a.int("dim", -1);
    return { size: shape[axisOf(dim, shape.length)] ?? 1, dim, down: a.bool("descending", false) };
  };
  table.add("sort", "input dim descending stable", (a) => {
    const s = sort(a);
    return topk(a, s.size, s.down, s.dim);
  });
  table.add("argsort", "input dim descending stable", (a) => {
    const s = sort(a);
    const out = topk(a, s.size, s.down, s.dim);
    return is(out, "tuple") ? out.items[1]! : out;
  });
  table.add("multinomial", "input num_samples replacement", (a, b) => {
    const t = a.tensor("input");
    const shape = shapeOf(a.interpreter, t);
    return b.opaque("multinomial", [t], { type: "int64", shape: [...shape.slice(0, -1), a.int("num_samples")] });
  });
}
