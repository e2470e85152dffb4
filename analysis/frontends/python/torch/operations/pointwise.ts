/** @file Operations that act entry by entry: activations, unary functions, binary functions, comparisons, casts. */
import { isFloating } from "../../../../graph/tensor";
import type { GraphBuilder } from "../../emit/builder";
import { notUnderstood } from "../../evaluator/errors";
import { is, numberOf } from "../../values/inspect";
import type { TensorValue, Value } from "../../values/value";
import { axisOf, Reader, shapeOf } from "../arguments";
import { promote, tensorBinary } from "../arithmetic";
import { nonzero } from "./known-data";
import type { OperationTable } from "../operation";

function floating(b: GraphBuilder, t: TensorValue): TensorValue {
  if (t.shape === undefined) b.needShape(t);
  return isFloating(t.type) ? t : b.cast(t, "float32");
}

/** A constant of the tensor's element type. */
export function like(b: GraphBuilder, t: TensorValue, value: number): TensorValue {
  return b.scalar(value, t.type);
}

/** x * sigmoid(x). */
export function silu(b: GraphBuilder, x: TensorValue): TensorValue {
  return b.node("Mul", [x, b.node("Sigmoid", [x])]);
}

/** GELU, exact or by tanh, spelled out as exporters do. */
export function gelu(b: GraphBuilder, x: TensorValue, approximate: string): TensorValue {
  if (approximate === "tanh") {
    const cube = b.node("Mul", [b.node("Mul", [x, x]), x]);
    const inner = b.node("Add", [x, b.node("Mul", [cube, like(b, x, 0.044715)])]);
    const t = b.node("Tanh", [b.node("Mul", [inner, like(b, x, Math.sqrt(2 / Math.PI))])]);
    return b.node("Mul", [b.node("Mul", [x, like(b, x, 0.5)]), b.node("Add", [t, like(b, x, 1)])]);
  }
  const e = b.node("Erf", [b.node("Div", [x, like(b, x, Math.SQRT2)])]);
  return b.node("Mul", [b.node("Mul", [x, b.node("Add", [e, like(b, x, 1)])]), like(b, x, 0.5)]);
}

/** Entries kept within bounds, each of which may be absent. */
export function clip(b: GraphBuilder, x: TensorValue, low?: TensorValue, high?: TensorValue): TensorValue {
  return b.node("Clip", [x, low && b.cast(low, x.type), high && b.cast(high, x.type)]);
}

/** Softplus of sharpness `beta`; the threshold beyond which torch takes it for linear is left out: it changes rounding only. */
export function softplus(b: GraphBuilder, x: TensorValue, beta = 1): TensorValue {
  if (beta === 1) return b.node("Softplus", [x]);
  return b.node("Div", [b.node("Softplus", [b.node("Mul", [x, like(b, x, beta)])]), like(b, x, beta)]);
}

/** `x` times a PReLU slope of one entry or one per channel. */
export function prelu(a: Reader, x: TensorValue, slope: TensorValue): TensorValue {
  const b = a.builder;
  const rank = shapeOf(a.interpreter, x).length;
  const channels = slope.shape?.[0] ?? 1;
  if (channels > 1 && rank > 2)
    return b.node("PRelu", [
      x,
      b.unsqueeze(
        slope,
        Array.from({ length: rank - 2 }, (_, i) => i + 1),
      ),
    ]);
  return b.node("PRelu", [x, slope]);
}

/** First half times the sigmoid of the second. */
export function glu(a: Reader, x: TensorValue, dim: number): TensorValue {
  const b = a.builder;
  const shape = shapeOf(a.interpreter, x);
  const axis = axisOf(dim, shape.length);
  const half = shape[axis]! / 2;
  if (!Number.isInteger(half)) return notUnderstood("GLU over an odd size");
  return b.node("Mul", [b.slice(x, axis, 0, half), b.node("Sigmoid", [b.slice(x, axis, half, 2 * half)])]);
}

/** torch name -> ONNX operator, for unary functions of floating tensors. */
const UNARY: Readonly<Record<string, string>> = {
  "exp exp_": "Exp",
  "log log_": "Log",
  "sqrt sqrt_": "Sqrt",
  "sin sin_": "Sin",
  "cos cos_": "Cos",
  tan: "Tan",
  "asin arcsin": "Asin",
  "acos arccos": "Acos",
  "atan arctan": "Atan",
  sinh: "Sinh",
  cosh: "Cosh",
  "asinh arcsinh": "Asinh",
  "acosh arccosh": "Acosh",
  "atanh arctanh": "Atanh",
  "tanh tanh_": "Tanh",
  "sigmoid sigmoid_ expit": "Sigmoid",
  "erf erf_": "Erf",
  "reciprocal reciprocal_": "Reciprocal",
  softsign: "Softsign",
};

const ANY_UNARY: Readonly<Record<string, string>> = {
  "abs absolute abs_": "Abs",
  "neg negative neg_": "Neg",
  "sign sgn sign_": "Sign",
  "floor floor_": "Floor",
  "ceil ceil_": "Ceil",
  "round round_": "Round",
  "relu relu_": "Relu",
  "logical_not logical_not_": "Not",
};

const BINARY: Readonly<Record<string, string>> = {
  "mul multiply mul_ multiply_": "*",
  "true_divide true_divide_": "/",
  "floor_divide floor_divide_": "//",
  "remainder remainder_": "%",
  "matmul mm bmm mv dot inner_product": "@",
  "eq eq_": "==",
  "ne not_equal": "!=",
  "lt less": "<",
  "le less_equal": "<=",
  "gt greater": ">",
  "ge greater_equal": ">=",
  "logical_and bitwise_and __and__": "&",
  "logical_or bitwise_or __or__": "|",
  "logical_xor bitwise_xor": "^",
};

/** Adds operations that act entry by entry. */
export function addPointwise(table: OperationTable): void {
  for (const [names, operator] of Object.entries(UNARY)) {
    table.add(names, "input", (a, b) => b.node(operator, [floating(b, a.tensor("input"))]));
  }
  for (const [names, operator] of Object.entries(ANY_UNARY)) {
    table.add(names, "input", (a, b) => {
      const x = a.tensor("input");
      if (operator === "Not" && x.type !== "bool") return b.node("Not", [b.cast(x, "bool")]);
      if (["Floor", "Ceil", "Round"].includes(operator) && !isFloating(x.type)) return x;
      return b.node(operator, [x]);
    });
  }
  for (const [names, operator] of Object.entries(BINARY)) {
    table.add(names, "input other", (a) => tensorBinary(a.interpreter, operator, a.value("input"), a.value("other")));
  }
  table.add("add add_", "input other alpha", (a) => scaled(a, "+"));
  table.add("sub subtract sub_ subtract_", "input other alpha", (a) => scaled(a, "-"));
  table.add("rsub", "input other alpha", (a) => tensorBinary(a.interpreter, "-", a.value("other"), a.value("input")));
  table.add("div divide div_ divide_", "input other rounding_mode", (a, b) => {
    const mode = a.text("rounding_mode", "");
    const out = tensorBinary(a.interpreter, mode === "floor" ? "//" : "/", a.value("input"), a.value("other"));
    return mode === "trunc" && is(out, "tensor")
      ? b.node("Mul", [b.node("Sign", [out]), b.node("Floor", [b.node("Abs", [out])])])
      : out;
  });
  table.add("pow pow_ float_power", "input exponent", (a) =>
    tensorBinary(a.interpreter, "**", a.value("input"), a.value("exponent")),
  );
  table.add("square square_", "input", (a, b) => b.node("Pow", [a.tensor("input"), like(b, a.tensor("input"), 2)]));
  table.add("rsqrt rsqrt_", "input", (a, b) => b.node("Reciprocal", [b.node("Sqrt", [floating(b, a.tensor("input"))])]));
  table.add("expm1", "input", (a, b) => {
    const x = floating(b, a.tensor("input"));
    return b.node("Sub", [b.node("Exp", [x]), like(b, x, 1)]);
  });
  table.add("log1p", "input", (a, b) => {
    const x = floating(b, a.tensor("input"));
    return b.node("Log", [b.node("Add", [x, like(b, x, 1)])]);
  });
  table.add("log2", "input", (a, b) => {
    const x = floating(b, a.tensor("input"));
    return b.node("Div", [b.node("Log", [x]), like(b, x, Math.LN2)]);
  });
  table.add("log10", "input", (a, b) => {
    const x = floating(b, a.tensor("input"));
    return b.node("Div", [b.node("Log", [x]), like(b, x, Math.LN10)]);
  });
  table.add("exp2", "input", (a, b) => {
    const x = floating(b, a.tensor("input"));
    return b.node("Exp", [b.node("Mul", [x, like(b, x, Math.LN2)])]);
  });
  table.add("trunc fix", "input", (a, b) => {
    const x = a.tensor("input");
    return b.node("Mul", [b.node("Sign", [x]), b.node("Floor", [b.node("Abs", [x])])]);
  });
  table.add("frac", "input", (a, b) => {
    const x = a.tensor("input");
    return b.node("Sub", [x, b.node("Mul", [b.node("Sign", [x]), b.node("Floor", [b.node("Abs", [x])])])]);
  });
  table.add("lerp lerp_", "input end weight", (a) => {
    const i = a.interpreter;
    const step = tensorBinary(i, "*", tensorBinary(i, "-", a.value("end"), a.value("input")), a.value("weight"));
    return tensorBinary(i, "+", a.value("input"), step);
  });
  table.add("addcmul", "input tensor1 tensor2 value", (a) => {
    const i = a.interpreter;
    const product = tensorBinary(i, "*", a.value("tensor1"), a.value("tensor2"));
    return tensorBinary(i, "+", a.value("input"), a.has("value") ? tensorBinary(i, "*", product, a.value("value")) : product);
  });
  table.add("maximum fmax", "input other", (a, b) => b.node("Max", promote(a.interpreter, a.value("input"), a.value("other"))));
  table.add("minimum fmin", "input other", (a, b) => b.node("Min", promote(a.interpreter, a.value("input"), a.value("other"))));
  table.add("clamp clip clamp_ clip_ hardtanh_", "input min max", (a, b) => {
    const x = a.tensor("input");
    if (x.shape === undefined) b.needShape(x);
    let out = x;
    const low = a.optionalTensor("min");
    const high = a.optionalTensor("max");
    if ((!low || low.shape?.length === 0) && (!high || high.shape?.length === 0)) return clip(b, x, low, high);
    if (low) out = b.node("Max", [out, b.cast(low, x.type)]);
    if (high) out = b.node("Min", [out, b.cast(high, x.type)]);
    return out;
  });
  table.add("clamp_min clamp_min_", "input min", (a, b) => clip(b, a.tensor("input"), a.tensor("min")));
  table.add("clamp_max clamp_max_", "input max", (a, b) => clip(b, a.tensor("input"), undefined, a.tensor("max")));
  table.add("where", "condition input other", (a, b) => where(a, b));
  table.add("masked_fill masked_fill_", "input mask value", (a, b) => {
    const x = a.tensor("input");
    if (x.shape === undefined) b.needShape(x);
    const value = b.tensorOf(a.value("value"), x.type) ?? notUnderstood("the value of masked_fill is not known");
    return b.node("Where", [b.cast(a.tensor("mask"), "bool"), b.cast(value, x.type), x]);
  });
  table.add("nan_to_num nan_to_num_", "input nan", (a) => a.tensor("input"));
  table.add("isnan", "input", (a, b) => b.node("IsNaN", [a.tensor("input")]));
  table.add("isinf", "input", (a, b) => b.node("IsInf", [a.tensor("input")]));
  table.add("isfinite", "input", (a, b) => {
    const x = a.tensor("input");
    return b.node("Not", [b.node("Or", [b.node("IsNaN", [x]), b.node("IsInf", [x])])]);
  });
  addActivations(table);
}

/** The type and shape of a tensor. */
export function typeOf(t: TensorValue): { type: TensorValue["type"]; shape: TensorValue["shape"] } {
  return { type: t.type, shape: t.shape };
}

function scaled(a: Reader, operator: "+" | "-"): Value {
  const i = a.interpreter;
  const right = a.has("alpha") ? tensorBinary(i, "*", a.value("other"), a.value("alpha")) : a.value("other");
  return tensorBinary(i, operator, a.value("input"), right);
}

function where(a: Reader, b: GraphBuilder): Value {
  let condition = a.value("condition");
  let x = a.value("input");
  const y = a.value("other");
  // `x.where(condition, y)` has the tensor first.
  if (is(condition, "tensor") && is(x, "tensor") && x.type === "bool" && condition.type !== "bool")
    [condition, x] = [x, condition];
  if (!is(condition, "tensor")) return notUnderstood("the condition of where is not a tensor that is known");
  if (y === null && x === null)
    return nonzero(new Reader(a.interpreter, ["input"], { positional: [condition], keywords: new Map() }), b, true);
  const bothNumbers = numberOf(x) !== undefined && numberOf(y) !== undefined;
  const [p, q] = bothNumbers
    ? [b.scalar(numberOf(x)!, "float32"), b.scalar(numberOf(y)!, "float32")]
    : promote(a.interpreter, x, y);
  return b.node("Where", [b.cast(condition, "bool"), p, q]);
}

function addActivations(table: OperationTable): void {
  table.add("gelu", "input approximate", (a, b) => gelu(b, floating(b, a.tensor("input")), a.text("approximate", "none")));
  table.add("silu silu_ swish", "input", (a, b) => silu(b, floating(b, a.tensor("input"))));
  table.add("relu6", "input", (a, b) => {
    const x = floating(b, a.tensor("input"));
    return clip(b, x, like(b, x, 0), like(b, x, 6));
  });
  table.add("hardtanh", "input min_val max_val", (a, b) => {
    const x = floating(b, a.tensor("input"));
    return clip(b, x, like(b, x, a.number("min_val", -1)), like(b, x, a.number("max_val", 1)));
  });
  table.add("leaky_relu leaky_relu_", "input negative_slope", (a, b) =>
    b.node("LeakyRelu", [floating(b, a.tensor("input"))], { alpha: a.number("negative_slope", 0.01) }),
  );
  table.add("rrelu", "input lower upper", (a, b) =>
    b.node("LeakyRelu", [floating(b, a.tensor("input"))], { alpha: (a.number("lower", 1 / 8) + a.number("upper", 1 / 3)) / 2 }),
  );
  table.add("elu elu_", "input alpha", (a, b) =>
    b.node("Elu", [floating(b, a.tensor("input"))], { alpha: a.number("alpha", 1) }),
  );
  table.add("selu selu_", "input", (a, b) => b.node("Selu", [floating(b, a.tensor("input"))]));
  table.add("celu", "input alpha", (a, b) => b.node("Celu", [floating(b, a.tensor("input"))], { alpha: a.number("alpha", 1) }));
  table.add("mish", "input", (a, b) => {
    const x = floating(b, a.tensor("input"));
    return b.node("Mul", [x, b.node("Tanh", [b.node("Softplus", [x])])]);
  });
  table.add("softplus", "input beta threshold", (a, b) => softplus(b, floating(b, a.tensor("input")), a.number("beta", 1)));
  table.add("hardsigmoid", "input", (a, b) =>
    b.node("HardSigmoid", [floating(b, a.tensor("input"))], { alpha: 1 / 6, beta: 0.5 }),
  );
  table.add("hardswish", "input", (a, b) => b.node("HardSwish", [floating(b, a.tensor("input"))]));
  table.add("logsigmoid", "input", (a, b) => b.node("Log", [b.node("Sigmoid", [floating(b, a.tensor("input"))])]));
  table.add("tanhshrink", "input", (a, b) => {
    const x = floating(b, a.tensor("input"));
    return b.node("Sub", [x, b.node("Tanh", [x])]);
  });
  table.add("softshrink", "input lambd", (a, b) =>
    b.node("Shrink", [floating(b, a.tensor("input"))], { lambd: a.number("lambd", 0.5), bias: a.number("lambd", 0.5) }),
  );
  table.add("hardshrink", "input lambd", (a, b) =>
    b.node("Shrink", [floating(b, a.tensor("input"))], { lambd: a.number("lambd", 0.5), bias: 0 }),
  );
  table.add("threshold", "input threshold value", (a, b) => {
    const x = floating(b, a.tensor("input"));
    return b.node("Where", [b.node("Greater", [x, like(b, x, a.number("threshold"))]), x, like(b, x, a.number("value"))]);
  });
  table.add("prelu", "input weight", (a) => prelu(a, a.tensor("input"), a.tensor("weight")));
  table.add("glu", "input dim", (a) => glu(a, a.tensor("input"), a.int("dim", -1)));
}
