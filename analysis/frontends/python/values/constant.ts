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

/** Entries up to this number are computed together at the first look. */
const EAGER = 65536;

const computed = new WeakMap<LazyConstant, Float64Array>();

/** Remembers computed entries where that pays. `fill` computes all at once, where that is faster than one by one. */
export function lazy(shape: Shape, at: (index: number) => number, fill?: (into: Float64Array) => void): LazyConstant {
  const n = elementCount(shape);
  let data: Float64Array | undefined;
  const compute = (): Float64Array => {
    if (data) return data;
    data = new Float64Array(n);
    if (fill) fill(data);
    else for (let i = 0; i < n; i++) data[i] = at(i);
    return data;
  };
  const out: LazyConstant = {
    shape,
    at: n > EAGER ? (index) => (data ? data[index]! : at(index)) : (index) => compute()[index]!,
  };
  filling.set(out, compute);
  return out;
}

const filling = new WeakMap<LazyConstant, () => Float64Array>();

/** A constant that is the same everywhere. */
export function filledConstant(shape: Shape, value: number): LazyConstant {
  return { shape, at: () => value };
}

/** True on and below the diagonal of [rows, columns]: what causal attention sees. */
export function lowerTriangle(rows: number, columns: number): LazyConstant {
  return { shape: [rows, columns], at: (n) => (n % columns <= Math.floor(n / columns) ? 1 : 0) };
}

/** From computed entries. */
export function constantOf(tensor: Tensor): LazyConstant {
  const { data } = tensor;
  const out = { shape: tensor.shape, at: (i: number) => data[i]! };
  computed.set(out, data);
  return out;
}

/** All entries of a constant. */
function entriesOf(constant: LazyConstant): Float64Array {
  let data = computed.get(constant) ?? filling.get(constant)?.();
  if (!data) {
    const n = elementCount(constant.shape);
    data = new Float64Array(n);
    for (let i = 0; i < n; i++) data[i] = constant.at(i);
  }
  computed.set(constant, data);
  return data;
}

/** Computes all entries; undefined when there are too many. */
export function materialise(constant: LazyConstant, type: ElementType): Tensor | undefined {
  if (elementCount(constant.shape) > LARGEST_CONSTANT) return undefined;
  return { type, shape: [...constant.shape], data: entriesOf(constant) };
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

/** A strided look at a constant: entry (i, j, ...) is the constant's entry offset + i * steps[0] + j * steps[1] + ... */
export function stridedView(constant: LazyConstant, shape: Shape, offset: number, steps: readonly number[]): LazyConstant {
  const outStrides = strides(shape);
  const at = (index: number): number => {
    let rest = index;
    let flat = offset;
    for (let k = 0; k < outStrides.length; k++) {
      const q = Math.floor(rest / outStrides[k]!);
      flat += q * steps[k]!;
      rest -= q * outStrides[k]!;
    }
    return constant.at(flat);
  };
  const small = elementCount(constant.shape) <= LARGEST_CONSTANT;
  if (!small) return lazy(shape, at);
  return lazy(shape, at, (into) => {
    const source = elementCount(constant.shape) <= 4 * into.length ? entriesOf(constant) : undefined;
    const rank = shape.length;
    const index = new Int32Array(rank);
    let flat = offset;
    for (let i = 0; i < into.length; i++) {
      into[i] = source ? source[flat]! : constant.at(flat);
      for (let k = rank - 1; k >= 0; k--) {
        flat += steps[k]!;
        if (++index[k]! < shape[k]!) break;
        flat -= steps[k]! * shape[k]!;
        index[k] = 0;
      }
    }
  });
}

/** The same entries under another shape. */
export function reshapeConstant(constant: LazyConstant, shape: Shape): LazyConstant {
  const out = { shape, at: constant.at };
  filling.set(out, () => entriesOf(constant));
  return out;
}

/** Expands by broadcasting. */
export function expandConstant(constant: LazyConstant, shape: Shape): LazyConstant {
  const from = strides(constant.shape);
  const drop = shape.length - constant.shape.length;
  const steps = shape.map((_, i) => (i < drop || constant.shape[i - drop] === 1 ? 0 : from[i - drop]!));
  return stridedView(constant, shape, 0, steps);
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
  const [x, y] = same;
  const few = elementCount(shape) <= LARGEST_CONSTANT;
  // All at once, operand by operand: chains of functions of functions are slow.
  if (same.length === 1) {
    const fill = (into: Float64Array): void => {
      const a = entriesOf(x!);
      for (let i = 0; i < into.length; i++) into[i] = f(a[i]!);
    };
    return lazy(shape, (i) => f(x!.at(i)), few ? fill : undefined);
  }
  if (same.length === 2) {
    const fill = (into: Float64Array): void => {
      const [a, b] = [entriesOf(x!), entriesOf(y!)];
      for (let i = 0; i < into.length; i++) into[i] = f(a[i]!, b[i]!);
    };
    return lazy(shape, (i) => f(x!.at(i), y!.at(i)), few ? fill : undefined);
  }
  return lazy(shape, (i) => f(...same.map((o) => o.at(i))));
}
