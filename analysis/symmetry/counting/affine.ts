/** @file Which parameters shift and scale a sum entry by entry: the bias that it adds, and the gain or rows of weights behind it. */
import { type Node, numberAttribute } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import { operatorsThat } from "../../operators/movers";
import type { Network, Step } from "./network";

/** A bias that enters a sum, and the steps that carry it there. */
export interface Bias {
  readonly parameter: string;
  /** Shape of the operand through which it enters. */
  readonly shape: readonly number[];
  /** Entry of the parameter behind each entry of the operand; undefined where they are in the same order. */
  readonly source?: ArrayLike<number>;
  /** From the parameter up to and including the sum. */
  readonly path: readonly Step[];
}

/** A trainable bias that a sum adds, itself or in one of the sums that it adds up; one that has not been moved yet. */
export function biasOf(network: Network, sum: Step, moved: ReadonlySet<string>): Bias | undefined {
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

/** Operators that leave entries in their order: the k-th is that of the k-th before. */
const RESHAPES: ReadonlySet<string> = operatorsThat("reshapes");
/** Operators that move entries to other places, where all but the first input are constants. */
const MOVING: ReadonlySet<string> = operatorsThat("transposes", "picks", "repeats");

/**
 * The parameter behind an operand that is a parameter, reshaped, transposed, with some entries picked, or with others added (a bias
 * that all share) entry by entry.
 */
function plainBias(network: Network, operand: string): Bias | undefined {
  if (network.kind(operand) !== "parameter") return undefined;
  const shape = network.shape(operand);
  if (network.graph.parameters.has(operand)) return { parameter: operand, shape, path: [] };
  const producer = network.producer(operand);
  const { operator, inputs } = producer?.node ?? { operator: "", inputs: [] };
  // What is taken off moves the other way.
  const added = operator === "Add" ? inputs : inputs.slice(0, 1);
  const moves = MOVING.has(operator);
  if (!moves && operator !== "Add" && operator !== "Sub" && !RESHAPES.has(operator)) return undefined;
  for (const i of added) {
    if ((operator === "Add" || operator === "Sub") && network.shape(i).join() !== shape.join()) continue;
    const bias = plainBias(network, i);
    if (!bias || !network.trainable.includes(bias.parameter)) continue;
    const source = moves ? sourceOf(network, producer!, bias) : bias.source;
    if (moves && source === undefined) return undefined;
    return { parameter: bias.parameter, shape, path: [...bias.path, producer!], ...(source ? { source } : {}) };
  }
  return undefined;
}

/** The parameter's entry behind each entry of what a step moves about: entries that hold their own numbers are moved the same way. */
function sourceOf(network: Network, { node, operator }: Step, { shape, source }: Bias): ArrayLike<number> | undefined {
  const numbers = Float64Array.from({ length: elementCount(shape) }, (_, k) => source?.[k] ?? k);
  const others = node.inputs.slice(1).map((i) => (i === "" ? undefined : network.constant(i)));
  if (others.some((t, k) => t === undefined && node.inputs[k + 1] !== "")) return undefined;
  return operator.evaluate(node, [{ type: "float64", shape, data: numbers }, ...others], network.graph.opset)[0]?.data;
}

/** A parameter that multiplies what a bias is added to, entry of the bias by entry. */
export interface Scale {
  /** From the parameter up to the sum, without it. */
  readonly path: readonly Step[];
  /** Multiplies all that belongs to entry `k` of the bias. */
  multiply(weights: ReadonlyMap<string, Float64Array>, k: number, factor: number): void;
}

/**
 * What scales the other operand of a sum that adds a bias directly: the gain of a normalisation, or the rows of the weights of a
 * convolution or a product of matrices. Undefined where there is none, or where more than this sum reads it.
 */
export function scaleOf(network: Network, sum: Step, bias: Bias): Scale | undefined {
  const other = sum.node.inputs.find((i) => network.isActivation(i));
  const producer = other === undefined ? undefined : network.producer(other);
  if (!producer || sum.node.inputs.every((i) => network.isActivation(i)) || network.consumers(other!).length > 1)
    return undefined;
  if (bias.source !== undefined) return undefined;
  const { node } = producer;
  const entries = elementCount(bias.shape);
  for (const operand of node.inputs) {
    const found = plainOrTurned(network, operand);
    if (!found) continue;
    const { parameter, path, turned } = found;
    const shape = network.shape(operand);
    const own = network.shape(parameter);
    const count = elementCount(own);
    let block: ((k: number) => Iterable<number>) | undefined;
    if (node.operator === "Mul" && !turned && count === entries) block = (k) => [k];
    else if (node.operator === "Conv" && operand === node.inputs[1] && !turned && shape[0] === entries)
      block = (k) => stretch((k * count) / entries, count / entries, 1);
    else if (node.operator === "MatMul" && operand === node.inputs[1] && shape.length === 2 && shape[1] === entries)
      block = (k) => (turned ? stretch((k * count) / entries, count / entries, 1) : stretch(k, count / entries, entries));
    if (!block) continue;
    const places = block;
    return {
      path: [...path, producer],
      multiply(weights, k, factor) {
        const data = weights.get(parameter)!;
        for (const i of places(k)) data[i]! *= factor;
      },
    };
  }
  return undefined;
}

/** The weights of a contraction, row by row: those that make one entry of its output. */
export interface Rows {
  readonly parameter: string;
  /** Steps that carry the parameter to the contraction. */
  readonly path: readonly Step[];
  /** Axes of the output's and the input's channels. */
  readonly outputAxis: number;
  readonly inputAxis: number;
  /** Positions in the parameter of what leads from input channel `i` to output channel `k`, one for each place of the kernel. */
  entries(k: number, i: number): readonly number[];
}

/** The rows of a product of an activation and a trainable matrix, or of a convolution; undefined for others. */
export function rowsOf(network: Network, node: Node): Rows | undefined {
  const [input, weight] = [node.inputs[0]!, node.inputs[1] ?? ""];
  if (!network.isActivation(input) || network.kind(weight) !== "parameter") return undefined;
  const found = plainOrTurned(network, weight, false);
  if (!found || !network.trainable.includes(found.parameter)) return undefined;
  const { parameter, path, turned } = found;
  const shape = network.shape(weight);
  const rank = network.shape(input).length;
  if (node.operator === "MatMul" && shape.length === 2 && rank > 1) {
    const [inner, outer] = shape as readonly [number, number];
    const entries = (k: number, i: number) => [turned ? k * inner + i : i * outer + k];
    return { parameter, path, outputAxis: rank - 1, inputAxis: rank - 1, entries };
  }
  if (node.operator === "Conv" && !turned && node.inputs.length === 2) {
    const [outputs, inputs] = shape as readonly [number, number];
    const outputsOfGroup = outputs / numberAttribute(node, "group", 1);
    const repeats = elementCount(shape) / (outputs * inputs);
    const entries = (k: number, i: number) => {
      const own = i - Math.floor(k / outputsOfGroup) * inputs;
      return own < 0 || own >= inputs ? [] : [...stretch((k * inputs + own) * repeats, repeats, 1)];
    };
    return { parameter, path, outputAxis: 1, inputAxis: 1, entries };
  }
  return undefined;
}

/** The contraction that a sum adds something to, itself or behind others of its operands, with its rows; the first there is. */
export function rowsBehind(network: Network, sum: Step): { readonly step: Step; readonly rows: Rows } | undefined {
  for (const operand of sum.node.inputs) {
    const step = network.isActivation(operand) ? network.producer(operand) : undefined;
    if (!step) continue;
    const rows = rowsOf(network, step.node);
    const found = rows ? { step, rows } : step.node.operator === "Add" ? rowsBehind(network, step) : undefined;
    if (found && network.shape(found.step.node.outputs[0]!).join() === network.shape(sum.node.outputs[0]!).join()) return found;
  }
  return undefined;
}

function* stretch(from: number, count: number, step: number): Iterable<number> {
  for (let i = 0; i < count; i++) yield from + i * step;
}

/** The parameter behind an operand, reshaped or (matrices) transposed; that nothing else reads, unless told. */
function plainOrTurned(
  network: Network,
  operand: string,
  alone = true,
): { readonly parameter: string; readonly path: readonly Step[]; readonly turned: boolean } | undefined {
  if (network.kind(operand) !== "parameter") return undefined;
  const path: Step[] = [];
  let turned = false;
  let at = operand;
  for (;;) {
    if (alone && network.consumers(at).length !== 1) return undefined;
    const producer = network.producer(at);
    if (!producer) return network.graph.parameters.has(at) ? { parameter: at, path, turned } : undefined;
    const { node } = producer;
    if (node.operator === "Transpose" && network.shape(node.inputs[0]!).length === 2) turned = !turned;
    else if (node.operator !== "Reshape" || turned) return undefined;
    path.unshift(producer);
    at = node.inputs[0]!;
  }
}
