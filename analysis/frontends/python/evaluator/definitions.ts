/** @file Functions as `def` makes them, and decorators. */
import type { Block, Expr, StmtOf } from "../parser/syntax";
import { is } from "../values/inspect";
import { positional } from "../values/make";
import type { FunctionValue, Scope, Value } from "../values/value";
import { PythonError } from "./errors";
import { evaluate } from "./expressions";
import { guardedCall } from "./functions";
import type { Frame, Interpreter } from "./interpreter";

const generators = new WeakMap<object, boolean>();

/** Whether a function's body yields (nested functions not counted). */
function yields(body: Block): boolean {
  const known = generators.get(body);
  if (known !== undefined) return known;
  let found = false;
  const visit = (x: unknown): void => {
    if (found || typeof x !== "object" || x === null) return;
    if (Array.isArray(x)) {
      for (const y of x) visit(y);
      return;
    }
    const node = x as { kind?: string };
    if (node.kind === "FunctionDef" || node.kind === "ClassDef" || node.kind === "Lambda") return;
    if (node.kind === "Yield") {
      found = true;
      return;
    }
    for (const v of Object.values(x)) visit(v);
  };
  for (const s of body) visit(s);
  generators.set(body, found);
  return found;
}

/** The value of a `def`, without its decorators. */
export function makeFunction(interpreter: Interpreter, s: StmtOf<"FunctionDef">, frame: Frame): FunctionValue {
  const defaults = new Map<string, Value>();
  for (const p of s.params) if (p.defaultValue) defaults.set(p.name, evaluate(interpreter, p.defaultValue, frame));
  return {
    k: "function",
    name: s.name,
    params: s.params,
    body: s.body,
    isLambda: false,
    isGenerator: yields(s.body),
    definition: s,
    scope: closureOf(frame),
    module: frame.module,
    chunk: frame.chunk,
    span: s,
    defaults,
  };
}

/** The scope that functions made in a frame close over; the module's own scope is found by name instead. */
export function closureOf(frame: Frame): Scope | undefined {
  if (frame.form === "module") return undefined;
  return frame.form === "class" ? frame.scope.outer : frame.scope;
}

/** Decorators that change nothing that matters here, by their last name. */
const TRANSPARENT = new Set([
  "no_grad",
  "inference_mode",
  "enable_grad",
  "set_grad_enabled",
  "autocast",
  "custom_fwd",
  "custom_bwd",
  "script",
  "script_if_tracing",
  "ignore",
  "unused",
  "export",
  "compile",
  "disable",
  "jit",
  "wraps",
  "abstractmethod",
  "override",
  "final",
  "overload",
  "lru_cache",
  "cache",
  "typecheck",
  "beartype",
  "jaxtyped",
  "add_start_docstrings",
  "add_start_docstrings_to_model_forward",
  "add_code_sample_docstrings",
  "replace_return_docstrings",
  "auto_docstring",
  "can_return_tuple",
  "check_model_inputs",
  "deprecate_kwarg",
  "use_kernel_forward_from_hub",
  "use_kernelized_func",
  "dynamic_rope_update",
  "torch_compilable_check",
  "rank_zero_only",
  "deprecated",
  "handle_legacy_interface",
  "_log_api_usage_once",
  "main",
  "torchscript_compatible",
]);

function lastName(x: Expr): string {
  if (x.kind === "Name") return x.id;
  if (x.kind === "Attribute") return x.name;
  if (x.kind === "Call") return lastName(x.callee);
  return "";
}

/** What decorators make of a function or class. */
export function decorate(interpreter: Interpreter, decorators: readonly Expr[], made: Value, frame: Frame): Value {
  let value = made;
  for (const d of [...decorators].reverse()) {
    if (TRANSPARENT.has(lastName(d))) continue;
    frame.at = d;
    const decorator = evaluate(interpreter, d, frame);
    // A decorator that is not known is taken for transparent: registries and documentation are by far the most common.
    if (is(decorator, "unknown")) continue;
    const tries = interpreter.tries;
    try {
      const result = guardedCall(interpreter, decorator, positional(value), frame.chunk.source(d));
      if (!is(result, "unknown") && result !== null) value = result;
    } catch (error) {
      if (!(error instanceof PythonError)) throw error;
      interpreter.tries = tries;
    }
  }
  return value;
}
