/** @file Operators between tensors and numbers: type promotion and the ONNX operators behind `+`, `@`, `<` and friends. */
import { type ElementType, isFloating } from "../../../graph/tensor";
import { notUnderstood } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { tryAttribute } from "../evaluator/attributes";
import { call } from "../evaluator/functions";
import { is, isObject, numberOf } from "../values/inspect";
import { positional } from "../values/make";
import type { TensorValue, Value } from "../values/value";
import { scalarTensor } from "./arguments";

function category(t: ElementType): number {
  if (t === "bool") return 0;
  return isFloating(t) ? 2 : t.startsWith("complex") ? 3 : 1;
}

const WIDTH: Readonly<Partial<Record<ElementType, number>>> = {
  uint8: 1,
  int8: 2,
  int16: 3,
  int32: 4,
  int64: 5,
  float16: 1,
  bfloat16: 2,
  float32: 3,
  float64: 4,
};

/** The element type of an operation between two tensors. */
export function promotedType(a: TensorValue, b: TensorValue): ElementType {
  if (a.type === b.type) return a.type;
  const ca = category(a.type);
  const cb = category(b.type);
  if (ca !== cb) return ca > cb ? a.type : b.type;
  const scalarA = a.shape?.length === 0;
  const scalarB = b.shape?.length === 0;
  if (scalarA !== scalarB) return scalarA ? b.type : a.type;
  if ((a.type === "float16" && b.type === "bfloat16") || (a.type === "bfloat16" && b.type === "float16")) return "float32";
  return (WIDTH[a.type] ?? 0) >= (WIDTH[b.type] ?? 0) ? a.type : b.type;
}

/** Both operands as tensors of one element type; Python numbers take the tensor's type where they can. */
export function promote(interpreter: Interpreter, left: Value, right: Value): [TensorValue, TensorValue] {
  const { builder } = interpreter;
  const scalarType = (v: Value, other: TensorValue): ElementType => {
    if (typeof v === "boolean") return other.type;
    if (is(v, "float")) return isFloating(other.type) || other.type.startsWith("complex") ? other.type : "float32";
    return other.type === "bool" ? "int64" : other.type;
  };
  let a: TensorValue | undefined;
  let b: TensorValue | undefined;
  if (is(left, "tensor") && !is(right, "tensor")) {
    a = left;
    b = builder.tensorOf(right, numberOf(right) !== undefined ? scalarType(right, left) : undefined);
  } else if (is(right, "tensor") && !is(left, "tensor")) {
    b = right;
    a = builder.tensorOf(left, numberOf(left) !== undefined ? scalarType(left, right) : undefined);
  } else if (is(left, "tensor") && is(right, "tensor")) {
    a = left;
    b = right;
  }
  if (!a || !b) return notUnderstood("an operand is not a tensor or number that is known");
  const type = promotedType(a, b);
  return [builder.cast(a, type), builder.cast(b, type)];
}

const COMPARISONS: Readonly<Record<string, string>> = {
  "==": "Equal",
  "<": "Less",
  "<=": "LessOrEqual",
  ">": "Greater",
  ">=": "GreaterOrEqual",
};

function toFloat(interpreter: Interpreter, t: TensorValue): TensorValue {
  return isFloating(t.type) || t.type.startsWith("complex") ? t : interpreter.builder.cast(t, "float32");
}

/** Whether adding, or multiplying by, this number changes nothing. */
function neutral(operator: string, v: Value): boolean {
  const n = numberOf(v);
  return operator === "+" || operator === "-" ? n === 0 : n === 1;
}

/** A tensor with the same value that writes to the first do not reach. */
export function copyOf(t: TensorValue): TensorValue {
  return { ...t, parameter: undefined, view: undefined, version: 0 };
}

/** Names of the methods that classes define operators by. */
const OPERATOR_METHODS: Readonly<Record<string, string>> = {
  "@": "matmul",
  "*": "mul",
  "+": "add",
  "-": "sub",
  "/": "truediv",
  "**": "pow",
};

/** `left operator right` where at least one is a tensor. */
export function tensorBinary(interpreter: Interpreter, operator: string, left: Value, right: Value): Value {
  const { builder } = interpreter;
  // Another class may know how to combine with tensors.
  if (is(right, "instance") && is(left, "tensor")) {
    const name = OPERATOR_METHODS[operator];
    const method = name === undefined ? undefined : tryAttribute(interpreter, right, `__r${name}__`);
    if (isObject(method) && method.k !== "unknown") return call(interpreter, method, positional(left));
  }
  if (is(left, "instance") && is(right, "tensor")) {
    const name = OPERATOR_METHODS[operator];
    const method = name === undefined ? undefined : tryAttribute(interpreter, left, `__${name}__`);
    if (isObject(method) && method.k !== "unknown") return call(interpreter, method, positional(right));
  }
  interpreter.calls++;
  if (is(left, "tensor") && isFloating(left.type) && !builder.isOpen(left)) {
    if (["+", "-", "*", "/"].includes(operator) && !is(right, "tensor") && neutral(operator, right)) return copyOf(left);
  }
  if (is(right, "tensor") && isFloating(right.type) && !builder.isOpen(right)) {
    if (["+", "*"].includes(operator) && !is(left, "tensor") && neutral(operator, left)) return copyOf(right);
  }
  if (operator === "@") {
    const [a, b] = promote(interpreter, left, right);
    return builder.node("MatMul", [a, b]);
  }
  let [a, b] = promote(interpreter, left, right);
  switch (operator) {
    case "+":
    case "-":
    case "*": {
      if (a.type === "bool") {
        if (operator === "*") return builder.node("And", [a, b]);
        if (operator === "+") return builder.node("Or", [a, b]);
        a = builder.cast(a, "int64");
        b = builder.cast(b, "int64");
      }
      return builder.node(operator === "+" ? "Add" : operator === "-" ? "Sub" : "Mul", [a, b]);
    }
    case "/":
      return builder.node("Div", [toFloat(interpreter, a), toFloat(interpreter, b)]);
    case "//":
      if (isFloating(a.type)) return builder.node("Floor", [builder.node("Div", [a, b])]);
      return builder.cast(
        builder.node("Floor", [builder.node("Div", [builder.cast(a, "float64"), builder.cast(b, "float64")])]),
        a.type,
      );
    case "%":
      if (!isFloating(a.type)) return builder.node("Mod", [a, b]);
      return builder.node("Sub", [a, builder.node("Mul", [b, builder.node("Floor", [builder.node("Div", [a, b])])])]);
    case "**":
      if (!isFloating(a.type) && is(right, "int") && right.v < 0) return notUnderstood("negative power of integers");
      if (scalarTensor(b) === 1) return a;
      return builder.node("Pow", [a, b]);
    case "!=":
      return builder.node("Not", [builder.node("Equal", [a, b])]);
    case "&":
      return builder.node(a.type === "bool" ? "And" : "BitwiseAnd", [a, b]);
    case "|":
      return builder.node(a.type === "bool" ? "Or" : "BitwiseOr", [a, b]);
    case "^":
      return builder.node(a.type === "bool" ? "Xor" : "BitwiseXor", [a, b]);
    default: {
      const name = COMPARISONS[operator];
      if (!name) return notUnderstood(`the operator ${operator} on tensors`);
      return builder.node(name, [a, b]);
    }
  }
}

/** `operator value`. */
export function tensorUnary(interpreter: Interpreter, operator: string, value: TensorValue): Value {
  interpreter.calls++;
  const { builder } = interpreter;
  if (operator === "-") return builder.node("Neg", [value]);
  if (operator === "~") return builder.node(value.type === "bool" ? "Not" : "BitwiseNot", [value]);
  return value;
}
