/** @file Movement of data in the one form of the normal form: Reshape, Slice, Pad and Expand with constant inputs. */
import { numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { elementCount, type ElementType, filled, isFloating, scalar, type Shape, type Tensor } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { input, ints, positive, range, reshape, shapeOf, slice } from "./build";

/** The shape of the node's first output where it is known. */
function outputShape(l: Lowering): Shape | undefined {
  return shapeOf(l, l.node.outputs[0]);
}

/** Squeeze, Unsqueeze and Flatten: Reshape with a constant target. */
export function lowerToReshape(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const target = outputShape(l);
  return x === undefined || target === undefined ? undefined : [reshape(l, x, target)];
}

/** Whether input `index` is a constant of exactly these values. */
function holds(l: Lowering, index: number, values: readonly number[]): boolean {
  const name = input(l, index);
  const data = name === undefined ? undefined : l.constant(name)?.data;
  return data !== undefined && data.length === values.length && values.every((v, i) => v === data[i]);
}

/** Reshape with its target written out as a constant. */
export function lowerReshape(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const target = outputShape(l);
  if (x === undefined || target === undefined || holds(l, 1, target)) return undefined;
  return [reshape(l, x, target)];
}

/** Expand with its target written out as a constant. */
export function lowerExpand(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const target = outputShape(l);
  if (x === undefined || target === undefined || holds(l, 1, target)) return undefined;
  return [l.add("Expand", [x, ints(l, target)])];
}

/** Tile: Reshape, Expand, Reshape. */
export function lowerTile(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  const target = outputShape(l);
  if (x === undefined || shape === undefined || target?.length !== shape.length) return undefined;
  const apart: number[] = [];
  const repeated: number[] = [];
  for (const [i, n] of shape.entries()) {
    const times = n === 0 ? 1 : target[i]! / n;
    if (times !== 1) {
      apart.push(1);
      repeated.push(times);
    }
    apart.push(n);
    repeated.push(n);
  }
  return [reshape(l, l.add("Expand", [reshape(l, x, apart), ints(l, repeated)]), target)];
}

/** Split: one Slice per part. */
export function lowerSplit(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (x === undefined || shape === undefined) return undefined;
  const axis = positive(numberAttribute(l.node, "axis", 0), shape.length);
  const parts: string[] = [];
  let start = 0;
  for (const name of l.node.outputs) {
    const size = shapeOf(l, name)?.[axis];
    if (size === undefined) return undefined;
    parts.push(slice(l, x, axis, start, start + size));
    start += size;
  }
  return start === shape[axis] ? parts : undefined;
}

/** Slice with bounds inside the axis, axes counted from the front, in order, and steps written out. */
export function lowerSlice(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (x === undefined || shape === undefined) return undefined;
  const list = (index: number, attribute: string): readonly number[] | undefined | null => {
    const name = input(l, index);
    if (name === undefined) return numbersAttribute(l.node, attribute);
    const data = l.constant(name)?.data;
    return data === undefined ? null : Array.from(data);
  };
  const starts = list(1, "starts");
  const ends = list(2, "ends");
  const axes = list(3, "axes");
  const steps = list(4, "steps");
  if (!starts || !ends || axes === null || steps === null) return undefined;
  const cuts = starts.map((start, i) => {
    const axis = positive(axes?.[i] ?? i, shape.length);
    return { axis, ...clampCut(start, ends[i]!, steps?.[i] ?? 1, shape[axis]!) };
  });
  cuts.sort((a, b) => a.axis - b.axis);
  const kept = cuts.filter((c) => !(c.step === 1 && c.start === 0 && c.end === shape[c.axis]));
  if (kept.length === 0) return [x];
  const forms = [kept.map((c) => c.start), kept.map((c) => c.end), kept.map((c) => c.axis), kept.map((c) => c.step)];
  if (forms.every((values, i) => holds(l, i + 1, values))) return undefined;
  return [l.add("Slice", [x, ...forms.map((values) => ints(l, values))])];
}

/** Bounds as ONNX clamps them; the end of a backward cut that includes entry 0 stays a large negative number. */
function clampCut(start: number, end: number, step: number, size: number): { start: number; end: number; step: number } {
  const from = start < 0 ? start + size : start;
  const to = end < 0 ? end + size : end;
  if (step > 0) {
    const s = Math.min(Math.max(from, 0), size);
    return { start: s, end: Math.max(s, Math.min(Math.max(to, 0), size)), step };
  }
  const e = Math.min(Math.max(to, -1), size - 1);
  return { start: Math.min(Math.max(from, 0), size - 1), end: e < 0 ? -size - 1 : e, step };
}

/** Pad with its amounts as a constant input over all axes; without any it vanishes. */
export function lowerPad(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (x === undefined || shape === undefined) return undefined;
  const rank = shape.length;
  const given = input(l, 1);
  const amounts = given === undefined ? numbersAttribute(l.node, "pads") : l.constant(given)?.data;
  if (amounts === undefined) return undefined;
  const axesInput = input(l, 3);
  const axes = axesInput === undefined ? range(0, rank) : l.constant(axesInput)?.data;
  if (axes === undefined || amounts.length !== 2 * axes.length) return undefined;
  const pads = new Array<number>(2 * rank).fill(0);
  Array.from(axes, (a) => positive(a, rank)).forEach((axis, i) => {
    pads[axis] = amounts[i]!;
    pads[axis + rank] = amounts[i + axes.length]!;
  });
  if (pads.every((p) => p === 0)) return [x];
  const value = input(l, 2);
  const attribute = l.node.attributes["value"];
  const joined = joinedWithZeros(l, x, shape, pads);
  if (joined !== undefined) return [joined];
  if (holds(l, 1, pads) && axesInput === undefined && attribute === undefined) return undefined;
  const fill = value ?? l.addConstant(scalar(typeof attribute === "number" ? attribute : 0, l.type(x).type));
  return [l.add("Pad", [x, ints(l, pads), fill], { mode: stringAttribute(l.node, "mode", "constant") })];
}

/** Zeros that are stored to lengthen a value: beyond this it stays a Pad. */
const MOST_ZEROS = 1_000_000;

/** The axis of channels, by ONNX's convention. */
const CHANNELS = 1;

/**
 * Channels of zeros before and behind are a concatenation, which keeps what is between them apart from them: shortcuts that are
 * widened by zeros. Undefined for pads of other axes (places in a picture, which have a border), other modes and other values.
 */
function joinedWithZeros(l: Lowering, x: string, shape: readonly number[], pads: readonly number[]): string | undefined {
  const touched = range(0, shape.length).filter((k) => pads[k] !== 0 || pads[k + shape.length] !== 0);
  const [axis] = touched;
  if (axis !== CHANNELS || touched.length > 1 || pads.some((p) => p < 0)) return undefined;
  const { type } = l.type(x);
  const value = input(l, 2);
  const fill = value === undefined ? [numberAttribute(l.node, "value", 0)] : (l.constant(value)?.data ?? [1]);
  if (!isFloating(type) || stringAttribute(l.node, "mode", "constant") !== "constant" || fill.some((v) => v !== 0))
    return undefined;
  const zeros = (n: number): string[] => {
    const lengthened = shape.map((size, k) => (k === axis ? n : size));
    return n === 0 ? [] : [l.addConstant(filled(lengthened, 0, type))];
  };
  const [before, after] = [pads[axis]!, pads[axis + shape.length]!];
  if ((elementCount(shape) / Math.max(shape[axis]!, 1)) * (before + after) > MOST_ZEROS) return undefined;
  return l.add("Concat", [...zeros(before), x, ...zeros(after)], { axis });
}

/** SpaceToDepth: Reshape, Transpose, Reshape. */
export function lowerSpaceToDepth(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  const b = numberAttribute(l.node, "blocksize", 1);
  if (x === undefined || shape?.length !== 4) return undefined;
  const [n, c, h, w] = shape as [number, number, number, number];
  if (h % b !== 0 || w % b !== 0) return undefined;
  const apart = reshape(l, x, [n, c, h / b, b, w / b, b]);
  return [reshape(l, l.add("Transpose", [apart], { perm: [0, 3, 5, 1, 2, 4] }), [n, c * b * b, h / b, w / b])];
}

/** Trilu of data: Where with a constant mask. */
export function lowerTrilu(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  const kInput = input(l, 1);
  const k = kInput === undefined ? 0 : l.constant(kInput)?.data[0];
  if (x === undefined || shape === undefined || shape.length < 2 || k === undefined) return undefined;
  const [rows, columns] = shape.slice(-2) as [number, number];
  if (rows * columns > 4_000_000) return undefined;
  const upper = numberAttribute(l.node, "upper", 1) === 1;
  const data = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) data[i * columns + j] = (upper ? j - i >= k : j - i <= k) ? 1 : 0;
  }
  const mask = l.addConstant({ type: "bool", shape: [rows, columns], data });
  return [l.add("Where", [mask, x, l.addConstant(scalar(0, l.type(x).type))])];
}

/** Shape and Size of a tensor of known shape are constants. */
export function lowerShape(l: Lowering): readonly string[] | undefined {
  const shape = shapeOf(l, input(l, 0));
  if (shape === undefined) return undefined;
  const clamp = (v: number) => Math.min(Math.max(v < 0 ? v + shape.length : v, 0), shape.length);
  const start = clamp(numberAttribute(l.node, "start", 0));
  const end = clamp(numberAttribute(l.node, "end", shape.length));
  return [ints(l, shape.slice(start, Math.max(start, end)))];
}

/** The number of elements of a tensor of known shape. */
export function lowerSize(l: Lowering): readonly string[] | undefined {
  const shape = shapeOf(l, input(l, 0));
  return shape === undefined ? undefined : [l.addConstant(scalar(elementCount(shape), "int64"))];
}

/** EyeLike: its value depends on a shape alone. */
export function lowerEyeLike(l: Lowering): readonly string[] | undefined {
  const shape = outputShape(l);
  if (shape?.length !== 2 || elementCount(shape) > 4_000_000) return undefined;
  const type: ElementType = l.type(l.node.outputs[0]!).type;
  const eye: Tensor = filled(shape, 0, type);
  const k = numberAttribute(l.node, "k", 0);
  for (let i = 0; i < shape[0]!; i++) {
    const j = i + k;
    if (j >= 0 && j < shape[1]!) eye.data[i * shape[1]! + j] = 1;
  }
  return [l.addConstant(eye)];
}

/** Upsample, the older name of Resize. */
export function lowerUpsample(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const attribute = numbersAttribute(l.node, "scales");
  const scales =
    input(l, 1) ??
    (attribute && l.addConstant({ type: "float32", shape: [attribute.length], data: Float64Array.from(attribute) }));
  if (x === undefined || scales === undefined || shapeOf(l, scales)?.[0] !== shapeOf(l, x)?.length) return undefined;
  const mode = stringAttribute(l.node, "mode", "nearest");
  const attributes = { mode, coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };
  return [l.add("Resize", [x, "", scales], attributes)];
}

/** Resize of opset 10 has no region of interest, and one way to find coordinates. */
export function lowerResize(l: Lowering): readonly string[] | undefined {
  const [x, scales] = l.node.inputs;
  if (l.opset >= 11 || !x || !scales || l.node.inputs.length !== 2) return undefined;
  const mode = stringAttribute(l.node, "mode", "nearest");
  return [l.add("Resize", [x, "", scales], { mode, coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" })];
}
