/**
 * @file Sampling at places that are values themselves: grids, regions of interest, deformable convolutions. A sample is a
 * sum of entries that a Gather picks times weights, so its derivatives with respect to data and places come by themselves.
 */
import { type Node, numberAttribute, stringAttribute } from "../../graph/graph";
import { elementCount, filled, type Shape, tensor } from "../../graph/tensor";
import { slidingWindows } from "../kernels/window";
import type { Builder, Lowering } from "../operator";
import { onnxTypeCode } from "../rules";
import { input, ints, plus, range, reduce, reshape, scalarLike, scaled, shapeOf, shifted, transpose } from "./build";

const INT64 = 7;
/** The parameter of the cubic kernel, as in PyTorch and ONNX Runtime. */
const CUBIC = -0.75;

/** What lies outside of the data. */
type Outside = "zeros" | "border" | "reflection";
type Kernel = "linear" | "nearest" | "cubic";

/** One entry along an axis: its index (whole numbers as floats, [M, P]) and its weight, absent for 1. */
interface Tap {
  readonly index: string;
  readonly weight: string | undefined;
}

const mul = (l: Builder, a: string, b: string): string => l.add("Mul", [a, b]);
const sub = (l: Builder, a: string, b: string): string => l.add("Sub", [a, b]);

/** x in the floating type of another value. */
function cast(l: Builder, x: string, like: string): string {
  return l.add("Cast", [x], { to: onnxTypeCode(l.type(like).type) ?? 1 });
}

function clip(l: Builder, x: string, low: number, high: number): string {
  return l.add("Max", [l.add("Min", [x, scalarLike(l, x, high)]), scalarLike(l, x, low)]);
}

/** 1 where low < x < high, else 0. */
function between(l: Builder, x: string, low: number, high: number): string {
  const inside = l.add("And", [l.add("Greater", [x, scalarLike(l, x, low)]), l.add("Less", [x, scalarLike(l, x, high)])]);
  return cast(l, inside, x);
}

/** Reflected at the centres of the outermost entries, or at their outer edges. */
function reflected(l: Builder, x: string, size: number, alignCorners: boolean): string {
  const [low, span] = alignCorners ? [0, size - 1] : [-0.5, size];
  if (span === 0) return mul(l, x, scalarLike(l, x, 0));
  const away = l.add("Abs", [shifted(l, x, -low)]);
  const periods = l.add("Floor", [scaled(l, away, 1 / (2 * span))]);
  const inside = sub(l, away, scaled(l, periods, 2 * span));
  const folded = l.add("Abs", [shifted(l, inside, -span)]);
  return clip(l, sub(l, scalarLike(l, x, low + span), folded), 0, size - 1);
}

/** The cubic convolution kernel at a distance: below 1, or between 1 and 2. */
function cubicWeight(l: Builder, distance: string, near: boolean): string {
  const a = CUBIC;
  const [c3, c2, c1, c0] = near ? [a + 2, -(a + 3), 0, 1] : [a, -5 * a, 8 * a, -4 * a];
  let value = shifted(l, scaled(l, distance, c3), c2);
  value = shifted(l, mul(l, value, distance), c1);
  return shifted(l, mul(l, value, distance), c0);
}

/** The entries that a sample at a place along an axis of `size` entries is made of. */
function taps(l: Builder, place: string, size: number, kernel: Kernel, outside: Outside, alignCorners: boolean): Tap[] {
  const isCubic = kernel === "cubic";
  // Cubic kernels look at entries on both sides of the place: those are moved inside, each by itself.
  const move = (x: string): string =>
    outside === "border" ? clip(l, x, 0, size - 1) : outside === "reflection" ? reflected(l, x, size, alignCorners) : x;
  const at = isCubic ? place : move(place);
  const settled = (index: string, weight: string | undefined): Tap => {
    if (outside !== "zeros") return { index: isCubic ? move(index) : clip(l, index, 0, size - 1), weight };
    const inside = between(l, index, -0.5, size - 0.5);
    return { index: clip(l, index, 0, size - 1), weight: weight === undefined ? inside : mul(l, weight, inside) };
  };
  if (kernel === "nearest") return [settled(l.add("Round", [at]), undefined)];
  const first = l.add("Floor", [at]);
  const fraction = sub(l, at, first);
  const complement = sub(l, scalarLike(l, fraction, 1), fraction);
  const next = (k: number) => shifted(l, first, k);
  if (!isCubic) return [settled(first, complement), settled(next(1), fraction)];
  return [
    settled(next(-1), cubicWeight(l, shifted(l, fraction, 1), false)),
    settled(first, cubicWeight(l, fraction, true)),
    settled(next(1), cubicWeight(l, complement, true)),
    settled(next(2), cubicWeight(l, shifted(l, complement, 1), false)),
  ];
}

/**
 * Samples of data [B, C, D1, .., Dr] at places.
 * @param start [M, 1] or a scalar: the number of the item of the batch that each row of places looks at, as floats
 * @param places per axis the entries to sample, [M, P]
 * @returns [M, P, C]
 */
function sample(l: Builder, x: string, start: string, places: readonly (readonly Tap[])[]): string {
  const [items, channels, ...sizes] = l.type(x).shape as [number, number, ...number[]];
  const rank = sizes.length;
  const rows = reshape(l, transpose(l, x, [0, ...range(2, 2 + rank), 1]), [items * elementCount(sizes), channels]);
  let sum: string | undefined;
  const visit = (axis: number, index: string, weight: string | undefined): void => {
    if (axis === rank) {
      const entries = l.add("Gather", [rows, l.add("Cast", [index], { to: INT64 })], { axis: 0 });
      const shape = l.type(index).shape!;
      const term = weight === undefined ? entries : mul(l, entries, reshape(l, weight, [...shape, 1]));
      sum = sum === undefined ? term : l.add("Add", [sum, term]);
      return;
    }
    for (const tap of places[axis]!) {
      const both = weight !== undefined && tap.weight !== undefined ? mul(l, weight, tap.weight) : (weight ?? tap.weight);
      visit(axis + 1, l.add("Add", [scaled(l, index, sizes[axis]!), tap.index]), both);
    }
  };
  visit(0, start, undefined);
  return sum!;
}

/** The numbers 0, 1, .. of the items of a batch, each `times` times, as a column [B times, 1]. */
function itemNumbers(l: Builder, like: string, items: number, times = 1): string {
  const data = Float64Array.from({ length: items * times }, (_, i) => Math.floor(i / times));
  return l.addConstant(tensor([items * times, 1], data, l.type(like).type));
}

/** GridSample: places are in [-1, 1], the last axis of the grid counts from the data's last axis. */
export function lowerGridSample(l: Lowering): readonly string[] | undefined {
  const [x, grid] = [input(l, 0), input(l, 1)];
  const [shape, places] = [shapeOf(l, x), shapeOf(l, grid)];
  if (!x || !grid || !shape || !places || elementCount(shape) === 0) return undefined;
  const mode = stringAttribute(l.node, "mode", "linear");
  const kernel = ({ bilinear: "linear", bicubic: "cubic" }[mode] ?? mode) as Kernel;
  const outside = stringAttribute(l.node, "padding_mode", "zeros") as Outside;
  const alignCorners = numberAttribute(l.node, "align_corners", 0) === 1;
  if (!["linear", "nearest", "cubic"].includes(kernel) || !["zeros", "border", "reflection"].includes(outside)) return undefined;
  const [items, , ...sizes] = shape as [number, number, ...number[]];
  const rank = sizes.length;
  if (kernel === "cubic" && rank !== 2) return undefined;
  const count = elementCount(places.slice(1, -1));
  const flat = reshape(l, grid, [items, count, rank]);
  const per = sizes.map((size, axis): Tap[] => {
    const column = rank - 1 - axis;
    const part = l.add("Slice", [flat, ints(l, [column]), ints(l, [column + 1]), ints(l, [2]), ints(l, [1])]);
    const normal = reshape(l, part, [items, count]);
    const half = alignCorners ? (size - 1) / 2 : size / 2;
    const place = shifted(l, scaled(l, normal, half), alignCorners ? half : half - 0.5);
    return taps(l, place, size, kernel, outside, alignCorners);
  });
  const found = sample(l, x, itemNumbers(l, grid, items), per);
  const open = reshape(l, found, [items, ...places.slice(1, -1), shape[1]!]);
  return [transpose(l, open, [0, rank + 1, ...range(1, rank + 1)])];
}

/** AffineGrid: the corners or centres of the entries as constants, times each matrix. */
export function lowerAffineGrid(l: Lowering): readonly string[] | undefined {
  const theta = input(l, 0);
  const shape = shapeOf(l, theta);
  const size = l.constant(l.node.inputs[1] ?? "")?.data;
  if (!theta || !shape || !size || size.length !== shape[1]! + 2) return undefined;
  const sizes = [...size].slice(2);
  const alignCorners = numberAttribute(l.node, "align_corners", 0) === 1;
  const place = (axis: number, i: number) => {
    const n = sizes[axis]!;
    return alignCorners ? (n > 1 ? (2 * i) / (n - 1) - 1 : -1) : (2 * i + 1) / n - 1;
  };
  const rank = sizes.length;
  const count = elementCount(sizes);
  const base = new Float64Array(count * (rank + 1)).fill(1);
  for (let k = 0; k < count; k++) {
    let rest = k;
    for (let axis = rank - 1; axis >= 0; axis--) {
      base[k * (rank + 1) + rank - 1 - axis] = place(axis, rest % sizes[axis]!);
      rest = Math.floor(rest / sizes[axis]!);
    }
  }
  const places = l.addConstant(tensor([count, rank + 1], base, l.type(theta).type));
  return [reshape(l, l.add("MatMul", [places, transpose(l, theta, [0, 2, 1])]), [shape[0]!, ...sizes, rank])];
}

/** RoiAlign: the mean of bilinear samples on a fixed raster of each bin; rasters that follow the size of a region stay. */
export function lowerRoiAlign(l: Lowering): readonly string[] | undefined {
  const [x, regions, items] = [input(l, 0), input(l, 1), input(l, 2)];
  const [shape, count] = [shapeOf(l, x), shapeOf(l, regions)?.[0]];
  const per = numberAttribute(l.node, "sampling_ratio", 0);
  if (!x || !regions || !items || shape?.length !== 4 || count === undefined || per <= 0) return undefined;
  if (stringAttribute(l.node, "mode", "avg") !== "avg") return undefined;
  const scale = numberAttribute(l.node, "spatial_scale", 1);
  // Before operator set 16 there was no shift by half an entry.
  const isHalf = stringAttribute(l.node, "coordinate_transformation_mode", l.opset < 16 ? "" : "half_pixel") === "half_pixel";
  const bins = [numberAttribute(l.node, "output_height", 1), numberAttribute(l.node, "output_width", 1)] as const;
  const column = (k: number) => {
    const cut = l.add("Slice", [regions, ints(l, [k]), ints(l, [k + 1]), ints(l, [1]), ints(l, [1])]);
    return shifted(l, scaled(l, cut, scale), isHalf ? -0.5 : 0);
  };
  const all = bins[0] * bins[1] * per * per;
  // The raster's places along each axis: bins, samples of each; then the product of both axes.
  const along = bins.map((n, axis): Tap[] => {
    const [start, end] = [column(axis === 0 ? 1 : 0), column(axis === 0 ? 3 : 2)];
    const extent = sub(l, end, start);
    const length = isHalf ? extent : l.add("Max", [extent, scalarLike(l, extent, 1)]);
    const fractions = Float64Array.from({ length: n * per }, (_, i) => (i + 0.5) / (n * per));
    const raster = l.addConstant(tensor([1, n * per], fractions, l.type(regions).type));
    const places = l.add("Add", [mul(l, length, raster), start]);
    const open = reshape(l, places, axis === 0 ? [count, n * per, 1] : [count, 1, n * per]);
    const target = ints(l, [count, bins[0] * per, bins[1] * per]);
    const flat = reshape(l, l.add("Expand", [open, target]), [count, all]);
    const size = shape[axis + 2]!;
    const inside = l.add("Not", [
      l.add("Or", [l.add("Less", [flat, scalarLike(l, flat, -1)]), l.add("Greater", [flat, scalarLike(l, flat, size)])]),
    ]);
    const weight = cast(l, inside, flat);
    return taps(l, flat, size, "linear", "border", true).map((t) => ({ ...t, weight: mul(l, t.weight!, weight) }));
  });
  const start = reshape(l, cast(l, items, regions), [count, 1]);
  const found = sample(l, x, start, along);
  const open = reshape(l, found, [count, bins[0], per, bins[1], per, shape[1]!]);
  return [transpose(l, reduce(l, "ReduceMean", open, [2, 4], 0), [0, 3, 1, 2])];
}

/** DeformConv in two spatial dimensions: samples at shifted places, then one matrix product per group. */
export function lowerDeformConv(l: Lowering): readonly string[] | undefined {
  const [x, w, offset, bias, mask] = [0, 1, 2, 3, 4].map((i) => input(l, i));
  const [shape, weights, moved] = [shapeOf(l, x), shapeOf(l, w), shapeOf(l, offset)];
  if (!x || !w || !offset || shape?.length !== 4 || weights?.length !== 4 || moved?.length !== 4) return undefined;
  const [n, c, ...size] = shape as [number, number, number, number];
  const [o] = weights as [number];
  const kernel = weights.slice(2) as [number, number];
  const groups = numberAttribute(l.node, "group", 1);
  const fields = numberAttribute(l.node, "offset_group", 1);
  const windows = slidingWindows(l.node, size, kernel);
  const k = elementCount(kernel);
  const places = elementCount(windows.output);
  if (moved[1] !== 2 * fields * k || elementCount(moved.slice(2)) !== places) return undefined;
  const [rows, columns] = windows.output as [number, number];
  const shifts = reshape(l, offset, [n * fields, k, 2, places]);
  const per = size.map((extent, axis): Tap[] => {
    const base = Float64Array.from({ length: k * places }, (_, i) => {
      const [tap, at] = [Math.floor(i / places), i % places];
      const window = axis === 0 ? Math.floor(at / columns) : at % columns;
      const inside = axis === 0 ? Math.floor(tap / kernel[1]) : tap % kernel[1];
      return window * windows.strides[axis]! - windows.padBefore[axis]! + inside * windows.dilations[axis]!;
    });
    const own = l.add("Slice", [shifts, ints(l, [axis]), ints(l, [axis + 1]), ints(l, [2]), ints(l, [1])]);
    const start = l.addConstant(tensor([1, k * places], base, l.type(offset).type));
    const place = l.add("Add", [reshape(l, own, [n * fields, k * places]), start]);
    return taps(l, place, extent, "linear", "zeros", true);
  });
  const inner = c / fields;
  const open = reshape(l, x, [n * fields, inner, ...size]);
  let found = sample(l, open, itemNumbers(l, offset, n * fields), per);
  if (mask !== undefined) found = mul(l, found, reshape(l, mask, [n * fields, k * places, 1]));
  const seen = transpose(l, reshape(l, found, [n, fields, k, places, inner]), [0, 1, 4, 2, 3]);
  const matrix = reshape(l, seen, [n, groups, (c / groups) * k, places]);
  const product = l.add("MatMul", [reshape(l, w, [groups, o / groups, (c / groups) * k]), matrix]);
  const y = reshape(l, product, [n, o, rows, columns]);
  return [plus(l, y, bias === undefined ? undefined : reshape(l, bias, [o, 1, 1]))];
}

/** MaxUnpool: values at their indices, which count through the whole output. */
export function lowerMaxUnpool(l: Lowering): readonly string[] | undefined {
  const [x, indices] = [input(l, 0), input(l, 1)];
  const [shape, target] = [shapeOf(l, x), shapeOf(l, l.node.outputs[0])];
  if (!x || !indices || !shape || !target) return undefined;
  const count = elementCount(shape);
  const zeros = l.add("Expand", [scalarLike(l, x, 0), ints(l, [elementCount(target)])]);
  const placed = l.add("ScatterElements", [zeros, reshape(l, indices, [count]), reshape(l, x, [count])], { axis: 0 });
  return [reshape(l, placed, target)];
}

/** Col2Im: blocks added at their places, a transposed convolution with one kernel per entry of a block. */
export function lowerCol2Im(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const [shape, target] = [shapeOf(l, x), shapeOf(l, l.node.outputs[0])];
  const block = l.constant(l.node.inputs[2] ?? "")?.data;
  if (!x || shape?.length !== 3 || !target || !block) return undefined;
  const kernel = [...block];
  const rank = kernel.length;
  const spatial = target.slice(2);
  const windows = slidingWindows(l.node, spatial, kernel);
  const taps = elementCount(kernel);
  if (elementCount(windows.output) !== shape[2]) return undefined;
  const oneHot = filled([taps, 1, ...kernel], 0, l.type(x).type);
  for (let i = 0; i < taps; i++) oneHot.data[i * taps + i] = 1;
  const planes = (shape[0]! * shape[1]!) / taps;
  // What the last window does not reach stays zero.
  const extra = spatial.map((size, i) => {
    const reach = (windows.output[i]! - 1) * windows.strides[i]! + (kernel[i]! - 1) * windows.dilations[i]! + 1;
    return size + windows.padBefore[i]! + windows.padAfter[i]! - reach;
  });
  const y = l.add("ConvTranspose", [reshape(l, x, [planes, taps, ...windows.output]), l.addConstant(oneHot)], {
    kernel_shape: kernel,
    strides: windows.strides,
    dilations: windows.dilations,
    pads: [...windows.padBefore, ...windows.padAfter.map((p, i) => p - extra[i]!).map((p) => Math.max(0, p))],
  });
  const found = shapeOf(l, y);
  if (!found) return undefined;
  const missing = spatial.map((size, i) => size - found[i + 2]!);
  if (missing.some((m) => m < 0)) return undefined;
  const whole = missing.every((m) => m === 0)
    ? y
    : l.add("Pad", [y, ints(l, [...range(0, 2 + rank).map(() => 0), 0, 0, ...missing]), scalarLike(l, y, 0)], {
        mode: "constant",
      });
  return [reshape(l, whole, target)];
}

/** CenterCropPad: the same number of entries on both sides, the odd one at the end. */
export function lowerCenterCropPad(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const [shape, target] = [shapeOf(l, x), shapeOf(l, l.node.outputs[0])] as [Shape | undefined, Shape | undefined];
  if (!x || !shape || !target) return undefined;
  const before = shape.map((n, i) => Math.floor(Math.max(0, target[i]! - n) / 2));
  const after = shape.map((n, i) => Math.max(0, target[i]! - n) - before[i]!);
  const wide = before.every((b, i) => b === 0 && after[i] === 0)
    ? x
    : l.add("Pad", [x, ints(l, [...before, ...after]), scalarLike(l, x, 0)], { mode: "constant" });
  const axes = range(0, shape.length).filter((i) => shape[i]! > target[i]!);
  if (axes.length === 0) return [wide];
  const starts = axes.map((i) => Math.floor((shape[i]! - target[i]!) / 2));
  const ends = axes.map((i, k) => starts[k]! + target[i]!);
  const steps = axes.map(() => 1);
  return [l.add("Slice", [wide, ints(l, starts), ints(l, ends), ints(l, axes), ints(l, steps)])];
}

/** DFT along an axis of known length: a constant matrix of cosines and sines. */
export function lowerDft(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const [shape, target] = [shapeOf(l, x), shapeOf(l, l.node.outputs[0])];
  if (!x || !shape || !target) return undefined;
  const given = l.opset < 20 ? numberAttribute(l.node, "axis", 1) : input(l, 2) ? l.constant(l.node.inputs[2]!)?.data[0] : -2;
  if (given === undefined) return undefined;
  const rank = shape.length;
  const axis = given < 0 ? given + rank : given;
  const [from, parts, to] = [shape[axis]!, shape[rank - 1]!, target[axis]!];
  const length = input(l, 1) ? l.constant(l.node.inputs[1]!)?.data[0] : from;
  if (length === undefined || target[rank - 1] !== 2) return undefined;
  const inverse = numberAttribute(l.node, "inverse", 0) === 1;
  const scale = inverse ? 1 / length : 1;
  const matrix = new Float64Array(from * parts * to * 2);
  for (let i = 0; i < Math.min(from, length); i++) {
    for (let k = 0; k < to; k++) {
      const angle = ((inverse ? 2 : -2) * Math.PI * ((i * k) % length)) / length;
      const [cos, sin] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
      // (a + ib)(cos + i sin): real and imaginary part from each part of the input.
      const row = (part: number) => ((i * parts + part) * to + k) * 2;
      matrix[row(0)] = cos;
      matrix[row(0) + 1] = sin;
      if (parts === 2) {
        matrix[row(1)] = -sin;
        matrix[row(1) + 1] = cos;
      }
    }
  }
  const others = range(0, rank - 1).filter((a) => a !== axis);
  const perm = [...others, axis, rank - 1];
  const outer = others.map((a) => shape[a]!);
  const flat = reshape(l, transpose(l, x, perm), [...outer, from * parts]);
  const product = l.add("MatMul", [flat, l.addConstant(tensor([from * parts, to * 2], matrix, l.type(x).type))]);
  const back = new Array<number>(rank);
  perm.forEach((a, i) => {
    back[a] = i;
  });
  return [transpose(l, reshape(l, product, [...outer, to, 2]), back)];
}

/** Scatter, the old name of ScatterElements. */
export function lowerScatter(l: Lowering): readonly string[] | undefined {
  return [l.add("ScatterElements", l.node.inputs, { axis: numberAttribute(l.node, "axis", 0) })];
}

/** Random numbers of the shape of a value: of that value, they know nothing else. */
export function lowerRandomLike(operator: "RandomNormal" | "RandomUniform") {
  return (l: Lowering): readonly string[] | undefined => {
    const x = input(l, 0);
    const shape = shapeOf(l, x);
    const dtype = l.node.attributes.dtype ?? (x === undefined ? undefined : onnxTypeCode(l.type(x).type));
    if (shape === undefined || dtype === undefined) return undefined;
    const attributes: Node["attributes"] = { ...l.node.attributes, shape, dtype };
    return [l.add(operator, [], attributes)];
  };
}
