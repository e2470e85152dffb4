/** @file Moves the places in a result when lines were added or removed above unchanged code. */
import type { Node, Parameter } from "../../../graph/graph";
import type { Origin, SourceRange } from "../../../graph/source";
import { relocateInventory } from "./inventory";
import type { PythonModel } from "./results";

/** Maps a place before an edit to the same place after it. */
export type Shift = (range: SourceRange) => SourceRange;

function origin(o: Origin, shift: Shift): Origin {
  return {
    ...o,
    ...(o.range ? { range: shift(o.range) } : {}),
    ...(o.related ? { related: o.related.map((r) => ({ ...r, range: shift(r.range) })) } : {}),
  };
}

/** A copy of a model with all its places shifted. */
export function relocateModel(m: PythonModel, shift: Shift): PythonModel {
  const parameters = new Map<string, Parameter>();
  for (const [name, p] of m.graph.parameters) {
    const { initialisation } = p;
    const moved = initialisation?.origin ? { ...initialisation, origin: origin(initialisation.origin, shift) } : initialisation;
    parameters.set(name, { ...p, origin: origin(p.origin, shift), ...(moved ? { initialisation: moved } : {}) });
  }
  return {
    ...m,
    range: shift(m.range),
    graph: { ...m.graph, parameters, nodes: m.graph.nodes.map((n): Node => ({ ...n, origin: origin(n.origin, shift) })) },
    opaque: m.opaque.map((o) => ({ ...o, range: shift(o.range) })),
    inventory: relocateInventory(m.inventory, shift),
    layers: m.layers.map((l) => ({
      ...l,
      constructor: shift(l.constructor),
      uses: l.uses.map(shift),
      ...(l.bias
        ? {
            bias: {
              ...l.bias,
              call: shift(l.bias.call),
              ...(l.bias.range ? { range: shift(l.bias.range) } : {}),
              ...(l.bias.insert ? { insert: { ...l.bias.insert, range: shift(l.bias.insert.range) } } : {}),
            },
          }
        : {}),
    })),
  };
}
