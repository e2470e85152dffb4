/** @file Which entries of its operands a product of tensors multiplies: pairs that no value changes. */
import type { Tensor } from "../../graph/tensor";
import type { Step } from "./network";
import { broadcastSource, byRow } from "./sparse";

/** Which products of entries of the two operands each output entry sums. */
export interface Products {
  readonly start: Int32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
}

const productCache = new WeakMap<Step, Products | null>();

/**
 * The pairs, found by setting one operand to a unit vector and the other to its own indices: an output entry then shows which
 * entry it multiplies. Undefined where an output sums several entries for one of the other operand.
 */
export function productsOf(step: Step, x: readonly (Tensor | undefined)[], y: Tensor): Products | undefined {
  const known = productCache.get(step);
  if (known !== undefined) return known ?? undefined;
  const found = findProducts(step, x, y);
  productCache.set(step, found ?? null);
  return found;
}

function findProducts(step: Step, x: readonly (Tensor | undefined)[], y: Tensor): Products | undefined {
  const [a, b] = [x[0]!, x[1]!];
  const known = step.node.operator === "MatMul" ? ofMatrices(a, b, y) : undefined;
  if (known && reproduces(known, a, b, y)) return known;
  const probed = a.data.length <= b.data.length ? 0 : 1;
  const [small, large] = probed === 0 ? [a, b] : [b, a];
  const unit = new Float64Array(small.data.length);
  const coded = { type: large.type, shape: large.shape, data: Float64Array.from(large.data, (_, i) => i + 1) };
  const rows: number[] = [];
  const inSmall: number[] = [];
  const inLarge: number[] = [];
  for (let i = 0; i < unit.length; i++) {
    unit[i] = 1;
    const one = { type: small.type, shape: small.shape, data: unit };
    const out = step.operator.evaluate(step.node, probed === 0 ? [one, coded] : [coded, one])[0]!.data;
    unit[i] = 0;
    for (let k = 0; k < out.length; k++) {
      if (out[k] === 0) continue;
      rows.push(k);
      inSmall.push(i);
      inLarge.push(out[k]! - 1);
    }
  }
  const { start, order } = byRow(rows, y.data.length);
  const first = Int32Array.from(order, (k) => inSmall[k]!);
  const second = Int32Array.from(order, (k) => inLarge[k]!);
  const products = probed === 0 ? { start, left: first, right: second } : { start, left: second, right: first };
  // Sums of indices would point at a wrong entry.
  return reproduces(products, a, b, y) ? products : undefined;
}

/** Whether the pairs have the value that the operator found. */
function reproduces({ start, left, right }: Products, a: Tensor, b: Tensor, y: Tensor): boolean {
  for (let k = 0; k < y.data.length; k++) {
    let sum = 0;
    let size = 0;
    for (let e = start[k]!; e < start[k + 1]!; e++) {
      const term = a.data[left[e]!]! * b.data[right[e]!]!;
      sum += term;
      size += Math.abs(term);
    }
    if (!(Math.abs(sum - y.data[k]!) <= 1e-9 * (size + 1e-300))) return false;
  }
  return true;
}

/** The pairs of a product of matrices, stacked and broadcast: found by probing, they would cost a product for each entry. */
function ofMatrices(a: Tensor, b: Tensor, y: Tensor): Products | undefined {
  if (a.shape.length < 2 || b.shape.length < 2) return undefined;
  const [m, n, p] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  const stack = y.shape.slice(0, -2);
  const [inA, inB] = [a, b].map((t) => broadcastSource(t.shape.slice(0, -2), stack)) as [Int32Array, Int32Array];
  const count = y.data.length * n;
  const [start, left, right] = [new Int32Array(y.data.length + 1), new Int32Array(count), new Int32Array(count)];
  let at = 0;
  for (let k = 0; k < y.data.length; k++) {
    const j = k % p;
    const i = Math.floor(k / p) % m;
    const s = Math.floor(k / (p * m));
    for (let e = 0; e < n; e++) {
      left[at] = (inA[s]! * m + i) * n + e;
      right[at++] = (inB[s]! * n + e) * p + j;
    }
    start[k + 1] = at;
  }
  return { start, left, right };
}
