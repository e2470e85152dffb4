/** @file Statements. */
import type { Block, Expr, Stmt, StmtOf } from "../parser/syntax";
import { type FunctionValue, intOf, is, isObject, list, positional, type Scope, unknown, type Value } from "../values/value";
import { deleteAttribute, setAttribute, tryAttribute } from "./attributes";
import { fork, NORMAL, type Outcome, truth } from "./branches";
import { defineClass } from "./classes";
import { NotUnderstood, PythonError, raise, type SizeConflict } from "./errors";
import { evaluate } from "./expressions";
import { call, guardedCall } from "./functions";
import { matches } from "./exceptions";
import { importFrom, importNames } from "./imports";
import type { Frame, Interpreter } from "./interpreter";
import { iterate } from "./iterate";
import { binary } from "./operators";
import { deleteItem, setItem } from "./subscripts";

/** Iterations of one loop that are unrolled. */
const MAXIMUM_ITERATIONS = 1024;

/** Runs statements in order. */
export function runBlock(interpreter: Interpreter, block: Block, frame: Frame): Outcome {
  for (const s of block) {
    const outcome = runStatement(interpreter, s, frame);
    if (outcome.kind !== "normal") return outcome;
  }
  return NORMAL;
}

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
      throw new PythonError("ValueError", message, undefined, [{ got: items.length, expected: count }]);
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

/** Runs one statement. */
export function runStatement(interpreter: Interpreter, s: Stmt, frame: Frame): Outcome {
  interpreter.step();
  switch (s.kind) {
    case "Expression":
      frame.at = s.value;
      evaluate(interpreter, s.value, frame);
      return NORMAL;
    case "Assign": {
      const value = evaluate(interpreter, s.value, frame);
      for (const t of s.targets) {
        try {
          assign(interpreter, t, value, frame);
        } catch (error) {
          if (!(error instanceof NotUnderstood)) throw error;
          interpreter.noteOpaque("assignment", error.message);
        }
      }
      return NORMAL;
    }
    case "Annotated":
      if (s.value) assign(interpreter, s.target, evaluate(interpreter, s.value, frame), frame);
      return NORMAL;
    case "Augmented":
      augmented(interpreter, s, frame);
      return NORMAL;
    case "Return":
      return { kind: "return", value: s.value ? evaluate(interpreter, s.value, frame) : null };
    case "If":
      return runIf(interpreter, s, frame);
    case "For":
      return runFor(interpreter, s, frame);
    case "While":
      return runWhile(interpreter, s, frame);
    case "FunctionDef":
      assignName(interpreter, frame, s.name, decorate(interpreter, s.decorators, makeFunction(interpreter, s, frame), frame));
      return NORMAL;
    case "ClassDef": {
      const cls = defineClass(interpreter, s, frame);
      assignName(interpreter, frame, s.name, decorate(interpreter, s.decorators, cls, frame));
      return NORMAL;
    }
    case "Import":
      importNames(interpreter, s, frame);
      return NORMAL;
    case "ImportFrom":
      importFrom(interpreter, s, frame);
      return NORMAL;
    case "With":
      return runWith(interpreter, s, frame);
    case "Try":
      return runTry(interpreter, s, frame);
    case "Raise":
      return runRaise(interpreter, s, frame);
    case "Assert": {
      frame.at = s.test;
      const test = evaluate(interpreter, s.test, frame);
      if (truth(test) === false) {
        const message = `assertion fails: ${frame.chunk.source(s.test).slice(0, 120)}`;
        throw new PythonError("AssertionError", message, undefined, sizesCompared(interpreter, s.test, frame));
      }
      return NORMAL;
    }
    case "Delete":
      for (const t of s.targets) {
        if (t.kind === "Name") interpreter.journal.delete(frame.scope.variables, t.id);
        else if (t.kind === "Attribute") deleteAttribute(interpreter, evaluate(interpreter, t.object, frame), t.name);
        else if (t.kind === "Subscript") {
          deleteItem(interpreter, evaluate(interpreter, t.object, frame), evaluate(interpreter, t.index, frame));
        }
      }
      return NORMAL;
    case "Global":
    case "Nonlocal":
      declare(s, frame.scope);
      return NORMAL;
    case "Break":
      return { kind: "break" };
    case "Continue":
      return { kind: "continue" };
    case "Match":
      return runMatch(interpreter, s, frame);
    default:
      return NORMAL;
  }
}

function declare(s: StmtOf<"Global" | "Nonlocal">, scope: Scope): void {
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

function augmented(interpreter: Interpreter, s: StmtOf<"Augmented">, frame: Frame): void {
  const { target } = s;
  if (target.kind === "Subscript") {
    const object = evaluate(interpreter, target.object, frame);
    const index = evaluate(interpreter, target.index, frame);
    const getter = tryAttribute(interpreter, object, "__getitem__");
    const old =
      getter !== undefined && !is(object, "unknown") ? call(interpreter, getter, positional(index)) : unknown("item", object);
    const right = evaluate(interpreter, s.value, frame);
    frame.at = s;
    setItem(interpreter, object, index, binary(interpreter, s.operator, old, right));
    return;
  }
  const old = evaluate(interpreter, target, frame);
  const right = evaluate(interpreter, s.value, frame);
  frame.at = s;
  if (is(old, "list") && s.operator === "+") {
    interpreter.journal.push(old, ...(iterate(interpreter, right) ?? []));
    return;
  }
  if (is(old, "dict") && s.operator === "|" && is(right, "dict")) {
    for (const [k, v] of right.entries) interpreter.journal.set(old.entries, k, v);
    return;
  }
  if (is(old, "instance")) {
    const method = tryAttribute(interpreter, old, IN_PLACE[s.operator] ?? "");
    if (method !== undefined && !is(method, "unknown")) {
      assign(interpreter, target, call(interpreter, method, positional(right)), frame);
      return;
    }
  }
  const value = binary(interpreter, s.operator, old, right);
  if (is(old, "tensor") && is(value, "tensor")) {
    interpreter.builder.overwrite(old, value);
    if (target.kind === "Name") assign(interpreter, target, old, frame);
    return;
  }
  assign(interpreter, target, value, frame);
}

const IN_PLACE: Readonly<Record<string, string>> = { "+": "__iadd__", "-": "__isub__", "*": "__imul__", "/": "__itruediv__" };

/** The sizes that a failed comparison was about. */
function sizesCompared(interpreter: Interpreter, test: Expr, frame: Frame): SizeConflict[] {
  if (test.kind === "Boolean")
    return [...sizesCompared(interpreter, test.left, frame), ...sizesCompared(interpreter, test.right, frame)];
  if (test.kind === "Not") return sizesCompared(interpreter, test.value, frame);
  if (test.kind !== "Compare") return [];
  const out: SizeConflict[] = [];
  try {
    const numbers = (v: Value): (number | undefined)[] => (is(v, "tuple") || is(v, "list") ? v.items.map(intOf) : [intOf(v)]);
    let left = test.first;
    for (const { value: right } of test.rest) {
      const x = numbers(evaluate(interpreter, left, frame));
      const y = numbers(evaluate(interpreter, right, frame));
      if (x.length === y.length) {
        x.forEach((got, i) => {
          const expected = y[i];
          if (got !== undefined && expected !== undefined && got !== expected) out.push({ got, expected, compared: true });
        });
      }
      // `size % heads == 0`: the next multiple would do.
      if (left.kind === "Binary" && left.operator === "%" && y[0] === 0) {
        const got = intOf(evaluate(interpreter, left.left, frame));
        const by = intOf(evaluate(interpreter, left.right, frame));
        if (got !== undefined && by !== undefined && by > 1) out.unshift({ got, expected: Math.ceil(got / by) * by });
      }
      left = right;
    }
  } catch (error) {
    if (!(error instanceof PythonError)) throw error;
  }
  return out;
}

function runIf(interpreter: Interpreter, s: StmtOf<"If">, frame: Frame): Outcome {
  frame.at = s.test;
  const test = evaluate(interpreter, s.test, frame);
  const known = truth(test);
  if (known === true) {
    if (s.body[0]?.kind !== "Raise") return runBlock(interpreter, s.body, frame);
    try {
      return runBlock(interpreter, s.body, frame);
    } catch (error) {
      if (!(error instanceof PythonError) || error.conflicts.length > 0) throw error;
      throw new PythonError(error.type, error.message, error.value, sizesCompared(interpreter, s.test, frame));
    }
  }
  if (known === false) return runBlock(interpreter, s.otherwise, frame);
  return fork(
    interpreter,
    frame,
    test,
    () => runBlock(interpreter, s.body, frame),
    () => runBlock(interpreter, s.otherwise, frame),
  );
}

function runFor(interpreter: Interpreter, s: StmtOf<"For">, frame: Frame): Outcome {
  frame.at = s.iterable;
  const iterable = evaluate(interpreter, s.iterable, frame);
  const items = iterate(interpreter, iterable);
  if (!items) return runUnknownLoop(interpreter, s, iterable, frame);
  let count = 0;
  for (const item of items) {
    if (++count > MAXIMUM_ITERATIONS) {
      interpreter.notes.add(`a loop with more than ${MAXIMUM_ITERATIONS} iterations was cut short`);
      break;
    }
    assign(interpreter, s.target, item, frame);
    const outcome = runBlock(interpreter, s.body, frame);
    if (outcome.kind === "break") return NORMAL;
    if (outcome.kind === "return") return outcome;
  }
  return runBlock(interpreter, s.otherwise, frame);
}

/** A loop over something unknown: the body may run or not; one run stands for all. */
function runUnknownLoop(interpreter: Interpreter, s: StmtOf<"For">, iterable: Value, frame: Frame): Outcome {
  const outcome = fork(
    interpreter,
    frame,
    unknown("loop over an unknown sequence", iterable),
    () => {
      assign(interpreter, s.target, unknown("member of an unknown sequence", iterable), frame);
      const o = runBlock(interpreter, s.body, frame);
      return o.kind === "break" || o.kind === "continue" ? NORMAL : o;
    },
    () => NORMAL,
  );
  return outcome;
}

function runWhile(interpreter: Interpreter, s: StmtOf<"While">, frame: Frame): Outcome {
  for (let count = 0; count < MAXIMUM_ITERATIONS; count++) {
    frame.at = s.test;
    const test = evaluate(interpreter, s.test, frame);
    const known = truth(test);
    if (known === false) return runBlock(interpreter, s.otherwise, frame);
    if (known === undefined) {
      return fork(
        interpreter,
        frame,
        test,
        () => {
          const o = runBlock(interpreter, s.body, frame);
          return o.kind === "break" || o.kind === "continue" ? NORMAL : o;
        },
        () => NORMAL,
      );
    }
    const outcome = runBlock(interpreter, s.body, frame);
    if (outcome.kind === "break") return NORMAL;
    if (outcome.kind === "return") return outcome;
    // `while True` of a training script: one iteration shows all there is to see.
    if (s.test.kind === "Constant" && count >= 2) return NORMAL;
  }
  interpreter.notes.add(`a loop with more than ${MAXIMUM_ITERATIONS} iterations was cut short`);
  return NORMAL;
}

function runWith(interpreter: Interpreter, s: StmtOf<"With">, frame: Frame): Outcome {
  for (const item of s.items) {
    frame.at = item.value;
    const manager = evaluate(interpreter, item.value, frame);
    let entered: Value = manager;
    if (is(manager, "instance")) {
      const enter = tryAttribute(interpreter, manager, "__enter__");
      if (enter !== undefined && !is(enter, "unknown")) entered = call(interpreter, enter, positional());
    }
    if (item.target) assign(interpreter, item.target, entered, frame);
  }
  return runBlock(interpreter, s.body, frame);
}

function runTry(interpreter: Interpreter, s: StmtOf<"Try">, frame: Frame): Outcome {
  let outcome: Outcome;
  const running = interpreter.running.length;
  const frames = interpreter.frames.length;
  if (s.handlers.length > 0) interpreter.tries++;
  let counted = s.handlers.length > 0;
  try {
    outcome = runBlock(interpreter, s.body, frame);
    if (counted) interpreter.tries--;
    counted = false;
    if (outcome.kind === "normal") outcome = runBlock(interpreter, s.otherwise, frame);
  } catch (error) {
    if (counted) interpreter.tries--;
    counted = false;
    if (!(error instanceof PythonError)) throw error;
    interpreter.running.length = running;
    interpreter.frames.length = frames;
    const handler = s.handlers.find((h) => !h.type || matches(evaluate(interpreter, h.type, frame), error));
    if (!handler) throw error;
    if (handler.name) assignName(interpreter, frame, handler.name, error.value ?? error.message);
    outcome = runBlock(interpreter, handler.body, frame);
  }
  const final = runBlock(interpreter, s.final, frame);
  return final.kind === "normal" ? outcome : final;
}

function runRaise(interpreter: Interpreter, s: StmtOf<"Raise">, frame: Frame): Outcome {
  frame.at = s;
  if (!s.value) throw new PythonError("RuntimeError", "re-raised");
  const value = evaluate(interpreter, s.value, frame);
  let type = "Exception";
  let message = frame.chunk.source(s.value).slice(0, 200);
  if (is(value, "class")) type = value.name;
  else if (is(value, "instance")) {
    type = value.cls.name;
    const args = value.attributes.get("args");
    const first = is(args, "tuple") ? args.items[0] : undefined;
    if (typeof first === "string") message = first;
  }
  throw new PythonError(type, message, isObject(value) ? value : undefined);
}

function runMatch(interpreter: Interpreter, s: StmtOf<"Match">, frame: Frame): Outcome {
  const subject = evaluate(interpreter, s.subject, frame);
  const test = (p: (typeof s.cases)[number]["pattern"]): boolean | undefined => {
    switch (p.kind) {
      case "wildcard":
        return true;
      case "capture":
        assignName(interpreter, frame, p.name, subject);
        return true;
      case "value": {
        const result = binaryEqual(interpreter, subject, evaluate(interpreter, p.value, frame));
        return result;
      }
      case "or": {
        let out: boolean | undefined = false;
        for (const o of p.options) {
          const t = test(o);
          if (t === true) return true;
          if (t === undefined) out = undefined;
        }
        return out;
      }
      default:
        return undefined;
    }
  };
  const from = (i: number): Outcome => {
    const c = s.cases[i];
    if (!c) return NORMAL;
    let matched = test(c.pattern);
    if (matched === true && c.guard) matched = truth(evaluate(interpreter, c.guard, frame));
    if (matched === true) return runBlock(interpreter, c.body, frame);
    if (matched === false) return from(i + 1);
    return fork(
      interpreter,
      frame,
      unknown("match", subject),
      () => runBlock(interpreter, c.body, frame),
      () => from(i + 1),
    );
  };
  return from(0);
}

function binaryEqual(interpreter: Interpreter, a: Value, b: Value): boolean | undefined {
  return truth(binary(interpreter, "==", a, b));
}

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

function decorate(interpreter: Interpreter, decorators: readonly Expr[], made: Value, frame: Frame): Value {
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
