/** @file Products of stacks of matrices with broadcast batch axes, as numpy.matmul. */
import { type Shape, type Tensor, elementCount } from "../../graph/tensor";
import { multiplyAdd } from "./matrix";
import { broadcastStrides } from "./strided";

/** How two shapes multiply; matrices of 1-D operands have the added axis of size 1. */
export interface MatMulShapes {
  readonly output: number[];
  /** Batch axes of the output. */
  readonly batch: number[];
  readonly aBatch: readonly number[];
  readonly bBatch: readonly number[];
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/** Shapes of A B by numpy.matmul's rules. Throws Error when the inner sizes or batch axes do not fit. */
export function matmulShapes(a: Shape, b: Shape, label = "MatMul"): MatMulShapes {
  if (a.length === 0 || b.length === 0) throw new Error(`${label}: a scalar cannot be multiplied as a matrix`);
  const left = a.length === 1 ? [1, a[0]!] : a;
  const right = b.length === 1 ? [b[0]!, 1] : b;
  const m = left[left.length - 2]!;
  const k = left[left.length - 1]!;
  const n = right[right.length - 1]!;
  if (right[right.length - 2] !== k) {
    throw new Error(
      `${label}: inner sizes ${k} and ${right[right.length - 2]} differ (shapes [${a.join(", ")}] and [${b.join(", ")}])`,
    );
  }
  const aBatch = left.slice(0, -2);
  const bBatch = right.slice(0, -2);
  const batch: number[] = [];
  const rank = Math.max(aBatch.length, bBatch.length);
  for (let axis = 0; axis < rank; axis++) {
    const p = aBatch[axis - rank + aBatch.length] ?? 1;
    const q = bBatch[axis - rank + bBatch.length] ?? 1;
    if (p !== q && p !== 1 && q !== 1) {
      throw new Error(
        `${label}: batch axes of shapes [${a.join(", ")}] and [${b.join(", ")}] cannot be broadcast (sizes ${p} and ${q})`,
      );
    }
    batch.push(p === 1 ? q : p);
  }
  const output = [...batch];
  if (a.length > 1) output.push(m);
  if (b.length > 1) output.push(n);
  return { output, batch, aBatch, bBatch, m, k, n };
}

/** numpy.matmul(a, b). */
export function matmul(a: Tensor, b: Tensor): Tensor {
  const { output, batch, aBatch, bBatch, m, k, n } = matmulShapes(a.shape, b.shape);
  const data = new Float64Array(elementCount(output));
  // One matrix on the right for all batches: the batches are further rows.
  if (elementCount(bBatch) === 1 && elementCount(aBatch) === elementCount(batch)) {
    multiplyAdd(elementCount(batch) * m, k, n, a.data, 0, k, b.data, 0, n, data, 0, n);
    return { type: a.type, shape: output, data };
  }
  const count = elementCount(batch);
  const aSteps = broadcastStrides(aBatch, batch);
  const bSteps = broadcastStrides(bBatch, batch);
  const counter = new Int32Array(batch.length);
  let p = 0;
  let q = 0;
  for (let at = 0; at < count; at++) {
    multiplyAdd(m, k, n, a.data, p * m * k, k, b.data, q * k * n, n, data, at * m * n, n);
    for (let axis = batch.length - 1; axis >= 0; axis--) {
      p += aSteps[axis]!;
      q += bSteps[axis]!;
      if (++counter[axis]! < batch[axis]!) break;
      counter[axis] = 0;
      p -= aSteps[axis]! * batch[axis]!;
      q -= bSteps[axis]! * batch[axis]!;
    }
  }
  return { type: a.type, shape: output, data };
}
