/** @file Positions that a mask picks: how many there are depends on the data, so the number of all stands for it. */
import type { Interpreter } from "../evaluator/interpreter";
import type { TensorValue } from "../values/value";
import { elementCount } from "../../../graph/tensor";
import { shapeOf } from "./arguments";

/**
 * Index tensors, one per axis of the mask, as if it picked all its entries. Where each row that is picked is worked on by
 * itself and written back, the finished graph works on all of them (operators/dispatch); else they are opaque, so that they
 * pin what the mask is made of.
 */
export function pickedIndices(interpreter: Interpreter, mask: TensorValue): TensorValue[] {
  const { builder } = interpreter;
  const shape = shapeOf(interpreter, mask);
  interpreter.calls++;
  interpreter.noteOpaque("nonzero", "which entries a mask picks, and how many, depends on the data");
  const all = builder.picked(mask);
  return shape.map((_, axis) => builder.node("Gather", [all, builder.scalar(axis, "int64")], { axis: 0 }));
}

/** One row of the coordinates that a mask picks: there where the mask's entry is not zero. */
export interface PickedRow {
  readonly coordinates: TensorValue;
  readonly isThere: TensorValue;
}

/** Most rows that a loop over them is written out for. */
const MOST_ROWS = 512;

/** The rows of `nonzero(mask)` one by one, as a loop over them sees those that are there; undefined where there are too many. */
export function pickedRows(interpreter: Interpreter, mask: TensorValue): PickedRow[] | undefined {
  const { builder } = interpreter;
  const shape = shapeOf(interpreter, mask);
  const count = elementCount(shape);
  if (count > MOST_ROWS) return undefined;
  const flat = builder.cast(builder.reshape(mask, [count]), "bool");
  return Array.from({ length: count }, (_, row) => {
    const coordinates: number[] = [];
    let rest = row;
    for (const size of shape.toReversed()) {
      coordinates.unshift(rest % size);
      rest = Math.floor(rest / size);
    }
    const isThere = builder.node("Gather", [flat, builder.scalar(row, "int64")], { axis: 0 });
    return { coordinates: builder.ints(coordinates), isThere };
  });
}
