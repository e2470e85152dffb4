/** @file Interpolation along one axis as a sparse matrix: which input elements make up each output element. */

/** Row o sums weights[k] * input[places[k]] for k in [starts[o], starts[o + 1]). */
export interface Interpolation {
  readonly starts: Int32Array;
  readonly places: Int32Array;
  readonly weights: Float64Array;
  /** Output positions outside of the region that is read (tf_crop_and_resize only). */
  readonly outside: Uint8Array | undefined;
}

/** How one axis is resized; the names are those of ONNX Resize's attributes. */
export interface ResizedAxis {
  readonly input: number;
  readonly output: number;
  /** Output length over input length, as given (not rounded). */
  readonly scale: number;
  readonly mode: string;
  readonly coordinates: string;
  readonly nearest: string;
  readonly cubicA: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
  /** Start and end of the region of interest along this axis, from 0 to 1. */
  readonly region: readonly [number, number];
}

/** Position in the input's coordinates of output element x. Throws Error for an unknown mode. */
function sourcePosition(axis: ResizedAxis, x: number): number {
  const { input, output, scale } = axis;
  switch (axis.coordinates) {
    case "half_pixel":
      return (x + 0.5) / scale - 0.5;
    case "half_pixel_symmetric": {
      // The output is centred on the input when its length was rounded.
      const adjustment = output / (scale * input);
      return (input / 2) * (1 - adjustment) + (x + 0.5) / scale - 0.5;
    }
    case "pytorch_half_pixel":
      return output > 1 ? (x + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return output === 1 ? 0 : (x * (input - 1)) / (output - 1);
    case "asymmetric":
      return x / scale;
    case "tf_half_pixel_for_nn":
      return (x + 0.5) / scale;
    case "tf_crop_and_resize": {
      const [start, end] = axis.region;
      if (output === 1) return 0.5 * (start + end) * (input - 1);
      return start * (input - 1) + (x * (end - start) * (input - 1)) / (output - 1);
    }
    default:
      throw new Error(`Resize: coordinate_transformation_mode "${axis.coordinates}" is unknown`);
  }
}

function nearestPlace(axis: ResizedAxis, x: number): number {
  switch (axis.nearest) {
    case "round_prefer_floor":
      return Math.ceil(x - 0.5);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "simple":
      // Up to opset 10 there was no choice: down when enlarging, up when shrinking.
      return axis.scale < 1 ? Math.ceil(x) : Math.floor(x);
    default:
      throw new Error(`Resize: nearest_mode "${axis.nearest}" is unknown`);
  }
}

/** The triangle of linear interpolation, and Keys' cubic convolution kernel. */
function filter(mode: string, a: number): { reach: number; weight(distance: number): number } {
  if (mode === "linear") return { reach: 1, weight: (d) => Math.max(0, 1 - Math.abs(d)) };
  return {
    reach: 2,
    weight(distance) {
      const d = Math.abs(distance);
      if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
      return 0;
    },
  };
}

/** The sparse matrix of an axis. Throws Error for unknown modes. */
export function interpolation(axis: ResizedAxis): Interpolation {
  const starts = new Int32Array(axis.output + 1);
  const places: number[] = [];
  const weights: number[] = [];
  const cropped = axis.coordinates === "tf_crop_and_resize" ? new Uint8Array(axis.output) : undefined;
  const last = axis.input - 1;
  const clamp = (place: number): number => Math.max(0, Math.min(last, place));
  const stretch = axis.antialias ? Math.min(1, axis.scale) : 1;
  const { reach, weight } = filter(axis.mode, axis.cubicA);
  for (let o = 0; o < axis.output; o++) {
    const x = sourcePosition(axis, o);
    if (cropped && (x < 0 || x > last)) cropped[o] = 1;
    if (axis.mode === "nearest") {
      places.push(clamp(nearestPlace(axis, x)));
      weights.push(1);
    } else {
      // Outside of the border its element is repeated, unless weights there are excluded.
      const cut = axis.excludeOutside;
      const begin = stretch === 1 ? Math.floor(x) - reach + 1 : Math.ceil(x - reach / stretch);
      const end = stretch === 1 ? Math.floor(x) + reach : Math.floor(x + reach / stretch);
      const from = weights.length;
      let sum = 0;
      for (let place = begin; place <= end; place++) {
        if (cut && (place < 0 || place > last)) continue;
        const w = weight((place - x) * stretch);
        places.push(clamp(place));
        weights.push(w);
        sum += w;
      }
      if ((cut || axis.antialias) && sum !== 0) for (let k = from; k < weights.length; k++) weights[k] = weights[k]! / sum;
    }
    starts[o + 1] = weights.length;
  }
  return { starts, places: Int32Array.from(places), weights: Float64Array.from(weights), outside: cropped };
}

/** Applies a matrix along the middle of [outer, input, inner]. */
export function interpolateAxis(
  data: Float64Array,
  outer: number,
  input: number,
  inner: number,
  matrix: Interpolation,
): Float64Array {
  const output = matrix.starts.length - 1;
  const out = new Float64Array(outer * output * inner);
  for (let n = 0; n < outer; n++) {
    for (let o = 0; o < output; o++) {
      const to = (n * output + o) * inner;
      for (let k = matrix.starts[o]!; k < matrix.starts[o + 1]!; k++) {
        const from = (n * input + matrix.places[k]!) * inner;
        const w = matrix.weights[k]!;
        for (let j = 0; j < inner; j++) out[to + j]! += w * data[from + j]!;
      }
    }
  }
  return out;
}
