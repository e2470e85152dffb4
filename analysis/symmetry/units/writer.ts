/** @file Writes the equations that a relation means for the cells of one operator's operands. */
import type { Cell, TensorCells } from "./cells";
import type { JointCell } from "./labels";
import type { Relation } from "./relations";

/** Takes the equations as they are written. */
export interface EquationSink {
  /** unknown = 0 */
  zero(unknown: number): void;
  /** a * u + b * v = 0, neither coefficient zero */
  pair(u: number, a: number, v: number, b: number): void;
  /** Sum of coefficient * unknown = 0; unknowns and coefficients in turn, `count` of both together. The list is used again. */
  sum(terms: readonly number[], count: number): void;
}

/** No unknown of a tensor has a scale. */
export function zeroTensor({ first, unknowns }: TensorCells, sink: EquationSink): void {
  for (let k = 0; k < unknowns; k++) sink.zero(first + k);
}

/** No unknown of a cell, of which the first is given, has a scale. */
export function zeroCell({ masks }: Cell, first: number, sink: EquationSink): void {
  for (let k = 0; k < masks.length; k++) sink.zero(first + k);
}

/** How the unknowns of operands line up; sets of labels are bit sets over the labels that occur. */
interface LineUp {
  readonly keys: number[];
  /** Per key and operand, operands within keys, which unknown of its cell the operand has there; -1 where it has none. */
  readonly rows: number[];
  /** Operands and their unknowns of sets with an unlabelled slot, which carry no scale, in turn. */
  readonly unlabelled: number[];
  /** Labels that the output has. */
  inOutput: number;
  /** What it was made for, by operand; undefined for absent ones. */
  readonly labels: (readonly number[] | undefined)[];
  readonly masks: (readonly number[] | undefined)[];
}

const NOTHING_LINED_UP: LineUp = { keys: [], rows: [], unlabelled: [], inOutput: 0, labels: [], masks: [] };

/** How many ways of lining up are remembered: layers are many, the ways are few. */
const MOST_REMEMBERED = 16;

/** Stands for the labels of tensors of one form, whose slots correspond in order. */
const IN_ORDER: readonly number[] = [];

/** Writes the equations of joint cells. */
export class RelationWriter {
  /** The cells of the operands at hand. */
  private readonly cells: (Cell | undefined)[] = [];
  /** The first unknown of each of them. */
  private readonly firsts: number[] = [];
  private lineUp = NOTHING_LINED_UP;
  private readonly remembered: LineUp[] = [];
  private oldest = 0;
  /** Labels by bit, while they are lined up. */
  private readonly bits: number[] = [];
  /** Room for one sum. */
  private readonly terms: number[] = [];

  /** Lines up the unknowns of a joint cell. */
  read(cells: JointCell): void {
    const width = cells.length;
    this.cells.length = width;
    for (let o = 0; o < width; o++) {
      this.cells[o] = cells[o]?.cell;
      this.firsts[o] = cells[o]?.first ?? 0;
    }
    if (this.isRemembered(cells, this.lineUp)) return;
    for (const known of this.remembered) {
      if (!this.isRemembered(cells, known)) continue;
      this.lineUp = known;
      return;
    }
    const made: LineUp = {
      keys: [],
      rows: [],
      unlabelled: [],
      inOutput: 0,
      labels: cells.map((c) => c?.labels),
      masks: cells.map((c) => c?.cell.masks),
    };
    this.bits.length = 0;
    for (let o = 0; o < width; o++) {
      const operand = cells[o];
      if (!operand) continue;
      const { masks } = operand.cell;
      for (let k = 0; k < masks.length; k++) {
        const key = this.keyOf(masks[k]!, operand.labels);
        if (key < 0) made.unlabelled.push(o, k);
        else made.rows[rowOf(made, key, width) + o] = k;
      }
    }
    for (const l of cells[0]?.labels ?? []) if (l >= 0) made.inOutput |= this.bitOf(l);
    this.remember(made);
  }

  private remember(made: LineUp): void {
    this.remembered[this.oldest] = made;
    this.oldest = (this.oldest + 1) % MOST_REMEMBERED;
    this.lineUp = made;
  }

  /** Whether the unknowns of a joint cell line up in a known way. */
  private isRemembered(cells: JointCell, { labels, masks }: LineUp): boolean {
    if (labels.length !== cells.length || cells.length === 0) return false;
    for (let o = 0; o < cells.length; o++) {
      if (cells[o]?.labels !== labels[o] || cells[o]?.cell.masks !== masks[o]) return false;
    }
    return true;
  }

  /** Lines up the unknowns of the k-th cells of tensors of one form. */
  readAlike(tensors: readonly (TensorCells | undefined)[], k: number): void {
    const width = tensors.length;
    this.cells.length = width;
    for (let o = 0; o < width; o++) {
      const cell = tensors[o]?.cells[k];
      this.cells[o] = cell;
      this.firsts[o] = cell === undefined ? 0 : tensors[o]!.first + cell.offset;
    }
    const { masks } = this.cells[0]!;
    if (this.isAlike(this.lineUp, masks)) return;
    for (const known of this.remembered) {
      if (!this.isAlike(known, masks)) continue;
      this.lineUp = known;
      return;
    }
    const rows = masks.flatMap((_, m) => this.cells.map((cell) => (cell === undefined ? -1 : m)));
    const labels = this.cells.map((cell) => cell && IN_ORDER);
    const own = this.cells.map((cell) => cell && masks);
    this.remember({ keys: [...masks], rows, unlabelled: [], inOutput: -1, labels, masks: own });
  }

  /** Whether the cells at hand, all of one form, line up in a known way. */
  private isAlike({ labels, masks: known }: LineUp, masks: readonly number[]): boolean {
    const { cells } = this;
    if (labels.length !== cells.length || labels[0] !== IN_ORDER || known[0] !== masks) return false;
    for (let o = 0; o < cells.length; o++) if ((cells[o] === undefined) !== (labels[o] === undefined)) return false;
    return true;
  }

  /** Writes how the unknowns that were lined up relate. */
  relate(relation: Relation, sink: EquationSink): void {
    const { cells, firsts } = this;
    const { keys, unlabelled, inOutput } = this.lineUp;
    if (relation.kind === "zero") {
      for (let o = 0; o < cells.length; o++) if (cells[o]) zeroCell(cells[o]!, firsts[o]!, sink);
      return;
    }
    for (let i = 0; i < unlabelled.length; i += 2) sink.zero(firsts[unlabelled[i]!]! + unlabelled[i + 1]!);
    for (let k = 0; k < keys.length; k++) this.write(relation, (keys[k]! & ~inOutput) !== 0, k * cells.length, sink);
  }

  /** Writes how the unknowns of some of the operands relate, relation by relation. */
  relateParts(parts: NonNullable<Relation["parts"]>, cells: JointCell, sink: EquationSink): void {
    for (const { relation, operands } of parts) {
      const some = operands.map((o) => cells[o]);
      if (relation.kind !== "within" && some[0] === undefined) continue;
      this.read(some);
      this.relate(relation, sink);
    }
  }

  /** The unknown of an operand in a row; -1 where it has none. */
  private unknown(row: number, operand: number): number {
    const at = this.lineUp.rows[row + operand]!;
    return at < 0 ? -1 : this.firsts[operand]! + at;
  }

  /** The labels of a set of slots as bits; -1 where one has none. */
  private keyOf(mask: number, labels: readonly number[]): number {
    let key = 0;
    for (let i = 0; mask >> i !== 0; i++) {
      if ((mask & (1 << i)) === 0) continue;
      const bit = labels[i]! < 0 ? 0 : this.bitOf(labels[i]!);
      if (bit === 0) return -1;
      key |= bit;
    }
    return key;
  }

  /** The bit of a label; 0 where there are too many labels. */
  private bitOf(label: number): number {
    let at = this.bits.indexOf(label);
    if (at < 0) at = this.bits.push(label) - 1;
    return at < MOST_LABELS ? 1 << at : 0;
  }

  private write(relation: Relation, contracted: boolean, row: number, sink: EquationSink): void {
    const { cells } = this;
    const z = this.unknown(row, 0);
    switch (relation.kind) {
      case "sum":
      case "contraction":
        this.writeSum(relation, contracted, row, sink);
        break;
      case "forget":
        if (z >= 0) sink.zero(z);
        break;
      case "within":
        for (let o = 1; contracted && o < cells.length; o++) {
          const u = this.unknown(row, o);
          if (u >= 0) sink.zero(u);
        }
        break;
      case "parts":
        throw new Error("parts are related one by one");
      case "reduction": {
        const x = this.unknown(row, 1);
        if (contracted) this.zeroRow(row, sink);
        else if (x >= 0 && z >= 0) sink.pair(z, 1, x, -relation.factors[1]!);
        else this.zeroRow(row, sink);
        break;
      }
      case "equal":
        for (let o = 1; o < cells.length; o++) {
          if (!cells[o]) continue;
          const u = this.unknown(row, o);
          if (relation.operands && !relation.operands.includes(o)) {
            // Conditions and the like: a scale on them is no symmetry.
            if (u >= 0) sink.zero(u);
          } else if (u >= 0 && z >= 0) sink.pair(z, 1, u, -1);
          else if (u >= 0) sink.zero(u);
          else if (z >= 0) sink.zero(z);
        }
        break;
      case "zero":
        this.zeroRow(row, sink);
    }
  }

  private writeSum({ kind, factors }: Relation, contracted: boolean, row: number, sink: EquationSink): void {
    const { terms } = this;
    const width = this.cells.length;
    // A list that is emptied loses its room: it keeps its length, and `n` says how much of it is meant.
    let n = 0;
    const z = this.unknown(row, 0);
    if (z >= 0) {
      terms[n++] = z;
      terms[n++] = 1;
    }
    for (let o = 1; o < width; o++) {
      const u = this.unknown(row, o);
      if (u < 0) continue;
      const factor = factors[o] ?? 0;
      if (factor === 0 || (contracted && kind !== "contraction")) sink.zero(u);
      else {
        terms[n++] = u;
        terms[n++] = contracted ? factor : -factor;
      }
    }
    if (n === 2) sink.zero(terms[0]!);
    else if (n === 4 && terms[0] === terms[2] && terms[1] === -terms[3]!) return;
    else if (n === 4 && terms[0] !== terms[2]) sink.pair(terms[0]!, terms[1]!, terms[2]!, terms[3]!);
    else if (n > 0) sink.sum(terms, n);
  }

  private zeroRow(row: number, sink: EquationSink): void {
    for (let o = 0; o < this.cells.length; o++) {
      const u = this.unknown(row, o);
      if (u >= 0) sink.zero(u);
    }
  }
}

/** Where the row of a set of labels begins; made where there is none yet. */
function rowOf({ keys, rows }: LineUp, key: number, width: number): number {
  let at = keys.indexOf(key);
  if (at < 0) {
    at = keys.push(key) - 1;
    for (let o = 0; o < width; o++) rows.push(-1);
  }
  return at * width;
}

/** Bit sets hold this many labels; scales on further ones are forbidden. */
const MOST_LABELS = 30;
