/** @file The standard library, as far as model code uses it. */
import { setAttribute, tryAttribute } from "../evaluator/attributes";
import { truth } from "../evaluator/branches";
import { type FieldDefault, makeClass, recordFields } from "../evaluator/classes";
import { listLength, raise } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { binary } from "../evaluator/operators";
import { functions, namespaceOf } from "../values/namespaces";
import {
  type Arguments,
  type ClassValue,
  dict,
  dictKey,
  float,
  type InstanceValue,
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
  unknown,
  type Value,
} from "../values/value";
import { argumentParsing } from "./argparse";
import type { Builtins } from "./builtins";
import { deepCopy } from "./copying";
import { scalarTensor } from "../torch/arguments";

const identity: NativeCall = (_, a) => a.positional[0] ?? null;

/** `decorator` and `decorator(...)` alike. */
const wrapper: NativeCall = (_, a) =>
  isObject(a.positional[0]) && a.positional.length === 1 && a.positional[0].k !== "int"
    ? a.positional[0]
    : native("decorator", identity);

function unary(name: string, f: (x: number) => number, isInt = false): [string, Value] {
  return [
    name,
    native(`math.${name}`, (i, a) => {
      const v = a.positional[0] ?? null;
      const n = numberOf(v) ?? scalarTensor(v);
      if (n === undefined) return is(v, "tensor") ? i.builder.opaque(`math.${name}`, [v]) : unknown(`math.${name}`, v);
      const out = f(n);
      if (Number.isNaN(out) && !Number.isNaN(n)) raise("ValueError", "math domain error");
      return isInt ? int(out) : float(out);
    }),
  ];
}

function math(): Value {
  return namespaceOf("math", [
    unary("sqrt", Math.sqrt),
    unary("exp", Math.exp),
    unary("sin", Math.sin),
    unary("cos", Math.cos),
    unary("tan", Math.tan),
    unary("tanh", Math.tanh),
    unary("atan", Math.atan),
    unary("asin", Math.asin),
    unary("acos", Math.acos),
    unary("log2", Math.log2),
    unary("log10", Math.log10),
    unary("log1p", Math.log1p),
    unary("fabs", Math.abs),
    unary("radians", (x) => (x * Math.PI) / 180),
    unary("degrees", (x) => (x * 180) / Math.PI),
    unary("erf", erf),
    unary("floor", Math.floor, true),
    unary("ceil", Math.ceil, true),
    unary("trunc", Math.trunc, true),
    unary("isqrt", (x) => Math.floor(Math.sqrt(x)), true),
    unary("factorial", (x) => Array.from({ length: Math.min(x, 171) }, (_, i) => i + 1).reduce((p, q) => p * q, 1), true),
    ...functions("math", {
      log: (_, a) => {
        const n = numberOf(a.positional[0]);
        const base = a.positional[1] === undefined ? undefined : numberOf(a.positional[1]);
        if (n === undefined) return unknown("math.log");
        if (n <= 0) raise("ValueError", "math domain error");
        return float(base === undefined ? Math.log(n) : Math.log(n) / Math.log(base));
      },
      pow: (_, a) => {
        const [x, y] = a.positional.map(numberOf);
        return x === undefined || y === undefined ? unknown("math.pow") : float(x ** y);
      },
      isclose: (_, a) => {
        const [x, y] = a.positional.map(numberOf);
        return x === undefined || y === undefined
          ? unknown("isclose")
          : Math.abs(x - y) <= 1e-9 * Math.max(Math.abs(x), Math.abs(y));
      },
      isnan: (_, a) => Number.isNaN(numberOf(a.positional[0]) ?? 0),
      isinf: (_, a) => Math.abs(numberOf(a.positional[0]) ?? 0) === Number.POSITIVE_INFINITY,
      isfinite: (_, a) => Number.isFinite(numberOf(a.positional[0]) ?? 0),
      gcd: (_, a) => int(a.positional.map((v) => intOf(v) ?? 1).reduce(gcd)),
      lcm: (_, a) => int(a.positional.map((v) => intOf(v) ?? 1).reduce((x, y) => (x * y) / gcd(x, y))),
      atan2: (_, a) => float(Math.atan2(numberOf(a.positional[0]) ?? 0, numberOf(a.positional[1]) ?? 1)),
      fmod: (_, a) => float((numberOf(a.positional[0]) ?? 0) % (numberOf(a.positional[1]) ?? 1)),
      comb: (_, a) => {
        const n = intOf(a.positional[0]) ?? 0;
        const k = intOf(a.positional[1]) ?? 0;
        let out = 1;
        for (let i = 0; i < k; i++) out = (out * (n - i)) / (i + 1);
        return int(Math.round(out));
      },
      prod: (i, a) => (iterate(i, a.positional[0] ?? null) ?? []).reduce<Value>((x, y) => binary(i, "*", x, y), int(1)),
      fsum: (i, a) => (iterate(i, a.positional[0] ?? null) ?? []).reduce<Value>((x, y) => binary(i, "+", x, y), float(0)),
    }),
    ["pi", float(Math.PI)],
    ["e", float(Math.E)],
    ["tau", float(2 * Math.PI)],
    ["inf", float(Number.POSITIVE_INFINITY)],
    ["nan", float(Number.NaN)],
  ]);
}

function gcd(x: number, y: number): number {
  let a = Math.abs(x);
  let b = Math.abs(y);
  while (b) [a, b] = [b, a % b];
  return a;
}

/** Abramowitz and Stegun 7.1.26 is too coarse; a Taylor series is exact enough for the arguments that occur. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

function functoolsModule(): Value {
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

function collectionsModule(builtins: Builtins): Value {
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

function abstractClasses(object: ClassValue, name: string): Value {
  const names =
    "Callable Iterable Sequence Collection Mapping MutableMapping Iterator Generator Hashable MutableSequence Set Sized Awaitable Coroutine".split(
      " ",
    );
  return namespaceOf(
    name,
    names.map((n): [string, Value] => [n, makeClass({ name: n, bases: [object], fields: [] })]),
  );
}

function typingModule(builtins: Builtins): Value {
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
    .map((n): [string, Value] => [n, makeClass({ name: n, bases: [object], fields: [] })]);
}

function dataclassesModule(builtins: Builtins): Value {
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

function enumModule(builtins: Builtins): Value {
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

/** Combinations beyond which a product is not made. */
const MOST_ROWS = 20_000;

function itertoolsModule(): Value {
  const items = (i: Interpreter, v: Value | undefined): Value[] => iterate(i, v ?? tuple([])) ?? [];
  const iterator = (values: Value[]): Value => ({ k: "iterator", items: values, at: 0 });
  return namespaceOf(
    "itertools",
    functions("itertools", {
      chain: (i, a) => iterator(a.positional.flatMap((v) => items(i, v))),
      product: (i, a) => {
        const repeat = intOf(a.keywords.get("repeat")) ?? 1;
        const columns = Array.from({ length: listLength(repeat, MOST_ROWS) }, () => a.positional.map((v) => items(i, v))).flat();
        let rows: Value[][] = [[]];
        for (const c of columns) {
          if (rows.length * c.length > MOST_ROWS) return unknown("product");
          rows = rows.flatMap((r) => c.map((v) => [...r, v]));
        }
        return iterator(rows.map((r) => tuple(r)));
      },
      repeat: (_, a) => {
        const n = intOf(a.positional[1] ?? a.keywords.get("times"));
        return iterator(new Array<Value>(listLength(n ?? 64)).fill(a.positional[0] ?? null));
      },
      count: (_, a) => {
        const start = intOf(a.positional[0] ?? a.keywords.get("start")) ?? 0;
        const step = intOf(a.positional[1] ?? a.keywords.get("step")) ?? 1;
        return iterator(Array.from({ length: 512 }, (__, k) => int(start + k * step)));
      },
      cycle: (i, a) => {
        const once = items(i, a.positional[0]);
        return iterator(Array.from({ length: 512 }, (_, k) => once[k % Math.max(1, once.length)] ?? null));
      },
      islice: (i, a) => {
        const [v, x, y, z] = a.positional;
        const start = a.positional.length > 2 ? (intOf(x) ?? 0) : 0;
        const stop = a.positional.length > 2 ? intOf(y) : intOf(x);
        const step = intOf(z) ?? 1;
        return iterator(
          items(i, v)
            .slice(start, stop)
            .filter((_, k) => k % step === 0),
        );
      },
      accumulate: (i, a) => {
        const out: Value[] = [];
        for (const v of items(i, a.positional[0])) {
          const last = out.at(-1);
          out.push(
            last === undefined ? v : a.positional[1] ? call(i, a.positional[1], positional(last, v)) : binary(i, "+", last, v),
          );
        }
        return iterator(out);
      },
      zip_longest: (i, a) => {
        const columns = a.positional.map((v) => items(i, v));
        const n = Math.max(0, ...columns.map((c) => c.length));
        return iterator(
          Array.from({ length: n }, (_, k) => tuple(columns.map((c) => c[k] ?? a.keywords.get("fillvalue") ?? null))),
        );
      },
      pairwise: (i, a) => {
        const all = items(i, a.positional[0]);
        return iterator(all.slice(1).map((v, k) => tuple([all[k]!, v])));
      },
      combinations: (i, a) => {
        const all = items(i, a.positional[0]);
        const n = intOf(a.positional[1]) ?? 2;
        const pick = (from: number, left: number): Value[][] => {
          if (left === 0) return [[]];
          const out: Value[][] = [];
          for (let k = from; k < all.length && out.length < 5000; k++)
            for (const rest of pick(k + 1, left - 1)) out.push([all[k]!, ...rest]);
          return out;
        };
        return iterator(pick(0, n).map((r) => tuple(r)));
      },
      starmap: (i, a) =>
        iterator(items(i, a.positional[1]).map((row) => call(i, a.positional[0] ?? null, positional(...items(i, row))))),
      takewhile: (i, a) => {
        const out: Value[] = [];
        for (const v of items(i, a.positional[1])) {
          if (truth(call(i, a.positional[0] ?? null, positional(v))) !== true) break;
          out.push(v);
        }
        return iterator(out);
      },
    }),
    (name) => (name === "from_iterable" ? undefined : undefined),
  );
}

const OPERATORS: Readonly<Record<string, string>> = {
  mul: "*",
  add: "+",
  sub: "-",
  truediv: "/",
  floordiv: "//",
  matmul: "@",
  eq: "==",
  lt: "<",
  gt: ">",
  pow: "**",
  mod: "%",
};

/** The modules of the standard library by name. */
export function makeLibrary(builtins: Builtins): Map<string, Value> {
  const { object } = builtins;
  const silent = (name: string, ...members: string[]): [string, Value] => [
    name,
    namespaceOf(
      name,
      members.map((m): [string, Value] => [m, native(`${name}.${m}`, () => null)]),
    ),
  ];
  const logger = (): Value => namespaceOf("logger", [], (n) => native(`logger.${n}`, () => null));
  const out = new Map<string, Value>([
    ["math", math()],
    ["cmath", math()],
    ["functools", functoolsModule()],
    ["collections", collectionsModule(builtins)],
    ["collections.abc", abstractClasses(object, "collections.abc")],
    ["typing", typingModule(builtins)],
    ["typing_extensions", typingModule(builtins)],
    ["dataclasses", dataclassesModule(builtins)],
    ["enum", enumModule(builtins)],
    ["itertools", itertoolsModule()],
    ["argparse", argumentParsing(object)],
    [
      "copy",
      namespaceOf(
        "copy",
        functions("copy", {
          deepcopy: (i, a) => {
            const copy = deepCopy(i, a.positional[0] ?? null);
            i.onFact?.("copy.deepcopy", a, copy);
            return copy;
          },
          copy: (i, a) => shallowCopy(i, a.positional[0] ?? null),
        }),
      ),
    ],
    [
      "abc",
      namespaceOf("abc", [
        ["ABC", makeClass({ name: "ABC", bases: [object], fields: [] })],
        ["ABCMeta", object],
        ...functions("abc", {
          abstractmethod: identity,
          abstractproperty: (_, a) => ({ k: "property", getter: a.positional[0] ?? null }),
        }),
      ]),
    ],
    [
      "operator",
      namespaceOf("operator", [
        ...Object.entries(OPERATORS).map(([n, o]): [string, Value] => [
          n,
          native(`operator.${n}`, (i, a) => binary(i, o, a.positional[0] ?? null, a.positional[1] ?? null)),
        ]),
        [
          "attrgetter",
          native("attrgetter", (_, a) =>
            native(
              "attrgetter",
              (i, b) => tryAttribute(i, b.positional[0] ?? null, String(a.positional[0])) ?? unknown("attribute"),
            ),
          ),
        ],
        [
          "itemgetter",
          native("itemgetter", (_, a) =>
            native("itemgetter", (i, b) =>
              call(i, tryAttribute(i, b.positional[0] ?? null, "__getitem__") ?? null, positional(a.positional[0] ?? null)),
            ),
          ),
        ],
      ]),
    ],
    silent("warnings", "warn", "filterwarnings", "simplefilter", "warn_explicit"),
    [
      "logging",
      namespaceOf(
        "logging",
        [
          ["getLogger", native("getLogger", logger)],
          ["Logger", object],
          ["INFO", int(20)],
          ["WARNING", int(30)],
          ["DEBUG", int(10)],
          ["ERROR", int(40)],
        ],
        (n) => native(`logging.${n}`, () => null),
      ),
    ],
    ["time", namespaceOf("time", [], (n) => native(`time.${n}`, () => unknown("time")))],
    [
      "random",
      namespaceOf("random", [], (n) =>
        native(`random.${n}`, () =>
          n === "seed"
            ? null
            : n === "random"
              ? { k: "unknown", reason: "a random number", inputs: [], uniform: true }
              : unknown("a random number"),
        ),
      ),
    ],
    [
      "sys",
      namespaceOf("sys", [
        ["version_info", tuple([int(3), int(12), int(0)])],
        ["platform", "linux"],
        ["argv", list(["script.py"])],
        ["maxsize", int(2 ** 53 - 1)],
        ["modules", unknown("sys.modules")],
        ["path", list([])],
        ["stdout", unknown("stdout")],
      ]),
    ],
    [
      "types",
      namespaceOf("types", [
        ...["FunctionType", "LambdaType", "MethodType", "BuiltinFunctionType", "GeneratorType", "ModuleType"].map(
          (n): [string, Value] => [n, makeClass({ name: n, bases: [object], fields: [] })],
        ),
        [
          "SimpleNamespace",
          makeClass({
            name: "SimpleNamespace",
            bases: [object],
            fields: [],
            attributes: new Map<string, Value>([
              [
                "__init__",
                native("__init__", (i, a) => {
                  const [self] = a.positional;
                  if (is(self, "instance")) for (const [k, v] of a.keywords) i.journal.set(self.attributes, k, v);
                  return null;
                }),
              ],
            ]),
          }),
        ],
        ["MappingProxyType", native("MappingProxyType", identity)],
      ]),
    ],
    [
      "numbers",
      namespaceOf(
        "numbers",
        ["Number", "Real", "Integral"].map((n): [string, Value] => [n, makeClass({ name: n, bases: [object], fields: [] })]),
      ),
    ],
    [
      "contextlib",
      namespaceOf("contextlib", [
        ["contextmanager", native("contextmanager", identity)],
        [
          "nullcontext",
          makeClass({
            name: "nullcontext",
            bases: [object],
            fields: [],
            attributes: new Map<string, Value>([["__init__", native("__init__", () => null)]]),
          }),
        ],
        ["suppress", native("suppress", () => unknown("suppress"))],
        ["ExitStack", native("ExitStack", () => unknown("ExitStack"))],
      ]),
    ],
    [
      "weakref",
      namespaceOf("weakref", [
        ["proxy", native("proxy", identity)],
        ["ref", native("ref", (_, a) => native("ref", () => a.positional[0] ?? null))],
      ]),
    ],
    ["__future__", namespaceOf("__future__", [], () => null)],
    [
      "os",
      namespaceOf("os", [
        ["environ", dict()],
        ["getenv", native("getenv", (_, a) => a.positional[1] ?? null)],
        ["path", unknown("os.path")],
        ["sep", "/"],
      ]),
    ],
  ]);
  return out;
}

function shallowCopy(i: Interpreter, v: Value): Value {
  if (is(v, "list")) return list([...v.items]);
  if (is(v, "dict")) return { ...v, entries: new Map(v.entries) };
  if (is(v, "instance")) return { ...v, id: i.id(), attributes: new Map(v.attributes) };
  return v;
}
