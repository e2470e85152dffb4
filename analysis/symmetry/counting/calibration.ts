/**
 * @file Shifts random biases so that every rectifier sees both signs. With plain random biases, deep rectifiers are often on
 * (or off) for all inputs, and then the Jacobian has extra null directions that belong to that draw of weights only.
 */
import type { Tensor } from "../../graph/tensor";
import { strides } from "../../graph/tensor";
import type { Random } from "../../numerics/random";
import type { Network, Step } from "./network";
import { randomInput } from "./random-inputs";

/** Operators with a kink at zero. */
const KINKED: ReadonlySet<string> = new Set([
  "Relu",
  "LeakyRelu",
  "PRelu",
  "Elu",
  "Selu",
  "Celu",
  "ThresholdedRelu",
  "Max",
  "Abs",
  "Clip",
]);
/** Operators that only move entries about. */
const MOVEMENT: ReadonlySet<string> = new Set([
  "Reshape",
  "Transpose",
  "DepthToSpace",
  "SpaceToDepth",
  "Slice",
  "Gather",
  "MaxPool",
  "Concat",
]);
const BATCHES = 6;
/**
 * Width of the range of quantiles around the median in which the kink is set. Quantiles and not distances: what a
 * normalisation writes has a few far outliers in narrow networks, and a kink beyond all others is off on other inputs.
 */
const JITTER = 0.25;

/** Moves the biases in `weights` that feed a kink directly, so that each entry's inputs have a median near zero. */
export function centreKinks(network: Network, weights: Map<string, Float64Array>, random: Random): void {
  const kinked = kinkedValues(network);
  if (!network.steps.some(({ node }) => node.operator === "Add" && kinked.has(node.outputs[0]!))) return;
  const runs = Array.from({ length: BATCHES }, () => {
    const values = new Map<string, Tensor>(network.graph.constants);
    for (const input of network.inputs) values.set(input.name, randomInput(network, input, random));
    for (const p of network.graph.parameters.values()) {
      values.set(p.name, { type: "float64", shape: p.shape, data: weights.get(p.name)! });
    }
    return values;
  });
  const moved = new Set<string>();
  for (const step of network.steps) {
    for (const values of runs) evaluateStep(step, values);
    const { node } = step;
    if (node.operator !== "Add" || !kinked.has(node.outputs[0]!)) continue;
    const bias = biasOf(network, step, moved);
    if (!bias) continue;
    moved.add(bias.parameter);
    const data = weights.get(bias.parameter)!;
    const largest = maximumBehind(network, node.outputs[0]!);
    const seen = entriesByBias(
      runs.map((values) => {
        const entries = values.get(node.outputs[0]!)!;
        return largest ? largest(entries, values) : entries;
      }),
      bias.shape,
    );
    // Runs hold the bias array itself, so that their later steps see the change.
    seen.forEach((entries, k) => {
      entries.sort((a, b) => a - b);
      data[k]! -= entries[Math.floor(entries.length * (0.5 + JITTER * (random.uniform() - 0.5)))]!;
    });
    for (const values of runs) for (const again of bias.path) evaluateStep(again, values);
  }
}

/** Operators whose derivative jumps: where each side is seen depends on the weights. */
const BROKEN: ReadonlySet<string> = new Set([
  ...KINKED,
  "ReduceMax",
  "ReduceMin",
  "MaxPool",
  "Min",
  "TopK",
  "Where",
  "HardSigmoid",
]);

/** Whether the derivatives of some value of a network jump. */
export function hasKinks(network: Network): boolean {
  return network.steps.some(({ node }) => BROKEN.has(node.operator) && node.inputs.some((i) => network.isActivation(i)));
}

/** Values whose entries a kinked operator reads, directly or after they were moved about. */
function kinkedValues(network: Network): Set<string> {
  const out = new Set<string>();
  for (const { node } of [...network.steps].reverse()) {
    if (KINKED.has(node.operator)) for (const i of node.inputs) out.add(i);
    else if (node.operator === "Concat" && out.has(node.outputs[0]!)) for (const i of node.inputs) out.add(i);
    else if (MOVEMENT.has(node.operator) && out.has(node.outputs[0]!)) out.add(node.inputs[0]!);
  }
  return out;
}

/**
 * Where only the largest of several rectified entries is read (a maximum over places), the kink has to be seen by the largest
 * ones: takes the same maximum before the rectifier, which is the same as after it. Undefined where there is none.
 */
function maximumBehind(
  network: Network,
  value: string,
): ((entries: Tensor, values: ReadonlyMap<string, Tensor>) => Tensor) | undefined {
  const [rectifier, ...others] = network.consumers(value);
  if (others.length > 0 || !rectifier || !MONOTONE.has(rectifier.operator)) return undefined;
  const [reader, ...more] = network.consumers(rectifier.outputs[0]!);
  const step = reader && network.producer(reader.outputs[0]!);
  if (more.length > 0 || !step || !MAXIMA.has(step.node.operator) || network.outputs.includes(rectifier.outputs[0]!))
    return undefined;
  const node = {
    ...step.node,
    attributes: { ...step.node.attributes, ...(step.node.operator === "ReduceMax" ? { keepdims: 1 } : {}) },
  };
  return (entries, values) => step.operator.evaluate(node, [entries, ...step.node.inputs.slice(1).map((i) => values.get(i))])[0]!;
}

const MONOTONE: ReadonlySet<string> = new Set(["Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Clip"]);
const MAXIMA: ReadonlySet<string> = new Set(["ReduceMax", "MaxPool", "GlobalMaxPool"]);

function evaluateStep(step: Step, values: Map<string, Tensor>): void {
  const out = step.operator.evaluate(
    step.node,
    step.node.inputs.map((i) => (i === "" ? undefined : values.get(i))),
  );
  step.node.outputs.forEach((o, i) => {
    if (o !== "" && out[i]) values.set(o, out[i]!);
  });
}

/** A bias that enters a sum, and the steps that carry it there. */
interface Bias {
  readonly parameter: string;
  /** Shape of the operand through which it enters. */
  readonly shape: readonly number[];
  /** From the parameter up to and including the sum. */
  readonly path: readonly Step[];
}

/** A trainable bias that a sum adds, itself or in one of the sums that it adds up; one that has not been moved yet. */
function biasOf(network: Network, sum: Step, moved: ReadonlySet<string>): Bias | undefined {
  for (const operand of sum.node.inputs) {
    const bias = plainBias(network, operand);
    if (bias && !moved.has(bias.parameter) && network.trainable.includes(bias.parameter))
      return { ...bias, path: [...bias.path, sum] };
  }
  for (const operand of sum.node.inputs) {
    const producer = network.isActivation(operand) ? network.producer(operand) : undefined;
    if (producer?.node.operator !== "Add") continue;
    const bias = biasOf(network, producer, moved);
    if (bias) return { ...bias, path: [...bias.path, sum] };
  }
  return undefined;
}

/** The parameter behind an operand that is a parameter, or a parameter reshaped. */
function plainBias(network: Network, operand: string): Bias | undefined {
  if (network.kind(operand) !== "parameter") return undefined;
  const path: Step[] = [];
  let at = operand;
  for (let producer = network.producer(at); producer; producer = network.producer(at)) {
    if (producer.node.operator !== "Reshape") return undefined;
    path.unshift(producer);
    at = producer.node.inputs[0]!;
  }
  return network.graph.parameters.has(at) ? { parameter: at, shape: network.shape(operand), path } : undefined;
}

/** The entries of tensors, gathered by the entry of a broadcast operand that is added to them. */
function entriesByBias(tensors: readonly Tensor[], biasShape: readonly number[]): number[][] {
  const biasStrides = strides(biasShape);
  const out: number[][] = Array.from({ length: biasShape.reduce((a, b) => a * b, 1) }, () => []);
  for (const { shape, data } of tensors) {
    const own = strides(shape);
    for (let i = 0; i < data.length; i++) {
      let k = 0;
      for (let axis = 0; axis < biasShape.length; axis++) {
        const at = shape.length - biasShape.length + axis;
        if (biasShape[axis]! > 1) k += (Math.floor(i / own[at]!) % shape[at]!) * biasStrides[axis]!;
      }
      out[k]!.push(data[i]!);
    }
  }
  return out;
}
