/** @file Joint cells of grouped convolutions, where one axis of a tensor is two virtual axes. */
import { typeOf } from "../../graph/numbering";
import { type Graph, type Node, numberAttribute } from "../../graph/graph";
import { type Cell, type CellTable, segmentCount } from "./cells";
import { type JointCell, labelled, type LabelledCell } from "./labels";

/**
 * Grouped convolutions, where one axis is two virtual axes: input channels (g, I / g), weight (g, O / g) and I / g, output
 * channels (g, O / g); transposed, weight (g, I / g) and O / g.
 */
export function groupedConvolution(graph: Graph, table: CellTable, node: Node): readonly JointCell[] | undefined {
  const [z, x, w] = [node.outputs[0]!, node.inputs[0]!, node.inputs[1]!].map((v) => table.of(v));
  if (!z || !x || !w) return undefined;
  const group = numberAttribute(node, "group", 1);
  const size = (v: string, axis: number) => typeOf(graph, v)!.shape![axis]!;
  const transposed = node.operator === "ConvTranspose";
  const insideX = size(node.inputs[0]!, 1) / group;
  const insideZ = size(node.outputs[0]!, 1) / group;
  const insideW = size(node.inputs[1]!, 0) / group;
  const places = [z.places[1], x.places[1], w.places[0]];
  const n = places[0]?.length;
  if (n === undefined || places.some((p) => p?.length !== n) || w.places[1]?.length !== 1) return undefined;
  const joint: JointCell[] = [];
  const batches = segmentCount(x, 0);
  if (segmentCount(z, 0) !== batches) return undefined;
  const byPlace = [z, x].map(({ cells }) => grouped(cells, (c) => c.segments[0]! * n + c.segments[1]!));
  const byFilter = grouped(w.cells, (c) => c.segments[0]!);
  for (let b = 0; b < batches; b++) {
    for (let s = 0; s < n; s++) {
      const cells = [...byPlace.map((m) => m.get(b * n + s) ?? []), byFilter.get(s) ?? []];
      for (const cz of cells[0]!) {
        for (const cx of cells[1]!) {
          for (const cw of cells[2]!) {
            const groupSize = places[0]![s]!.size / insideZ;
            if (places[1]![s]!.size / insideX !== groupSize || places[2]![s]!.size / insideW !== groupSize) return undefined;
            const lz = splitLabels(cz, 1, groupSize, 0, 10, 20);
            const lx = splitLabels(cx, 1, groupSize, 0, 10, 30);
            const lw = splitLabels(cw, 0, groupSize, 0, 10, transposed ? 30 : 20).map((l, k) =>
              cw.slots[k]!.axis === 1 ? (transposed ? 20 : 30) + positionOf(cw, k) : l,
            );
            joint.push(consistent([labelled(z, cz, lz), labelled(x, cx, lx), labelled(w, cw, lw)]));
          }
        }
      }
    }
  }
  return joint;
}

function grouped(cells: readonly Cell[], key: (cell: Cell) => number): Map<number, Cell[]> {
  const out = new Map<number, Cell[]>();
  for (const c of cells) {
    const list = out.get(key(c));
    if (list) list.push(c);
    else out.set(key(c), [c]);
  }
  return out;
}

function positionOf(cell: Cell, slot: number): number {
  let n = 0;
  for (let k = 0; k < slot; k++) if (cell.slots[k]!.axis === cell.slots[slot]!.axis) n++;
  return n;
}

/** Labels for an axis that is groups first, then what is inside of them; batch slots (axis 0 of activations) get their own. */
function splitLabels(cell: Cell, axis: number, groupSize: number, batch: number, groups: number, inside: number): number[] {
  let covered = 1;
  let atGroups = 0;
  let atInside = 0;
  let atBatch = 0;
  return cell.slots.map((slot) => {
    if (slot.axis !== axis) return axis === 1 && slot.axis === 0 ? batch + atBatch++ : -1;
    if (covered < groupSize) {
      covered *= slot.size;
      return covered <= groupSize ? groups + atGroups++ : -1;
    }
    return inside + atInside++;
  });
}

/** Takes labels away whose slots are not made of the same atom everywhere. */
function consistent(joint: readonly LabelledCell[]): JointCell {
  const atomOf = new Map<number, number>();
  const torn = new Set<number>();
  for (const { cell, labels } of joint) {
    labels.forEach((l, k) => {
      const atom = cell.slots[k]!.atom;
      if (l >= 0 && (atomOf.get(l) ?? atom) !== atom) torn.add(l);
      atomOf.set(l, atom);
    });
  }
  return joint.map((c) => ({ ...c, labels: c.labels.map((l) => (torn.has(l) ? -1 : l)) }));
}
