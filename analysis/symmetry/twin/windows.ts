/** @file Sizing of what slides windows over space: convolutions, pools, resizing and padding. */
import type { Node } from "../../graph/graph";
import { numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { int64Vector } from "../../graph/tensor";
import type { Reach, Sizing, SizingRule } from "./sizing";
import { fixed, newSize, oldSize, paddingOf, Size, SizeConflict, type SizedAxis, UNIT } from "./sizes";

/** One spatial dimension of a window. */
interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

function windowsOf(node: Node, kernels: readonly number[]): Window[] {
  const strides = numbersAttribute(node, "strides");
  const dilations = numbersAttribute(node, "dilations");
  const pads = numbersAttribute(node, "pads");
  return kernels.map((kernel, i) => ({
    kernel,
    stride: strides?.[i] ?? 1,
    dilation: dilations?.[i] ?? 1,
    before: pads?.[i] ?? 0,
    after: pads?.[i + kernels.length] ?? 0,
  }));
}

function attributesOf(node: Node, windows: readonly Window[]): Node["attributes"] {
  // What a transposed convolution adds to tell apart the inputs of a stride is gone with the stride.
  const added = numbersAttribute(node, "output_padding");
  return {
    ...node.attributes,
    ...(added ? { output_padding: added.map((n, i) => (windows[i]!.stride === 1 ? 0 : n)) } : {}),
    kernel_shape: windows.map((w) => w.kernel),
    strides: windows.map((w) => w.stride),
    pads: [...windows.map((w) => w.before), ...windows.map((w) => w.after)],
  };
}

function isPlainPadding(node: Node): boolean {
  return stringAttribute(node, "auto_pad", "NOTSET") === "NOTSET";
}

/** A window that moves by one place, if strides are dropped. One as large as its input does not move at all. */
function moved(w: Window, reach: Reach): Window {
  return reach === "thin" || reach === "dense" || reach === "space" ? { ...w, stride: 1 } : w;
}

/**
 * A smaller window with the same arithmetic: patches become 2 wide, a window as large as its input stays that, and padded
 * windows lose a tap and a place of padding on both sides as long as three taps are left, or one across.
 */
function shrunk(w: Window, axis: SizedAxis, after: number, least: number, reach: Reach): Window {
  const before = oldSize(axis);
  if (w.before === 0 && w.after === 0 && w.kernel === before) return { ...w, kernel: after };
  if (w.kernel === w.stride && w.kernel > 2 && w.before === 0 && w.after === 0 && w.dilation === 1)
    return { ...w, kernel: 2, stride: 2 };
  let { kernel, before: left, after: right } = w;
  while (kernel >= least + 2 && left >= w.dilation && right >= w.dilation) {
    kernel -= 2;
    left -= w.dilation;
    right -= w.dilation;
  }
  // Where a Pad of its own came first, the window takes off what that added.
  if (reach === "thin" && left === 0 && right === 0 && paddingOf(axis) === 0) kernel = Math.min(kernel, least);
  return { ...w, kernel, before: left, after: right };
}

/**
 * Taps that a window keeps along each of its dimensions: three along the first in which it has several, so that it sees
 * neighbours; one across, where nothing else would be seen.
 */
function leastTaps(windows: readonly Window[]): number[] {
  const first = windows.findIndex((w) => w.kernel > 1);
  return windows.map((_, i) => (i === first ? 3 : 1));
}

/** A window whose kernel is already decided, with what has to change along. */
function withKernel(w: Window, kernel: number, before: number): Window {
  if (kernel === w.kernel) return w;
  if (w.before === 0 && w.after === 0 && w.kernel === before) return { ...w, kernel };
  if (w.kernel === w.stride && w.before === 0 && w.after === 0) return { ...w, kernel, stride: kernel };
  if (w.before === 0 && w.after === 0 && kernel < w.kernel) return { ...w, kernel };
  const less = ((w.kernel - kernel) * w.dilation) / 2;
  if (less < 0 || !Number.isInteger(less) || less > w.before || less > w.after) {
    throw new SizeConflict(`a window of ${w.kernel} cannot become one of ${kernel}`);
  }
  return { ...w, kernel, before: w.before - less, after: w.after - less };
}

/**
 * A window has to fit into what is no padding, if it did before: taps that meet nothing but padding, or only in outputs that
 * are cut off again, would have dead weights in the twin only.
 */
function checkTaps(before: Window, after: Window, axis: SizedAxis, size: number): void {
  const padding = paddingOf(axis);
  const width = (w: Window) => (w.kernel - 1) * w.dilation + 1;
  if (size - padding < width(after) && oldSize(axis) - padding >= width(before)) {
    throw new SizeConflict(`a window of ${after.kernel} over ${size - padding} places would have dead taps`);
  }
}

/** Spatial sizes that had room must keep some: one place would make what is spatial look like what is not. */
function checkRoom(old: readonly number[], found: readonly number[]): void {
  found.forEach((n, i) => {
    if (old[i]! > 1 ? n < 2 : n !== 1) throw new SizeConflict(`${old[i]} places would become ${n}`);
  });
}

function spatialOutput(s: Sizing, found: readonly number[]): SizedAxis[] {
  const old = s.outputShape();
  checkRoom(old.slice(2), found.slice(2));
  return found.slice(2).map((n, i) => (old[i + 2] === 1 ? UNIT : fixed(old[i + 2]!, n)));
}

function groupedAxes(s: Sizing): readonly [SizedAxis, SizedAxis] {
  const group = numberAttribute(s.node, "group", 1);
  const [batch, channels] = s.input(0) as [SizedAxis, SizedAxis];
  const [first, second] = s.input(1) as [SizedAxis, SizedAxis];
  const transposed = s.node.operator === "ConvTranspose";
  const w = s.shape(1);
  if (transposed) s.algebra.unify(channels, first);
  if (group === 1) {
    if (!transposed) s.algebra.unify(channels, second);
    return [batch, transposed ? second : first];
  }
  if (transposed) {
    const [groups] = s.algebra.split(channels, [group, w[0]! / group]) as [SizedAxis, SizedAxis];
    return [batch, s.algebra.product([groups, second])];
  }
  const [inputGroups, within] = s.algebra.split(channels, [group, w[1]!]) as [SizedAxis, SizedAxis];
  const [outputGroups] = s.algebra.split(first, [group, w[0]! / group]) as [SizedAxis, SizedAxis];
  s.algebra.unify(inputGroups, outputGroups);
  s.algebra.unify(within, second);
  return [batch, first];
}

function convolution(s: Sizing): void {
  const { node, algebra } = s;
  const [batch, out] = groupedAxes(s);
  const space = s
    .input(0)
    .slice(2)
    .map((a) => algebra.close(a));
  const old = s.shape(0).slice(2);
  const kernels = s.input(1).slice(2);
  const plain = isPlainPadding(node);
  const free = s.reach !== "channels" && s.reach !== "space" && plain && node.operator === "Conv";
  const reach = plain ? s.reach : "channels";
  const before = windowsOf(node, s.shape(1).slice(2));
  const least = leastTaps(before);
  const windows = before.map((w, i) => {
    const kernel = kernels[i]!;
    const known = newSize(kernel);
    if (known !== undefined) return moved(withKernel(w, known, old[i]!), reach);
    const small = free ? shrunk(w, s.input(0)[i + 2]!, space[i]!, least[i]!, reach) : w;
    algebra.bind(kernel, small.kernel);
    return moved(small, reach);
  });
  const attributes = plain ? attributesOf(node, windows) : node.attributes;
  const found = spatialShape(
    s,
    { ...attributes, group: 1 },
    space,
    windows.map((w) => w.kernel),
  );
  const spatial = spatialOutput(s, found);
  if (node.operator === "Conv") windows.forEach((w, i) => checkTaps(before[i]!, w, s.input(0)[i + 2]!, space[i]!));
  s.output([batch, out, ...spatial]);
  s.rewrite(() => ({
    attributes: numberAttribute(node, "group", 1) === 1 ? attributes : { ...attributes, group: groupsOf(s, out) },
  }));
}

/** The spatial output, whatever the channels. */
function spatialShape(
  s: Sizing,
  attributes: Node["attributes"],
  space: readonly number[],
  kernel?: readonly number[],
): readonly number[] {
  const shapes = new Map([[0, [1, 1, ...space]]]);
  if (kernel) shapes.set(1, [1, 1, ...kernel]);
  return s.inferShape(attributes, undefined, shapes);
}

/** Number of groups in the twin. */
function groupsOf(s: Sizing, out: SizedAxis): number {
  const inside = newSize(s.input(1)[1]!)!;
  return (s.node.operator === "Conv" ? newSize(s.input(0)[1]!)! : newSize(out)!) / inside;
}

function pool(s: Sizing): void {
  const { node, algebra } = s;
  const [batch, channels, ...spatial] = s.input(0) as [SizedAxis, SizedAxis, ...SizedAxis[]];
  const space = spatial.map((a) => algebra.close(a));
  const kernel = numbersAttribute(node, "kernel_shape");
  let attributes = node.attributes;
  if (kernel && isPlainPadding(node)) {
    const given = windowsOf(node, kernel);
    const least = leastTaps(given);
    const windows = given.map((w, i) => {
      const small = s.reach === "channels" ? w : shrunk(w, spatial[i]!, space[i]!, least[i]!, s.reach);
      const width = small.dilation * (small.kernel - 1) + 1;
      if (width > space[i]! + small.before + small.after)
        throw new SizeConflict(`a window of ${small.kernel} over ${space[i]} places`);
      return moved(small, s.reach);
    });
    attributes = attributesOf(node, windows);
  }
  s.output([batch, channels, ...spatialOutput(s, spatialShape(s, attributes, space))]);
  s.rewrite(() => ({ attributes }));
}

/** Sizes that the node asks for grow in proportion; scales stay. Axes that keep their size are not looked at. */
function resize(s: Sizing): void {
  const { node, algebra } = s;
  const axes = s.input(0);
  const old = s.shape(0);
  const wanted = s.outputShape();
  const now = axes.map((a, i) => (old[i] === wanted[i] ? old[i]! : algebra.close(a)));
  for (let i = 1; i < node.inputs.length; i++) s.operand(i);
  const sizes = s.constant(3);
  const listed = numbersAttribute(node, "axes") ?? old.map((_, i) => i);
  const asked = (size: (axis: number) => number) => int64Vector(listed.map(size));
  const grown = (a: number) => (old[a] === wanted[a] ? old[a]! : Math.max(1, Math.round((now[a]! * wanted[a]!) / old[a]!)));
  const bySizes = sizes !== undefined && sizes.data.length > 0;
  const found = s.inferShape(node.attributes, bySizes ? new Map([[3, asked(grown)]]) : undefined, new Map([[0, now]]));
  const out = found.map((n, i) => (old[i] === wanted[i] ? axes[i]! : wanted[i] === 1 ? UNIT : fixed(wanted[i]!, n)));
  s.output(out);
  s.rewrite((name) => ({ inputs: node.inputs.map((v, i) => (i === 3 && bySizes ? name(asked((a) => newSize(out[a]!)!)) : v)) }));
}

/** Padding keeps its widths. Axes that it does not touch are not looked at. */
function pad(s: Sizing): void {
  const axes = s.input(0);
  for (let i = 1; i < s.node.inputs.length; i++) s.operand(i);
  const old = s.shape(0);
  const wanted = s.outputShape();
  // As many places are cropped on one side as are added on the other (a shift): the size stays, and is looked at all the same.
  const given = numbersAttribute(s.node, "pads") ?? Array.from(s.constant(1)?.data ?? []);
  const listed = s.constant(3) ? Array.from(s.constant(3)!.data, (a) => (a < 0 ? a + old.length : a)) : old.map((_, i) => i);
  const touched = new Set(listed.filter((_, i) => (given[i] ?? 1) !== 0 || (given[i + listed.length] ?? 1) !== 0));
  const now = axes.map((a, i) => (touched.has(i) ? s.algebra.close(a) : old[i]!));
  const found = s.inferShape(s.node.attributes, undefined, new Map([[0, now]]));
  s.output(
    found.map((n, i) => {
      if (!touched.has(i)) return axes[i]!;
      if (n < 1 || (wanted[i] === 1) !== (n === 1)) throw new SizeConflict(`${wanted[i]} places would become ${n}`);
      if (n === 1) return UNIT;
      const padding = Math.max(0, wanted[i]! - old[i]!) + paddingOf(axes[i]!);
      return { segments: [[new Size(wanted[i]!, n, undefined, padding)]] };
    }),
  );
}

/** Sizing rules by ONNX operator name. */
export const windowSizing: Readonly<Record<string, SizingRule>> = {
  Conv: convolution,
  ConvTranspose: convolution,
  MaxPool: pool,
  AveragePool: pool,
  LpPool: pool,
  Resize: resize,
  Upsample: resize,
  Pad: pad,
};
