/**
 * @file Scalings that differ from place to place: what space to depth has made channels of, gains that stand on the steps of
 * a sequence. No place may change with another, so that axis inference pins places, and pinned factors carry no index that
 * a scale could depend on. Where a weight stands on places, axes are inferred once more with places left free, and the
 * scalings are taken from there that depend on places. They are independent of the others: a scaling over D is the pure
 * interaction of the indices in D, which is orthogonal to all that does not depend on the place.
 */
import { type Graph, type Node, numberAttribute } from "../../graph/graph";
import type { Equivariance } from "../../operators/equivariance";
import { type InferredAxes, inferAxes } from "../spaces/infer";
import type { Cell, CellTable, SegmentPlace } from "./cells";
import type { Scaling } from "./scalings";

/** Operators whose weights may take a scale from what they meet; a sum passes only what the other side has, too. */
const MULTIPLYING: ReadonlySet<string> = new Set(["Mul", "Div", "MatMul", "Gemm", "Einsum"]);

/** How many operators that move entries may stand between a weight and what multiplies it. */
const MOST_MOVES = 4;

const MOVING: ReadonlySet<string> = new Set(["Reshape", "Transpose", "Unsqueeze", "Squeeze", "Expand", "Identity"]);

/** Graphs of more nodes are not looked at a second time. */
const MOST_NODES = 5_000;

/** The axes of a graph with places left free; undefined where no weight that multiplies stands on places. */
export function placeAxes(
  table: CellTable,
  graph: Graph,
  axes: InferredAxes,
  equivariance: (node: Node) => Equivariance | undefined,
): InferredAxes | undefined {
  if (graph.nodes.length > MOST_NODES) return undefined;
  for (const p of graph.parameters.values()) {
    if (!p.trainable) continue;
    const value = axes.numbering.of(p.name);
    const places = table.at(value)?.places;
    const standsOnPlaces = (axis: number) => places?.[axis]?.some((s) => s.factors.some((f) => f.pinned && f.size > 1)) === true;
    const held = p.shape.flatMap((_, axis) => (standsOnPlaces(axis) ? [axis] : []));
    if (held.length > 0 && multiplies(axes, graph, value, held)) {
      return inferAxes(graph, { equivariance, softPins: false, freePlaces: true });
    }
  }
  return undefined;
}

/** Whether a weight, moved about at most, is multiplied along one of the given axes; a kernel's windows are no such axes. */
function multiplies(axes: InferredAxes, graph: Graph, value: number, held: readonly number[]): boolean {
  const { numbering } = axes;
  let values = [value];
  for (let moves = 0; moves <= MOST_MOVES && values.length > 0; moves++) {
    const next: number[] = [];
    for (const v of values) {
      for (const k of numbering.readers(v)) {
        const node = graph.nodes[k]!;
        if (MULTIPLYING.has(node.operator)) return true;
        if (node.operator === "Conv" || node.operator === "ConvTranspose") {
          if (numberAttribute(node, "group", 1) > 1 && held.some((axis) => axis < 2)) return true;
        } else if (MOVING.has(node.operator)) next.push(numbering.outputs[k]![0]!);
      }
    }
    values = next;
  }
  return false;
}

/**
 * Whether a scaling depends, in every weight that it moves, on an index that is part of a pinned factor in the given table:
 * no scaling of that table depends on it.
 */
export function differsByPlace(scaling: Scaling, pinned: CellTable): boolean {
  return (
    scaling.sizes.length > 0 &&
    scaling.entries.every(({ parameter, cell, slots }) => {
      const places = pinned.of(parameter)?.places;
      return places !== undefined && slots.some((slot) => isInPinned(cell, slot, places));
    })
  );
}

/** Whether a slot lies inside a pinned factor of the same segment. */
function isInPinned(cell: Cell, at: number, places: readonly (readonly SegmentPlace[] | undefined)[]): boolean {
  const slot = cell.slots[at]!;
  const own = cell.places[slot.axis];
  const other = places[slot.axis]?.find((p) => p.start === own?.start && p.size === own.size);
  if (own === undefined || other === undefined) return false;
  const from = innerSize(own, slot.factor);
  return other.factors.some((f, i) => {
    const start = innerSize(other, i);
    return f.pinned && start <= from && from % start === 0 && (start * f.size) % (from * slot.size) === 0;
  });
}

/** Entries of a segment that one step of a factor passes over. */
function innerSize({ factors }: SegmentPlace, factor: number): number {
  let n = 1;
  for (let i = factor + 1; i < factors.length; i++) n *= factors[i]!.size;
  return n;
}
