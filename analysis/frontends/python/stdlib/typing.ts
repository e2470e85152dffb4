/** @file `typing`, `abc` and `dataclasses`: what declarations are made of. */
import { setAttribute } from "../evaluator/attributes";
import { type FieldDefault, makeClass, recordFields } from "../evaluator/classes";
import { mappingMethods } from "../evaluator/derived";
import type { Interpreter } from "../evaluator/interpreter";
import { functions, namespaceOf } from "../values/namespaces";
import { is } from "../values/inspect";
import { dict, native, tuple, unknown } from "../values/make";
import type { ClassValue, InstanceValue, NativeCall, Value } from "../values/value";
import type { Builtins } from "./builtins";
import { identity } from "./wrappers";

function abstractClass(name: string, object: ClassValue): ClassValue {
  const isMapping = name === "Mapping" || name === "MutableMapping";
  return makeClass({ name, bases: [object], fields: [], ...(isMapping ? { attributes: mappingMethods() } : {}) });
}

/** A module of abstract classes, such as `collections.abc`. */
export function abstractClasses(object: ClassValue, name: string): Value {
  const names =
    "Callable Iterable Sequence Collection Mapping MutableMapping Iterator Generator Hashable MutableSequence Set Sized Awaitable Coroutine".split(
      " ",
    );
  return namespaceOf(
    name,
    names.map((n): [string, Value] => [n, abstractClass(n, object)]),
  );
}

/** The module `typing`, with `typing_extensions`. */
export function typingModule(builtins: Builtins): Value {
  const { object } = builtins;
  const alias: Readonly<Record<string, string>> = {
    List: "list",
    Dict: "dict",
    Tuple: "tuple",
    Set: "set",
    FrozenSet: "set",
    Type: "type",
    Text: "str",
    OrderedDict: "dict",
  };
  const special =
    "Any Union Optional Literal Final ClassVar Annotated NoReturn Never Self TypeAlias Concatenate Required NotRequired Unpack".split(
      " ",
    );
  const any = makeClass({ name: "Any", bases: [object], fields: [] });
  return namespaceOf("typing", [
    ...Object.entries(alias).map(([n, t]): [string, Value] => [n, builtins.names.get(t) ?? any]),
    ...special.map((n): [string, Value] => [n, any]),
    ...["Generic", "Protocol", "SupportsFloat", "SupportsInt"].map((n): [string, Value] => [
      n,
      makeClass({ name: n, bases: [object], fields: [] }),
    ]),
    ["NamedTuple", makeClass({ name: "NamedTuple", bases: [object], fields: [], record: true })],
    ["TypedDict", builtins.names.get("dict") ?? any],
    ...functions("typing", {
      cast: (_, a) => a.positional[1] ?? null,
      TypeVar: () => unknown("TypeVar"),
      ParamSpec: () => unknown("ParamSpec"),
      NewType: (_, a) => a.positional[1] ?? native("NewType", identity),
      overload: identity,
      final: identity,
      no_type_check: identity,
      runtime_checkable: identity,
      override: identity,
      get_type_hints: () => dict(),
      get_args: () => tuple([]),
      get_origin: () => null,
      assert_never: () => null,
    }),
    ["TYPE_CHECKING", false],
    ...(abstractNames(object) as [string, Value][]),
  ]);
}

function abstractNames(object: ClassValue): [string, Value][] {
  return "Callable Iterable Sequence Collection Mapping MutableMapping Iterator Generator Hashable Sized Awaitable Coroutine"
    .split(" ")
    .map((n): [string, Value] => [n, abstractClass(n, object)]);
}

/** The module `dataclasses`. */
export function dataclassesModule(builtins: Builtins): Value {
  const fieldClass = makeClass({ name: "Field", bases: [builtins.object], fields: [] });
  const missing = unknown("MISSING");
  const mark: NativeCall = (_, a) => {
    const c = a.positional[0];
    if (is(c, "class")) {
      c.record = true;
      return c;
    }
    return native("dataclass", mark);
  };
  const asDict = (i: Interpreter, v: Value): Value => {
    if (is(v, "instance") && v.cls.order.some((c) => c.record)) {
      return dict(recordFields(v.cls).map((f) => [f.name, asDict(i, v.attributes.get(f.name) ?? null)] as const));
    }
    return v;
  };
  return namespaceOf("dataclasses", [
    ["MISSING", missing],
    ["KW_ONLY", unknown("KW_ONLY")],
    ["InitVar", unknown("InitVar")],
    ...functions("dataclasses", {
      dataclass: mark,
      field: (i, a) => {
        const value = a.keywords.get("default");
        const factory = a.keywords.get("default_factory");
        const payload: FieldDefault = {
          ...(value !== undefined ? { value } : {}),
          ...(factory !== undefined ? { factory } : {}),
          init: a.keywords.get("init") !== false,
        };
        return { k: "instance", id: i.id(), cls: fieldClass, attributes: new Map(), native: payload };
      },
      asdict: (i, a) => asDict(i, a.positional[0] ?? null),
      astuple: (_, a) => {
        const v = a.positional[0];
        return is(v, "instance") ? tuple(recordFields(v.cls).map((f) => v.attributes.get(f.name) ?? null)) : unknown("astuple");
      },
      fields: (i, a) => {
        const v = a.positional[0];
        const cls = is(v, "instance") ? v.cls : is(v, "class") ? v : undefined;
        if (!cls) return unknown("fields");
        return tuple(
          recordFields(cls).map(
            (f): InstanceValue => ({
              k: "instance",
              id: i.id(),
              cls: fieldClass,
              attributes: new Map<string, Value>([
                ["name", f.name],
                ["default", f.value ?? missing],
              ]),
            }),
          ),
        );
      },
      is_dataclass: (_, a) => {
        const v = a.positional[0];
        return (is(v, "instance") && v.cls.order.some((c) => c.record)) || (is(v, "class") && v.order.some((c) => c.record));
      },
      replace: (i, a) => {
        const v = a.positional[0];
        if (!is(v, "instance")) return unknown("replace");
        const copy: InstanceValue = { ...v, id: i.id(), attributes: new Map(v.attributes) };
        for (const [k, x] of a.keywords) setAttribute(i, copy, k, x);
        return copy;
      },
    }),
  ]);
}
