/**
 * @file Operators on known entries, computed lazily, so that a large mask that is read small costs nothing. What is not
 * here is computed by the operator table's own `evaluate` when it is small enough.
 */
import type { Attribute } from "../../../graph/graph";
import { elementCount, strides } from "../../../graph/tensor";
import { expandConstant, type LazyConstant, mapConstants, reshapeConstant, stridedView } from "../values/constant";

const b = (x: boolean): number => (x ? 1 : 0);

/** Operators that act entry by entry. */
const POINTWISE: Readonly<Record<string, (...x: number[]) => number>> = {
  Add: (x, y) => x! + y!,
  Sub: (x, y) => x! - y!,
  Mul: (x, y) => x! * y!,
  Pow: (x, y) => x! ** y!,
  Neg: (x) => -x!,
  Abs: (x) => Math.abs(x!),
  Sqrt: (x) => Math.sqrt(x!),
  Exp: (x) => Math.exp(x!),
  Log: (x) => Math.log(x!),
  Sin: (x) => Math.sin(x!),
  Cos: (x) => Math.cos(x!),
  Floor: (x) => Math.floor(x!),
  Ceil: (x) => Math.ceil(x!),
  Reciprocal: (x) => 1 / x!,
  Equal: (x, y) => b(x === y),
  Less: (x, y) => b(x! < y!),
  LessOrEqual: (x, y) => b(x! <= y!),
  Greater: (x, y) => b(x! > y!),
  GreaterOrEqual: (x, y) => b(x! >= y!),
  Not: (x) => b(!x),
  And: (x, y) => b(x !== 0 && y !== 0),
  Or: (x, y) => b(x !== 0 || y !== 0),
  Xor: (x, y) => b((x !== 0) !== (y !== 0)),
  Where: (c, x, y) => (c ? x! : y!),
  Max: (...x) => Math.max(...x),
  Min: (...x) => Math.min(...x),
};

function ints(constant: LazyConstant | undefined): number[] | undefined {
  return constant ? Array.from({ length: elementCount(constant.shape) }, (_, i) => constant.at(i)) : undefined;
}

function list(attribute: Attribute | undefined): readonly number[] | undefined {
  return Array.isArray(attribute) && attribute.every((v) => typeof v === "number") ? (attribute as number[]) : undefined;
}

/**
 * The value of an operator whose inputs are all known, as a lazy constant; undefined where there is no lazy rule.
 * `integer` says whether Div truncates; `shape` is the output's shape as the operator table infers it.
 */
export function foldLazily(
  operator: string,
  inputs: readonly (LazyConstant | undefined)[],
  attributes: Readonly<Record<string, Attribute>>,
  shape: readonly number[] | undefined,
  integer: boolean,
): LazyConstant | undefined {
  const present = inputs.filter((i) => i !== undefined);
  const [x, second, third] = inputs;
  const pointwise = POINTWISE[operator];
  if (pointwise) return mapConstants(present, pointwise);
  if (operator === "Div") {
    return mapConstants(present, integer ? (p, q) => Math.trunc(p! / q!) : (p, q) => p! / q!);
  }
  if (!x || !shape) return undefined;
  switch (operator) {
    case "Identity":
      return x;
    case "Reshape":
    case "Squeeze":
    case "Unsqueeze":
    case "Flatten":
      return reshapeConstant(x, shape);
    case "Expand":
      return expandConstant(x, shape);
    case "Transpose": {
      const perm = list(attributes["perm"]) ?? x.shape.map((_, i) => x.shape.length - 1 - i);
      const from = strides(x.shape);
      return stridedView(
        x,
        shape,
        0,
        perm.map((p) => from[p]!),
      );
    }
    case "Trilu": {
      const k = second?.at(0) ?? 0;
      const upper = attributes["upper"] !== 0;
      const rank = shape.length;
      const columns = shape[rank - 1]!;
      const rows = shape[rank - 2]!;
      return {
        shape,
        at: (i) => {
          const column = i % columns;
          const row = Math.floor(i / columns) % rows;
          return (upper ? column - row >= k : column - row <= k) ? x.at(i) : 0;
        },
      };
    }
    case "Slice": {
      const starts = ints(second);
      const ends = ints(third);
      if (!starts || !ends) return undefined;
      const axes = ints(inputs[3]) ?? starts.map((_, i) => i);
      const steps = ints(inputs[4]) ?? starts.map(() => 1);
      const from = x.shape.map(() => 0);
      const by = x.shape.map(() => 1);
      axes.forEach((axis, i) => {
        const a = axis < 0 ? axis + x.shape.length : axis;
        const size = x.shape[a]!;
        const step = steps[i]!;
        const start = starts[i]! < 0 ? starts[i]! + size : starts[i]!;
        from[a] = step > 0 ? Math.min(Math.max(start, 0), size) : Math.min(Math.max(start, -1), size - 1);
        by[a] = step;
      });
      const step = strides(x.shape);
      return stridedView(
        x,
        shape,
        from.reduce((n, f, i) => n + f * step[i]!, 0),
        by.map((b, i) => b * step[i]!),
      );
    }
    default:
      return undefined;
  }
}
