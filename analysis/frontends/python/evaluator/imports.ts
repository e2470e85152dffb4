/** @file Import statements. */
import type { StmtOf } from "../parser/syntax";
import { is } from "../values/inspect";
import { unknown } from "../values/make";
import type { Value } from "../values/value";
import { raise } from "./errors";
import type { Frame, Interpreter } from "./interpreter";
import { assignName } from "./assignment";

/** The absolute name of `from ...module import`, seen from a module. */
export function absoluteName(level: number, module: string, from: { readonly name: string; readonly file: string }): string {
  if (level === 0) return module;
  const isPackage = /(?:^|[\\/])__init__\.pyi?$/.test(from.file);
  const parts = from.name.split(".").filter((p) => p !== "");
  const keep = parts.length - level + (isPackage ? 1 : 0);
  const base = parts.slice(0, Math.max(0, keep));
  return [...base, ...module.split(".").filter((p) => p !== "")].join(".");
}

/** A module; inside a `try`, one that cannot be found raises ImportError so that the fallback runs. */
function importOrRaise(interpreter: Interpreter, name: string, frame: Frame): Value {
  const found = interpreter.environment.importModule(name, frame.module);
  if (found !== undefined) return found;
  if (interpreter.tries > 0) raise("ModuleNotFoundError", `No module named '${name}'`);
  return unknown(`${name} is not installed here and not in the workspace`);
}

/** `import a.b as c`. */
export function importNames(interpreter: Interpreter, s: StmtOf<"Import">, frame: Frame): void {
  for (const { name, alias } of s.names) {
    if (alias) assignName(interpreter, frame, alias, importOrRaise(interpreter, name, frame));
    else {
      const top = name.split(".")[0]!;
      importOrRaise(interpreter, name, frame);
      assignName(interpreter, frame, top, importOrRaise(interpreter, top, frame));
    }
  }
}

/** `from a.b import c as d`. */
export function importFrom(interpreter: Interpreter, s: StmtOf<"ImportFrom">, frame: Frame): void {
  const name = absoluteName(s.level, s.module, frame.module);
  let module: Value | undefined;
  if (s.level >= 2 && interpreter.environment.importModule(name, frame.module) === undefined) {
    // A module of a Hugging Face style package that was copied out of it: its relatives have stand-ins.
    module = interpreter.environment.importModule(`transformers.${s.module}`, frame.module);
  }
  module ??= importOrRaise(interpreter, name, frame);
  if (s.names === "*") {
    if (is(module, "namespace")) {
      for (const n of module.names()) {
        if (n.startsWith("_")) continue;
        const v = module.get(n);
        if (v !== undefined) assignName(interpreter, frame, n, v);
      }
    }
    return;
  }
  for (const { name: item, alias } of s.names) {
    let value: Value | undefined;
    if (is(module, "namespace")) value = module.get(item);
    if (value === undefined) value = interpreter.environment.importModule(`${name}.${item}`, frame.module);
    if (value === undefined) {
      if (interpreter.tries > 0) raise("ImportError", `cannot import name '${item}' from '${name}'`);
      value = unknown(`${name}.${item} is not known`);
    }
    assignName(interpreter, frame, alias ?? item, value);
  }
}
