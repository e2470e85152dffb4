/**
 * @file Composite operators taken whole. The normal form lowers them, which tells every engine all there is to know of them and
 * makes two to ten nodes of each. In graphs of tens of thousands of nodes, where only permutations and scales are looked
 * for, the frequent ones stay as they are, with the rules that their lowering amounts to. `symmetry/whole.test.ts`
 * compares the two on every model there is.
 */
import type { Axis, AxisRuleContext } from "../graph/axes";
import { type Node, numberAttribute, stringAttribute } from "../graph/graph";
import type { Shape, TensorType } from "../graph/tensor";
import { convAxes } from "./axes/contraction";
import { type Equivariance, NO_OPERAND, type UnitPart } from "./equivariance";

/** What is known of a node when it is decided whether it stays whole. */
export interface WholeContext {
  /** The type of an input; undefined where there are fewer. */
  input(index: number): TensorType | undefined;
  /** Whether anybody reads an output. */
  isUsed(output: number): boolean;
  readonly opset: number;
}

/** How a composite operator is taken whole. */
export interface Whole {
  /** The node in the one form that the rules speak of; undefined where it has to be lowered. */
  keep(node: Node, context: WholeContext): Node | undefined;
  readonly equivariance: Equivariance;
}

/** Positions of the output and the first inputs among operands. */
const [OUT, X, GAIN, BIAS, MEAN, VARIANCE] = [0, 1, 2, 3, 4, 5] as const;

const AFFINE: readonly UnitPart[] = [
  { kind: "contraction", operands: [OUT, 1, 2] },
  { kind: "equal", operands: [OUT, BIAS] },
];

/** Gain and bias of what is standardised: its scale is gone, its sign is not. */
const GAIN_AND_BIAS: readonly UnitPart[] = [
  { kind: "equal", operands: [OUT, GAIN, BIAS], field: "scales" },
  { kind: "product", operands: [OUT, X, GAIN], field: "signs" },
  { kind: "equal", operands: [OUT, BIAS], field: "signs" },
];

const BATCH_STATISTICS: readonly UnitPart[] = [{ kind: "within", operands: [GAIN, X] }, ...GAIN_AND_BIAS];
const LAYER_STATISTICS: readonly UnitPart[] = [{ kind: "within", operands: [NO_OPERAND, X] }, ...GAIN_AND_BIAS];
/** What is subtracted and divided by is given: none of it scales. */
const GIVEN_STATISTICS: readonly UnitPart[] = [
  { kind: "zero", operands: [X] },
  { kind: "zero", operands: [MEAN] },
  { kind: "zero", operands: [VARIANCE] },
  { kind: "equal", operands: [OUT, GAIN, BIAS] },
];

const parts = (of: (node: Node) => readonly UnitPart[]): Equivariance["units"] => ({ kind: "parts", parts: of });

const isTraining = (node: Node): boolean => numberAttribute(node, "training_mode", 0) === 1;

/** Whether a value is a vector of n entries. */
function isVector(shape: Shape | undefined, n: number | undefined): boolean {
  return shape?.length === 1 && shape[0] === n;
}

/** The bias of a contraction: a vector with an entry for each output, or none. */
function hasPlainBias({ inputs }: Node, { input }: WholeContext, outputs: number | undefined): boolean {
  return (inputs[2] ?? "") === "" || isVector(input(2)?.shape, outputs);
}

function unifyBias(context: AxisRuleContext, outputs: Axis): void {
  if (!context.absent(2)) context.unify(outputs, context.input(2)[0]!);
}

/** Gemm: x [N, K] times a matrix [K, M], or [M, K] with transB, plus a bias [M]. */
const gemm: Whole = {
  keep(node, context) {
    const is = (name: string, value: number, otherwise: number) => numberAttribute(node, name, otherwise) === value;
    const plain = is("alpha", 1, 1) && is("beta", 1, 1) && is("transA", 0, 0);
    const matrix = context.input(1)?.shape;
    const outputs = matrix?.[is("transB", 0, 0) ? 1 : 0];
    return plain && matrix?.length === 2 && hasPlainBias(node, context, outputs) ? node : undefined;
  },
  equivariance: {
    axes(context) {
      const [rows, inner] = context.input(0) as [Axis, Axis];
      const matrix = context.input(1);
      const from = numberAttribute(context.node, "transB", 0) === 0 ? 0 : 1;
      context.unify(inner, matrix[from]!);
      unifyBias(context, matrix[1 - from]!);
      context.output([rows, matrix[1 - from]!]);
    },
    units: parts(() => AFFINE),
    parity: "units",
    glue: false,
  },
};

/** Conv of one group with a bias [O]. */
const convolution: Whole = {
  keep(node, context) {
    const kernel = context.input(1)?.shape;
    const isPlain = numberAttribute(node, "group", 1) === 1 && stringAttribute(node, "auto_pad", "NOTSET") === "NOTSET";
    return isPlain && (node.inputs[2] ?? "") !== "" && hasPlainBias(node, context, kernel?.[0]) ? node : undefined;
  },
  equivariance: {
    axes(context) {
      unifyBias(context, context.input(1)[0]!);
      convAxes(context);
    },
    units: parts(() => AFFINE),
    parity: "units",
    glue: false,
  },
};

/** BatchNormalization of x [N, C, ..]: by the statistics of the batch, or by given ones. */
const batchNorm: Whole = {
  keep(node, { input, isUsed, opset }) {
    const shape = input(0)?.shape;
    if (shape === undefined || shape.length < 2 || node.inputs.length !== 5 || numberAttribute(node, "spatial", 1) !== 1)
      return undefined;
    for (let k = 1; k < 5; k++) if (!isVector(input(k)?.shape, shape[1])) return undefined;
    if (node.outputs.some((_, k) => k > 0 && isUsed(k))) return undefined;
    const training = opset < 14 ? (node.outputs[1] ?? "") !== "" : isTraining(node);
    const inputs = training ? [...node.inputs.slice(0, 3), "", ""] : node.inputs;
    return { ...node, inputs, outputs: node.outputs.slice(0, 1), attributes: { training_mode: training ? 1 : 0 } };
  },
  equivariance: {
    axes(context) {
      const axes = context.input(0);
      for (let i = 1; i < 5; i++) if (!context.absent(i)) context.unify(axes[1]!, context.input(i)[0]!);
      context.output(axes);
    },
    units: parts((node) => (isTraining(node) ? BATCH_STATISTICS : GIVEN_STATISTICS)),
    parity: "units",
    glue: false,
  },
};

/** LayerNormalization of x over its last axes, with gain and bias of their shape. */
const layerNorm: Whole = {
  keep(node, { input, isUsed }) {
    const [x, gain, bias] = [input(0)?.shape, input(1)?.shape, input(2)?.shape];
    const axis = numberAttribute(node, "axis", -1);
    const normalised = x?.slice(axis);
    if (!normalised || normalised.length === 0 || node.outputs.some((_, k) => k > 0 && isUsed(k))) return undefined;
    const fits = (shape: Shape | undefined) => shape?.length === normalised.length && shape.every((n, i) => n === normalised[i]);
    return fits(gain) && fits(bias) ? { ...node, outputs: node.outputs.slice(0, 1) } : undefined;
  },
  equivariance: {
    axes(context) {
      const axes = context.input(0);
      for (const i of [1, 2]) {
        const own = context.input(i);
        own.forEach((axis, k) => context.unify(axes[axes.length - own.length + k]!, axis));
      }
      context.output(axes);
    },
    units: parts(() => LAYER_STATISTICS),
    parity: "units",
    glue: false,
    sums: (node, [rank = 0]) => {
      const axis = numberAttribute(node, "axis", -1);
      const first = axis < 0 ? axis + rank : axis;
      return Array.from({ length: rank - first }, (_, k) => [[0, first + k]]);
    },
  },
};

/** Whether a node that stayed whole forgets the scale of its input, but for its epsilon. */
export function standardises(node: Node): boolean {
  return (
    node.domain === "" && (node.operator === "LayerNormalization" || (node.operator === "BatchNormalization" && isTraining(node)))
  );
}

/** The composite operators that may stay whole, by ONNX operator name. */
const WHOLE: Readonly<Record<string, Whole>> = {
  Gemm: gemm,
  Conv: convolution,
  BatchNormalization: batchNorm,
  LayerNormalization: layerNorm,
};

/** How an operator is taken whole; undefined for those that never are. */
export function wholeOf({ operator, domain }: Pick<Node, "operator" | "domain">): Whole | undefined {
  return domain === "" && Object.hasOwn(WHOLE, operator) ? WHOLE[operator] : undefined;
}

/** The node as it stays whole, undefined where it has to be lowered. */
export function keptWhole(node: Node, context: WholeContext): Node | undefined {
  return wholeOf(node)?.keep(node, context);
}
