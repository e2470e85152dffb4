/** @file Channels last in Keras and Flax, channels first in ONNX: transposes around the operators that care. */
import type { Interpreter } from "../evaluator/interpreter";
import type { TensorValue } from "../values/value";

/** Which value each transposed value was made from, and how; so that going back gives the original. */
const sources = new WeakMap<
  Interpreter,
  Map<string, { readonly source: TensorValue; readonly perm: readonly number[]; readonly version: number }>
>();

/** A transposed tensor; the original where this undoes an earlier transpose. */
export function transposed(interpreter: Interpreter, x: TensorValue, perm: readonly number[]): TensorValue {
  if (perm.every((p, i) => p === i)) return x;
  let known = sources.get(interpreter);
  if (!known) {
    known = new Map();
    sources.set(interpreter, known);
  }
  const b = interpreter.builder;
  const name = b.nameOf(x);
  const before = known.get(name);
  if (before && before.source.version === before.version && perm.every((p, i) => before.perm[p] === i)) return before.source;
  const out = b.transpose(x, perm);
  if (out.value !== "") known.set(out.value, { source: x, perm, version: x.version });
  return out;
}

/** Moves the given axis behind the batch. */
export function channelsFirst(interpreter: Interpreter, x: TensorValue, axis = -1): TensorValue {
  const rank = x.shape?.length ?? 0;
  const at = axis < 0 ? axis + rank : axis;
  const rest = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== 0 && i !== at);
  return rank < 3 ? x : transposed(interpreter, x, [0, at, ...rest]);
}

/** Undoes `channelsFirst` for the same axis. */
export function channelsBack(interpreter: Interpreter, x: TensorValue, axis = -1): TensorValue {
  const rank = x.shape?.length ?? 0;
  const at = axis < 0 ? axis + rank : axis;
  if (rank < 3) return x;
  const rest = Array.from({ length: rank - 2 }, (_, i) => i + 2);
  return transposed(interpreter, x, [0, ...rest.slice(0, at - 1), 1, ...rest.slice(at - 1)]);
}

/** Pads of "same" as TensorFlow and XLA have it: what the stride leaves over is split, the larger half behind. */
export function samePads(
  sizes: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): { readonly before: number[]; readonly after: number[] } {
  const total = sizes.map((n, i) => {
    const reach = (kernel[i]! - 1) * dilations[i]! + 1;
    return Math.max((Math.ceil(n / strides[i]!) - 1) * strides[i]! + reach - n, 0);
  });
  const before = total.map((t) => Math.floor(t / 2));
  return { before, after: total.map((t, i) => t - before[i]!) };
}
