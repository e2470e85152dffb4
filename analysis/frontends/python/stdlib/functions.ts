/** @file The built-in functions, apart from classes. */
import { getAttribute, setAttribute, tryAttribute } from "../evaluator/attributes";
import { truth } from "../evaluator/branches";
import { nextOf } from "../evaluator/containers";
import { PythonError, raise } from "../evaluator/errors";
import { formatValue, reprOf } from "../evaluator/format";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate, rangeLength } from "../evaluator/iterate";
import { binary, compare } from "../evaluator/operators";
import { sortValues } from "../evaluator/sorting";
import { dictKey, identity, intOf, is, isObject, numberOf, typeName } from "../values/inspect";
import { float, int, list, positional, tuple, unknown } from "../values/make";
import type { Arguments, NativeCall, Value } from "../values/value";
import { scalarTensor } from "../torch/arguments";
import { instanceOf } from "./instances";

/** `len(v)`. */
export function length(i: Interpreter, v: Value): Value {
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

/** `int(v)`. */
export function toInt(v: Value, base: number | undefined): Value {
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

/** `float(v)`. */
export function toFloat(v: Value): Value {
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

/** `dict(...)`. */
export function makeDict(i: Interpreter, a: Arguments): Value {
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

/** By name. */
export const FUNCTIONS: Readonly<Record<string, NativeCall>> = {
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
