/**
 * @file Normalisations as the linear maps, sums of squares, scalar functions and products that they are made of. In this
 * form no engine has to recognise a norm: what it forgets (a shift, a scale) follows from its parts.
 */
import { numberAttribute, numbersAttribute } from "../../graph/graph";
import { elementCount, tensor } from "../../graph/tensor";
import type { Lowering } from "../operator";
import {
  input,
  outputs,
  perChannel,
  plus,
  positive,
  range,
  reduce,
  reshape,
  scalarLike,
  scaled,
  shapeOf,
  shifted,
  slice,
  wants,
} from "./build";

/** sqrt(mean of squares of x over the axes + epsilon), the axes kept with size 1. */
function rootMeanSquare(l: Lowering, x: string, axes: readonly number[], epsilon: number): string {
  return l.add("Sqrt", [shifted(l, meanSquare(l, x, axes), epsilon)]);
}

/** The mean of squares of x over the axes, the axes kept with size 1. */
function meanSquare(l: Lowering, x: string, axes: readonly number[]): string {
  const shape = shapeOf(l, x) ?? [];
  const count = elementCount(axes.map((a) => shape[a] ?? 1));
  return scaled(l, reduce(l, "ReduceSumSquare", x, axes), 1 / count);
}

interface Standardised {
  readonly mean: string;
  readonly deviation: string;
  readonly value: string;
}

/** (x - mean) / sqrt(variance + epsilon) over the axes. */
function standardise(l: Lowering, x: string, axes: readonly number[], epsilon: number): Standardised {
  const mean = reduce(l, "ReduceMean", x, axes);
  const centred = l.add("Sub", [x, mean]);
  const deviation = rootMeanSquare(l, centred, axes, epsilon);
  return { mean, deviation, value: l.add("Div", [centred, deviation]) };
}

/** value * gain + shift, either of which may be absent. */
function affine(l: Lowering, value: string, gain: string | undefined, shift: string | undefined): string {
  return plus(l, gain === undefined ? value : l.add("Mul", [value, gain]), shift);
}

/**
 * BatchNormalization: by batch statistics over all axes but 1 in training, by the given ones otherwise. Up to opset 13
 * training is told by the presence of further outputs, later by `training_mode`.
 */
export function lowerBatchNormalization(l: Lowering): readonly string[] | undefined {
  const [x, scale, shift, mean, variance] = l.node.inputs;
  const shape = shapeOf(l, x);
  if (!x || !scale || !shift || !mean || !variance || !shape || shape.length < 2) return undefined;
  if (numberAttribute(l.node, "spatial", 1) !== 1) return undefined;
  const epsilon = numberAttribute(l.node, "epsilon", 1e-5);
  const rank = shape.length;
  const channel = (p: string) => perChannel(l, p, rank);
  const training = l.opset < 14 ? wants(l, 1) : numberAttribute(l.node, "training_mode", 0) === 1;
  if (!training) {
    const centred = l.add("Sub", [x, channel(mean)]);
    const deviation = l.add("Sqrt", [shifted(l, channel(variance), epsilon)]);
    return outputs(l, () => affine(l, l.add("Div", [centred, deviation]), channel(scale), channel(shift)));
  }
  const axes = [0, ...range(2, rank)];
  const s = standardise(l, x, axes, epsilon);
  const momentum = numberAttribute(l.node, "momentum", 0.9);
  const running = (old: string, batch: string) =>
    l.add("Add", [scaled(l, old, momentum), scaled(l, reshape(l, batch, [shape[1]!]), 1 - momentum)]);
  const batchVariance = () => meanSquare(l, l.add("Sub", [x, s.mean]), axes);
  return outputs(
    l,
    () => affine(l, s.value, channel(scale), channel(shift)),
    () => running(mean, s.mean),
    () => running(variance, batchVariance()),
    () => reshape(l, s.mean, [shape[1]!]),
    () => reshape(l, batchVariance(), [shape[1]!]),
  );
}

/** InstanceNormalization: over the spatial axes, per example and channel. */
export function lowerInstanceNormalization(l: Lowering): readonly string[] | undefined {
  const [x, scale, shift] = l.node.inputs;
  const shape = shapeOf(l, x);
  if (!x || !scale || !shift || !shape || shape.length < 3) return undefined;
  const s = standardise(l, x, range(2, shape.length), numberAttribute(l.node, "epsilon", 1e-5));
  return [affine(l, s.value, perChannel(l, scale, shape.length), perChannel(l, shift, shape.length))];
}

/** GroupNormalization: over the channels of a group and the spatial axes; gains per group (opset 18) or channel (21). */
export function lowerGroupNormalization(l: Lowering): readonly string[] | undefined {
  const [x, scale, shift] = l.node.inputs;
  const shape = shapeOf(l, x);
  const groups = numberAttribute(l.node, "num_groups", 0);
  const gains = shapeOf(l, scale)?.[0];
  if (!x || !scale || !shift || !shape || shape.length < 2 || gains === undefined) return undefined;
  const [batch, channels, ...space] = shape as [number, number, ...number[]];
  if (groups < 1 || channels % groups !== 0) return undefined;
  const grouped = reshape(l, x, [batch, groups, channels / groups, ...space]);
  const rank = shape.length + 1;
  const s = standardise(l, grouped, range(2, rank), numberAttribute(l.node, "epsilon", 1e-5));
  const perGroup = l.opset < 21 && gains === groups && gains !== channels;
  if (perGroup) {
    const value = affine(l, s.value, perChannel(l, scale, rank), perChannel(l, shift, rank));
    return [reshape(l, value, shape)];
  }
  const value = reshape(l, s.value, shape);
  return [affine(l, value, perChannel(l, scale, shape.length), perChannel(l, shift, shape.length))];
}

/** com.microsoft GroupNorm: the same on [N, H, W, C] (or [N, C, H, W]), optionally followed by SiLU. */
export function lowerGroupNorm(l: Lowering): readonly string[] | undefined {
  const y = groupNorm(l, input(l, 0));
  return y === undefined ? undefined : [y];
}

/** SkipGroupNorm: GroupNorm of x + skip + bias; the skip may be one number per channel, and the sum is the second output. */
export function lowerSkipGroupNorm(l: Lowering): readonly string[] | undefined {
  const [x, skip, bias] = [input(l, 0), input(l, 3), input(l, 4)];
  const [shape, given] = [shapeOf(l, x), shapeOf(l, skip)];
  if (!x || !skip || !shape || !given || shape.length !== 4 || numberAttribute(l.node, "channels_last", 1) !== 1)
    return undefined;
  const [batch, , , channels] = shape as [number, number, number, number];
  const wide = given.length === 2 ? reshape(l, skip, [batch, 1, 1, channels]) : skip;
  const sum = plus(l, l.add("Add", [x, wide]), bias);
  const y = groupNorm(l, sum);
  return y === undefined ? undefined : [y, sum].slice(0, l.node.outputs.length);
}

function groupNorm(l: Lowering, x: string | undefined): string | undefined {
  const [, gamma, beta] = l.node.inputs;
  const shape = shapeOf(l, x);
  const groups = numberAttribute(l.node, "groups", 0);
  const last = numberAttribute(l.node, "channels_last", 1) === 1;
  if (!x || !gamma || !beta || !shape || shape.length < 3 || groups < 1) return undefined;
  const rank = shape.length;
  const axis = last ? rank - 1 : 1;
  const channels = shape[axis]!;
  if (channels % groups !== 0) return undefined;
  const split = [...shape.slice(0, axis), groups, channels / groups, ...shape.slice(axis + 1)];
  const axes = range(1, rank + 1).filter((a) => a !== axis);
  const s = standardise(l, reshape(l, x, split), axes, numberAttribute(l.node, "epsilon", 1e-5));
  const flat = reshape(l, s.value, shape);
  const y = affine(l, flat, perChannel(l, gamma, rank, axis), perChannel(l, beta, rank, axis));
  return numberAttribute(l.node, "activation", 0) === 1 ? l.add("Mul", [y, l.add("Sigmoid", [y])]) : y;
}

/** LayerNormalization over the axes from `axis` on; mean and inverse deviation on request. */
export function lowerLayerNormalization(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (!x || !shape) return undefined;
  const axis = positive(numberAttribute(l.node, "axis", -1), shape.length);
  const s = standardise(l, x, range(axis, shape.length), numberAttribute(l.node, "epsilon", 1e-5));
  return outputs(
    l,
    () => affine(l, s.value, input(l, 1), input(l, 2)),
    () => s.mean,
    () => l.add("Reciprocal", [s.deviation]),
  );
}

/** RMSNormalization, and SimplifiedLayerNormalization which is its older name in ONNX Runtime. */
export function lowerRmsNormalization(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (!x || !shape) return undefined;
  const axis = positive(numberAttribute(l.node, "axis", -1), shape.length);
  const deviation = rootMeanSquare(l, x, range(axis, shape.length), numberAttribute(l.node, "epsilon", 1e-5));
  return outputs(
    l,
    () => affine(l, l.add("Div", [x, deviation]), input(l, 1), undefined),
    () => l.add("Reciprocal", [deviation]),
  );
}

/** SkipLayerNormalization: layer norm of input + skip + bias; the sum itself is output 3. */
export function lowerSkipLayerNormalization(l: Lowering): readonly string[] | undefined {
  const [x, skip] = l.node.inputs;
  const shape = shapeOf(l, x);
  if (!x || !skip || !shape) return undefined;
  const sum = plus(l, l.add("Add", [x, skip]), input(l, 4));
  const s = standardise(l, sum, [shape.length - 1], numberAttribute(l.node, "epsilon", 1e-12));
  return outputs(
    l,
    () => affine(l, s.value, input(l, 2), input(l, 3)),
    () => s.mean,
    () => l.add("Reciprocal", [s.deviation]),
    () => sum,
  );
}

/** SkipSimplifiedLayerNormalization: RMS norm of input + skip + bias; the sum itself is output 3. */
export function lowerSkipSimplifiedLayerNormalization(l: Lowering): readonly string[] | undefined {
  const [x, skip] = l.node.inputs;
  const shape = shapeOf(l, x);
  if (!x || !skip || !shape) return undefined;
  const sum = plus(l, l.add("Add", [x, skip]), input(l, 3));
  const deviation = rootMeanSquare(l, sum, [shape.length - 1], numberAttribute(l.node, "epsilon", 1e-12));
  return outputs(
    l,
    () => affine(l, l.add("Div", [sum, deviation]), input(l, 2), undefined),
    () => reduce(l, "ReduceMean", sum, [shape.length - 1]),
    () => l.add("Reciprocal", [deviation]),
    () => sum,
  );
}

/** EmbedLayerNormalization (com.microsoft): layer norm of the sum of word, position and segment embeddings. */
export function lowerEmbedLayerNormalization(l: Lowering): readonly string[] | undefined {
  const [ids, segments, words, places, segmentTable, gamma, beta] = l.node.inputs;
  const shape = shapeOf(l, ids);
  const rows = shapeOf(l, places)?.[0];
  if (!ids || !words || !places || !gamma || !beta || shape?.length !== 2 || rows === undefined) return undefined;
  if (rows < shape[1]!) return undefined;
  const given = input(l, 8);
  const place = given ? l.add("Gather", [places, given], { axis: 0 }) : slice(l, places, 0, 0, shape[1]!);
  let sum = l.add("Add", [l.add("Gather", [words, ids], { axis: 0 }), place]);
  if (segments && segmentTable) sum = l.add("Add", [sum, l.add("Gather", [segmentTable, segments], { axis: 0 })]);
  const s = standardise(l, sum, [2], numberAttribute(l.node, "epsilon", 1e-12));
  const mask = input(l, 7);
  const none = () => l.addConstant({ type: "int32", shape: [shape[0]!], data: new Float64Array(shape[0]!) });
  return outputs(
    l,
    () => affine(l, s.value, gamma, beta),
    () => (mask === undefined ? none() : reduce(l, "ReduceSum", mask, [1], 0)),
    () => sum,
  );
}

/** LpNormalization along one axis, for p = 1 and 2. */
export function lowerLpNormalization(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (!x || !shape) return undefined;
  const axis = positive(numberAttribute(l.node, "axis", -1), shape.length);
  const p = numberAttribute(l.node, "p", 2);
  if (p !== 1 && p !== 2) return undefined;
  return [l.add("Div", [x, reduce(l, p === 2 ? "ReduceL2" : "ReduceL1", x, [axis])])];
}

/** MeanVarianceNormalization: (x - mean) / (deviation + 1e-9) over the given axes, as the standard's function body. */
export function lowerMeanVarianceNormalization(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (!x || !shape) return undefined;
  const axes = (numbersAttribute(l.node, "axes") ?? [0, 2, 3]).map((a) => positive(a, shape.length));
  const centred = l.add("Sub", [x, reduce(l, "ReduceMean", x, axes)]);
  const deviation = l.add("Sqrt", [meanSquare(l, centred, axes)]);
  return [l.add("Div", [centred, shifted(l, deviation, 1e-9)])];
}

/**
 * LRN: x_c (bias + alpha / size * sum of x^2 over the channels around c)^-beta, the sums a product with a constant band.
 */
export function lowerLocalResponseNormalization(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (x === undefined || shape === undefined || shape.length < 3) return undefined;
  const channels = shape[1]!;
  const size = numberAttribute(l.node, "size", 1);
  const weight = numberAttribute(l.node, "alpha", 1e-4) / size;
  const band = new Float64Array(channels * channels);
  for (let c = 0; c < channels; c++) {
    const last = Math.min(channels - 1, c + Math.ceil((size - 1) / 2));
    for (let k = Math.max(0, c - Math.floor((size - 1) / 2)); k <= last; k++) band[c * channels + k] = weight;
  }
  const flat = reshape(l, x, [shape[0]!, channels, elementCount(shape.slice(2))]);
  const squares = l.add("Mul", [flat, flat]);
  const sums = l.add("MatMul", [l.addConstant(tensor([channels, channels], band, l.type(x).type)), squares]);
  const exponent = scalarLike(l, x, -numberAttribute(l.node, "beta", 0.75));
  const factor = l.add("Pow", [shifted(l, sums, numberAttribute(l.node, "bias", 1)), exponent]);
  return [reshape(l, l.add("Mul", [flat, factor]), shape)];
}
