/** @file Expressions. */
import type { Argument, Expr, ExprOf, StringPart } from "../parser/syntax";
import { dictKey, is } from "../values/inspect";
import { ELLIPSIS, float, int, list, tuple, unknown } from "../values/make";
import type { Arguments, DictValue, FunctionValue, ListValue, SetValue, Value } from "../values/value";
import { contentsOf } from "./derived";
import { getAttribute } from "./attributes";
import { joinValues, truth } from "./branches";
import { NotUnderstood, PythonError } from "./errors";
import { formatValue } from "./format";
import { guardedCall } from "./functions";
import type { Frame, Interpreter } from "./interpreter";
import { iterate } from "./iterate";
import { binary, compare, unary } from "./operators";
import { assign } from "./assignment";
import { closureOf } from "./definitions";
import { lookup, superOf } from "./names";
import { getItem } from "./subscripts";

/** The value of an expression. */
export function evaluate(interpreter: Interpreter, x: Expr, frame: Frame): Value {
  switch (x.kind) {
    case "Name":
      return lookup(interpreter, frame, x.id);
    case "Number":
      if (x.type === "complex") return unknown("complex number");
      return x.type === "int" ? int(x.value) : float(x.value);
    case "String":
    case "Bytes":
      return x.value;
    case "Format":
      return formatString(interpreter, x.parts, frame);
    case "Constant":
      return x.value === "..." ? ELLIPSIS : x.value;
    case "List":
      return list(items(interpreter, x.items, frame));
    case "Tuple":
      return tuple(items(interpreter, x.items, frame));
    case "Set": {
      const set: SetValue = { k: "set", entries: new Map() };
      for (const v of items(interpreter, x.items, frame)) set.entries.set(dictKey(v), v);
      return set;
    }
    case "Dict":
      return dictionary(interpreter, x, frame);
    case "Binary": {
      const left = evaluate(interpreter, x.left, frame);
      const right = evaluate(interpreter, x.right, frame);
      frame.at = x;
      return guarded(interpreter, x.operator, [left, right], () => binary(interpreter, x.operator, left, right));
    }
    case "Unary": {
      const value = evaluate(interpreter, x.value, frame);
      frame.at = x;
      return guarded(interpreter, x.operator, [value], () => unary(interpreter, x.operator, value));
    }
    case "Not": {
      const value = evaluate(interpreter, x.value, frame);
      const t = truth(value);
      return t === undefined ? unknown("not", value) : !t;
    }
    case "Boolean": {
      const left = evaluate(interpreter, x.left, frame);
      const t = truth(left);
      if (t === undefined) {
        const right = evaluate(interpreter, x.right, frame);
        const r = truth(right);
        // Short circuits that are decided by the other side.
        if (x.operator === "and" && r === false) return right;
        if (x.operator === "or" && r === true && typeof right === "boolean") return right;
        return unknown(x.operator, left, right);
      }
      return (x.operator === "and") === t ? evaluate(interpreter, x.right, frame) : left;
    }
    case "Compare": {
      let left = evaluate(interpreter, x.first, frame);
      let result: Value = true;
      for (const { operator, value } of x.rest) {
        const right = evaluate(interpreter, value, frame);
        frame.at = x;
        const l = left;
        const one = guarded(interpreter, operator, [l, right], () => compare(interpreter, operator, l, right));
        if (x.rest.length === 1) return one;
        const t = truth(one);
        if (t === false) return false;
        if (t === undefined) result = unknown("comparison", left, right);
        left = right;
      }
      return result;
    }
    case "Call":
      return evaluateCall(interpreter, x, frame);
    case "Attribute":
      return attribute(interpreter, evaluate(interpreter, x.object, frame), x, frame);
    case "Subscript": {
      const object = evaluate(interpreter, x.object, frame);
      const index = evaluate(interpreter, x.index, frame);
      frame.at = x;
      return guarded(interpreter, "subscript", [object, index], () => getItem(interpreter, object, index));
    }
    case "Slice":
      return {
        k: "slice",
        lower: x.lower ? evaluate(interpreter, x.lower, frame) : null,
        upper: x.upper ? evaluate(interpreter, x.upper, frame) : null,
        step: x.step ? evaluate(interpreter, x.step, frame) : null,
      };
    case "Lambda":
      return lambda(interpreter, x, frame);
    case "Conditional": {
      const test = evaluate(interpreter, x.test, frame);
      const t = truth(test);
      if (t === true) return evaluate(interpreter, x.then, frame);
      if (t === false) return evaluate(interpreter, x.otherwise, frame);
      return eitherExpression(interpreter, test, x, frame);
    }
    case "Named": {
      const value = evaluate(interpreter, x.value, frame);
      assign(interpreter, x.target, value, frame);
      return value;
    }
    case "Comprehension":
      return comprehension(interpreter, x, frame);
    case "Await":
      return evaluate(interpreter, x.value, frame);
    case "Yield": {
      const value = x.value ? evaluate(interpreter, x.value, frame) : null;
      if (x.from) frame.yields?.push(...(iterate(interpreter, value) ?? [unknown("yield from", value)]));
      else frame.yields?.push(value);
      return null;
    }
    case "Starred":
      return evaluate(interpreter, x.value, frame);
    default: {
      // Text that does not parse: its parts may still be meaningful, its value is not.
      const parts = x.parts.filter((p) => p.kind !== "Broken").slice(0, 8);
      const values: Value[] = [];
      for (const p of parts) {
        try {
          values.push(evaluate(interpreter, p, frame));
        } catch (error) {
          if (!(error instanceof PythonError)) throw error;
        }
      }
      return unknown("this text does not parse", ...values);
    }
  }
}

function attribute(interpreter: Interpreter, object: Value, x: ExprOf<"Attribute">, frame: Frame): Value {
  frame.at = x;
  if (is(object, "unknown")) {
    if (x.name === "backward") interpreter.onFact?.("backward", { positional: [object], keywords: new Map() }, null);
    return { k: "unknown", reason: object.reason, inputs: object.inputs };
  }
  return getAttribute(interpreter, object, x.name);
}

/**
 * Runs an operation; where it cannot succeed and no `try` of the program is running, its result becomes opaque over its
 * operands (or the run ends, when it is strict).
 */
function guarded(interpreter: Interpreter, name: string, operands: readonly Value[], run: () => Value): Value {
  try {
    return run();
  } catch (error) {
    const understood = !(error instanceof NotUnderstood);
    if (understood && (!(error instanceof PythonError) || interpreter.tries > 0 || interpreter.forks > 0 || interpreter.strict))
      throw error;
    const tensors = interpreter.tensorsIn(operands);
    if (tensors.length === 0) {
      if (understood) throw error;
      return unknown(error.message);
    }
    if (error instanceof PythonError) interpreter.contradiction(error);
    interpreter.noteOpaque(name, error.message);
    return interpreter.builder.opaque(name, tensors);
  }
}

function eitherExpression(interpreter: Interpreter, test: Value, x: ExprOf<"Conditional">, frame: Frame): Value {
  const run = (side: Expr): { value?: Value; error?: PythonError } => {
    interpreter.forks++;
    const running = interpreter.running.length;
    const frames = interpreter.frames.length;
    try {
      return { value: evaluate(interpreter, side, frame) };
    } catch (error) {
      if (!(error instanceof PythonError)) throw error;
      interpreter.running.length = running;
      interpreter.frames.length = frames;
      return { error };
    } finally {
      interpreter.forks--;
    }
  };
  const a = run(x.then);
  const b = run(x.otherwise);
  if (a.value === undefined && b.value === undefined) throw a.error!;
  if (a.value === undefined) return b.value!;
  if (b.value === undefined) return a.value;
  return joinValues(interpreter, test, a.value, b.value);
}

function items(interpreter: Interpreter, xs: readonly Expr[], frame: Frame): Value[] {
  const out: Value[] = [];
  for (const x of xs) {
    if (x.kind === "Starred") {
      const v = evaluate(interpreter, x.value, frame);
      out.push(...(iterate(interpreter, v) ?? [unknown("members of an unknown sequence", v)]));
    } else out.push(evaluate(interpreter, x, frame));
  }
  return out;
}

function dictionary(interpreter: Interpreter, x: ExprOf<"Dict">, frame: Frame): Value {
  const out = { k: "dict" as const, entries: new Map<string, { key: Value; value: Value }>() };
  for (const entry of x.entries) {
    if (entry.key) {
      const key = evaluate(interpreter, entry.key, frame);
      out.entries.set(dictKey(key), { key, value: evaluate(interpreter, entry.value, frame) });
    } else {
      const more = evaluate(interpreter, entry.value, frame);
      if (is(more, "dict")) for (const [k, e] of more.entries) out.entries.set(k, e);
    }
  }
  return out;
}

function formatString(interpreter: Interpreter, parts: readonly StringPart[], frame: Frame): Value {
  let out = "";
  for (const p of parts) {
    if (typeof p === "string") {
      out += p;
      continue;
    }
    const value = evaluate(interpreter, p.value, frame);
    const format = p.format.length > 0 ? formatString(interpreter, p.format, frame) : "";
    const text = formatValue(value, typeof format === "string" ? format : "", p.conversion);
    if (text === undefined) return unknown("formatted text", value);
    out += text;
  }
  return out;
}

function lambda(interpreter: Interpreter, x: ExprOf<"Lambda">, frame: Frame): FunctionValue {
  const defaults = new Map<string, Value>();
  for (const p of x.params) if (p.defaultValue) defaults.set(p.name, evaluate(interpreter, p.defaultValue, frame));
  return {
    k: "function",
    name: "<lambda>",
    params: x.params,
    body: x.body,
    isLambda: true,
    isGenerator: false,
    scope: closureOf(frame),
    module: frame.module,
    chunk: frame.chunk,
    span: x,
    defaults,
  };
}

function comprehension(interpreter: Interpreter, x: ExprOf<"Comprehension">, frame: Frame): Value {
  const out: Value[] = [];
  const entries = new Map<string, { key: Value; value: Value }>();
  const complete = produce(interpreter, x, frame, (body, inner) => {
    if (x.form === "dict" && x.value) entries.set(dictKey(body), { key: body, value: evaluate(interpreter, x.value, inner) });
    else out.push(body);
  });
  if (!complete) return unknown("comprehension over an unknown sequence", ...out);
  switch (x.form) {
    case "list":
      return list(out);
    case "set": {
      const set: SetValue = { k: "set", entries: new Map() };
      for (const v of out) set.entries.set(dictKey(v), v);
      return set;
    }
    case "dict":
      return { k: "dict", entries };
    default:
      return { k: "iterator", items: out, at: 0 };
  }
}

/** Hands over one member of a comprehension after the other; false where one of its sequences is unknown. */
function produce(
  interpreter: Interpreter,
  x: ExprOf<"Comprehension">,
  frame: Frame,
  take: (member: Value, inner: Frame) => void,
): boolean {
  const inner: Frame = { ...frame, form: "function", scope: { variables: new Map(), outer: frame.scope } };
  let complete = true;
  const clause = (i: number): void => {
    const c = x.clauses[i];
    if (!c) {
      interpreter.step();
      const body = evaluate(interpreter, x.body, inner);
      if (x.body.kind === "Starred") for (const member of iterate(interpreter, body) ?? []) take(member, inner);
      else take(body, inner);
      return;
    }
    const source = evaluate(interpreter, c.iterable, i === 0 ? frame : inner);
    const members = iterate(interpreter, source);
    if (!members) {
      complete = false;
      take(unknown("comprehension over an unknown sequence", source), inner);
      return;
    }
    for (const m of members) {
      // Each iteration has its own variables for functions made in it to see, as far as they are bound late.
      assign(interpreter, c.target, m, inner);
      const passed = c.conditions.every((condition) => truth(evaluate(interpreter, condition, inner)) !== false);
      if (passed) clause(i + 1);
    }
  };
  // A walrus inside a comprehension binds in the function around it.
  const before = interpreter.frames[interpreter.frames.length - 1];
  if (before) interpreter.frames[interpreter.frames.length - 1] = inner;
  try {
    clause(0);
  } finally {
    if (before) interpreter.frames[interpreter.frames.length - 1] = before;
  }
  return complete;
}

/**
 * Appends what an expression gives to a list. A generator sees the list grow while it runs: in
 * `y.extend(m(y[-1]) for m in layers)` every layer reads what the one before it gave.
 */
export function extendBy(interpreter: Interpreter, target: ListValue, x: Expr, frame: Frame): void {
  if (x.kind === "Comprehension" && x.form === "generator") {
    produce(interpreter, x, frame, (member) => interpreter.journal.push(target, member));
    return;
  }
  const given = evaluate(interpreter, x, frame);
  frame.at = x;
  interpreter.journal.push(target, ...(iterate(interpreter, given) ?? [unknown("members of an unknown sequence", given)]));
}

/** The arguments of a call. */
export function evaluateArguments(interpreter: Interpreter, args: readonly Argument[], frame: Frame): Arguments {
  const out: Value[] = [];
  const keywords = new Map<string, Value>();
  let open = false;
  for (const a of args) {
    const value = evaluate(interpreter, a.value, frame);
    if (a.form === "positional") out.push(value);
    else if (a.form === "keyword") keywords.set(a.name, value);
    else if (a.form === "star") {
      const members = iterate(interpreter, value);
      if (members) out.push(...members);
      else open = true;
    } else if (is(contentsOf(value), "dict")) {
      for (const e of (contentsOf(value) as DictValue).entries.values())
        if (typeof e.key === "string") keywords.set(e.key, e.value);
    } else if (value !== null && is(value, "unknown")) open = true;
  }
  return open ? { positional: out, keywords, open } : { positional: out, keywords };
}

function evaluateCall(interpreter: Interpreter, x: ExprOf<"Call">, frame: Frame): Value {
  if (x.callee.kind === "Name" && x.callee.id === "super" && x.args.length === 0) return superOf(interpreter, frame);
  if (x.callee.kind === "Name" && (x.callee.id === "locals" || x.callee.id === "vars") && x.args.length === 0) {
    const entries = new Map<string, { key: Value; value: Value }>();
    for (const [k, v] of frame.scope.variables) entries.set(dictKey(k), { key: k, value: v });
    return { k: "dict", entries };
  }
  const object = x.callee.kind === "Attribute" ? evaluate(interpreter, x.callee.object, frame) : undefined;
  const [given] = x.args;
  if (is(object, "list") && x.callee.kind === "Attribute" && x.callee.name === "extend" && given?.form === "positional") {
    extendBy(interpreter, object, given.value, frame);
    return null;
  }
  const callee =
    x.callee.kind === "Attribute" && object !== undefined
      ? attribute(interpreter, object, x.callee, frame)
      : evaluate(interpreter, x.callee, frame);
  const args = evaluateArguments(interpreter, x.args, frame);
  frame.at = x;
  const depth = interpreter.frames.length - 1;
  const outerSite = interpreter.callSites[depth];
  interpreter.callSites[depth] = {
    span: x,
    list: x.list,
    callee,
    args: x.args.map((a) => ({
      form: a.form,
      name: a.name,
      span: { s: a.s, e: a.e },
      valueSpan: { s: a.value.s, e: a.value.e },
    })),
  };
  try {
    const written =
      x.callee.kind === "Name" || x.callee.kind === "Attribute" ? frame.chunk.source(x.callee).slice(0, 80) : undefined;
    return guardedCall(interpreter, callee, args, written);
  } finally {
    interpreter.callSites[depth] = outerSite;
    frame.at = x;
  }
}
