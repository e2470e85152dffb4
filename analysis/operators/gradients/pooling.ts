/** @file Gradients of pools. */
import { numberAttribute, numbersAttribute } from "../../graph/graph";
import { filled, type Shape, tensor } from "../../graph/tensor";
import { slidingWindows, type Windows } from "../kernels/window";
import { concat, range, reduce, reshape, scaled } from "../lower/build";
import type { Gradient } from "../operator";
import { expandTo, type GradientRule, mask, number, only, pad, product, sliceAxes, where } from "./common";

function windowsOf(g: Gradient): Windows {
  const shape = g.shape(g.node.inputs[0]!);
  const kernel = numbersAttribute(g.node, "kernel_shape") ?? [];
  return slidingWindows(g.node, shape.slice(2), kernel, numberAttribute(g.node, "ceil_mode", 0) === 1);
}

/** Whether the windows cover the data side by side, without padding, overlap or rest. */
function isTiling(w: Windows): boolean {
  return w.kernel.every(
    (k, i) =>
      w.strides[i] === k &&
      w.dilations[i] === 1 &&
      w.padBefore[i] === 0 &&
      w.spatial[i] === k * w.output[i]! &&
      w.padAfter[i] === 0,
  );
}

/** Each entry repeated over its window. */
function enlarged(g: Gradient, x: string, w: Windows): string {
  const scales = g.addConstant(tensor([2 + w.kernel.length], [1, 1, ...w.kernel], "float32"));
  return g.add("Resize", [x, "", scales], {
    mode: "nearest",
    nearest_mode: "floor",
    coordinate_transformation_mode: "asymmetric",
  });
}

/** Offsets of each tap along each spatial axis, in row-major order. */
function offsets(w: Windows): number[][] {
  return Array.from({ length: product(w.kernel) }, (_, tap) => {
    const at = new Array<number>(w.kernel.length);
    let rest = tap;
    for (let i = w.kernel.length - 1; i >= 0; i--) {
      at[i] = (rest % w.kernel[i]!) * w.dilations[i]!;
      rest = Math.floor(rest / w.kernel[i]!);
    }
    return at;
  });
}

/** From this many entries on it is worth to look for ties first, which cost more than half of the gradient. */
const LARGE = 65_536;

/**
 * The maximum that comes first in its window takes the gradient, as in PyTorch: it matters where a uniform image makes all
 * entries of a window equal. In windows side by side an entry is a maximum if it equals its window's; if there are more
 * maxima than windows, places decide.
 */
function tiledMaximum(g: Gradient, x: string, y: string, dy: string, w: Windows): string {
  const shape = g.shape(x);
  const isMaximum = mask(g, g.add("Equal", [x, enlarged(g, y, w)]), x);
  const share = enlarged(g, dy, w);
  if (product(shape) < LARGE) return firstOfTied(g, isMaximum, share, w);
  const perPlane = reduce(g, "ReduceSum", isMaximum, range(2, shape.length), 0);
  const most = reduce(g, "ReduceMax", perPlane, [0, 1], 0);
  const single = g.add("Less", [most, number(g, most, product(w.output) + 0.5)]);
  return g.choose(
    single,
    [isMaximum, share],
    (branch) => branch.add("Mul", [isMaximum, share]),
    (branch) => firstOfTied(branch, isMaximum, share, w),
  );
}

/** An entry is the first maximum if its rank among them (places counted down, so that a MaxPool finds the first) is the best. */
function firstOfTied(g: Gradient, isMaximum: string, share: string, w: Windows): string {
  const rank = w.kernel.length;
  const taps = product(w.kernel);
  const order = new Float64Array(product(w.spatial));
  for (let k = 0; k < order.length; k++) {
    let rest = k;
    let tap = 0;
    let scale = 1;
    for (let i = rank - 1; i >= 0; i--) {
      tap += ((rest % w.spatial[i]!) % w.kernel[i]!) * scale;
      scale *= w.kernel[i]!;
      rest = Math.floor(rest / w.spatial[i]!);
    }
    order[k] = taps - tap;
  }
  const ranked = g.add("Mul", [isMaximum, g.addConstant(tensor(w.spatial, order, g.type(isMaximum).type))]);
  const best = g.add("MaxPool", [ranked], { kernel_shape: w.kernel, strides: w.strides });
  return where(g, g.add("Equal", [ranked, enlarged(g, best, w)]), share);
}

/** The most negative number that a float32 holds: padding that is never a maximum, and never infinite. */
const LOWEST = -3.4028234663852886e38;

/** Overlapping windows: per tap its view of the data, whether it is the first maximum, and its share put back in place. */
function maximum(g: Gradient, x: string, y: string, dy: string, w: Windows): string {
  const shape = g.shape(x);
  const axes = range(2, shape.length);
  const needed = w.output.map((n, i) => (n - 1) * w.strides[i]! + (w.kernel[i]! - 1) * w.dilations[i]! + 1);
  const after = needed.map((n, i) => Math.max(0, n - w.padBefore[i]! - w.spatial[i]!));
  const padded = pad(g, x, [0, 0, ...w.padBefore], [0, 0, ...after], LOWEST);
  let found: string | undefined;
  const shares = offsets(w).map((at) => {
    const ends = at.map((a, i) => a + (w.output[i]! - 1) * w.strides[i]! + 1);
    const equal = g.add("Equal", [sliceAxes(g, padded, axes, at, ends, w.strides), y]);
    const first = found === undefined ? equal : g.add("And", [equal, g.add("Not", [found])]);
    found = found === undefined ? equal : g.add("Or", [found, equal]);
    return where(g, first, dy);
  });
  return putBack(g, shares, shape, w);
}

/** Values per tap and window, each added at its place of the data: a transposed convolution with one-hot kernels. */
function putBack(g: Gradient, shares: readonly string[], shape: Shape, w: Windows): string {
  const planes = shape[0]! * shape[1]!;
  const taps = product(w.kernel);
  const stacked = concat(
    g,
    shares.map((s) => reshape(g, s, [planes, 1, ...w.output])),
    1,
  );
  const oneHot = new Float64Array(taps * taps);
  for (let k = 0; k < taps; k++) oneHot[k * taps + k] = 1;
  const kernel = g.addConstant(tensor([taps, 1, ...w.kernel], oneHot, g.type(shares[0]!).type));
  return spread(g, stacked, kernel, shape, w);
}

/** A transposed convolution of [planes, K, windows..] with a kernel [K, 1, k..], cropped to the data. */
function spread(g: Gradient, x: string, kernel: string, shape: Shape, w: Windows): string {
  const reached = w.output.map((n, i) => (n - 1) * w.strides[i]! + (w.kernel[i]! - 1) * w.dilations[i]! + 1 - w.padBefore[i]!);
  const cut = reached.map((r, i) => Math.max(0, r - w.spatial[i]!));
  const missing = reached.map((r, i) => Math.max(0, w.spatial[i]! - r));
  const out = g.add("ConvTranspose", [x, kernel], {
    kernel_shape: w.kernel,
    strides: w.strides,
    dilations: w.dilations,
    pads: [...w.padBefore, ...cut],
  });
  const whole = pad(g, out, [0, 0, ...missing.map(() => 0)], [0, 0, ...missing]);
  return reshape(g, whole, shape);
}

const maxPool: GradientRule = (g) => {
  if (g.dy[1] !== undefined) throw new Error("a gradient flows into its indices");
  const dy = g.dy[0];
  if (dy === undefined) return [];
  const [x, y] = [g.node.inputs[0]!, g.node.outputs[0]!];
  const windows = windowsOf(g);
  return [isTiling(windows) ? tiledMaximum(g, x, y, dy, windows) : maximum(g, x, y, dy, windows)];
};

const averagePool: GradientRule = (g) => {
  const w = windowsOf(g);
  const dy = only(g);
  const shape = g.shape(g.node.inputs[0]!);
  const taps = product(w.kernel);
  if (isTiling(w)) return [enlarged(g, scaled(g, dy, 1 / taps), w)];
  const divided = g.add("Div", [dy, g.addConstant(tensor(w.output, divisors(g, w), g.type(dy).type))]);
  const ones = g.addConstant(tensor([1, 1, ...w.kernel], new Float64Array(taps).fill(1), g.type(dy).type));
  return [spread(g, reshape(g, divided, [shape[0]! * shape[1]!, 1, ...w.output]), ones, shape, w)];
};

/** How many entries each window counts: without padding, or with what padding it has (never what ceil_mode adds). */
function divisors(g: Gradient, w: Windows): Float64Array {
  const withPadding = numberAttribute(g.node, "count_include_pad", 0) === 1;
  const perAxis = w.output.map((n, i) =>
    Array.from({ length: n }, (_, at) => {
      const start = at * w.strides[i]! - w.padBefore[i]!;
      let count = 0;
      for (let k = 0; k < w.kernel[i]!; k++) {
        const place = start + k * w.dilations[i]!;
        const limit = withPadding ? w.spatial[i]! + w.padAfter[i]! : w.spatial[i]!;
        if (place < limit && (withPadding || place >= 0)) count++;
      }
      return count;
    }),
  );
  const out = new Float64Array(product(w.output));
  for (let k = 0; k < out.length; k++) {
    let rest = k;
    let value = 1;
    for (let i = w.output.length - 1; i >= 0; i--) {
      value *= perAxis[i]![rest % w.output[i]!]!;
      rest = Math.floor(rest / w.output[i]!);
    }
    out[k] = value;
  }
  return out;
}

/** (sum |x|^p)^(1/p): each entry's share is sign(x) (|x| / y)^(p - 1); windows of zeros have the gradient zero. */
const lpPool: GradientRule = (g) => {
  const w = windowsOf(g);
  const [x, y, dy] = [g.node.inputs[0]!, g.node.outputs[0]!, only(g)];
  const shape = g.shape(x);
  const p = numberAttribute(g.node, "p", 2);
  const power = (value: string, exponent: number) => g.add("Pow", [value, number(g, value, exponent)]);
  const zero = g.add("Equal", [y, number(g, y, 0)]);
  const share = g.add("Mul", [dy, power(g.add("Where", [zero, number(g, y, 1), y]), 1 - p)]);
  const ones = g.addConstant(filled([1, 1, ...w.kernel], 1, g.type(dy).type));
  const spreadShare = spread(g, reshape(g, share, [shape[0]! * shape[1]!, 1, ...w.output]), ones, shape, w);
  const magnitude = g.add("Mul", [g.add("Sign", [x]), power(g.add("Abs", [x]), p - 1)]);
  return [g.add("Mul", [magnitude, spreadShare])];
};

const globalAverage: GradientRule = (g) => {
  const shape = g.shape(g.node.inputs[0]!);
  return [expandTo(g, scaled(g, only(g), 1 / product(shape.slice(2))), shape)];
};

/** The first maximum of each plane: comparing places costs nothing beside the pool. */
const globalMaximum: GradientRule = (g) => {
  const x = g.node.inputs[0]!;
  const shape = g.shape(x);
  const area = product(shape.slice(2));
  const flat = reshape(g, x, [shape[0]!, shape[1]!, area]);
  const at = g.add("ArgMax", [flat], { axis: 2, keepdims: 1 });
  const places = g.addConstant(
    tensor(
      [area],
      Float64Array.from({ length: area }, (_, i) => i),
      "int64",
    ),
  );
  const dy = reshape(g, only(g), [shape[0]!, shape[1]!, 1]);
  return [reshape(g, where(g, g.add("Equal", [at, places]), dy), shape)];
};

/** By operator: pooling. */
export const poolingGradients: Readonly<Record<string, GradientRule>> = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  LpPool: lpPool,
  GlobalAveragePool: globalAverage,
  GlobalMaxPool: globalMaximum,
};
