/** @file Looks ahead in the graph: what becomes of an axis further on. */
import { type Graph, type Node, numberAttribute, numbersAttribute } from "../../graph/graph";
import type { Shape } from "../../graph/tensor";
import { sliceParts } from "../../operators/axes/movement";

/**
 * Whether single entries of an axis are picked by constant indices further on: Gather of a scalar or a Slice, behind
 * operators that only move axes.
 */
export function indexedLater(graph: Graph, readers: ReadonlyMap<string, readonly Node[]>, value: string, axis: number): boolean {
  const pending: [string, number][] = [[value, axis]];
  for (let steps = 0; pending.length > 0 && steps < 64; steps++) {
    const [name, at] = pending.pop()!;
    const shape = graph.types.get(name)?.shape;
    if (!shape) continue;
    for (const reader of readers.get(name) ?? []) {
      if (reader.inputs[0] !== name) continue;
      const out = reader.outputs[0]!;
      if (reader.operator === "Gather") {
        const g = numberAttribute(reader, "axis", 0);
        const picked = graph.constants.get(reader.inputs[1]!);
        const dropped = g < 0 ? g + shape.length : g;
        if (picked?.shape.length !== 0) continue;
        if (dropped === at) return true;
        pending.push([out, at > dropped ? at - 1 : at]);
      } else if (reader.operator === "Slice") {
        const parts = sliceParts({
          node: reader,
          shape: () => shape,
          absent: (i) => (reader.inputs[i] ?? "") === "",
          constant: (i) => graph.constants.get(reader.inputs[i] ?? ""),
        });
        const length = graph.types.get(out)?.shape?.[at];
        if (parts?.some((p) => p.axis === at) && length === 1) return true;
      } else if (reader.operator === "Transpose") {
        const perm = numbersAttribute(reader, "perm") ?? shape.map((_, i) => shape.length - 1 - i);
        pending.push([out, perm.indexOf(at)]);
      } else if (reader.operator === "Reshape") {
        const moved = sameAxisAfterReshape(shape, graph.types.get(out)?.shape, at);
        if (moved !== undefined) pending.push([out, moved]);
      }
    }
  }
  return false;
}

/** Operators behind which weights have read a value, or its entries are mixed. */
const READERS: ReadonlySet<string> = new Set(["MatMul", "Einsum", "Conv", "ConvTranspose"]);
/** Values looked at before it counts as joined. */
const MOST_VALUES = 64;

/**
 * Whether some later operator concatenates what becomes of a value, before any contraction: halves that a rotation puts
 * together again, in contrast to a gate and the values that it gates.
 */
export function joinedLater(readers: ReadonlyMap<string, readonly Node[]>, value: string): boolean {
  const seen = new Set([value]);
  const pending = [value];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    for (const reader of readers.get(name) ?? []) {
      if (reader.operator === "Concat" || seen.size > MOST_VALUES) return true;
      if (READERS.has(reader.operator)) continue;
      for (const o of reader.outputs) {
        if (o === "" || seen.has(o)) continue;
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
