/** @file Methods of strings, lists, dictionaries, sets and tuples. */
import { dictKey, equal, intOf, is } from "../values/inspect";
import { int, list, native, tuple, unknown } from "../values/make";
import type { Arguments, Value } from "../values/value";
import { PythonError, raise } from "./errors";
import { braceFormat, textOf } from "./format";
import type { Interpreter } from "./interpreter";
import { iterate } from "./iterate";
import { sortValues } from "./sorting";
import { getItem, setItem } from "./subscripts";

type Method<T> = (interpreter: Interpreter, self: T, args: Arguments) => Value;
type Of<K extends string> = Extract<Exclude<Value, null | boolean | string>, { k: K }>;

function text(v: Value | undefined): string | undefined {
  return typeof v === "string" ? v : undefined;
}

const STRING: Readonly<Record<string, Method<string>>> = {
  format: (_, s, a) => braceFormat(s, a.positional, a.keywords) ?? unknown("formatted text"),
  lower: (_, s) => s.toLowerCase(),
  upper: (_, s) => s.toUpperCase(),
  title: (_, s) => s.replace(/\b\w/g, (c) => c.toUpperCase()),
  capitalize: (_, s) => s.charAt(0).toUpperCase() + s.slice(1).toLowerCase(),
  strip: (_, s, a) => trim(s, text(a.positional[0]), true, true),
  lstrip: (_, s, a) => trim(s, text(a.positional[0]), true, false),
  rstrip: (_, s, a) => trim(s, text(a.positional[0]), false, true),
  startswith: (_, s, a) => affix(a.positional[0], (p) => s.startsWith(p)),
  endswith: (_, s, a) => affix(a.positional[0], (p) => s.endsWith(p)),
  removeprefix: (_, s, a) => (s.startsWith(text(a.positional[0]) ?? "\0") ? s.slice((a.positional[0] as string).length) : s),
  removesuffix: (_, s, a) =>
    s.endsWith(text(a.positional[0]) ?? "\0") ? s.slice(0, -(a.positional[0] as string).length || undefined) : s,
  replace: (_, s, a) => {
    const [from, to] = a.positional;
    return typeof from === "string" && typeof to === "string" ? s.replaceAll(from, to) : unknown("text");
  },
  split: (_, s, a) =>
    splitText(s, a.positional[0] ?? a.keywords.get("sep"), intOf(a.positional[1] ?? a.keywords.get("maxsplit")), false),
  rsplit: (_, s, a) =>
    splitText(s, a.positional[0] ?? a.keywords.get("sep"), intOf(a.positional[1] ?? a.keywords.get("maxsplit")), true),
  splitlines: (_, s) => list(s.split(/\r?\n/)),
  join: (interpreter, s, a) => {
    const items = iterate(interpreter, a.positional[0] ?? null);
    return items?.every((i) => typeof i === "string") ? items.join(s) : unknown("text");
  },
  find: (_, s, a) => int(s.indexOf(text(a.positional[0]) ?? "\0")),
  rfind: (_, s, a) => int(s.lastIndexOf(text(a.positional[0]) ?? "\0")),
  index: (_, s, a) => {
    const i = s.indexOf(text(a.positional[0]) ?? "\0");
    return i >= 0 ? int(i) : raise("ValueError", "substring not found");
  },
  count: (_, s, a) => int(s.split(text(a.positional[0]) ?? "\0").length - 1),
  isdigit: (_, s) => /^\d+$/.test(s),
  isnumeric: (_, s) => /^\d+$/.test(s),
  isalpha: (_, s) => /^[A-Za-z]+$/.test(s),
  isupper: (_, s) => s === s.toUpperCase() && s !== s.toLowerCase(),
  islower: (_, s) => s === s.toLowerCase() && s !== s.toUpperCase(),
  partition: (_, s, a) => {
    const separator = text(a.positional[0]) ?? "\0";
    const i = s.indexOf(separator);
    return i < 0 ? tuple([s, "", ""]) : tuple([s.slice(0, i), separator, s.slice(i + separator.length)]);
  },
  rpartition: (_, s, a) => {
    const separator = text(a.positional[0]) ?? "\0";
    const i = s.lastIndexOf(separator);
    return i < 0 ? tuple(["", "", s]) : tuple([s.slice(0, i), separator, s.slice(i + separator.length)]);
  },
  zfill: (_, s, a) => s.padStart(intOf(a.positional[0]) ?? 0, "0"),
  ljust: (_, s, a) => s.padEnd(intOf(a.positional[0]) ?? 0),
  rjust: (_, s, a) => s.padStart(intOf(a.positional[0]) ?? 0),
  encode: (_, s) => s,
  decode: (_, s) => s,
};

function trim(s: string, characters: string | undefined, left: boolean, right: boolean): string {
  if (characters === undefined) return left && right ? s.trim() : left ? s.trimStart() : s.trimEnd();
  let from = 0;
  let to = s.length;
  while (left && from < to && characters.includes(s[from]!)) from++;
  while (right && to > from && characters.includes(s[to - 1]!)) to--;
  return s.slice(from, to);
}

function affix(v: Value | undefined, test: (p: string) => boolean): Value {
  if (typeof v === "string") return test(v);
  if (is(v, "tuple")) return v.items.some((p) => typeof p === "string" && test(p));
  return unknown("affix");
}

function splitText(s: string, separator: Value | undefined, limit: number | undefined, fromRight: boolean): Value {
  const by = typeof separator === "string" ? separator : undefined;
  let parts =
    by === undefined
      ? s
          .trim()
          .split(/\s+/)
          .filter((p) => p !== "")
      : s.split(by);
  if (limit !== undefined && limit >= 0 && parts.length > limit + 1) {
    const joiner = by ?? " ";
    parts = fromRight
      ? [parts.slice(0, parts.length - limit).join(joiner), ...parts.slice(parts.length - limit)]
      : [...parts.slice(0, limit), parts.slice(limit).join(joiner)];
  }
  return list(parts);
}

function indexOf(items: readonly Value[], wanted: Value | undefined): number {
  return items.findIndex((i) => wanted !== undefined && (i === wanted || equal(i, wanted) === true));
}

const LIST: Readonly<Record<string, Method<Of<"list">>>> = {
  append: (i, s, a) => {
    i.journal.push(s, a.positional[0] ?? null);
    return null;
  },
  extend: (i, s, a) => {
    const more = iterate(i, a.positional[0] ?? null);
    i.journal.push(s, ...(more ?? [unknown("members of an unknown sequence")]));
    return null;
  },
  insert: (i, s, a) => {
    const at = intOf(a.positional[0]) ?? 0;
    const items = [...s.items];
    items.splice(at, 0, a.positional[1] ?? null);
    i.journal.setItems(s, items);
    return null;
  },
  pop: (i, s, a) => {
    const at = intOf(a.positional[0]) ?? -1;
    const items = [...s.items];
    const [gone] = items.splice(at < 0 ? at + items.length : at, 1);
    i.journal.setItems(s, items);
    return gone ?? raise("IndexError", "pop from empty list");
  },
  popleft: (i, s) => {
    const [first, ...rest] = s.items;
    i.journal.setItems(s, rest);
    return first ?? raise("IndexError", "pop from an empty deque");
  },
  appendleft: (i, s, a) => {
    i.journal.setItems(s, [a.positional[0] ?? null, ...s.items]);
    return null;
  },
  remove: (i, s, a) => {
    const at = indexOf(s.items, a.positional[0]);
    if (at < 0) raise("ValueError", "list.remove(x): x not in list");
    i.journal.setItems(
      s,
      s.items.filter((_, k) => k !== at),
    );
    return null;
  },
  clear: (i, s) => {
    i.journal.setItems(s, []);
    return null;
  },
  reverse: (i, s) => {
    i.journal.setItems(s, [...s.items].reverse());
    return null;
  },
  sort: (i, s, a) => {
    const sorted = sortValues(i, s.items, a.keywords.get("key"), a.keywords.get("reverse"));
    if (sorted) i.journal.setItems(s, sorted);
    return null;
  },
  copy: (_, s) => list([...s.items]),
  index: (_, s, a) => {
    const at = indexOf(s.items, a.positional[0]);
    return at >= 0 ? int(at) : raise("ValueError", "not in list");
  },
  count: (_, s, a) => int(s.items.filter((x) => a.positional[0] !== undefined && equal(x, a.positional[0]) === true).length),
};

const TUPLE: Readonly<Record<string, Method<Of<"tuple">>>> = {
  index: (_, s, a) => {
    const at = indexOf(s.items, a.positional[0]);
    return at >= 0 ? int(at) : raise("ValueError", "not in tuple");
  },
  count: (_, s, a) => int(s.items.filter((x) => a.positional[0] !== undefined && equal(x, a.positional[0]) === true).length),
  numel: (_, s) => int(s.items.reduce<number>((n, x) => n * (intOf(x) ?? 1), 1)),
  _asdict: (_, s) => ({
    k: "dict",
    entries: new Map((s.names ?? []).map((n, i) => [dictKey(n), { key: n, value: s.items[i]! }])),
  }),
  _replace: (_, s, a) =>
    tuple(
      s.items.map((x, i) => a.keywords.get(s.names?.[i] ?? "") ?? x),
      s.names,
    ),
};

const DICT: Readonly<Record<string, Method<Of<"dict">>>> = {
  get: (_, s, a) => {
    const key = a.positional[0] ?? null;
    if (is(key, "unknown")) return unknown("item under an unknown key");
    return s.entries.get(dictKey(key))?.value ?? a.positional[1] ?? a.keywords.get("default") ?? null;
  },
  keys: (_, s) => list([...s.entries.values()].map((e) => e.key)),
  values: (_, s) => list([...s.entries.values()].map((e) => e.value)),
  items: (_, s) => list([...s.entries.values()].map((e) => tuple([e.key, e.value]))),
  pop: (i, s, a) => {
    const key = dictKey(a.positional[0] ?? null);
    const entry = s.entries.get(key);
    if (entry) {
      i.journal.delete(s.entries, key);
      return entry.value;
    }
    return a.positional.length > 1 ? a.positional[1]! : (a.keywords.get("default") ?? raise("KeyError", "key"));
  },
  popitem: (i, s) => {
    const last = [...s.entries].at(-1);
    if (!last) raise("KeyError", "popitem(): dictionary is empty");
    i.journal.delete(s.entries, last[0]);
    return tuple([last[1].key, last[1].value]);
  },
  setdefault: (i, s, a) => {
    const key = a.positional[0] ?? null;
    const entry = s.entries.get(dictKey(key));
    if (entry) return entry.value;
    const value = a.positional[1] ?? null;
    i.journal.set(s.entries, dictKey(key), { key, value });
    return value;
  },
  update: (i, s, a) => {
    const given = a.positional[0];
    const from = is(given, "instance") ? (given.contents ?? given) : given;
    if (is(from, "dict")) for (const [k, e] of from.entries) i.journal.set(s.entries, k, e);
    else if (from !== undefined && from !== null) {
      for (const pair of iterate(i, from) ?? []) {
        const parts = iterate(i, pair);
        if (parts?.length === 2) setItem(i, s, parts[0]!, parts[1]!);
      }
    }
    for (const [k, value] of a.keywords) i.journal.set(s.entries, dictKey(k), { key: k, value });
    return null;
  },
  copy: (_, s) => ({ k: "dict", entries: new Map(s.entries), ...(s.factory !== undefined ? { factory: s.factory } : {}) }),
  clear: (i, s) => {
    for (const k of [...s.entries.keys()]) i.journal.delete(s.entries, k);
    return null;
  },
  fromkeys: (i, _, a) => {
    const entries = new Map<string, { key: Value; value: Value }>();
    for (const key of iterate(i, a.positional[0] ?? null) ?? [])
      entries.set(dictKey(key), { key, value: a.positional[1] ?? null });
    return { k: "dict", entries };
  },
};

const SET: Readonly<Record<string, Method<Of<"set">>>> = {
  add: (i, s, a) => {
    const v = a.positional[0] ?? null;
    i.journal.set(s.entries, dictKey(v), v);
    return null;
  },
  discard: (i, s, a) => {
    i.journal.delete(s.entries, dictKey(a.positional[0] ?? null));
    return null;
  },
  remove: (i, s, a) => {
    i.journal.delete(s.entries, dictKey(a.positional[0] ?? null));
    return null;
  },
  update: (i, s, a) => {
    for (const v of iterate(i, a.positional[0] ?? null) ?? []) i.journal.set(s.entries, dictKey(v), v);
    return null;
  },
  copy: (_, s) => ({ k: "set", entries: new Map(s.entries) }),
  union: (i, s, a) => {
    const entries = new Map(s.entries);
    for (const o of a.positional) for (const v of iterate(i, o) ?? []) entries.set(dictKey(v), v);
    return { k: "set", entries };
  },
  intersection: (i, s, a) => {
    const keys = new Set((iterate(i, a.positional[0] ?? null) ?? []).map(dictKey));
    return { k: "set", entries: new Map([...s.entries].filter(([k]) => keys.has(k))) };
  },
  difference: (i, s, a) => {
    const keys = new Set((iterate(i, a.positional[0] ?? null) ?? []).map(dictKey));
    return { k: "set", entries: new Map([...s.entries].filter(([k]) => !keys.has(k))) };
  },
  issubset: (i, s, a) => {
    const keys = new Set((iterate(i, a.positional[0] ?? null) ?? []).map(dictKey));
    return [...s.entries.keys()].every((k) => keys.has(k));
  },
};

/** The built-in containers. */
export type ContainerKind = "str" | "list" | "tuple" | "dict" | "set";

/** The names of a container's methods, those with underscores left out. */
export const METHODS: Readonly<Record<ContainerKind, readonly string[]>> = {
  str: Object.keys(STRING),
  list: Object.keys(LIST),
  tuple: Object.keys(TUPLE),
  dict: Object.keys(DICT),
  set: Object.keys(SET),
};

function bound<T extends Value>(table: Readonly<Record<string, Method<T>>>, self: T, name: string): Value | undefined {
  const method = Object.hasOwn(table, name) ? table[name] : undefined;
  return method ? native(name, (interpreter, args) => method(interpreter, self, args)) : undefined;
}

/** A method or attribute of a built-in container, number or None. */
export function containerMethod(_: Interpreter, self: Value, name: string): Value | undefined {
  if (name === "__len__") {
    return native(name, (i) => int(iterate(i, self)?.length ?? 0));
  }
  if (name === "__getitem__") return native(name, (i, a) => getItem(i, self, a.positional[0] ?? null));
  if (name === "__str__" || name === "__repr__") return native(name, () => textOf(self) ?? unknown("text"));
  if (name === "__iter__") return native(name, (i) => ({ k: "iterator", items: iterate(i, self) ?? [], at: 0 }));
  if (typeof self === "string") return bound(STRING, self, name);
  if (self === null || typeof self === "boolean") return undefined;
  switch (self.k) {
    case "list":
      return bound(LIST, self, name);
    case "tuple": {
      const field = self.names?.indexOf(name) ?? -1;
      return field >= 0 ? self.items[field]! : bound(TUPLE, self, name);
    }
    case "dict":
      return bound(DICT, self, name);
    case "set":
      return bound(SET, self, name);
    case "iterator":
      if (name === "__next__") {
        return native(name, (i) => nextOf(i, self, undefined));
      }
      if (name === "close" || name === "send") return native(name, () => null);
      return undefined;
    default:
      return undefined;
  }
}

/** Python's `next(iterator, default)`. */
export function nextOf(interpreter: Interpreter, iterator: Value, fallback: Value | undefined): Value {
  if (!is(iterator, "iterator")) {
    const items = is(iterator, "unknown") ? undefined : iterate(interpreter, iterator);
    return items?.[0] ?? fallback ?? unknown("next", iterator);
  }
  const item = iterator.items[iterator.at];
  if (item === undefined) {
    if (fallback !== undefined) return fallback;
    throw new PythonError("StopIteration", "");
  }
  const before = iterator.at;
  interpreter.journal.onRollback(() => {
    iterator.at = before;
  });
  iterator.at++;
  return item;
}
