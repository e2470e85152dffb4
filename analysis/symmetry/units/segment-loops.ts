/** @file Joint cells of tensors of several cells: all combinations of the segments of their virtual axes. */
import { type Cell, segmentCount } from "./cells";
import { sharedList } from "./lists";
import { type JointCell, LABELS_PER_LOOP, labelled, type LabelledCell, type Operand } from "./labels";

/** Axes that run through their segments together. */
interface Loop {
  readonly count: number;
  /** Operands and their axes, in turn. */
  readonly members: readonly number[];
  readonly labelled: boolean;
  /** Whether all members have the very same segments, so that their slots cannot differ. */
  readonly isSame: boolean;
}

/**
 * All combinations of segments along the virtual axes. Axes of one virtual axis run together where their segments agree;
 * where they do not, every combination is joined and their slots go without a label: fewer symmetries, never false ones.
 */
export function join(operands: readonly (Operand | undefined)[]): JointCell[] | undefined {
  const loops = loopsOf(operands);
  let total = 1;
  for (const l of loops) total *= l.count;
  if (total > MOST_JOINT_CELLS) return undefined;
  const choice = operands.map((operand) => new Array<number>(operand?.virtual.length ?? 0).fill(0));
  const loopOf = operands.map((operand) => new Array<number>(operand?.virtual.length ?? 0).fill(-1));
  loops.forEach((l, k) => {
    if (l.labelled) for (let i = 0; i < l.members.length; i += 2) loopOf[l.members[i]!]![l.members[i + 1]!] = k;
  });
  const labeller = new Labeller(operands, loopOf, loops);
  const out = new Array<JointCell>(total);
  for (let k = 0; k < total; k++) {
    let rest = k;
    for (const loop of loops) {
      if (loop.count === 1) continue;
      const at = rest % loop.count;
      for (let i = 0; i < loop.members.length; i += 2) choice[loop.members[i]!]![loop.members[i + 1]!] = at;
      rest = Math.floor(rest / loop.count);
    }
    out[k] = labeller.label(choice);
  }
  return out;
}

/** Beyond this many combinations nothing is joined, and no scale passes. */
const MOST_JOINT_CELLS = 100_000;

function loopsOf(operands: readonly (Operand | undefined)[]): Loop[] {
  const alone: Loop[] = [];
  const members = new Map<number, number[]>();
  for (let o = 0; o < operands.length; o++) {
    const operand = operands[o];
    if (!operand) continue;
    for (let axis = 0; axis < operand.virtual.length; axis++) {
      const v = operand.virtual[axis]!;
      const known = members.get(v);
      if (v < 0) alone.push({ count: segmentCount(operand.tensor, axis), members: [o, axis], labelled: false, isSame: false });
      else if (known) known.push(o, axis);
      else members.set(v, [o, axis]);
    }
  }
  for (const axes of members.values()) {
    if (runTogether(operands, axes)) {
      const { tensor } = operands[axes[0]!]!;
      const places = tensor.places[axes[1]!];
      let isSame = places !== undefined;
      for (let i = 2; i < axes.length; i += 2) if (operands[axes[i]!]!.tensor.places[axes[i + 1]!] !== places) isSame = false;
      alone.push({ count: segmentCount(tensor, axes[1]!), members: axes, labelled: true, isSame });
    } else {
      for (let i = 0; i < axes.length; i += 2) {
        const [o, axis] = [axes[i]!, axes[i + 1]!];
        alone.push({ count: segmentCount(operands[o]!.tensor, axis), members: [o, axis], labelled: false, isSame: false });
      }
    }
  }
  return alone;
}

/** Whether axes belong to different operands and have the same segments. */
function runTogether(operands: readonly (Operand | undefined)[], axes: readonly number[]): boolean {
  const { tensor } = operands[axes[0]!]!;
  const first = tensor.places[axes[1]!];
  for (let i = 2; i < axes.length; i += 2) {
    for (let j = 0; j < i; j += 2) if (axes[j] === axes[i]) return false;
    const other = operands[axes[i]!]!.tensor;
    const places = other.places[axes[i + 1]!];
    if (places === first && places !== undefined) continue;
    if (!first || !places) {
      if (segmentCount(other, axes[i + 1]!) !== segmentCount(tensor, axes[1]!)) return false;
    } else if (places.length !== first.length || places.some((p, k) => p.size !== first[k]!.size)) {
      return false;
    }
  }
  return true;
}

/**
 * Labels the slots of joint cells, one after the other: the same factor of the same virtual axis, made of the same atom in
 * every operand that has the axis.
 */
class Labeller {
  /** The cells that have the first slots of each loop: where another cell differs, the loop's labels are taken away. */
  private readonly first: (Cell | undefined)[];
  private readonly firstAxis: number[];
  private readonly torn: boolean[];
  private readonly mayTear: boolean;
  /** The last labels of each operand, and the slots that they are for: cells of one tensor are mostly alike. */
  private readonly last: ({ readonly slots: Cell["slots"]; readonly labels: readonly number[] } | undefined)[];

  constructor(
    private readonly operands: readonly (Operand | undefined)[],
    private readonly loopOf: readonly (readonly number[])[],
    private readonly loops: readonly Loop[],
  ) {
    this.first = new Array<Cell | undefined>(loops.length).fill(undefined);
    this.firstAxis = new Array<number>(loops.length).fill(0);
    this.torn = new Array<boolean>(loops.length).fill(false);
    this.mayTear = loops.some((l) => l.labelled && !l.isSame);
    this.last = operands.map(() => undefined);
  }

  /** The joint cell of a choice of segments for each operand. */
  label(choice: readonly (readonly number[])[]): JointCell {
    const { operands, first, torn } = this;
    if (this.mayTear) {
      first.fill(undefined);
      torn.fill(false);
    }
    const joint = new Array<LabelledCell | undefined>(operands.length);
    const cells = new Array<Cell | undefined>(operands.length);
    for (let o = 0; o < cells.length; o++) {
      cells[o] = operands[o]?.tensor.find(choice[o]!);
      if (this.mayTear && cells[o]) this.compare(cells[o]!, this.loopOf[o]!);
    }
    const isTorn = this.mayTear && torn.includes(true);
    for (let o = 0; o < cells.length; o++) {
      const cell = cells[o];
      joint[o] = cell && labelled(operands[o]!.tensor, cell, this.labels(cell, o, isTorn));
    }
    return joint;
  }

  /** Compares the slots of a cell, loop by loop, with those of the first cell that has the loop. */
  private compare(cell: Cell, loopOf: readonly number[]): void {
    const { slots } = cell;
    let k = 0;
    for (let axis = 0; axis < loopOf.length; axis++) {
      const from = k;
      while (k < slots.length && slots[k]!.axis === axis) k++;
      const loop = loopOf[axis]!;
      if (loop < 0 || this.loops[loop]!.isSame) continue;
      const known = this.first[loop];
      if (known === undefined) {
        this.first[loop] = cell;
        this.firstAxis[loop] = axis;
      } else if (!sameAtoms(known.slots, this.firstAxis[loop]!, slots, from, k)) {
        this.torn[loop] = true;
      }
    }
  }

  private labels({ slots }: Cell, operand: number, isTorn: boolean): readonly number[] {
    const last = this.last[operand];
    if (!isTorn && last !== undefined && sameAxes(last.slots, slots)) return last.labels;
    const labels = new Array<number>(slots.length);
    let at = 0;
    for (let i = 0; i < labels.length; i++) {
      const { axis } = slots[i]!;
      at = i > 0 && slots[i - 1]!.axis === axis ? at + 1 : 0;
      const loop = this.loopOf[operand]![axis]!;
      labels[i] = loop < 0 || this.torn[loop] ? -1 : loop * LABELS_PER_LOOP + at;
    }
    const own = sharedList(labels, labels.length);
    if (!isTorn) this.last[operand] = { slots, labels: own };
    return own;
  }
}

/** Whether the slots of one list along an axis have the atoms of slots [start, end) of another. */
function sameAtoms(slots: Cell["slots"], axis: number, others: Cell["slots"], start: number, end: number): boolean {
  let s = 0;
  while (s < slots.length && slots[s]!.axis < axis) s++;
  for (let i = start; i < end; i++, s++) {
    if (s >= slots.length || slots[s]!.axis !== axis || slots[s]!.atom !== others[i]!.atom) return false;
  }
  return s >= slots.length || slots[s]!.axis !== axis;
}

/** Whether two lists of slots lie along the same axes. */
function sameAxes(a: Cell["slots"], b: Cell["slots"]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i]!.axis !== b[i]!.axis) return false;
  return true;
}
