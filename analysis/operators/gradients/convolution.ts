/**
 * @file Gradients of convolutions. The formulations are those that were fastest on ONNX Runtime's CPU provider (and run on
 * WebGPU): the data's gradient as a convolution with turned weights where the stride is 1, else a transposed convolution;
 * the weights' gradient as one matrix product per tap of small kernels, else a convolution with batch and channels exchanged.
 */
import { numberAttribute } from "../../graph/graph";
import type { Shape } from "../../graph/tensor";
import { slidingWindows, transposedWindows, type Windows } from "../kernels/window";
import { concat, range, reduce, reshape, transpose } from "../lower/build";
import type { Gradient } from "../operator";
import { type GradientRule, only, pad, product, sliceAxes } from "./common";

/** Kernels of at most this many taps get one matrix product per tap. */
const MOST_TAPS = 25;

/** Up to this many channels one matrix product over all taps is faster than thin ones per tap. */
const FEW_CHANNELS = 16;

/** Attributes of the windows for Conv and ConvTranspose. */
function attributes(w: Windows, groups: number) {
  return {
    kernel_shape: w.kernel,
    strides: w.strides,
    dilations: w.dilations,
    pads: [...w.padBefore, ...w.padAfter],
    group: groups,
  };
}

/** x with its spatial axes turned round: W[.., k] becomes W[.., K - 1 - k]. */
function flipped(g: Gradient, x: string, from = 2): string {
  const shape = g.shape(x);
  const axes = range(from, shape.length).filter((a) => shape[a]! > 1);
  if (axes.length === 0) return x;
  const each = (value: number) => axes.map(() => value);
  return sliceAxes(
    g,
    x,
    axes,
    each(-1),
    axes.map((a) => -shape[a]! - 1),
    each(-1),
  );
}

/** [O, C / groups, k..] as [C, O / groups, k..]. */
function exchanged(g: Gradient, w: string, groups: number): string {
  const [o, c, ...k] = g.shape(w) as [number, number, ...number[]];
  const rest = range(2, 2 + k.length);
  if (groups === 1) return transpose(g, w, [1, 0, ...rest]);
  if (c === 1 && o === groups) return w;
  const open = reshape(g, w, [groups, o / groups, c, ...k]);
  return reshape(g, transpose(g, open, [0, 2, 1, ...rest.map((a) => a + 1)]), [groups * c, o / groups, ...k]);
}

/** Gradient of a convolution's data, of shape `shape` [N, C, ..]. */
function dataGradient(g: Gradient, w: string, dy: string, windows: Windows, groups: number, shape: Shape): string {
  const rank = windows.kernel.length;
  const reach = windows.kernel.map((k, i) => (k - 1) * windows.dilations[i]!);
  const before = reach.map((r, i) => r - windows.padBefore[i]!);
  const after = reach.map((r, i) => shape[i + 2]! + windows.padBefore[i]! - windows.output[i]!);
  const turnable = windows.strides.every((s) => s === 1) && before.every((p) => p >= 0) && after.every((p) => p >= 0);
  if (turnable) {
    return g.add("Conv", [dy, flipped(g, exchanged(g, w, groups))], {
      kernel_shape: windows.kernel,
      strides: windows.strides,
      dilations: windows.dilations,
      pads: [...before, ...after],
      group: groups,
    });
  }
  const reached = range(0, rank).map(
    (i) => (windows.output[i]! - 1) * windows.strides[i]! + reach[i]! + 1 - windows.padBefore[i]!,
  );
  // Padding after the end is what the windows reach beyond the data; what they do not reach gets zeros.
  const cut = reached.map((r, i) => Math.max(0, r - shape[i + 2]!));
  const missing = reached.map((r, i) => Math.max(0, shape[i + 2]! - r));
  const spread = g.add("ConvTranspose", [dy, w], {
    kernel_shape: windows.kernel,
    strides: windows.strides,
    dilations: windows.dilations,
    pads: [...windows.padBefore, ...cut],
    group: groups,
  });
  const zero = shape.map(() => 0);
  return pad(g, spread, zero, [0, 0, ...missing]);
}

/** What the taps of the kernel see: per tap the strided view of the padded data, [N, C, windows..]. */
function views(g: Gradient, x: string, windows: Windows, spatialAxes: readonly number[]): string[] {
  const shape = g.shape(x);
  const rank = windows.kernel.length;
  const before = shape.map(() => 0);
  const after = shape.map(() => 0);
  const needed = windows.output.map(
    (n, i) => (n - 1) * windows.strides[i]! + (windows.kernel[i]! - 1) * windows.dilations[i]! + 1,
  );
  spatialAxes.forEach((axis, i) => {
    before[axis] = windows.padBefore[i]!;
    after[axis] = Math.max(0, needed[i]! - windows.padBefore[i]! - shape[axis]!);
  });
  const padded = pad(g, x, before, after);
  const out: string[] = [];
  for (let tap = 0; tap < product(windows.kernel); tap++) {
    let rest = tap;
    const at = new Array<number>(rank);
    for (let i = rank - 1; i >= 0; i--) {
      at[i] = (rest % windows.kernel[i]!) * windows.dilations[i]!;
      rest = Math.floor(rest / windows.kernel[i]!);
    }
    const size = g.shape(padded);
    const isAll = at.every((a, i) => a === 0 && windows.strides[i] === 1 && size[spatialAxes[i]!] === windows.output[i]);
    out.push(
      isAll
        ? padded
        : sliceAxes(
            g,
            padded,
            spatialAxes,
            at,
            at.map((a, i) => a + (windows.output[i]! - 1) * windows.strides[i]! + 1),
            windows.strides,
          ),
    );
  }
  return out;
}

/** Gradient of the weights [O, C / groups, k..] from data x [N, C, ..] and dy [N, O, windows..]. */
function weightGradient(g: Gradient, x: string, dy: string, windows: Windows, groups: number): string {
  const [n, c] = g.shape(x) as [number, number];
  const o = g.shape(dy)[1]!;
  const taps = product(windows.kernel);
  const places = product(windows.output);
  const spatial = range(2, 2 + windows.kernel.length);
  const toChannels = (value: string) => transpose(g, value, [1, 0, ...spatial]);
  if (groups === 1 && isPatchwise(windows)) return patchGradient(g, x, dy, windows);
  if (groups === 1 && taps <= MOST_TAPS) {
    const left = reshape(g, toChannels(dy), [o, n * places]);
    if (taps > 1 && c <= FEW_CHANNELS) {
      const all = concat(g, views(g, toChannels(x), windows, spatial), 0);
      const product = g.add("Gemm", [left, reshape(g, all, [taps * c, n * places])], { transB: 1 });
      const open = transpose(g, reshape(g, product, [o, taps, c]), [0, 2, 1]);
      return reshape(g, open, [o, c, ...windows.kernel]);
    }
    const perTap = views(g, toChannels(x), windows, spatial).map((view) =>
      g.add("Gemm", [left, reshape(g, view, [c, n * places])], { transB: 1 }),
    );
    if (taps === 1) return reshape(g, perTap[0]!, [o, c, ...windows.kernel]);
    const stacked = concat(
      g,
      perTap.map((d) => reshape(g, d, [o, c, 1])),
      2,
    );
    return reshape(g, stacked, [o, c, ...windows.kernel]);
  }
  if (groups === c && o === c && taps <= MOST_TAPS) {
    const axes = [0, ...spatial];
    const perTap = views(g, x, windows, spatial).map((view) => reduce(g, "ReduceSum", g.add("Mul", [view, dy]), axes, 0));
    const stacked = concat(
      g,
      perTap.map((d) => reshape(g, d, [c, 1])),
      1,
    );
    return reshape(g, stacked, [c, 1, ...windows.kernel]);
  }
  return exchangedConvolution(g, x, dy, windows, groups);
}

/** Whether the windows cover the data side by side without padding or rest (patch embeddings). */
function isPatchwise(w: Windows): boolean {
  return w.kernel.every(
    (k, i) =>
      k > 1 &&
      w.strides[i] === k &&
      w.dilations[i] === 1 &&
      w.padBefore[i] === 0 &&
      w.padAfter[i] === 0 &&
      w.spatial[i] === k * w.output[i]!,
  );
}

/** One matrix product over all patches. */
function patchGradient(g: Gradient, x: string, dy: string, w: Windows): string {
  const [n, c] = g.shape(x) as [number, number];
  const o = g.shape(dy)[1]!;
  const rank = w.kernel.length;
  const open = reshape(g, x, [n, c, ...w.kernel.flatMap((k, i) => [w.output[i]!, k])]);
  const places = range(0, rank).map((i) => 2 + 2 * i);
  const taps = range(0, rank).map((i) => 3 + 2 * i);
  const rows = reshape(g, transpose(g, open, [0, ...places, 1, ...taps]), [n * product(w.output), c * product(w.kernel)]);
  const left = reshape(g, transpose(g, dy, [1, 0, ...range(2, 2 + rank)]), [o, n * product(w.output)]);
  return reshape(g, g.add("MatMul", [left, rows]), [o, c, ...w.kernel]);
}

/** Batch and channels change places: dy is the kernel that runs over x, stride and dilation exchanged. */
function exchangedConvolution(g: Gradient, x: string, dy: string, windows: Windows, groups: number): string {
  const [n, c, ...size] = g.shape(x) as [number, number, ...number[]];
  const o = g.shape(dy)[1]!;
  const rank = windows.kernel.length;
  const spatial = range(2, 2 + rank);
  const inner = c / groups;
  const data =
    groups === 1
      ? transpose(g, x, [1, 0, ...spatial])
      : reshape(g, transpose(g, reshape(g, x, [n, groups, inner, ...size]), [2, 1, 0, ...spatial.map((a) => a + 1)]), [
          inner,
          groups * n,
          ...size,
        ]);
  const kernel = transpose(g, dy, [1, 0, ...spatial]);
  const conv = g.add("Conv", [data, kernel], {
    kernel_shape: windows.output,
    strides: windows.dilations,
    dilations: windows.strides,
    pads: [...windows.padBefore, ...windows.padAfter],
    group: groups,
  });
  // Rows behind the last window make further entries.
  const found = g.shape(conv).slice(2);
  const cut = found.some((d, i) => d !== windows.kernel[i])
    ? sliceAxes(
        g,
        conv,
        spatial,
        spatial.map(() => 0),
        windows.kernel,
        spatial.map(() => 1),
      )
    : conv;
  return reshape(g, transpose(g, cut, [1, 0, ...spatial]), [o, inner, ...windows.kernel]);
}

/** The bias sees the sum over batch and positions. */
function biasGradient(g: Gradient, dy: string): string {
  const rank = g.shape(dy).length;
  return reduce(g, "ReduceSum", dy, [0, ...range(2, rank)], 0);
}

const conv: GradientRule = (g) => {
  const [x, w] = g.node.inputs as [string, string];
  const dy = only(g);
  const shape = g.shape(x);
  const groups = numberAttribute(g.node, "group", 1);
  const windows = slidingWindows(g.node, shape.slice(2), g.shape(w).slice(2));
  return [
    g.wants(0) ? dataGradient(g, w, dy, windows, groups, shape) : undefined,
    g.wants(1) ? weightGradient(g, x, dy, windows, groups) : undefined,
    g.wants(2) ? biasGradient(g, dy) : undefined,
  ];
};

/** ConvTranspose is the data gradient of Conv: its own data gradient is that Conv, its weights see the roles exchanged. */
const convTranspose: GradientRule = (g) => {
  const [x, w] = g.node.inputs as [string, string];
  const dy = only(g);
  const groups = numberAttribute(g.node, "group", 1);
  const sizes = transposedWindows(g.node, g.shape(x).slice(2), g.shape(w).slice(2));
  const windows: Windows = { ...sizes, output: g.shape(x).slice(2) };
  const data = () => {
    // The Conv may have room for further windows after the last: they are not there.
    const out = g.add("Conv", [dy, w], attributes(windows, groups));
    const found = g.shape(out).slice(2);
    const axes = range(2, 2 + found.length);
    return found.every((d, i) => d === windows.output[i])
      ? out
      : sliceAxes(
          g,
          out,
          axes,
          axes.map(() => 0),
          windows.output,
          axes.map(() => 1),
        );
  };
  return [
    g.wants(0) ? data() : undefined,
    g.wants(1) ? weightGradient(g, dy, x, windows, groups) : undefined,
    g.wants(2) ? biasGradient(g, dy) : undefined,
  ];
};

/** By operator: convolutions and their transposes. */
export const convolutionGradients: Readonly<Record<string, GradientRule>> = { Conv: conv, ConvTranspose: convTranspose };
