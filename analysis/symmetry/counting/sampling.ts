/** @file Random weights at which the numeric engines look: generic, and such that nothing dies. */
import type { Node } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import type { Random } from "../../numerics/random";
import type { ParameterValues } from "../symmetry";
import { centreKinks } from "./calibration";
import type { Network } from "./network";
import { MOVEMENT } from "./intervals";

/** Standard deviation of weights that are drawn as they are. */
const WEIGHT_DEVIATION = 0.8;
const BIAS_DEVIATION = 0.7;
/** Up to this fan-in weights are drawn as they are; beyond it they shrink, so that nothing saturates. */
const PLAIN_FAN_IN = 2;

/**
 * Generic weights for all parameters, trained or frozen: normal, but uniform in [0.5, 1.5) for gains and slopes (vectors
 * that multiply) and for what a root, a logarithm or a rectifier reads, and biases such that rectifiers see both signs: no unit dies.
 * Throws Error where an operator refuses its inputs.
 * @param level the part of its inputs below which a rectifier is off (a half unless told)
 * @param deviation standard deviation of weights of layers with few inputs, 0.8 unless told
 */
export function genericWeights(network: Network, random: Random, level?: number, deviation?: number): ParameterValues {
  const out = drawnWeights(network, random, deviation);
  centreKinks(network, out, random, level);
  return out;
}

/** The same with kinks wherever they fall: enough for what looks at the weights alone and at no values of the network. */
export function drawnWeights(network: Network, random: Random, deviation = WEIGHT_DEVIATION): Map<string, Float64Array> {
  const out = new Map<string, Float64Array>();
  for (const { name, shape } of network.graph.parameters.values()) {
    const count = elementCount(shape);
    const long = shape.filter((n) => n > 1).length;
    if (needsPositive(network, name) || (long <= 1 && isGain(network, name))) out.set(name, random.uniforms(count, 0.5, 1.5));
    else if (long <= 1) out.set(name, random.normals(count, BIAS_DEVIATION));
    else {
      const fan = shape.length > 2 ? count / shape[0]! : Math.max(...shape);
      out.set(name, random.normals(count, deviation * Math.min(1, Math.sqrt(PLAIN_FAN_IN / fan))));
    }
  }
  return out;
}

/** Follows a parameter through operators that move entries, and asks whether some reader of it is as wanted. */
function someReader(
  network: Network,
  parameter: string,
  through: (node: Node) => boolean,
  wanted: (node: Node, operand: number) => boolean,
): boolean {
  const seen = new Set<string>([parameter]);
  const stack = [parameter];
  while (stack.length > 0) {
    const value = stack.pop()!;
    for (const node of network.consumers(value)) {
      if (node.inputs.some((i, k) => i === value && wanted(node, k))) return true;
      const out = node.outputs[0];
      if (out !== undefined && !seen.has(out) && network.kind(out) === "parameter" && through(node)) {
        seen.add(out);
        stack.push(out);
      }
    }
  }
  return false;
}

/** Whether the parameter multiplies, divides or is a slope, entry by entry. */
export function isGain(network: Network, parameter: string): boolean {
  return someReader(
    network,
    parameter,
    (node) => MOVEMENT.has(node.operator),
    (node, operand) => node.operator === "Mul" || node.operator === "Div" || (node.operator === "PRelu" && operand === 1),
  );
}

function needsPositive(network: Network, parameter: string): boolean {
  return someReader(
    network,
    parameter,
    (node) => MOVEMENT.has(node.operator) || node.operator === "Add",
    (node, operand) =>
      node.operator === "Sqrt" ||
      node.operator === "Log" ||
      // A weight behind a rectifier is looked at where it does something.
      node.operator === "Relu" ||
      (node.operator === "Pow" && operand === 0 && !isWhole(network, node)),
  );
}

function isWhole(network: Network, pow: Node): boolean {
  const exponent = network.constant(pow.inputs[1] ?? "");
  return exponent !== undefined && exponent.data.every((k) => Number.isInteger(k) && k > 0);
}
