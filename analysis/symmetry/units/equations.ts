/**
 * @file Every operator writes linear equations for the log-scales of its tensors; the null space of all of them is the group
 * of rescalings and scale invariances (ALGORITHM.md 3.2). The same system modulo 2 gives the sign symmetries.
 */
import type { Graph, Node } from "../../graph/graph";
import { ABSENT, type Numbering } from "../../graph/numbering";
import type { Tensor } from "../../graph/tensor";
import type { Equivariance } from "../../operators/equivariance";
import type { InferredAxes } from "../spaces/infer";
import { type Cell, CellTable, type TensorCells } from "./cells";
import { INDEX_OPERANDS } from "./virtual-axes";
import { isEntrywise, jointCells, mentionsAllCells } from "./joint";
import type { JointCell } from "./labels";

/** What the equations are for: scales over the reals, or signs modulo 2. */
export type Field = "scales" | "signs";

/** Takes the equations as they are written. */
export interface EquationSink {
  /** unknown = 0 */
  zero(unknown: number): void;
  /** a * u + b * v = 0, neither coefficient zero */
  pair(u: number, a: number, v: number, b: number): void;
  /** Sum of coefficient * unknown = 0; unknowns and coefficients in turn, `count` of both together. The list is used again. */
  sum(terms: readonly number[], count: number): void;
}

/** The equations of one field and who takes them. */
export interface FieldEquations {
  readonly field: Field;
  readonly sink: EquationSink;
}

/** The tensors of a graph as cells, all of them numbered before the first equation is written. */
export class UnitGraph {
  readonly table: CellTable;
  readonly numbering: Numbering;
  readonly rules: readonly (Equivariance | undefined)[];
  /** Constants that are not all zero: those have no scale. */
  readonly fixed: readonly string[];

  constructor(
    readonly graph: Graph,
    axes: InferredAxes,
    equivariance: (node: Node) => Equivariance | undefined,
  ) {
    const table = new CellTable(axes);
    this.table = table;
    this.numbering = axes.numbering;
    this.rules = graph.nodes.map(equivariance);
    this.fixed = [...graph.constants].flatMap(([name, value]) => (value.data.some((v) => v !== 0) ? [name] : []));
    for (const input of graph.inputs) table.of(input.name);
    for (const value of axes.numbering.parameters) table.at(value);
    for (const name of this.fixed) table.of(name);
    const { numbering } = axes;
    graph.nodes.forEach((node, i) => {
      const [inputs, outputs] = [numbering.inputs[i]!, numbering.outputs[i]!];
      for (const v of inputs) table.at(v);
      if (inputs.length === 1 && isEntrywise(node) && keepsScale(this.rules[i])) table.share(outputs[0]!, inputs[0]!);
      for (const v of outputs) table.at(v);
    });
    for (const name of graph.outputs) table.of(name);
  }
}

/** Whether either a scale and a sign pass unchanged or the input can have none, so that input and output share them. */
function keepsScale(rule: Equivariance | undefined): boolean {
  return rule !== undefined && (rule.units.kind === "pass" || rule.units.kind === "zero") && rule.parity !== "even";
}

/**
 * Writes all equations of a graph, for one field or for both at once. Values that are read or written by operators without
 * a rule have no scale.
 */
export function writeEquations({ graph, table, numbering, rules, fixed }: UnitGraph, targets: readonly FieldEquations[]): void {
  const sinks = targets.map((t) => t.sink);
  const zero = (value: string) => {
    for (const cell of table.of(value)?.cells ?? []) for (const sink of sinks) zeroCell(cell, sink);
  };
  for (const input of graph.inputs) zero(input.name);
  for (const output of graph.outputs) zero(output);
  for (const name of fixed) zero(name);
  const zeroOf = (value: number) => {
    for (const cell of table.at(value)?.cells ?? []) for (const sink of sinks) zeroCell(cell, sink);
  };
  let at = 0;
  for (const p of graph.parameters.values()) {
    const value = numbering.parameters[at++]!;
    if (!p.trainable) zeroOf(value);
    else for (const cell of table.at(value)?.cells ?? []) for (const sink of sinks) forbidRepeatedAtoms(cell, sink);
  }
  const writer = new RelationWriter();
  const givesMore = givingMore(graph);
  const known = new Map<Equivariance, readonly Relation[]>();
  for (let i = 0; i < rules.length; i++) {
    const node = graph.nodes[i]!;
    const rule = rules[i];
    const [inputs, outputs] = [numbering.inputs[i]!, numbering.outputs[i]!];
    let relations = NO_RELATIONS;
    if (rule && !givesMore.has(node)) {
      relations = known.get(rule) ?? targets.map(({ field }) => attempt(() => relationOf(graph, node, rule, field)) ?? ZERO);
      if (!dependsOnNode(rule)) known.set(rule, relations);
    }
    const alike = relations.length > 0 && isEntrywise(node) ? tensorsOfOneForm(table, node, inputs, outputs[0]!) : undefined;
    if (alike) {
      for (let o = 1; o < outputs.length; o++) zeroOf(outputs[o]!);
      // Where input and output are the same unknowns, all that passes is said already.
      const isShared = inputs.length === 1 && alike[0] === alike[1];
      if (isShared && relations.every((r) => r.kind !== "zero")) continue;
      for (let k = 0; k < alike[0]!.cells.length; k++) {
        writer.readAlike(alike, k);
        for (let t = 0; t < sinks.length; t++) {
          if (!isShared || relations[t]!.kind === "zero") writer.relate(relations[t]!, sinks[t]!);
        }
      }
      continue;
    }
    // Where nothing passes anyway, it does not matter how the tensors line up.
    const joint = relations.some((r) => r !== ZERO) ? attempt(() => jointCells(graph, table, i)) : undefined;
    if (!joint) {
      for (const v of inputs) zeroOf(v);
      for (const v of outputs) zeroOf(v);
      continue;
    }
    for (let o = 1; o < outputs.length; o++) zeroOf(outputs[o]!);
    for (const cells of joint) {
      writer.read(cells);
      for (let t = 0; t < sinks.length; t++) writer.relate(relations[t]!, sinks[t]!);
    }
    if (!mentionsAllCells(node)) unmatched(table, node, i, joint, sinks);
  }
}

/**
 * Output and inputs of an entry-wise node if they all have the same segments along the same axes, which makes their cells
 * correspond in order. Inputs that are no tensors of scales are undefined.
 */
function tensorsOfOneForm(
  table: CellTable,
  node: Node,
  inputs: readonly number[],
  output: number,
): (TensorCells | undefined)[] | undefined {
  const out = table.at(output);
  if (out === undefined) return undefined;
  const tensors: (TensorCells | undefined)[] = [out];
  for (let k = 0; k < inputs.length; k++) {
    if (inputs[k] === ABSENT || (k > 0 && INDEX_OPERANDS.has(node.operator))) {
      tensors.push(undefined);
      continue;
    }
    const tensor = table.at(inputs[k]!);
    if (tensor?.form !== out.form) return undefined;
    tensors.push(tensor);
  }
  return inputs.length > 0 ? tensors : undefined;
}

const NO_RELATIONS: readonly Relation[] = [];

/** Whether nodes of one operator may differ in how their log-scales relate. */
function dependsOnNode(rule: Equivariance): boolean {
  return rule.holds !== undefined || rule.units.kind === "product" || rule.units.kind === "power";
}

/** Nodes of which somebody reads a further output (positions, masks): the rules speak of the first one only. */
function givingMore({ nodes, outputs }: Graph): ReadonlySet<Node> {
  const several = nodes.filter((n) => n.outputs.length > 1);
  if (several.length === 0) return NO_NODES;
  const read = new Set(outputs);
  for (const n of nodes) for (const i of n.inputs) read.add(i);
  return new Set(several.filter((n) => n.outputs.some((o, k) => k > 0 && o !== "" && read.has(o))));
}

const NO_NODES: ReadonlySet<Node> = new Set();

/** What a step gives, or undefined where a node's attributes make no sense: no scale passes then. */
function attempt<T>(step: () => T | undefined): T | undefined {
  try {
    return step();
  } catch {
    return undefined;
  }
}

function zeroCell(cell: Cell, sink: EquationSink): void {
  for (let k = 0; k < cell.masks.length; k++) sink.zero(cell.first + k);
}

/** A dependence on two indices of one atom (both axes of a recurrent weight) has no order to go by: none is allowed. */
function forbidRepeatedAtoms(cell: Cell, sink: EquationSink): void {
  const { slots, masks } = cell;
  let repeated = 0;
  for (let i = 0; i < slots.length; i++) for (let j = 0; j < i; j++) if (slots[i]!.atom === slots[j]!.atom) repeated++;
  if (repeated === 0) return;
  for (let k = 0; k < masks.length; k++) {
    const atoms = slots.flatMap((s, i) => (masks[k]! & (1 << i) ? [s.atom] : []));
    if (new Set(atoms).size < atoms.length) sink.zero(cell.first + k);
  }
}

/** Cells that no joint cell mentions have no scale. */
function unmatched(
  table: CellTable,
  node: Node,
  position: number,
  joint: readonly JointCell[],
  sinks: readonly EquationSink[],
): void {
  const inputs = table.numbering.inputs[position]!;
  const out = table.numbering.outputs[position]![0]!;
  // Nearly all tensors are one cell: a look at the joint cells is less than a set of theirs.
  const seen = joint.length > FEW_JOINT_CELLS ? new Set(joint.flatMap((cells) => cells.map((c) => c?.cell))) : undefined;
  const isSeen = (cell: Cell) => seen?.has(cell) ?? joint.some((cells) => cells.some((c) => c?.cell === cell));
  for (let at = -1; at < inputs.length; at++) {
    const value = at < 0 ? out : inputs[at]!;
    if (value === ABSENT || !hasScale(node, at)) continue;
    for (const cell of table.at(value)?.cells ?? []) if (!isSeen(cell)) for (const sink of sinks) zeroCell(cell, sink);
  }
}

const FEW_JOINT_CELLS = 4;

/** Integer operands (indices, shapes, axes) are no tensors of scales, and what a Slice or Gather leaves behind stays free. */
function hasScale(node: Node, at: number): boolean {
  if (at < 0) return true;
  return at === 0 ? node.operator !== "Slice" && node.operator !== "Gather" : !INDEX_OPERANDS.has(node.operator);
}

/**
 * How labelled log-scales relate. For each set D of labels that some operand has: `terms` gives the factor of each input,
 * `contracts` whether labels that the output lacks cancel between the inputs.
 */
interface Relation {
  readonly kind: "sum" | "equal" | "contraction" | "reduction" | "forget" | "zero";
  /** Factor of the output and of each input; 0 leaves that operand free. */
  readonly factors: readonly number[];
  /** For "equal": which inputs take part, counted from 1 (operand numbers). */
  readonly operands?: readonly number[] | undefined;
}

function relationOf(graph: Graph, node: Node, rule: Equivariance, field: Field): Relation {
  if (rule.holds?.(node, (i) => graph.constants.get(node.inputs[i] ?? "")) === false) return ZERO;
  if (field === "signs") {
    if (rule.parity === "none") return ZERO;
    if (rule.parity === "odd") return PASS;
    if (rule.parity === "even") return FORGET;
  }
  const units = rule.units;
  switch (units.kind) {
    case "pass":
      return PASS;
    case "product": {
      const exponents = units.exponents(node);
      return exponents ? { kind: "sum", factors: [1, ...exponents] } : ZERO;
    }
    case "power": {
      const k = uniformValue(graph.constants.get(node.inputs[1] ?? ""));
      if (k === undefined) return ZERO;
      if (field === "scales") return { kind: "sum", factors: [1, k] };
      if (!Number.isInteger(k)) return ZERO;
      return k % 2 === 0 ? FORGET : PASS;
    }
    case "equal":
      return units.inputs ? { kind: "equal", factors: [], operands: units.inputs.map((i) => i + 1) } : EQUAL;
    case "contraction":
      return CONTRACTION;
    case "reduction":
      return { kind: "reduction", factors: [1, units.factor] };
    case "slope":
      return { kind: "sum", factors: [1, 1, 0] };
    case "zero":
      return ZERO;
  }
}

const ZERO: Relation = { kind: "zero", factors: [] };
const PASS: Relation = { kind: "sum", factors: [1, 1] };
const FORGET: Relation = { kind: "forget", factors: [1, 0] };
const EQUAL: Relation = { kind: "equal", factors: [] };
const CONTRACTION: Relation = { kind: "contraction", factors: [1, 1, 1] };

function uniformValue(t: Tensor | undefined): number | undefined {
  const first = t?.data[0];
  return first !== undefined && t!.data.every((v) => v === first) ? first : undefined;
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
class RelationWriter {
  /** The cells of the operands at hand. */
  private readonly cells: (Cell | undefined)[] = [];
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
    for (let o = 0; o < width; o++) this.cells[o] = cells[o]?.cell;
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
    for (let o = 0; o < width; o++) this.cells[o] = tensors[o]?.cells[k];
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
    const { cells } = this;
    const { keys, unlabelled, inOutput } = this.lineUp;
    if (relation.kind === "zero") {
      for (const cell of cells) if (cell) zeroCell(cell, sink);
      return;
    }
    for (let i = 0; i < unlabelled.length; i += 2) sink.zero(cells[unlabelled[i]!]!.first + unlabelled[i + 1]!);
    for (let k = 0; k < keys.length; k++) this.write(relation, (keys[k]! & ~inOutput) !== 0, k * cells.length, sink);
  }

  /** The unknown of an operand in a row; -1 where it has none. */
  private unknown(row: number, operand: number): number {
    const at = this.lineUp.rows[row + operand]!;
    return at < 0 ? -1 : this.cells[operand]!.first + at;
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
