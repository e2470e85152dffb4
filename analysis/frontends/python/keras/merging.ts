/** @file Layers of Keras that take several inputs: sums, products, concatenation. */
import { notUnderstood, raise } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { axisOf, Reader, shapeOf } from "../torch/arguments";
import { concat } from "../torch/operations/parts";
import { call } from "../evaluator/functions";
import { construct } from "../evaluator/classes";
import { intOf, is } from "../values/inspect";
import { native, positional } from "../values/make";
import type { ClassValue, TensorValue, Value } from "../values/value";
import { tensorBinary } from "../torch/arithmetic";
import { type KerasContext, kerasLayer, type KerasSpec } from "./spec";

function tensor(v: Value): TensorValue {
  return is(v, "tensor") ? v : notUnderstood("a merge that does not give a tensor");
}

function fold(c: KerasContext, run: (x: TensorValue, y: TensorValue) => TensorValue): TensorValue {
  const [first, ...rest] = c.xs;
  if (!first) return raise("ValueError", "a merge layer needs a list of inputs");
  return rest.reduce(run, first);
}

/** Contracts one axis of each of two tensors; the batch is kept. */
function dot(c: KerasContext): TensorValue {
  const b = c.builder;
  let [x, y] = c.xs;
  if (!x || !y) return raise("ValueError", "Dot needs two inputs");
  const axes = c.ints("axes") ?? [-1];
  const rx = shapeOf(c.interpreter, x).length;
  const ry = shapeOf(c.interpreter, y).length;
  const ax = axisOf(axes[0]!, rx);
  const ay = axisOf(axes[1] ?? axes[0]!, ry);
  if (c.bool("normalize", false)) {
    const unit = (t: TensorValue, axis: number): TensorValue =>
      b.node("Div", [t, b.node("ReduceL2", [t, b.ints([axis])], { keepdims: 1 })]);
    x = unit(x, ax);
    y = unit(y, ay);
  }
  const letters = "abcdefghijklmnop";
  const left = Array.from({ length: rx }, (_, i) => (i === 0 ? "z" : i === ax ? "y" : letters[i]!));
  const right = Array.from({ length: ry }, (_, i) => (i === 0 ? "z" : i === ay ? "y" : letters[i + rx]!));
  const kept = [...left.filter((l) => l !== "y"), ...right.filter((l) => l !== "y" && l !== "z")];
  const out = b.node("Einsum", [x, y], { equation: `${left.join("")},${right.join("")}->${kept.join("")}` });
  return kept.length === 1 ? b.unsqueeze(out, [1]) : out;
}

const PAIRWISE: Readonly<Record<string, string>> = { Add: "+", Subtract: "-", Multiply: "*" };

/** Layers of Keras that join several inputs; `base` is keras.Layer. */
export function mergingLayers(base: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const add = (name: string, spec: KerasSpec): void => {
    out.push(kerasLayer(base, name, spec));
  };
  for (const [name, operator] of Object.entries(PAIRWISE))
    add(name, { params: "", call: (c) => fold(c, (x, y) => tensor(tensorBinary(c.interpreter, operator, x, y))) });
  add("Average", {
    params: "",
    call(c) {
      const sum = fold(c, (x, y) => tensor(tensorBinary(c.interpreter, "+", x, y)));
      return c.builder.node("Div", [sum, c.builder.scalar(c.xs.length, sum.type)]);
    },
  });
  add("Maximum", { params: "", call: (c) => fold(c, (x, y) => c.builder.node("Max", [x, y])) });
  add("Minimum", { params: "", call: (c) => fold(c, (x, y) => c.builder.node("Min", [x, y])) });
  add("Concatenate", { params: "axis=-1", call: (c) => concat(c, c.xs, c.int("axis", -1)) });
  add("Dot", { params: "axes normalize=False", call: dot });
  return out;
}

/** `layers.add([a, b])` and its like: the layer made and applied at once. */
export function mergeFunctions(classes: readonly ClassValue[]): [string, Value][] {
  return classes.map((cls) => [
    cls.name.toLowerCase(),
    native(cls.name.toLowerCase(), (i: Interpreter, a) => {
      const reader = new Reader(i, ["inputs", cls.name === "Dot" ? "axes" : "axis"], a);
      const keywords = new Map([...a.keywords].filter(([k]) => k !== "inputs"));
      const rest = a.positional.slice(1);
      if (rest.length > 0 && intOf(rest[0]) === undefined && !is(rest[0], "tuple"))
        return notUnderstood("a merge with these arguments");
      const layer = construct(i, cls, { positional: rest, keywords });
      return call(i, layer, positional(reader.value("inputs")));
    }),
  ]);
}
