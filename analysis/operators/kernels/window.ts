/** @file Sliding windows over spatial axes: geometry of convolutions and pools, and the table of what each window sees. */
import { type Node, numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { type Shape, elementCount, strides } from "../../graph/tensor";

/** Windows along each spatial axis. `padded` counts the elements before the first. */
export interface Windows {
  /** Sizes of the axes that the windows slide over. */
  readonly spatial: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padBefore: readonly number[];
  readonly padAfter: readonly number[];
  /** Number of windows per axis. */
  readonly output: readonly number[];
}

/** Entries of a window table; real networks stay below a tenth of it. */
const TABLE_LIMIT = 2 ** 28;

function perAxis(node: Node, name: string, rank: number, fallback: number): readonly number[] {
  const list = numbersAttribute(node, name) ?? new Array<number>(rank).fill(fallback);
  if (list.length !== rank)
    throw new Error(`${node.operator}: attribute ${name} has ${list.length} numbers for ${rank} spatial axes`);
  return list;
}

/** Elements that a dilated kernel spans. */
function span(kernel: number, dilation: number): number {
  return (kernel - 1) * dilation + 1;
}

/**
 * The windows of a Conv or pooling node over `spatial` axes. With `ceil`, a last window that is only partly inside counts,
 * unless it would begin in the padding after the end (PyTorch's rule, and ONNX's from opset 22).
 * Throws Error when the attributes do not fit or a window is larger than the padded input.
 */
export function slidingWindows(node: Node, spatial: Shape, kernel: readonly number[], ceil = false): Windows {
  const rank = spatial.length;
  const step = perAxis(node, "strides", rank, 1);
  const dilations = perAxis(node, "dilations", rank, 1);
  const autoPad = stringAttribute(node, "auto_pad", "NOTSET");
  const padBefore = new Array<number>(rank);
  const padAfter = new Array<number>(rank);
  const output = new Array<number>(rank);
  const pads = numbersAttribute(node, "pads") ?? new Array<number>(2 * rank).fill(0);
  if (pads.length !== 2 * rank)
    throw new Error(`${node.operator}: attribute pads has ${pads.length} numbers for ${rank} spatial axes`);
  if (kernel.length !== rank) throw new Error(`${node.operator}: a kernel with ${kernel.length} axes for ${rank} spatial axes`);
  for (let axis = 0; axis < rank; axis++) {
    const size = spatial[axis]!;
    const s = step[axis]!;
    const wide = span(kernel[axis]!, dilations[axis]!);
    if (!(s > 0)) throw new Error(`${node.operator}: the stride ${s} of spatial axis ${axis} is not positive`);
    let before = autoPad === "NOTSET" ? pads[axis]! : 0;
    let after = autoPad === "NOTSET" ? pads[rank + axis]! : 0;
    let count: number;
    if (autoPad.startsWith("SAME")) {
      count = Math.ceil(size / s);
      const total = Math.max(0, (count - 1) * s + wide - size);
      const half = Math.floor(total / 2);
      before = autoPad === "SAME_UPPER" ? half : total - half;
      after = total - before;
    } else {
      const room = size + before + after - wide;
      count = (ceil ? Math.ceil(room / s) : Math.floor(room / s)) + 1;
      if (ceil && (count - 1) * s >= size + before) count--;
    }
    if (count < 1 || (count === 0 && size > 0)) {
      throw new Error(
        `${node.operator}: a window of ${wide} does not fit in spatial axis ${axis} of size ${size} with padding ${before} and ${after}`,
      );
    }
    padBefore[axis] = before;
    padAfter[axis] = after;
    output[axis] = count;
  }
  return { spatial, kernel, strides: step, dilations, padBefore, padAfter, output };
}

/** The windows of a ConvTranspose: they slide over its *output*, one per input position. */
export function transposedWindows(node: Node, input: Shape, kernel: readonly number[]): Windows {
  const rank = input.length;
  const step = perAxis(node, "strides", rank, 1);
  const dilations = perAxis(node, "dilations", rank, 1);
  const extra = perAxis(node, "output_padding", rank, 0);
  const autoPad = stringAttribute(node, "auto_pad", "NOTSET");
  const pads = numbersAttribute(node, "pads") ?? new Array<number>(2 * rank).fill(0);
  if (kernel.length !== rank) throw new Error(`${node.operator}: a kernel with ${kernel.length} axes for ${rank} spatial axes`);
  const wanted = numbersAttribute(node, "output_shape")?.slice(-rank);
  const spatial: number[] = [];
  const padBefore: number[] = [];
  const padAfter: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const full = step[axis]! * (input[axis]! - 1) + extra[axis]! + span(kernel[axis]!, dilations[axis]!);
    let before = autoPad === "NOTSET" ? (pads[axis] ?? 0) : 0;
    let after = autoPad === "NOTSET" ? (pads[rank + axis] ?? 0) : 0;
    const target = wanted?.[axis] ?? (autoPad.startsWith("SAME") ? input[axis]! * step[axis]! : undefined);
    if (target !== undefined) {
      const total = Math.max(0, full - target);
      const half = Math.floor(total / 2);
      before = autoPad === "SAME_UPPER" ? half : total - half;
      after = total - before;
    }
    const size = target ?? full - before - after;
    if (size < 1) throw new Error(`${node.operator}: spatial axis ${axis} would get the size ${size}`);
    spatial.push(size);
    padBefore.push(before);
    padAfter.push(after);
  }
  return { spatial, kernel, strides: step, dilations, padBefore, padAfter, output: [...input] };
}

/**
 * For each kernel position k and window p the place in the flattened spatial axes that the window sees there, or -1 in the
 * padding: table[k * windows + p].
 */
export function windowTable(w: Windows): Int32Array {
  const rank = w.spatial.length;
  const taps = elementCount(w.kernel);
  const windows = elementCount(w.output);
  const own = strides(w.spatial);
  if (taps * windows > TABLE_LIMIT) throw new Error(`${windows} windows of ${taps} elements are too many to compute`);
  let table: Int32Array = new Int32Array(1);
  let tapCount = 1;
  let windowCount = 1;
  // Built axis by axis, innermost last: places of the axes so far, joined with those of the next axis.
  for (let axis = 0; axis < rank; axis++) {
    const kernel = w.kernel[axis]!;
    const output = w.output[axis]!;
    const next = new Int32Array(tapCount * kernel * windowCount * output);
    for (let t = 0; t < tapCount; t++) {
      for (let k = 0; k < kernel; k++) {
        const row = (t * kernel + k) * windowCount * output;
        for (let p = 0; p < windowCount; p++) {
          const base = table[t * windowCount + p]!;
          for (let o = 0; o < output; o++) {
            const at = o * w.strides[axis]! - w.padBefore[axis]! + k * w.dilations[axis]!;
            next[row + p * output + o] = base < 0 || at < 0 || at >= w.spatial[axis]! ? -1 : base + at * own[axis]!;
          }
        }
      }
    }
    table = next;
    tapCount *= kernel;
    windowCount *= output;
  }
  if (tapCount !== taps || windowCount !== windows) throw new Error("windowTable: sizes do not agree");
  return table;
}

/** The `group` attribute, checked to divide the channels. */
export function groupsOf(node: Node, channels: number): number {
  const groups = numberAttribute(node, "group", 1);
  if (!(groups >= 1) || channels % groups !== 0) {
    throw new Error(`${node.operator}: ${channels} channels do not divide into ${groups} groups`);
  }
  return groups;
}
