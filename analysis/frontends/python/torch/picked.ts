/** @file Positions that a mask picks: how many there are depends on the data, so a number of our own stands for it. */
import type { Interpreter } from "../evaluator/interpreter";
import type { TensorValue } from "../values/value";
import { shapeOf } from "./arguments";

/**
 * Index tensors, one per axis of the mask, of shape [n]: n is the mask's first size. They are opaque, so that they pin
 * what the mask is made of; what is read and written at them is followed as it is at any other indices.
 */
export function pickedIndices(interpreter: Interpreter, mask: TensorValue): TensorValue[] {
  const shape = shapeOf(interpreter, mask);
  const n = Math.max(1, shape[0] ?? 1);
  interpreter.calls++;
  interpreter.noteOpaque("nonzero", "which entries a mask picks, and how many, depends on the data");
  return shape.map(() => interpreter.builder.opaque("nonzero", [mask], { type: "int64", shape: [n] }));
}
