/** @file Axis rules of contractions: the contracted pair is one coordinate system, the outer axes pass. */
import type { Axis, AxisRuleContext } from "../../graph/axes";
import { type Node, numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { parseEinsum } from "../einsum";
import { resizedAxes } from "../resizing";

/** MatMul of any rank, batch axes broadcast. */
export function matMulAxes(context: AxisRuleContext): void {
  const left = [...context.input(0)];
  const right = [...context.input(1)];
  const leftShape = [...context.shape(0)];
  const rightShape = [...context.shape(1)];
  const out: Axis[] = [];
  const inner = left.pop()!;
  leftShape.pop();
  const row = left.pop();
  leftShape.pop();
  const column = right.length > 1 ? right.pop() : undefined;
  if (column) rightShape.pop();
  context.unify(inner, right.pop()!);
  rightShape.pop();
  const batch = Math.max(left.length, right.length);
  for (let i = 0; i < batch; i++) {
    const a = i - (batch - left.length);
    const b = i - (batch - right.length);
    const n = a >= 0 ? leftShape[a]! : 1;
    const m = b >= 0 ? rightShape[b]! : 1;
    if (n > 1 && m > 1) context.unify(left[a]!, right[b]!);
    out.push(n > 1 ? left[a]! : m > 1 ? right[b]! : context.fresh(1));
  }
  if (row) out.push(row);
  if (column) out.push(column);
  context.output(out);
}

/** Einsum, letter by letter. */
export function einsumAxes(context: AxisRuleContext): void {
  const shapes = context.node.inputs.map((_, i) => context.shape(i));
  const { inputs, output } = parseEinsum(
    stringAttribute(context.node, "equation", ""),
    shapes.map((s) => s.length),
  );
  const byLetter = new Map<string, Axis>();
  inputs.forEach((letters, i) => {
    const axes = context.input(i);
    letters.forEach((letter, k) => {
      if (shapes[i]![k] === 1 && byLetter.has(letter)) return;
      const known = byLetter.get(letter);
      if (known && shapes[i]![k]! > 1) context.unify(known, axes[k]!);
      byLetter.set(letter, axes[k]!);
    });
  });
  context.output(output.map((letter) => byLetter.get(letter)!));
}

/** The first spatial axis, behind batch (or outputs) and channels. */
const SPATIAL = 2;

/**
 * Axes of a convolution's output, whose channels are `out`. A spatial axis along which the kernel has a single entry, with stride 1
 * and nothing added, is the same before and after (a map of tokens written as a convolution, gMLP 2105.08050); along any other
 * entries are places.
 */
function convolvedAxes(context: AxisRuleContext, out: Axis): Axis[] {
  const { node } = context;
  const strides = numbersAttribute(node, "strides");
  const kernel = context.shape(1);
  const before = context.shape(0);
  const after = context.outputShape();
  // A padded window of one entry makes more places.
  return context.input(0).map((axis, i) => {
    if (i < SPATIAL) return i === 0 ? axis : out;
    const k = i - SPATIAL;
    if (kernel[i] === 1 && (strides?.[k] ?? 1) === 1 && before[i] === after[i] && !movesPlaces(node, k)) return axis;
    context.pinPlaces(axis);
    return context.places(after[i]!);
  });
}

/** Whether padding shifts the places of a spatial axis: added on one side, cut off on the other, so that their number stays. */
function movesPlaces(node: Node, axis: number): boolean {
  if (numbersAttribute(node, "output_padding")?.[axis]) return true;
  return stringAttribute(node, "auto_pad", "NOTSET") === "NOTSET" && !!numbersAttribute(node, "pads")?.[axis];
}

/** Conv: weight (O, I / group, kernel..); groups are a factor shared by input and output channels. */
export function convAxes(context: AxisRuleContext): void {
  const group = numberAttribute(context.node, "group", 1);
  const channels = context.input(0)[1]!;
  const weight = context.input(1);
  const [out, inside] = weight as readonly [Axis, Axis];
  for (let i = SPATIAL; i < weight.length; i++) context.pin(weight[i]!);
  if (group === 1) context.unify(channels, inside);
  else {
    const [inputGroups, within] = context.split(channels, [group, context.shape(1)[1]!]) as [Axis, Axis];
    const [outputGroups] = context.split(out, [group, context.shape(1)[0]! / group]) as [Axis, Axis];
    context.unify(inputGroups, outputGroups);
    context.unify(within, inside);
  }
  context.output(convolvedAxes(context, out));
}

/** ConvTranspose: weight (I, O / group, kernel..). */
export function convTransposeAxes(context: AxisRuleContext): void {
  const group = numberAttribute(context.node, "group", 1);
  const channels = context.input(0)[1]!;
  const weight = context.input(1);
  const [input, outside] = weight as readonly [Axis, Axis];
  for (let i = SPATIAL; i < weight.length; i++) context.pin(weight[i]!);
  context.unify(channels, input);
  let out = outside;
  if (group > 1) {
    const [groups] = context.split(channels, [group, context.shape(1)[0]! / group]) as [Axis, Axis];
    out = context.product([groups, outside]);
  }
  context.output(convolvedAxes(context, out));
}

/** Pooling: batch and channels pass, space is pinned. */
export function poolAxes(context: AxisRuleContext): void {
  const [batch, channels, ...spatial] = context.input(0) as [Axis, Axis, ...Axis[]];
  for (const a of spatial) context.pinPlaces(a);
  context.output([
    batch,
    channels,
    ...context
      .outputShape()
      .slice(2)
      .map((n) => context.places(n)),
  ]);
}

/** Whether a Resize takes part of its input, with a constant beyond the border. */
export function cropsAndResizes(node: Node): boolean {
  return stringAttribute(node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize";
}

/**
 * Resizing: an axis along which nothing is resampled is the same axis, any other is pinned on both sides. The scale says which: one
 * that rounds to the same size (2 by 1.2) moves entries all the same.
 */
export function resizeAxes(context: AxisRuleContext): void {
  const { axes: resampled } = resizedAxes(context.node, context.shape(0), (i) => context.constant(i));
  const axes = context.input(0);
  context.output(
    context.outputShape().map((n, i) => {
      if (resampled[i] === undefined) return axes[i]!;
      context.pin(axes[i]!);
      return context.pinned(n);
    }),
  );
}
