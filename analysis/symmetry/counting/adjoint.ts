/**
 * @file Reverse mode for Jacobians with few rows per parameter: each operator's derivative as a sparse matrix, pulled back
 * from a panel of output entries at a time. Nothing here knows single operators' formulas: sparse structures are probed through
 * the operators' own tangents, so that an operator still lives in one place.
 */
import { elementCount, type Tensor } from "../../graph/tensor";
import type { Step } from "./network";
import { type Products, productsOf } from "./products";
import { broadcastSource, PANEL, pullSparse, type Sparse, sparseOf, tangentAlong } from "./sparse";

/** The derivative of a step's first output with respect to one of its inputs, at the point last prepared. */
export interface LocalDerivative {
  /** Looks at the values of a new point. */
  prepare(x: readonly (Tensor | undefined)[], y: Tensor): void;
  /** gx += D^T gy for `PANEL` vectors at once, whose entries stand side by side: entry k of vector r at PANEL k + r. */
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
/** Those of them whose slopes no value changes. */
const EVEN: ReadonlySet<string> = new Set(["Add", "Sub", "Neg", "Cast", "Identity", "Sum", "Mean"]);
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
  /** Undefined where every entry belongs to the one in the same place. */
  private source: Int32Array | undefined;
  private slope: Float64Array | undefined;

  constructor(
    private readonly step: Step,
    private readonly operand: number,
  ) {}

  prepare(x: readonly (Tensor | undefined)[], y: Tensor): void {
    if (this.slope && EVEN.has(this.step.node.operator)) return;
    const own = x[this.operand]!;
    if (own.data.length < y.data.length) this.source ??= broadcastSource(own.shape, y.shape);
    this.slope = tangentAlong(this.step, this.operand, x, y, new Float64Array(own.data.length).fill(1))?.data;
  }

  pull(gy: Float64Array, gx: Float64Array): void {
    const { source, slope } = this;
    if (!slope) return;
    for (let k = 0, at = 0; at < gy.length; k++, at += PANEL) {
      const a = gy[at]!;
      const b = gy[at + 1]!;
      const c = gy[at + 2]!;
      const d = gy[at + 3]!;
      if (a === 0 && b === 0 && c === 0 && d === 0) continue;
      const to = source ? PANEL * source[k]! : at;
      const v = slope[k]!;
      gx[to]! += a * v;
      gx[to + 1]! += b * v;
      gx[to + 2]! += c * v;
      gx[to + 3]! += d * v;
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
    for (let k = 0, at = 0; at < gy.length; k++, at += PANEL) {
      const a = gy[at]!;
      const b = gy[at + 1]!;
      const c = gy[at + 2]!;
      const d = gy[at + 3]!;
      if (a === 0 && b === 0 && c === 0 && d === 0) continue;
      const end = start[k + 1]!;
      for (let e = start[k]!; e < end; e++) {
        const to = PANEL * own[e]!;
        const v = other[across[e]!]!;
        gx[to]! += a * v;
        gx[to + 1]! += b * v;
        gx[to + 2]! += c * v;
        gx[to + 3]! += d * v;
      }
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
    for (let k = 0, at = 0; at < gy.length; k++, at += PANEL) {
      const a = gy[at]!;
      const b = gy[at + 1]!;
      const c = gy[at + 2]!;
      const d = gy[at + 3]!;
      if (a === 0 && b === 0 && c === 0 && d === 0) continue;
      for (let e = sums.start[k]!; e < sums.start[k + 1]!; e++) {
        const from = sums.source[e]!;
        const v = sums.value[e]! * x[from]!;
        gx[PANEL * from]! += a * v;
        gx[PANEL * from + 1]! += b * v;
        gx[PANEL * from + 2]! += c * v;
        gx[PANEL * from + 3]! += d * v;
      }
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
        for (let r = 0; r < PANEL; r++) {
          let sum = 0;
          for (let k = 0, at = base + i; k < length; k++, at += inner) sum += gy[PANEL * at + r]! * data[at]!;
          for (let k = 0, at = base + i; k < length; k++, at += inner)
            gx[PANEL * at + r]! += data[at]! * (gy[PANEL * at + r]! - sum);
        }
      }
    }
  }
}
