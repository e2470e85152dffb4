/** @file Built-in functions and types. */
import { getAttribute, instanceAttribute, setAttribute } from "../evaluator/attributes";
import { truth } from "../evaluator/branches";
import { instantiate, makeClass, newInstance, recordItems } from "../evaluator/classes";
import { raise } from "../evaluator/errors";
import { inheritMethods, isContainer } from "../evaluator/derived";
import { exceptionClasses } from "../evaluator/exceptions";
import { textOf } from "../evaluator/format";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { dictKey, intOf, is } from "../values/inspect";
import { ELLIPSIS, float, int, list, native, tuple, unknown } from "../values/make";
import type { Arguments, ClassValue, Value } from "../values/value";
import { scalarTensor } from "../torch/arguments";
import { FUNCTIONS, makeDict, toFloat, toInt } from "./functions";

/** The built-in names and the classes of built-in values. */
export interface Builtins {
  readonly names: ReadonlyMap<string, Value>;
  readonly object: ClassValue;
  readonly types: Readonly<Record<string, ClassValue>>;
}

/** Makes the built-in names. Each call makes fresh classes. */
export function makeBuiltins(): Builtins {
  const object = makeClass({ name: "object", bases: [], fields: [] });
  const types: Record<string, ClassValue> = { object };
  const names = new Map<string, Value>();
  const type = (name: string, construct: (i: Interpreter, a: Arguments) => Value, base = object): ClassValue => {
    const cls = makeClass({
      name,
      bases: [base],
      fields: [],
      construct: (i, c, a) => {
        return c.module ? instantiate(i, c, a) : construct(i, a);
      },
    });
    if (isContainer(name)) inheritMethods(cls, name);
    types[name] = cls;
    names.set(name, cls);
    return cls;
  };
  names.set("object", object);
  object.attributes.set("__new__", {
    k: "wrapper",
    form: "static",
    callee: native("object.__new__", (i, a) => {
      const [cls, ...rest] = a.positional;
      return is(cls, "class") ? newInstance(i, cls, { ...a, positional: rest }) : unknown("object.__new__");
    }),
  });
  object.attributes.set("__getattribute__", {
    k: "wrapper",
    form: "static",
    callee: native("object.__getattribute__", (i, a) => {
      const [self, name] = [a.positional[0] ?? null, String(a.positional[1])];
      if (!is(self, "instance")) return getAttribute(i, self, name);
      const found = instanceAttribute(i, self, name);
      return found === undefined ? raise("AttributeError", `'${self.cls.name}' object has no attribute '${name}'`) : found;
    }),
  });
  object.attributes.set("__setattr__", {
    k: "wrapper",
    form: "static",
    callee: native("object.__setattr__", (i, a) => {
      if (typeof a.positional[1] === "string")
        setAttribute(i, a.positional[0] ?? null, a.positional[1], a.positional[2] ?? null, true);
      return null;
    }),
  });
  type("int", (_, a) =>
    a.positional.length === 0 ? int(0) : toInt(a.positional[0]!, intOf(a.positional[1] ?? a.keywords.get("base"))),
  );
  type(
    "bool",
    (_, a) => {
      const v = a.positional[0] ?? false;
      return truth(v) ?? unknown("bool", v);
    },
    types["int"],
  );
  type("float", (_, a) => (a.positional.length === 0 ? float(0) : toFloat(a.positional[0]!)));
  type("complex", () => unknown("complex number"));
  type("str", (_, a) => (a.positional.length === 0 ? "" : (textOf(a.positional[0]!) ?? unknown("text", a.positional[0]!))));
  type("bytes", (_, a) => a.positional[0] ?? "");
  type("list", (i, a) => {
    const items = a.positional.length === 0 ? [] : iterate(i, a.positional[0]!);
    return items ? list(items) : unknown("list", a.positional[0]!);
  });
  type("tuple", (i, a) => {
    const from = a.positional[0];
    if (is(from, "instance")) {
      const record = recordItems(from);
      if (record) return tuple(record);
    }
    const items = from === undefined ? [] : iterate(i, from);
    return items ? tuple(items) : unknown("tuple", from!);
  });
  type("set", (i, a) => {
    const items = a.positional.length === 0 ? [] : iterate(i, a.positional[0]!);
    return items ? { k: "set", entries: new Map(items.map((v) => [dictKey(v), v])) } : unknown("set", a.positional[0]!);
  });
  names.set("frozenset", types["set"]!);
  type("dict", makeDict);
  type("range", (_, a) => {
    const [x, y, z] = a.positional.map((v) => intOf(v) ?? scalarTensor(v));
    if (
      a.positional.length === 0 ||
      x === undefined ||
      (a.positional.length > 1 && y === undefined) ||
      (a.positional.length > 2 && z === undefined)
    ) {
      return unknown("range with unknown bounds", ...a.positional);
    }
    return a.positional.length === 1
      ? { k: "range", start: 0, stop: x, step: 1 }
      : { k: "range", start: x, stop: y!, step: z ?? 1 };
  });
  type("slice", (_, a) => {
    const [x, y, z] = a.positional;
    return a.positional.length === 1
      ? { k: "slice", lower: null, upper: x ?? null, step: null }
      : { k: "slice", lower: x ?? null, upper: y ?? null, step: z ?? null };
  });
  type("type", (i, a) => {
    if (a.positional.length === 1) return i.environment.classOf(a.positional[0]!) ?? unknown("type", a.positional[0]!);
    const [name, bases] = a.positional;
    const parents = is(bases, "tuple") ? bases.items.filter((b) => is(b, "class")) : [];
    return makeClass({
      name: typeof name === "string" ? name : "type",
      bases: parents.length > 0 ? parents : [object],
      fields: [],
    });
  });
  type("property", (_, a) => ({
    k: "property",
    getter: a.positional[0] ?? a.keywords.get("fget") ?? null,
    ...(a.positional[1] !== undefined ? { setter: a.positional[1] } : {}),
  }));
  type("staticmethod", (_, a) => ({ k: "wrapper", form: "static", callee: a.positional[0] ?? null }));
  type("classmethod", (_, a) => ({ k: "wrapper", form: "class", callee: a.positional[0] ?? null }));
  type("NoneType", () => null);
  type("function", () => unknown("function"));
  type("module", () => unknown("module"));
  type("ellipsis", () => ELLIPSIS);
  for (const hidden of ["NoneType", "function", "module", "ellipsis"]) names.delete(hidden);
  for (const [name, run] of Object.entries(FUNCTIONS)) names.set(name, native(name, run));
  for (const [name, cls] of exceptionClasses(object)) names.set(name, cls);
  names.set("NotImplemented", unknown("NotImplemented"));
  names.set("Ellipsis", ELLIPSIS);
  names.set("__name__", "module");
  names.set("__file__", "module.py");
  names.set("__debug__", true);
  names.set("__doc__", null);
  names.set("__path__", list([]));
  names.set("__package__", "");
  return { names, object, types };
}
