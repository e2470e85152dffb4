/** @file Resize and Upsample. */
import { type Node, numberAttribute, numbersAttribute, stringAttribute } from "../graph/graph";
import { type Shape, type Tensor, elementCount } from "../graph/tensor";
import { type ResizedAxis, interpolateAxis, interpolation } from "./kernels/interpolate";
import type { Operator } from "./operator";
import {
  type Known,
  axesOf,
  elementType,
  fail,
  hasInput,
  inputShape,
  knownConstants,
  knownInputs,
  required,
  showShape,
  unknownShape,
} from "./rules";

/** Where the scales and sizes are: Upsample and Resize-10 have (X, scales), Resize-11 and later (X, roi, scales, sizes). */
function argumentIndices(node: Node): { roi: number; scales: number; sizes: number } {
  const old = node.operator === "Upsample" || node.inputs.length <= 2;
  return old ? { roi: -1, scales: 1, sizes: -1 } : { roi: 1, scales: 2, sizes: 3 };
}

/** Sizes and scales of all axes; undefined where the input that gives them has no known value. */
function resizedSizes(node: Node, shape: Shape, known: Known): { output: number[]; scales: number[] } | undefined {
  const at = argumentIndices(node);
  const listed = numbersAttribute(node, "axes");
  const axes = listed === undefined ? shape.map((_, axis) => axis) : axesOf(node, listed, shape.length);
  const output = [...shape];
  const scales = shape.map(() => 1);
  const attribute = numbersAttribute(node, "scales");
  const given = attribute ?? (hasInput(node, at.scales) ? known(at.scales)?.data : []);
  const wanted = at.sizes >= 0 && hasInput(node, at.sizes) ? known(at.sizes)?.data : [];
  if (given === undefined || wanted === undefined) return undefined;
  const list = wanted.length > 0 ? wanted : given;
  if (list.length !== axes.length) fail(node, `${list.length} scales or sizes for ${axes.length} axes of ${showShape(shape)}`);
  const policy = stringAttribute(node, "keep_aspect_ratio_policy", "stretch");
  if (wanted.length > 0) {
    const ratios = axes.map((axis, i) => wanted[i]! / shape[axis]!);
    const common = policy === "not_larger" ? Math.min(...ratios) : policy === "not_smaller" ? Math.max(...ratios) : undefined;
    axes.forEach((axis, i) => {
      scales[axis] = common ?? ratios[i]!;
      output[axis] = common === undefined ? wanted[i]! : Math.round(common * shape[axis]!);
    });
  } else {
    axes.forEach((axis, i) => {
      scales[axis] = given[i]!;
      // Scales are float32 in files: 1.3333334 of 3 is 4, not 4.0000002, either way rounded down.
      output[axis] = Math.floor(Math.fround(Math.fround(given[i]!) * shape[axis]!));
    });
  }
  return { output, scales };
}

/** The matrices' descriptions for the axes that change. */
export function resizedAxes(node: Node, shape: Shape, known: Known): { output: number[]; axes: (ResizedAxis | undefined)[] } {
  const sizes = resizedSizes(node, shape, known) ?? fail(node, "the scales or sizes are not known");
  const at = argumentIndices(node);
  const old = at.roi < 0;
  const region = at.roi >= 0 && hasInput(node, at.roi) ? (known(at.roi)?.data ?? []) : [];
  const mode = stringAttribute(node, "mode", "nearest");
  if (!["nearest", "linear", "bilinear", "cubic"].includes(mode))
    fail(node, `mode "${mode}" is not one of nearest, linear, cubic`);
  const coordinates = stringAttribute(node, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  const listed = numbersAttribute(node, "axes");
  const order = listed === undefined ? shape.map((_, axis) => axis) : axesOf(node, listed, shape.length);
  const axes = shape.map((input, axis): ResizedAxis | undefined => {
    const output = sizes.output[axis]!;
    const scale = sizes.scales[axis]!;
    if (output === input && scale === 1 && coordinates !== "tf_crop_and_resize") return undefined;
    const i = order.indexOf(axis);
    return {
      input,
      output,
      scale,
      mode: mode === "bilinear" ? "linear" : mode,
      coordinates,
      nearest: stringAttribute(node, "nearest_mode", old ? "simple" : "round_prefer_floor"),
      cubicA: numberAttribute(node, "cubic_coeff_a", -0.75),
      excludeOutside: numberAttribute(node, "exclude_outside", 0) === 1,
      antialias: numberAttribute(node, "antialias", 0) === 1,
      region: [region[i] ?? 0, region[order.length + i] ?? 1],
    };
  });
  return { output: sizes.output, axes };
}

function resize(node: Node, x: Tensor, known: Known, extrapolation: number): Tensor {
  const { output, axes } = resizedAxes(node, x.shape, known);
  const shape = [...x.shape];
  let data = x.data;
  const outside: (Uint8Array | undefined)[] = [];
  axes.forEach((axis, k) => {
    if (axis === undefined) return;
    const matrix = interpolation(axis);
    data = interpolateAxis(data, elementCount(shape.slice(0, k)), axis.input, elementCount(shape.slice(k + 1)), matrix);
    shape[k] = axis.output;
    outside[k] = matrix.outside;
  });
  outside.forEach((flags, k) => {
    if (flags === undefined) return;
    const inner = elementCount(output.slice(k + 1));
    for (let i = 0; i < data.length; i++) if (flags[Math.floor(i / inner) % output[k]!]) data[i] = extrapolation;
  });
  return { type: x.type, shape: output, data };
}

function resizing(name: string): Operator {
  return {
    name,
    infer(node, context) {
      const type = elementType(context, 0);
      const shape = inputShape(context, 0);
      if (shape === undefined) return [unknownShape(type)];
      return [{ type, shape: resizedSizes(node, shape, knownConstants(node, context))?.output }];
    },
    evaluate: (node, inputs) => [
      resize(node, required(node, inputs, 0), knownInputs(inputs), numberAttribute(node, "extrapolation_value", 0)),
    ],
    tangent: (node, x, _y, dx) => dx[0] && resize(node, dx[0], knownInputs(x), 0),
  };
}

/** Resizing. */
export const resizingOperators: readonly Operator[] = [resizing("Resize"), resizing("Upsample")];
