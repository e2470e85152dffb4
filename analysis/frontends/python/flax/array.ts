/** @file Attributes and methods of JAX arrays, where they are not those of torch's tensors. */
import { arrays } from "../arrays/index";
import type { Interpreter } from "../evaluator/interpreter";
import { getItem } from "../evaluator/subscripts";
import { makeClass } from "../evaluator/classes";
import { shapeOf } from "../torch/arguments";
import { tensorBinary } from "../torch/arithmetic";
import { is } from "../values/inspect";
import { int, native, unknown } from "../values/make";
import type { TensorValue, Value } from "../values/value";

/** Methods that take what NumPy's functions of the same name take. */
const METHODS = new Set(
  (
    "reshape transpose swapaxes mean sum prod max min var std any all argmax argmin astype squeeze ravel flatten repeat " +
    "cumsum cumprod dot clip take round sort argsort diagonal split"
  ).split(" "),
);

/** `x.at[i].set(y)`: what is added or put in place of entries. Only whole-array updates are followed. */
function updates(interpreter: Interpreter, t: TensorValue): Value {
  const base = interpreter.environment.builtin("object");
  const indexed = (index: Value): Value => {
    const all =
      is(index, "ellipsis") || (is(index, "slice") && index.lower === null && index.upper === null && index.step === null);
    const picked = all ? t : getItem(interpreter, t, index);
    const run = (operator: string): Value =>
      native(operator, (i, a) => {
        const y = a.positional[0] ?? null;
        if (all && operator !== "set") return tensorBinary(i, operator === "add" ? "+" : "*", t, y);
        const inputs = is(y, "tensor") ? [t, y] : [t];
        i.calls++;
        i.noteOpaque(`at[].${operator}`, "entries of an array are replaced");
        return i.builder.opaque(`at_${operator}`, inputs, { type: t.type, shape: t.shape });
      });
    const cls = makeClass({ name: "indexed", bases: is(base, "class") ? [base] : [], fields: [] });
    return {
      k: "instance",
      id: interpreter.id(),
      cls,
      attributes: new Map<string, Value>([
        ["set", run("set")],
        ["add", run("add")],
        ["multiply", run("multiply")],
        ["get", native("get", () => picked)],
      ]),
    };
  };
  const cls = makeClass({
    name: "at",
    bases: is(base, "class") ? [base] : [],
    fields: [],
    attributes: new Map<string, Value>([["__getitem__", native("__getitem__", (_, a) => indexed(a.positional[1] ?? null))]]),
  });
  return { k: "instance", id: interpreter.id(), cls, attributes: new Map() };
}

/** An attribute of an array; undefined where torch's serves as well. */
export function arrayAttribute(interpreter: Interpreter, t: TensorValue, name: string): Value | undefined {
  if (METHODS.has(name)) {
    const callable = arrays.callable(name);
    return callable && { k: "bound", callee: callable, self: t };
  }
  switch (name) {
    // nnx.Param and linen's boxed parameters.
    case "value":
    case "raw_value":
    case "real":
      return t;
    case "get_value":
    case "unbox":
    case "copy":
    case "block_until_ready":
      return native(name, () => t);
    case "at":
      return updates(interpreter, t);
    case "size":
      return int(shapeOf(interpreter, t).reduce((m, d) => m * d, 1));
    case "nbytes":
      return unknown("the size of an array in memory");
    default:
      return undefined;
  }
}
