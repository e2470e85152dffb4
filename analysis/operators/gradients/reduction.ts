/** @file Gradients of reductions, and of functions along an axis. */
import { numberAttribute } from "../../graph/graph";
import { positive, range, reduce, reshape, scaled } from "../lower/build";
import type { Gradient } from "../operator";
import { expandTo, type GradientRule, number, only, product, zeros } from "./common";

/** The axes of a reduction, counted from the front. */
function axesOf(g: Gradient): readonly number[] {
  const rank = g.shape(g.node.inputs[0]!).length;
  const attribute = g.node.attributes["axes"];
  const input = g.node.inputs[1];
  let axes: readonly number[] | undefined;
  if (Array.isArray(attribute)) axes = attribute as readonly number[];
  else if (input !== undefined && input !== "") {
    const constant = g.constant(input);
    if (!constant) throw new Error(`the axes ${input} are not a constant`);
    axes = [...constant.data];
  }
  if (axes === undefined || axes.length === 0) {
    return numberAttribute(g.node, "noop_with_empty_axes", 0) === 1 ? [] : range(0, rank);
  }
  return axes.map((a) => positive(a, rank));
}

/** A value of the reduced shape with the reduced axes at size 1. */
function kept(g: Gradient, value: string, axes: readonly number[]): string {
  const shape = g.shape(g.node.inputs[0]!).map((d, i) => (axes.includes(i) ? 1 : d));
  return numberAttribute(g.node, "keepdims", 1) === 1 ? value : reshape(g, value, shape);
}

function reduction(rule: (g: Gradient, x: string, y: string, dy: string, axes: readonly number[]) => string): GradientRule {
  return (g) => {
    if (!g.wants(0)) return [];
    const axes = axesOf(g);
    const x = g.node.inputs[0]!;
    return [rule(g, x, kept(g, g.node.outputs[0]!, axes), kept(g, only(g), axes), axes)];
  };
}

const mul = (g: Gradient, a: string, b: string): string => g.add("Mul", [a, b]);

/** The maximum or minimum: ties share the gradient in equal parts (as torch.amax). */
const extremum = reduction((g, x, y, dy, axes) => {
  const mask = g.add("CastLike", [g.add("Equal", [x, y]), x]);
  const share = g.add("Div", [dy, reduce(g, "ReduceSum", mask, axes)]);
  return mul(g, mask, share);
});

/** y (g - <g, y>) along the axis. */
const softmax: GradientRule = (g) => {
  const [y, dy] = [g.node.outputs[0]!, only(g)];
  const axis = positive(numberAttribute(g.node, "axis", -1), g.shape(y).length);
  const inner = reduce(g, "ReduceSum", mul(g, dy, y), [axis]);
  return [mul(g, y, g.add("Sub", [dy, inner]))];
};

/** g - softmax <g, 1> along the axis. */
const logSoftmax: GradientRule = (g) => {
  const [y, dy] = [g.node.outputs[0]!, only(g)];
  const axis = positive(numberAttribute(g.node, "axis", -1), g.shape(y).length);
  return [g.add("Sub", [dy, mul(g, g.add("Exp", [y]), reduce(g, "ReduceSum", dy, [axis]))])];
};

/** The sum of what comes after: a cumulative sum the other way. */
const cumSum: GradientRule = (g) => [
  g.add("CumSum", [only(g), g.node.inputs[1]!], {
    exclusive: numberAttribute(g.node, "exclusive", 0),
    reverse: 1 - numberAttribute(g.node, "reverse", 0),
  }),
];

/** The gradient of the largest entries goes to the places that they came from. */
const topK: GradientRule = (g) => {
  const dy = g.dy[0];
  if (dy === undefined) return [];
  const x = g.node.inputs[0]!;
  const indices = g.node.outputs[1];
  if (indices === undefined || indices === "") throw new Error("its second output, the indices, is absent");
  const axis = positive(numberAttribute(g.node, "axis", -1), g.shape(x).length);
  return [g.add("ScatterElements", [zeros(g, dy, g.shape(x)), indices, dy], { axis, reduction: "add" })];
};

/** Products of the other factors: y / x without zeros among them; a single zero gets the product of the rest. */
const reduceProd = reduction((g, x, _y, dy, axes) => {
  const zero = number(g, x, 0);
  const isZero = g.add("Equal", [x, zero]);
  const count = reduce(g, "ReduceSum", g.add("CastLike", [isZero, x]), axes);
  const safe = g.add("Where", [isZero, number(g, x, 1), x]);
  const rest = reduce(g, "ReduceProd", safe, axes);
  const where = (zeros: number, value: string) => g.add("Where", [g.add("Equal", [count, number(g, x, zeros)]), value, zero]);
  return mul(g, dy, g.add("Where", [isZero, where(1, rest), where(0, g.add("Div", [rest, safe]))]));
});

/** By operator: reductions along axes. */
export const reductionGradients: Readonly<Record<string, GradientRule>> = {
  ReduceSum: reduction((g, x, _y, dy) => expandTo(g, dy, g.shape(x))),
  ReduceMean: reduction((g, x, _y, dy, axes) =>
    expandTo(g, scaled(g, dy, 1 / product(axes.map((a) => g.shape(x)[a]!))), g.shape(x)),
  ),
  ReduceSumSquare: reduction((g, x, _y, dy) => mul(g, x, scaled(g, dy, 2))),
  ReduceL1: reduction((g, x, _y, dy) => mul(g, g.add("Sign", [x]), dy)),
  // The norm of zeros has the gradient zero, as in PyTorch.
  ReduceL2: reduction((g, x, y, dy) => {
    const zero = g.add("Equal", [y, number(g, y, 0)]);
    return mul(g, x, g.add("Div", [dy, g.add("Where", [zero, number(g, y, 1), y])]));
  }),
  ReduceMax: extremum,
  ReduceMin: extremum,
  ReduceProd: reduceProd,
  ReduceLogSum: reduction((g, x, y, dy) => expandTo(g, g.add("Div", [dy, g.add("Exp", [y])]), g.shape(x))),
  ReduceLogSumExp: reduction((g, x, y, dy) => mul(g, dy, g.add("Exp", [g.add("Sub", [x, y])]))),
  ArgMax: () => [],
  ArgMin: () => [],
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  CumSum: cumSum,
  TopK: topK,
};
