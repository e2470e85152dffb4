/**
 * @file Parameters that an exporter merged. PyTorch stores tensors with equal values once (all fresh norm gains are ones, all
 * their biases zeros) and writes an Identity for each of the others, under the other's own name. They train apart, so they
 * are parameters of their own again here. Parameters that the model itself shares have one name and no Identity.
 */
import type { Node } from "../../graph/graph";
import { isAnonymous } from "./classify";
import type { RawGraph } from "./graph-reader";
import type { FileTensor } from "./tensors";

/** Whether a name is that of a parameter in a module: dotted, and not made up by the exporter. */
function isParameterName(name: string): boolean {
  return name.includes(".") && !name.includes("/") && !name.includes("::") && !isAnonymous(name);
}

/** Gives merged parameters their own tensors; the graph itself where there are none. */
export function untie(raw: RawGraph, producer: string): RawGraph {
  if (producer !== "pytorch") return raw;
  const merged = new Map<string, FileTensor>();
  const nodes: Node[] = [];
  for (const node of raw.nodes) {
    const [input = "", output = ""] = [node.inputs[0], node.outputs[0]];
    const tensor =
      node.operator === "Identity" && node.domain === "" ? (raw.initializers.get(input) ?? merged.get(input)) : undefined;
    if (tensor && isParameterName(output)) merged.set(output, { ...tensor, name: output });
    else nodes.push(node);
  }
  return merged.size === 0 ? raw : { ...raw, nodes, initializers: new Map([...raw.initializers, ...merged]) };
}
