/** @file The equivariance column, by operator. An operator that is not here, after lowering, is opaque: it pins what it touches. */
import { type Node, numberAttribute, stringAttribute } from "../graph/graph";
import type { Tensor } from "../graph/tensor";
import { convAxes, convTransposeAxes, cropsAndResizes, einsumAxes, matMulAxes, poolAxes, resizeAxes } from "./axes/contraction";
import { argumentAxes, broadcastAxes, firstInputAxes, orderedAlong, reductionAxes, topKAxes } from "./axes/elementwise";
import { gatherElementsAxes, oneHotAxes, scatterElementsAxes } from "./axes/indexing";
import {
  concatAxes,
  depthToSpaceAxes,
  expandAxes,
  gatherAxes,
  padAxes,
  reshapeAxes,
  sliceAxes,
  spaceToDepthAxes,
  tileAxes,
  transposeAxes,
} from "./axes/movement";
import { parseEinsum } from "./einsum";
import type { Equivariance, Parity, SummedIndex, UnitPart, UnitRule } from "./equivariance";

const ZERO: UnitRule = { kind: "zero" };
const PASS: UnitRule = { kind: "pass" };
const EQUAL: UnitRule = { kind: "equal" };

/** A pointwise function of one tensor; `units` pass where it is positively homogeneous. */
function pointwise(parity: Parity, units: UnitRule = ZERO): Equivariance {
  return { axes: firstInputAxes, units, parity, glue: false };
}

/** A product of powers of broadcast tensors. */
function monomial(exponents: (node: Node) => readonly number[] | undefined): Equivariance {
  return { axes: broadcastAxes, units: { kind: "product", exponents }, parity: "units", glue: false };
}

/** A sum of broadcast tensors: linear. */
const SUM: Equivariance = { axes: broadcastAxes, units: EQUAL, parity: "units", glue: true };
/** Broadcast, and nothing passes but permutations. */
const RIGID: Equivariance = { axes: broadcastAxes, units: ZERO, parity: "none", glue: false };
/** The larger or smaller of broadcast tensors: positively homogeneous of degree one in all of them. */
const EXTREME: Equivariance = { axes: broadcastAxes, units: EQUAL, parity: "none", glue: false };

function movement(axes: Equivariance["axes"]): Equivariance {
  return { axes, units: PASS, parity: "units", glue: true };
}

function contraction(axes: Equivariance["axes"]): Equivariance {
  return { axes, units: { kind: "contraction" }, parity: "units", glue: false };
}

/** The axis of Softmax, from operator set 13 on. */
function sumsAlong(node: Node, [rank = 0]: readonly number[]): SummedIndex[] {
  const axis = numberAttribute(node, "axis", -1);
  return [[[0, axis < 0 ? axis + rank : axis]]];
}

/** Letters of an Einsum that the output does not have. */
function summedLetters(node: Node, ranks: readonly number[]): SummedIndex[] {
  const { inputs, output } = parseEinsum(stringAttribute(node, "equation", ""), ranks);
  const summed = new Set(inputs.flat().filter((l) => !output.includes(l)));
  return [...summed].map((l) =>
    inputs.flatMap((letters, i) => letters.flatMap((m, axis) => (m === l ? [[i, axis] as const] : []))),
  );
}

function reduction(factor: number, parity: Parity, glue: boolean): Equivariance {
  return { axes: reductionAxes, units: { kind: "reduction", factor }, parity, glue };
}

/** ONNX's codes of floating element types. */
const CAST_TO_FLOATING: ReadonlySet<number> = new Set([1, 10, 11, 16]);

function clipsSymmetrically(low: Tensor | undefined, high: Tensor | undefined): boolean {
  const [a, b] = [low?.data[0], high?.data[0]];
  return a !== undefined && b !== undefined && a === -b;
}

/** What is written and what was there have one scale where one takes the other's place, or both are added or compared. */
function scatterParts(node: Node): readonly UnitPart[] {
  const how = stringAttribute(node, "reduction", "none");
  if (how === "mul") return NOTHING_SCATTERED;
  return how === "max" || how === "min" ? BEST_SCATTERED : SCATTERED;
}

const SCATTERED: readonly UnitPart[] = [
  { kind: "equal", operands: [0, 1, 3] },
  { kind: "zero", operands: [2] },
];
const BEST_SCATTERED: readonly UnitPart[] = [
  { kind: "equal", operands: [0, 1, 3], field: "scales" },
  { kind: "zero", operands: [2], field: "scales" },
  { kind: "zero", operands: [0, 1, 2, 3], field: "signs" },
];
const NOTHING_SCATTERED: readonly UnitPart[] = [{ kind: "zero", operands: [0, 1, 2, 3] }];

/** Whether a Pad repeats entries of its input or adds zeros. */
function padsWithZeros(node: Node, constant: (input: number) => Tensor | undefined): boolean {
  if (stringAttribute(node, "mode", "constant") !== "constant") return true;
  if ((node.inputs[2] ?? "") === "") return numberAttribute(node, "value", 0) === 0;
  return constant(2)?.data.every((v) => v === 0) ?? false;
}

/** All primitives, by ONNX operator name. */
export const equivariances: Readonly<Record<string, Equivariance>> = {
  Identity: movement(firstInputAxes),
  // To whole numbers is rounding.
  Cast: { ...movement(firstInputAxes), holds: (node) => CAST_TO_FLOATING.has(numberAttribute(node, "to", 1)) },
  // To a floating type it vanishes in the normal form; otherwise it rounds.
  CastLike: pointwise("none"),
  Dropout: movement(firstInputAxes),
  Reshape: movement(reshapeAxes),
  Transpose: movement(transposeAxes),
  Slice: movement(sliceAxes),
  Concat: movement(concatAxes),
  Gather: movement(gatherAxes),
  GatherElements: { axes: gatherElementsAxes, units: { kind: "equal", inputs: [0] }, parity: "units", glue: false },
  ScatterElements: { axes: scatterElementsAxes, units: { kind: "parts", parts: scatterParts }, parity: "units", glue: false },
  OneHot: { axes: oneHotAxes, units: ZERO, parity: "none", glue: false },
  Expand: movement(expandAxes),
  Tile: movement(tileAxes),
  // Only a border of zeros scales along.
  Pad: { ...movement(padAxes), holds: padsWithZeros },
  DepthToSpace: movement(depthToSpaceAxes),
  SpaceToDepth: movement(spaceToDepthAxes),
  CumSum: movement(orderedAlong((c) => Array.from(c.constant(1)?.data ?? c.shape(0).map((_, i) => i)))),
  Trilu: movement(orderedAlong(() => [-1, -2])),
  Resize: { ...movement(resizeAxes), holds: (node) => !cropsAndResizes(node) },
  Upsample: movement(resizeAxes),

  Add: SUM,
  Sub: SUM,
  Sum: SUM,
  Mean: SUM,
  Where: { axes: broadcastAxes, units: { kind: "equal", inputs: [1, 2] }, parity: "units", glue: false },
  Max: EXTREME,
  Min: EXTREME,
  Mul: monomial(() => [1, 1]),
  Div: monomial(() => [1, -1]),
  Neg: { axes: firstInputAxes, units: PASS, parity: "units", glue: true },
  Sqrt: { axes: firstInputAxes, units: { kind: "product", exponents: () => [0.5] }, parity: "none", glue: false },
  Reciprocal: { axes: firstInputAxes, units: { kind: "product", exponents: () => [-1] }, parity: "odd", glue: false },
  // Its exponent must be a constant: inference reads it, see symmetry/units.
  Pow: { axes: broadcastAxes, units: { kind: "power" }, parity: "units", glue: false },

  Relu: pointwise("none", PASS),
  LeakyRelu: pointwise("none", PASS),
  PRelu: { axes: broadcastAxes, units: { kind: "slope" }, parity: "none", glue: false },
  Abs: pointwise("even", PASS),
  Sign: pointwise("odd"),
  Tanh: pointwise("odd"),
  Erf: pointwise("odd"),
  Sin: pointwise("odd"),
  Tan: pointwise("odd"),
  Asin: pointwise("odd"),
  Atan: pointwise("odd"),
  Sinh: pointwise("odd"),
  Asinh: pointwise("odd"),
  Atanh: pointwise("odd"),
  Softsign: pointwise("odd"),
  Shrink: pointwise("none"),
  Cos: pointwise("even"),
  Cosh: pointwise("even"),
  Acos: pointwise("none"),
  Acosh: pointwise("none"),
  Sigmoid: pointwise("none"),
  HardSigmoid: pointwise("none"),
  HardSwish: pointwise("none"),
  Mish: pointwise("none"),
  Swish: pointwise("none"),
  Gelu: pointwise("none"),
  Elu: pointwise("none"),
  Selu: pointwise("none"),
  Celu: pointwise("none"),
  Softplus: pointwise("none"),
  ThresholdedRelu: pointwise("none"),
  Exp: pointwise("none"),
  Log: pointwise("none"),
  Floor: pointwise("none"),
  Ceil: pointwise("none"),
  Round: pointwise("odd"),
  IsNaN: pointwise("none"),
  IsInf: pointwise("none"),
  Not: pointwise("none"),
  // Between bounds that mirror each other it is odd (hard tanh).
  Clip: { ...pointwise("odd"), holds: (_node, constant) => clipsSymmetrically(constant(1), constant(2)) },
  Softmax: { ...pointwise("none"), sums: sumsAlong },
  LogSoftmax: { ...pointwise("none"), sums: sumsAlong },
  Mod: RIGID,
  Equal: RIGID,
  Greater: RIGID,
  GreaterOrEqual: RIGID,
  Less: RIGID,
  LessOrEqual: RIGID,
  And: RIGID,
  Or: RIGID,
  Xor: RIGID,

  ReduceMean: reduction(1, "units", true),
  ReduceSum: reduction(1, "units", true),
  ReduceMax: reduction(1, "none", false),
  ReduceMin: reduction(1, "none", false),
  ReduceL1: reduction(1, "even", false),
  ReduceL2: reduction(1, "even", false),
  ReduceSumSquare: reduction(2, "even", false),
  ReduceLogSumExp: { axes: reductionAxes, units: ZERO, parity: "none", glue: false },
  ReduceProd: { axes: reductionAxes, units: ZERO, parity: "none", glue: false },
  ArgMax: { axes: argumentAxes, units: ZERO, parity: "none", glue: false },
  ArgMin: { axes: argumentAxes, units: ZERO, parity: "none", glue: false },
  TopK: { axes: topKAxes, units: PASS, parity: "none", glue: false },
  MaxPool: { axes: poolAxes, units: PASS, parity: "none", glue: false },
  GlobalMaxPool: { axes: poolAxes, units: PASS, parity: "none", glue: false },
  AveragePool: movement(poolAxes),
  GlobalAveragePool: movement(poolAxes),
  LpPool: { axes: poolAxes, units: PASS, parity: "even", glue: false },

  MatMul: {
    ...contraction(matMulAxes),
    sums: (_node, [a = 0, b = 0]) => [
      [
        [0, a - 1],
        [1, Math.max(0, b - 2)],
      ],
    ],
  },
  Einsum: { ...contraction(einsumAxes), sums: summedLetters },
  Conv: contraction(convAxes),
  ConvTranspose: contraction(convTransposeAxes),
};
