/** @file Pooling, resizing and window operations on images and sequences. */
import type { GraphBuilder } from "../../emit/builder";
import { notUnderstood, raiseRank } from "../../evaluator/errors";
import type { Interpreter } from "../../evaluator/interpreter";
import { is } from "../../values/inspect";
import { int, tuple } from "../../values/make";
import type { TensorValue, Value } from "../../values/value";
import { type Reader, shapeOf } from "../arguments";
import { elementCount } from "../../../../graph/tensor";
import type { OperationTable } from "../operation";

function batched(interpreter: Interpreter, x: TensorValue, spatial: number, run: (x: TensorValue) => TensorValue): TensorValue {
  const b = interpreter.builder;
  if (x.shape === undefined) b.needShape(x, { rank: spatial + 2 });
  const rank = shapeOf(interpreter, x).length;
  if (rank === spatial + 1) return b.node("Squeeze", [run(b.unsqueeze(x, [0])), b.ints([0])]);
  if (rank !== spatial + 2) raiseRank(`a ${spatial}-d pooling is applied to a tensor of rank ${rank}`, rank, spatial + 2);
  return run(x);
}

/** Max or average pooling. */
export function pool(a: Reader, kind: "MaxPool" | "AveragePool", x: TensorValue, spatial: number): TensorValue {
  const kernel = a.repeated("kernel_size", spatial, 1);
  const strides = a.has("stride") && (a.ints("stride")?.length ?? 0) > 0 ? a.repeated("stride", spatial, 1) : kernel;
  const padding = a.repeated("padding", spatial, 0);
  const attributes = {
    kernel_shape: kernel,
    strides,
    pads: [...padding, ...padding],
    ceil_mode: a.bool("ceil_mode", false) ? 1 : 0,
    ...(kind === "MaxPool"
      ? { dilations: a.repeated("dilation", spatial, 1) }
      : { count_include_pad: a.bool("count_include_pad", true) ? 1 : 0 }),
  };
  return batched(a.interpreter, x, spatial, (t) => a.builder.node(kind, [t], attributes));
}

/** Adaptive pooling to a given size. Any size is a product with a constant averaging matrix per axis. */
export function adaptivePool(
  a: Reader,
  kind: "Max" | "Average",
  x: TensorValue,
  spatial: number,
  size: readonly (number | null)[],
): TensorValue {
  const b = a.builder;
  return batched(a.interpreter, x, spatial, (t) => {
    const shape = shapeOf(a.interpreter, t).slice(2);
    const target = shape.map((d, i) => size[i] ?? d);
    if (target.every((d) => d === 1)) return b.node(kind === "Max" ? "GlobalMaxPool" : "GlobalAveragePool", [t]);
    if (target.every((d, i) => d === shape[i])) return t;
    if (target.every((d, i) => shape[i]! % d === 0)) {
      const kernel = shape.map((d, i) => d / target[i]!);
      const attributes = { kernel_shape: kernel, strides: kernel, pads: new Array<number>(2 * spatial).fill(0) };
      return b.node(kind === "Max" ? "MaxPool" : "AveragePool", [t], attributes);
    }
    if (kind === "Max") return notUnderstood("adaptive max pooling to a size that does not divide the input's");
    let out = t;
    target.forEach((to, i) => {
      const from = shape[i]!;
      if (to === from) return;
      // out[..., o] = mean of in[floor(o * from / to) .. ceil((o + 1) * from / to)]
      const matrix = b.constant(
        {
          shape: [from, to],
          at: (k) => {
            const row = Math.floor(k / to);
            const column = k % to;
            const start = Math.floor((column * from) / to);
            const end = Math.ceil(((column + 1) * from) / to);
            return row >= start && row < end ? 1 / (end - start) : 0;
          },
        },
        t.type,
      );
      const axis = i + 2;
      const last = spatial + 1;
      const perm = Array.from({ length: spatial + 2 }, (_, k) => (k === axis ? last : k === last ? axis : k));
      out = b.transpose(b.node("MatMul", [b.transpose(out, perm), matrix]), perm);
    });
    return out;
  });
}

/** The target size of an adaptive pooling; None keeps an axis. */
export function adaptiveSize(a: Reader, spatial: number): (number | null)[] {
  const v = a.value("output_size");
  if (is(v, "tuple") || is(v, "list"))
    return v.items.map((i) => (is(i, "int") ? i.v : i === null ? null : notUnderstood("the output size is not known")));
  const n = a.int("output_size");
  return new Array<number>(spatial).fill(n);
}

/** `F.interpolate` and `nn.Upsample`. */
export function interpolate(a: Reader, x: TensorValue): TensorValue {
  const b = a.builder;
  if (x.shape === undefined) b.needShape(x, { minimumRank: 3 });
  const shape = shapeOf(a.interpreter, x);
  const spatial = shape.length - 2;
  const mode = a.text("mode", "nearest");
  const align = a.bool("align_corners", false);
  let size: number[];
  if (a.has("size")) size = a.repeated("size", spatial, 1);
  else {
    const v = a.value("scale_factor");
    const factors =
      is(v, "tuple") || is(v, "list")
        ? v.items.map((i) => (is(i, "int") || is(i, "float") ? i.v : notUnderstood("the scale factor is not known")))
        : new Array<number>(spatial).fill(a.number("scale_factor"));
    size = shape.slice(2).map((d, i) => Math.floor(d * factors[i]!));
  }
  if (size.every((d, i) => d === shape[i + 2])) return x;
  const modes: Readonly<Record<string, string>> = {
    nearest: "nearest",
    "nearest-exact": "nearest",
    bilinear: "linear",
    linear: "linear",
    trilinear: "linear",
    bicubic: "cubic",
    area: "area",
  };
  const onnx = modes[mode] ?? notUnderstood(`interpolation mode ${mode}`);
  if (onnx === "area") {
    a.set("output_size", tuple(size.map(int)));
    return adaptivePool(a, "Average", x, spatial, size);
  }
  return b.node("Resize", [x, undefined, undefined, b.ints([...shape.slice(0, 2), ...size])], {
    mode: onnx,
    coordinate_transformation_mode: align ? "align_corners" : onnx === "nearest" ? "asymmetric" : "half_pixel",
    ...(onnx === "nearest" ? { nearest_mode: mode === "nearest" ? "floor" : "round_prefer_floor" } : {}),
    ...(onnx === "cubic" ? { cubic_coeff_a: -0.75 } : {}),
  });
}

/** `F.unfold`: sliding blocks of an image as columns (N, C*k*k, L). */
function im2col(a: Reader, b: GraphBuilder): Value {
  const x = a.tensor("input");
  if (x.shape === undefined) b.needShape(x, { rank: 4 });
  const [n, c, h, w] = shapeOf(a.interpreter, x);
  const [kh, kw] = a.repeated("kernel_size", 2, 1);
  const [dh, dw] = a.repeated("dilation", 2, 1);
  const [ph, pw] = a.repeated("padding", 2, 0);
  const [sh, sw] = a.repeated("stride", 2, 1);
  const padded =
    ph || pw ? b.node("Pad", [x, b.ints([0, 0, ph!, pw!, 0, 0, ph!, pw!]), b.scalar(0, x.type)], { mode: "constant" }) : x;
  const rows = Math.floor((h! + 2 * ph! - dh! * (kh! - 1) - 1) / sh!) + 1;
  const columns = Math.floor((w! + 2 * pw! - dw! * (kw! - 1) - 1) / sw!) + 1;
  const indices = (k: number, d: number, s: number, count: number): TensorValue =>
    b.constant({ shape: [k, count], at: (i) => Math.floor(i / count) * d + (i % count) * s }, "int64");
  // (N, C, kh, rows, W) then (N, C, kh, rows, kw, columns)
  const byRows = b.node("Gather", [padded, indices(kh!, dh!, sh!, rows)], { axis: 2 });
  const byBoth = b.node("Gather", [byRows, indices(kw!, dw!, sw!, columns)], { axis: 4 });
  return b.reshape(b.transpose(byBoth, [0, 1, 2, 4, 3, 5]), [n!, c! * kh! * kw!, rows * columns]);
}

/** Adds pooling, padding and resampling. */
export function addSpatial(table: OperationTable): void {
  for (const spatial of [1, 2, 3]) {
    table.add(`max_pool${spatial}d`, "input kernel_size stride padding dilation ceil_mode return_indices", (a) =>
      a.bool("return_indices", false)
        ? notUnderstood("max pooling with indices")
        : pool(a, "MaxPool", a.tensor("input"), spatial),
    );
    table.add(`avg_pool${spatial}d`, "input kernel_size stride padding ceil_mode count_include_pad", (a) =>
      a.has("divisor_override")
        ? notUnderstood("average pooling with its own divisor")
        : pool(a, "AveragePool", a.tensor("input"), spatial),
    );
    table.add(`adaptive_avg_pool${spatial}d`, "input output_size", (a) =>
      adaptivePool(a, "Average", a.tensor("input"), spatial, adaptiveSize(a, spatial)),
    );
    table.add(`adaptive_max_pool${spatial}d`, "input output_size", (a) =>
      adaptivePool(a, "Max", a.tensor("input"), spatial, adaptiveSize(a, spatial)),
    );
  }
  table.add("interpolate upsample", "input size scale_factor mode align_corners", (a) => interpolate(a, a.tensor("input")));
  // The functional form of torch.nn.Unfold; `Tensor.unfold` is another operation and lives under its own name.
  table.add("im2col", "input kernel_size dilation padding stride", (a, b) => im2col(a, b));
  table.add("fold", "input output_size kernel_size dilation padding stride", (a, b) => {
    const x = a.tensor("input");
    const [n, ck] = shapeOf(a.interpreter, x);
    const kernel = a.repeated("kernel_size", 2, 1);
    return b.opaque("fold", [x], { type: x.type, shape: [n!, ck! / elementCount(kernel), ...a.repeated("output_size", 2, 1)] });
  });
}
