/**
 * @file Normalisations: shape rules, values, and the primitives they are made of. Operators of the standard domain (ONNX
 * opset 9 to 23) and those that ONNX Runtime fuses (domain com.microsoft).
 */
import { type Node, numberAttribute, numbersAttribute } from "../graph/graph";
import { elementCount, isFloating, type TensorType } from "../graph/tensor";
import * as kernels from "./kernels/normalization";
import * as lower from "./lower/normalization";
import type { InferenceContext, Operator } from "./operator";

const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

const UNKNOWN: TensorType = { type: "other", shape: undefined };

/** Outputs like input 0; the parameters (if named) must have as many entries as axis 1 of it. */
function inferLikeInput(perChannel: readonly number[] = []): Operator["infer"] {
  return (node, { inputs }) => {
    const x = inputs[0] ?? UNKNOWN;
    for (const i of perChannel) checkChannels(node, x, inputs[i], i);
    return node.outputs.map(() => x);
  };
}

/** Outputs like input 0, whose axes must be there. */
function inferOverAxes(axesOf: (node: Node) => readonly number[]): Operator["infer"] {
  return (node, { inputs }) => {
    const x = inputs[0] ?? UNKNOWN;
    const rank = x.shape?.length;
    const outside = rank === undefined ? undefined : axesOf(node).find((a) => a < -rank || a >= rank);
    if (outside !== undefined) throw new Error(`${node.operator}: axis ${outside} is outside of a tensor with ${rank} axes`);
    return [x];
  };
}

function checkChannels(node: Node, x: TensorType, p: TensorType | undefined, index: number): void {
  if (x.shape === undefined || p?.shape === undefined || x.shape.length < 2) return;
  if (elementCount(p.shape) !== x.shape[1]) {
    throw new Error(`${node.operator}: input ${index} has ${elementCount(p.shape)} entries for ${x.shape[1]} channels`);
  }
}

/** Gains and shifts are one per group (opset 18) or one per channel. */
function inferGroupNormalization(node: Node, { inputs, opset }: InferenceContext): readonly TensorType[] {
  const x = inputs[0] ?? UNKNOWN;
  const groups = numberAttribute(node, "num_groups", 1);
  const channels = x.shape?.[1];
  if (channels === undefined) return [x];
  if (groups < 1 || channels % groups !== 0) {
    throw new Error(`GroupNormalization: ${groups} groups do not divide ${channels} channels`);
  }
  for (const [i, p] of inputs.slice(1, 3).entries()) {
    const fits = p.shape === undefined || p.shape[0] === channels || (opset < 21 && p.shape[0] === groups);
    if (!fits || (p.shape?.length ?? 1) !== 1) {
      const wanted = opset < 21 ? `[${groups}] or [${channels}]` : `[${channels}]`;
      throw new Error(`GroupNormalization: input ${i + 1} has shape [${p.shape?.join(", ")}], expected ${wanted}`);
    }
  }
  return [x];
}

function inferBatchNormalization(node: Node, context: InferenceContext): readonly TensorType[] {
  const x = context.inputs[0] ?? UNKNOWN;
  for (const i of [1, 2, 3, 4]) checkChannels(node, x, context.inputs[i], i);
  const statistics = context.inputs[3] ?? UNKNOWN;
  return node.outputs.map((_, i) => (i === 0 ? x : statistics));
}

/** Gains, shifts and skips broadcast to x, never the other way round. */
function checkBroadcast(node: Node, x: TensorType | undefined, p: TensorType, index: number): void {
  if (x?.shape === undefined || p.shape === undefined) return;
  const offset = x.shape.length - p.shape.length;
  if (offset >= 0 && p.shape.every((d, i) => d === 1 || d === x.shape![i + offset])) return;
  throw new Error(
    `${node.operator}: input ${index} of shape [${p.shape.join(", ")}] does not broadcast to [${x.shape.join(", ")}]`,
  );
}

const axisAttribute = (node: Node): number => numberAttribute(node, "axis", -1);

/** Output 0 like x; mean and inverse deviation with the normalised axes at size 1; output 3 (if any) like x. */
function inferOverTrailingAxes(axisOf: (node: Node) => number): Operator["infer"] {
  return (node, { inputs }) => {
    inputs.slice(1).forEach((p, i) => checkBroadcast(node, inputs[0], p, i + 1));
    const x = inputs[0] ?? UNKNOWN;
    if (x.shape === undefined) return node.outputs.map(() => x);
    const rank = x.shape.length;
    const axis = positive(axisOf(node), rank);
    if (axis < 0 || axis >= rank) throw new Error(`${node.operator}: axis ${axis} is outside of rank ${rank}`);
    const kept = { type: isFloating(x.type) ? x.type : "float32", shape: x.shape.map((d, i) => (i < axis ? d : 1)) } as const;
    return node.outputs.map((_, i) => (i === 0 || i === 3 ? x : kept));
  };
}

function inferEmbedLayerNormalization(_: Node, { inputs }: InferenceContext): readonly TensorType[] {
  const ids = inputs[0]?.shape;
  const table = inputs[2];
  const shape = ids && table?.shape ? [...ids, table.shape[table.shape.length - 1]!] : undefined;
  const mask: TensorType = { type: "int32", shape: ids?.slice(0, 1) };
  return [{ type: table?.type ?? "other", shape }, mask, { type: table?.type ?? "other", shape }];
}

const simplified: Omit<Operator, "domain"> = {
  name: "SimplifiedLayerNormalization",
  infer: inferOverTrailingAxes(axisAttribute),
  evaluate: kernels.evaluateRmsNormalization,
  lower: lower.lowerRmsNormalization,
};

const MICROSOFT = "com.microsoft";

/** Normalisation of whole numbers is a mistake of the model, not an operator. */
function ofFloating(entry: Operator): Operator {
  if (entry.name === "EmbedLayerNormalization") return entry; // its first input are token numbers
  const infer: Operator["infer"] = (node, context) => {
    const type = context.inputs[0]?.type ?? "other";
    if (type !== "other" && !isFloating(type)) throw new Error(`${node.operator}: input 0 is ${type}, not a floating type`);
    return entry.infer(node, context);
  };
  return { ...entry, infer };
}

const entries: readonly Operator[] = [
  {
    name: "BatchNormalization",
    infer: inferBatchNormalization,
    evaluate: kernels.evaluateBatchNormalization,
    lower: lower.lowerBatchNormalization,
  },
  {
    name: "InstanceNormalization",
    infer: inferLikeInput([1, 2]),
    evaluate: kernels.evaluateInstanceNormalization,
    lower: lower.lowerInstanceNormalization,
  },
  {
    name: "GroupNormalization",
    infer: inferGroupNormalization,
    evaluate: kernels.evaluateGroupNormalization,
    lower: lower.lowerGroupNormalization,
  },
  {
    name: "LayerNormalization",
    infer: inferOverTrailingAxes(axisAttribute),
    evaluate: kernels.evaluateLayerNormalization,
    lower: lower.lowerLayerNormalization,
  },
  {
    name: "RMSNormalization",
    infer: inferOverTrailingAxes(axisAttribute),
    evaluate: kernels.evaluateRmsNormalization,
    lower: lower.lowerRmsNormalization,
  },
  {
    name: "LpNormalization",
    infer: inferOverAxes((node) => [numberAttribute(node, "axis", -1)]),
    evaluate: kernels.evaluateLpNormalization,
    lower: lower.lowerLpNormalization,
  },
  {
    name: "MeanVarianceNormalization",
    infer: inferOverAxes((node) => numbersAttribute(node, "axes") ?? [0, 2, 3]),
    evaluate: kernels.evaluateMeanVarianceNormalization,
    lower: lower.lowerMeanVarianceNormalization,
  },
  // Local response normalisation mixes neighbouring channels: no permutation passes, so it stays opaque.
  { name: "LRN", infer: inferLikeInput(), lower: lower.lowerLocalResponseNormalization },
  // ONNX Runtime writes this one into the standard domain as well.
  simplified,
  { ...simplified, domain: MICROSOFT },
  {
    name: "SkipLayerNormalization",
    domain: MICROSOFT,
    infer: inferOverTrailingAxes(() => -1),
    evaluate: kernels.evaluateSkip(false),
    lower: lower.lowerSkipLayerNormalization,
  },
  {
    name: "SkipSimplifiedLayerNormalization",
    domain: MICROSOFT,
    infer: inferOverTrailingAxes(() => -1),
    evaluate: kernels.evaluateSkip(true),
    lower: lower.lowerSkipSimplifiedLayerNormalization,
  },
  {
    name: "EmbedLayerNormalization",
    domain: MICROSOFT,
    infer: inferEmbedLayerNormalization,
    lower: lower.lowerEmbedLayerNormalization,
  },
  { name: "GroupNorm", domain: MICROSOFT, infer: inferLikeInput(), lower: lower.lowerGroupNorm },
  { name: "SkipGroupNorm", domain: MICROSOFT, infer: inferLikeInput(), lower: lower.lowerSkipGroupNorm },
];

/** All normalisations of the operator table. */
export const normalizationOperators: readonly Operator[] = entries.map(ofFloating);
