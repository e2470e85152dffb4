/**
 * @file Operators that are made of others and have no family of their own: losses, control flow, and what ONNX Runtime
 * fuses (domain com.microsoft).
 */
import { formalInputs, type Graph, type Node, numberAttribute, numbersAttribute, stringAttribute } from "../graph/graph";
import type { Shape, TensorType } from "../graph/tensor";
import { contractionOperators } from "./contraction";
import { convolutionOperators } from "./convolution";
import { lowerFusedGemm, lowerFusedMatMul } from "./lower/contraction";
import * as control from "./lower/control-flow";
import { lowerFusedConv } from "./lower/convolution";
import { lowerGelu, lowerQuickGelu } from "./lower/elementwise";
import * as fused from "./lower/fused";
import * as loss from "./lower/loss";
import { lowerTrilu } from "./lower/movement";
import { lowerDequantizeLinear, lowerQuantizeLinear } from "./lower/quantization";
import type { InferenceContext, Operator } from "./operator";
import { generatingOperators } from "./generating";
import { quantizationOperators } from "./quantization";

const UNKNOWN: TensorType = { type: "other", shape: undefined };

/** A standard operator of another family. */
function entryOf(family: readonly Operator[], name: string): Operator {
  const entry = family.find((o) => o.name === name);
  if (entry === undefined) throw new Error(`the operator table has no ${name}`);
  return entry;
}

/** The rule of a standard operator of another family. */
const ruleOf = (family: readonly Operator[], name: string): Operator["infer"] => entryOf(family, name).infer;

const inferConv = ruleOf(convolutionOperators, "Conv");
const inferGemm = ruleOf(contractionOperators, "Gemm");
const inferMatMul = ruleOf(contractionOperators, "MatMul");

const likeInput: Operator["infer"] = (node, { inputs }) => node.outputs.map(() => inputs[0] ?? UNKNOWN);

function inferLoss(node: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const scores = inputs[0] ?? UNKNOWN;
  const labels = inputs[1]?.shape;
  const reduced = stringAttribute(node, "reduction", "mean") !== "none";
  return [{ type: scores.type, shape: reduced ? [] : labels }, scores].slice(0, node.outputs.length);
}

/** The shape with its axes permuted as transposed operands of FusedMatMul are stored. */
function storedShape(node: Node, shape: Shape | undefined, side: "A" | "B"): Shape | undefined {
  if (shape === undefined || shape.length < 2) return shape;
  const rank = shape.length;
  let axes = shape.map((_, i) => i);
  if (numberAttribute(node, `transBatch${side}`, 0) === 1) axes = [...axes.slice(1, rank - 1), 0, rank - 1];
  if (numberAttribute(node, `trans${side}`, 0) === 1) axes = [...axes.slice(0, -2), axes[rank - 1]!, axes[rank - 2]!];
  return axes.map((a) => shape[a]!);
}

function inferFusedMatMul(node: Node, context: InferenceContext): readonly TensorType[] {
  const inputs = context.inputs.map((t, i): TensorType => ({ ...t, shape: storedShape(node, t.shape, i === 0 ? "A" : "B") }));
  return inferMatMul(node, { inputs: inputs.slice(0, 2), opset: context.opset, constant: () => undefined });
}

function inferChannelsLastConv(node: Node, context: InferenceContext): readonly TensorType[] {
  const x = context.inputs[0] ?? UNKNOWN;
  if (x.shape === undefined) return [UNKNOWN];
  const moved = [x.shape[0]!, x.shape[x.shape.length - 1]!, ...x.shape.slice(1, -1)];
  const inputs = [{ type: x.type, shape: moved }, ...context.inputs.slice(1, 3)];
  const y = inferConv(node, { inputs, opset: context.opset, constant: (i) => context.constant(i) })[0] ?? UNKNOWN;
  if (y.shape === undefined) return [y];
  return [{ type: y.type, shape: [y.shape[0]!, ...y.shape.slice(2), y.shape[1]!] }];
}

function inferGemmFastGelu(node: Node, context: InferenceContext): readonly TensorType[] {
  const inputs = context.inputs.slice(0, 2);
  return inferMatMul(node, { inputs, opset: context.opset, constant: () => undefined });
}

function inferSplitGelu(_: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const x = inputs[0] ?? UNKNOWN;
  if (x.shape === undefined) return [x];
  const width = x.shape[x.shape.length - 1] ?? 1;
  if (width % 2 !== 0) throw new Error(`BiasSplitGelu: the last axis has ${width} entries, which cannot be halved`);
  return [{ type: x.type, shape: [...x.shape.slice(0, -1), width / 2] }];
}

function inferEmbedding(_: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const [table, indices] = inputs;
  const known = table?.shape !== undefined && indices?.shape !== undefined;
  return [{ type: table?.type ?? "other", shape: known ? [...indices.shape, ...table.shape.slice(1)] : undefined }];
}

function inferExpandDims(_: Node, context: InferenceContext): readonly TensorType[] {
  const x = context.inputs[0] ?? UNKNOWN;
  const given = context.constant(1)?.data[0];
  if (x.shape === undefined || given === undefined) return [{ type: x.type, shape: undefined }];
  const axis = given < 0 ? given + x.shape.length + 1 : given;
  return [{ type: x.type, shape: [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)] }];
}

/** Output types on which both branches agree. */
function inferIf(node: Node): readonly TensorType[] {
  const [yes, no] = ["then_branch", "else_branch"].map((name) => outputTypes(node.attributes[name] as Graph | undefined));
  return node.outputs.map((_, i) => {
    const [a, b] = [yes?.[i], no?.[i]];
    if (a === undefined || b === undefined) return a ?? b ?? UNKNOWN;
    const same = a.shape !== undefined && b.shape !== undefined && String(a.shape) === String(b.shape);
    return { type: a.type, shape: same ? a.shape : undefined };
  });
}

function outputTypes(graph: Graph | undefined): readonly TensorType[] | undefined {
  return graph?.outputs.map((o) => graph.types.get(o) ?? UNKNOWN);
}

/** What a loop returns is known once it is unrolled; until then only element types are. */
function inferLoop(node: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const body = outputTypes(node.attributes["body"] as Graph | undefined) ?? [];
  return node.outputs.map((_, i) => ({ type: body[i + 1]?.type ?? inputs[i + 2]?.type ?? "other", shape: undefined }));
}

/** States keep their types; collected outputs are those of the body with an axis as long as the sequences are. */
function inferScan(node: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const body = outputTypes(node.attributes["body"] as Graph | undefined) ?? [];
  const sequences = numberAttribute(node, "num_scan_inputs", 0);
  const states = formalInputs(node).length - sequences;
  const first = inputs[states]?.shape;
  const at = numbersAttribute(node, "scan_input_axes")?.[0] ?? 0;
  const steps = first?.[at < 0 ? at + first.length : at];
  return node.outputs.map((_, i): TensorType => {
    const type = body[i]?.type ?? inputs[i]?.type ?? "other";
    if (i < states) return { type, shape: inputs[i]?.shape };
    const each = body[i]?.shape;
    if (each === undefined || steps === undefined) return { type, shape: undefined };
    const given = numbersAttribute(node, "scan_output_axes")?.[i - states] ?? 0;
    const axis = given < 0 ? given + each.length + 1 : given;
    return { type, shape: [...each.slice(0, axis), steps, ...each.slice(axis)] };
  });
}

const standard: readonly Operator[] = [
  { name: "SoftmaxCrossEntropyLoss", infer: inferLoss, lower: loss.lowerSoftmaxCrossEntropyLoss },
  { name: "NegativeLogLikelihoodLoss", infer: inferLoss, lower: loss.lowerNegativeLogLikelihoodLoss },
  { name: "If", infer: inferIf, lower: control.lowerIf },
  { name: "Loop", infer: inferLoop, lower: control.lowerLoop },
  { name: "Scan", infer: inferScan, lower: control.lowerScan },
];

const trilu = entryOf(generatingOperators, "Trilu");

const microsoft: readonly Operator[] = [
  // The standard operators as they were before the standard had them.
  { ...trilu, lower: lowerTrilu },
  { ...entryOf(quantizationOperators, "QuantizeLinear"), lower: lowerQuantizeLinear },
  { ...entryOf(quantizationOperators, "DequantizeLinear"), lower: lowerDequantizeLinear },
  { name: "FusedMatMul", infer: inferFusedMatMul, lower: lowerFusedMatMul },
  { name: "TransposeMatMul", infer: inferFusedMatMul, lower: lowerFusedMatMul },
  { name: "FusedMatMulActivation", infer: inferFusedMatMul, lower: fused.lowerFusedMatMulActivation },
  { name: "FusedGemm", infer: inferGemm, lower: lowerFusedGemm },
  { name: "GemmFastGelu", infer: inferGemmFastGelu, lower: fused.lowerGemmFastGelu },
  { name: "FusedConv", infer: inferConv, lower: lowerFusedConv },
  { name: "NhwcConv", infer: inferChannelsLastConv, lower: fused.lowerChannelsLastConv },
  { name: "NhwcFusedConv", infer: inferChannelsLastConv, lower: fused.lowerChannelsLastConv },
  { name: "Gelu", infer: likeInput, lower: lowerGelu },
  { name: "QuickGelu", infer: likeInput, lower: lowerQuickGelu },
  { name: "BiasGelu", infer: likeInput, lower: fused.lowerBiasGelu },
  { name: "FastGelu", infer: likeInput, lower: fused.lowerFastGelu },
  { name: "BiasSplitGelu", infer: inferSplitGelu, lower: fused.lowerBiasSplitGelu },
  { name: "BiasAdd", infer: likeInput, lower: fused.lowerBiasAdd },
  { name: "BiasDropout", infer: likeInput, lower: fused.lowerBiasAdd },
  { name: "BiasSoftmax", infer: likeInput, lower: fused.lowerBiasSoftmax },
  { name: "TorchEmbedding", infer: inferEmbedding, lower: fused.lowerTorchEmbedding },
  { name: "ExpandDims", infer: inferExpandDims, lower: fused.lowerExpandDims },
];

/** Composite operators without a family of their own. */
export const compositeOperators: readonly Operator[] = [
  ...standard,
  ...microsoft.map((entry) => ({ ...entry, domain: "com.microsoft" })),
];
