/** @file What a value is: its kind, the number behind it, its identity, what it equals, the tensors in it. */
import type { Value, ObjectValue, TensorValue } from "./value";

/** Whether a value is neither None nor a bool nor a string. */
export function isObject(v: Value | undefined): v is ObjectValue {
  return typeof v === "object" && v !== null;
}

/** Whether a value is of the given kind. */
export function is<K extends ObjectValue["k"]>(v: Value | undefined, k: K): v is Extract<ObjectValue, { k: K }> {
  return typeof v === "object" && v !== null && v.k === k;
}

/** The number behind an int, float or bool. */
export function numberOf(v: Value | undefined): number | undefined {
  if (typeof v === "boolean") return v ? 1 : 0;
  if (isObject(v) && (v.k === "int" || v.k === "float")) return v.v;
  return undefined;
}

/** The number behind an int or bool. */
export function intOf(v: Value | undefined): number | undefined {
  if (typeof v === "boolean") return v ? 1 : 0;
  if (is(v, "int")) return v.v;
  return undefined;
}

const identities = new WeakMap<object, number>();
let nextIdentity = 1;

/** A number that stands for an object's identity. */
export function identity(v: object): number {
  let id = identities.get(v);
  if (id === undefined) {
    id = nextIdentity++;
    identities.set(v, id);
  }
  return id;
}

/** A string that is equal for values that Python's dict holds for one key. */
export function dictKey(v: Value): string {
  if (v === null) return "None";
  if (typeof v === "string") return `s${v}`;
  const n = numberOf(v);
  if (n !== undefined) return `n${n}`;
  const o = v as ObjectValue;
  if (o.k === "tuple") return `(${o.items.map(dictKey).join(",")})`;
  if (o.k === "dtype") return `d${o.type}`;
  return `#${identity(o)}`;
}

/** Python's `==` for plain values; undefined where it is not known. */
export function equal(a: Value, b: Value): boolean | undefined {
  const x = numberOf(a);
  const y = numberOf(b);
  if (x !== undefined && y !== undefined) return x === y;
  if (is(a, "unknown") || is(b, "unknown") || is(a, "tensor") || is(b, "tensor")) return a === b ? true : undefined;
  if (a === null || b === null || typeof a === "string" || typeof b === "string") return a === b;
  if (x !== undefined || y !== undefined) return false;
  const p = a as ObjectValue;
  const q = b as ObjectValue;
  if ((p.k === "list" && q.k === "list") || (p.k === "tuple" && q.k === "tuple")) {
    if (p.items.length !== q.items.length) return false;
    for (let i = 0; i < p.items.length; i++) {
      const e = equal(p.items[i]!, q.items[i]!);
      if (e !== true) return e;
    }
    return true;
  }
  if (p.k === "dict" && q.k === "dict") {
    if (p.entries.size !== q.entries.size) return false;
    for (const [key, entry] of p.entries) {
      const other = q.entries.get(key);
      if (!other) return false;
      const e = equal(entry.value, other.value);
      if (e !== true) return e;
    }
    return true;
  }
  if (p.k === "dtype" && q.k === "dtype") return p.type === q.type;
  if (p.k === "range" && q.k === "range") return p.start === q.start && p.stop === q.stop && p.step === q.step;
  if (p.k === "set" && q.k === "set")
    return p.entries.size === q.entries.size && [...p.entries.keys()].every((key) => q.entries.has(key));
  return p === q;
}

/** Adds the tensors inside a value (containers included, modules not). */
export function collectTensors(v: Value | undefined, into: Set<TensorValue>, depth = 0): void {
  if (!isObject(v) || depth > 6) return;
  switch (v.k) {
    case "tensor":
      into.add(v);
      return;
    case "unknown":
      for (const t of v.inputs) into.add(t);
      return;
    case "list":
    case "tuple":
      for (const i of v.items) collectTensors(i, into, depth + 1);
      return;
    case "dict":
      for (const e of v.entries.values()) collectTensors(e.value, into, depth + 1);
      return;
    case "iterator":
      for (const i of v.items) collectTensors(i, into, depth + 1);
      return;
    default:
  }
}

/** The name of a value's type, as Python prints it. */
export function typeName(v: Value): string {
  if (v === null) return "NoneType";
  if (typeof v === "boolean") return "bool";
  if (typeof v === "string") return "str";
  switch (v.k) {
    case "instance":
      return v.cls.name;
    case "tensor":
      return v.parameter && !v.parameter.buffer ? "Parameter" : "Tensor";
    case "class":
      return "type";
    case "bound":
      return "method";
    case "native":
      return "builtin_function_or_method";
    case "namespace":
      return "module";
    default:
      return v.k;
  }
}
