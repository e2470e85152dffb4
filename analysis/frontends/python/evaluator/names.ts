/** @file What a name means where it is written: variables, and `super()`. */
import { is, isObject } from "../values/inspect";
import { unknown } from "../values/make";
import type { Value } from "../values/value";
import { raise } from "./errors";
import type { Frame, Interpreter } from "./interpreter";

/** A variable: local, enclosing, module, built-in. Throws PythonError (NameError). */
export function lookup(interpreter: Interpreter, frame: Frame, name: string): Value {
  let scope: typeof frame.scope | undefined = frame.scope;
  while (scope) {
    const redirect = scope.redirects?.get(name);
    const v = redirect === "global" ? undefined : (redirect ?? scope.variables).get(name);
    if (v !== undefined) return v;
    if (redirect === "global") break;
    scope = scope.outer;
  }
  if (name === "__class__") {
    const owner = frame.callee?.owner ?? [...interpreter.frames].reverse().find((f) => f.callee?.owner)?.callee?.owner;
    if (owner) return owner;
  }
  const global = frame.module.lookup(name);
  if (global !== undefined) return global;
  const builtin = interpreter.environment.builtin(name);
  if (builtin !== undefined) return builtin;
  return raise("NameError", `name '${name}' is not defined`);
}

/** `super()` without arguments: the class after the one that the running method is written in. */
export function superOf(interpreter: Interpreter, frame: Frame): Value {
  // Inside a comprehension or nested function the method's frame is further out.
  const owner = frame.callee?.owner;
  const { self } = frame;
  if (owner && is(self, "instance")) return { k: "super", after: owner, self };
  if (owner && is(self, "class")) return { k: "super", after: owner, self };
  for (const f of [...interpreter.frames].reverse()) {
    if (f.callee?.owner && f.self !== undefined && isObject(f.self) && (f.self.k === "instance" || f.self.k === "class")) {
      return { k: "super", after: f.callee.owner, self: f.self };
    }
  }
  return unknown("super() outside of a class");
}
