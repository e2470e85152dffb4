/** @file Sequential, ModuleList, ModuleDict, ParameterList and ParameterDict: members are attributes named by their keys. */
import { construct, makeClass } from "../../evaluator/classes";
import { raise } from "../../evaluator/errors";
import { guardedCall } from "../../evaluator/functions";
import type { Interpreter } from "../../evaluator/interpreter";
import { iterate } from "../../evaluator/iterate";
import { sliceBounds } from "../../evaluator/subscripts";
import { intOf, is } from "../../values/inspect";
import { dict, int, native, positional, tuple, unknown } from "../../values/make";
import type { Arguments, ClassValue, InstanceValue, Value } from "../../values/value";
import { isModule } from "./module";

type Method = (interpreter: Interpreter, self: InstanceValue, args: readonly Value[], all: Arguments) => Value;

function method(name: string, run: Method): Value {
  return native(name, (i, a) => {
    const [self, ...rest] = a.positional;
    return is(self, "instance") ? run(i, self, rest, a) : raise("TypeError", `${name} needs an instance`);
  });
}

/** The members in order; a `None` registered as a module counts, as in PyTorch's ModuleList. */
function entries(self: InstanceValue): [string, Value][] {
  return [...self.attributes].filter(
    ([k, v]) => k !== "training" && (isModule(v) || (is(v, "tensor") && v.parameter !== undefined) || /^\d+$/.test(k)),
  );
}

function replace(interpreter: Interpreter, self: InstanceValue, items: readonly Value[]): void {
  for (const [k] of entries(self)) interpreter.journal.delete(self.attributes, k);
  items.forEach((v, i) => interpreter.journal.set(self.attributes, String(i), v));
}

function indexed(interpreter: Interpreter, self: InstanceValue, index: Value): Value {
  const all = entries(self);
  if (is(index, "slice")) {
    const b = sliceBounds(index, all.length);
    if (!b) return unknown("slice of a module list");
    const part: Value[] = [];
    for (let i = b.start; b.step > 0 ? i < b.stop : i > b.stop; i += b.step) part.push(all[i]![1]);
    const copy = construct(interpreter, containerBase(self.cls), positional());
    if (is(copy, "instance")) replace(interpreter, copy, part);
    return copy;
  }
  const i = intOf(index);
  if (i === undefined) return unknown("member of a module list", ...all.map(([, v]) => v));
  return all.at(i)?.[1] ?? raise("IndexError", `index ${i} is out of range for ${all.length} modules`);
}

/** The built-in container that a class derives from; slices are of that class. */
function containerBase(cls: ClassValue): ClassValue {
  return cls.order.find((c) => !c.module) ?? cls;
}

function parameterOf(interpreter: Interpreter, v: Value): Value {
  if (!is(v, "tensor") || v.parameter) return v;
  return interpreter.builder.parameter(v.shape, v.type, {
    buffer: false,
    trainable: true,
    initialisation: v.drawn ?? { scheme: "computed" },
  });
}

/** The containers of torch.nn. */
export function containerLayers(module: ClassValue): ClassValue[] {
  const listMethods = (wrap: (i: Interpreter, v: Value) => Value): Map<string, Value> => {
    const extend = (i: Interpreter, self: InstanceValue, more: readonly Value[]): void => {
      let n = entries(self).length;
      for (const v of more) i.journal.set(self.attributes, String(n++), wrap(i, v));
    };
    return new Map<string, Value>([
      ["__len__", method("__len__", (_, s) => int(entries(s).length))],
      ["__getitem__", method("__getitem__", (i, s, a) => indexed(i, s, a[0] ?? null))],
      [
        "__setitem__",
        method("__setitem__", (i, s, a) => {
          const at = intOf(a[0]);
          const key = at === undefined ? undefined : entries(s).at(at)?.[0];
          if (key !== undefined) i.journal.set(s.attributes, key, wrap(i, a[1] ?? null));
          return null;
        }),
      ],
      [
        "__delitem__",
        method("__delitem__", (i, s, a) => {
          const at = intOf(a[0]);
          const kept = entries(s).map(([, v]) => v);
          if (at !== undefined) {
            kept.splice(at, 1);
            replace(i, s, kept);
          }
          return null;
        }),
      ],
      ["__iter__", method("__iter__", (_, s) => ({ k: "iterator", items: entries(s).map(([, v]) => v), at: 0 }))],
      ["__contains__", method("__contains__", (_, s, a) => entries(s).some(([, v]) => v === a[0]))],
      [
        "__add__",
        method("__add__", (i, s, a) => {
          const copy = construct(i, containerBase(s.cls), positional());
          if (is(copy, "instance")) replace(i, copy, [...entries(s).map(([, v]) => v), ...(iterate(i, a[0] ?? null) ?? [])]);
          return copy;
        }),
      ],
      [
        "append",
        method("append", (i, s, a) => {
          extend(i, s, [a[0] ?? null]);
          return s;
        }),
      ],
      [
        "extend",
        method("extend", (i, s, a) => {
          extend(i, s, iterate(i, a[0] ?? null) ?? []);
          return s;
        }),
      ],
      [
        "__iadd__",
        method("__iadd__", (i, s, a) => {
          extend(i, s, iterate(i, a[0] ?? null) ?? []);
          return s;
        }),
      ],
      [
        "insert",
        method("insert", (i, s, a) => {
          const all = entries(s).map(([, v]) => v);
          all.splice(intOf(a[0]) ?? 0, 0, wrap(i, a[1] ?? null));
          replace(i, s, all);
          return null;
        }),
      ],
      [
        "pop",
        method("pop", (i, s, a) => {
          const all = entries(s).map(([, v]) => v);
          const [gone] = all.splice(intOf(a[0]) ?? -1, 1);
          replace(i, s, all);
          return gone ?? null;
        }),
      ],
      [
        "__init__",
        method("__init__", (i, s, a, all) => {
          const given = a[0] ?? all.keywords.get("modules") ?? all.keywords.get("values") ?? null;
          if (given !== null) extend(i, s, iterate(i, given) ?? []);
          return null;
        }),
      ],
    ]);
  };

  const list = makeClass({ name: "ModuleList", bases: [module], attributes: listMethods((_, v) => v), fields: [] });
  const parameterList = makeClass({ name: "ParameterList", bases: [module], attributes: listMethods(parameterOf), fields: [] });

  const sequentialMethods = listMethods((_, v) => v);
  sequentialMethods.set(
    "__init__",
    method("__init__", (i, s, a) => {
      const [only] = a;
      if (a.length === 1 && is(only, "dict")) {
        for (const e of only.entries.values()) if (typeof e.key === "string") i.journal.set(s.attributes, e.key, e.value);
      } else a.forEach((v, k) => i.journal.set(s.attributes, String(k), v));
      return null;
    }),
  );
  sequentialMethods.set(
    "forward",
    method("forward", (i, s, a) => {
      let x = a[0] ?? null;
      for (const [, m] of entries(s)) x = guardedCall(i, m, positional(x));
      return x;
    }),
  );
  const sequential = makeClass({ name: "Sequential", bases: [module], attributes: sequentialMethods, fields: [] });

  const dictMethods = (wrap: (i: Interpreter, v: Value) => Value): Map<string, Value> => {
    const update = (i: Interpreter, s: InstanceValue, from: Value): void => {
      if (is(from, "dict")) {
        for (const e of from.entries.values())
          if (typeof e.key === "string") i.journal.set(s.attributes, e.key, wrap(i, e.value));
      } else {
        for (const pair of iterate(i, from) ?? []) {
          const parts = iterate(i, pair);
          if (typeof parts?.[0] === "string" && parts[1] !== undefined) i.journal.set(s.attributes, parts[0], wrap(i, parts[1]));
        }
      }
    };
    return new Map<string, Value>([
      ["__len__", method("__len__", (_, s) => int(entries(s).length))],
      [
        "__getitem__",
        method("__getitem__", (_, s, a) => {
          const key = a[0] ?? null;
          if (typeof key !== "string") return unknown("member of a module dictionary", ...entries(s).map(([, v]) => v));
          return s.attributes.get(key) ?? raise("KeyError", `'${key}'`);
        }),
      ],
      [
        "__setitem__",
        method("__setitem__", (i, s, a) => {
          if (typeof a[0] === "string") i.journal.set(s.attributes, a[0], wrap(i, a[1] ?? null));
          return null;
        }),
      ],
      ["__contains__", method("__contains__", (_, s, a) => typeof a[0] === "string" && entries(s).some(([k]) => k === a[0]))],
      ["__iter__", method("__iter__", (_, s) => ({ k: "iterator", items: entries(s).map(([k]) => k), at: 0 }))],
      ["keys", method("keys", (_, s) => ({ k: "list", items: entries(s).map(([k]) => k) }))],
      ["values", method("values", (_, s) => ({ k: "list", items: entries(s).map(([, v]) => v) }))],
      ["items", method("items", (_, s) => ({ k: "list", items: entries(s).map(([k, v]) => tuple([k, v])) }))],
      ["get", method("get", (_, s, a) => (typeof a[0] === "string" ? s.attributes.get(a[0]) : undefined) ?? a[1] ?? null)],
      [
        "pop",
        method("pop", (i, s, a) => {
          const key = typeof a[0] === "string" ? a[0] : "";
          const v = s.attributes.get(key);
          i.journal.delete(s.attributes, key);
          return v ?? raise("KeyError", key);
        }),
      ],
      [
        "update",
        method("update", (i, s, a) => {
          update(i, s, a[0] ?? dict());
          return null;
        }),
      ],
      [
        "__init__",
        method("__init__", (i, s, a, all) => {
          const given = a[0] ?? all.keywords.get("modules") ?? all.keywords.get("parameters") ?? null;
          if (given !== null) update(i, s, given);
          return null;
        }),
      ],
    ]);
  };
  const moduleDict = makeClass({ name: "ModuleDict", bases: [module], attributes: dictMethods((_, v) => v), fields: [] });
  const parameterDict = makeClass({ name: "ParameterDict", bases: [module], attributes: dictMethods(parameterOf), fields: [] });
  return [list, parameterList, sequential, moduleDict, parameterDict];
}
