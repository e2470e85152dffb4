/** @file Built-in functions and types. */
import { getAttribute, setAttribute, tryAttribute } from "../evaluator/attributes";
import { truth } from "../evaluator/branches";
import { makeClass, recordItems } from "../evaluator/classes";
import { nextOf } from "../evaluator/containers";
import { PythonError, raise } from "../evaluator/errors";
import { exceptionClasses } from "../evaluator/exceptions";
import { formatValue, reprOf, textOf } from "../evaluator/format";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate, rangeLength } from "../evaluator/iterate";
import { binary, compare } from "../evaluator/operators";
import { sortValues } from "../evaluator/sorting";
import {
  type Arguments,
  type ClassValue,
  dictKey,
  ELLIPSIS,
  float,
  identity,
  int,
  intOf,
  is,
  isObject,
  list,
  native,
  type NativeCall,
  numberOf,
  positional,
  tuple,
  typeName,
  unknown,
  type Value,
} from "../values/value";
import { scalarTensor } from "../torch/arguments";

/** The built-in names and the classes of built-in values. */
export interface Builtins {
  readonly names: ReadonlyMap<string, Value>;
  readonly object: ClassValue;
  readonly types: Readonly<Record<string, ClassValue>>;
}

function length(i: Interpreter, v: Value): Value {
  if (typeof v === "string") return int(v.length);
  if (!isObject(v)) return raise("TypeError", "object has no len()");
  switch (v.k) {
    case "list":
    case "tuple":
      return int(v.items.length);
    case "dict":
    case "set":
      return int(v.entries.size);
    case "range":
      return int(rangeLength(v.start, v.stop, v.step));
    case "unknown":
      return unknown("length", v);
    case "class":
      return int((iterate(i, v) ?? []).length);
    default: {
      const method = tryAttribute(i, v, "__len__");
      if (method !== undefined) return call(i, method, positional());
      return raise("TypeError", `object of type '${typeName(v)}' has no len()`);
    }
  }
}

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
  Mapping: (v) => is(v, "dict"),
  MutableMapping: (v) => is(v, "dict"),
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

function extremum(i: Interpreter, a: Arguments, sign: "<" | ">"): Value {
  const given = a.positional.length === 1 ? iterate(i, a.positional[0]!) : [...a.positional];
  if (!given) return unknown("extremum", a.positional[0] ?? null);
  if (given.length === 0) return a.keywords.get("default") ?? raise("ValueError", "max() arg is an empty sequence");
  const key = a.keywords.get("key");
  if (given.length > 1 && given.some((v) => is(v, "tensor"))) {
    return given.reduce((x, y) => binaryExtremum(i, x, y, sign));
  }
  const weigh = (v: Value): Value => (key === undefined || key === null ? v : call(i, key, positional(v)));
  let best: Value = given[0]!;
  let weight = weigh(best);
  for (const v of given.slice(1)) {
    const w = weigh(v);
    const better = truth(compare(i, sign, w, weight));
    if (better === undefined) return unknown("extremum", ...given);
    if (better) {
      best = v;
      weight = w;
    }
  }
  return best;
}

function binaryExtremum(i: Interpreter, x: Value, y: Value, sign: "<" | ">"): Value {
  if (is(x, "tensor") || is(y, "tensor")) {
    const p = i.builder.tensorOf(x);
    const q = i.builder.tensorOf(y);
    return p && q ? i.builder.node(sign === "<" ? "Min" : "Max", [p, i.builder.cast(q, p.type)]) : unknown("extremum", x, y);
  }
  return unknown("extremum", x, y);
}

function sum(i: Interpreter, a: Arguments): Value {
  const items = iterate(i, a.positional[0] ?? null);
  if (!items) return unknown("sum", a.positional[0] ?? null);
  let total: Value = a.positional[1] ?? a.keywords.get("start") ?? int(0);
  for (const v of items) total = binary(i, "+", total, v);
  return total;
}

function toInt(v: Value, base: number | undefined): Value {
  if (typeof v === "string") {
    const n = base === undefined ? Number(v.trim().replaceAll("_", "")) : Number.parseInt(v, base);
    return Number.isInteger(n) && v.trim() !== "" ? int(n) : raise("ValueError", `invalid literal for int(): '${v}'`);
  }
  const n = numberOf(v) ?? scalarTensor(v);
  if (n !== undefined) return int(Math.trunc(n));
  if (is(v, "instance")) {
    const value = v.attributes.get("value");
    if (is(value, "int")) return value;
  }
  return unknown("int", v);
}

function toFloat(v: Value): Value {
  if (typeof v === "string") {
    const t = v.trim().toLowerCase();
    if (t === "inf" || t === "infinity" || t === "+inf") return float(Number.POSITIVE_INFINITY);
    if (t === "-inf" || t === "-infinity") return float(Number.NEGATIVE_INFINITY);
    if (t === "nan") return float(Number.NaN);
    const n = Number(t);
    return Number.isNaN(n) ? raise("ValueError", `could not convert string to float: '${v}'`) : float(n);
  }
  const n = numberOf(v) ?? scalarTensor(v);
  return n === undefined ? unknown("float", v) : float(n);
}

function round(v: Value, digits: Value | undefined): Value {
  const n = numberOf(v);
  if (n === undefined) return unknown("round", v);
  const d = intOf(digits);
  if (d === undefined) {
    const floor = Math.floor(n);
    const rest = n - floor;
    return int(rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1);
  }
  const scale = 10 ** d;
  return float(Math.round(n * scale) / scale);
}

function entriesOf(i: Interpreter, v: Value): [Value, Value][] | undefined {
  if (is(v, "dict")) return [...v.entries.values()].map((e) => [e.key, e.value]);
  if (is(v, "instance")) {
    const items = tryAttribute(i, v, "items");
    if (items !== undefined && !is(items, "unknown")) return entriesOf(i, call(i, items, positional()));
  }
  const pairs = iterate(i, v);
  return pairs?.flatMap((p): [Value, Value][] => {
    const parts = iterate(i, p);
    return parts?.length === 2 ? [[parts[0]!, parts[1]!]] : [];
  });
}

function makeDict(i: Interpreter, a: Arguments): Value {
  const entries = new Map<string, { key: Value; value: Value }>();
  const from = a.positional[0];
  if (from !== undefined) {
    const pairs = entriesOf(i, from);
    if (!pairs) return unknown("dict", from);
    for (const [key, value] of pairs) entries.set(dictKey(key), { key, value });
  }
  for (const [key, value] of a.keywords) entries.set(dictKey(key), { key, value });
  return { k: "dict", entries };
}

function zip(i: Interpreter, a: Arguments): Value {
  const columns = a.positional.map((v) => iterate(i, v));
  if (columns.some((c) => c === undefined)) return unknown("zip", ...a.positional);
  const n = Math.min(...columns.map((c) => c!.length), columns.length === 0 ? 0 : Number.POSITIVE_INFINITY);
  return { k: "iterator", items: Array.from({ length: n }, (_, r) => tuple(columns.map((c) => c![r]!))), at: 0 };
}

/** An attribute that is really there: no witness is made up for it, and AttributeError counts as absence. */
function declaredAttribute(i: Interpreter, v: Value, name: string): Value | undefined {
  const before = i.inventing;
  i.inventing = false;
  try {
    return tryAttribute(i, v, name);
  } catch (error) {
    if (error instanceof PythonError && error.type === "AttributeError") return undefined;
    throw error;
  } finally {
    i.inventing = before;
  }
}

const FUNCTIONS: Readonly<Record<string, NativeCall>> = {
  len: (i, a) => length(i, a.positional[0] ?? null),
  isinstance: (i, a) => instanceOf(i, a.positional[0] ?? null, a.positional[1] ?? null) ?? unknown("isinstance"),
  issubclass: (_, a) => {
    const [c, of] = a.positional;
    const one = (b: Value): boolean | undefined => (is(c, "class") && is(b, "class") ? c.order.includes(b) : undefined);
    const result = is(of, "tuple") ? (of.items.some((b) => one(b) === true) ? true : false) : one(of ?? null);
    return result ?? unknown("issubclass");
  },
  hasattr: (i, a) => {
    const [v, name] = a.positional;
    if (v === undefined || typeof name !== "string") return unknown("hasattr");
    const found = declaredAttribute(i, v, name);
    if (is(found, "unknown") && !(is(v, "instance") && v.attributes.has(name)))
      return is(v, "unknown") || is(v, "instance") ? unknown("hasattr") : true;
    return found !== undefined;
  },
  getattr: (i, a) => {
    const [v, name, fallback] = a.positional;
    if (v === undefined || typeof name !== "string") return unknown("getattr", v ?? null);
    if (fallback === undefined) return getAttribute(i, v, name);
    const found = declaredAttribute(i, v, name);
    return found === undefined || (is(found, "unknown") && !is(v, "unknown")) ? (found === undefined ? fallback : found) : found;
  },
  setattr: (i, a) => {
    const [v, name, value] = a.positional;
    if (v !== undefined && typeof name === "string" && value !== undefined) setAttribute(i, v, name, value);
    return null;
  },
  delattr: (i, a) => {
    const [v, name] = a.positional;
    if (is(v, "instance") && typeof name === "string") i.journal.delete(v.attributes, name);
    return null;
  },
  callable: (i, a) => {
    const v = a.positional[0] ?? null;
    if (is(v, "instance")) return tryAttribute(i, v, "__call__") !== undefined;
    return is(v, "unknown")
      ? unknown("callable")
      : isObject(v) && ["function", "bound", "native", "partial", "class"].includes(v.k);
  },
  enumerate: (i, a) => {
    const items = iterate(i, a.positional[0] ?? null);
    const start = intOf(a.positional[1] ?? a.keywords.get("start")) ?? 0;
    if (!items) return unknown("enumerate", a.positional[0] ?? null);
    return { k: "iterator", items: items.map((v, n) => tuple([int(start + n), v])), at: 0 };
  },
  zip,
  map: (i, a) => {
    const [f, ...columns] = a.positional;
    const rows = columns.map((c) => iterate(i, c));
    if (f === undefined || rows.some((r) => r === undefined)) return unknown("map", ...a.positional);
    const n = Math.min(...rows.map((r) => r!.length));
    return {
      k: "iterator",
      items: Array.from({ length: n }, (_, k) => call(i, f, positional(...rows.map((r) => r![k]!)))),
      at: 0,
    };
  },
  filter: (i, a) => {
    const [f, v] = a.positional;
    const items = v === undefined ? undefined : iterate(i, v);
    if (f === undefined || !items) return unknown("filter", v ?? null);
    return { k: "iterator", items: items.filter((x) => truth(f === null ? x : call(i, f, positional(x))) !== false), at: 0 };
  },
  sum,
  min: (i, a) => extremum(i, a, "<"),
  max: (i, a) => extremum(i, a, ">"),
  abs: (i, a) => {
    const v = a.positional[0] ?? null;
    const n = numberOf(v);
    if (n !== undefined) return intOf(v) !== undefined ? int(Math.abs(n)) : float(Math.abs(n));
    return is(v, "tensor") ? i.builder.node("Abs", [v]) : unknown("abs", v);
  },
  round: (_, a) => round(a.positional[0] ?? null, a.positional[1]),
  pow: (i, a) => binary(i, "**", a.positional[0] ?? null, a.positional[1] ?? null),
  divmod: (i, a) =>
    tuple([
      binary(i, "//", a.positional[0] ?? null, a.positional[1] ?? null),
      binary(i, "%", a.positional[0] ?? null, a.positional[1] ?? null),
    ]),
  sorted: (i, a) => {
    const items = iterate(i, a.positional[0] ?? null);
    const sorted = items && sortValues(i, items, a.keywords.get("key"), a.keywords.get("reverse"));
    return sorted ? list(sorted) : unknown("sorted", a.positional[0] ?? null);
  },
  reversed: (i, a) => {
    const items = iterate(i, a.positional[0] ?? null);
    return items ? { k: "iterator", items: items.reverse(), at: 0 } : unknown("reversed", a.positional[0] ?? null);
  },
  any: (i, a) => quantified(i, a, true),
  all: (i, a) => quantified(i, a, false),
  iter: (i, a) => {
    const v = a.positional[0] ?? null;
    if (is(v, "iterator")) return v;
    const items = iterate(i, v);
    return items ? { k: "iterator", items, at: 0 } : unknown("iter", v);
  },
  next: (i, a) => nextOf(i, a.positional[0] ?? null, a.positional[1]),
  id: (_, a) => (isObject(a.positional[0]) ? int(identity(a.positional[0])) : unknown("id")),
  hash: (_, a) => unknown("hash", a.positional[0] ?? null),
  repr: (_, a) => reprOf(a.positional[0] ?? null) ?? unknown("repr"),
  ascii: (_, a) => reprOf(a.positional[0] ?? null) ?? unknown("repr"),
  format: (_, a) => {
    const spec = a.positional[1];
    return formatValue(a.positional[0] ?? null, typeof spec === "string" ? spec : "", "") ?? unknown("format");
  },
  ord: (_, a) => (typeof a.positional[0] === "string" ? int(a.positional[0].codePointAt(0) ?? 0) : unknown("ord")),
  chr: (_, a) => {
    const n = intOf(a.positional[0]);
    return n === undefined ? unknown("chr") : String.fromCodePoint(n);
  },
  hex: (_, a) => (intOf(a.positional[0]) === undefined ? unknown("hex") : `0x${intOf(a.positional[0])!.toString(16)}`),
  print: () => null,
  input: () => unknown("input"),
  open: () => unknown("a file"),
  exec: () => null,
  eval: () => unknown("eval"),
  compile: () => unknown("compile"),
  breakpoint: () => null,
  exit: () => raise("SystemExit", "exit"),
  quit: () => raise("SystemExit", "quit"),
  globals: () => unknown("globals"),
  locals: () => unknown("locals"),
  dir: () => unknown("dir"),
  vars: (i, a) => getAttribute(i, a.positional[0] ?? null, "__dict__"),
  __import__: (i, a) => {
    const name = a.positional[0];
    return typeof name === "string" ? (i.environment.importModule(name, undefined) ?? unknown(name)) : unknown("import");
  },
  super: (_, a) => {
    const [after, self] = a.positional;
    return is(after, "class") && (is(self, "instance") || is(self, "class")) ? { k: "super", after, self } : unknown("super");
  },
};

function quantified(i: Interpreter, a: Arguments, wanted: boolean): Value {
  const items = iterate(i, a.positional[0] ?? null);
  if (!items) return unknown("any", a.positional[0] ?? null);
  let known = true;
  for (const v of items) {
    const t = truth(v);
    if (t === wanted) return wanted;
    if (t === undefined) known = false;
  }
  return known ? !wanted : unknown("any", ...items);
}

/** Makes the built-in names. Each call makes fresh classes. */
export function makeBuiltins(): Builtins {
  const object = makeClass({ name: "object", bases: [], fields: [] });
  const types: Record<string, ClassValue> = { object };
  const names = new Map<string, Value>();
  const type = (name: string, construct: (i: Interpreter, a: Arguments) => Value, base = object): ClassValue => {
    // A class written in Python that derives from a built-in type makes plain instances.
    const cls = makeClass({
      name,
      bases: [base],
      fields: [],
      construct: (i, c, a) => {
        if (!c.module) return construct(i, a);
        return makeDerived(i, c, a, name);
      },
    });
    types[name] = cls;
    names.set(name, cls);
    return cls;
  };
  names.set("object", object);
  object.attributes.set("__new__", {
    k: "wrapper",
    form: "static",
    callee: native("object.__new__", (i, a) => newInstance(i, a)),
  });
  object.attributes.set("__getattribute__", {
    k: "wrapper",
    form: "static",
    callee: native("object.__getattribute__", (i, a) => getAttribute(i, a.positional[0] ?? null, String(a.positional[1]))),
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

function newInstance(i: Interpreter, a: Arguments): Value {
  const cls = a.positional[0];
  if (!is(cls, "class")) return unknown("object.__new__");
  const made = i.construction(cls);
  return { k: "instance", id: i.id(), cls, attributes: new Map(), ...(made ? { made } : {}) };
}

/** Instances of classes that derive from dict, list, str, ...: attributes plus the methods of the payload where it helps. */
function makeDerived(i: Interpreter, cls: ClassValue, a: Arguments, base: string): Value {
  const made = i.construction(cls);
  const self: Value = { k: "instance", id: i.id(), cls, attributes: new Map(), ...(made ? { made } : {}) };
  if (base === "dict") {
    const payload = makeDict(i, { positional: a.positional.filter((p) => is(p, "dict")), keywords: a.keywords });
    cls.attributes.set(
      "__getitem__",
      cls.attributes.get("__getitem__") ??
        native("__getitem__", (j, b) => getAttribute(j, b.positional[0] ?? null, String(b.positional[1]))),
    );
    if (is(payload, "dict"))
      for (const e of payload.entries.values()) if (typeof e.key === "string") self.attributes.set(e.key, e.value);
  }
  const init = cls.order.find((c) => c.module && c.attributes.has("__init__"))?.attributes.get("__init__");
  if (init !== undefined) call(i, init, { ...a, positional: [self, ...a.positional] });
  return self;
}
