/** @file optax: optimisers are functions of their settings, reported as training facts. */
import { namespaceOf } from "../values/namespaces";
import { native, tuple, unknown } from "../values/make";
import type { NamespaceValue, Value } from "../values/value";

/** The module `optax`. Losses and optimisers are reported; what they give is not computed. */
export function optaxModule(): NamespaceValue {
  const make = (name: string): Value =>
    native(name, (i, args) => {
      const value = unknown(`optax.${name}`, ...args.positional);
      i.onFact?.(`optax.${name}`, args, value);
      return value;
    });
  const out: NamespaceValue = namespaceOf("optax", [["chain", native("chain", (_, a) => tuple([...a.positional]))]], (name) =>
    name === "losses" || name === "schedules" || name === "contrib" ? out : name.startsWith("_") ? undefined : make(name),
  );
  return out;
}
