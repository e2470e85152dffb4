/**
 * @file Joint cells: which cells of an operator's inputs and output belong together, and which of their slots are the same
 * index. Rules then relate log-scales label by label, whatever the operator.
 */
import { type Graph, type Node, numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { ABSENT } from "../../graph/numbering";
import { parseEinsum } from "../../operators/einsum";
import { type Cell, type CellTable, segmentCount, type TensorCells } from "./cells";
import { groupedConvolution } from "./grouped";
import { sharedList, upTo } from "./lists";
import { placements, rowMajor } from "./placements";

/** One operand's cell, with a label for each slot; slots without one (-1) carry no scale. */
export interface LabelledCell {
  readonly cell: Cell;
  readonly labels: readonly number[];
}

/** Cells that meet in one operator; index 0 is the output, then the inputs (undefined where absent or not a tensor of scales). */
export type JointCell = readonly (LabelledCell | undefined)[];

/** What is known of one operand: its cells and, per axis, the virtual axis that it is part of. */
interface Operand {
  readonly tensor: TensorCells;
  /** Virtual axis of each axis; -1 for one of its own (broadcast, spatial). */
  readonly virtual: readonly number[];
}

/** How the tensors of the node at a position of the graph line up, or undefined where that cannot be described. */
export function jointCells(graph: Graph, table: CellTable, position: number): readonly JointCell[] | undefined {
  const node = graph.nodes[position]!;
  if (isEntrywise(node)) {
    const joint = alignSingle(table, node, position);
    if (joint) return [joint];
  }
  const out = node.outputs[0]!;
  const { numbering } = table;
  for (const v of numbering.inputs[position]!) if (v !== ABSENT && numbering.types[v]?.shape === undefined) return undefined;
  if (numbering.types[numbering.outputs[position]![0]!]?.shape === undefined) return undefined;
  switch (node.operator) {
    case "Reshape":
      return rowMajor(table, out, node.inputs[0]!);
    case "DepthToSpace":
    case "SpaceToDepth":
      return rowMajor(table, out, node.inputs[0]!);
    case "Tile":
      return undefined;
    case "Slice":
    case "Concat":
    case "Gather":
      return placements(graph, table, node) ?? aligned(graph, table, position);
    case "Conv":
    case "ConvTranspose":
      if (numberAttribute(node, "group", 1) > 1) return groupedConvolution(graph, table, node);
      return aligned(graph, table, position);
  }
  return aligned(graph, table, position);
}

/** Operators whose output axes are not those of the input in the same order. */
const MOVING: ReadonlySet<string> = new Set(
  `Reshape DepthToSpace SpaceToDepth Tile Slice Concat Gather Conv ConvTranspose MatMul Einsum Transpose MaxPool AveragePool
  GlobalMaxPool GlobalAveragePool LpPool Resize Upsample`.split(/\s+/),
);

/** Whether every entry of the output comes from the entry in the same place, so that equal axes correspond in order. */
export function isEntrywise(node: Node): boolean {
  return !MOVING.has(node.operator) && !node.operator.startsWith("Reduce");
}

/** Operators of whose tensors some cells may meet none of the others. */
const PARTIAL: ReadonlySet<string> = new Set(
  "Reshape DepthToSpace SpaceToDepth Tile Slice Concat Gather Conv ConvTranspose".split(" "),
);

/** Whether the joint cells of a node mention every cell of all its tensors of scales. */
export function mentionsAllCells(node: Node): boolean {
  return !PARTIAL.has(node.operator) || (node.operator.startsWith("Conv") && numberAttribute(node, "group", 1) === 1);
}

/** Operators whose inputs after the first are shapes, indices, axes and bounds: no tensors of scales. */
export const INDEX_OPERANDS: ReadonlySet<string> = new Set([
  "Reshape",
  "Slice",
  "Gather",
  "Expand",
  "Tile",
  "Pad",
  "CumSum",
  "Trilu",
  "Resize",
  "Upsample",
  "Cast",
]);

type VirtualAxes = readonly (readonly number[] | undefined)[];

/** By rank, and by ranks of the factors: layers are many, their ranks are few. */
const convolutions: (VirtualAxes | undefined)[] = [];
const products: (VirtualAxes | undefined)[] = [];

/** The contracted axis of a matrix product. */
const INNER = 1000;

function matMulAxes(a: number, b: number, n: number): VirtualAxes {
  const key = a < 32 && b < 32 ? 32 * a + b : -1;
  const known = products[key];
  if (known) return known;
  const row = a > 1 ? n - (b > 1 ? 2 : 1) : -1;
  const batch = (k: number, kept: number) => upTo(k - kept).map((i) => Math.max(a, b) - k + i);
  const left = [...batch(a, Math.min(a, 2)), ...(a > 1 ? [row] : []), INNER];
  const right = [...batch(b, Math.min(b, 2)), INNER, ...(b > 1 ? [n - 1] : [])];
  const made = [upTo(n), left, right];
  if (key >= 0) products[key] = made;
  return made;
}

/** The virtual axes of each operand (output first), by operator. */
function virtualAxes(graph: Graph, node: Node): VirtualAxes | undefined {
  const rank = (v: string | undefined) => (v ? graph.types.get(v)?.shape?.length : undefined);
  const shape = (v: string) => graph.types.get(v)!.shape!;
  const out = node.outputs[0]!;
  const n = rank(out)!;
  const own = (k: number) => new Array<number>(k).fill(-1);
  switch (node.operator) {
    case "Einsum": {
      const { inputs, output } = parseEinsum(
        stringAttribute(node, "equation", ""),
        node.inputs.map((i) => rank(i)!),
      );
      const letters = new Map<string, number>();
      const number = (l: string) => {
        if (!letters.has(l)) letters.set(l, letters.size);
        return letters.get(l)!;
      };
      // Operands of a contraction are two; with more of them only their product's uniform scale is left to chance.
      if (inputs.length > 2) return undefined;
      return [output.map(number), ...inputs.map((l) => l.map(number))];
    }
    case "Conv":
      return (convolutions[n] ??= [
        [0, 1, ...own(n - 2)],
        [0, 2, ...own(n - 2)],
        [1, 2, ...own(n - 2)],
      ]);
    case "ConvTranspose":
      return [
        [0, 1, ...own(n - 2)],
        [0, 2, ...own(n - 2)],
        [2, 1, ...own(n - 2)],
      ];
    case "Transpose": {
      const perm = numbersAttribute(node, "perm") ?? upTo(n).map((i) => n - 1 - i);
      return [perm, upTo(n)];
    }
    case "Gather": {
      const from = rank(node.inputs[0])!;
      const axis = numberAttribute(node, "axis", 0);
      const at = axis < 0 ? axis + from : axis;
      const added = rank(node.inputs[1]) ?? 0;
      return [
        [...upTo(at), ...own(added), ...upTo(from - at - 1).map((i) => at + 1 + i)],
        upTo(from).map((i) => (i === at ? -1 : i)),
      ];
    }
    case "MaxPool":
    case "AveragePool":
    case "GlobalMaxPool":
    case "GlobalAveragePool":
    case "LpPool":
    case "Resize":
    case "Upsample":
      return [
        [0, 1, ...own(n - 2)],
        [0, 1, ...own(n - 2)],
      ];
  }
  if (node.operator.startsWith("Reduce")) {
    const from = rank(node.inputs[0])!;
    if (n === from) {
      const before = shape(node.inputs[0]!);
      return [upTo(n).map((i) => (before[i] !== 1 && shape(out)[i] === 1 ? -1 : i)), upTo(from)];
    }
    const dropped = new Set(reducedAxesOf(graph, node, from));
    return [upTo(from).filter((i) => !dropped.has(i)), upTo(from)];
  }
  // Element-wise with broadcasting, and everything that keeps its axes.
  const target = shape(out);
  return [
    upTo(n),
    ...node.inputs.map((v, k) => {
      if (k > 0 && INDEX_OPERANDS.has(node.operator)) return undefined;
      const s = v ? graph.types.get(v)?.shape : undefined;
      return s?.map((size, i) => (size === target[i + n - s.length] && size > 1 ? i + n - s.length : -1));
    }),
  ];
}

function reducedAxesOf(graph: Graph, node: Node, rank: number): readonly number[] {
  const listed = numbersAttribute(node, "axes") ?? Array.from(graph.constants.get(node.inputs[1] ?? "")?.data ?? []);
  if (listed.length === 0) return Array.from({ length: rank }, (_, i) => i);
  return listed.map((a) => (a < 0 ? a + rank : a));
}

/**
 * Entry-wise operators on tensors of one cell each, the bulk of every graph: axes are aligned from the right. Undefined
 * where it takes more than that.
 */
function alignSingle(table: CellTable, node: Node, position: number): JointCell | undefined {
  const inputs = table.numbering.inputs[position]!;
  const z = table.at(table.numbering.outputs[position]![0]!);
  if (z?.cells.length !== 1) return undefined;
  const rank = z.counts.length;
  // Which axes are made of the same atoms in all operands that have them.
  const agree = new Array<boolean>(rank).fill(true);
  const cells = new Array<Cell | undefined>(inputs.length + 1).fill(undefined);
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
    cells[k + 1] = cell;
    all[k + 1] = labels;
  }
  const { slots } = z.cells[0]!;
  const own = new Array<number>(slots.length);
  for (let i = 0, at = 0; i < slots.length; i++) {
    at = i > 0 && slots[i - 1]!.axis === slots[i]!.axis ? at + 1 : 0;
    own[i] = slots[i]!.axis * LABELS_PER_LOOP + at;
  }
  cells[0] = z.cells[0]!;
  all[0] = own;
  const isAgreed = !agree.includes(false);
  return cells.map((cell, o): LabelledCell | undefined => {
    if (cell === undefined) return undefined;
    const labels = all[o]!;
    for (let i = 0; !isAgreed && i < labels.length; i++) {
      if (labels[i]! >= 0 && !agree[Math.floor(labels[i]! / LABELS_PER_LOOP)]) labels[i] = -1;
    }
    return { cell, labels: sharedList(labels, labels.length) };
  });
}

/** Operators whose axes correspond one to one, up to broadcasting, contraction and reduction. */
function aligned(graph: Graph, table: CellTable, position: number): readonly JointCell[] | undefined {
  const { inputs, outputs, types } = table.numbering;
  const [given, out] = [inputs[position]!, outputs[position]![0]!];
  const node = graph.nodes[position]!;
  const rank = (value: number) => types[value]!.shape!.length;
  const virtual = node.operator === "MatMul" ? matMulAxes(rank(given[0]!), rank(given[1]!), rank(out)) : virtualAxes(graph, node);
  if (!virtual) return undefined;
  const operands: (Operand | undefined)[] = [];
  let isSingle = true;
  for (let i = 0; i < virtual.length; i++) {
    const v = virtual[i];
    const value = i === 0 ? out : (given[i - 1] ?? ABSENT);
    const tensor = v && value !== ABSENT ? table.at(value) : undefined;
    if (v && value !== ABSENT && !tensor) return undefined;
    if (tensor && tensor.cells.length !== 1) isSingle = false;
    operands.push(tensor && v ? { tensor, virtual: v } : undefined);
  }
  return isSingle ? [joinSingle(operands)] : join(operands);
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
function joinSingle(operands: readonly (Operand | undefined)[]): JointCell {
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
  return { cell, labels: sharedList(LABELS, slots.length) };
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

/** Axes that run through their segments together. */
interface Loop {
  readonly count: number;
  /** Operands and their axes, in turn. */
  readonly members: readonly number[];
  readonly labelled: boolean;
  /** Whether all members have the very same segments, so that their slots cannot differ. */
  readonly isSame: boolean;
}

/** Labels of one loop are this far apart from those of the next. */
const LABELS_PER_LOOP = 64;

/**
 * All combinations of segments along the virtual axes. Axes of one virtual axis run together where their segments agree;
 * where they do not, every combination is joined and their slots go without a label: fewer symmetries, never false ones.
 */
function join(operands: readonly (Operand | undefined)[]): JointCell[] | undefined {
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
      joint[o] = cell && { cell, labels: this.labels(cell, o, isTorn) };
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
