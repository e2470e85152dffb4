/** @file The activations that fused operators and recurrences name in a string attribute. */
import { numbersAttribute, stringAttribute } from "../../graph/graph";
import type { Lowering } from "../operator";

/** The activation that a fused operator names, applied; undefined where it is unknown. */
export function namedActivation(l: Lowering, x: string, attribute = "activation"): string | undefined {
  const name = stringAttribute(l.node, attribute, "");
  if (name === "") return x;
  const known = new Set(["Relu", "Tanh", "Sigmoid", "LeakyRelu", "Clip", "HardSigmoid", "Elu", "Softplus", "HardSwish", "Gelu"]);
  if (!known.has(name)) return undefined;
  const parameters = numbersAttribute(l.node, "activation_params") ?? [];
  const alpha = parameters[0] ?? l.node.attributes["activation_alpha"];
  const beta = parameters[1] ?? l.node.attributes["activation_beta"];
  if (name === "Clip") {
    if (typeof alpha !== "number" || typeof beta !== "number") return undefined;
    const bound = (v: number) => l.addConstant({ type: l.type(x).type, shape: [], data: Float64Array.of(v) });
    return l.add("Clip", [x, bound(alpha), bound(beta)]);
  }
  const attributes: Record<string, number> = {};
  if (typeof alpha === "number" && /^(LeakyRelu|HardSigmoid|Elu)$/.test(name)) attributes["alpha"] = alpha;
  if (typeof beta === "number" && name === "HardSigmoid") attributes["beta"] = beta;
  return l.add(name, [x], attributes);
}
