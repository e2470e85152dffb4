/** @file Axis rules of movement: operators that only put entries elsewhere. They carry axes with blocks along. */
import type { Axis, AxisRuleContext } from "../../graph/axes";
import { numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";

/** Reshape and everything that is lowered to it. */
export function reshapeAxes(context: AxisRuleContext): void {
  context.output(context.reshape(context.rawInput(0), context.shape(0), context.outputShape()));
}

/** Transpose; reverses the axes when no permutation is given. */
export function transposeAxes(context: AxisRuleContext): void {
  const axes = context.rawInput(0);
  const perm = numbersAttribute(context.node, "perm") ?? axes.map((_, i) => axes.length - 1 - i);
  context.output(perm.map((p) => axes[p]!));
}

/** Concatenation: segments in order; the other axes are one. */
export function concatAxes(context: AxisRuleContext): void {
  const rank = context.shape(0).length;
  const axis = numberAttribute(context.node, "axis", 0);
  const at = axis < 0 ? axis + rank : axis;
  const all = context.node.inputs.map((_, i) => i);
  const used = all.filter((i) => context.shape(i)[at]! > 0);
  if (used.length > 1) {
    const joined = context.join(
      used.map((i) => context.rawInput(i)),
      at,
    );
    if (joined) return context.output(joined);
  }
  const pieces = (used.length > 0 ? used : all.slice(0, 1)).map((i) => context.input(i));
  const isStack = used.length > 1 && used.length === all.length && all.every((i) => context.shape(i)[at] === 1);
  const stacked = isStack ? context.stack(pieces, at) : undefined;
  if (stacked) return context.output(stacked);
  const first = pieces[0]!;
  for (const other of pieces.slice(1)) {
    other.forEach((a, k) => {
      if (k !== at) context.unify(first[k]!, a);
    });
  }
  context.output(first.map((a, k) => (k === at ? context.concat(pieces.map((axes) => axes[at]!)) : a)));
}

/** One part of a slice along one axis, from attributes (opset 9) or inputs. */
export interface SlicePart {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
}

/** Where a Slice with constant bounds begins along each axis it cuts; undefined when the bounds are data. */
export function sliceParts(context: {
  readonly node: AxisRuleContext["node"];
  shape(i: number): readonly number[];
  absent(i: number): boolean;
  constant(i: number): { readonly data: Float64Array } | undefined;
}): readonly SlicePart[] | undefined {
  const shape = context.shape(0);
  let isKnown = true;
  const listed = (name: string, i: number): readonly number[] | undefined => {
    const attribute = numbersAttribute(context.node, name);
    if (attribute !== undefined || context.absent(i)) return attribute;
    const data = context.constant(i)?.data;
    isKnown &&= data !== undefined;
    return data && Array.from(data);
  };
  const starts = listed("starts", 1);
  if (!starts || starts.length === 0) return undefined;
  const axes = listed("axes", 3) ?? starts.map((_, i) => i);
  const steps = listed("steps", 4);
  if (!isKnown) return undefined;
  return axes.map((a, i) => {
    const axis = a < 0 ? a + shape.length : a;
    const n = shape[axis]!;
    const step = steps?.[i] ?? 1;
    const raw = starts[i]! < 0 ? starts[i]! + n : starts[i]!;
    return { axis, step, start: Math.max(0, Math.min(raw, step < 0 ? n - 1 : n)) };
  });
}

/** Longest axis of which a slice with a step takes entries one by one. */
const MOST_ALTERNATING = 32;

/**
 * Slice: cuts twice. With a step, also backwards, entries are taken one by one; of a long axis whole strides are a factor of the
 * axis; other steps pin it.
 */
export function sliceAxes(context: AxisRuleContext): void {
  const parts = sliceParts(context);
  let axes = [...context.rawInput(0)];
  const shape = context.shape(0);
  const outShape = context.outputShape();
  if (!parts) {
    for (const a of context.input(0)) context.pin(a);
    return context.output(outShape.map((n) => context.pinned(n)));
  }
  for (const { axis, start, step } of parts) {
    const length = outShape[axis]!;
    if (length === shape[axis]! && step === 1) continue;
    const picked = length === 1 ? context.pick(axes, axis, start) : undefined;
    if (picked) {
      axes = [...picked.slice(0, axis), context.fresh(1), ...picked.slice(axis)];
      continue;
    }
    axes = [...context.settle(axes)];
    if (step === 1) axes[axis] = context.slice(axes[axis]!, start, start + length);
    else if (step !== 1 && shape[axis]! <= MOST_ALTERNATING && length > 1 && !context.joinedLater()) {
      const places = Array.from({ length }, (_, i) => start + i * step);
      axes[axis] = context.concat(context.entries(axes[axis]!, places));
    } else if (step > 1 && start < step && length * step === shape[axis]!) {
      const [outer, inner] = context.split(axes[axis]!, [length, step]) as [Axis, Axis];
      context.pin(inner);
      axes[axis] = outer;
    } else {
      context.pin(axes[axis]!);
      axes[axis] = context.pinned(length);
    }
  }
  context.output(axes);
}

/** Expand: axes that come into being are free. */
export function expandAxes(context: AxisRuleContext): void {
  const axes = context.input(0);
  const from = context.shape(0);
  const shape = context.outputShape();
  const shift = shape.length - from.length;
  context.output(shape.map((n, i) => (i >= shift && from[i - shift] === n ? axes[i - shift]! : context.fresh(n))));
}

/** Tile: each repeated axis becomes (copies, axis). */
export function tileAxes(context: AxisRuleContext): void {
  const from = context.shape(0);
  const shape = context.outputShape();
  context.output(
    context.input(0).map((a, i) => (shape[i] === from[i] ? a : context.product([context.fresh(shape[i]! / from[i]!), a]))),
  );
}

/** Pad: lengthened or shortened axes are pinned, the others pass. */
export function padAxes(context: AxisRuleContext): void {
  const from = context.shape(0);
  const pads = numbersAttribute(context.node, "pads") ?? Array.from(context.constant(1)?.data ?? []);
  const listed = context.absent(3) ? undefined : context.constant(3);
  const axes = listed ? Array.from(listed.data, (a) => (a < 0 ? a + from.length : a)) : from.map((_, i) => i);
  const shape = context.outputShape();
  const touched = new Set(axes.filter((_, i) => (pads[i] ?? 1) !== 0 || (pads[i + axes.length] ?? 1) !== 0));
  context.output(
    context.input(0).map((a, i) => {
      if (!touched.has(i)) return a;
      context.pin(a);
      return context.pinned(shape[i]!);
    }),
  );
}

/** DepthToSpace: channels are (C, s * s) or (s * s, C); the s * s goes to space and is pinned. */
export function depthToSpaceAxes(context: AxisRuleContext): void {
  const block = numberAttribute(context.node, "blocksize", 1) ** 2;
  const [batch, channels, ...spatial] = context.input(0) as [Axis, Axis, ...Axis[]];
  for (const a of spatial) context.pinPlaces(a);
  const kept = context.shape(0)[1]! / block;
  const columnsFirst = stringAttribute(context.node, "mode", "DCR") === "CRD";
  const parts = context.split(channels, columnsFirst ? [kept, block] : [block, kept]);
  context.pinPlaces(parts[columnsFirst ? 1 : 0]!);
  context.output([
    batch,
    parts[columnsFirst ? 0 : 1]!,
    ...context
      .outputShape()
      .slice(2)
      .map((n) => context.places(n)),
  ]);
}

/** SpaceToDepth: pinned space becomes the outer factor of the channels. */
export function spaceToDepthAxes(context: AxisRuleContext): void {
  const block = numberAttribute(context.node, "blocksize", 1) ** 2;
  const [batch, channels, ...spatial] = context.input(0) as [Axis, Axis, ...Axis[]];
  for (const a of spatial) context.pinPlaces(a);
  const rest = context
    .outputShape()
    .slice(2)
    .map((n) => context.places(n));
  context.output([batch, context.product([context.places(block), channels]), ...rest]);
}

/** Beyond this many entries a constant index list is not followed entry by entry. */
const MOST_ENTRIES = 4096;

/** Gather: constant indices pick entries or blocks; data indices pin the table axis (an embedding's vocabulary). */
export function gatherAxes(context: AxisRuleContext): void {
  const shape = context.shape(0);
  const axis = numberAttribute(context.node, "axis", 0);
  const at = axis < 0 ? axis + shape.length : axis;
  const n = shape[at]!;
  const indices = context.constant(1);
  const raw = context.rawInput(0);
  if (indices && indices.shape.length === 0) {
    const index = indices.data[0]! < 0 ? indices.data[0]! + n : indices.data[0]!;
    const picked = context.pick(raw, at, index);
    if (picked) return context.output(picked);
  }
  const axes = context.settle(raw);
  const before = axes.slice(0, at);
  const after = axes.slice(at + 1);
  if (indices && indices.shape.length === 1 && indices.data.length <= MOST_ENTRIES && n > 1) {
    const list = Array.from(indices.data, (i) => (i < 0 ? i + n : i));
    if (list.every((v, i) => v === list[0]! + i)) {
      return context.output([...before, context.slice(axes[at]!, list[0]!, list.at(-1)! + 1), ...after]);
    }
    if (list.length > 0) {
      return context.output([...before, context.concat(context.entries(axes[at]!, list)), ...after]);
    }
  }
  // Where the largest of some scores is, there the table of what was scored may be looked up.
  const counted = context.counted(1);
  if (counted) context.unify(axes[at]!, counted);
  else context.pin(axes[at]!);
  const picked = context.absent(1) ? [] : context.input(1);
  context.output([...before, ...picked, ...after]);
}
