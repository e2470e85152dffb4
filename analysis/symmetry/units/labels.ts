/** @file Joint cells: cells that meet in one operator, with labels that say which of their slots are the same index. */
import type { Cell, TensorCells } from "./cells";

/** One operand's cell, with a label for each slot; slots without one (-1) carry no scale. */
export interface LabelledCell {
  readonly cell: Cell;
  /** The first of its unknowns. */
  readonly first: number;
  readonly labels: readonly number[];
}

/** A cell of a tensor with its labels. */
export function labelled(tensor: TensorCells, cell: Cell, labels: readonly number[]): LabelledCell {
  return { cell, first: tensor.first + cell.offset, labels };
}

/** Cells that meet in one operator; index 0 is the output, then the inputs (undefined where absent or not a tensor of scales). */
export type JointCell = readonly (LabelledCell | undefined)[];

/** What is known of one operand: its cells and, per axis, the virtual axis that it is part of. */
export interface Operand {
  readonly tensor: TensorCells;
  /** Virtual axis of each axis; -1 for one of its own (broadcast, spatial). */
  readonly virtual: readonly number[];
}

/** Labels of one loop are this far apart from those of the next. */
export const LABELS_PER_LOOP = 64;
