/** @file Conv and ConvTranspose in any number of spatial dimensions, with groups. */
import type { Node } from "../graph/graph";
import { numbersAttribute } from "../graph/graph";
import { type Shape, type Tensor, elementCount } from "../graph/tensor";
import { multiplyAdd, transposed } from "./kernels/matrix";
import { type Windows, groupsOf, slidingWindows, transposedWindows, windowTable } from "./kernels/window";
import type { Operator } from "./operator";
import { addTangents, elementType, fail, hasInput, inputShape, required, showShape, unknownShape } from "./rules";

/** Numbers in the buffer of window columns; 2 MiB stay in a core's cache. */
const COLUMN_BUFFER = 1 << 18;

/** Everything that a convolution's shapes say. `inner` channels of the input and `outer` of the output belong to a group. */
interface Layout {
  readonly windows: Windows;
  readonly batch: number;
  readonly groups: number;
  readonly inner: number;
  readonly outer: number;
  readonly output: number[];
}

function checkKernel(node: Node, x: Shape, w: Shape): void {
  if (x.length < 3 || w.length !== x.length) {
    fail(node, `an input of shape ${showShape(x)} and weights of shape ${showShape(w)} do not have the same spatial axes`);
  }
  const declared = numbersAttribute(node, "kernel_shape");
  if (declared !== undefined && declared.some((size, axis) => size !== w[axis + 2])) {
    fail(node, `kernel_shape ${showShape(declared)} is not that of weights of shape ${showShape(w)}`);
  }
}

/** Layout of Conv: x [N, C, ..], W [O, C / groups, ..]. */
function convLayout(node: Node, x: Shape, w: Shape): Layout {
  checkKernel(node, x, w);
  const groups = groupsOf(node, w[0]!);
  if (x[1] !== w[1]! * groups) {
    fail(
      node,
      `an input of ${x[1]} channels does not fit weights of shape ${showShape(w)} in ${groups} group${groups === 1 ? "" : "s"}, which take ${w[1]! * groups}`,
    );
  }
  const windows = slidingWindows(node, x.slice(2), w.slice(2));
  return { windows, batch: x[0]!, groups, inner: w[1]!, outer: w[0]! / groups, output: [x[0]!, w[0]!].concat(windows.output) };
}

/** Layout of ConvTranspose: x [N, C, ..], W [C, O / groups, ..]. */
function transposeLayout(node: Node, x: Shape, w: Shape): Layout {
  checkKernel(node, x, w);
  const groups = groupsOf(node, w[0]!);
  if (x[1] !== w[0]) fail(node, `an input of ${x[1]} channels does not fit weights of shape ${showShape(w)}, which take ${w[0]}`);
  const windows = transposedWindows(node, x.slice(2), w.slice(2));
  return {
    windows,
    batch: x[0]!,
    groups,
    inner: w[0]! / groups,
    outer: w[1]!,
    output: [x[0]!, w[1]! * groups, ...windows.spatial],
  };
}

/** The convolution without bias: per group, weights times the columns of what each window sees. */
function convolve(node: Node, x: Tensor, w: Tensor): Tensor {
  const { windows, batch, groups, inner, outer, output } = convLayout(node, x.shape, w.shape);
  const table = windowTable(windows);
  const count = elementCount(windows.output);
  const taps = elementCount(windows.kernel);
  const area = elementCount(windows.spatial);
  const depth = inner * taps;
  const data = new Float64Array(elementCount(output));
  const chunk = Math.max(16, Math.min(count, Math.floor(COLUMN_BUFFER / Math.max(1, depth))));
  const columns = new Float64Array(depth * chunk);
  for (let n = 0; n < batch; n++) {
    for (let g = 0; g < groups; g++) {
      for (let from = 0; from < count; from += chunk) {
        const width = Math.min(chunk, count - from);
        for (let c = 0; c < inner; c++) {
          const plane = (n * groups * inner + g * inner + c) * area;
          for (let k = 0; k < taps; k++) {
            const row = (c * taps + k) * chunk;
            const places = k * count + from;
            for (let p = 0; p < width; p++) {
              const at = table[places + p]!;
              columns[row + p] = at < 0 ? 0 : x.data[plane + at]!;
            }
          }
        }
        const to = (n * groups * outer + g * outer) * count + from;
        multiplyAdd(outer, depth, width, w.data, g * outer * depth, depth, columns, 0, chunk, data, to, count);
      }
    }
  }
  return { type: x.type, shape: output, data };
}

/** The transposed convolution without bias: each input element spreads the weights over its window. */
function spread(node: Node, x: Tensor, w: Tensor): Tensor {
  const { windows, batch, groups, inner, outer, output } = transposeLayout(node, x.shape, w.shape);
  const table = windowTable(windows);
  const count = elementCount(windows.output);
  const taps = elementCount(windows.kernel);
  const area = elementCount(windows.spatial);
  const rows = outer * taps;
  const data = new Float64Array(elementCount(output));
  const columns = new Float64Array(rows * count);
  for (let g = 0; g < groups; g++) {
    const weights = transposed(w.data.subarray(g * inner * rows, (g + 1) * inner * rows), inner, rows);
    for (let n = 0; n < batch; n++) {
      columns.fill(0);
      multiplyAdd(
        rows,
        inner,
        count,
        weights,
        0,
        inner,
        x.data,
        (n * groups * inner + g * inner) * count,
        count,
        columns,
        0,
        count,
      );
      for (let o = 0; o < outer; o++) {
        const plane = (n * groups * outer + g * outer + o) * area;
        for (let k = 0; k < taps; k++) {
          const row = (o * taps + k) * count;
          const places = k * count;
          for (let p = 0; p < count; p++) {
            const at = table[places + p]!;
            if (at >= 0) data[plane + at]! += columns[row + p]!;
          }
        }
      }
    }
  }
  return { type: x.type, shape: output, data };
}

/** The bias [O] on every position of an output [N, O, ..], added to `y` in place where it is given. */
function biased(node: Node, bias: Tensor, shape: Shape, y?: Tensor): Tensor {
  const channels = shape[1]!;
  if (bias.data.length !== channels)
    fail(node, `a bias of shape ${showShape(bias.shape)} does not fit ${channels} output channels`);
  const area = elementCount(shape.slice(2));
  const data = y?.data ?? new Float64Array(elementCount(shape));
  for (let row = 0, at = 0; at < data.length; row++) {
    const b = bias.data[row % channels]!;
    for (const end = at + area; at < end; at++) data[at]! += b;
  }
  return { type: bias.type, shape, data };
}

function convolution(
  name: string,
  layout: (node: Node, x: Shape, w: Shape) => Layout,
  apply: (node: Node, x: Tensor, w: Tensor) => Tensor,
): Operator {
  return {
    name,
    infer(node, context) {
      const type = elementType(context, 0);
      const x = inputShape(context, 0);
      const w = inputShape(context, 1);
      if (x === undefined || w === undefined) return [unknownShape(type)];
      const { output } = layout(node, x, w);
      const bias = inputShape(context, 2);
      if (bias !== undefined && (bias.length !== 1 || bias[0] !== output[1])) {
        fail(node, `a bias of shape ${showShape(bias)} does not fit ${output[1]} output channels`);
      }
      return [{ type, shape: output }];
    },
    evaluate(node, inputs) {
      const y = apply(node, required(node, inputs, 0), required(node, inputs, 1));
      return [hasInput(node, 2) ? { ...biased(node, required(node, inputs, 2), y.shape, y), type: y.type } : y];
    },
    tangent(node, x, y, dx) {
      const [data, weights, bias] = dx;
      return addTangents(
        addTangents(data && apply(node, data, required(node, x, 1)), weights && apply(node, required(node, x, 0), weights)),
        bias && biased(node, bias, y.shape),
      );
    },
  };
}

/** Convolutions. */
export const convolutionOperators: readonly Operator[] = [
  convolution("Conv", convLayout, convolve),
  convolution("ConvTranspose", transposeLayout, spread),
];
