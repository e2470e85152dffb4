/** @file Point-wise operators that others make up, and those that do nothing. */
import { withLazy } from "../../graph/lazy";
import { numberAttribute, stringAttribute } from "../../graph/graph";
import { elementCount, type ElementType, isFloating, type Shape, type Tensor } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { onnxTypeCode } from "../rules";
import { geluExact, geluTanh, input, outputs, relu, scalarLike, scaled, shapeOf, shifted, swish } from "./build";

const SIGNED_OR_NOT = /^u?int/;

/** Casts that change no value that the network works with vanish: between floating types, between integers. */
export function lowerCast(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  if (x === undefined) return undefined;
  const from = l.type(x).type;
  const to = l.type(l.node.outputs[0]!).type;
  const same = from === to || (isFloating(from) && isFloating(to)) || (isInteger(from) && isInteger(to));
  return same ? [x] : undefined;
}

/** CastLike: only the type of its second input counts, so nothing of what computes that is read. */
export function lowerCastLike(l: Lowering): readonly string[] | undefined {
  const same = lowerCast(l);
  if (same !== undefined) return same;
  const x = input(l, 0);
  const to = onnxTypeCode(l.type(l.node.outputs[0]!).type);
  return x === undefined || to === undefined ? undefined : [l.add("Cast", [x], { to })];
}

function isInteger(type: ElementType): boolean {
  return SIGNED_OR_NOT.test(type);
}

/** Identity. */
export function lowerIdentity(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  return x === undefined ? undefined : [x];
}

/** Dropout vanishes, also in training: symmetries are those of the network without the noise. */
export function lowerDropout(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  if (x === undefined) return undefined;
  const shape = shapeOf(l, x);
  if ((l.node.outputs[1] ?? "") === "") return [x];
  if (shape === undefined) return undefined;
  return outputs(
    l,
    () => x,
    () => l.addConstant(allTrue(shape)),
  );
}

/** A mask that selects everything. Exporters name masks that nobody reads, so it is filled when it is looked at. */
function allTrue(shape: Shape): Tensor {
  return withLazy({ type: "bool" as const, shape }, { data: () => new Float64Array(elementCount(shape)).fill(1) });
}

/** A left fold of a binary operator over all inputs. */
function chain(l: Lowering, operator: string): string | undefined {
  const [first, ...rest] = l.node.inputs.filter((i) => i !== "");
  if (first === undefined) return undefined;
  let sum = first;
  for (const x of rest) sum = l.add(operator, [sum, x]);
  return sum;
}

/** Sum of any number of tensors: Adds. */
export function lowerSum(l: Lowering): readonly string[] | undefined {
  const sum = chain(l, "Add");
  return sum === undefined ? undefined : [sum];
}

/** Mean of any number of tensors: Adds and a Mul. */
export function lowerMean(l: Lowering): readonly string[] | undefined {
  const sum = chain(l, "Add");
  return sum === undefined ? undefined : [scaled(l, sum, 1 / l.node.inputs.filter((i) => i !== "").length)];
}

/** Whether a value is a constant whose entries all are the given number. */
function isAll(l: Lowering, value: string | undefined, number: number): boolean {
  const c = value === undefined ? undefined : l.constant(value);
  return c !== undefined && c.data.length > 0 && c.data.every((v) => v === number);
}

/** Max of any number of tensors: binary ones; against zero it is Relu. */
export function lowerMax(l: Lowering): readonly string[] | undefined {
  const [a, b] = l.node.inputs;
  if (l.node.inputs.length === 2 && a && b) {
    if (keepsShape(l, a, b) && isAll(l, b, 0)) return [relu(l, a)];
    if (keepsShape(l, b, a) && isAll(l, a, 0)) return [relu(l, b)];
    return undefined;
  }
  const value = chain(l, "Max");
  return value === undefined ? undefined : [value];
}

/** Whether x broadcast against a constant keeps x's shape. */
function keepsShape(l: Lowering, x: string, constant: string): boolean {
  const s = shapeOf(l, x);
  const c = shapeOf(l, constant);
  if (!s || !c || c.length > s.length || !isFloating(l.type(x).type)) return false;
  return c.every((d, i) => d === 1 || d === s[s.length - c.length + i]);
}

/** Min of any number of tensors: binary ones; against zero it is a Relu of the negative. */
export function lowerMin(l: Lowering): readonly string[] | undefined {
  const [a, b] = l.node.inputs;
  if (l.node.inputs.length === 2 && a && b) {
    const negative = (x: string) => [l.add("Neg", [relu(l, l.add("Neg", [x]))])];
    if (keepsShape(l, a, b) && isAll(l, b, 0)) return negative(a);
    return keepsShape(l, b, a) && isAll(l, a, 0) ? negative(b) : undefined;
  }
  const value = chain(l, "Min");
  return value === undefined ? undefined : [value];
}

/**
 * Clip: bounds are inputs; without bounds it vanishes, with a floor of 0 and no ceiling it is Relu. Bounds that bound
 * nothing (the extremes of float32) count as absent.
 */
export function lowerClip(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  if (x === undefined || !isFloating(l.type(x).type)) return undefined;
  const bound = (index: number, name: string): number | string | undefined => {
    const value = input(l, index);
    if (value !== undefined) return l.constant(value)?.data[0] ?? value;
    const attribute = l.node.attributes[name];
    return typeof attribute === "number" ? attribute : undefined;
  };
  const effective = (b: number | string | undefined, sign: 1 | -1) =>
    typeof b === "number" && sign * b >= 3.4e38 ? undefined : b;
  const low = effective(bound(1, "min"), -1);
  const high = effective(bound(2, "max"), 1);
  if (low === undefined && high === undefined) return [x];
  // One bound alone is a rectifier that sits elsewhere, with its scalings; a floor above zero guards a denominator.
  if (typeof low === "number" && high === undefined && low <= 0) {
    return [shifted(l, relu(l, shifted(l, x, -low)), low)];
  }
  if (typeof high === "number" && low === undefined) {
    return [shifted(l, l.add("Neg", [relu(l, shifted(l, l.add("Neg", [x]), high))]), high)];
  }
  const asInput = (b: number | string | undefined) => (b === undefined ? "" : typeof b === "string" ? b : scalarLike(l, x, b));
  const inputs = [x, asInput(low), asInput(high)];
  const same = inputs.every((name, i) => name === (l.node.inputs[i] ?? ""));
  return same ? undefined : [l.add("Clip", inputs)];
}

/** LeakyRelu of slope 0 is Relu, of slope 1 nothing. */
export function lowerLeakyRelu(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const slope = numberAttribute(l.node, "alpha", 0.01);
  if (x === undefined) return undefined;
  return slope === 0 ? [relu(l, x)] : slope === 1 ? [x] : undefined;
}

/** ThresholdedRelu with threshold 0 is Relu. */
export function lowerThresholdedRelu(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  return x !== undefined && numberAttribute(l.node, "alpha", 1) === 0 ? [relu(l, x)] : undefined;
}

/** Gelu, exact or by tanh. */
export function lowerGelu(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  if (x === undefined) return undefined;
  return [stringAttribute(l.node, "approximate", "none") === "tanh" ? geluTanh(l, x) : geluExact(l, x)];
}

/** HardSwish: x times HardSigmoid with slope 1/6. */
export function lowerHardSwish(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  return x === undefined ? undefined : [l.add("Mul", [x, l.add("HardSigmoid", [x], { alpha: 1 / 6, beta: 0.5 })])];
}

/** Mish: x tanh(softplus x). */
export function lowerMish(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  return x === undefined ? undefined : [l.add("Mul", [x, l.add("Tanh", [l.add("Softplus", [x])])])];
}

/** Swish (also QuickGelu): x sigmoid(alpha x). */
export function lowerSwish(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  return x === undefined ? undefined : [swish(l, x, numberAttribute(l.node, "alpha", 1))];
}

/** QuickGelu (com.microsoft): x sigmoid(1.702 x). */
export function lowerQuickGelu(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  return x === undefined ? undefined : [swish(l, x, numberAttribute(l.node, "alpha", 1.702))];
}

/** Softsign: x / (1 + |x|). */
export function lowerSoftsign(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  return x === undefined ? undefined : [l.add("Div", [x, shifted(l, l.add("Abs", [x]), 1)])];
}

/** Celu: alpha elu(x / alpha). */
export function lowerCelu(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const alpha = numberAttribute(l.node, "alpha", 1);
  if (x === undefined || alpha === 0) return undefined;
  return [scaled(l, l.add("Elu", [scaled(l, x, 1 / alpha)], { alpha: 1 }), alpha)];
}

/** Selu: gamma elu(x; alpha). */
export function lowerSelu(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const alpha = numberAttribute(l.node, "alpha", 1.67326319217681884765625);
  const gamma = numberAttribute(l.node, "gamma", 1.05070102214813232421875);
  return x === undefined ? undefined : [scaled(l, l.add("Elu", [x], { alpha }), gamma)];
}
