/**
 * @file Hidden parameters: those that reach the outputs only through a value that is forgotten, whatever it is. A whole
 * perceptron of time steps is, whose outputs are added to each channel before an instance norm.
 */
import { type Graph, type Node, producers } from "../../graph/graph";
import { isFloating, type Shape } from "../../graph/tensor";
import { findForgotten } from "./inert";

/** Trainable parameters that have no influence, because all that is made of them is forgotten; not those that nothing reads. */
export function hiddenParameters(normal: Graph): string[] {
  const candidates = spreadValues(normal);
  if (candidates.length === 0) return [];
  const forgotten = new Set(findForgotten(normal, candidates));
  if (forgotten.size === 0) return [];
  const all = above(normal, new Set());
  const seen = above(normal, forgotten);
  return [...normal.parameters.values()]
    .filter((p) => p.trainable && isFloating(p.type) && all.has(p.name) && !seen.has(p.name))
    .map((p) => p.name);
}

/** Values made of inputs and weights that are added to something along more axes than they have. */
function spreadValues(normal: Graph): string[] {
  const shape = (value: string): Shape | undefined => normal.types.get(value)?.shape;
  const weighted = new Set([...normal.parameters.values()].flatMap((p) => (p.trainable ? [p.name] : [])));
  const active = new Set(normal.inputs.map((i) => i.name));
  const out = new Set<string>();
  for (const node of normal.nodes) {
    const isWeighted = node.inputs.some((i) => weighted.has(i));
    const isActive = node.inputs.some((i) => active.has(i));
    for (const o of node.outputs) {
      if (isWeighted) weighted.add(o);
      if (isActive) active.add(o);
    }
    if (!(node.operator === "Add" || node.operator === "Sub") || node.domain !== "") continue;
    const sum = shape(node.outputs[0]!);
    for (const i of node.inputs) {
      const own = shape(i);
      if (sum && own && weighted.has(i) && active.has(i) && own.join() !== sum.join()) out.add(i);
    }
  }
  return [...out];
}

/** All values above the outputs, not looking beyond some of them. */
function above(normal: Graph, ends: ReadonlySet<string>): Set<string> {
  const writers: ReadonlyMap<string, Node> = producers(normal);
  const found = new Set<string>();
  const pending = [...normal.outputs];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (found.has(value) || ends.has(value)) continue;
    found.add(value);
    const node = writers.get(value);
    // What the bodies of control flow read is read by the node.
    if (node) for (const i of node.inputs) pending.push(i);
  }
  return found;
}
