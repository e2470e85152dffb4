/**
 * @file Reverse mode for Jacobians with few rows per parameter: each operator's derivative as a sparse matrix, pulled back
 * from one output entry at a time. Nothing here knows single operators' formulas: sparse structures are probed through
 * the operators' own tangents, so that an operator still lives in one place.
 */
import { elementCount, type Tensor } from "../../graph/tensor";
import type { Step } from "./network";
import { type Products, productsOf } from "./products";
import { broadcastSource, pullSparse, type Sparse, sparseOf, tangentAlong } from "./sparse";

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
    this.sparse ??= probeOnce(this.step, this.operand, () => sparseOf(this.step, this.operand, x, y));
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
    this.sparse = sparseOf(this.step, this.operand, x, y);
  }

  pull(gy: Float64Array, gx: Float64Array): void {
    if (this.sparse) pullSparse(this.sparse, gy, gx);
  }
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
      this.sums = probeOnce(this.step, this.operand, () => sparseOf(this.step, this.operand, at, y));
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
