/** @file Python's exception classes, and which handler catches what. */
import { is } from "../values/inspect";
import { native, tuple } from "../values/make";
import type { ClassValue, InstanceValue, Value } from "../values/value";
import type { PythonError } from "./errors";
import type { Interpreter } from "./interpreter";

const PARENTS: Readonly<Record<string, string>> = {
  BaseException: "object",
  Exception: "BaseException",
  KeyboardInterrupt: "BaseException",
  SystemExit: "BaseException",
  ArithmeticError: "Exception",
  ZeroDivisionError: "ArithmeticError",
  OverflowError: "ArithmeticError",
  AssertionError: "Exception",
  AttributeError: "Exception",
  EOFError: "Exception",
  ImportError: "Exception",
  ModuleNotFoundError: "ImportError",
  LookupError: "Exception",
  IndexError: "LookupError",
  KeyError: "LookupError",
  MemoryError: "Exception",
  NameError: "Exception",
  OSError: "Exception",
  FileNotFoundError: "OSError",
  RuntimeError: "Exception",
  NotImplementedError: "RuntimeError",
  RecursionError: "RuntimeError",
  StopIteration: "Exception",
  TypeError: "Exception",
  ValueError: "Exception",
  UnicodeDecodeError: "ValueError",
  Warning: "Exception",
  UserWarning: "Warning",
  DeprecationWarning: "Warning",
  FutureWarning: "Warning",
  RuntimeWarning: "Warning",
};

/** The built-in exception classes by name. */
export function exceptionClasses(root: ClassValue): Map<string, ClassValue> {
  const out = new Map<string, ClassValue>([["object", root]]);
  const init = native("__init__", (interpreter: Interpreter, args) => {
    const [self, ...rest] = args.positional;
    if (is(self, "instance")) interpreter.journal.set((self as InstanceValue).attributes, "args", tuple(rest));
    return null;
  });
  for (const [name, parent] of Object.entries(PARENTS)) {
    const base = out.get(parent) ?? root;
    const cls: ClassValue = {
      k: "class",
      name,
      bases: [base],
      order: [],
      attributes: new Map<string, Value>(name === "BaseException" ? [["__init__", init]] : []),
      fields: [],
    };
    (cls.order as ClassValue[]).push(cls, ...base.order);
    out.set(name, cls);
  }
  out.delete("object");
  return out;
}

/** Whether an `except` clause with this type catches an error. Unknown types catch. */
export function matches(type: Value, error: PythonError): boolean {
  if (is(type, "tuple")) return type.items.some((t) => matches(t, error));
  if (!is(type, "class")) return true;
  if (type.name === "Exception" || type.name === "BaseException") return true;
  const raised = is(error.value, "instance") ? error.value.cls : is(error.value, "class") ? error.value : undefined;
  if (raised) return raised.order.includes(type) || raised.order.some((c) => c.name === type.name);
  let name: string | undefined = error.type;
  while (name) {
    if (name === type.name) return true;
    name = PARENTS[name];
  }
  return false;
}
