/** @file Operators on Python values; tensors are handed to the torch tables. */
import { dictKey, equal, intOf, is, isObject, numberOf } from "../values/inspect";
import { float, int, list, positional, tuple, unknown } from "../values/make";
import type { Value } from "../values/value";
import { tryAttribute } from "./attributes";
import { truth } from "./branches";
import { raise } from "./errors";
import { call } from "./functions";
import type { Interpreter } from "./interpreter";
import { iterate } from "./iterate";
import { percentFormat } from "./format";
import { tensorBinary, tensorUnary } from "../torch/arithmetic";

const METHODS: Readonly<Record<string, string>> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "truediv",
  "//": "floordiv",
  "%": "mod",
  "**": "pow",
  "@": "matmul",
  "&": "and",
  "|": "or",
  "^": "xor",
  "<<": "lshift",
  ">>": "rshift",
  "==": "eq",
  "!=": "ne",
  "<": "lt",
  "<=": "le",
  ">": "gt",
  ">=": "ge",
};

function arithmetic(operator: string, x: number, y: number, bothInt: boolean): Value | undefined {
  const make = bothInt ? int : float;
  switch (operator) {
    case "+":
      return make(x + y);
    case "-":
      return make(x - y);
    case "*":
      return make(x * y);
    case "/":
      if (y === 0) raise("ZeroDivisionError", "division by zero");
      return float(x / y);
    case "//":
      if (y === 0) raise("ZeroDivisionError", "division by zero");
      return make(Math.floor(x / y));
    case "%":
      if (y === 0) raise("ZeroDivisionError", "modulo by zero");
      return make(x - Math.floor(x / y) * y);
    case "**": {
      const v = x ** y;
      return bothInt && y >= 0 ? int(v) : float(v);
    }
    case "&":
      return int(x & y);
    case "|":
      return int(x | y);
    case "^":
      return int(x ^ y);
    case "<<":
      return int(x * 2 ** y);
    case ">>":
      return int(Math.floor(x / 2 ** y));
    default:
      return undefined;
  }
}

function repeat(interpreter: Interpreter, items: readonly Value[], times: number): Value[] {
  const out: Value[] = [];
  if (items.length * times > 100_000) raise("MemoryError", "a list of more than 100000 members");
  for (let i = 0; i < times; i++) {
    interpreter.step();
    out.push(...items);
  }
  return out;
}

/** `left operator right`. Comparisons go through `compare`, except when called by name here. */
export function binary(interpreter: Interpreter, operator: string, left: Value, right: Value): Value {
  if (operator === "==" || operator === "!=" || operator === "<" || operator === "<=" || operator === ">" || operator === ">=") {
    return compare(interpreter, operator, left, right);
  }
  if (is(left, "tensor") || is(right, "tensor")) return tensorBinary(interpreter, operator, left, right);
  const x = numberOf(left);
  const y = numberOf(right);
  if (x !== undefined && y !== undefined) {
    if (typeof left === "boolean" && typeof right === "boolean" && "&|^".includes(operator)) {
      return operator === "&" ? left && right : operator === "|" ? left || right : left !== right;
    }
    const result = arithmetic(operator, x, y, intOf(left) !== undefined && intOf(right) !== undefined);
    if (result !== undefined) return result;
  }
  if (is(left, "unknown") || is(right, "unknown")) {
    const inputs = [left, right].flatMap((v) => (is(v, "unknown") ? v.inputs : []));
    return inputs.length > 0 ? unknown(operator, left, right) : unknown(is(left, "unknown") ? left.reason : operator);
  }
  if (typeof left === "string") {
    if (operator === "+" && typeof right === "string") return left + right;
    if (operator === "%") return percentFormat(left, right) ?? unknown("formatted text");
    const n = intOf(right);
    if (operator === "*" && n !== undefined) return left.repeat(Math.max(0, Math.min(n, 10_000)));
  }
  if (operator === "*" && (is(right, "list") || is(right, "tuple") || typeof right === "string") && intOf(left) !== undefined) {
    return binary(interpreter, "*", right, left);
  }
  if (isObject(left)) {
    switch (left.k) {
      case "list": {
        if (operator === "+" && is(right, "list")) return list([...left.items, ...right.items]);
        const n = intOf(right);
        if (operator === "*" && n !== undefined) {
          const repeated = list(repeat(interpreter, left.items, n));
          if (n > 1 && left.items.some((i) => is(i, "instance"))) {
            interpreter.noteRepeat(left.items);
            interpreter.onFact?.("repeat", positional(left, right), repeated);
          }
          return repeated;
        }
        break;
      }
      case "tuple": {
        if (operator === "+" && is(right, "tuple")) return tuple([...left.items, ...right.items]);
        const n = intOf(right);
        if (operator === "*" && n !== undefined) return tuple(repeat(interpreter, left.items, n));
        break;
      }
      case "dict":
        if (operator === "|" && is(right, "dict")) return { k: "dict", entries: new Map([...left.entries, ...right.entries]) };
        break;
      case "set": {
        const others = iterate(interpreter, right);
        if (!others) return unknown(operator);
        const keys = new Map(others.map((v) => [dictKey(v), v] as const));
        const entries = new Map<string, Value>();
        for (const [k, v] of left.entries) if (operator === "|" || keys.has(k) === (operator === "&")) entries.set(k, v);
        if (operator === "|") for (const [k, v] of keys) entries.set(k, v);
        return { k: "set", entries };
      }
      case "class":
        // `A | B` in annotations and isinstance.
        if (operator === "|") return tuple([left, right]);
        break;
      case "instance": {
        const method = tryAttribute(interpreter, left, `__${METHODS[operator]}__`);
        if (method !== undefined) return call(interpreter, method, positional(right));
        break;
      }
      default:
    }
  }
  if (is(right, "instance")) {
    const method = tryAttribute(interpreter, right, `__r${METHODS[operator]}__`);
    if (method !== undefined) return call(interpreter, method, positional(left));
  }
  if (operator === "|") return tuple([left, right]);
  if (is(left, "namespace") || is(right, "namespace") || is(left, "native") || is(right, "native")) return unknown(operator);
  return raise("TypeError", `unsupported operand types for ${operator}`);
}

/** `operator value` for `-`, `+`, `~`. */
export function unary(interpreter: Interpreter, operator: string, value: Value): Value {
  if (is(value, "tensor")) return tensorUnary(interpreter, operator, value);
  const n = numberOf(value);
  if (n !== undefined) {
    const isInt = intOf(value) !== undefined;
    if (operator === "-") return isInt ? int(-n) : float(-n);
    if (operator === "+") return isInt ? int(n) : float(n);
    if (operator === "~") return int(~n);
  }
  if (is(value, "instance")) {
    const name = operator === "-" ? "__neg__" : operator === "~" ? "__invert__" : "__pos__";
    const method = tryAttribute(interpreter, value, name);
    if (method !== undefined) return call(interpreter, method, positional());
  }
  return unknown(operator, value);
}

/** `item in container`. */
export function contains(interpreter: Interpreter, container: Value, item: Value): Value {
  if (typeof container === "string") return typeof item === "string" ? container.includes(item) : unknown("in", item);
  if (is(item, "unknown")) return unknown("in", item);
  if (is(container, "dict") || is(container, "set")) return container.entries.has(dictKey(item));
  if (is(container, "instance")) {
    const method = tryAttribute(interpreter, container, "__contains__");
    if (method !== undefined && !is(method, "unknown")) return call(interpreter, method, positional(item));
  }
  const members = iterate(interpreter, container);
  if (!members) return unknown("in", container);
  let known = true;
  for (const m of members) {
    const e = m === item ? true : equal(m, item);
    if (e === true) return true;
    if (e === undefined) known = false;
  }
  return known ? false : unknown("in", container);
}

function order(a: Value, b: Value): number | undefined {
  const x = numberOf(a);
  const y = numberOf(b);
  if (x !== undefined && y !== undefined) return x < y ? -1 : x > y ? 1 : x === y ? 0 : Number.NaN;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  if ((is(a, "tuple") || is(a, "list")) && (is(b, "tuple") || is(b, "list"))) {
    for (let i = 0; i < Math.min(a.items.length, b.items.length); i++) {
      const o = order(a.items[i]!, b.items[i]!);
      if (o !== 0) return o;
    }
    return a.items.length - b.items.length;
  }
  return undefined;
}

function isUniform(v: Value): boolean {
  if (is(v, "unknown")) return v.uniform === true;
  return is(v, "tensor") && v.drawn?.scheme === "uniform_" && (v.shape ?? []).every((d) => d === 1);
}

/**
 * A random number against a probability: the likelier outcome, as dropout is left out. `random() < p` skips a layer or
 * adds noise with a small p; code that does something with a large p does it.
 */
function randomTest(operator: string, left: Value, right: Value): boolean | undefined {
  const less = operator === "<" || operator === "<=";
  if (!less && operator !== ">" && operator !== ">=") return undefined;
  const p = numberOf(isUniform(left) ? right : isUniform(right) ? left : null);
  if (p === undefined) return undefined;
  const below = isUniform(left) === less;
  return below ? p > 0.5 : p < 0.5;
}

/** `left operator right` for comparisons, `is`, `in` and their negations. */
export function compare(interpreter: Interpreter, operator: string, left: Value, right: Value): Value {
  switch (operator) {
    case "is":
    case "is not": {
      const same = identical(left, right);
      if (same === undefined) return unknown("is", left, right);
      return (operator === "is") === same;
    }
    case "in":
    case "not in": {
      const found = contains(interpreter, right, left);
      const t = truth(found);
      return t === undefined ? found : (operator === "in") === t;
    }
    default:
  }
  const drawn = randomTest(operator, left, right);
  if (drawn !== undefined) return drawn;
  if (is(left, "tensor") || is(right, "tensor")) {
    if (
      (left === null || right === null || typeof left === "string" || typeof right === "string") &&
      (operator === "==" || operator === "!=")
    ) {
      return operator === "!=";
    }
    return tensorBinary(interpreter, operator, left, right);
  }
  if (is(left, "instance") || is(right, "instance")) {
    const [self, other] = is(left, "instance") ? [left, right] : [right, left];
    if (operator === "==" || operator === "!=") {
      const method = tryAttribute(interpreter, self, "__eq__");
      if (method !== undefined && !is(method, "unknown")) {
        const t = truth(call(interpreter, method, positional(other)));
        return t === undefined ? unknown("==") : (operator === "==") === t;
      }
    } else if (self === left) {
      const method = tryAttribute(interpreter, self, `__${METHODS[operator]}__`);
      if (method !== undefined && !is(method, "unknown")) return call(interpreter, method, positional(other));
    }
  }
  if (operator === "==" || operator === "!=") {
    const e = equal(left, right);
    return e === undefined ? unknown(operator, left, right) : (operator === "==") === e;
  }
  if (is(left, "set") && is(right, "set")) {
    const sub = [...left.entries.keys()].every((k) => right.entries.has(k));
    const sup = [...right.entries.keys()].every((k) => left.entries.has(k));
    if (operator === "<=" || operator === "<") return sub && (operator === "<=" || !sup);
    return sup && (operator === ">=" || !sub);
  }
  const o = order(left, right);
  if (o === undefined) {
    if (left === null || right === null) raise("TypeError", `'${operator}' not supported between these values`);
    return unknown(operator, left, right);
  }
  switch (operator) {
    case "<":
      return o < 0;
    case "<=":
      return o <= 0;
    case ">":
      return o > 0;
    case ">=":
      return o >= 0;
    default:
      return unknown(operator, left, right);
  }
}

/** Python's `is`. Small numbers and strings count as identical when equal, as CPython interns them. */
function identical(a: Value, b: Value): boolean | undefined {
  if (a === b) return true;
  if (is(a, "unknown") || is(b, "unknown")) return undefined;
  if (isObject(a) && isObject(b)) {
    if (a.k === "int" && b.k === "int") return a.v === b.v;
    if (a.k === "dtype" && b.k === "dtype") return a.type === b.type;
    if (a.k === "bound" && b.k === "bound") return a.self === b.self && a.callee === b.callee;
    if (a.k === "namespace" && b.k === "namespace") return a.name === b.name;
  }
  return false;
}
