/**
 * @file The joint cell of tensors of one cell each, the bulk of every graph: no segments to combine, and next to no garbage.
 */
import type { Node } from "../../graph/graph";
import { ABSENT } from "../../graph/numbering";
import type { CellTable, TensorCells } from "./cells";
import { sharedList } from "./lists";
import { INDEX_OPERANDS } from "./virtual-axes";
import { type JointCell, LABELS_PER_LOOP, labelled, type LabelledCell, type Operand } from "./labels";

/**
 * Entry-wise operators on tensors of one cell each, the bulk of every graph: axes are aligned from the right. Undefined
 * where it takes more than that.
 */
export function alignSingle(table: CellTable, node: Node, position: number): JointCell | undefined {
  const inputs = table.numbering.inputs[position]!;
  const z = table.at(table.numbering.outputs[position]![0]!);
  if (z?.cells.length !== 1) return undefined;
  const rank = z.counts.length;
  // Which axes are made of the same atoms in all operands that have them.
  const agree = new Array<boolean>(rank).fill(true);
  const tensors = new Array<TensorCells | undefined>(inputs.length + 1).fill(undefined);
  const all = new Array<number[]>(inputs.length + 1);
  for (let k = 0; k < inputs.length; k++) {
    const value = inputs[k]!;
    if (value === ABSENT || (k > 0 && INDEX_OPERANDS.has(node.operator))) continue;
    const x = table.at(value);
    if (x?.cells.length !== 1 || x.counts.length > rank) return undefined;
    const cell = x.cells[0]!;
    const shift = rank - x.counts.length;
    const labels = new Array<number>(cell.slots.length).fill(-1);
    let i = 0;
    for (let axis = 0; axis < x.counts.length; axis++) {
      const [place, whole] = [x.places[axis]?.[0], z.places[axis + shift]?.[0]];
      if (!place || !whole) return undefined;
      const isAligned = place.size === whole.size;
      if (isAligned && place !== whole && !sameSlots(x, axis, z, axis + shift)) agree[axis + shift] = false;
      for (let at = 0; i < labels.length && cell.slots[i]!.axis === axis; i++, at++) {
        if (isAligned) labels[i] = (axis + shift) * LABELS_PER_LOOP + at;
      }
    }
    tensors[k + 1] = x;
    all[k + 1] = labels;
  }
  const { slots } = z.cells[0]!;
  const own = new Array<number>(slots.length);
  for (let i = 0, at = 0; i < slots.length; i++) {
    at = i > 0 && slots[i - 1]!.axis === slots[i]!.axis ? at + 1 : 0;
    own[i] = slots[i]!.axis * LABELS_PER_LOOP + at;
  }
  tensors[0] = z;
  all[0] = own;
  const isAgreed = !agree.includes(false);
  return tensors.map((tensor, o): LabelledCell | undefined => {
    if (tensor === undefined) return undefined;
    const labels = all[o]!;
    for (let i = 0; !isAgreed && i < labels.length; i++) {
      if (labels[i]! >= 0 && !agree[Math.floor(labels[i]! / LABELS_PER_LOOP)]) labels[i] = -1;
    }
    return labelled(tensor, tensor.cells[0]!, sharedList(labels, labels.length));
  });
}

/** Virtual axes with the first operand and axis that have them, the last operand, and whether all of them agree. */
class VirtualTable {
  count = 0;
  readonly ids: number[] = [];
  readonly tensor: TensorCells[] = [];
  readonly axis: number[] = [];
  readonly last: number[] = [];
  readonly agree: boolean[] = [];

  indexOf(id: number): number {
    for (let k = 0; k < this.count; k++) if (this.ids[k] === id) return k;
    return -1;
  }
}

/** One for all nodes in turn: small lists for each would be most of the garbage. */
const TABLE = new VirtualTable();

/** `join` where every tensor is one cell, as nearly all are. */
export function joinSingle(operands: readonly (Operand | undefined)[]): JointCell {
  TABLE.count = 0;
  const { ids, tensor, axis: axes, last, agree } = TABLE;
  for (let o = 0; o < operands.length; o++) {
    const operand = operands[o];
    if (!operand) continue;
    for (let axis = 0; axis < operand.virtual.length; axis++) {
      const v = operand.virtual[axis]!;
      if (v < 0) continue;
      let k = TABLE.indexOf(v);
      if (k < 0) {
        k = TABLE.count++;
        ids[k] = v;
        tensor[k] = operand.tensor;
        axes[k] = axis;
        agree[k] = true;
      } else if (last[k] === o || !sameSlots(tensor[k]!, axes[k]!, operand.tensor, axis)) agree[k] = false;
      last[k] = o;
    }
  }
  const joint = new Array<LabelledCell | undefined>(operands.length);
  for (let o = 0; o < operands.length; o++) joint[o] = operands[o] && labelledSingle(operands[o]!);
  return joint;
}

/** Room for one list of labels. */
const LABELS: number[] = [];

/** The one cell of an operand with its labels, as the table says. */
function labelledSingle({ tensor, virtual }: Operand): LabelledCell {
  const cell = tensor.cells[0]!;
  const { slots } = cell;
  for (let i = 0, at = 0; i < slots.length; i++) {
    const { axis } = slots[i]!;
    at = i > 0 && slots[i - 1]!.axis === axis ? at + 1 : 0;
    const k = virtual[axis]! < 0 ? -1 : TABLE.indexOf(virtual[axis]!);
    LABELS[i] = k < 0 || !TABLE.agree[k] ? -1 : k * LABELS_PER_LOOP + at;
  }
  return labelled(tensor, cell, sharedList(LABELS, slots.length));
}

/** Whether two axes of one segment each are of the same size and made of the same atoms. */
function sameSlots(a: TensorCells, i: number, b: TensorCells, j: number): boolean {
  const p = a.places[i];
  const q = b.places[j];
  if (p !== undefined && p === q) return true;
  if (p && q && p[0]!.size !== q[0]!.size) return false;
  const x = a.cells[0]!.slots;
  const y = b.cells[0]!.slots;
  let s = 0;
  let t = 0;
  while (s < x.length && x[s]!.axis < i) s++;
  while (t < y.length && y[t]!.axis < j) t++;
  for (; s < x.length && x[s]!.axis === i; s++, t++) {
    if (t >= y.length || y[t]!.axis !== j || x[s]!.atom !== y[t]!.atom) return false;
  }
  return t >= y.length || y[t]!.axis !== j;
}
