/** @file Tests that cannot be decided: both sides run, and what they leave behind is joined. */
import type { Written } from "../values/journal";
import { equal, is, isObject } from "../values/inspect";
import { list, tuple, unknown } from "../values/make";
import type { TensorValue, Value } from "../values/value";
import { NotUnderstood, notUnderstood, PythonError } from "./errors";
import type { Frame, Interpreter } from "./interpreter";

/** How a block ended. */
export type Outcome =
  | { readonly kind: "normal" }
  | { readonly kind: "return"; readonly value: Value }
  | { readonly kind: "break" | "continue" };

/** A statement ended, and the next one follows. */
export const NORMAL: Outcome = { kind: "normal" };

/** Whether a value is true; undefined where that is not known. */
export function truth(v: Value): boolean | undefined {
  if (v === null) return false;
  if (typeof v === "boolean") return v;
  if (typeof v === "string") return v !== "";
  switch (v.k) {
    case "int":
    case "float":
      return v.v !== 0;
    case "list":
    case "tuple":
      return v.items.length > 0;
    case "dict":
    case "set":
      return v.entries.size > 0;
    case "range":
      return v.step > 0 ? v.stop > v.start : v.stop < v.start;
    case "unknown":
      return undefined;
    case "tensor":
      if (v.constant && v.shape !== undefined && v.shape.every((d) => d === 1)) return v.constant.at(0) !== 0;
      return undefined;
    case "instance": {
      const items = v.attributes;
      if (v.cls.order.some((c) => c.name === "ModuleList" || c.name === "Sequential" || c.name === "ModuleDict")) {
        return [...items.keys()].some((k) => is(items.get(k), "instance"));
      }
      return true;
    }
    default:
      return true;
  }
}

function sameShape(a: TensorValue, b: TensorValue): boolean {
  return (
    a.shape !== undefined &&
    b.shape !== undefined &&
    a.shape.length === b.shape.length &&
    a.shape.every((d, i) => d === b.shape![i])
  );
}

/** One value that stands for either of two, depending on a test. */
export function joinValues(interpreter: Interpreter, test: Value, a: Value, b: Value): Value {
  if (a === b || equal(a, b) === true) return a;
  if (is(a, "tensor") && is(b, "tensor")) {
    const x = interpreter.builder.nameOf(a);
    const y = interpreter.builder.nameOf(b);
    if (x === y) return a;
    const decided = is(test, "tensor") && test.shape !== undefined && test.shape.every((d) => d === 1);
    if (decided && sameShape(a, b) && a.type === b.type) {
      const condition = interpreter.builder.cast(test, "bool");
      return interpreter.builder.node("Where", [interpreter.builder.reshape(condition, []), a, b]);
    }
    const tested = is(test, "unknown") ? test.inputs : is(test, "tensor") ? [test] : [];
    interpreter.noteOpaque("if", "the test cannot be decided; both sides are joined");
    return interpreter.builder.opaque("if", [a, b, ...tested], sameShape(a, b) ? { type: a.type, shape: a.shape } : undefined);
  }
  if (isObject(a) && isObject(b)) {
    if ((a.k === "tuple" || a.k === "list") && a.k === b.k && a.items.length === b.items.length) {
      const other = b.items;
      const items = a.items.map((x, i) => joinValues(interpreter, test, x, other[i]!));
      return a.k === "tuple" ? tuple(items, a.names) : list(items);
    }
    // Two modules, or functions, of which one will be called: a call of the result is opaque over both.
  }
  return unknown("differs between the sides of a test that cannot be decided", a, b, test);
}

function apply(interpreter: Interpreter, written: readonly Written[]): void {
  const { journal } = interpreter;
  for (const w of [...written].reverse()) {
    if (w.kind === "map") {
      if (w.has) journal.set(w.map, w.key, w.value);
      else journal.delete(w.map, w.key);
    } else if (w.kind === "list") journal.setItems(w.list, w.items);
    else journal.setTensor(w.tensor, w.fields);
  }
}

function isValue(v: unknown): v is Value {
  return v === null || typeof v === "string" || typeof v === "boolean" || (typeof v === "object" && v !== null && "k" in v);
}

/** Joins the writes of two branches that both went on. */
function merge(interpreter: Interpreter, test: Value, first: readonly Written[], second: readonly Written[]): void {
  const { journal } = interpreter;
  const maps = new Map<Map<string, unknown>, Set<string>>();
  const find = (of: readonly Written[], map: Map<string, unknown>, key: string): Written | undefined =>
    of.find((w) => w.kind === "map" && w.map === map && w.key === key);
  for (const w of [...first, ...second].reverse()) {
    if (w.kind === "map") {
      const keys = maps.get(w.map) ?? new Set();
      maps.set(w.map, keys);
      if (keys.has(w.key)) continue;
      keys.add(w.key);
      const a = find(first, w.map, w.key);
      const b = find(second, w.map, w.key);
      const had = w.map.has(w.key);
      const x = a?.kind === "map" ? (a.has ? a.value : undefined) : had ? w.map.get(w.key) : undefined;
      const y = b?.kind === "map" ? (b.has ? b.value : undefined) : had ? w.map.get(w.key) : undefined;
      if (x === undefined && y === undefined) journal.delete(w.map, w.key);
      else if (x === undefined || y === undefined) journal.set(w.map, w.key, x ?? y);
      else if (isValue(x) && isValue(y)) journal.set(w.map, w.key, joinValues(interpreter, test, x, y));
      else journal.set(w.map, w.key, x);
    } else if (w.kind === "list") {
      const a = first.find((o) => o.kind === "list" && o.list === w.list);
      const b = second.find((o) => o.kind === "list" && o.list === w.list);
      const x = a?.kind === "list" ? a.items : w.list.items;
      const y = b?.kind === "list" ? b.items : w.list.items;
      const joined =
        x.length === y.length ? x.map((v, i) => joinValues(interpreter, test, v, y[i]!)) : x.length > y.length ? x : y;
      journal.setItems(w.list, joined);
    } else {
      const a = first.find((o) => o.kind === "tensor" && o.tensor === w.tensor);
      const b = second.find((o) => o.kind === "tensor" && o.tensor === w.tensor);
      const before: TensorValue = { ...w.tensor };
      const x: TensorValue = a?.kind === "tensor" ? { ...before, ...a.fields } : before;
      const y: TensorValue = b?.kind === "tensor" ? { ...before, ...b.fields } : before;
      const joined = joinValues(interpreter, test, x, y);
      if (is(joined, "tensor")) {
        journal.setTensor(w.tensor, {
          value: joined.value,
          type: joined.type,
          shape: joined.shape,
          constant: joined.constant,
          version: w.tensor.version + 1,
        });
      }
    }
  }
}

/**
 * Runs both sides of a test that cannot be decided. A side that raises is not taken. A side that returns leaves its value
 * pending in the frame, and the function goes on with the other side.
 */
export function fork(interpreter: Interpreter, frame: Frame, test: Value, first: () => Outcome, second: () => Outcome): Outcome {
  const { journal } = interpreter;
  const run = (side: () => Outcome): { outcome?: Outcome; error?: PythonError; written: Written[]; pending: number } => {
    journal.begin();
    interpreter.forks++;
    const pending = frame.pending.length;
    const running = interpreter.running.length;
    const frames = interpreter.frames.length;
    try {
      const outcome = side();
      return { outcome, written: journal.rollback(), pending };
    } catch (error) {
      journal.rollback();
      interpreter.running.length = running;
      interpreter.frames.length = frames;
      frame.pending.length = pending;
      if (error instanceof PythonError) return { error, written: [], pending };
      if (error instanceof NotUnderstood) return { error: new PythonError("RuntimeError", error.message), written: [], pending };
      throw error;
    } finally {
      interpreter.forks--;
    }
  };
  if (interpreter.forks > 8) notUnderstood("more than 8 nested tests that cannot be decided");
  const a = run(first);
  const b = run(second);
  if (a.error && b.error) throw a.error;
  if (!a.outcome || !b.outcome) {
    const taken = a.outcome ? a : b;
    apply(interpreter, taken.written);
    return taken.outcome ?? NORMAL;
  }
  if (a.outcome.kind === "return" && b.outcome.kind === "return") {
    merge(interpreter, test, a.written, b.written);
    return { kind: "return", value: joinValues(interpreter, test, a.outcome.value, b.outcome.value) };
  }
  if (a.outcome.kind === "return" || b.outcome.kind === "return") {
    const [returning, going] = a.outcome.kind === "return" ? [a, b] : [b, a];
    if (returning.outcome?.kind === "return") frame.pending.push({ test, value: returning.outcome.value });
    apply(interpreter, going.written);
    return going.outcome ?? NORMAL;
  }
  merge(interpreter, test, a.written, b.written);
  // A loop that may end here is followed to its known end; its later iterations count.
  if (a.outcome.kind === b.outcome.kind) return a.outcome;
  return a.outcome.kind === "normal" || b.outcome.kind === "normal" ? NORMAL : { kind: "continue" };
}
