/**
 * @file Parameters that an exporter merged. PyTorch stores tensors with equal values once (all fresh norm gains are ones, all
 * their biases zeros) and writes an Identity for each of the others, under the other's own name. They train apart, so they
 * are parameters of their own again here, and so are equal biases that norms leave when they are folded into convolutions.
 * Parameters that the model itself shares have one name and no Identity.
 */
import type { Node } from "../../graph/graph";
import { indexUses, isAnonymous, type Uses } from "./classify";
import type { RawGraph } from "./graph-reader";
import type { FileTensor } from "./tensors";

/** Whether a name is that of a parameter in a module: dotted, and not made up by the exporter. */
function isParameterName(name: string): boolean {
  return name.includes(".") && !name.includes("/") && !name.includes("::") && !isAnonymous(name);
}

/** Names of biases that came out of a norm folded into a convolution, which have none of their own. */
const FOLDED = /^onnx::Conv(Transpose)?_\d+$/;

/**
 * Whether a value is the bias of one convolution whose weights nothing else reads: a layer that the model applied twice shares
 * those too.
 */
function isFoldedBias(name: string, uses: Uses): boolean {
  const [reader, ...others] = FOLDED.test(name) ? uses.of(name) : [];
  if (!reader || others.length > 0 || reader.index !== 2) return false;
  const weight = reader.node.inputs[1]!;
  return uses.of(weight).length === 1 && uses.writer(weight) === undefined;
}

/** Whether all entries are the same number: fresh biases, of which equal ones prove nothing. */
function isUniform(tensor: FileTensor): boolean {
  const data = tensor.available ? tensor.read()?.data : undefined;
  return data?.every((x) => x === data[0]) === true;
}

/** Gives merged parameters their own tensors; the graph itself where there are none. */
export function untie(raw: RawGraph, producer: string): RawGraph {
  if (producer !== "pytorch") return raw;
  const uses = indexUses(raw.nodes);
  const merged = new Map<string, FileTensor>();
  const nodes: Node[] = [];
  const uniform = new Map<string, boolean>();
  const isFresh = (source: string, tensor: FileTensor): boolean => {
    let known = uniform.get(source);
    if (known === undefined) uniform.set(source, (known = isUniform(tensor)));
    return known;
  };
  for (const node of raw.nodes) {
    const [input = "", output = ""] = [node.inputs[0], node.outputs[0]];
    const tensor =
      node.operator === "Identity" && node.domain === "" ? (raw.initializers.get(input) ?? merged.get(input)) : undefined;
    if (tensor && (isParameterName(output) || (isFoldedBias(output, uses) && isFresh(input, tensor))))
      merged.set(output, { ...tensor, name: output });
    else nodes.push(node);
  }
  return merged.size === 0 ? raw : { ...raw, nodes, initializers: new Map([...raw.initializers, ...merged]) };
}
