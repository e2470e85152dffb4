/** @file `functools`, `collections` and `enum`: containers and wrappers that model code uses. */
import { makeClass } from "../evaluator/classes";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { functions, namespaceOf } from "../values/namespaces";
import { dictKey, intOf, is } from "../values/inspect";
import { dict, int, list, native, positional, tuple, unknown } from "../values/make";
import type { Arguments, ClassValue, Value } from "../values/value";
import type { Builtins } from "./builtins";
import { identity, wrapper } from "./wrappers";
import { abstractClasses } from "./typing";

/** The module `functools`. */
export function functoolsModule(): Value {
  return namespaceOf("functools", [
    ...functions("functools", {
      partial: (_, a) => ({
        k: "partial",
        callee: a.positional[0] ?? null,
        args: { positional: a.positional.slice(1), keywords: a.keywords },
      }),
      partialmethod: (_, a) => ({
        k: "partial",
        callee: a.positional[0] ?? null,
        args: { positional: a.positional.slice(1), keywords: a.keywords },
      }),
      wraps: () => native("wraps", identity),
      update_wrapper: identity,
      lru_cache: wrapper,
      cache: wrapper,
      singledispatch: identity,
      total_ordering: identity,
      cached_property: (_, a) => ({ k: "property", getter: a.positional[0] ?? null }),
      reduce: (i, a) => {
        const [f, items, start] = a.positional;
        const all = items === undefined ? undefined : iterate(i, items);
        if (f === undefined || !all) return unknown("reduce", items ?? null);
        const rest = start === undefined ? all.slice(1) : all;
        return rest.reduce<Value>((x, y) => call(i, f, positional(x, y)), start ?? all[0] ?? null);
      },
    }),
  ]);
}

/** The module `collections`. */
export function collectionsModule(builtins: Builtins): Value {
  const makeDict = builtins.names.get("dict");
  const ordered = native("OrderedDict", (i, a) => call(i, makeDict!, a));
  return namespaceOf("collections", [
    ["OrderedDict", is(makeDict, "class") ? makeDict : ordered],
    ...functions("collections", {
      defaultdict: (i, a) => {
        const [factory, ...rest] = a.positional;
        const made = call(i, makeDict!, { ...a, positional: rest });
        return is(made, "dict") && factory !== undefined && factory !== null
          ? { k: "dict", entries: made.entries, factory }
          : made;
      },
      namedtuple: (i, a) => namedTuple(i, a, builtins.object),
      deque: (i, a) => list(iterate(i, a.positional[0] ?? tuple([])) ?? []),
      Counter: (i, a) => {
        const out = dict();
        for (const v of iterate(i, a.positional[0] ?? tuple([])) ?? []) {
          const key = dictKey(v);
          out.entries.set(key, { key: v, value: int((intOf(out.entries.get(key)?.value) ?? 0) + 1) });
        }
        return out;
      },
      ChainMap: (i, a) => {
        const out = dict();
        for (const d of [...a.positional].reverse()) if (is(d, "dict")) for (const [k, e] of d.entries) out.entries.set(k, e);
        return call(i, makeDict!, positional(out));
      },
    }),
    ["abc", abstractClasses(builtins.object, "collections.abc")],
    ["UserDict", builtins.object],
  ]);
}

function namedTuple(i: Interpreter, a: Arguments, object: ClassValue): Value {
  const [name, given] = a.positional;
  const fields =
    typeof given === "string"
      ? given
          .replaceAll(",", " ")
          .split(/\s+/)
          .filter((f) => f !== "")
      : (iterate(i, given ?? tuple([])) ?? []).filter((f) => typeof f === "string");
  const defaults = iterate(i, a.keywords.get("defaults") ?? tuple([])) ?? [];
  return makeClass({
    name: typeof name === "string" ? name : "namedtuple",
    bases: [object],
    fields: [],
    attributes: new Map<string, Value>([["_fields", tuple(fields)]]),
    construct: (_, __, args) =>
      tuple(
        fields.map(
          (f, k) => args.positional[k] ?? args.keywords.get(f) ?? defaults[k - (fields.length - defaults.length)] ?? null,
        ),
        fields,
      ),
  });
}

/** The module `enum`. */
export function enumModule(builtins: Builtins): Value {
  const base = makeClass({ name: "Enum", bases: [builtins.object], fields: [] });
  let counter = 0;
  const derived = (name: string): [string, Value] => [name, makeClass({ name, bases: [base], fields: [] })];
  return namespaceOf("enum", [
    ["Enum", base],
    ...["IntEnum", "StrEnum", "Flag", "IntFlag"].map(derived),
    ["EnumMeta", builtins.object],
    ...functions("enum", { auto: () => int(++counter), unique: identity }),
  ]);
}
