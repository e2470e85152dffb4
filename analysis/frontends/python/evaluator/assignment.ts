/** @file Assignments: names, targets that are taken apart, and what a scope declares. */
import type { Expr, StmtOf } from "../parser/syntax";
import { is } from "../values/inspect";
import { list, unknown } from "../values/make";
import type { Scope, Value } from "../values/value";
import { setAttribute } from "./attributes";
import { PythonError, raise } from "./errors";
import { evaluate } from "./expressions";
import type { Frame, Interpreter } from "./interpreter";
import { iterate } from "./iterate";
import { setItem } from "./subscripts";

/** Assigns a variable where Python would: the local scope unless `global` or `nonlocal` says otherwise. */
export function assignName(interpreter: Interpreter, frame: Frame, name: string, value: Value): void {
  const redirect = frame.scope.redirects?.get(name);
  if (redirect === "global") frame.module.assign(name, value);
  else interpreter.journal.set(redirect ?? frame.scope.variables, name, value);
}

/** Unpacks a value for `count` targets (`star` of which takes the rest). Throws PythonError where Python would. */
export function unpack(interpreter: Interpreter, value: Value, count: number, star: number): Value[] {
  if (is(value, "unknown")) return Array.from({ length: count }, (_, i) => (i === star ? list([]) : { ...value }));
  if (is(value, "tensor") && value.shape === undefined) {
    interpreter.builder.needShape(value, { minimumRank: 1 });
    if (value.shape === undefined) return Array.from({ length: count }, () => interpreter.builder.opaque("unpack", [value]));
  }
  const items = iterate(interpreter, value, star < 0 ? count : undefined);
  if (!items) return Array.from({ length: count }, () => unknown("unpacked from an unknown value", value));
  if (star < 0) {
    if (items.length !== count) {
      const message = `expected ${count} values to unpack, got ${items.length}`;
      const isShape = items.length > 0 && items.every((i) => is(i, "int"));
      const conflict = { got: items.length, expected: count };
      throw new PythonError("ValueError", message, undefined, [isShape ? { ...conflict, ranks: true } : conflict]);
    }
    return items;
  }
  const after = count - star - 1;
  if (items.length < count - 1) raise("ValueError", `expected at least ${count - 1} values to unpack, got ${items.length}`);
  return [...items.slice(0, star), list(items.slice(star, items.length - after)), ...items.slice(items.length - after)];
}

/** Assigns to any target. */
export function assign(interpreter: Interpreter, target: Expr, value: Value, frame: Frame): void {
  switch (target.kind) {
    case "Name":
      assignName(interpreter, frame, target.id, value);
      return;
    case "Tuple":
    case "List": {
      const star = target.items.findIndex((t) => t.kind === "Starred");
      const parts = unpack(interpreter, value, target.items.length, star);
      target.items.forEach((t, i) => {
        assign(interpreter, t.kind === "Starred" ? t.value : t, parts[i]!, frame);
      });
      return;
    }
    case "Attribute": {
      frame.at = target;
      const object = evaluate(interpreter, target.object, frame);
      if (is(object, "tensor") && target.name === "data") {
        interpreter.builder.assignData(object, value);
        return;
      }
      setAttribute(interpreter, object, target.name, value);
      return;
    }
    case "Subscript": {
      const object = evaluate(interpreter, target.object, frame);
      const index = evaluate(interpreter, target.index, frame);
      frame.at = target;
      setItem(interpreter, object, index, value);
      return;
    }
    case "Starred":
      assign(interpreter, target.value, value, frame);
      return;
    default:
  }
}

/** Carries out `global` and `nonlocal`. */
export function declare(s: StmtOf<"Global" | "Nonlocal">, scope: Scope): void {
  scope.redirects ??= new Map();
  for (const name of s.names) {
    if (s.kind === "Global") scope.redirects.set(name, "global");
    else {
      let outer = scope.outer;
      while (outer && !outer.variables.has(name)) outer = outer.outer;
      if (outer) scope.redirects.set(name, outer.variables);
    }
  }
}
