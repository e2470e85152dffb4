/** @file Gradients of functions applied entry by entry, with broadcasting. */
import { numberAttribute, stringAttribute } from "../../graph/graph";
import { scaled, shifted } from "../lower/build";
import type { Gradient } from "../operator";
import { type GradientRule, number, only, unbroadcast, where } from "./common";

/** A function of one input: dx from x, y and dy. */
function unary(rule: (g: Gradient, x: string, y: string, dy: string) => string): GradientRule {
  return (g) => (g.wants(0) ? [rule(g, g.node.inputs[0]!, g.node.outputs[0]!, only(g))] : []);
}

/** A function of two inputs: each input's gradient on the broadcast shape. */
function binary(
  first: (g: Gradient, a: string, b: string, y: string, dy: string) => string,
  second: (g: Gradient, a: string, b: string, y: string, dy: string) => string,
): GradientRule {
  return (g) => {
    const [a, b] = g.node.inputs as [string, string];
    const [y, dy] = [g.node.outputs[0]!, only(g)];
    return [
      g.wants(0) ? unbroadcast(g, first(g, a, b, y, dy), g.shape(a)) : undefined,
      g.wants(1) ? unbroadcast(g, second(g, a, b, y, dy), g.shape(b)) : undefined,
    ];
  };
}

const mul = (g: Gradient, a: string, b: string): string => g.add("Mul", [a, b]);
const div = (g: Gradient, a: string, b: string): string => g.add("Div", [a, b]);
const square = (g: Gradient, a: string): string => mul(g, a, a);
const neg = (g: Gradient, a: string): string => g.add("Neg", [a]);
/** 1 - a. */
const complement = (g: Gradient, a: string): string => g.add("Sub", [number(g, a, 1), a]);
const above = (g: Gradient, a: string, bound: number): string => g.add("Greater", [a, number(g, a, bound)]);
const below = (g: Gradient, a: string, bound: number): string => g.add("Less", [a, number(g, a, bound)]);

/** The constant that an input is, where it is one number. */
function constantNumber(g: Gradient, value: string | undefined): number | undefined {
  const tensor = value === undefined ? undefined : g.constant(value);
  return tensor?.data.length === 1 ? tensor.data[0] : undefined;
}

/** a^b: the powers 2, 3 and 1/2 without Pow, which is slow and knows no negative bases in gradients. */
const power = binary(
  (g, a, b, y, dy) => {
    const exponent = constantNumber(g, b);
    if (exponent === 1) return dy;
    if (exponent === 2) return mul(g, dy, scaled(g, a, 2));
    if (exponent === 3) return mul(g, dy, scaled(g, square(g, a), 3));
    if (exponent === 0.5) return div(g, scaled(g, dy, 0.5), y);
    const lowered = g.add("Pow", [a, g.add("Sub", [asFloat(g, b, a), number(g, a, 1)])]);
    return mul(g, dy, mul(g, asFloat(g, b, a), lowered));
  },
  (g, a, _b, y, dy) => {
    // d a^b / d b = a^b log a, and 0 where a is 0.
    const positive = above(g, a, 0);
    const safe = g.add("Where", [positive, a, number(g, a, 1)]);
    return mul(g, mul(g, dy, y), g.add("Log", [safe]));
  },
);

/** b in the type of a: exponents may be integers. */
function asFloat(g: Gradient, b: string, a: string): string {
  return g.type(b).type === g.type(a).type ? b : g.add("CastLike", [b, a]);
}

/** Max and Min: the gradient goes to the inputs that attain the extremum, in equal parts (as in PyTorch). */
const extremum: GradientRule = (g) => {
  const dy = only(g);
  const y = g.node.outputs[0]!;
  const { inputs } = g.node;
  if (inputs.length === 1) return [dy];
  const masks = inputs.map((x) => g.add("CastLike", [g.add("Equal", [x, y]), y]));
  const count = masks.length === 2 ? g.add("Add", masks) : g.add("Sum", masks);
  return inputs.map((x, i) => (g.wants(i) ? unbroadcast(g, mul(g, dy, div(g, masks[i]!, count)), g.shape(x)) : undefined));
};

/** Clip: dy inside of the bounds; the bounds take what is cut off. */
const clip: GradientRule = (g) => {
  const dy = only(g);
  const [x, low, high] = g.node.inputs;
  const bound = (name: string | undefined, attribute: string): string | undefined => {
    if (name !== undefined && name !== "") return name;
    const value = g.node.attributes[attribute];
    return typeof value === "number" && Number.isFinite(value) ? number(g, dy, value) : undefined;
  };
  const [lower, upper] = [bound(low, "min"), bound(high, "max")];
  const isBelow = lower === undefined ? undefined : g.add("Less", [x!, lower]);
  const isAbove = upper === undefined ? undefined : g.add("Greater", [x!, upper]);
  const outside = isBelow && isAbove ? g.add("Or", [isBelow, isAbove]) : (isBelow ?? isAbove);
  const zero = number(g, dy, 0);
  const part = (mask: string | undefined, i: number): string | undefined =>
    mask !== undefined && g.wants(i) ? unbroadcast(g, where(g, mask, dy), g.shape(g.node.inputs[i]!)) : undefined;
  return [
    !g.wants(0) ? undefined : outside === undefined ? dy : g.add("Where", [outside, zero, dy]),
    part(isBelow, 1),
    part(isAbove, 2),
  ];
};

/** alpha (e^(x/s) - 1) below 0, linear above: dx from y where the inverse is simple. */
function exponentialLinear(defaults: { alpha: number; gamma?: number; celu?: boolean }): GradientRule {
  return unary((g, x, _y, dy) => {
    const alpha = numberAttribute(g.node, "alpha", defaults.alpha);
    const gamma = defaults.gamma === undefined ? 1 : numberAttribute(g.node, "gamma", defaults.gamma);
    const inner = defaults.celu ? scaled(g, x, 1 / alpha) : x;
    const bounded = g.add("Min", [inner, number(g, x, 0)]);
    const slope = scaled(g, g.add("Exp", [bounded]), defaults.celu ? gamma : gamma * alpha);
    return g.add("Where", [above(g, x, 0), scaled(g, dy, gamma), mul(g, dy, slope)]);
  });
}

/** sigmoid(s) (1 + s (1 - sigmoid(s))) with s = alpha x, for x sigmoid(alpha x). */
function swish(alphaOf: (g: Gradient) => number): GradientRule {
  return unary((g, x, _y, dy) => {
    const s = scaled(g, x, alphaOf(g));
    const sigmoid = g.add("Sigmoid", [s]);
    return mul(g, dy, mul(g, sigmoid, shifted(g, mul(g, s, complement(g, sigmoid)), 1)));
  });
}

/** cdf + x pdf for the exact form; the derivative of the tanh form otherwise. */
const gelu = unary((g, x, _y, dy) => {
  if (stringAttribute(g.node, "approximate", "none") === "tanh") {
    const k = Math.sqrt(2 / Math.PI);
    const x2 = square(g, x);
    const t = g.add("Tanh", [mul(g, scaled(g, x, k), shifted(g, scaled(g, x2, 0.044715), 1))]);
    const inner = shifted(g, scaled(g, x2, 3 * 0.044715 * k), k);
    const slope = g.add("Add", [shifted(g, t, 1), mul(g, mul(g, x, complement(g, square(g, t))), inner)]);
    return mul(g, dy, scaled(g, slope, 0.5));
  }
  // (1 + erf) / 2 is between 0 and 1, where HardSigmoid is that line, in one pass.
  const cdf = g.add("HardSigmoid", [g.add("Erf", [scaled(g, x, Math.SQRT1_2)])], { alpha: 0.5, beta: 0.5 });
  const pdf = scaled(g, g.add("Exp", [scaled(g, square(g, x), -0.5)]), 1 / Math.sqrt(2 * Math.PI));
  return mul(g, dy, g.add("Add", [cdf, mul(g, x, pdf)]));
});

const mish = unary((g, x, _y, dy) => {
  const t = g.add("Tanh", [g.add("Softplus", [x])]);
  const rest = mul(g, mul(g, x, complement(g, square(g, t))), g.add("Sigmoid", [x]));
  return mul(g, dy, g.add("Add", [t, rest]));
});

/** The gradient through Where goes to the branch that was taken. */
const select: GradientRule = (g) => {
  const dy = only(g);
  const [condition, a, b] = g.node.inputs as [string, string, string];
  const zero = number(g, dy, 0);
  return [
    undefined,
    g.wants(1) ? unbroadcast(g, g.add("Where", [condition, dy, zero]), g.shape(a)) : undefined,
    g.wants(2) ? unbroadcast(g, g.add("Where", [condition, zero, dy]), g.shape(b)) : undefined,
  ];
};

const sum =
  (weight: (n: number) => number): GradientRule =>
  (g) => {
    const dy = scaled(g, only(g), weight(g.node.inputs.length));
    return g.node.inputs.map((x, i) => (g.wants(i) ? unbroadcast(g, dy, g.shape(x)) : undefined));
  };

/** Outputs that are constant almost everywhere, or no numbers. */
const none: GradientRule = () => [];

const cast: GradientRule = (g) => (g.wants(0) ? [g.add("CastLike", [only(g), g.node.inputs[0]!])] : []);
const identity: GradientRule = (g) => [only(g)];

/** x - q b with a whole q that stays the same nearby: the slope is 1 in x and -q in b. */
const modulo = binary(
  (_g, _x, _b, _y, dy) => dy,
  (g, x, b, y, dy) => mul(g, dy, g.add("Round", [div(g, g.add("Sub", [y, x]), b)])),
);

/** By operator: everything that acts entry by entry. */
export const elementwiseGradients: Readonly<Record<string, GradientRule>> = {
  Add: binary(
    (_g, _a, _b, _y, dy) => dy,
    (_g, _a, _b, _y, dy) => dy,
  ),
  Sub: binary(
    (_g, _a, _b, _y, dy) => dy,
    (g, _a, _b, _y, dy) => neg(g, dy),
  ),
  Mul: binary(
    (g, _a, b, _y, dy) => mul(g, dy, b),
    (g, a, _b, _y, dy) => mul(g, dy, a),
  ),
  Div: binary(
    (g, _a, b, _y, dy) => div(g, dy, b),
    (g, _a, b, y, dy) => neg(g, mul(g, dy, div(g, y, b))),
  ),
  Pow: power,
  Max: extremum,
  Min: extremum,
  Sum: sum(() => 1),
  Mean: sum((n) => 1 / n),
  Mod: modulo,
  Where: select,
  Cast: cast,
  CastLike: cast,
  Identity: identity,
  Dropout: identity,
  Neg: unary((g, _x, _y, dy) => neg(g, dy)),
  Abs: unary((g, x, _y, dy) => mul(g, dy, g.add("Sign", [x]))),
  Sqrt: unary((g, _x, y, dy) => div(g, scaled(g, dy, 0.5), y)),
  Exp: unary((g, _x, y, dy) => mul(g, dy, y)),
  Log: unary((g, x, _y, dy) => div(g, dy, x)),
  Reciprocal: unary((g, _x, y, dy) => neg(g, mul(g, dy, square(g, y)))),
  Erf: unary((g, x, _y, dy) => mul(g, dy, scaled(g, g.add("Exp", [neg(g, square(g, x))]), 2 / Math.sqrt(Math.PI)))),
  Sin: unary((g, x, _y, dy) => mul(g, dy, g.add("Cos", [x]))),
  Cos: unary((g, x, _y, dy) => neg(g, mul(g, dy, g.add("Sin", [x])))),
  Tan: unary((g, _x, y, dy) => mul(g, dy, shifted(g, square(g, y), 1))),
  Asin: unary((g, x, _y, dy) => div(g, dy, g.add("Sqrt", [complement(g, square(g, x))]))),
  Acos: unary((g, x, _y, dy) => neg(g, div(g, dy, g.add("Sqrt", [complement(g, square(g, x))])))),
  Atan: unary((g, x, _y, dy) => div(g, dy, shifted(g, square(g, x), 1))),
  Sinh: unary((g, x, _y, dy) => mul(g, dy, g.add("Cosh", [x]))),
  Cosh: unary((g, x, _y, dy) => mul(g, dy, g.add("Sinh", [x]))),
  Tanh: unary((g, _x, y, dy) => mul(g, dy, complement(g, square(g, y)))),
  Asinh: unary((g, x, _y, dy) => div(g, dy, g.add("Sqrt", [shifted(g, square(g, x), 1)]))),
  Acosh: unary((g, x, _y, dy) => div(g, dy, g.add("Sqrt", [shifted(g, square(g, x), -1)]))),
  Atanh: unary((g, x, _y, dy) => div(g, dy, complement(g, square(g, x)))),
  Relu: unary((g, _x, y, dy) => where(g, above(g, y, 0), dy)),
  LeakyRelu: unary((g, x, _y, dy) => g.add("Where", [below(g, x, 0), scaled(g, dy, numberAttribute(g.node, "alpha", 0.01)), dy])),
  PRelu: binary(
    (g, x, slope, _y, dy) => g.add("Where", [below(g, x, 0), mul(g, dy, slope), dy]),
    (g, x, _slope, _y, dy) => mul(g, dy, g.add("Min", [x, number(g, x, 0)])),
  ),
  Elu: exponentialLinear({ alpha: 1 }),
  Celu: exponentialLinear({ alpha: 1, celu: true }),
  Selu: exponentialLinear({ alpha: 1.6732631921768188, gamma: 1.0507010221481323 }),
  Sigmoid: unary((g, _x, y, dy) => mul(g, dy, mul(g, y, complement(g, y)))),
  HardSigmoid: unary((g, _x, y, dy) => {
    const inside = g.add("And", [above(g, y, 0), below(g, y, 1)]);
    return where(g, inside, scaled(g, dy, numberAttribute(g.node, "alpha", 0.2)));
  }),
  HardSwish: unary((g, x, _y, dy) => {
    const slope = shifted(g, scaled(g, x, 1 / 3), 0.5);
    const middle = g.add("Where", [below(g, x, 3), mul(g, dy, slope), dy]);
    return where(g, above(g, x, -3), middle);
  }),
  Mish: mish,
  Softplus: unary((g, x, _y, dy) => mul(g, dy, g.add("Sigmoid", [x]))),
  Softsign: unary((g, x, _y, dy) => div(g, dy, square(g, shifted(g, g.add("Abs", [x]), 1)))),
  Gelu: gelu,
  Swish: swish((g) => numberAttribute(g.node, "alpha", 1)),
  ThresholdedRelu: unary((g, x, _y, dy) => where(g, above(g, x, numberAttribute(g.node, "alpha", 1)), dy)),
  Shrink: unary((g, x, _y, dy) => {
    const bound = numberAttribute(g.node, "lambd", 0.5);
    return where(g, g.add("Or", [above(g, x, bound), below(g, x, -bound)]), dy);
  }),
  Clip: clip,
  Floor: none,
  Ceil: none,
  Round: none,
  Sign: none,
  Equal: none,
  Greater: none,
  GreaterOrEqual: none,
  Less: none,
  LessOrEqual: none,
  Not: none,
  And: none,
  Or: none,
  Xor: none,
  IsNaN: none,
  IsInf: none,
};
