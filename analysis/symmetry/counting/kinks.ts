/** @file Where the functions that are applied entry by entry have their kinks. */
import { type Node, numberAttribute } from "../../graph/graph";
import type { Network } from "./network";

/** Operators with one kink, at zero. */
const AT_ZERO: ReadonlySet<string> = new Set(["Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Abs"]);
/** Bounds beyond this are there for the sake of rounding: nothing is meant to reach them. */
const FAR = 1e4;

/** Where the derivative of an elementwise function jumps, in ascending order; undefined for operators without kinks. */
export function kinksOf(network: Network, node: Node): readonly number[] | undefined {
  if (AT_ZERO.has(node.operator)) return [0];
  switch (node.operator) {
    case "Max":
    case "Min": {
      const bounds = node.inputs.flatMap((i) => network.constant(i) ?? []);
      if (bounds.length === 0) return node.operator === "Max" ? [0] : undefined;
      return bounds.every((b) => b.data.length === 1) ? near(bounds.map((b) => b.data[0]!)) : undefined;
    }
    case "ThresholdedRelu":
      return [numberAttribute(node, "alpha", 1)];
    case "HardSigmoid": {
      const [alpha, beta] = [numberAttribute(node, "alpha", 0.2), numberAttribute(node, "beta", 0.5)];
      return alpha > 0 ? [-beta / alpha, (1 - beta) / alpha] : undefined;
    }
    case "HardSwish":
      return [-3, 3];
    case "Shrink": {
      const lambda = numberAttribute(node, "lambd", 0.5);
      return [-lambda, lambda];
    }
    case "Clip": {
      const bounds = [1, 2].map((i) => network.constant(node.inputs[i] ?? "")?.data[0]);
      return near(bounds.filter((b) => b !== undefined));
    }
    default:
      return undefined;
  }
}

function near(bounds: readonly number[]): readonly number[] | undefined {
  const found = bounds.filter((b) => Math.abs(b) < FAR).sort((a, b) => a - b);
  return found.length > 0 ? found : undefined;
}
