/** @file Statements. */
import type { Block, Expr, Stmt, StmtOf } from "../parser/syntax";
import { intOf, is, isObject } from "../values/inspect";
import { positional, unknown } from "../values/make";
import type { Value } from "../values/value";
import { deleteAttribute, tryAttribute } from "./attributes";
import { fork, NORMAL, type Outcome, truth } from "./branches";
import { defineClass } from "./classes";
import { NotUnderstood, PythonError, type SizeConflict } from "./errors";
import { evaluate, extendBy } from "./expressions";
import { call } from "./functions";
import { matches } from "./exceptions";
import { importFrom, importNames } from "./imports";
import type { Frame, Interpreter } from "./interpreter";
import { type PickedRow, pickedRows } from "../torch/picked";
import { iterate } from "./iterate";
import { binary } from "./operators";
import { deleteItem, setItem } from "./subscripts";
import { assign, assignName, declare } from "./assignment";
import { decorate, makeFunction } from "./definitions";

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
  if (is(old, "list") && s.operator === "+") {
    extendBy(interpreter, old, s.value, frame);
    return;
  }
  const right = evaluate(interpreter, s.value, frame);
  frame.at = s;
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
  const rows = is(iterable, "tensor") && iterable.picked ? pickedRows(interpreter, iterable.picked) : undefined;
  if (rows) return runPickedLoop(interpreter, s, rows, frame);
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

/** A loop over the entries that a mask picks: for each entry, the body runs where it is one of them. */
function runPickedLoop(interpreter: Interpreter, s: StmtOf<"For">, rows: readonly PickedRow[], frame: Frame): Outcome {
  for (const { coordinates, isThere } of rows) {
    let failure: unknown;
    const body = (): Outcome => {
      try {
        assign(interpreter, s.target, coordinates, frame);
        const o = runBlock(interpreter, s.body, frame);
        return o.kind === "continue" ? NORMAL : o;
      } catch (error) {
        failure = error;
        throw error;
      }
    };
    const outcome = fork(interpreter, frame, isThere, body, () => NORMAL);
    // What fails for one entry says that something else is wrong, not that no entry is picked.
    if (failure !== undefined) throw failure;
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
