/** @file Operations that make tensors: filled, counted, drawn at random, or from Python numbers. */
import type { ElementType } from "../../../../graph/tensor";
import type { GraphBuilder } from "../../emit/builder";
import { makeTensor } from "../../emit/known";
import { notUnderstood } from "../../evaluator/errors";
import { filledConstant } from "../../values/constant";
import { is, numberOf } from "../../values/inspect";
import type { TensorValue, Value } from "../../values/value";
import { type Reader, scalarTensor, shapeOf } from "../arguments";
import { concat } from "./parts";
import type { OperationTable } from "../operation";

/** A tensor drawn at random: its shape and law are known, its entries are not. */
export function drawnTensor(shape: readonly number[], type: ElementType, drawn: NonNullable<TensorValue["drawn"]>): TensorValue {
  const t = makeTensor("", type, [...shape]);
  t.drawn = drawn;
  return t;
}

function filledTensor(b: GraphBuilder, shape: readonly number[], value: number, type: ElementType): TensorValue {
  return b.constant(filledConstant([...shape], value), type);
}

function sizesOf(a: Reader, name = "size"): number[] {
  return a.has(name) || a.rest.length > 0 ? a.sizes(name) : [];
}

/** torch.tensor and friends: numbers, nested lists, tensors. */
export function tensorFrom(a: Reader, v: Value, type: ElementType | undefined): TensorValue {
  const b = a.builder;
  if (is(v, "tensor")) return type ? b.cast(v, type) : v;
  const n = numberOf(v);
  if (n !== undefined) return b.scalar(n, type ?? (typeof v === "boolean" ? "bool" : is(v, "int") ? "int64" : "float32"));
  const shape: number[] = [];
  const data: number[] = [];
  let inferred: ElementType = "bool";
  const tensors: TensorValue[] = [];
  const visit = (x: Value, depth: number): void => {
    if (is(x, "list") || is(x, "tuple") || is(x, "range")) {
      const items: readonly Value[] = is(x, "range")
        ? Array.from({ length: Math.max(0, Math.ceil((x.stop - x.start) / x.step)) }, (_, i) => ({
            k: "int" as const,
            v: x.start + i * x.step,
          }))
        : x.items;
      if (shape.length === depth) shape.push(items.length);
      else if (shape[depth] !== items.length) notUnderstood("a ragged list");
      for (const i of items) visit(i, depth + 1);
      return;
    }
    const value = numberOf(x) ?? scalarTensor(x);
    if (value === undefined) {
      if (is(x, "tensor")) tensors.push(x);
      else notUnderstood("a tensor made of values that are not known");
      return;
    }
    if (is(x, "float") || (is(x, "tensor") && x.type.startsWith("float"))) inferred = "float32";
    else if (typeof x !== "boolean" && inferred === "bool") inferred = "int64";
    data.push(value);
  };
  visit(v, 0);
  if (tensors.length > 0) {
    if (data.length > 0 || shape.length !== 1) return notUnderstood("a tensor made of values that are not known");
    return concat(
      a,
      tensors.map((t) => b.unsqueeze(t, [0])),
      0,
    );
  }
  if (data.length === 0) inferred = "float32";
  return b.tensor({ type: type ?? inferred, shape, data: Float64Array.from(data) });
}

function arange(a: Reader): Value {
  const values = [a.value("start"), a.value("end"), a.value("step")];
  const given = values.filter((v) => v !== null);
  const numbers = given.map((v) => numberOf(v) ?? scalarTensor(v) ?? notUnderstood("the bounds of arange are not known"));
  let start = 0;
  let end = 0;
  let step = 1;
  if (a.has("end")) {
    start = a.has("start") ? a.number("start") : 0;
    end = a.number("end");
    step = a.number("step", 1);
  } else end = numbers[0] ?? 0;
  const isInt = given.every((v) => is(v, "int") || typeof v === "boolean" || (is(v, "tensor") && v.type.startsWith("int")));
  const n = Math.max(0, Math.ceil((end - start) / step));
  const type = a.dtype() ?? (isInt ? "int64" : "float32");
  return a.builder.constant({ shape: [n], at: (i) => start + i * step }, type);
}

function linspace(a: Reader, log: boolean): Value {
  const start = a.number("start");
  const end = a.number("end");
  const n = a.int("steps", 100);
  const base = a.number("base", 10);
  const at = (i: number): number => (n === 1 ? start : start + ((end - start) * i) / (n - 1));
  return a.builder.constant({ shape: [n], at: log ? (i) => base ** at(i) : at }, a.dtype() ?? "float32");
}

/** Adds functions that make tensors. */
export function addCreation(table: OperationTable): void {
  table.add("_opaque", "name inputs shape", (a, b) => {
    const name = a.text("name", "");
    a.interpreter.noteOpaque(name, "nothing is known of it but its shape");
    return b.opaque(name, a.tensors("inputs"), { type: "float32", shape: a.ints("shape") });
  });
  const filled = (name: string, value: number): void => {
    table.add(name, "size", (a, b) => filledTensor(b, sizesOf(a), value, a.dtype() ?? "float32"));
    table.add(`${name}_like`, "input", (a, b) => {
      const t = a.tensor("input");
      return filledTensor(b, shapeOf(a.interpreter, t), value, a.dtype() ?? t.type);
    });
    table.add(`new_${name}`, "input size", (a, b) => filledTensor(b, sizesOf(a), value, a.dtype() ?? a.tensor("input").type));
  };
  filled("zeros", 0);
  filled("ones", 1);
  table.add("empty", "size", (a) => drawnTensor(sizesOf(a), a.dtype() ?? "float32", { scheme: "empty" }));
  table.add("empty_like", "input", (a) => {
    const t = a.tensor("input");
    return drawnTensor(shapeOf(a.interpreter, t), a.dtype() ?? t.type, { scheme: "empty" });
  });
  table.add("new_empty", "input size", (a) => drawnTensor(sizesOf(a), a.dtype() ?? a.tensor("input").type, { scheme: "empty" }));
  const full = (a: Reader, b: GraphBuilder, shape: readonly number[], like?: TensorValue): Value => {
    const v = a.value("fill_value");
    const n = numberOf(v) ?? scalarTensor(v);
    const type = a.dtype() ?? like?.type ?? (typeof v === "boolean" ? "bool" : is(v, "int") ? "int64" : "float32");
    if (n !== undefined) return filledTensor(b, shape, n, type);
    const t = a.tensor("fill_value");
    return b.node("Expand", [b.cast(t, type), b.ints(shape)]);
  };
  table.add("full", "size fill_value", (a, b) => full(a, b, a.ints("size") ?? []));
  table.add("full_like", "input fill_value", (a, b) => full(a, b, shapeOf(a.interpreter, a.tensor("input")), a.tensor("input")));
  table.add("new_full", "input size fill_value", (a, b) => full(a, b, a.ints("size") ?? [], a.tensor("input")));
  table.add(
    "tensor as_tensor from_numpy asarray FloatTensor LongTensor BoolTensor HalfTensor IntTensor DoubleTensor Tensor",
    "data",
    (a) => tensorFrom(a, a.value("data"), a.dtype()),
  );
  table.add("new_tensor", "input data", (a) => tensorFrom(a, a.value("data"), a.dtype() ?? a.tensor("input").type));
  table.add("scalar_tensor", "s", (a) => tensorFrom(a, a.value("s"), a.dtype() ?? "float32"));
  table.add("arange range", "start end step", (a) => arange(a));
  table.add("linspace", "start end steps", (a) => linspace(a, false));
  table.add("logspace", "start end steps base", (a) => linspace(a, true));
  table.add("eye", "n m", (a, b) => {
    const n = a.int("n");
    const m = a.int("m", n);
    return b.constant({ shape: [n, m], at: (i) => (Math.floor(i / m) === i % m ? 1 : 0) }, a.dtype() ?? "float32");
  });
  table.add("tril_indices triu_indices", "row col offset", (a) => notUnderstood(`indices of a triangle of size ${a.int("row")}`));
  table.add("kaiser_window", "window_length periodic", (a) =>
    drawnTensor([a.int("window_length")], "float32", { scheme: "window" }),
  );
  const random = (name: string, drawn: NonNullable<TensorValue["drawn"]>): void => {
    table.add(name, "size", (a) => drawnTensor(sizesOf(a), a.dtype() ?? "float32", drawn));
    table.add(`${name}_like`, "input", (a) =>
      drawnTensor(shapeOf(a.interpreter, a.tensor("input")), a.dtype() ?? a.tensor("input").type, drawn),
    );
  };
  random("randn", { scheme: "normal_", std: 1 });
  random("rand", { scheme: "uniform_", std: Math.sqrt(1 / 12) });
  table.add("randint", "low high size", (a) => {
    const size = a.has("size")
      ? a.ints("size")
      : is(a.value("high"), "tuple") || is(a.value("high"), "list")
        ? a.ints("high")
        : undefined;
    return drawnTensor(size ?? notUnderstood("the size of randint is not known"), a.dtype() ?? "int64", { scheme: "randint" });
  });
  table.add("randint_like", "input low high", (a) =>
    drawnTensor(shapeOf(a.interpreter, a.tensor("input")), a.tensor("input").type, { scheme: "randint" }),
  );
  table.add("randperm", "n", (a) => drawnTensor([a.int("n")], "int64", { scheme: "randperm" }));
  table.add("normal", "mean std size", (a) => {
    const size = a.ints("size");
    const mean = a.value("mean");
    if (size)
      return drawnTensor(size, "float32", {
        scheme: "normal_",
        ...(numberOf(a.value("std")) !== undefined ? { std: a.number("std") } : {}),
      });
    return is(mean, "tensor")
      ? drawnTensor(shapeOf(a.interpreter, mean), mean.type, { scheme: "normal_" })
      : notUnderstood("the size of normal is not known");
  });
  // Masks of dropout kind are taken at their mean: dropped in expectation, as dropout layers are.
  table.add("bernoulli", "input p", (a, b) => {
    const t = a.tensor("input");
    const p = a.has("p") ? a.number("p") : undefined;
    return p === undefined ? t : filledTensor(b, shapeOf(a.interpreter, t), p, t.type);
  });
}
