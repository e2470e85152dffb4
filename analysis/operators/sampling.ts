/**
 * @file Sampling at computed places, for which the table knows shapes only: GridSample, RoiAlign and the like. Values
 * behind them are opaque to the engines, but what follows keeps its shapes.
 */
import { type Node, numberAttribute, numbersAttribute } from "../graph/graph";
import { type Shape, type TensorType, elementCount } from "../graph/tensor";
import { groupsOf, slidingWindows } from "./kernels/window";
import type { InferenceContext, Operator } from "./operator";
import {
  type Known,
  axesOf,
  elementType,
  fail,
  hasInput,
  inputShape,
  knownConstants,
  numbersOf,
  onnxElementType,
  showShape,
  unknownShape,
} from "./rules";

/** An entry that has a shape rule and nothing else. `rule` gets the first input's shape. */
function shapeOnly(
  name: string,
  rule: (node: Node, shape: Shape, context: InferenceContext, known: Known) => Shape | undefined,
): Operator {
  return {
    name,
    infer(node, context) {
      const type = elementType(context, 0);
      const shape = inputShape(context, 0);
      if (shape === undefined) return [unknownShape(type)];
      const output: TensorType = { type, shape: rule(node, shape, context, knownConstants(node, context)) };
      return node.outputs.map(() => output);
    },
  };
}

/** The regions' count, and channels of the picture they are cut out of. */
function regionShape(node: Node, shape: Shape, context: InferenceContext, height: number, width: number): Shape | undefined {
  const regions = inputShape(context, 1);
  if (shape.length !== 4) fail(node, `an input of shape ${showShape(shape)} is not [N, C, H, W]`);
  return regions && [regions[0]!, shape[1]!, height, width];
}

function deformableShape(node: Node, shape: Shape, context: InferenceContext): Shape | undefined {
  const w = inputShape(context, 1);
  if (w === undefined) return undefined;
  const groups = groupsOf(node, w[0]!);
  if (shape[1] !== w[1]! * groups) fail(node, `an input of ${shape[1]} channels does not fit weights of shape ${showShape(w)}`);
  return [shape[0]!, w[0]!, ...slidingWindows(node, shape.slice(2), w.slice(2)).output];
}

function unpooledShape(node: Node, shape: Shape, _context: InferenceContext, known: Known): Shape | undefined {
  if (hasInput(node, 2)) return known(2) && numbersOf(known(2)!);
  const kernel = numbersAttribute(node, "kernel_shape") ?? fail(node, "attribute kernel_shape is absent");
  const rank = kernel.length;
  const steps = numbersAttribute(node, "strides") ?? kernel.map(() => 1);
  const pads = numbersAttribute(node, "pads") ?? new Array<number>(2 * rank).fill(0);
  const spatial = kernel.map((size, k) => (shape[k + 2]! - 1) * steps[k]! + size - pads[k]! - pads[rank + k]!);
  return [...shape.slice(0, 2), ...spatial];
}

/** Length of the transformed axis of DFT: the real half only under `onesided`. */
function fourierShape(node: Node, shape: Shape, context: InferenceContext, known: Known): Shape | undefined {
  const rank = shape.length;
  let axis: number | undefined = context.opset < 20 ? numberAttribute(node, "axis", 1) : -2;
  if (context.opset >= 20 && hasInput(node, 2)) axis = known(2)?.data[0];
  const length = hasInput(node, 1) ? known(1)?.data[0] : undefined;
  if (axis === undefined || (hasInput(node, 1) && length === undefined)) return undefined;
  const at = axesOf(node, [axis], rank)[0]!;
  const n = length ?? shape[at]!;
  const onesided = numberAttribute(node, "onesided", 0) === 1;
  return shape.map((size, k) => (k === rank - 1 ? 2 : k === at ? (onesided ? Math.floor(n / 2) + 1 : n) : size));
}

/** Entries that draw random numbers. */
function random(name: string, like: boolean): Operator {
  return {
    name,
    random: true,
    infer(node, context) {
      const dtype = node.attributes.dtype;
      const type = typeof dtype === "number" ? onnxElementType(dtype) : like ? elementType(context, 0) : "float32";
      return [{ type, shape: like ? inputShape(context, 0) : numbersAttribute(node, "shape") }];
    },
  };
}

/** Sampling and random numbers, shapes only. */
export const samplingOperators: readonly Operator[] = [
  shapeOnly("GridSample", (node, shape, context) => {
    const grid = inputShape(context, 1);
    if (grid !== undefined && (grid.length !== shape.length || grid[grid.length - 1] !== shape.length - 2)) {
      fail(node, `a grid of shape ${showShape(grid)} does not fit an input of shape ${showShape(shape)}`);
    }
    return grid && [...shape.slice(0, 2), ...grid.slice(1, -1)];
  }),
  shapeOnly("AffineGrid", (_node, shape, _context, known) => {
    const size = known(1);
    return size && [shape[0]!, ...numbersOf(size).slice(2), size.data.length - 2];
  }),
  shapeOnly("RoiAlign", (node, shape, context) =>
    regionShape(node, shape, context, numberAttribute(node, "output_height", 1), numberAttribute(node, "output_width", 1)),
  ),
  shapeOnly("MaxRoiPool", (node, shape, context) => {
    const pooled = numbersAttribute(node, "pooled_shape") ?? fail(node, "attribute pooled_shape is absent");
    return regionShape(node, shape, context, pooled[0]!, pooled[1]!);
  }),
  shapeOnly("MaxUnpool", unpooledShape),
  shapeOnly("DeformConv", deformableShape),
  shapeOnly("Col2Im", (_node, shape, _context, known) => {
    const [image, block] = [known(1), known(2)];
    return image && block && [shape[0]!, shape[1]! / elementCount(numbersOf(block)), ...numbersOf(image)];
  }),
  shapeOnly("CenterCropPad", (node, shape, _context, known) => {
    const target = known(1);
    if (target === undefined) return undefined;
    const listed = numbersAttribute(node, "axes");
    const axes = listed === undefined ? shape.map((_, k) => k) : axesOf(node, listed, shape.length);
    return shape.map((size, k) => (axes.includes(k) ? target.data[axes.indexOf(k)]! : size));
  }),
  shapeOnly("Det", (node, shape) => {
    if (shape.length < 2 || shape[shape.length - 1] !== shape[shape.length - 2]) {
      fail(node, `an input of shape ${showShape(shape)} is not a stack of square matrices`);
    }
    return shape.slice(0, -2);
  }),
  shapeOnly("DFT", fourierShape),
  random("RandomNormal", false),
  random("RandomUniform", false),
  random("RandomNormalLike", true),
  random("RandomUniformLike", true),
  random("Bernoulli", true),
  {
    name: "Multinomial",
    random: true,
    infer(node, context) {
      const shape = inputShape(context, 0);
      const dtype = node.attributes.dtype;
      const type = typeof dtype === "number" ? onnxElementType(dtype) : "int32";
      return [{ type, shape: shape && [shape[0]!, numberAttribute(node, "sample_size", 1)] }];
    },
  },
];
