/** @file argparse: the defaults of a parser's arguments are the values of its namespace. */
import { makeClass } from "../evaluator/classes";
import { iterate } from "../evaluator/iterate";
import { call } from "../evaluator/functions";
import { namespaceOf } from "../values/namespaces";
import { is } from "../values/inspect";
import { native, positional, unknown } from "../values/make";
import type { ClassValue, InstanceValue, Value } from "../values/value";
import { namespaceMissing } from "./witnesses";

function destination(names: readonly Value[], explicit: Value | undefined): string | undefined {
  if (typeof explicit === "string") return explicit;
  const texts = names.filter((n) => typeof n === "string");
  const long = texts.find((n) => n.startsWith("--")) ?? texts[0];
  return long?.replace(/^-+/, "").replaceAll("-", "_");
}

/** The module argparse. */
export function argumentParsing(object: ClassValue): Value {
  const namespaceClass = makeClass({
    name: "Namespace",
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
    missing: namespaceMissing,
  });
  const method = (
    name: string,
    run: (
      self: InstanceValue,
      names: readonly Value[],
      keywords: ReadonlyMap<string, Value>,
      interpreter: Parameters<typeof call>[0],
    ) => Value,
  ): [string, Value] => [
    name,
    native(`ArgumentParser.${name}`, (i, a) => {
      const [self, ...rest] = a.positional;
      return is(self, "instance") ? run(self, rest, a.keywords, i) : unknown(name);
    }),
  ];
  const parse = (self: InstanceValue, i: Parameters<typeof call>[0]): InstanceValue => ({
    k: "instance",
    id: i.id(),
    cls: namespaceClass,
    attributes: new Map([...self.attributes].filter(([k]) => k.startsWith("--")).map(([k, v]) => [k.slice(2), v])),
  });
  const parserClass: ClassValue = makeClass({
    name: "ArgumentParser",
    bases: [object],
    fields: [],
    attributes: new Map<string, Value>([
      ["__init__", native("__init__", () => null)],
      method("add_argument", (self, names, keywords, i) => {
        const name = destination(names, keywords.get("dest"));
        if (name === undefined) return null;
        let value = keywords.get("default");
        const action = keywords.get("action");
        if (value === undefined && action === "store_true") value = false;
        if (value === undefined && action === "store_false") value = true;
        if (value === undefined && keywords.get("required") === true) {
          const choices = keywords.get("choices");
          value = choices === undefined ? undefined : iterate(i, choices)?.[0];
        }
        const type = keywords.get("type");
        if (typeof value === "string" && type !== undefined && is(type, "class")) value = call(i, type, positional(value));
        i.journal.set(self.attributes, `--${name}`, value ?? null);
        return null;
      }),
      method("set_defaults", (self, _, keywords, i) => {
        for (const [k, v] of keywords) i.journal.set(self.attributes, `--${k}`, v);
        return null;
      }),
      method("parse_args", (self, _, __, i) => parse(self, i)),
      method("parse_known_args", (self, _, __, i) => ({ k: "tuple", items: [parse(self, i), { k: "list", items: [] }] })),
      method("add_argument_group", (self) => self),
      method("add_mutually_exclusive_group", (self) => self),
      method("add_subparsers", (self) => self),
      method("add_parser", (self) => self),
      method("print_help", () => null),
      method("error", () => null),
    ]),
  });
  return namespaceOf("argparse", [
    ["ArgumentParser", parserClass],
    ["Namespace", namespaceClass],
    ["ArgumentDefaultsHelpFormatter", unknown("formatter")],
    ["BooleanOptionalAction", "store_true"],
  ]);
}
