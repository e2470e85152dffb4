/**
 * @file Scalings that differ from place to place: what space to depth has made channels of, gains that stand on the steps of
 * a sequence. No place may change with another, so that axis inference pins places, and pinned factors carry no index that
 * a scale could depend on. Where a weight stands on places, axes are inferred once more with places left free, and the
 * scalings are taken from there that depend on places. They are independent of the others: a scaling over D is the pure
 * interaction of the indices in D, which is orthogonal to all that does not depend on the place.
 */
import { typeOf } from "../../graph/numbering";
import { type Graph, type Node, stringAttribute } from "../../graph/graph";
import { parseEinsum } from "../../operators/einsum";
import type { Equivariance } from "../../operators/equivariance";
import { operatorsThat } from "../../operators/movers";
import { type InferredAxes, inferAxes } from "../spaces/infer";
import type { Cell, CellTable, SegmentPlace } from "./cells";
import type { Scaling } from "./scalings";

/** How many operators that move entries may stand between a weight and what multiplies it. */
const MOST_MOVES = 4;

const MOVING: ReadonlySet<string> = operatorsThat("reshapes", "transposes", "repeats");

/** Graphs of more nodes are not looked at a second time. */
const MOST_NODES = 5_000;

/**
 * The axes of a graph with places left free; undefined where no weight multiplies each place by something of its own, so that
 * nothing could make scales differ between places.
 */
export function placeAxes(
  table: CellTable,
  graph: Graph,
  axes: InferredAxes,
  equivariance: (node: Node) => Equivariance | undefined,
): InferredAxes | undefined {
  if (graph.nodes.length > MOST_NODES) return undefined;
  const { numbering } = axes;
  let at = 0;
  for (const p of graph.parameters.values()) {
    const value = numbering.parameters[at++]!;
    if (p.trainable && multipliesEach(table, graph, value, MOST_MOVES)) {
      return inferAxes(graph, { equivariance, softPins: false, freePlaces: true });
    }
  }
  return undefined;
}

/** Whether a weight, moved about at most, multiplies along one of its axes of places. */
function multipliesEach(table: CellTable, graph: Graph, value: number, moves: number): boolean {
  const { numbering } = table;
  const places = table.at(value)?.places;
  const isHeld = (axis: number) => places?.[axis]?.some((s) => s.factors.some((f) => f.pinned && f.size > 1)) === true;
  const held = (places ?? []).flatMap((_, axis) => (isHeld(axis) ? [axis] : []));
  if (held.length === 0) return false;
  return numbering.readers(value).some((k) => {
    const node = graph.nodes[k]!;
    const along = axesOfEach(node, numbering.inputs[k]!.indexOf(value), (v) => typeOf(graph, v)?.shape?.length ?? 0);
    if (held.some(along)) return true;
    return moves > 0 && MOVING.has(node.operator) && multipliesEach(table, graph, numbering.outputs[k]![0]!, moves - 1);
  });
}

/** Along which axes of an operand an operator multiplies entry by entry, summing over nothing. */
function axesOfEach(node: Node, operand: number, rank: (value: string) => number): (axis: number) => boolean {
  switch (node.operator) {
    case "Mul":
    case "Div":
      return () => true;
    case "MatMul":
      return (axis) => axis < rank(node.inputs[operand]!) - 2;
    case "Conv":
    case "ConvTranspose":
      return (axis) => operand === 1 && axis === 0 && (node.attributes["group"] ?? 1) !== 1;
    case "Einsum":
      try {
        const { inputs, output } = parseEinsum(stringAttribute(node, "equation", ""), node.inputs.map(rank));
        return (axis) => [...inputs, output].every((letters) => letters.includes(inputs[operand]![axis]!));
      } catch {
        return () => false; // a damaged equation: its rule says so
      }
  }
  return () => false;
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
