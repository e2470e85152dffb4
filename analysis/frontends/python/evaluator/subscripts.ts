/** @file Subscripts: reading, storing and deleting items. */
import { dictKey, intOf, is, isObject } from "../values/inspect";
import { int, list, positional, tuple, unknown } from "../values/make";
import type { ListValue, SliceValue, Value } from "../values/value";
import { tryAttribute } from "./attributes";
import { raise } from "./errors";
import { call } from "./functions";
import type { Interpreter } from "./interpreter";
import { iterate, rangeLength } from "./iterate";
import { indexTensor, storeTensor } from "../torch/indexing";

/** Python's normalisation of slice bounds. Undefined where a bound is not known. */
export function sliceBounds(s: SliceValue, length: number): { start: number; stop: number; step: number } | undefined {
  const bound = (v: Value): number | null | undefined => (v === null ? null : intOf(v));
  const step = bound(s.step);
  const lower = bound(s.lower);
  const upper = bound(s.upper);
  if (step === undefined || lower === undefined || upper === undefined || step === 0) return undefined;
  const by = step ?? 1;
  const clamp = (v: number): number => (by > 0 ? Math.min(Math.max(v, 0), length) : Math.min(Math.max(v, -1), length - 1));
  const wrap = (v: number): number => clamp(v < 0 ? v + length : v);
  const start = lower === null ? (by > 0 ? 0 : length - 1) : wrap(lower);
  const stop = upper === null ? (by > 0 ? length : -1) : wrap(upper);
  return { start, stop, step: by };
}

function sliceItems(items: readonly Value[], s: SliceValue): Value[] | undefined {
  const b = sliceBounds(s, items.length);
  if (!b) return undefined;
  const n = rangeLength(b.start, b.stop, b.step);
  return Array.from({ length: n }, (_, i) => items[b.start + i * b.step]!);
}

/** `object[index]`. Throws PythonError where Python would. */
export function getItem(interpreter: Interpreter, object: Value, index: Value): Value {
  if (is(object, "tensor")) return indexTensor(interpreter, object, index);
  if (typeof object === "string") {
    const chars = [...object];
    if (is(index, "slice")) return sliceItems(chars, index)?.join("") ?? unknown("slice");
    const i = intOf(index);
    if (i === undefined) return unknown("character");
    return chars.at(i) ?? raise("IndexError", "string index out of range");
  }
  if (!isObject(object)) raise("TypeError", "this value cannot be subscripted");
  switch (object.k) {
    case "list":
    case "tuple": {
      if (is(index, "slice")) {
        const part = sliceItems(object.items, index);
        if (!part) return unknown("slice", object);
        return object.k === "list" ? list(part) : tuple(part);
      }
      const i = intOf(index);
      if (i !== undefined) return object.items.at(i) ?? missingItem(object.items, i);
      if (typeof index === "string" && object.k === "tuple" && object.names) {
        const at = object.names.indexOf(index);
        return at >= 0 ? object.items[at]! : raise("KeyError", index);
      }
      return unknown("item", object);
    }
    case "dict": {
      if (is(index, "unknown")) return unknown("item of a dictionary under an unknown key", object);
      const entry = object.entries.get(dictKey(index));
      if (entry) return entry.value;
      if (object.factory !== undefined && object.factory !== null) {
        const value = call(interpreter, object.factory, positional());
        interpreter.journal.set(object.entries, dictKey(index), { key: index, value });
        return value;
      }
      return raise("KeyError", typeof index === "string" ? `'${index}'` : "key");
    }
    case "range": {
      const n = rangeLength(object.start, object.stop, object.step);
      if (is(index, "slice")) {
        const b = sliceBounds(index, n);
        if (!b) return unknown("slice");
        const at = (i: number): number => object.start + i * object.step;
        return { k: "range", start: at(b.start), stop: at(b.stop), step: object.step * b.step };
      }
      const i = intOf(index);
      if (i === undefined) return unknown("item");
      const wrapped = i < 0 ? i + n : i;
      return wrapped >= 0 && wrapped < n
        ? int(object.start + wrapped * object.step)
        : raise("IndexError", "range index out of range");
    }
    case "instance": {
      const method = tryAttribute(interpreter, object, "__getitem__");
      if (method === undefined) return raise("TypeError", `'${object.cls.name}' object is not subscriptable`);
      return call(interpreter, method, positional(index));
    }
    case "class": {
      // Generic[T], or a member of an enumeration by name.
      if (typeof index === "string") {
        const member = object.attributes.get(index);
        if (is(member, "instance") && member.cls === object) return member;
      }
      const getter = object.attributes.get("__class_getitem__");
      return is(getter, "wrapper") ? call(interpreter, getter.callee, positional(object, index)) : object;
    }
    case "iterator":
      return unknown("item of an iterator", object);
    default:
      return unknown("item", object);
  }
}

function missingItem(items: readonly Value[], i: number): Value {
  const wrapped = i < 0 ? i + items.length : i;
  if (wrapped < 0 || wrapped >= items.length) raise("IndexError", `index ${i} is out of range for ${items.length} members`);
  return items[wrapped]!;
}

function storeSlice(interpreter: Interpreter, object: ListValue, index: SliceValue, value: Value): void {
  const b = sliceBounds(index, object.items.length);
  const members = iterate(interpreter, value);
  if (!b || !members) return;
  const items = [...object.items];
  if (b.step === 1) items.splice(b.start, Math.max(0, b.stop - b.start), ...members);
  else members.forEach((m, i) => (items[b.start + i * b.step] = m));
  interpreter.journal.setItems(object, items);
}

/** `object[index] = value`. */
export function setItem(interpreter: Interpreter, object: Value, index: Value, value: Value): void {
  if (is(object, "tensor")) {
    storeTensor(interpreter, object, index, value);
    return;
  }
  if (!isObject(object)) raise("TypeError", "this value does not support item assignment");
  switch (object.k) {
    case "list": {
      if (is(index, "slice")) {
        storeSlice(interpreter, object, index, value);
        return;
      }
      const i = intOf(index);
      if (i === undefined) return;
      const at = i < 0 ? i + object.items.length : i;
      if (at < 0 || at >= object.items.length) raise("IndexError", "list assignment index out of range");
      const items = [...object.items];
      items[at] = value;
      interpreter.journal.setItems(object, items);
      return;
    }
    case "dict":
      if (index === "lr" && object.entries.has("slr") && object.entries.has("sparams"))
        interpreter.onFact?.("schedule by hand", positional(value), value);
      if (!is(index, "unknown")) interpreter.journal.set(object.entries, dictKey(index), { key: index, value });
      return;
    case "instance": {
      const method = tryAttribute(interpreter, object, "__setitem__");
      if (method !== undefined) call(interpreter, method, positional(index, value));
      return;
    }
    default:
      return;
  }
}

/** `del object[index]`. */
export function deleteItem(interpreter: Interpreter, object: Value, index: Value): void {
  if (is(object, "dict")) interpreter.journal.delete(object.entries, dictKey(index));
  else if (is(object, "list")) {
    const items = [...object.items];
    if (is(index, "slice")) {
      const b = sliceBounds(index, items.length);
      if (!b) return;
      items.splice(b.start, Math.max(0, b.stop - b.start));
    } else {
      const i = intOf(index);
      if (i === undefined) return;
      items.splice(i < 0 ? i + items.length : i, 1);
    }
    interpreter.journal.setItems(object, items);
  } else if (is(object, "instance")) {
    const method = tryAttribute(interpreter, object, "__delitem__");
    if (method !== undefined && !is(method, "unknown")) call(interpreter, method, positional(index));
  }
}
