/** @file What `isinstance` says. */
import type { Interpreter } from "../evaluator/interpreter";
import { contentsOf } from "../evaluator/derived";
import { intOf, is, isObject, numberOf } from "../values/inspect";
import type { Value } from "../values/value";

/** Whether a value is an instance of a class or of one in a tuple; undefined where that is not known. */
export function instanceOf(i: Interpreter, v: Value, cls: Value): boolean | undefined {
  if (is(cls, "tuple") || is(cls, "list")) {
    let out: boolean | undefined = false;
    for (const c of cls.items) {
      const one = instanceOf(i, v, c);
      if (one === true) return true;
      if (one === undefined) out = undefined;
    }
    return out;
  }
  if (is(v, "unknown")) return undefined;
  if (cls === null) return v === null;
  if (!is(cls, "class")) {
    // A class of a package that is not here: nothing that was made here is one of it, unless something unknown made it.
    if (is(cls, "unknown")) return is(v, "instance") && v.cls.order.some((c) => c.openBase) ? undefined : false;
    if (is(cls, "native")) return cls.name === "callable" ? true : undefined;
    return undefined;
  }
  if (cls.name === "object") return true;
  const own = i.environment.classOf(v);
  if (!own) return undefined;
  if (own.order.includes(cls)) return true;
  const virtual = VIRTUAL[cls.name];
  if (virtual && cls.module === undefined) return virtual(v);
  if (own.name === cls.name && own.module && cls.module && own.module.name === cls.module.name) return true;
  if (cls.name === "float" && own.name === "float") return true;
  return own.order.some((c) => c.openBase) ? undefined : false;
}

const sequence = (v: Value): boolean => typeof v === "string" || is(v, "list") || is(v, "tuple") || is(v, "range");

/** Abstract classes of collections.abc, typing and numbers. */
const VIRTUAL: Readonly<Record<string, (v: Value) => boolean | undefined>> = {
  Callable: (v) => isObject(v) && ["function", "bound", "native", "partial", "class"].includes(v.k),
  Iterable: (v) => sequence(v) || is(v, "dict") || is(v, "set") || is(v, "iterator") || is(v, "tensor"),
  Sequence: sequence,
  Collection: (v) => sequence(v) || is(v, "dict") || is(v, "set"),
  Mapping: (v) => is(contentsOf(v), "dict"),
  MutableMapping: (v) => is(contentsOf(v), "dict"),
  Iterator: (v) => is(v, "iterator"),
  Generator: (v) => is(v, "iterator"),
  Number: (v) => numberOf(v) !== undefined,
  Real: (v) => numberOf(v) !== undefined,
  Integral: (v) => intOf(v) !== undefined,
  Hashable: () => true,
  FunctionType: (v) => is(v, "function"),
  LambdaType: (v) => is(v, "function"),
  MethodType: (v) => is(v, "bound"),
  BuiltinFunctionType: (v) => is(v, "native"),
  GeneratorType: (v) => is(v, "iterator"),
  ModuleType: (v) => is(v, "namespace"),
};
