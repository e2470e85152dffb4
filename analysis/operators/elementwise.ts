/** @file Arithmetic on elements with NumPy broadcasting: Add to Where, and functions of one number without parameters. */
import { type Node, numberAttribute } from "../graph/graph";
import type { ElementType, Tensor } from "../graph/tensor";
import {
  type Surface,
  binary,
  binaryWith,
  linearIn,
  mapTensor,
  pointwise,
  predicate,
  sameAsFirst,
  zeroTangent,
} from "./factories";
import { erf, erfSlope, roundHalfToEven } from "./kernels/special";
import { broadcastBinary, expandTo } from "./kernels/strided";
import type { Operator } from "./operator";
import {
  addTangents,
  broadcastInputs,
  broadcastShape,
  elementType,
  fail,
  firstType,
  inputShape,
  isInteger,
  onnxElementType,
  required,
} from "./rules";

const add = (a: number, b: number): number => a + b;
const one = (): number => 1;
const minusOne = (): number => -1;

const realDivision: Surface = { value: (a, b) => a / b, first: (_a, b) => 1 / b, second: (_a, b, y) => -y / b };
/** Integer division truncates towards zero, as in C. */
const integerDivision: Surface = { ...realDivision, value: (a, b) => Math.trunc(a / b) };

/** a^b; the derivative by the exponent exists only for positive bases. */
function power(a: number, b: number): number {
  // JavaScript has 1 ** NaN = NaN, where IEEE pow, which NumPy and ONNX Runtime follow, gives 1.
  return a === 1 ? 1 : a ** b;
}
function powerByBase(a: number, b: number): number {
  return b === 0 ? 0 : b * a ** (b - 1);
}
function powerByExponent(a: number, _b: number, y: number): number {
  return a > 0 ? y * Math.log(a) : 0;
}

/** Remainder with the sign of the divisor, as in Python; fmod keeps the sign of the dividend, as in C. */
function modulo(a: number, b: number): number {
  const r = a % b;
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
}
const pythonModulo: Surface = { value: modulo, first: one, second: (a, b) => -Math.floor(a / b) };
const cModulo: Surface = { value: (a, b) => a % b, first: one, second: (a, b) => -Math.trunc(a / b) };

/** Max, Min, Sum and Mean of any number of broadcast inputs. `select` says which of two values a derivative follows. */
function variadic(name: string, fold: (a: number, b: number) => number, kind: "select" | "sum" | "mean"): Operator {
  const evaluate: NonNullable<Operator["evaluate"]> = (node, inputs) => {
    const first = required(node, inputs, 0);
    const tensors = inputs.filter((t): t is Tensor => t !== undefined);
    const shape = broadcastShape(
      node,
      tensors.map((t) => t.shape),
    );
    let data = expandTo(first.data, first.shape, shape);
    for (const t of tensors.slice(1)) data = broadcastBinary(data, shape, t.data, t.shape, shape, fold);
    if (kind === "mean") data = data.map((v) => v / tensors.length);
    return [{ type: first.type, shape, data }];
  };
  const selected: NonNullable<Operator["tangent"]> = (node, x, y, dx) => {
    if (dx.every((d) => d === undefined)) return undefined;
    const data = new Float64Array(y.data.length);
    const taken = new Uint8Array(y.data.length);
    for (let index = 0; index < x.length; index++) {
      const source = required(node, x, index);
      const values = expandTo(source.data, source.shape, y.shape);
      const direction = dx[index];
      const moved = direction && expandTo(direction.data, source.shape, y.shape);
      for (let i = 0; i < data.length; i++) {
        if (taken[i] || values[i] !== y.data[i]) continue;
        taken[i] = 1;
        if (moved) data[i] = moved[i]!;
      }
    }
    return { type: y.type, shape: y.shape, data };
  };
  return {
    name,
    infer: (node, context) => [{ type: firstType(context), shape: broadcastInputs(node, context) }],
    evaluate,
    tangent: kind === "select" ? selected : linearIn(evaluate),
  };
}

const selectNumber =
  (pick: (a: number, b: number) => number) =>
  (a: number, b: number): number =>
    Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : pick(a, b);

const evaluateWhere: NonNullable<Operator["evaluate"]> = (node, inputs) => {
  const condition = required(node, inputs, 0);
  const a = required(node, inputs, 1);
  const b = required(node, inputs, 2);
  const shape = broadcastShape(node, [condition.shape, a.shape, b.shape]);
  const choice = expandTo(condition.data, condition.shape, shape);
  const yes = expandTo(a.data, a.shape, shape);
  const no = expandTo(b.data, b.shape, shape);
  const data = new Float64Array(choice.length);
  for (let i = 0; i < data.length; i++) data[i] = choice[i] !== 0 ? yes[i]! : no[i]!;
  return [{ type: a.type, shape, data }];
};

const BITS: Readonly<Partial<Record<ElementType, number>>> = {
  int8: 8,
  int16: 16,
  int32: 32,
  uint8: 8,
  uint16: 16,
  uint32: 32,
};

/** One number converted as ONNX Cast does: floats to integers truncate, narrow integers wrap, bool is "not zero". */
function castNumber(type: ElementType): (x: number) => number {
  if (type === "bool") return (x) => (x !== 0 ? 1 : 0);
  if (!isInteger(type)) return (x) => x;
  const bits = BITS[type];
  // The largest 64-bit integers stand for "to the end" in slices and stay as they are.
  if (bits === undefined) return Math.trunc;
  const span = 2 ** bits;
  const top = type.startsWith("u") ? span : span / 2;
  return (x) => {
    const whole = Math.trunc(x);
    const wrapped = whole - span * Math.floor(whole / span);
    return wrapped >= top ? wrapped - span : wrapped;
  };
}

function cast(name: string, target: (node: Node, other: ElementType) => ElementType): Operator {
  const evaluate: NonNullable<Operator["evaluate"]> = (node, inputs) => {
    const x = required(node, inputs, 0);
    const type = target(node, inputs[1]?.type ?? "other");
    if (type === x.type) return [x];
    const convert = castNumber(type);
    if (type !== "bool" && !isInteger(type)) return [{ type, shape: x.shape, data: x.data }];
    return [mapTensor(x, convert, type)];
  };
  return {
    name,
    infer: (node, context) => [{ type: target(node, elementType(context, 1)), shape: inputShape(context, 0) }],
    evaluate,
    tangent: (node, x, y, dx) => {
      if (dx[0] === undefined || y.type === "bool" || isInteger(y.type)) return undefined;
      return evaluate(node, [dx[0], x[1]])[0];
    },
  };
}

function castTarget(node: Node): ElementType {
  const to = node.attributes.to;
  if (typeof to === "number") return onnxElementType(to);
  return typeof to === "string"
    ? (to as ElementType)
    : fail(node, "attribute to is absent; it names the element type to cast to");
}

const evaluateIdentity: NonNullable<Operator["evaluate"]> = (node, inputs) => [required(node, inputs, 0)];

const evaluateDropout: NonNullable<Operator["evaluate"]> = (node, inputs) => {
  const x = required(node, inputs, 0);
  if (node.outputs.length < 2) return [x];
  return [x, { type: "bool", shape: x.shape, data: new Float64Array(x.data.length).fill(1) }];
};

/** Shifts unsigned integers; what leaves the type's width is lost. */
function bitShift(node: Node, type: ElementType): (a: number, b: number) => number {
  if (node.attributes.direction === "RIGHT") return (a, b) => Math.floor(a / 2 ** b);
  const span = 2 ** (BITS[type] ?? 64);
  return (a, b) => (a * 2 ** b) % span;
}

/** The number's bits; what is no integer (a model that does not type-check) counts as its whole part, or 0. */
function bitsOf(x: number): bigint {
  return Number.isFinite(x) ? BigInt(Math.trunc(x)) : 0n;
}

function bitwise(name: string, f: (a: bigint, b: bigint) => bigint): Operator {
  return predicate(name, (a, b) => Number(f(bitsOf(a), bitsOf(b))), "same");
}

/** Arithmetic, comparison, logic and unary functions. */
export const elementwiseOperators: readonly Operator[] = [
  binary("Add", add, one, one),
  binary("Sub", (a, b) => a - b, one, minusOne),
  binary(
    "Mul",
    (a, b) => a * b,
    (_a, b) => b,
    (a) => a,
  ),
  binaryWith("Div", (_node, type) => (isInteger(type) ? integerDivision : realDivision)),
  binary("Pow", power, powerByBase, powerByExponent, {
    // Unlike the others, the exponent may have another type than the base, which gives the result's.
    infer: (node, context) => [{ type: elementType(context, 0), shape: broadcastInputs(node, context, [0, 1]) }],
  }),
  binaryWith("Mod", (node) => (numberAttribute(node, "fmod", 0) === 1 ? cModulo : pythonModulo)),
  variadic("Sum", add, "sum"),
  variadic("Mean", add, "mean"),
  variadic(
    "Max",
    selectNumber((a, b) => (b > a ? b : a)),
    "select",
  ),
  variadic(
    "Min",
    selectNumber((a, b) => (b < a ? b : a)),
    "select",
  ),

  predicate("Equal", (a, b) => (a === b ? 1 : 0)),
  predicate("Greater", (a, b) => (a > b ? 1 : 0)),
  predicate("GreaterOrEqual", (a, b) => (a >= b ? 1 : 0)),
  predicate("Less", (a, b) => (a < b ? 1 : 0)),
  predicate("LessOrEqual", (a, b) => (a <= b ? 1 : 0)),
  predicate("And", (a, b) => (a !== 0 && b !== 0 ? 1 : 0)),
  predicate("Or", (a, b) => (a !== 0 || b !== 0 ? 1 : 0)),
  predicate("Xor", (a, b) => ((a !== 0) !== (b !== 0) ? 1 : 0)),
  bitwise("BitwiseAnd", (a, b) => a & b),
  bitwise("BitwiseOr", (a, b) => a | b),
  bitwise("BitwiseXor", (a, b) => a ^ b),
  {
    name: "BitwiseNot",
    infer: sameAsFirst,
    evaluate(node, inputs) {
      const x = required(node, inputs, 0);
      const top = x.type.startsWith("u") ? 2 ** (BITS[x.type] ?? 64) - 1 : -1;
      return [mapTensor(x, (v) => top - v)];
    },
    tangent: zeroTangent,
  },
  {
    name: "BitShift",
    infer: (node, context) => [{ type: firstType(context), shape: broadcastInputs(node, context, [0, 1]) }],
    evaluate(node, inputs) {
      const a = required(node, inputs, 0);
      const b = required(node, inputs, 1);
      const shape = broadcastShape(node, [a.shape, b.shape]);
      return [{ type: a.type, shape, data: broadcastBinary(a.data, a.shape, b.data, b.shape, shape, bitShift(node, a.type)) }];
    },
    tangent: zeroTangent,
  },
  pointwise("Not", (x) => (x === 0 ? 1 : 0)),
  pointwise(
    "IsNaN",
    (x) => (Number.isNaN(x) ? 1 : 0),
    undefined,
    boolResult(() => (x) => (Number.isNaN(x) ? 1 : 0)),
  ),
  pointwise("IsInf", () => 0, undefined, boolResult(isInfinite)),
  {
    name: "Where",
    infer: (node, context) => [{ type: firstType(context, [1, 2]), shape: broadcastInputs(node, context) }],
    evaluate: evaluateWhere,
    tangent: (node, x, y, dx) => {
      if (dx[1] === undefined && dx[2] === undefined) return undefined;
      const condition = required(node, x, 0);
      const choice = expandTo(condition.data, condition.shape, y.shape);
      const part = (index: 1 | 2, when: boolean): Tensor | undefined => {
        const d = dx[index];
        if (d === undefined) return undefined;
        const moved = expandTo(d.data, required(node, x, index).shape, y.shape);
        return { type: y.type, shape: y.shape, data: moved.map((v, i) => ((choice[i] !== 0) === when ? v : 0)) };
      };
      return addTangents(part(1, true), part(2, false));
    },
  },
  cast("Cast", castTarget),
  cast("CastLike", (_node, other) => other),
  { name: "Identity", moves: "reshapes", infer: sameAsFirst, evaluate: evaluateIdentity, tangent: (_node, _x, _y, dx) => dx[0] },
  {
    name: "Dropout",
    infer: (node, context) => [
      { type: elementType(context, 0), shape: inputShape(context, 0) },
      ...(node.outputs.length > 1 ? [{ type: "bool" as const, shape: inputShape(context, 0) }] : []),
    ],
    evaluate: evaluateDropout,
    tangent: (_node, _x, _y, dx) => dx[0],
  },

  pointwise("Neg", (x) => -x, minusOne),
  pointwise("Abs", Math.abs, (x) => Math.sign(x)),
  pointwise("Sqrt", Math.sqrt, (_x, y) => 0.5 / y),
  pointwise("Exp", Math.exp, (_x, y) => y),
  pointwise("Log", Math.log, (x) => 1 / x),
  pointwise(
    "Reciprocal",
    (x) => 1 / x,
    (_x, y) => -y * y,
  ),
  pointwise("Erf", erf, erfSlope),
  pointwise("Sin", Math.sin, Math.cos),
  pointwise("Cos", Math.cos, (x) => -Math.sin(x)),
  pointwise("Tan", Math.tan, (_x, y) => 1 + y * y),
  pointwise("Asin", Math.asin, (x) => 1 / Math.sqrt(1 - x * x)),
  pointwise("Acos", Math.acos, (x) => -1 / Math.sqrt(1 - x * x)),
  pointwise("Atan", Math.atan, (x) => 1 / (1 + x * x)),
  pointwise("Sinh", Math.sinh, Math.cosh),
  pointwise("Cosh", Math.cosh, Math.sinh),
  pointwise("Tanh", Math.tanh, (_x, y) => 1 - y * y),
  pointwise("Asinh", Math.asinh, (x) => 1 / Math.sqrt(x * x + 1)),
  pointwise("Acosh", Math.acosh, (x) => 1 / Math.sqrt(x * x - 1)),
  pointwise("Atanh", Math.atanh, (x) => 1 / (1 - x * x)),
  pointwise("Floor", Math.floor),
  pointwise("Ceil", Math.ceil),
  pointwise("Round", roundHalfToEven),
  pointwise("Sign", Math.sign),
];

/** Fields of an entry whose result is bool. */
function boolResult(test: (node: Node) => (x: number) => number): Pick<Operator, "infer" | "evaluate"> {
  return {
    infer: (_node, context) => [{ type: "bool", shape: inputShape(context, 0) }],
    evaluate: (node, inputs) => [mapTensor(required(node, inputs, 0), test(node), "bool")],
  };
}

function isInfinite(node: Node): (x: number) => number {
  const positive = numberAttribute(node, "detect_positive", 1) === 1;
  const negative = numberAttribute(node, "detect_negative", 1) === 1;
  return (x) => ((positive && x === Number.POSITIVE_INFINITY) || (negative && x === Number.NEGATIVE_INFINITY) ? 1 : 0);
}
