/** @file Shapes of views, and axes in another order. */
import { elementCount } from "../../../../graph/tensor";
import { PythonError } from "../../evaluator/errors";
import type { TensorValue, Value } from "../../values/value";
import { axisOf, type Reader, shapeOf } from "../arguments";

/** Raises a RuntimeError about the number of entries. */
function raiseEntries(message: string, got: number, expected: number): never {
  throw new PythonError("RuntimeError", message, undefined, [{ got, expected, entries: true }]);
}

/** Resolves the one -1 of a target shape. Throws PythonError (RuntimeError) when the entries do not fit. */
export function resolveShape(from: readonly number[], target: readonly number[]): number[] {
  const n = elementCount(from);
  const known = target.reduce((m, d) => (d === -1 ? m : m * d), 1);
  if (target.includes(-1)) {
    if (known === 0 || n % known !== 0) {
      // One of the sizes that are written out is not that of the axis that it stands for.
      const foreign = from.filter((d) => !target.includes(d));
      const conflicts = foreign.flatMap((got) =>
        target.flatMap((t) => (t > 1 && !from.includes(t) ? [{ got, expected: t }] : [])),
      );
      throw new PythonError("RuntimeError", `shape [${target.join(", ")}] is invalid for ${n} entries`, undefined, conflicts);
    }
    return target.map((d) => (d === -1 ? n / known : d));
  }
  if (known !== n)
    raiseEntries(`shape [${target.join(", ")}] is invalid for ${n} entries (shape [${from.join(", ")}])`, n, known);
  return [...target];
}

/** `view` and `reshape`. */
export function viewed(a: Reader, target: readonly number[]): Value {
  const b = a.builder;
  const t = a.tensor("input");
  if (t.shape === undefined && !b.isOpen(t)) {
    const out = b.node("Reshape", [t, b.ints(target)]);
    return target.includes(-1) ? out : { ...out, shape: [...target] };
  }
  const shape = shapeOf(a.interpreter, t);
  const to = resolveShape(shape, target);
  const out = b.reshape(t, to);
  return asView(
    t,
    out,
    (base) => b.reshape(base, to),
    (base, value) => b.reshape(value, shapeOf(a.interpreter, base)),
  );
}

/** Links a moved tensor to the one it shares memory with. */
export function asView(
  base: TensorValue,
  out: TensorValue,
  read: (base: TensorValue) => TensorValue,
  write: (base: TensorValue, value: TensorValue) => TensorValue,
): TensorValue {
  return {
    ...out,
    parameter: undefined,
    view: { base, version: base.version, read: (_, t) => read(t), write: (_, t, value) => write(t, value) },
  };
}

/** A view with the axes in another order. */
export function permute(a: Reader, t: TensorValue, perm: readonly number[]): TensorValue {
  const b = a.builder;
  const inverse = perm.map((_, i) => perm.indexOf(i));
  const out = b.transpose(t, perm);
  return asView(
    t,
    out,
    (base) => b.transpose(base, perm),
    (_, value) => b.transpose(value, inverse),
  );
}

/** A tensor with two axes exchanged. */
export function swapAxes(a: Reader, p: number, q: number): Value {
  const t = a.tensor("input");
  if (t.shape === undefined) a.builder.needShape(t, { minimumRank: Math.max(p < 0 ? -p : p + 1, q < 0 ? -q : q + 1) });
  const rank = shapeOf(a.interpreter, t).length;
  const perm = Array.from({ length: rank }, (_, i) => i);
  const x = axisOf(p, rank);
  const y = axisOf(q, rank);
  perm[x] = y;
  perm[y] = x;
  return permute(a, t, perm);
}
