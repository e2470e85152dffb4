/** @file The standard library, as far as model code uses it. */
import { tryAttribute } from "../evaluator/attributes";
import { makeClass } from "../evaluator/classes";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { binary } from "../evaluator/operators";
import { functions, namespaceOf } from "../values/namespaces";
import { is } from "../values/inspect";
import { dict, int, list, native, positional, tuple, unknown } from "../values/make";
import type { Value } from "../values/value";
import { argumentParsing } from "./argparse";
import type { Builtins } from "./builtins";
import { deepCopy } from "./copying";
import { abstractClasses, dataclassesModule, typingModule } from "./typing";
import { collectionsModule, enumModule, functoolsModule } from "./collections";
import { math } from "./math";
import { itertoolsModule } from "./itertools";
import { identity } from "./wrappers";

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
