/**
 * @file Reverse mode for Jacobians with few rows per parameter: each operator's derivative as a sparse matrix, pulled back
 * from one output entry at a time. Nothing here knows single operators' formulas: sparse structures are probed through
 * the operators' own tangents, so that an operator still lives in one place.
 */
import type { Tensor } from "../../graph/tensor";
import { elementCount, strides } from "../../graph/tensor";
import type { Step } from "./network";

/** The derivative of a step's first output with respect to one of its inputs, at the point last prepared. */
export interface LocalDerivative {
  /** Looks at the values of a new point. */
  prepare(x: readonly (Tensor | undefined)[], y: Tensor): void;
  /** gx += D^T gy. */
  pull(gy: Float64Array, gx: Float64Array): void;
}

/** Functions applied entry by entry, broadcasting. */
const ELEMENTWISE: ReadonlySet<string> = new Set(
  (
    "Add Sub Mul Div Pow Max Min Neg Abs Sqrt Exp Log Reciprocal Relu LeakyRelu PRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish " +
    "Mish Swish Tanh Erf Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Softplus Softsign Gelu ThresholdedRelu Shrink Clip " +
    "Where Cast Identity Sum Mean"
  ).split(" "),
);
/** Linear in their data, with coefficients that no value changes (where their other inputs are constants). */
const LINEAR: ReadonlySet<string> = new Set(
  (
    "Reshape Transpose Slice Concat Gather Expand Pad Tile DepthToSpace SpaceToDepth Squeeze Unsqueeze Flatten ReduceSum ReduceMean " +
    "AveragePool GlobalAveragePool CumSum Trilu Resize Upsample"
  ).split(" "),
);
const BILINEAR: ReadonlySet<string> = new Set(["MatMul", "Einsum", "Conv", "ConvTranspose"]);

/** The derivative of a step with respect to input `operand`; `isConstant` tells which other inputs never change. */
export function localDerivative(step: Step, operand: number, isConstant: (operand: number) => boolean): LocalDerivative {
  const { operator } = step.node;
  const others = step.node.inputs.flatMap((name, k) => (k === operand || name === "" ? [] : [k]));
  if (ELEMENTWISE.has(operator)) return new Elementwise(step, operand);
  if (operator === "Concat") return new ProbedOnce(step, operand);
  if (LINEAR.has(operator) && others.every(isConstant)) return new ProbedOnce(step, operand);
  if (BILINEAR.has(operator) && step.node.inputs.length === 2 && operand < 2) return new Bilinear(step, operand);
  if (operator === "ReduceSumSquare") return new SumOfSquares(step, operand);
  if (operator === "Softmax") return new SoftmaxDerivative(step);
  return new ProbedEachTime(step, operand);
}

/** The tangent along one input only. */
function tangentAlong(
  step: Step,
  operand: number,
  x: readonly (Tensor | undefined)[],
  y: Tensor,
  direction: Float64Array,
): Tensor | undefined {
  const own = x[operand]!;
  const dx = x.map((_, k) => (k === operand ? { type: own.type, shape: own.shape, data: direction } : undefined));
  return step.operator.tangent?.(step.node, x, y, dx);
}

/** One number per output entry, and the input entry that it belongs to. */
class Elementwise implements LocalDerivative {
  private source: Int32Array | undefined;
  private slope: Float64Array | undefined;

  constructor(
    private readonly step: Step,
    private readonly operand: number,
  ) {}

  prepare(x: readonly (Tensor | undefined)[], y: Tensor): void {
    const own = x[this.operand]!;
    this.source ??= broadcastSource(own.shape, y.shape);
    this.slope = tangentAlong(this.step, this.operand, x, y, new Float64Array(own.data.length).fill(1))?.data;
  }

  pull(gy: Float64Array, gx: Float64Array): void {
    const { source, slope } = this;
    if (!slope || !source) return;
    for (let k = 0; k < gy.length; k++) {
      const g = gy[k]!;
      if (g !== 0) gx[source[k]!]! += g * slope[k]!;
    }
  }
}

/** For each entry of the broadcast shape, the entry of the operand that it reads. */
function broadcastSource(from: readonly number[], to: readonly number[]): Int32Array {
  const own = strides(from);
  const wide = strides(to);
  const out = new Int32Array(elementCount(to));
  const lead = to.length - from.length;
  for (let k = 0; k < out.length; k++) {
    let at = 0;
    for (let axis = Math.max(0, -lead); axis < from.length; axis++) {
      if (from[axis]! > 1) at += (Math.floor(k / wide[lead + axis]!) % to[lead + axis]!) * own[axis]!;
    }
    out[k] = at;
  }
  return out;
}

/** A sparse matrix by output entry. */
interface Sparse {
  readonly start: Int32Array;
  readonly source: Int32Array;
  readonly value: Float64Array;
}

/** The whole derivative, one tangent per input entry. */
function probe(step: Step, operand: number, x: readonly (Tensor | undefined)[], y: Tensor): Sparse {
  const direction = new Float64Array(x[operand]!.data.length);
  const rows: number[] = [];
  const columns: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < direction.length; i++) {
    direction[i] = 1;
    const data = tangentAlong(step, operand, x, y, direction)?.data;
    // Movement may hand the direction itself on: read before resetting it.
    for (let k = 0; data && k < data.length; k++) {
      if (data[k] === 0) continue;
      rows.push(k);
      columns.push(i);
      values.push(data[k]!);
    }
    direction[i] = 0;
  }
  const { start, order } = byRow(rows, y.data.length);
  return { start, source: Int32Array.from(order, (k) => columns[k]!), value: Float64Array.from(order, (k) => values[k]!) };
}

function byRow(rows: readonly number[], count: number): { readonly start: Int32Array; readonly order: Int32Array } {
  const start = new Int32Array(count + 1);
  for (const r of rows) start[r + 1]!++;
  for (let r = 0; r < count; r++) start[r + 1]! += start[r]!;
  const next = start.slice();
  const order = new Int32Array(rows.length);
  rows.forEach((r, k) => {
    order[next[r]!++] = k;
  });
  return { start, order };
}

function pullSparse({ start, source, value }: Sparse, gy: Float64Array, gx: Float64Array): void {
  for (let k = 0; k < gy.length; k++) {
    const g = gy[k]!;
    if (g === 0) continue;
    for (let e = start[k]!; e < start[k + 1]!; e++) gx[source[e]!]! += g * value[e]!;
  }
}

/** Derivatives that no value changes, by step and operand: many programs share the steps of a network. */
const probed = new WeakMap<Step, Map<number, Sparse>>();

function probeOnce(step: Step, operand: number, make: () => Sparse): Sparse {
  let known = probed.get(step);
  if (!known) {
    known = new Map();
    probed.set(step, known);
  }
  let sparse = known.get(operand);
  if (!sparse) {
    sparse = make();
    known.set(operand, sparse);
  }
  return sparse;
}

class ProbedOnce implements LocalDerivative {
  private sparse: Sparse | undefined;

  constructor(
    private readonly step: Step,
    private readonly operand: number,
  ) {}

  prepare(x: readonly (Tensor | undefined)[], y: Tensor): void {
    this.sparse ??= probeOnce(this.step, this.operand, () => probe(this.step, this.operand, x, y));
  }

  pull(gy: Float64Array, gx: Float64Array): void {
    if (this.sparse) pullSparse(this.sparse, gy, gx);
  }
}

class ProbedEachTime implements LocalDerivative {
  private sparse: Sparse | undefined;

  constructor(
    private readonly step: Step,
    private readonly operand: number,
  ) {}

  prepare(x: readonly (Tensor | undefined)[], y: Tensor): void {
    this.sparse = probe(this.step, this.operand, x, y);
  }

  pull(gy: Float64Array, gx: Float64Array): void {
    if (this.sparse) pullSparse(this.sparse, gy, gx);
  }
}

/** Which products of entries of the two operands each output entry sums. */
interface Products {
  readonly start: Int32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
}

/** y[k] = sum of left[i] * right[j]: the pairs do not change, the numbers do. */
class Bilinear implements LocalDerivative {
  private products: Products | undefined;
  private fallback: ProbedEachTime | undefined;
  private other: Float64Array | undefined;

  constructor(
    private readonly step: Step,
    private readonly operand: number,
  ) {}

  prepare(x: readonly (Tensor | undefined)[], y: Tensor): void {
    if (!this.products && !this.fallback) {
      this.products = productsOf(this.step, x, y);
      if (!this.products) this.fallback = new ProbedEachTime(this.step, this.operand);
    }
    this.fallback?.prepare(x, y);
    this.other = x[1 - this.operand]!.data;
  }

  pull(gy: Float64Array, gx: Float64Array): void {
    if (this.fallback) return this.fallback.pull(gy, gx);
    const { products, other } = this;
    if (!products || !other) return;
    const { start } = products;
    const own = this.operand === 0 ? products.left : products.right;
    const across = this.operand === 0 ? products.right : products.left;
    for (let k = 0; k < gy.length; k++) {
      const g = gy[k]!;
      if (g === 0) continue;
      for (let e = start[k]!; e < start[k + 1]!; e++) gx[own[e]!]! += g * other[across[e]!]!;
    }
  }
}

const productCache = new WeakMap<Step, Products | null>();

/**
 * The pairs, found by setting one operand to a unit vector and the other to its own indices: an output entry then shows which
 * entry it multiplies. Undefined where an output sums several entries for one of the other operand.
 */
function productsOf(step: Step, x: readonly (Tensor | undefined)[], y: Tensor): Products | undefined {
  const known = productCache.get(step);
  if (known !== undefined) return known ?? undefined;
  const found = findProducts(step, x, y);
  productCache.set(step, found ?? null);
  return found;
}

function findProducts(step: Step, x: readonly (Tensor | undefined)[], y: Tensor): Products | undefined {
  const [a, b] = [x[0]!, x[1]!];
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
  // Sums of indices would point at a wrong entry: the pairs have to reproduce the value.
  for (let k = 0; k < y.data.length; k++) {
    let sum = 0;
    let size = 0;
    for (let e = start[k]!; e < start[k + 1]!; e++) {
      const term = small.data[first[e]!]! * large.data[second[e]!]!;
      sum += term;
      size += Math.abs(term);
    }
    if (!(Math.abs(sum - y.data[k]!) <= 1e-9 * (size + 1e-300))) return undefined;
  }
  return probed === 0 ? { start, left: first, right: second } : { start, left: second, right: first };
}

/** D = 2 S diag(x), where S sums. */
class SumOfSquares implements LocalDerivative {
  private sums: Sparse | undefined;
  private x: Float64Array | undefined;

  constructor(
    private readonly step: Step,
    private readonly operand: number,
  ) {}

  prepare(x: readonly (Tensor | undefined)[], y: Tensor): void {
    const own = x[this.operand]!;
    if (!this.sums) {
      const ones = { type: own.type, shape: own.shape, data: new Float64Array(own.data.length).fill(1) };
      const at = x.map((t, k) => (k === this.operand ? ones : t));
      this.sums = probeOnce(this.step, this.operand, () => probe(this.step, this.operand, at, y));
    }
    this.x = own.data;
  }

  pull(gy: Float64Array, gx: Float64Array): void {
    const { sums, x } = this;
    if (!sums || !x) return;
    for (let k = 0; k < gy.length; k++) {
      const g = gy[k]!;
      if (g === 0) continue;
      for (let e = sums.start[k]!; e < sums.start[k + 1]!; e++) gx[sums.source[e]!]! += g * sums.value[e]! * x[sums.source[e]!]!;
    }
  }
}

/** gx = y (gy - <gy, y>) along the axis. */
class SoftmaxDerivative implements LocalDerivative {
  private y: Tensor | undefined;

  constructor(private readonly step: Step) {}

  prepare(_x: readonly (Tensor | undefined)[], y: Tensor): void {
    this.y = y;
  }

  pull(gy: Float64Array, gx: Float64Array): void {
    const { shape, data } = this.y!;
    const given = this.step.node.attributes.axis;
    const axis = typeof given === "number" ? (given < 0 ? given + shape.length : given) : shape.length - 1;
    const length = shape[axis]!;
    const inner = elementCount(shape.slice(axis + 1));
    for (let base = 0; base < data.length; base += length * inner) {
      for (let i = 0; i < inner; i++) {
        let sum = 0;
        for (let k = 0; k < length; k++) sum += gy[base + i + k * inner]! * data[base + i + k * inner]!;
        for (let k = 0; k < length; k++) {
          const at = base + i + k * inner;
          gx[at]! += data[at]! * (gy[at]! - sum);
        }
      }
    }
  }
}
