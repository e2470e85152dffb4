/** @file NumPy's functions that act entry by entry, products of arrays, and activations, under the names of array libraries. */
import { notUnderstood } from "../evaluator/errors";
import { axisOf, type Reader, shapeOf } from "../torch/arguments";
import { tensorBinary } from "../torch/arithmetic";
import type { OperationTable } from "../torch/operation";
import { einsum } from "../torch/operations/contractions";
import { gelu, glu, like } from "../torch/operations/pointwise";
import { is, numberOf } from "../values/inspect";
import { int, tuple } from "../values/make";
import type { TensorValue, Value } from "../values/value";
import { elementType, floating, rankOf, torch } from "./support";

/** Functions of one array that torch has under the same name. */
const SAME =
  "exp log sqrt rsqrt square sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh erf log1p expm1 log2 log10 exp2 " +
  "abs absolute sign floor ceil round trunc reciprocal negative logical_not isnan isinf isfinite relu relu6 sigmoid softplus softsign silu " +
  "swish selu mish stop_gradient nan_to_num";

/** Other names -> torch's. */
const UNARY: Readonly<Record<string, string>> = {
  expit: "sigmoid",
  hard_tanh: "hardtanh",
  log_sigmoid: "logsigmoid",
  soft_sign: "softsign",
  tanh_shrink: "tanhshrink",
  neg: "negative",
  fix: "trunc",
};

const BINARY: Readonly<Record<string, string>> = {
  "multiply mul": "*",
  "add add_": "+",
  "subtract sub": "-",
  "divide true_divide div": "/",
  floor_divide: "//",
  "mod remainder": "%",
  "power pow float_power": "**",
  matmul: "@",
  equal: "==",
  not_equal: "!=",
  less: "<",
  less_equal: "<=",
  greater: ">",
  greater_equal: ">=",
  "logical_and bitwise_and": "&",
  "logical_or bitwise_or": "|",
  "logical_xor bitwise_xor": "^",
};

/** A value as a tensor where it is a list of numbers. */
function operand(a: Reader, name: string): Value {
  const v = a.value(name);
  return is(v, "list") || is(v, "tuple") ? a.tensor(name) : v;
}

/** NumPy's dot: a product over the last axis of the one and the last but one of the other. */
function dot(a: Reader): Value {
  const x = a.value("x1");
  const y = a.value("x2");
  if (!is(x, "tensor") || !is(y, "tensor")) return tensorBinary(a.interpreter, "*", x, y);
  const rank = rankOf(a.interpreter, y);
  if (rank <= 2 || rankOf(a.interpreter, x) <= 1) return tensorBinary(a.interpreter, "@", x, y);
  return torch(a.interpreter, "tensordot", [x, y, tuple([tuple([int(rankOf(a.interpreter, x) - 1)]), tuple([int(rank - 2)])])]);
}

/** `where(condition, x, y)`. */
function where(a: Reader): Value {
  if (!a.has("x1") && !a.has("x2")) return notUnderstood("where with one argument depends on the data");
  return torch(a.interpreter, "where", [a.tensor("condition"), operand(a, "x1"), operand(a, "x2")]);
}

function softmax(a: Reader, operator: string): Value {
  const b = a.builder;
  const x = floating(b, a.tensor("x"));
  if (a.has("mask") || a.has("where")) return notUnderstood("a softmax with a mask");
  const rank = rankOf(a.interpreter, x);
  const axes = a.ints("axis") ?? [-1];
  if (axes.length !== 1) return notUnderstood("a softmax over several axes");
  return b.node(operator, [x], { axis: axisOf(axes[0]!, rank) });
}

/** Slopes of the rectifiers of each library are given here: Keras's, JAX's. */
function leaky(a: Reader, fallback: number): Value {
  const slope = a.has("negative_slope") ? a.number("negative_slope") : a.has("alpha") ? a.number("alpha") : fallback;
  return a.builder.node("LeakyRelu", [floating(a.builder, a.tensor("x"))], { alpha: slope });
}

/** max(0, min(1, x / 6 + 1 / 2)). */
function hardSigmoid(a: Reader): TensorValue {
  return a.builder.node("HardSigmoid", [floating(a.builder, a.tensor("x"))], { alpha: 1 / 6, beta: 0.5 });
}

/** Adds functions of NumPy's names that act entry by entry. */
export function addArrayPointwise(table: OperationTable): void {
  for (const name of SAME.split(" ")) table.add(name, "x", (a) => torch(a.interpreter, name, [a.tensor("x")]));
  for (const [name, to] of Object.entries(UNARY)) table.add(name, "x", (a) => torch(a.interpreter, to, [a.tensor("x")]));
  for (const [names, operator] of Object.entries(BINARY)) {
    table.add(names, "x1 x2", (a) => {
      const [x, y] = [operand(a, "x1"), operand(a, "x2")];
      if (is(x, "tensor") || is(y, "tensor")) return tensorBinary(a.interpreter, operator, x, y);
      return tensorBinary(a.interpreter, operator, a.tensor("x1"), y);
    });
  }
  for (const name of ["maximum", "minimum", "arctan2"])
    table.add(name, "x1 x2", (a) => {
      const [x, y] = [operand(a, "x1"), operand(a, "x2")];
      const numbers = [numberOf(x), numberOf(y)];
      if (numbers[0] !== undefined && numbers[1] !== undefined && name !== "arctan2")
        return name === "maximum" ? (numbers[0] >= numbers[1] ? x : y) : numbers[0] <= numbers[1] ? x : y;
      return torch(a.interpreter, name, [x, y]);
    });
  table.add("dot", "x1 x2", (a) => dot(a));
  table.add("vdot inner", "x1 x2", (a) => torch(a.interpreter, "dot", [a.tensor("x1"), a.tensor("x2")]));
  table.add("outer", "x1 x2", (a) => torch(a.interpreter, "outer", [a.tensor("x1"), a.tensor("x2")]));
  table.add("tensordot", "x1 x2 axes", (a) =>
    torch(a.interpreter, "tensordot", [a.tensor("x1"), a.tensor("x2"), a.has("axes") ? a.value("axes") : int(2)]),
  );
  table.add("einsum", "equation operands", (a) => {
    const equation = a.value("equation");
    if (typeof equation !== "string") return notUnderstood("the equation of einsum is not known");
    const given = [a.value("operands"), ...a.rest];
    const operands = given.map((v) => a.builder.tensorOf(v) ?? notUnderstood("an operand of einsum is not a tensor"));
    return einsum(a.interpreter, equation, operands);
  });
  table.add("where select", "condition x1 x2", (a) => where(a));
  table.add("clip", "x x_min x_max", (a) => {
    const low = a.has("x_min") ? a.value("x_min") : a.has("min") ? a.value("min") : a.value("a_min");
    const high = a.has("x_max") ? a.value("x_max") : a.has("max") ? a.value("max") : a.value("a_max");
    return torch(a.interpreter, "clamp", [a.tensor("x"), low, high]);
  });
  table.add("cast astype", "x dtype", (a) => {
    const to = elementType(a.value("dtype"));
    return to ? a.builder.cast(a.tensor("x"), to) : a.tensor("x");
  });
  table.add("softmax", "x axis", (a) => softmax(a, "Softmax"));
  table.add("log_softmax", "x axis", (a) => softmax(a, "LogSoftmax"));
  table.add("gelu", "x approximate", (a, b) =>
    gelu(b, floating(b, a.tensor("x")), a.bool("approximate", true) ? "tanh" : "none"),
  );
  table.add("leaky_relu", "x negative_slope", (a) => leaky(a, 0.01));
  table.add("leaky_relu_02", "x negative_slope", (a) => leaky(a, 0.2));
  table.add("elu", "x alpha", (a, b) => b.node("Elu", [floating(b, a.tensor("x"))], { alpha: a.number("alpha", 1) }));
  table.add("celu", "x alpha", (a, b) => b.node("Celu", [floating(b, a.tensor("x"))], { alpha: a.number("alpha", 1) }));
  table.add("hard_sigmoid", "x", (a) => hardSigmoid(a));
  table.add("hard_silu hard_swish", "x", (a, b) => b.node("Mul", [a.tensor("x"), hardSigmoid(a)]));
  table.add("exponential", "x", (a, b) => b.node("Exp", [floating(b, a.tensor("x"))]));
  table.add("linear identity", "x", (a) => a.value("x"));
  table.add("glu", "x axis", (a) => glu(a, a.tensor("x"), a.int("axis", -1)));
  table.add("one_hot", "x num_classes", (a, b) => {
    const n = a.has("depth") ? a.int("depth") : a.int("num_classes");
    const out = torch(a.interpreter, "one_hot", [b.cast(a.tensor("x"), "int64"), int(n)]);
    return is(out, "tensor") ? b.cast(out, "float32") : out;
  });
  table.add("normalize", "x axis order", (a, b) => {
    const x = a.tensor("x");
    const axis = axisOf(a.int("axis", -1), shapeOf(a.interpreter, x).length);
    const n = b.node("ReduceL2", [x, b.ints([axis])], { keepdims: 1 });
    const eps = a.has("epsilon") ? a.number("epsilon") : 1e-12;
    return b.node("Div", [x, b.node("Max", [n, like(b, n, eps)])]);
  });
  table.add("squared_difference", "x1 x2", (a) => {
    const d = tensorBinary(a.interpreter, "-", a.value("x1"), a.value("x2"));
    return tensorBinary(a.interpreter, "*", d, d);
  });
}
