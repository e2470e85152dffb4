/** @file Tensors in parts, and parts as tensors. */
import { listLength, notUnderstood, raise, raiseConflict } from "../../evaluator/errors";
import { intOf } from "../../values/inspect";
import { tuple } from "../../values/make";
import type { TensorValue, Value } from "../../values/value";
import { axisOf, type Reader, shapeOf } from "../arguments";
import { promotedType } from "../arithmetic";
import { MOST_PARTS } from "./shapes";
import { asView } from "./views";

/** Cuts an axis into parts of the given sizes. */
export function splitSizes(a: Reader, t: TensorValue, dim: number, sizes: readonly number[]): TensorValue[] {
  const b = a.builder;
  const shape = shapeOf(a.interpreter, t);
  const axis = axisOf(dim, shape.length);
  const sum = sizes.reduce((x, y) => x + y, 0);
  if (sum !== shape[axis]) raiseConflict(`sizes [${sizes.join(", ")}] do not add up to ${shape[axis]}`, shape[axis]!, sum);
  if (sizes.length === 1) return [t];
  const parts = b.outputs("Split", [t, b.ints(sizes)], { axis }, sizes.length);
  let start = 0;
  return parts.map((p, i) => {
    const from = start;
    const to = from + sizes[i]!;
    start = to;
    return asView(
      t,
      p,
      (base) => b.slice(base, axis, from, to),
      (base, value) => {
        const pieces: TensorValue[] = [];
        if (from > 0) pieces.push(b.slice(base, axis, 0, from));
        pieces.push(value);
        if (to < shape[axis]!) pieces.push(b.slice(base, axis, to, shape[axis]!));
        return pieces.length === 1 ? value : b.node("Concat", pieces, { axis });
      },
    );
  });
}

/** The sizes of parts of an axis that are equal but for the last. */
export function equalParts(size: number, part: number): number[] {
  listLength(Math.ceil(size / part), MOST_PARTS);
  const out: number[] = [];
  for (let at = 0; at < size; at += part) out.push(Math.min(part, size - at));
  return out;
}

/** `split` and `chunk`. */
export function split(a: Reader): Value {
  const t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  const dim = a.int("dim", 0);
  const size = shape[axisOf(dim, shape.length)]!;
  const given = a.value("split_size");
  const one = intOf(given);
  if (one !== undefined && one <= 0) raise("RuntimeError", "split sizes must be positive");
  return tuple(
    splitSizes(
      a,
      t,
      dim,
      one !== undefined ? equalParts(size, one) : (a.ints("split_size") ?? notUnderstood("the sizes of split are not known")),
    ),
  );
}

/** Concatenation with promotion of element types; empty tensors are left out, as torch does. */
export function concat(a: Reader, tensors: readonly TensorValue[], dim: number): TensorValue {
  const b = a.builder;
  const kept = tensors.filter((t) => !(t.shape?.length === 1 && t.shape[0] === 0));
  const first = kept[0] ?? tensors[0];
  if (!first) return raise("RuntimeError", "concatenation of no tensors");
  for (const t of kept) if (t.shape === undefined) b.needShape(t);
  const rank = kept.find((t) => t.shape)?.shape?.length;
  if (rank === undefined) return b.opaque("cat", kept);
  if (kept.length === 1) return first;
  const type = kept.map((t) => t).reduce((x, y) => (promotedType(x, y) === x.type ? x : y)).type;
  return b.node(
    "Concat",
    kept.map((t) => b.cast(t, type)),
    { axis: axisOf(dim, rank) },
  );
}
