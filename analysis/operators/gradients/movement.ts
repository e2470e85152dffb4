/** @file Gradients of operators that move, repeat, pick and place entries. */
import { numberAttribute, stringAttribute } from "../../graph/graph";
import { type Shape, tensor } from "../../graph/tensor";
import { interpolation } from "../kernels/interpolate";
import { concat, ints, positive, range, reduce, reshape, slice, transpose } from "../lower/build";
import { slicedAxes, splitSizes } from "../movement";
import type { Gradient } from "../operator";
import { padding } from "../padding";
import { resizedAxes } from "../resizing";
import type { Known } from "../rules";
import { type GradientRule, only, pad, product, sliceAxes, toFront, unbroadcast, zeros } from "./common";

/** Constant inputs of the node, as shape rules read them. */
const knownInputs =
  (g: Gradient): Known =>
  (index) =>
    g.constant(g.node.inputs[index] ?? "");

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is not a constant`);
  return value;
}

const relabelled: GradientRule = (g) => [reshape(g, only(g), g.shape(g.node.inputs[0]!))];

const transposed: GradientRule = (g) => {
  const rank = g.shape(g.node.inputs[0]!).length;
  const perm = (g.node.attributes["perm"] as readonly number[] | undefined) ?? range(0, rank).toReversed();
  const back = new Array<number>(rank);
  perm.forEach((from, to) => {
    back[from] = to;
  });
  return [transpose(g, only(g), back)];
};

/** The gradient of each part is its slice. */
const concatenated: GradientRule = (g) => {
  const dy = only(g);
  const axis = positive(numberAttribute(g.node, "axis", 0), g.shape(dy).length);
  let start = 0;
  return g.node.inputs.map((x, i) => {
    const from = start;
    start += g.shape(x)[axis]!;
    return g.wants(i) ? slice(g, dy, axis, from, start) : undefined;
  });
};

const split: GradientRule = (g) => {
  const shape = g.shape(g.node.inputs[0]!);
  const axis = positive(numberAttribute(g.node, "axis", 0), shape.length);
  const sizes = required(splitSizes(g.node, shape[axis]!, knownInputs(g)), "the list of sizes");
  const like = g.dy.find((d) => d !== undefined)!;
  return [
    concat(
      g,
      sizes.map((size, k) => g.dy[k] ?? zeros(g, like, shape.with(axis, size))),
      axis,
    ),
  ];
};

/** Strided gradients are spread out with zeros between; negative steps turn them round first. */
const sliced: GradientRule = (g) => {
  const shape = g.shape(g.node.inputs[0]!);
  const parts = required(slicedAxes(g.node, shape, knownInputs(g)), "a bound of the slice");
  let dy = only(g);
  const before = shape.map(() => 0);
  const after = shape.map(() => 0);
  for (const [axis, { start, step, count }] of parts.entries()) {
    const size = shape[axis]!;
    let first = start;
    if (step < 0) {
      dy = sliceAxes(g, dy, [axis], [-1], [-count - 1], [-1]);
      first = start + (count - 1) * step;
    }
    const stride = Math.abs(step);
    if (stride > 1 && count > 1) {
      const own = g.shape(dy);
      const wide = [...own.slice(0, axis + 1), 1, ...own.slice(axis + 1)];
      const spread = pad(
        g,
        reshape(g, dy, wide),
        wide.map(() => 0),
        wide.map((_, k) => (k === axis + 1 ? stride - 1 : 0)),
      );
      dy = slice(g, reshape(g, spread, own.with(axis, count * stride)), axis, 0, (count - 1) * stride + 1);
    }
    before[axis] = first;
    after[axis] = size - first - g.shape(dy)[axis]!;
  }
  return [pad(g, dy, before, after)];
};

const expanded: GradientRule = (g) => [unbroadcast(g, only(g), g.shape(g.node.inputs[0]!))];

/** Repeats are axes of their own, which are summed. */
const tiled: GradientRule = (g) => {
  const dy = only(g);
  const shape = g.shape(g.node.inputs[0]!);
  const repeats = required(g.constant(g.node.inputs[1]!), "the list of repeats").data;
  const open = shape.flatMap((d, i) => [repeats[i]!, d]);
  const axes = range(0, shape.length).map((i) => 2 * i);
  return [reduce(g, "ReduceSum", reshape(g, dy, open), axes, 0)];
};

const depthToSpace: GradientRule = (g) => {
  const dy = only(g);
  const b = numberAttribute(g.node, "blocksize", 1);
  if (stringAttribute(g.node, "mode", "DCR") === "DCR") return [g.add("SpaceToDepth", [dy], { blocksize: b })];
  const [n, c, h, w] = g.shape(dy) as [number, number, number, number];
  const open = reshape(g, dy, [n, c, h / b, b, w / b, b]);
  return [reshape(g, transpose(g, open, [0, 1, 3, 5, 2, 4]), [n, c * b * b, h / b, w / b])];
};

/**
 * Axis `axis` of x ([.., out, ..]) contracted with a matrix [out, in], given by its entries: the transposed of a linear map
 * along one axis.
 */
function contractAxis(g: Gradient, x: string, axis: number, matrix: Float64Array, to: number): string {
  const shape = g.shape(x);
  const from = shape[axis]!;
  const { type } = g.type(x);
  if (axis === shape.length - 1) return g.add("MatMul", [x, g.addConstant(tensor([from, to], matrix, type))]);
  const turned = new Float64Array(matrix.length);
  for (let i = 0; i < from; i++) for (let j = 0; j < to; j++) turned[j * from + i] = matrix[i * to + j]!;
  const inner = product(shape.slice(axis + 1));
  const flat = reshape(g, x, [product(shape.slice(0, axis)), from, inner]);
  const out = g.add("MatMul", [g.addConstant(tensor([to, from], turned, type)), flat]);
  return reshape(g, out, shape.with(axis, to));
}

/** Zeros outside are cut off; reflected, repeated and wrapped entries go back to where they came from. */
const padded: GradientRule = (g) => {
  const shape = g.shape(g.node.inputs[0]!);
  const { before, after } = required(padding(g.node, shape.length, knownInputs(g)), "the list of pads");
  const mode = stringAttribute(g.node, "mode", "constant");
  let dy = only(g);
  const total = g.shape(dy);
  const dx = () => {
    if (mode === "constant") {
      return pad(
        g,
        dy,
        before.map((p) => -p),
        after.map((p) => -p),
      );
    }
    for (let axis = 0; axis < shape.length; axis++) {
      if (before[axis] === 0 && after[axis] === 0) continue;
      const size = shape[axis]!;
      const matrix = new Float64Array(total[axis]! * size);
      for (let i = 0; i < total[axis]!; i++) matrix[i * size + paddedSource(mode, i - before[axis]!, size)] = 1;
      dy = contractAxis(g, dy, axis, matrix, size);
    }
    return dy;
  };
  const value = () => {
    const inside = pad(
      g,
      dy,
      before.map((p) => -p),
      after.map((p) => -p),
    );
    const all = range(0, shape.length);
    const rest = g.add("Sub", [reduce(g, "ReduceSum", dy, all, 0), reduce(g, "ReduceSum", inside, all, 0)]);
    return reshape(g, rest, g.shape(g.node.inputs[2]!));
  };
  return [g.wants(0) ? dx() : undefined, undefined, g.wants(2) ? value() : undefined];
};

/** The entry that a padded position repeats. */
function paddedSource(mode: string, at: number, size: number): number {
  if (mode === "edge") return Math.max(0, Math.min(size - 1, at));
  if (mode === "wrap") return ((at % size) + size) % size;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const inside = ((at % period) + period) % period;
  return inside < size ? inside : period - inside;
}

/** Interpolation is linear along each axis: its matrix, transposed. Whole enlargements to the nearest are sums over blocks. */
const resized: GradientRule = (g) => {
  const shape = g.shape(g.node.inputs[0]!);
  const { axes } = resizedAxes(g.node, shape, knownInputs(g));
  let dy = only(g);
  axes.forEach((axis, k) => {
    if (axis === undefined) return;
    const { starts, places, weights, outside } = interpolation(axis);
    const matrix = new Float64Array(axis.output * axis.input);
    for (let o = 0; o < axis.output; o++) {
      if (outside?.[o]) continue;
      for (let e = starts[o]!; e < starts[o + 1]!; e++) matrix[o * axis.input + places[e]!]! += weights[e]!;
    }
    dy = contractAxis(g, dy, k, matrix, axis.input);
  });
  return [dy];
};

/** Rows that were picked are added where they came from. One constant index is a pad. */
const gather: GradientRule = (g) => {
  if (!g.wants(0)) return [];
  const [x, indices] = g.node.inputs as [string, string];
  const dy = only(g);
  const shape = g.shape(x);
  const axis = positive(numberAttribute(g.node, "axis", 0), shape.length);
  const constant = g.constant(indices);
  if (constant !== undefined && constant.data.length === 1) {
    const at = positive(constant.data[0]!, shape[axis]!);
    const before = shape.map((_, k) => (k === axis ? at : 0));
    const after = shape.map((d, k) => (k === axis ? d - at - 1 : 0));
    return [pad(g, reshape(g, dy, shape.with(axis, 1)), before, after)];
  }
  // dy is [outer.., indices.., inner..]: the axes of the indices go to the front, as ScatterND wants them.
  const count = g.shape(indices);
  const rank = g.shape(dy).length;
  const front = range(axis, axis + count.length);
  const perm = [...front, ...range(0, axis), ...range(axis + count.length, rank)];
  const updates = axis === 0 ? dy : transpose(g, dy, perm);
  const places = reshape(g, indices, [...count, 1]);
  const order = [axis, ...range(0, shape.length).filter((a) => a !== axis)];
  const table = zeros(
    g,
    dy,
    order.map((a) => shape[a]!),
  );
  const sum = g.add("ScatterND", [table, places, updates], { reduction: "add" });
  if (axis === 0) return [sum];
  const back = new Array<number>(shape.length);
  order.forEach((from, to) => {
    back[from] = to;
  });
  return [transpose(g, sum, back)];
};

const gatherElements: GradientRule = (g) => {
  if (!g.wants(0)) return [];
  const [x, indices] = g.node.inputs as [string, string];
  const dy = only(g);
  const axis = numberAttribute(g.node, "axis", 0);
  return [g.add("ScatterElements", [zeros(g, dy, g.shape(x)), indices, dy], { axis, reduction: "add" })];
};

/** Under batch axes each index names its own item of the batch as well. */
const gatherND: GradientRule = (g) => {
  if (!g.wants(0)) return [];
  const [x, indices] = g.node.inputs as [string, string];
  const dy = only(g);
  const shape = g.shape(x);
  const batch = shape.slice(0, numberAttribute(g.node, "batch_dims", 0));
  const own = g.shape(indices);
  const columns = batch.map((size, axis) => {
    const numbers = Float64Array.from({ length: size }, (_, i) => i);
    const column = g.addConstant(
      tensor(
        own.map((_, k) => (k === axis ? size : 1)),
        numbers,
        "int64",
      ),
    );
    return g.add("Expand", [column, ints(g, own.with(-1, 1))]);
  });
  const places = concat(g, [...columns, indices], own.length - 1);
  return [g.add("ScatterND", [zeros(g, dy, shape), places, dy], { reduction: "add" })];
};

/**
 * Scatter: what is overwritten gets no gradient, what overwrites gets it from its place. Under "none" places have to be
 * different, as ONNX demands; with "add" both get all of it.
 */
function scatter(pick: "GatherElements" | "GatherND", place: "ScatterElements" | "ScatterND"): GradientRule {
  return (g) => {
    const [, indices, updates] = g.node.inputs as [string, string, string];
    const dy = only(g);
    const reduction = stringAttribute(g.node, "reduction", "none");
    if (reduction !== "none" && reduction !== "add") throw new Error(`the reduction ${reduction} is not covered`);
    const attributes = pick === "GatherElements" ? { axis: numberAttribute(g.node, "axis", 0) } : {};
    const kept = () => g.add(place, [dy, indices, zeros(g, dy, g.shape(updates))], attributes);
    return [
      !g.wants(0) ? undefined : reduction === "add" ? dy : kept(),
      undefined,
      g.wants(2) ? g.add(pick, [dy, indices], attributes) : undefined,
    ];
  };
}

const trilu: GradientRule = (g) => [
  g.add("Trilu", [only(g), ...g.node.inputs.slice(1)], { upper: numberAttribute(g.node, "upper", 1) }),
];

const reverseSequence: GradientRule = (g) => [
  g.add("ReverseSequence", [only(g), g.node.inputs[1]!], {
    batch_axis: numberAttribute(g.node, "batch_axis", 1),
    time_axis: numberAttribute(g.node, "time_axis", 0),
  }),
];

/** Entries along an axis that a constant condition keeps. */
const compress: GradientRule = (g) => {
  const [x, condition] = g.node.inputs as [string, string];
  const shape = g.shape(x);
  const axis = g.node.attributes["axis"];
  const kept = required(g.constant(condition), "the condition").data;
  const flat: Shape = typeof axis === "number" ? shape : [product(shape)];
  const at = typeof axis === "number" ? positive(axis, shape.length) : 0;
  const { value, back } = toFront(g, only(g), at);
  const places = [...kept.keys()].filter((i) => kept[i] !== 0 && i < flat[at]!);
  const order = [at, ...range(0, flat.length).filter((a) => a !== at)];
  const table = zeros(
    g,
    value,
    order.map((a) => flat[a]!),
  );
  const index = reshape(g, ints(g, places), [places.length, 1]);
  const sum = g.add("ScatterND", [table, index, value], { reduction: "none" });
  return [reshape(g, at === 0 ? sum : transpose(g, sum, back), shape)];
};

/** The two values see the sums of what lies off and on the marked places. */
const oneHot: GradientRule = (g) => {
  if (!g.wants(2)) return [];
  const dy = only(g);
  const [indices, depth, pair] = g.node.inputs as [string, string, string];
  const { type } = g.type(pair);
  const axis = numberAttribute(g.node, "axis", -1);
  const marks = g.add("OneHot", [indices, depth, g.addConstant(tensor([2], [0, 1], type))], { axis });
  const all = range(0, g.shape(dy).length);
  const total = reduce(g, "ReduceSum", dy, all, 0);
  const on = reduce(g, "ReduceSum", g.add("Mul", [dy, marks]), all, 0);
  return [undefined, undefined, concat(g, [reshape(g, g.add("Sub", [total, on]), [1]), reshape(g, on, [1])], 0)];
};

const none: GradientRule = () => [];

/** By operator: what moves, repeats or picks entries. */
export const movementGradients: Readonly<Record<string, GradientRule>> = {
  Reshape: relabelled,
  Flatten: relabelled,
  Squeeze: relabelled,
  Unsqueeze: relabelled,
  Transpose: transposed,
  Concat: concatenated,
  Split: split,
  Slice: sliced,
  Expand: expanded,
  Tile: tiled,
  DepthToSpace: depthToSpace,
  SpaceToDepth: (g) => [g.add("DepthToSpace", [only(g)], { blocksize: numberAttribute(g.node, "blocksize", 1), mode: "DCR" })],
  Pad: padded,
  Resize: resized,
  Upsample: resized,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatter("GatherElements", "ScatterElements"),
  ScatterND: scatter("GatherND", "ScatterND"),
  Trilu: trilu,
  ReverseSequence: reverseSequence,
  Compress: compress,
  Shape: none,
  Size: none,
  ConstantOfShape: none,
  Range: none,
  OneHot: oneHot,
  NonZero: none,
  EyeLike: none,
};
