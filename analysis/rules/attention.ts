/** @file The products of attention: which weights only count together, per head. */
import { consumers, type Graph, type Node, producers } from "../graph/graph";
import { operatorsThat } from "../operators/movers";
import { linearStructure } from "./contractions";

/** Two weights whose product is all that the function sees; they may be parts of one fused weight. */
export interface AttentionProduct {
  readonly kind: "query-key" | "value-output";
  readonly first: string;
  readonly second: string;
}

/** Linear operators that do not mix the coordinates inside a head. */
const CARRIES: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes", "picks", "splits", "repeats"), "Cast"]);
const SCALES: ReadonlySet<string> = new Set(["Mul", "Div", "Add", "Sub", "Where"]);

const known = new WeakMap<Graph, readonly AttentionProduct[]>();

/** The products in a graph in normal form. */
export function attentionProducts(normal: Graph): readonly AttentionProduct[] {
  let found = known.get(normal);
  if (!found) {
    found = search(normal);
    known.set(normal, found);
  }
  return found;
}

function search(normal: Graph): AttentionProduct[] {
  const writers = producers(normal);
  const readers = consumers(normal);
  const linear = linearStructure(normal);

  /** The weight that made a value, where only layout, biases and constant factors are between. */
  const weightBehind = (value: string): string | undefined => {
    let at = value;
    for (let steps = 0; steps < 24; steps++) {
      const node = writers.get(at);
      if (!node) return undefined;
      const c = linear.contractions.get(node);
      if (c) return c.weight.name;
      if (CARRIES.has(node.operator)) {
        // A table that is looked up has no factor before it.
        if (node.operator === "Gather" && normal.parameters.has(node.inputs[0]!)) return undefined;
        at = node.inputs[0]!;
        continue;
      }
      if (node.operator !== "Mul" && node.operator !== "Div" && node.operator !== "Add") return undefined;
      const moving = node.inputs.filter(
        (i) => !normal.constants.has(i) && !(node.operator === "Add" && linear.parameterBehind(i)),
      );
      if (moving.length !== 1) return undefined;
      at = moving[0]!;
    }
    return undefined;
  };
  /** The product of activations that a softmax compares. */
  const scores = (value: string): Node | undefined => {
    let at = value;
    for (let steps = 0; steps < 16; steps++) {
      const node = writers.get(at);
      if (!node) return undefined;
      if (node.operator === "MatMul" || node.operator === "Einsum") return node;
      if (!CARRIES.has(node.operator) && !SCALES.has(node.operator)) return undefined;
      const next = node.inputs.filter((i) => writers.has(i));
      const product = node.operator === "Where" ? node.inputs.find((i) => writers.get(i) && i !== node.inputs[0]) : next[0];
      if (product === undefined) return undefined;
      at = product;
    }
    return undefined;
  };
  /** The weight that reads a value behind layout only. */
  const weightAhead = (value: string): string | undefined => {
    let at = value;
    for (let steps = 0; steps < 12; steps++) {
      const list = readers.get(at) ?? [];
      const [reader] = list;
      if (list.length !== 1 || !reader) return undefined;
      const c = linear.contractions.get(reader);
      if (c) return c.weight.name;
      if (!CARRIES.has(reader.operator)) return undefined;
      at = reader.outputs[0]!;
    }
    return undefined;
  };

  const out: AttentionProduct[] = [];
  for (const node of normal.nodes) {
    if (node.operator !== "Softmax") continue;
    const product = scores(node.inputs[0]!);
    const [q, k] = product ? product.inputs.map(weightBehind) : [];
    if (product && q !== undefined && k !== undefined) out.push({ kind: "query-key", first: q, second: k });
    for (const weighted of readers.get(node.outputs[0]!) ?? []) {
      if (weighted.operator !== "MatMul" && weighted.operator !== "Einsum") continue;
      const values = weighted.inputs.find((i) => i !== node.outputs[0]);
      const v = values === undefined ? undefined : weightBehind(values);
      const o = weightAhead(weighted.outputs[0]!);
      if (v !== undefined && o !== undefined) out.push({ kind: "value-output", first: v, second: o });
    }
  }
  return out;
}
