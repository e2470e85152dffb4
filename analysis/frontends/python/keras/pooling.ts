/** @file Pooling, resizing, padding and cropping layers of Keras. */
import { torchTensor } from "../arrays/support";
import { notUnderstood, raise } from "../evaluator/errors";
import { iterate } from "../evaluator/iterate";
import { shapeOf } from "../torch/arguments";
import { pad } from "../torch/operations/padding";
import { intOf } from "../values/inspect";
import { int, tuple } from "../values/make";
import type { ClassValue, TensorValue } from "../values/value";
import { inChannelsFirst } from "./convolution";
import { samePads } from "./layout";
import { type KerasContext, kerasLayer, type KerasSpec } from "./spec";

/** Windows over the spatial axes of a tensor with channels first. */
export function poolWindows(
  c: { readonly builder: KerasContext["builder"]; readonly interpreter: KerasContext["interpreter"] },
  kind: "MaxPool" | "AveragePool",
  x: TensorValue,
  size: readonly number[],
  strides: readonly number[],
  padding: string,
): TensorValue {
  const sizes = shapeOf(c.interpreter, x).slice(2);
  const one = size.map(() => 1);
  const { before, after } =
    padding.toLowerCase() === "same"
      ? samePads(sizes, size, strides, one)
      : { before: size.map(() => 0), after: size.map(() => 0) };
  sizes.forEach((n, i) => {
    if (n + before[i]! + after[i]! < size[i]!) raise("ValueError", `a window of ${size[i]} does not fit an axis of ${n}`);
  });
  return c.builder.node(kind, [x], {
    kernel_shape: size,
    strides,
    pads: [...before, ...after],
    ceil_mode: 0,
    ...(kind === "AveragePool" ? { count_include_pad: 0 } : {}),
  });
}

/** Pairs of numbers per spatial axis: `2`, `(1, 2)` or `((1, 1), (2, 2))`. */
function pairs(c: KerasContext, name: string, spatial: number): [number, number][] {
  const v = c.value(name);
  const one = intOf(v);
  if (one !== undefined) return Array.from({ length: spatial }, () => [one, one]);
  const items = v === null ? undefined : iterate(c.interpreter, v);
  if (!items) return notUnderstood(`${name} is not known`);
  if (spatial === 1 && items.length === 2) {
    const [before, after] = items.map(intOf);
    if (before !== undefined && after !== undefined) return [[before, after]];
  }
  return items.map((p): [number, number] => {
    const n = intOf(p);
    if (n !== undefined) return [n, n];
    const [before, after] = p === null ? [] : (iterate(c.interpreter, p) ?? []).map(intOf);
    return before !== undefined && after !== undefined ? [before, after] : notUnderstood(`${name} is not known`);
  });
}

function hint(c: KerasContext, spatial: number): ReturnType<NonNullable<KerasSpec["hint"]>> {
  return { rank: spatial + 2, channelsLast: c.channelsLast };
}

/** The axes between batch and channels. */
function spatialAxes(c: KerasContext, spatial: number): number[] {
  return Array.from({ length: spatial }, (_, i) => i + (c.channelsLast ? 1 : 2));
}

/** Pooling layers of Keras; `base` is keras.Layer. */
export function poolingLayers(base: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const add = (names: readonly string[], spec: KerasSpec): void => {
    for (const name of names) out.push(kerasLayer(base, name, spec));
  };
  for (const spatial of [1, 2, 3]) {
    const d = `${spatial}D`;
    for (const [kind, names] of [
      ["MaxPool", [`MaxPooling${d}`, `MaxPool${d}`]],
      ["AveragePool", [`AveragePooling${d}`, `AvgPool${d}`]],
    ] as const) {
      add(names, {
        params: "pool_size=2 strides=None padding=valid data_format=channels_last",
        hint: (c) => hint(c, spatial),
        call(c) {
          const size = c.repeated("pool_size", spatial, 2);
          const strides = c.has("strides") ? c.repeated("strides", spatial, 1) : size;
          return inChannelsFirst(c, c.x, (x) => poolWindows(c, kind, x, size, strides, c.text("padding", "valid")));
        },
      });
    }
    for (const [operator, names] of [
      ["ReduceMean", [`GlobalAveragePooling${d}`, `GlobalAvgPool${d}`]],
      ["ReduceMax", [`GlobalMaxPooling${d}`, `GlobalMaxPool${d}`]],
    ] as const) {
      add(names, {
        params: "data_format=channels_last keepdims=False",
        inputs: "inputs mask",
        hint: (c) => hint(c, spatial),
        call: (c) =>
          c.builder.node(operator, [c.x, c.builder.ints(spatialAxes(c, spatial))], {
            keepdims: c.bool("keepdims", false) ? 1 : 0,
          }),
      });
    }
    add([`UpSampling${d}`], {
      params: "size=2 data_format=channels_last interpolation=nearest",
      hint: (c) => hint(c, spatial),
      call(c) {
        const size = c.repeated("size", spatial, 2);
        const mode = c.text("interpolation", "nearest");
        if (mode !== "nearest" && mode !== "bilinear") return notUnderstood(`upsampling by ${mode}`);
        return inChannelsFirst(c, c.x, (x) =>
          torchTensor(c.interpreter, "interpolate", [x], { scale_factor: tuple(size.map(int)), mode }),
        );
      },
    });
    add([`ZeroPadding${d}`], {
      params: "padding=1 data_format=channels_last",
      hint: (c) => hint(c, spatial),
      call(c) {
        const widths = pairs(c, "padding", spatial);
        const flat = [...widths].reverse().flat();
        const x = c.x;
        shapeOf(c.interpreter, x);
        return pad(c.builder, x, c.channelsLast ? [0, 0, ...flat] : flat, "constant", 0);
      },
    });
    add([`Cropping${d}`], {
      params: "cropping=1 data_format=channels_last",
      hint: (c) => hint(c, spatial),
      call(c) {
        let x = c.x;
        const shape = shapeOf(c.interpreter, x);
        pairs(c, "cropping", spatial).forEach(([before, after], i) => {
          const axis = spatialAxes(c, spatial)[i]!;
          if (before > 0 || after > 0) x = c.builder.slice(x, axis, before, shape[axis]! - after);
        });
        return x;
      },
    });
  }
  return out;
}
