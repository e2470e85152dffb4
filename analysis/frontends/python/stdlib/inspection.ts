/** @file What needs a look at running frames and functions: `inspect`, and helpers for the prelude. */
import { makeClass } from "../evaluator/classes";
import { functions, namespaceOf } from "../values/namespaces";
import { isObject } from "../values/inspect";
import { dict, native, unknown } from "../values/make";
import type { ClassValue, FunctionValue, NamespaceValue, Value } from "../values/value";

function functionOf(v: Value | undefined): FunctionValue | undefined {
  if (!isObject(v)) return undefined;
  if (v.k === "function") return v;
  if (v.k === "bound" || v.k === "partial" || v.k === "wrapper") return functionOf(v.callee);
  if (v.k === "class") return functionOf(v.attributes.get("__init__"));
  return undefined;
}

/** The modules `inspect` and `_noether`. */
export function inspectionModules(object: ClassValue): Map<string, NamespaceValue> {
  const parameterClass = makeClass({
    name: "Parameter",
    bases: [object],
    fields: [],
    attributes: new Map<string, Value>([["empty", unknown("empty")]]),
  });
  const signatureClass = makeClass({ name: "Signature", bases: [object], fields: [] });
  const inspect = namespaceOf("inspect", [
    ...functions("inspect", {
      signature: (i, a) => {
        const f = functionOf(a.positional[0]);
        const entries = (f?.params ?? []).map(
          (p) =>
            [
              p.name,
              {
                k: "instance" as const,
                id: i.id(),
                cls: parameterClass,
                attributes: new Map<string, Value>([
                  ["name", p.name],
                  ["default", f?.defaults.get(p.name) ?? unknown("empty")],
                  ["kind", p.form],
                ]),
              },
            ] as const,
        );
        return {
          k: "instance",
          id: i.id(),
          cls: signatureClass,
          attributes: new Map<string, Value>([["parameters", dict(entries)]]),
        };
      },
      getfullargspec: (i, a) => ({
        k: "instance",
        id: i.id(),
        cls: signatureClass,
        attributes: new Map<string, Value>([
          ["args", { k: "list", items: (functionOf(a.positional[0])?.params ?? []).map((p) => p.name) }],
        ]),
      }),
      isfunction: (_, a) => isObject(a.positional[0]) && a.positional[0].k === "function",
      isclass: (_, a) => isObject(a.positional[0]) && a.positional[0].k === "class",
      ismethod: (_, a) => isObject(a.positional[0]) && a.positional[0].k === "bound",
    }),
    ["Parameter", parameterClass],
    ["Signature", signatureClass],
  ]);
  const helpers = namespaceOf("_noether", [
    [
      "caller_locals",
      // The variables of the function that called the function that asks.
      native("caller_locals", (i) => dict([...(i.frames[i.frames.length - 2]?.scope.variables ?? [])])),
    ],
  ]);
  return new Map([
    ["inspect", inspect],
    ["_noether", helpers],
  ]);
}
