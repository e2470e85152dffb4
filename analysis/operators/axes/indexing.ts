/** @file Axis rules of operators that read or write single entries by index. */
import type { Axis, AxisRuleContext } from "../../graph/axes";
import { numberAttribute } from "../../graph/graph";

/**
 * What data and indices share: their axes but `at` are one, or pinned where the indices cover only a part. The axis that is
 * looked up may be permuted only where the indices are places along it (the largest entries of scores).
 */
function alongIndices(context: AxisRuleContext, data: readonly Axis[], at: number): readonly Axis[] {
  const indices = context.input(1);
  const [shape, covered] = [context.shape(0), context.shape(1)];
  for (const k of shape.keys()) {
    if (k === at) continue;
    if (shape[k] === covered[k]) context.unify(data[k]!, indices[k]!);
    else {
      context.pin(data[k]!);
      context.pin(indices[k]!);
    }
  }
  const counted = context.counted(1);
  if (counted) context.unify(data[at]!, counted);
  else context.pin(data[at]!);
  return indices;
}

function axisOf(context: AxisRuleContext, fallback: number): number {
  const axis = numberAttribute(context.node, "axis", fallback);
  return axis < 0 ? axis + context.shape(0).length : axis;
}

/** GatherElements: entries of the data at places along one axis; all other axes are those of the indices. */
export function gatherElementsAxes(context: AxisRuleContext): void {
  context.output(alongIndices(context, context.input(0), axisOf(context, 0)));
}

/** ScatterElements: the data, overwritten at places along one axis. Of two updates at one place the order decides. */
export function scatterElementsAxes(context: AxisRuleContext): void {
  const at = axisOf(context, 0);
  const data = context.input(0);
  const indices = alongIndices(context, data, at);
  const updates = context.input(2);
  indices.forEach((axis, k) => context.unify(axis, updates[k]!));
  context.pin(indices[at]!);
  context.output(data);
}

/** OneHot: a new axis, along which the indices are places; the value that is off comes before the one that is on. */
export function oneHotAxes(context: AxisRuleContext): void {
  const indices = context.input(0);
  for (const axis of context.input(2)) context.pin(axis);
  const given = numberAttribute(context.node, "axis", -1);
  const at = given < 0 ? given + indices.length + 1 : given;
  const size = context.outputShape()[at]!;
  const counted = context.countedAlong(0, size);
  context.output([...indices.slice(0, at), counted ?? context.pinned(size), ...indices.slice(at)]);
}
