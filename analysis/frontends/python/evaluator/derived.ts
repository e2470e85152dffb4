/**
 * @file Classes that derive from `dict`, `list`, `tuple`, `set` or `str`: their instances hold one, whose methods they inherit,
 * and `super()` finds them. Mappings of `collections.abc` have their methods from `__getitem__` and `__iter__`.
 */
import { is } from "../values/inspect";
import { dict, int, list, native, tuple, unknown } from "../values/make";
import type { Arguments, ClassValue, InstanceValue, NativeCall, Value } from "../values/value";
import { getAttribute } from "./attributes";
import { containerMethod, type ContainerKind, METHODS } from "./containers";
import { PythonError } from "./errors";
import { call } from "./functions";
import type { Interpreter } from "./interpreter";
import { iterate } from "./iterate";
import { contains } from "./operators";
import { deleteItem, getItem, setItem } from "./subscripts";

/** What an instance of such a class holds; any other value itself. */
export function contentsOf(v: Value): Value {
  return is(v, "instance") ? (v.contents ?? v) : v;
}

/** The kind of container that instances of a class hold. */
function containerKind(cls: ClassValue): ContainerKind | undefined {
  return cls.order.map((c) => (c.module === undefined && isContainer(c.name) ? c.name : undefined)).find((n) => n !== undefined);
}

/** Whether a built-in class of this name makes containers. */
export function isContainer(name: string): name is ContainerKind {
  return Object.hasOwn(METHODS, name);
}

/** What a new instance of a class holds: nothing yet, but for what never changes, which the arguments decide. */
export function newContents(i: Interpreter, cls: ClassValue, args: Arguments): Value | undefined {
  const from = args.positional[0];
  switch (containerKind(cls)) {
    case "dict":
      return dict();
    case "list":
      return list([]);
    case "set":
      return { k: "set", entries: new Map() };
    case "tuple": {
      const items = from === undefined ? [] : iterate(i, from);
      return items ? tuple(items) : undefined;
    }
    case "str":
      return typeof from === "string" ? from : undefined;
    default:
      return undefined;
  }
}

/** Gives a built-in container's class the methods of its instances, for those that derive from it. */
export function inheritMethods(cls: ClassValue, kind: ContainerKind): void {
  const add = (name: string, run: NativeCall): void => void cls.attributes.set(name, native(name, run));
  const rest = (a: Arguments): Arguments => ({ ...a, positional: a.positional.slice(1) });
  for (const name of ["__len__", "__getitem__", "__iter__", ...METHODS[kind]]) {
    add(name, (i, a) => {
      const self = a.positional[0] ?? null;
      const contents = contentsOf(self);
      const missing =
        name === "__getitem__" && is(self, "instance") ? self.cls.order.find((c) => c.attributes.has("__missing__")) : undefined;
      if (missing && contains(i, contents, a.positional[1] ?? null) === false) {
        return call(i, getAttribute(i, self, "__missing__"), rest(a));
      }
      const method = containerMethod(i, contents, name);
      return method === undefined ? unknown(`${kind}.${name}`, ...a.positional) : call(i, method, rest(a));
    });
  }
  add("__contains__", (i, a) => contains(i, contentsOf(a.positional[0] ?? null), a.positional[1] ?? null));
  if (kind === "tuple" || kind === "str") return;
  const fill = kind === "list" ? "extend" : "update";
  add("__init__", (i, a) => {
    const contents = contentsOf(a.positional[0] ?? null);
    const method = is(contents, "instance") ? undefined : containerMethod(i, contents, fill);
    if (method !== undefined && (a.positional.length > 1 || a.keywords.size > 0)) call(i, method, rest(a));
    return null;
  });
  add("__setitem__", (i, a) => {
    setItem(i, contentsOf(a.positional[0] ?? null), a.positional[1] ?? null, a.positional[2] ?? null);
    return null;
  });
  add("__delitem__", (i, a) => {
    deleteItem(i, contentsOf(a.positional[0] ?? null), a.positional[1] ?? null);
    return null;
  });
  if (kind !== "dict") return;
  // A class method: there is no instance among its arguments.
  const made = cls.attributes.get("fromkeys");
  if (made) {
    cls.attributes.set("fromkeys", {
      k: "wrapper",
      form: "static",
      callee: native("fromkeys", (i, a) => call(i, made, { ...a, positional: [dict(), ...a.positional] })),
    });
  }
}

/** What `collections.abc.Mapping` and `MutableMapping` give to classes that say what an item is and which keys there are. */
export function mappingMethods(): Map<string, Value> {
  const out = new Map<string, Value>();
  const add = (name: string, run: (i: Interpreter, self: InstanceValue, a: readonly Value[], args: Arguments) => Value): void => {
    out.set(
      name,
      native(name, (i, args) => {
        const [self, ...rest] = args.positional;
        return is(self, "instance") ? run(i, self, rest, args) : unknown(`mapping.${name}`, ...args.positional);
      }),
    );
  };
  const keysOf = (i: Interpreter, self: Value): readonly Value[] => iterate(i, self) ?? [];
  const find = (i: Interpreter, self: Value, key: Value): Value | undefined => {
    try {
      return getItem(i, self, key);
    } catch (error) {
      if (error instanceof PythonError && error.type === "KeyError") return undefined;
      throw error;
    }
  };
  add("get", (i, self, [key, other], args) => {
    const found = find(i, self, key ?? null);
    return found === undefined ? (other ?? args.keywords.get("default") ?? null) : found;
  });
  add("__contains__", (i, self, [key]) => find(i, self, key ?? null) !== undefined);
  add("keys", (i, self) => list([...keysOf(i, self)]));
  add("values", (i, self) => list(keysOf(i, self).map((k) => getItem(i, self, k))));
  add("items", (i, self) => list(keysOf(i, self).map((k) => tuple([k, getItem(i, self, k)]))));
  add("pop", (i, self, [key, other]) => {
    const found = find(i, self, key ?? null);
    if (found !== undefined) deleteItem(i, self, key ?? null);
    return found === undefined ? (other ?? null) : found;
  });
  add("setdefault", (i, self, [key, other]) => {
    const found = find(i, self, key ?? null);
    if (found === undefined) setItem(i, self, key ?? null, other ?? null);
    return found === undefined ? (other ?? null) : found;
  });
  add("update", (i, self, [from], args) => {
    const more = dict();
    const merge = containerMethod(i, more, "update");
    if (merge) call(i, merge, { positional: from === undefined ? [] : [from], keywords: args.keywords });
    for (const { key, value } of more.entries.values()) setItem(i, self, key, value);
    return null;
  });
  add("__len__", (i, self) => int(keysOf(i, self).length));
  return out;
}
