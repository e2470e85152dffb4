/**
 * @file Carriers: the values at which frames are looked for when values share one. Everything else is hidden inside of units. What
 * a complex product computes on its way (re * a, im * b) turns with no matrix of its own, only a, b and the sums do.
 */
import type { Node } from "../../graph/graph";
import type { Network } from "../counting/network";
import { RENAMING } from "../shifts/cells";

const SUMS: ReadonlySet<string> = new Set(["Add", "Sub", "Sum"]);
const CONTRACTIONS: ReadonlySet<string> = new Set(["MatMul", "Einsum", "Conv", "ConvTranspose", "ReduceSum", "ReduceMean"]);

/** Operators that show every entry of what they move. */
const MOVEMENT: ReadonlySet<string> = new Set([...RENAMING, "Concat"]);

/** The activations that hang on trained weights. */
export function weighted(network: Network): ReadonlySet<string> {
  const trained = new Set(network.trainable);
  const out = new Set<string>();
  const onWeights = new Set<string>(trained);
  for (const { node } of network.steps) {
    if (!node.inputs.some((i) => onWeights.has(i))) continue;
    for (const o of node.outputs) {
      if (o === "") continue;
      onWeights.add(o);
      if (network.isActivation(o) && network.isDifferentiable(o)) out.add(o);
    }
  }
  return out;
}

/** The values that outputs show as they are: these, and what is only moved about on its way into one. They have no frame. */
export function shown(network: Network): ReadonlySet<string> {
  const out = new Set(network.outputs);
  for (const { node } of [...network.steps].reverse()) {
    if (MOVEMENT.has(node.operator) && node.outputs.some((o) => out.has(o))) for (const i of node.inputs) out.add(i);
  }
  return out;
}

/**
 * The carriers of a network in topological order: activations that several operators read, that a contraction with weights
 * reads, and sums of several activations; of those that only lead to another sum, none. Network inputs are not among them.
 */
export function carriers(network: Network): string[] {
  const moving = weighted(network);
  const observed = new Set(network.outputs);
  const isSum = (node: Node): boolean => SUMS.has(node.operator) && new Set(node.inputs.filter((i) => moving.has(i))).size > 1;
  // Whether all that becomes of a value is one summand. Read backwards, so that readers are known.
  const addend = new Set<string>();
  for (const { node } of [...network.steps].reverse()) {
    const value = node.outputs[0] ?? "";
    const readers = network.consumers(value);
    const [reader] = readers;
    if (!moving.has(value) || observed.has(value) || readers.length !== 1 || reader === undefined) continue;
    const others = reader.inputs.filter((i) => i !== value);
    if (isSum(reader) || (addend.has(reader.outputs[0] ?? "") && !others.some((i) => moving.has(i)))) addend.add(value);
  }
  return network.steps.flatMap(({ node }) => {
    const value = node.outputs[0] ?? "";
    if (!moving.has(value)) return [];
    if (observed.has(value)) return [value];
    if (addend.has(value)) return [];
    const readers = network.consumers(value);
    return readers.length > 1 || isSum(node) || readers.some((r) => CONTRACTIONS.has(r.operator)) ? [value] : [];
  });
}
