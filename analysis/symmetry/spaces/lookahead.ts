/** @file Looks ahead in the graph: what becomes of an axis further on. */
import { type Graph, numberAttribute, numbersAttribute } from "../../graph/graph";
import type { Numbering } from "../../graph/numbering";
import type { Shape } from "../../graph/tensor";
import { sliceParts } from "../../operators/axes/movement";

/**
 * Whether single entries of an axis are picked by constant indices further on: Gather of a scalar or a Slice, behind
 * operators that only move axes.
 */
export function indexedLater(graph: Graph, numbering: Numbering, value: number, axis: number): boolean {
  const { types, constants, inputs, outputs } = numbering;
  const pending: [number, number][] = [[value, axis]];
  for (let steps = 0; pending.length > 0 && steps < 64; steps++) {
    const [at, along] = pending.pop()!;
    const shape = types[at]?.shape;
    if (!shape) continue;
    for (const k of numbering.readers(at)) {
      const [reader, read] = [graph.nodes[k]!, inputs[k]!];
      if (read[0] !== at) continue;
      const out = outputs[k]![0]!;
      if (reader.operator === "Gather") {
        const g = numberAttribute(reader, "axis", 0);
        const picked = constants[read[1]!];
        const dropped = g < 0 ? g + shape.length : g;
        if (picked?.shape.length !== 0) continue;
        if (dropped === along) return true;
        pending.push([out, along > dropped ? along - 1 : along]);
      } else if (reader.operator === "Slice") {
        const parts = sliceParts({
          node: reader,
          shape: () => shape,
          absent: (i) => (reader.inputs[i] ?? "") === "",
          constant: (i) => constants[read[i] ?? -1],
        });
        const length = types[out]?.shape?.[along];
        if (parts?.some((p) => p.axis === along) && length === 1) return true;
      } else if (reader.operator === "Transpose") {
        const perm = numbersAttribute(reader, "perm") ?? shape.map((_, i) => shape.length - 1 - i);
        pending.push([out, perm.indexOf(along)]);
      } else if (reader.operator === "Reshape") {
        const moved = sameAxisAfterReshape(shape, types[out]?.shape, along);
        if (moved !== undefined) pending.push([out, moved]);
      }
    }
  }
  return false;
}

/** Operators behind which weights have read a value, or its entries are mixed. */
const READERS: ReadonlySet<string> = new Set(["MatMul", "Gemm", "Einsum", "Conv", "ConvTranspose"]);
/** Values looked at before it counts as joined. */
const MOST_VALUES = 64;

/**
 * Whether some later operator concatenates what becomes of a value, before any contraction: halves that a rotation puts
 * together again, in contrast to a gate and the values that it gates.
 */
export function joinedLater(graph: Graph, numbering: Numbering, value: number): boolean {
  const seen = new Set([value]);
  const pending = [value];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const k of numbering.readers(at)) {
      const { operator } = graph.nodes[k]!;
      if (operator === "Concat" || seen.size > MOST_VALUES) return true;
      if (READERS.has(operator)) continue;
      for (const o of numbering.outputs[k]!) {
        if (o < 0 || seen.has(o)) continue;
        seen.add(o);
        pending.push(o);
      }
    }
  }
  return false;
}

/** Where an axis is after a Reshape that leaves it as it is; undefined when it is merged or split. */
function sameAxisAfterReshape(from: Shape, to: Shape | undefined, axis: number): number | undefined {
  if (!to || from[axis] === 1) return undefined;
  const before = from.slice(0, axis).reduce((n, d) => n * d, 1);
  let n = 1;
  for (let j = 0; j < to.length; j++) {
    if (n === before && to[j] === from[axis]) return j;
    n *= to[j]!;
  }
  return undefined;
}
