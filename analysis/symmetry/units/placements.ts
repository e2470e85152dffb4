/**
 * @file Joint cells of movement: Slice, Concat, Gather and Reshape keep what segments hold and change their place.
 */
import { typeOf } from "../../graph/numbering";
import { type Graph, type Node, numberAttribute } from "../../graph/graph";
import { sliceParts } from "../../operators/axes/movement";
import type { Cell, CellTable, SegmentPlace, Slot, TensorCells } from "./cells";
import { type JointCell, labelled } from "./labels";
import { upTo } from "./lists";

/**
 * Row-major order of cells with identical factor sequences; undefined where the two sides differ. Heads whose coordinates come in
 * pieces (rotary halves) are one cell where heads and coordinates are one axis, and several where they are two.
 */
export function rowMajor(table: CellTable, out: string, input: string): readonly JointCell[] | undefined {
  const to = table.of(out);
  const from = table.of(input);
  if (!to || !from) return undefined;
  if (to.cells.length !== from.cells.length)
    return to.cells.length === 1 || from.cells.length === 1 ? inOneCell(to, from) : undefined;
  const joint: JointCell[] = [];
  for (let i = 0; i < to.cells.length; i++) {
    const a = to.cells[i]!;
    const b = from.cells[i]!;
    if (a.slots.length !== b.slots.length || a.slots.some((s, k) => s.atom !== b.slots[k]!.atom)) return undefined;
    const labels = upTo(a.slots.length);
    joint.push([labelled(to, a, labels), labelled(from, b, labels)]);
  }
  return joint;
}

/** Each cell with the only one of the other side, which holds all entries; slots are the same index where they are the same atom. */
function inOneCell(to: TensorCells, from: TensorCells): readonly JointCell[] {
  const pair = (a: Cell, b: Cell): JointCell => {
    const labels = (slots: readonly Slot[]) => slots.map(({ atom }) => (isOnly(a, atom) && isOnly(b, atom) ? atom : -1));
    return [labelled(to, a, labels(a.slots)), labelled(from, b, labels(b.slots))];
  };
  return to.cells.flatMap((a) => from.cells.map((b) => pair(a, b)));
}

/** Whether an atom is one slot of a cell, no more. */
const isOnly = ({ slots }: Cell, atom: number): boolean => slots.filter((s) => s.atom === atom).length === 1;

/** Cells in the same order, whose slots are the same index where they are the same atom, and it is the only slot that is. */
export function sameAtoms(table: CellTable, out: string, input: string): readonly JointCell[] | undefined {
  const to = table.of(out);
  const from = table.of(input);
  if (!to || !from || to.counts.join() !== from.counts.join()) return undefined;
  return to.cells.map((a, i) => {
    const b = from.cells[i]!;
    const label = ({ atom }: Slot) => (isOnly(a, atom) && isOnly(b, atom) ? a.slots.findIndex((s) => s.atom === atom) : -1);
    return [labelled(to, a, a.slots.map(label)), labelled(from, b, b.slots.map(label))];
  });
}

/** Slice, Concat and Gather by constant indices: segments keep their content and change their place. */
export function placements(graph: Graph, table: CellTable, node: Node): readonly JointCell[] | undefined {
  const to = table.of(node.outputs[0]!);
  if (!to) return undefined;
  const shape = typeOf(graph, node.inputs[0]!)!.shape!;
  if (node.operator === "Concat") {
    const axis = numberAttribute(node, "axis", 0);
    const at = axis < 0 ? axis + shape.length : axis;
    let offset = 0;
    const joint: JointCell[] = [];
    for (const input of node.inputs) {
      const from = table.of(input);
      if (!from) return undefined;
      const shift = offset;
      const part = placed(to, from, (k) => (k === at ? shift : 0));
      if (!part) return undefined;
      for (const cells of part) joint.push(cells);
      offset += typeOf(graph, input)!.shape![at]!;
    }
    return joint;
  }
  const from = table.of(node.inputs[0]!);
  if (!from) return undefined;
  const constant = (i: number) => graph.constants.get(node.inputs[i] ?? "");
  if (node.operator === "Slice") {
    const parts = sliceParts({ node, shape: () => shape, absent: (i) => (node.inputs[i] ?? "") === "", constant });
    const strided = parts?.find((p) => p.step !== 1);
    if (!parts || strided) {
      const count = typeOf(graph, node.outputs[0]!)!.shape![strided?.axis ?? 0]!;
      const list = strided && Array.from({ length: count }, (_, i) => strided.start + i * strided.step);
      const single = list && parts?.length === 1 ? gathered(to, from, strided.axis, list) : undefined;
      return single ?? rowMajor(table, node.outputs[0]!, node.inputs[0]!);
    }
    return placed(from, to, (k) => parts.find((p) => p.axis === k)?.start ?? 0)?.map(([a, b]) => [b, a]);
  }
  const axis = numberAttribute(node, "axis", 0);
  const at = axis < 0 ? axis + shape.length : axis;
  const indices = constant(1);
  if (!indices || from.places[at]?.every((p) => p.factors.every((f) => f.pinned))) return undefined;
  const list = Array.from(indices.data, (i) => (i < 0 ? i + shape[at]! : i));
  if (indices.shape.length === 0) {
    // A block of a selector is picked.
    const joint: JointCell[] = [];
    for (const a of to.cells) {
      const segments = [...a.segments.slice(0, at), list[0]!, ...a.segments.slice(at)];
      const b = from.places[at] ? undefined : from.find(segments);
      if (!b || b.slots.length !== a.slots.length || a.slots.some((s, k) => s.atom !== b.slots[k]!.atom)) return undefined;
      const labels = upTo(a.slots.length);
      joint.push([labelled(to, a, labels), labelled(from, b, labels)]);
    }
    return joint;
  }
  if (indices.shape.length !== 1) return undefined;
  if (list.every((v, i) => v === list[0]! + i))
    return placed(from, to, (k) => (k === at ? list[0]! : 0))?.map(([a, b]) => [b, a]);
  return gathered(to, from, at, list);
}

/**
 * Cells of `part` found again inside `whole`, shifted along each axis; pairs are [whole, part]. A piece of a pinned segment
 * (one step of a sequence) belongs to that segment: no index of it carries a scale.
 */
function placed(whole: TensorCells, part: TensorCells, shift: (axis: number) => number): JointCell[] | undefined {
  const pinned = (p: SegmentPlace) => p.factors.every((f) => f.pinned);
  const found = part.places.map((places, axis) => {
    const inside = whole.places[axis];
    // One block of a selector is picked: a slice of one entry.
    if (places && whole.selectors[axis]) return places.map((p) => (p.size === 1 ? p.start + shift(axis) : -1));
    // Blocks that are entries of a pinned axis in the whole belong to the segment that has them.
    if (inside && part.selectors[axis]) {
      return Array.from({ length: part.counts[axis]! }, (_, b) =>
        inside.findIndex((q) => pinned(q) && q.start <= b + shift(axis) && b + shift(axis) < q.start + q.size),
      );
    }
    if (!places || !inside) return undefined;
    const byStart = whole.starts(axis)!;
    return places.map((p) => {
      const start = p.start + shift(axis);
      const exact = byStart.get(start) ?? -1;
      if (exact >= 0 && inside[exact]!.size === p.size) return exact;
      if (!pinned(p)) return -1;
      return inside.findIndex((q) => pinned(q) && q.start <= start && start + p.size <= q.start + q.size);
    });
  });
  const joint: JointCell[] = [];
  for (const b of part.cells) {
    const segments = b.segments.map((s, axis) => (found[axis] ? found[axis][s]! : s));
    // Blocks have segments of their own: which one is at that place there.
    for (let axis = 0; axis < segments.length; axis++) {
      const own = b.places[axis];
      if (found[axis] || shift(axis) === 0 || own === undefined) continue;
      const at = (k: number) => whole.find(segments.map((s, i) => (i === axis ? k : s)))?.places[axis];
      const start = own.start + shift(axis);
      segments[axis] = Array.from({ length: whole.counts[axis]! }, (_, k) => k).findIndex(
        (k) => at(k)?.start === start && at(k)?.size === own.size,
      );
    }
    const a = segments.includes(-1) ? undefined : whole.find(segments);
    if (!a || a.slots.length !== b.slots.length || a.slots.some((s, k) => s.atom !== b.slots[k]!.atom)) return undefined;
    const labels = upTo(a.slots.length);
    joint.push([labelled(whole, a, labels), labelled(part, b, labels)]);
  }
  return joint;
}

function gathered(to: TensorCells, from: TensorCells, at: number, list: readonly number[]): JointCell[] | undefined {
  const source = new Map((from.places[at] ?? []).map((p, i) => [p.start, [i, p] as const]));
  const joint: JointCell[] = [];
  for (const a of to.cells) {
    const place = to.places[at]?.[a.segments[at]!];
    const found: readonly [number, SegmentPlace] | undefined = place && source.get(list[place.start]!);
    if (!found || found[1].size !== place!.size) return undefined;
    const b = from.find(a.segments.map((s, axis) => (axis === at ? found[0] : s)));
    if (!b || a.slots.length !== b.slots.length || a.slots.some((s, k) => s.atom !== b.slots[k]!.atom)) return undefined;
    const labels = upTo(a.slots.length);
    joint.push([labelled(to, a, labels), labelled(from, b, labels)]);
  }
  return joint;
}
