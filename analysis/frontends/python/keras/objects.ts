/** @file Objects of Keras that compute nothing in the graph: initialisers, optimisers, losses, callbacks and the like. */
import { makeClass } from "../evaluator/classes";
import { namespaceOf } from "../values/namespaces";
import { is } from "../values/inspect";
import { native, unknown } from "../values/make";
import type { ClassValue, NamespaceValue, Value } from "../values/value";

/** First constructor parameters by class, where they are given by position. */
const POSITIONAL: Readonly<Record<string, readonly string[]>> = {
  Constant: ["value"],
  RandomNormal: ["mean", "stddev", "seed"],
  TruncatedNormal: ["mean", "stddev", "seed"],
  RandomUniform: ["minval", "maxval", "seed"],
  Adam: ["learning_rate", "beta_1", "beta_2", "epsilon"],
  AdamW: ["learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon"],
  SGD: ["learning_rate", "momentum", "nesterov", "weight_decay"],
  RMSprop: ["learning_rate", "rho", "momentum", "epsilon"],
};

const DEFAULT_POSITIONAL = ["learning_rate"];

/** A class whose instances only hold what their constructor was given, and whose construction may be a training fact. */
function recordClass(root: ClassValue, qualified: string): ClassValue {
  const name = qualified.split(".").at(-1)!;
  const params = POSITIONAL[name] ?? DEFAULT_POSITIONAL;
  return makeClass({
    name,
    bases: [root],
    fields: [],
    attributes: new Map<string, Value>([
      [
        "__init__",
        native(`${name}.__init__`, (i, a) => {
          const [self, ...rest] = a.positional;
          if (!is(self, "instance")) return null;
          const keywords = new Map(a.keywords);
          rest.forEach((v, k) => {
            const p = params[k];
            if (p !== undefined && !keywords.has(p)) keywords.set(p, v);
          });
          for (const [k, v] of keywords) i.journal.set(self.attributes, k, v);
          i.journal.set(self.attributes, "@qualified", qualified);
          i.onFact?.(qualified, { positional: [], keywords }, self);
          return null;
        }),
      ],
      ["__call__", native(`${name}.__call__`, (_, a) => unknown(`what ${name} gives`, ...a.positional.slice(1)))],
    ]),
    missing: (_, __, method) =>
      method.startsWith("__") ? undefined : native(method, (___, a) => unknown(method, ...a.positional)),
  });
}

/** A namespace whose capitalised members are such classes, made on demand. */
export function recordNamespace(
  root: ClassValue,
  name: string,
  members: readonly (readonly [string, Value])[] = [],
): NamespaceValue {
  const out: NamespaceValue = namespaceOf(name, members, (member) => {
    if (/^[A-Z]/.test(member)) return recordClass(root, `${name}.${member}`);
    // keras.optimizers.schedules, keras.losses.mean_squared_error
    if (member === "schedules" || member === "legacy" || member === "experimental")
      return recordNamespace(root, `${name}.${member}`);
    return member.startsWith("_") ? undefined : native(member, (_, a) => unknown(`${name}.${member}`, ...a.positional));
  });
  return out;
}
