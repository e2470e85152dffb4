/** @file Pools over windows and over all spatial axes. */
import { type Node, numberAttribute, numbersAttribute } from "../graph/graph";
import { type Shape, type Tensor, elementCount } from "../graph/tensor";
import { linearIn } from "./factories";
import { type Windows, slidingWindows, windowTable } from "./kernels/window";
import type { Operator } from "./operator";
import { elementType, fail, inputShape, required, showShape, unknownShape } from "./rules";

/** A pool's windows over x [N, C, ..], with the output's shape. */
function poolLayout(node: Node, x: Shape): { windows: Windows; output: number[] } {
  if (x.length < 3) fail(node, `an input of shape ${showShape(x)} has no spatial axes`);
  const kernel = numbersAttribute(node, "kernel_shape") ?? fail(node, "attribute kernel_shape is absent");
  const windows = slidingWindows(node, x.slice(2), kernel, numberAttribute(node, "ceil_mode", 0) === 1);
  return { windows, output: [x[0]!, x[1]!, ...windows.output] };
}

const inferPool: Operator["infer"] = (node, context) => {
  const type = elementType(context, 0);
  const x = inputShape(context, 0);
  const output = x && poolLayout(node, x).output;
  return [{ type, shape: output }, ...(node.outputs.length > 1 ? [{ type: "int64" as const, shape: output }] : [])];
};

/** A pool as loops see it: `planes` of `area` elements, `count` windows in each, `taps` places per window in `table`. */
interface Pooled {
  readonly output: number[];
  readonly table: Int32Array;
  readonly planes: number;
  readonly area: number;
  readonly count: number;
  readonly taps: number;
  readonly windows: Windows;
}

function pooled(node: Node, x: Tensor): Pooled {
  const { windows, output } = poolLayout(node, x.shape);
  return {
    windows,
    output,
    table: windowTable(windows),
    planes: x.shape[0]! * x.shape[1]!,
    area: elementCount(windows.spatial),
    count: elementCount(windows.output),
    taps: elementCount(windows.kernel),
  };
}

/** For each output element the place of its maximum in the input; -1 where a window sees padding only. */
function maximumPlaces(p: Pooled, x: Float64Array): Int32Array {
  const places = new Int32Array(p.planes * p.count);
  for (let plane = 0; plane < p.planes; plane++) {
    const base = plane * p.area;
    for (let w = 0; w < p.count; w++) {
      let best = -1;
      for (let k = 0; k < p.taps; k++) {
        const at = p.table[k * p.count + w]!;
        if (at < 0) continue;
        const v = x[base + at]!;
        if (best < 0 || v > x[best]! || Number.isNaN(v)) best = base + at;
      }
      places[plane * p.count + w] = best;
    }
  }
  return places;
}

function pick(places: Int32Array, x: Float64Array, outside: number): Float64Array {
  const out = new Float64Array(places.length);
  for (let i = 0; i < out.length; i++) out[i] = places[i]! < 0 ? outside : x[places[i]!]!;
  return out;
}

/** Places as the second output of MaxPool counts them: over the whole tensor, planes column-major under storage_order 1. */
function poolIndices(node: Node, p: Pooled, places: Int32Array): Float64Array {
  const out = Float64Array.from(places);
  if (numberAttribute(node, "storage_order", 0) !== 1) return out;
  const spatial = p.windows.spatial;
  return out.map((place) => {
    let rest = place % p.area;
    let columnMajor = 0;
    for (let axis = spatial.length - 1; axis >= 0; axis--) {
      const at = rest % spatial[axis]!;
      rest = Math.floor(rest / spatial[axis]!);
      columnMajor += at * elementCount(spatial.slice(0, axis));
    }
    return Math.floor(place / p.area) * p.area + columnMajor;
  });
}

const maxPool: Operator = {
  name: "MaxPool",
  infer: inferPool,
  evaluate(node, inputs) {
    const x = required(node, inputs, 0);
    const p = pooled(node, x);
    const places = maximumPlaces(p, x.data);
    const y: Tensor = { type: x.type, shape: p.output, data: pick(places, x.data, Number.NEGATIVE_INFINITY) };
    return node.outputs.length > 1 ? [y, { type: "int64", shape: p.output, data: poolIndices(node, p, places) }] : [y];
  },
  tangent(node, inputs, y, dx) {
    const direction = dx[0];
    if (direction === undefined) return undefined;
    const x = required(node, inputs, 0);
    return { type: y.type, shape: y.shape, data: pick(maximumPlaces(pooled(node, x), x.data), direction.data, 0) };
  },
};

/**
 * What each window's sum is divided by: the elements it sees, or with count_include_pad also the padding, but never what
 * ceil_mode lets stand out beyond the padding.
 */
function divisors(node: Node, p: Pooled): Float64Array {
  const includePad = numberAttribute(node, "count_include_pad", 0) === 1;
  const out = new Float64Array(p.count);
  if (!includePad) {
    for (let k = 0; k < p.taps; k++) for (let w = 0; w < p.count; w++) if (p.table[k * p.count + w]! >= 0) out[w]! += 1;
    return out;
  }
  const { windows } = p;
  for (let w = 0; w < p.count; w++) {
    let rest = w;
    let product = 1;
    for (let axis = windows.output.length - 1; axis >= 0; axis--) {
      const start = (rest % windows.output[axis]!) * windows.strides[axis]! - windows.padBefore[axis]!;
      rest = Math.floor(rest / windows.output[axis]!);
      const limit = windows.spatial[axis]! + windows.padAfter[axis]!;
      const dilation = windows.dilations[axis]!;
      product *= Math.min(windows.kernel[axis]!, Math.ceil((limit - start) / dilation));
    }
    out[w] = product;
  }
  return out;
}

const evaluateAveragePool: NonNullable<Operator["evaluate"]> = (node, inputs) => {
  const x = required(node, inputs, 0);
  const p = pooled(node, x);
  const divide = divisors(node, p);
  const data = new Float64Array(p.planes * p.count);
  for (let plane = 0; plane < p.planes; plane++) {
    const base = plane * p.area;
    const to = plane * p.count;
    for (let k = 0; k < p.taps; k++) {
      for (let w = 0; w < p.count; w++) {
        const at = p.table[k * p.count + w]!;
        if (at >= 0) data[to + w]! += x.data[base + at]!;
      }
    }
    for (let w = 0; w < p.count; w++) data[to + w] = data[to + w]! / divide[w]!;
  }
  return [{ type: x.type, shape: p.output, data }];
};

const exponent = (node: Node): number => numberAttribute(node, "p", 2);

const lpPool: Operator = {
  name: "LpPool",
  infer: inferPool,
  evaluate(node, inputs) {
    const x = required(node, inputs, 0);
    const p = pooled(node, x);
    const power = exponent(node);
    const data = new Float64Array(p.planes * p.count);
    for (let plane = 0; plane < p.planes; plane++) {
      for (let w = 0; w < p.count; w++) {
        let sum = 0;
        for (let k = 0; k < p.taps; k++) {
          const at = p.table[k * p.count + w]!;
          if (at >= 0) sum += Math.abs(x.data[plane * p.area + at]!) ** power;
        }
        data[plane * p.count + w] = sum ** (1 / power);
      }
    }
    return [{ type: x.type, shape: p.output, data }];
  },
  tangent(node, inputs, y, dx) {
    const direction = dx[0];
    if (direction === undefined) return undefined;
    const x = required(node, inputs, 0);
    const p = pooled(node, x);
    const power = exponent(node);
    const data = new Float64Array(y.data.length);
    for (let plane = 0; plane < p.planes; plane++) {
      for (let w = 0; w < p.count; w++) {
        const to = plane * p.count + w;
        let sum = 0;
        for (let k = 0; k < p.taps; k++) {
          const at = p.table[k * p.count + w]!;
          if (at >= 0) sum += normSlope(x.data[plane * p.area + at]!, y.data[to]!, power) * direction.data[plane * p.area + at]!;
        }
        data[to] = sum;
      }
    }
    return { type: y.type, shape: y.shape, data };
  },
};

/** Derivative of a p-norm of value y by its element x. */
function normSlope(x: number, y: number, p: number): number {
  return y === 0 ? 0 : Math.sign(x) * (Math.abs(x) / y) ** (p - 1);
}

/** A pool over all spatial axes; `value` and `slope` work on one plane x[start, end). */
function globalPool(
  name: string,
  value: (node: Node, x: Float64Array, start: number, end: number) => number,
  slope: (node: Node, x: Float64Array, dx: Float64Array, start: number, end: number, y: number) => number,
): Operator {
  const pooledShape = (node: Node, shape: Shape): number[] => {
    if (shape.length < 2) fail(node, `an input of shape ${showShape(shape)} has no channel axis`);
    return shape.map((size, axis) => (axis < 2 ? size : 1));
  };
  return {
    name,
    infer(node, context) {
      const shape = inputShape(context, 0);
      const type = elementType(context, 0);
      return [shape === undefined ? unknownShape(type) : { type, shape: pooledShape(node, shape) }];
    },
    evaluate(node, inputs) {
      const x = required(node, inputs, 0);
      const shape = pooledShape(node, x.shape);
      const area = elementCount(x.shape.slice(2));
      const data = new Float64Array(elementCount(shape));
      for (let i = 0; i < data.length; i++) data[i] = value(node, x.data, i * area, (i + 1) * area);
      return [{ type: x.type, shape, data }];
    },
    tangent(node, inputs, y, dx) {
      const direction = dx[0];
      if (direction === undefined) return undefined;
      const x = required(node, inputs, 0);
      const area = elementCount(x.shape.slice(2));
      const data = new Float64Array(y.data.length);
      for (let i = 0; i < data.length; i++) data[i] = slope(node, x.data, direction.data, i * area, (i + 1) * area, y.data[i]!);
      return { type: y.type, shape: y.shape, data };
    },
  };
}

function mean(x: Float64Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += x[i]!;
  return sum / (end - start);
}

function maximumAt(x: Float64Array, start: number, end: number): number {
  let best = start;
  for (let i = start + 1; i < end; i++) if (x[i]! > x[best]!) best = i;
  return best;
}

/** Pools. */
export const poolingOperators: readonly Operator[] = [
  maxPool,
  { name: "AveragePool", infer: inferPool, evaluate: evaluateAveragePool, tangent: linearIn(evaluateAveragePool, [0]) },
  lpPool,
  globalPool(
    "GlobalAveragePool",
    (_node, x, start, end) => mean(x, start, end),
    (_node, _x, dx, start, end) => mean(dx, start, end),
  ),
  globalPool(
    "GlobalMaxPool",
    (_node, x, start, end) => x[maximumAt(x, start, end)]!,
    (_node, x, dx, start, end) => dx[maximumAt(x, start, end)]!,
  ),
  globalPool(
    "GlobalLpPool",
    (node, x, start, end) => {
      const p = exponent(node);
      let sum = 0;
      for (let i = start; i < end; i++) sum += Math.abs(x[i]!) ** p;
      return sum ** (1 / p);
    },
    (node, x, dx, start, end, y) => {
      const p = exponent(node);
      let sum = 0;
      for (let i = start; i < end; i++) sum += normSlope(x[i]!, y, p) * dx[i]!;
      return sum;
    },
  ),
];
