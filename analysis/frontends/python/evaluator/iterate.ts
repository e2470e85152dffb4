/** @file The members of anything that can be iterated. */
import { is, isObject } from "../values/inspect";
import { int, positional } from "../values/make";
import type { InstanceValue, TensorValue, Value } from "../values/value";
import { tryAttribute } from "./attributes";
import { PythonError, raise } from "./errors";
import { call } from "./functions";
import type { Interpreter } from "./interpreter";
import { unbind } from "../torch/indexing";

/** Members of a range; longer ones are cut by the callers' limits. */
export function rangeLength(start: number, stop: number, step: number): number {
  if (step === 0) return 0;
  return Math.max(0, Math.ceil((stop - start) / step));
}

/** Longest sequence that is unrolled. */
const LONGEST = 20_000;

/**
 * The members in order, or undefined where they are not known. `count` is how many the caller unpacks, which tells the
 * rank of a graph input's shape. Throws PythonError (TypeError) for what cannot be iterated.
 */
export function iterate(interpreter: Interpreter, value: Value, count?: number): Value[] | undefined {
  if (typeof value === "string") return [...value];
  if (value === null || typeof value === "boolean") raise("TypeError", "this value is not iterable");
  switch (value.k) {
    case "list":
    case "tuple":
      return [...value.items];
    case "dict":
      return [...value.entries.values()].map((e) => e.key);
    case "set":
      return [...value.entries.values()];
    case "range": {
      const n = Math.min(rangeLength(value.start, value.stop, value.step), LONGEST);
      return Array.from({ length: n }, (_, i) => int(value.start + i * value.step));
    }
    case "iterator": {
      const rest = value.items.slice(value.at);
      const before = value.at;
      interpreter.journal.onRollback(() => {
        value.at = before;
      });
      value.at = value.items.length;
      return rest;
    }
    case "tensor": {
      if (value.shape === undefined) interpreter.builder.needShape(value, { minimumRank: 1 });
      if (value.shape === undefined) return undefined;
      if (value.shape.length === 0) raise("TypeError", "iteration over a 0-d tensor");
      if (value.shape[0]! > 512) return undefined;
      return unbind(interpreter, value, 0);
    }
    case "class": {
      // The members of an enumeration.
      const members = [...value.attributes.values()].filter((v) => is(v, "instance") && v.cls === value);
      return members.length > 0 ? members : undefined;
    }
    case "instance":
      return iterateInstance(interpreter, value, count);
    case "unknown":
    case "namespace":
      return undefined;
    default:
      return raise("TypeError", "this value is not iterable");
  }
}

function iterateInstance(interpreter: Interpreter, value: InstanceValue, count?: number): Value[] | undefined {
  const open = (value.native as { openShapeOf?: TensorValue } | undefined)?.openShapeOf;
  if (open && count !== undefined) interpreter.builder.needShape(open, { rank: count });
  const method = tryAttribute(interpreter, value, "__iter__");
  if (method !== undefined && !is(method, "unknown")) {
    const result = call(interpreter, method, positional());
    return result === value ? undefined : iterate(interpreter, result, count);
  }
  const getter = tryAttribute(interpreter, value, "__getitem__");
  if (is(getter, "unknown") || (method !== undefined && is(method, "unknown"))) return undefined;
  if (getter === undefined) raise("TypeError", `'${value.cls.name}' object is not iterable`);
  const out: Value[] = [];
  for (let i = 0; i < 512; i++) {
    try {
      const item = call(interpreter, getter, positional(int(i)));
      if (isObject(item) && item.k === "unknown") return undefined;
      out.push(item);
    } catch (error) {
      if (error instanceof PythonError && error.type === "IndexError") return out;
      throw error;
    }
  }
  return undefined;
}
