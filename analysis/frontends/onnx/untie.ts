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

/** Places of a batch normalisation's running mean and variance among its inputs, with their names in PyTorch. */
const STATISTICS = [
  { at: 3, name: "running_mean" },
  { at: 4, name: "running_var" },
] as const;

/**
 * Gives the statistics of a batch normalisation tensors of their own where the file names a trained tensor in their place:
 * exporters that store equal tensors once read a fresh norm's mean from its bias, both zeros, and its variance from its gain,
 * both ones. Nothing trains the statistics by gradients, so that they are never shared with what is trained.
 */
export function separateStatistics(raw: RawGraph): RawGraph {
  const norms = raw.nodes.filter((n) => n.operator === "BatchNormalization" && n.domain === "");
  if (norms.length === 0) return raw;
  const uses = indexUses(raw.nodes);
  const isStatistic = (operator: string, index: number): boolean =>
    operator === "BatchNormalization" && STATISTICS.some(({ at }) => at === index);
  const initializers = new Map(raw.initializers);
  const own = new Map<Node, Node>();
  for (const node of norms) {
    const inputs = [...node.inputs];
    for (const { at, name } of STATISTICS) {
      const tensor = raw.initializers.get(inputs[at] ?? "");
      if (!tensor || uses.of(tensor.name).every((use) => isStatistic(use.operator, use.index))) continue;
      const base = `${node.inputs[1]!.replace(/\.?weight$/, "") || node.name}.${name}`;
      let free = base;
      for (let k = 2; initializers.has(free) || uses.writer(free) !== undefined; k++) free = `${base}.${k}`;
      initializers.set(free, { ...tensor, name: free });
      inputs[at] = free;
    }
    if (inputs.some((name, k) => name !== node.inputs[k])) own.set(node, { ...node, inputs });
  }
  if (own.size === 0) return raw;
  const protos = new Map(raw.protos);
  for (const [node, separate] of own) protos.set(separate, raw.protos.get(node)!);
  return { ...raw, nodes: raw.nodes.map((n) => own.get(n) ?? n), initializers, protos };
}
