/** @file Axis rules of operators that work entry by entry, and of those that only drop or lengthen axes. */
import type { Axis, AxisRuleContext } from "../../graph/axes";
import { numberAttribute, numbersAttribute } from "../../graph/graph";

/** NumPy broadcasting over all inputs that are present: axes aligned from the right and of the output's size are one. */
export function broadcastAxes(context: AxisRuleContext): void {
  const shape = context.outputShape();
  const count = context.node.inputs.length;
  const out = new Array<Axis | undefined>(shape.length).fill(undefined);
  let first: readonly Axis[] | undefined;
  for (let i = 0; i < count; i++) {
    if (context.absent(i)) continue;
    const axes = context.input(i);
    const own = context.shape(i);
    for (let k = 0; k < own.length; k++) {
      const at = k + shape.length - own.length;
      if (at < 0 || own[k] !== shape[at]) continue;
      if (out[at] === undefined) out[at] = axes[k]!;
      else context.unify(out[at], axes[k]!);
    }
    first ??= axes;
  }
  // What has the axes of its first input has its list of them too, by which others know that nothing has changed.
  const isFirst = first?.length === out.length && first.every((axis, k) => axis === out[k]);
  context.output(isFirst ? first! : out.map((axis, k) => axis ?? context.fresh(shape[k]!)));
}

/** The first input decides, the others are parameters of the operator that must not vary along a free axis. */
export function firstInputAxes(context: AxisRuleContext): void {
  context.output(context.rawInput(0));
}

/** The axes that a reduction drops, from its attribute or its second input; all when neither is given. */
export function reducedAxes(context: AxisRuleContext): readonly number[] {
  const rank = context.shape(0).length;
  const given =
    numbersAttribute(context.node, "axes") ?? (context.absent(1) ? undefined : Array.from(context.constant(1)?.data ?? []));
  if (given === undefined || given.length === 0) {
    return numberAttribute(context.node, "noop_with_empty_axes", 0) ? [] : Array.from({ length: rank }, (_, i) => i);
  }
  return given.map((a) => (a < 0 ? a + rank : a));
}

/** Reduced axes go, the others pass. */
export function reductionAxes(context: AxisRuleContext): void {
  const drop = new Set(reducedAxes(context));
  const keep = numberAttribute(context.node, "keepdims", 1) !== 0;
  const axes = context.input(0);
  context.output(axes.flatMap((a, i) => (drop.has(i) ? (keep ? [context.fresh(1)] : []) : [a])));
}

/** All axes pass, but order matters along one of them (running sums, masks of a triangle). */
export function orderedAlong(which: (context: AxisRuleContext) => readonly number[]): (context: AxisRuleContext) => void {
  return (context) => {
    const axes = context.input(0);
    for (const k of which(context)) {
      const axis = axes.at(k);
      if (axis) context.pin(axis);
    }
    context.output(axes);
  };
}

/** ArgMax and ArgMin: the axis goes, the output counts positions along it. */
export function argumentAxes(context: AxisRuleContext): void {
  const axes = context.input(0);
  const given = numberAttribute(context.node, "axis", 0);
  const at = given < 0 ? given + axes.length : given;
  const keep = numberAttribute(context.node, "keepdims", 1) !== 0;
  context.output(axes.flatMap((a, i) => (i === at ? (keep ? [context.fresh(1)] : []) : [a])));
  context.counting(axes[at]!);
}

/** TopK: the largest entries along an axis come in order of size, wherever they stood; the second output counts positions. */
export function topKAxes(context: AxisRuleContext): void {
  const axes = context.input(0);
  const given = numberAttribute(context.node, "axis", -1);
  const at = given < 0 ? given + axes.length : given;
  const found = axes.map((a, i) => (i === at ? context.pinned(context.outputShape()[i]!) : a));
  context.output(found);
  if ((context.node.outputs[1] ?? "") === "") return;
  context.output(found, 1);
  context.counting(axes[at]!, 1);
}
