/** @file Gradients of normalisations that stay whole because their own operators are fast; the others are lowered first. */
import { numberAttribute } from "../../graph/graph";
import { perChannel, positive, range, reduce, scaled, shifted } from "../lower/build";
import type { Gradient } from "../operator";
import { type GradientRule, product, unbroadcast } from "./common";

const mul = (g: Gradient, a: string, b: string): string => g.add("Mul", [a, b]);

/**
 * BatchNormalization. In training (training_mode 1, momentum 0, so that outputs 1 and 2 are the statistics of the batch):
 * dx = a (dy - mean dy - xhat mean(dy xhat)) with a = gain / deviation, and xhat the normalised data. Otherwise the given
 * statistics are constants.
 */
const batchNormalization: GradientRule = (g) => {
  const dy = g.dy[0];
  if (dy === undefined || g.dy.some((d, k) => k > 0 && d !== undefined)) {
    throw new Error("a gradient flows into the running statistics, which the rule does not cover");
  }
  const [x, gain, , givenMean, givenVariance] = g.node.inputs as [string, string, string, string, string];
  const shape = g.shape(x);
  const rank = shape.length;
  const axes = [0, ...range(2, rank)];
  const training = numberAttribute(g.node, "training_mode", 0) === 1;
  if (training && numberAttribute(g.node, "momentum", 0.9) !== 0) {
    throw new Error("in training its momentum has to be 0, so that it returns the statistics of the batch");
  }
  const mean = training ? g.node.outputs[1]! : givenMean;
  const variance = training ? g.node.outputs[2]! : givenVariance;
  const channel = (p: string) => perChannel(g, p, rank);
  const inverse = g.add("Reciprocal", [g.add("Sqrt", [shifted(g, variance, numberAttribute(g.node, "epsilon", 1e-5))])]);
  const centred = g.add("Sub", [x, channel(mean)]);
  const sum = reduce(g, "ReduceSum", dy, axes, 0);
  const moment = mul(g, reduce(g, "ReduceSum", mul(g, dy, centred), axes, 0), inverse);
  const slope = mul(g, gain, inverse);
  const dx = () => {
    if (!training) return mul(g, dy, channel(slope));
    const n = product(shape) / shape[1]!;
    // With these as gain and shift the inference form is - a (mean dy + xhat mean(dy xhat)), in one pass over the data.
    const part = (value: string) => scaled(g, mul(g, slope, value), -1 / n);
    const epsilon = numberAttribute(g.node, "epsilon", 1e-5);
    const rest = g.add("BatchNormalization", [x, part(moment), part(sum), mean, variance], { epsilon });
    return g.add("Add", [mul(g, dy, channel(slope)), rest]);
  };
  return [g.wants(0) ? dx() : undefined, g.wants(1) ? moment : undefined, g.wants(2) ? sum : undefined];
};

/** LayerNormalization, from the mean and the inverse deviation that its outputs 1 and 2 are. */
const layerNormalization: GradientRule = (g) => {
  const dy = g.dy[0];
  if (dy === undefined || g.dy.some((d, k) => k > 0 && d !== undefined)) {
    throw new Error("a gradient flows into the statistics, which the rule does not cover");
  }
  const [x, gain, shift] = g.node.inputs as [string, string, string | undefined];
  const shape = g.shape(x);
  const axis = positive(numberAttribute(g.node, "axis", -1), shape.length);
  const axes = range(axis, shape.length);
  const n = product(shape.slice(axis));
  let [, mean, inverse] = g.node.outputs;
  mean = mean === undefined || mean === "" ? reduce(g, "ReduceMean", x, axes) : mean;
  const centred = g.add("Sub", [x, mean]);
  if (inverse === undefined || inverse === "") {
    const variance = reduce(g, "ReduceMean", mul(g, centred, centred), axes);
    inverse = g.add("Reciprocal", [g.add("Sqrt", [shifted(g, variance, numberAttribute(g.node, "epsilon", 1e-5))])]);
  }
  const xhat = mul(g, centred, inverse);
  const dx = () => {
    const inner = mul(g, dy, gain);
    const meanInner = scaled(g, reduce(g, "ReduceSum", inner, axes), 1 / n);
    const meanProduct = scaled(g, reduce(g, "ReduceSum", mul(g, inner, xhat), axes), 1 / n);
    return mul(g, inverse, g.add("Sub", [g.add("Sub", [inner, meanInner]), mul(g, xhat, meanProduct)]));
  };
  return [
    g.wants(0) ? dx() : undefined,
    g.wants(1) ? unbroadcast(g, mul(g, dy, xhat), g.shape(gain)) : undefined,
    g.wants(2) ? unbroadcast(g, dy, g.shape(shift!)) : undefined,
  ];
};

/** By operator: normalisations that are not lowered first. */
export const normalizationGradients: Readonly<Record<string, GradientRule>> = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
};
