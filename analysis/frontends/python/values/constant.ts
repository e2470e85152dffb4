/**
 * @file Tensors whose entries are known, as functions of the index. Masks, position indices and frequency tables are
 * often declared large (a 1,024 x 1,024 causal mask) and read small, so nothing is computed before it is needed.
 */
import { type ElementType, elementCount, type Shape, strides, type Tensor } from "../../../graph/tensor";

/** Entries by row-major index. */
export interface LazyConstant {
  readonly shape: Shape;
  readonly at: (index: number) => number;
}

/** Constants with more entries than this are never computed; they become frozen buffers of unknown content. */
export const LARGEST_CONSTANT = 1 << 20;

/** Remembers computed entries where that pays. */
export function lazy(shape: Shape, at: (index: number) => number): LazyConstant {
  const n = elementCount(shape);
  if (n > 65536) return { shape, at };
  let cache: Float64Array | undefined;
  return {
    shape,
    at: (index) => {
      if (!cache) {
        cache = new Float64Array(n);
        for (let i = 0; i < n; i++) cache[i] = at(i);
      }
      return cache[index]!;
    },
  };
}

export function filledConstant(shape: Shape, value: number): LazyConstant {
  return { shape, at: () => value };
}

/** From computed entries. */
export function constantOf(tensor: Tensor): LazyConstant {
  const { data } = tensor;
  return { shape: tensor.shape, at: (i) => data[i]! };
}

/** Computes all entries; undefined when there are too many. */
export function materialise(constant: LazyConstant, type: ElementType): Tensor | undefined {
  const n = elementCount(constant.shape);
  if (n > LARGEST_CONSTANT) return undefined;
  const data = new Float64Array(n);
  for (let i = 0; i < n; i++) data[i] = constant.at(i);
  return { type, shape: [...constant.shape], data };
}

/** The shape that two shapes broadcast to; undefined when they do not. */
export function broadcastShapes(a: Shape, b: Shape): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    out.push(x === 1 ? y : x);
  }
  return out;
}

/** Views a constant through a map of multi-indices. `source(out)` gives the multi-index to read. */
export function reindex(constant: LazyConstant, shape: Shape, source: (out: number[]) => number[]): LazyConstant {
  const outStrides = strides(shape);
  const inStrides = strides(constant.shape);
  return lazy(shape, (index) => {
    const out: number[] = [];
    let rest = index;
    for (const s of outStrides) {
      const q = s === 0 ? 0 : Math.floor(rest / s);
      out.push(q);
      rest -= q * s;
    }
    const at = source(out);
    let flat = 0;
    for (let i = 0; i < at.length; i++) flat += at[i]! * inStrides[i]!;
    return constant.at(flat);
  });
}

/** The same entries under another shape. */
export function reshapeConstant(constant: LazyConstant, shape: Shape): LazyConstant {
  return { shape, at: constant.at };
}

/** Expands by broadcasting. */
export function expandConstant(constant: LazyConstant, shape: Shape): LazyConstant {
  const drop = shape.length - constant.shape.length;
  return reindex(constant, shape, (out) => constant.shape.map((d, i) => (d === 1 ? 0 : out[i + drop]!)));
}

/** Applies a function entry by entry to constants of broadcastable shapes. */
export function mapConstants(operands: readonly LazyConstant[], f: (...x: number[]) => number): LazyConstant | undefined {
  let shape: readonly number[] = [];
  for (const o of operands) {
    const s = broadcastShapes(shape, o.shape);
    if (!s) return undefined;
    shape = s;
  }
  const same = operands.map((o) =>
    o.shape.length === shape.length && o.shape.every((d, i) => d === shape[i]) ? o : expandConstant(o, shape),
  );
  if (same.length === 1) return lazy(shape, (i) => f(same[0]!.at(i)));
  if (same.length === 2) return lazy(shape, (i) => f(same[0]!.at(i), same[1]!.at(i)));
  return lazy(shape, (i) => f(...same.map((o) => o.at(i))));
}
