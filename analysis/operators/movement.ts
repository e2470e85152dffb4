/** @file Operators that move elements without computing: reshaping, transposing, slicing, joining. */
import { type Node, numberAttribute, numbersAttribute, stringAttribute } from "../graph/graph";
import { type Shape, type Tensor, type TensorType, elementCount, strides } from "../graph/tensor";
import { linear } from "./factories";
import { broadcastStrides, copyStrided, permute } from "./kernels/strided";
import type { Movement, Operator } from "./operator";
import {
  type Known,
  axesOf,
  axisOf,
  broadcastShape,
  elementType,
  fail,
  firstType,
  inputShape,
  knownConstants,
  knownInputs,
  listArgument,
  required,
  showShape,
  unknownShape,
} from "./rules";

type Evaluate = NonNullable<Operator["evaluate"]>;

/** The output shape as a function of the first input's shape; undefined where an argument's value is unknown. */
type ShapeRule = (node: Node, shape: Shape, known: Known) => Shape | undefined;

/** A shape rule as `infer`. */
function inferBy(rule: ShapeRule): Operator["infer"] {
  return (node, context) => {
    const type = elementType(context, 0);
    const shape = inputShape(context, 0);
    if (shape === undefined) return [unknownShape(type)];
    return [{ type, shape: rule(node, shape, knownConstants(node, context)) }];
  };
}

/** The shape rule applied to the inputs of a kernel, where everything is known. */
function shapeBy(rule: ShapeRule, node: Node, x: Tensor, inputs: readonly (Tensor | undefined)[]): Shape {
  return rule(node, x.shape, knownInputs(inputs)) ?? fail(node, "an argument's value is needed and is absent");
}

/** An operator that only gives its data another shape. */
function relabelling(name: string, rule: ShapeRule): Operator {
  const evaluate: Evaluate = (node, inputs) => {
    const x = required(node, inputs, 0);
    return [{ type: x.type, shape: shapeBy(rule, node, x, inputs), data: x.data }];
  };
  return linear(name, inferBy(rule), evaluate, [0], { moves: "reshapes" });
}

/** An operator that copies data to other places, without arithmetic. */
function moving(
  name: string,
  moves: Movement,
  rule: ShapeRule,
  move: (node: Node, x: Tensor, shape: Shape, known: Known) => Float64Array,
): Operator {
  const evaluate: Evaluate = (node, inputs) => {
    const x = required(node, inputs, 0);
    const shape = shapeBy(rule, node, x, inputs);
    return [{ type: x.type, shape, data: move(node, x, shape, knownInputs(inputs)) }];
  };
  return linear(name, inferBy(rule), evaluate, [0], { moves });
}

/** Reshape: 0 copies an axis (unless allowzero), one -1 takes what remains. */
const reshaped: ShapeRule = (node, shape, known) => {
  const listed = listArgument(node, known, "shape", 1);
  if (listed === undefined) return undefined;
  if (listed === "absent") fail(node, "the target shape is absent");
  const keepZero = numberAttribute(node, "allowzero", 0) === 1;
  const target = listed.map((size, axis) => {
    if (size !== 0 || keepZero) return size;
    return (
      shape[axis] ??
      fail(node, `a 0 at axis ${axis} of the target ${showShape(listed)} copies an axis that ${showShape(shape)} does not have`)
    );
  });
  const total = elementCount(shape);
  const open = target.indexOf(-1);
  if (open !== target.lastIndexOf(-1)) fail(node, `the target ${showShape(listed)} has more than one -1`);
  if (target.some((size) => size < -1)) fail(node, `the target ${showShape(listed)} has a negative size`);
  if (open >= 0) {
    const others = elementCount(target.filter((_, axis) => axis !== open));
    if (others === 0 ? total !== 0 : total % others !== 0) {
      fail(node, `${total} elements of ${showShape(shape)} do not divide into ${showShape(listed)}`);
    }
    target[open] = others === 0 ? 0 : total / others;
  }
  if (elementCount(target) !== total) {
    fail(node, `${showShape(shape)} has ${total} elements and the target ${showShape(listed)} has ${elementCount(target)}`);
  }
  return target;
};

const flattened: ShapeRule = (node, shape) => {
  const written = numberAttribute(node, "axis", 1);
  const axis = written === shape.length ? written : axisOf(node, written, shape.length);
  return [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))];
};

const squeezed: ShapeRule = (node, shape, known) => {
  const listed = listArgument(node, known, "axes", 1);
  if (listed === undefined) return undefined;
  if (listed === "absent") return shape.filter((size) => size !== 1);
  const axes = new Set(axesOf(node, listed, shape.length));
  for (const axis of axes) {
    if (shape[axis] !== 1) fail(node, `axis ${axis} of ${showShape(shape)} has size ${shape[axis]} and cannot be removed`);
  }
  return shape.filter((_, axis) => !axes.has(axis));
};

const unsqueezed: ShapeRule = (node, shape, known) => {
  const listed = listArgument(node, known, "axes", 1);
  if (listed === undefined) return undefined;
  if (listed === "absent") fail(node, "the axes to insert are absent");
  const rank = shape.length + listed.length;
  const axes = new Set(axesOf(node, listed, rank));
  const sizes = shape.values();
  return Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : sizes.next().value!));
};

/** The permutation of a Transpose of the given rank; by default it reverses the axes. */
export function permutationOf(node: Node, rank: number): readonly number[] {
  const perm = numbersAttribute(node, "perm");
  if (perm === undefined) return Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  if (perm.length !== rank) fail(node, `perm ${showShape(perm)} does not fit a tensor with ${rank} axes`);
  return axesOf(node, perm, rank);
}

/** One sliced axis: `count` elements from `start` on, `step` apart. */
export interface SlicedAxis {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/**
 * What a Slice takes of each axis, after clamping starts and ends as the specification says. Undefined where an argument's
 * value is unknown. Attributes up to opset 9, inputs later.
 */
export function slicedAxes(node: Node, shape: Shape, known: Known): SlicedAxis[] | undefined {
  const starts = listArgument(node, known, "starts", 1);
  const ends = listArgument(node, known, "ends", 2);
  const axes = listArgument(node, known, "axes", 3);
  const steps = listArgument(node, known, "steps", 4);
  if (starts === undefined || ends === undefined || axes === undefined || steps === undefined) return undefined;
  if (starts === "absent" || ends === "absent") fail(node, "starts or ends are absent");
  const list = axes === "absent" ? starts.map((_, i) => i) : axes;
  if (list.length !== starts.length || ends.length !== starts.length || (steps !== "absent" && steps.length !== starts.length)) {
    fail(node, "starts, ends, axes and steps have different lengths");
  }
  const out = shape.map((size): SlicedAxis => ({ start: 0, step: 1, count: size }));
  axesOf(node, list, shape.length).forEach((axis, i) => {
    const size = shape[axis]!;
    const step = steps === "absent" ? 1 : steps[i]!;
    if (step === 0) fail(node, `the step of axis ${axis} is 0`);
    const clamp = (bound: number, low: number, high: number): number =>
      Math.max(low, Math.min(high, bound < 0 ? bound + size : bound));
    const start = step > 0 ? clamp(starts[i]!, 0, size) : clamp(starts[i]!, 0, size - 1);
    const end = step > 0 ? clamp(ends[i]!, 0, size) : clamp(ends[i]!, -1, size - 1);
    out[axis] = { start, step, count: size === 0 ? 0 : Math.max(0, Math.ceil((end - start) / step)) };
  });
  return out;
}

function slice(node: Node, x: Tensor, shape: Shape, known: Known): Float64Array {
  const own = strides(x.shape);
  let offset = 0;
  const steps = slicedAxes(node, x.shape, known)!.map((part, axis) => {
    offset += part.start * own[axis]!;
    return part.step * own[axis]!;
  });
  return copyStrided(x.data, shape, steps, offset);
}

/** Sizes of the parts of a Split along its axis; undefined where they are an input of unknown value. */
export function splitSizes(node: Node, size: number, known: Known): number[] | undefined {
  const listed = listArgument(node, known, "split", 1);
  if (listed === undefined) return undefined;
  if (listed !== "absent") {
    const sum = listed.reduce((a, b) => a + b, 0);
    if (sum !== size || listed.some((part) => part < 0))
      fail(node, `parts ${showShape(listed)} do not add up to the axis's size ${size}`);
    if (listed.length !== node.outputs.length) fail(node, `${listed.length} parts for ${node.outputs.length} outputs`);
    return [...listed];
  }
  const parts = numberAttribute(node, "num_outputs", node.outputs.length);
  if (parts !== node.outputs.length) fail(node, `${parts} parts for ${node.outputs.length} outputs`);
  const chunk = Math.ceil(size / parts);
  const out = Array.from({ length: parts }, (_, i) => Math.max(0, Math.min(chunk, size - i * chunk)));
  if (out.some((part) => part !== chunk) && node.attributes.num_outputs === undefined) {
    fail(node, `an axis of size ${size} does not divide into ${parts} equal parts`);
  }
  return out;
}

const evaluateSplit: Evaluate = (node, inputs) => {
  const x = required(node, inputs, 0);
  const axis = axisOf(node, numberAttribute(node, "axis", 0), x.shape.length);
  const sizes = splitSizes(node, x.shape[axis]!, knownInputs(inputs)) ?? fail(node, "the sizes of the parts are not known");
  const own = strides(x.shape);
  let start = 0;
  return sizes.map((size) => {
    const shape = x.shape.map((s, k) => (k === axis ? size : s));
    const part: Tensor = { type: x.type, shape, data: copyStrided(x.data, shape, own, start * own[axis]!) };
    start += size;
    return part;
  });
};

const split: Operator = {
  name: "Split",
  moves: "splits",
  infer(node, context) {
    const type = elementType(context, 0);
    const shape = inputShape(context, 0);
    const unknown = node.outputs.map((): TensorType => unknownShape(type));
    if (shape === undefined) return unknown;
    const axis = axisOf(node, numberAttribute(node, "axis", 0), shape.length);
    const sizes = splitSizes(node, shape[axis]!, knownConstants(node, context));
    if (sizes === undefined) return unknown;
    return sizes.map((size) => ({ type, shape: shape.map((s, k) => (k === axis ? size : s)) }));
  },
  evaluate: evaluateSplit,
  tangent: (node, x, _y, dx) => dx[0] && evaluateSplit(node, [dx[0], x[1]])[0],
  tangents: (node, x, y, dx) => (dx[0] ? evaluateSplit(node, [dx[0], x[1]]) : y.map(() => undefined)),
};

const evaluateConcat: Evaluate = (node, inputs) => {
  const parts = inputs.map((_, i) => required(node, inputs, i));
  const shape = concatShape(
    node,
    parts.map((p) => p.shape),
  );
  const axis = axisOf(node, numberAttribute(node, "axis", 1), shape.length);
  const outer = elementCount(shape.slice(0, axis));
  const row = elementCount(shape.slice(axis));
  const data = new Float64Array(elementCount(shape));
  let column = 0;
  for (const part of parts) {
    const length = elementCount(part.shape.slice(axis));
    for (let i = 0; i < outer; i++) {
      const from = i * length;
      const to = i * row + column;
      if (length < 16) for (let j = 0; j < length; j++) data[to + j] = part.data[from + j]!;
      else data.set(part.data.subarray(from, from + length), to);
    }
    column += length;
  }
  return [{ type: parts[0]!.type, shape, data }];
};

function concatShape(node: Node, shapes: readonly Shape[]): number[] {
  const first = shapes[0] ?? fail(node, "there are no inputs");
  const axis = axisOf(node, numberAttribute(node, "axis", 1), first.length);
  const out = [...first];
  for (const shape of shapes.slice(1)) {
    if (shape.length !== first.length || shape.some((size, k) => k !== axis && size !== first[k])) {
      fail(node, `${showShape(first)} and ${showShape(shape)} differ outside of axis ${axis}`);
    }
    out[axis] = out[axis]! + shape[axis]!;
  }
  return out;
}

const concat: Operator = linear(
  "Concat",
  (node, context) => {
    const type = firstType(context);
    const shapes: Shape[] = [];
    for (const input of context.inputs) {
      if (input.shape === undefined) return [unknownShape(type)];
      shapes.push(input.shape);
    }
    return [{ type, shape: concatShape(node, shapes) }];
  },
  evaluateConcat,
  undefined,
  { moves: "joins" },
);

const expanded: ShapeRule = (node, shape, known) => {
  const listed = listArgument(node, known, "shape", 1);
  if (listed === undefined) return undefined;
  return listed === "absent" ? fail(node, "the target shape is absent") : broadcastShape(node, [shape, listed]);
};

const tiled: ShapeRule = (node, shape, known) => {
  const repeats = listArgument(node, known, "repeats", 1);
  if (repeats === undefined) return undefined;
  if (repeats === "absent" || repeats.length !== shape.length) fail(node, `repeats do not fit ${showShape(shape)}`);
  return shape.map((size, axis) => size * repeats[axis]!);
};

/** Every axis is read as (repeat, size) with stride 0 along the repeat. */
function tile(_node: Node, x: Tensor, shape: Shape): Float64Array {
  const own = strides(x.shape);
  const sizes: number[] = [];
  const steps: number[] = [];
  x.shape.forEach((size, axis) => {
    sizes.push(size === 0 ? 0 : shape[axis]! / size, size);
    steps.push(0, own[axis]!);
  });
  return copyStrided(x.data, sizes, steps);
}

/** Checks that `shape` is [N, C, H, W] and that `divisor` divides the named sizes. */
function blockSize(node: Node, shape: Shape): number {
  const block = numberAttribute(node, "blocksize", Number.NaN);
  if (!(block >= 1)) fail(node, "attribute blocksize is absent or not positive");
  if (shape.length !== 4) fail(node, `an input of shape ${showShape(shape)} is not [N, C, H, W]`);
  return block;
}

const depthToSpace: ShapeRule = (node, shape) => {
  const b = blockSize(node, shape);
  const [n, c, h, w] = shape as [number, number, number, number];
  if (c % (b * b) !== 0) fail(node, `${c} channels do not divide by ${b} x ${b}`);
  return [n, c / (b * b), h * b, w * b];
};

const spaceToDepth: ShapeRule = (node, shape) => {
  const b = blockSize(node, shape);
  const [n, c, h, w] = shape as [number, number, number, number];
  if (h % b !== 0 || w % b !== 0) fail(node, `a picture of ${h} x ${w} does not divide into blocks of ${b} x ${b}`);
  return [n, c * b * b, h / b, w / b];
};

/** Operators that move elements. */
export const movementOperators: readonly Operator[] = [
  relabelling("Reshape", reshaped),
  relabelling("Flatten", flattened),
  relabelling("Squeeze", squeezed),
  relabelling("Unsqueeze", unsqueezed),
  moving(
    "Transpose",
    "transposes",
    (node, shape) => permutationOf(node, shape.length).map((axis) => shape[axis]!),
    (node, x) => permute(x.data, x.shape, permutationOf(node, x.shape.length)),
  ),
  concat,
  moving("Slice", "picks", (node, shape, known) => slicedAxes(node, shape, known)?.map((part) => part.count), slice),
  split,
  moving("Expand", "repeats", expanded, (_node, x, shape) => copyStrided(x.data, shape, broadcastStrides(x.shape, shape))),
  moving("Tile", "repeats", tiled, tile),
  moving("DepthToSpace", "regroups", depthToSpace, (node, x, shape) => {
    const b = numberAttribute(node, "blocksize", 1);
    const [n, c, h, w] = [x.shape[0]!, shape[1]!, x.shape[2]!, x.shape[3]!];
    // Channels are (block row, block column, channel) in mode DCR, and (channel, block row, block column) in mode CRD.
    return stringAttribute(node, "mode", "DCR") === "CRD"
      ? permute(x.data, [n, c, b, b, h, w], [0, 1, 4, 2, 5, 3])
      : permute(x.data, [n, b, b, c, h, w], [0, 3, 4, 1, 5, 2]);
  }),
  moving("SpaceToDepth", "regroups", spaceToDepth, (node, x, shape) => {
    const b = numberAttribute(node, "blocksize", 1);
    return permute(x.data, [x.shape[0]!, x.shape[1]!, shape[2]!, b, shape[3]!, b], [0, 3, 5, 1, 2, 4]);
  }),
];
