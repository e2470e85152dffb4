/** @file Quantisation as rounding: what goes to small integers and back is a step function that works entry by entry. */
import { numberAttribute } from "../../graph/graph";
import { elementCount, isFloating, scalar } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { QUANTISED_LIMITS } from "../quantization";
import { onnxTypeCode } from "../rules";
import { input, positive, reshape, shapeOf } from "./build";

/** The scale or zero point: one number, or one per index of the axis, so that it broadcasts; undefined for blocks. */
function alongAxis(l: Lowering, value: string, rank: number): string | undefined {
  const shape = shapeOf(l, value);
  if (shape === undefined || shape.length > 1) return undefined;
  if (elementCount(shape) === 1) return reshape(l, value, []);
  const axis = positive(numberAttribute(l.node, "axis", 1), rank);
  return axis < rank ? reshape(l, value, [shape[0]!, ...new Array<number>(rank - axis - 1).fill(1)]) : undefined;
}

/** The zero point as a number of the scale's type: "" where it is known to be zero, undefined where it has blocks. */
function zeroPoint(l: Lowering, type: number, rank: number): string | undefined {
  const zero = input(l, 2);
  if (zero === undefined || l.constant(zero)?.data.every((v) => v === 0)) return "";
  const wide = alongAxis(l, zero, rank);
  return wide && l.add("Cast", [wide], { to: type });
}

/** QuantizeLinear: the quotient rounded to even, moved by the zero point and kept within the integer type. */
export function lowerQuantizeLinear(l: Lowering): readonly string[] | undefined {
  const [x, scale] = l.node.inputs;
  const rank = shapeOf(l, x)?.length;
  const type = l.type(l.node.outputs[0]!).type;
  const limits = QUANTISED_LIMITS[type];
  if (!x || !scale || rank === undefined || limits === undefined || !isFloating(l.type(x).type)) return undefined;
  const [floating, code] = [onnxTypeCode(l.type(x).type), onnxTypeCode(type)];
  const step = alongAxis(l, scale, rank);
  if (step === undefined || floating === undefined || code === undefined) return undefined;
  const zero = zeroPoint(l, floating, rank);
  if (zero === undefined) return undefined;
  const rounded = l.add("Round", [l.add("Div", [x, step])]);
  const moved = zero === "" ? rounded : l.add("Add", [rounded, zero]);
  const [low, high] = limits.map((limit) => l.addConstant(scalar(limit, l.type(x).type)));
  return [l.add("Cast", [l.add("Clip", [moved, low!, high!])], { to: code })];
}

/** DequantizeLinear: the difference from the zero point times the scale. */
export function lowerDequantizeLinear(l: Lowering): readonly string[] | undefined {
  const [x, scale] = l.node.inputs;
  const rank = shapeOf(l, x)?.length;
  if (!x || !scale || rank === undefined) return undefined;
  const floating = onnxTypeCode(l.type(scale).type);
  const step = alongAxis(l, scale, rank);
  if (step === undefined || floating === undefined) return undefined;
  const zero = zeroPoint(l, floating, rank);
  if (zero === undefined) return undefined;
  const number = l.add("Cast", [x], { to: floating });
  return [l.add("Mul", [zero === "" ? number : l.add("Sub", [number, zero]), step])];
}
