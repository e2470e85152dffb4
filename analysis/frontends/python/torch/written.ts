/** @file Functions of torch by name, wherever they are: in the tables, or written in Python (modules/prelude). */
import type { Interpreter } from "../evaluator/interpreter";
import { moduleOfFunction } from "../modules/prelude/functions/index";
import { is } from "../values/inspect";
import type { Value } from "../values/value";
import { operations } from "./operations/index";

/** What a module that is written in Python calls by a name. */
export function writtenIn(interpreter: Interpreter, module: string, name: string): Value | undefined {
  const written = interpreter.environment.importModule(module, undefined);
  return is(written, "namespace") ? written.get(name) : undefined;
}

/** A function on tensors; undefined where there is none. */
export function functionNamed(interpreter: Interpreter, name: string): Value | undefined {
  const known = operations.callable(name);
  const module = known ? undefined : moduleOfFunction(name);
  return module === undefined ? known : writtenIn(interpreter, module, name);
}
