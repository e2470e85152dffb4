/** @file Namespaces made of tables: built-in modules. */
import { native } from "./make";
import type { NamespaceValue, NativeCall, Value } from "./value";

/** A module with the given members; `fallback` makes others on demand. */
export function namespaceOf(
  name: string,
  members: Iterable<readonly [string, Value]>,
  fallback?: (name: string) => Value | undefined,
): NamespaceValue {
  const table = new Map(members);
  return {
    k: "namespace",
    name,
    get(key) {
      const known = table.get(key);
      if (known !== undefined) return known;
      const made = fallback?.(key);
      if (made !== undefined) table.set(key, made);
      return made;
    },
    names: () => [...table.keys()],
  };
}

/** Functions by name, as members of a namespace. */
export function functions(prefix: string, table: Readonly<Record<string, NativeCall>>): [string, Value][] {
  return Object.entries(table).map(([name, run]) => [name, native(`${prefix}.${name}`, run)]);
}
