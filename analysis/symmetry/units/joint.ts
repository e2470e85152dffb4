/**
 * @file Joint cells: which cells of an operator's inputs and output belong together, and which of their slots are the same
 * index. Rules then relate log-scales label by label, whatever the operator.
 */
import { type Graph, type Node, numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { parseEinsum } from "../../operators/einsum";
import { sliceParts } from "../../operators/axes/movement";
import type { Cell, CellTable, SegmentPlace, TensorCells } from "./cells";

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

/** How an operator's tensors line up, or undefined where that cannot be described. */
export function jointCells(graph: Graph, table: CellTable, node: Node): readonly JointCell[] | undefined {
  const out = node.outputs[0]!;
  if ([...node.inputs, out].some((v) => v !== "" && graph.types.get(v)?.shape === undefined)) return undefined;
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
      return placements(graph, table, node) ?? aligned(graph, table, node);
    case "Conv":
    case "ConvTranspose":
      if (numberAttribute(node, "group", 1) > 1) return groupedConvolution(graph, table, node);
      return aligned(graph, table, node);
    default:
      return aligned(graph, table, node);
  }
}

/** The virtual axes of each operand (output first), by operator. */
function virtualAxes(graph: Graph, node: Node): (readonly number[] | undefined)[] | undefined {
  const rank = (v: string | undefined) => (v ? graph.types.get(v)?.shape?.length : undefined);
  const shape = (v: string) => graph.types.get(v)!.shape!;
  const out = node.outputs[0]!;
  const n = rank(out)!;
  const upTo = (k: number) => Array.from({ length: k }, (_, i) => i);
  const own = (k: number) => new Array<number>(k).fill(-1);
  switch (node.operator) {
    case "MatMul": {
      const a = rank(node.inputs[0])!;
      const b = rank(node.inputs[1])!;
      const inner = 1000;
      const row = a > 1 ? n - (b > 1 ? 2 : 1) : -1;
      const batch = (k: number, kept: number) => upTo(k - kept).map((i) => Math.max(a, b) - k + i);
      const left = [...batch(a, Math.min(a, 2)), ...(a > 1 ? [row] : []), inner];
      const right = [...batch(b, Math.min(b, 2)), inner, ...(b > 1 ? [n - 1] : [])];
      return [upTo(n), left, right];
    }
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
      return [[0, 1, ...own(n - 2)], [0, 2, ...own(n - 2)], [1, 2, ...own(n - 2)]];
    case "ConvTranspose":
      return [[0, 1, ...own(n - 2)], [0, 2, ...own(n - 2)], [2, 1, ...own(n - 2)]];
    case "Transpose": {
      const perm = numbersAttribute(node, "perm") ?? upTo(n).map((i) => n - 1 - i);
      return [perm, upTo(n)];
    }
    case "Gather": {
      const from = rank(node.inputs[0])!;
      const axis = numberAttribute(node, "axis", 0);
      const at = axis < 0 ? axis + from : axis;
      const added = rank(node.inputs[1]) ?? 0;
      return [[...upTo(at), ...own(added), ...upTo(from - at - 1).map((i) => at + 1 + i)], upTo(from).map((i) => (i === at ? -1 : i))];
    }
    case "MaxPool":
    case "AveragePool":
    case "GlobalMaxPool":
    case "GlobalAveragePool":
    case "LpPool":
    case "Resize":
    case "Upsample":
      return [[0, 1, ...own(n - 2)], [0, 1, ...own(n - 2)]];
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
    ...node.inputs.map((v) => {
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

/** Operators whose axes correspond one to one, up to broadcasting, contraction and reduction. */
function aligned(graph: Graph, table: CellTable, node: Node): readonly JointCell[] | undefined {
  const virtual = virtualAxes(graph, node);
  if (!virtual) return undefined;
  const names = [node.outputs[0]!, ...node.inputs];
  const operands: (Operand | undefined)[] = [];
  for (let i = 0; i < virtual.length; i++) {
    const v = virtual[i];
    const tensor = names[i] && v ? table.of(names[i]!) : undefined;
    if (v && names[i] && !tensor) return undefined;
    operands.push(tensor && v ? { tensor, virtual: v } : undefined);
  }
  return join(operands);
}

/**
 * All combinations of segments along the virtual axes. Axes of one virtual axis run together where their segments agree;
 * where they do not, every combination is joined and their slots go without a label: fewer symmetries, never false ones.
 */
function join(operands: readonly (Operand | undefined)[]): JointCell[] | undefined {
  interface Loop {
    readonly count: number;
    readonly axes: readonly (readonly [operand: number, axis: number])[];
    readonly labelled: boolean;
  }
  const members = new Map<number, [number, number][]>();
  const loops: Loop[] = [];
  operands.forEach((operand, o) => {
    operand?.virtual.forEach((v, axis) => {
      if (v < 0) loops.push({ count: segmentCount(operand.tensor, axis), axes: [[o, axis]], labelled: false });
      else if (members.has(v)) members.get(v)!.push([o, axis]);
      else members.set(v, [[o, axis]]);
    });
  });
  for (const axes of members.values()) {
    const tensors = axes.map(([o, axis]) => ({ tensor: operands[o]!.tensor, axis }));
    const distinct = new Set(axes.map(([o]) => o)).size === axes.length;
    if (distinct && sameSegments(tensors)) loops.push({ count: segmentCount(tensors[0]!.tensor, tensors[0]!.axis), axes, labelled: true });
    else for (const [o, axis] of axes) loops.push({ count: segmentCount(operands[o]!.tensor, axis), axes: [[o, axis]], labelled: false });
  }
  const total = loops.reduce((n, l) => n * l.count, 1);
  if (total > 100_000) return undefined;
  const choice = operands.map((operand) => new Array<number>(operand?.virtual.length ?? 0).fill(0));
  const loopOf = operands.map((operand) => new Array<number>(operand?.virtual.length ?? 0).fill(-1));
  loops.forEach((l, k) => {
    if (l.labelled) for (const [o, axis] of l.axes) loopOf[o]![axis] = k;
  });
  const out: JointCell[] = [];
  for (let k = 0; k < total; k++) {
    let rest = k;
    for (const loop of loops) {
      for (const [o, axis] of loop.axes) choice[o]![axis] = rest % loop.count;
      rest = Math.floor(rest / loop.count);
    }
    out.push(label(operands.map((operand, o) => (operand ? operand.tensor.find(choice[o]!) : undefined)), loopOf));
  }
  return out;
}

/** Labels slots: the same factor of the same virtual axis, made of the same atom in every operand that has the axis. */
function label(cells: readonly (Cell | undefined)[], loopOf: readonly (readonly number[])[]): JointCell {
  const atomsOf = new Map<number, string>();
  const torn = new Set<number>();
  cells.forEach((cell, o) => {
    if (!cell) return;
    loopOf[o]!.forEach((loop, axis) => {
      if (loop < 0) return;
      const atoms = cell.slots.flatMap((s) => (s.axis === axis ? [s.atom] : [])).join();
      const known = atomsOf.get(loop);
      if (known !== undefined && known !== atoms) torn.add(loop);
      atomsOf.set(loop, atoms);
    });
  });
  return cells.map((cell, o) => {
    if (!cell) return undefined;
    const position = new Map<number, number>();
    const labels = cell.slots.map((slot) => {
      const loop = loopOf[o]![slot.axis]!;
      const at = position.get(slot.axis) ?? 0;
      position.set(slot.axis, at + 1);
      return loop < 0 || torn.has(loop) ? -1 : loop * 8 + at;
    });
    return { cell, labels };
  });
}

function segmentCount(tensor: TensorCells, axis: number): number {
  let n = 0;
  for (const c of tensor.cells) n = Math.max(n, c.segments[axis]! + 1);
  return n;
}

function sameSegments(axes: readonly { tensor: TensorCells; axis: number }[]): boolean {
  const first = axes[0]!.tensor.places[axes[0]!.axis];
  return axes.every(({ tensor, axis }) => {
    const places = tensor.places[axis];
    if (!first || !places) return segmentCount(tensor, axis) === segmentCount(axes[0]!.tensor, axes[0]!.axis);
    return places.length === first.length && places.every((p, i) => p.size === first[i]!.size);
  });
}

/** Row-major order of cells with identical factor sequences; undefined where the two sides differ. */
function rowMajor(table: CellTable, out: string, input: string): readonly JointCell[] | undefined {
  const to = table.of(out);
  const from = table.of(input);
  if (!to || !from || to.cells.length !== from.cells.length) return undefined;
  const joint: JointCell[] = [];
  for (let i = 0; i < to.cells.length; i++) {
    const a = to.cells[i]!;
    const b = from.cells[i]!;
    if (a.slots.length !== b.slots.length || a.slots.some((s, k) => s.atom !== b.slots[k]!.atom)) return undefined;
    const labels = a.slots.map((_, k) => k);
    joint.push([
      { cell: a, labels },
      { cell: b, labels },
    ]);
  }
  return joint;
}

/** Slice, Concat and Gather by constant indices: segments keep their content and change their place. */
function placements(graph: Graph, table: CellTable, node: Node): readonly JointCell[] | undefined {
  const to = table.of(node.outputs[0]!);
  if (!to) return undefined;
  const shape = graph.types.get(node.inputs[0]!)!.shape!;
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
      joint.push(...part);
      offset += graph.types.get(input)!.shape![at]!;
    }
    return joint;
  }
  const from = table.of(node.inputs[0]!);
  if (!from) return undefined;
  const constant = (i: number) => graph.constants.get(node.inputs[i] ?? "");
  if (node.operator === "Slice") {
    const parts = sliceParts({ node, shape: () => shape, absent: (i) => (node.inputs[i] ?? "") === "", constant });
    if (!parts || parts.some((p) => p.step !== 1)) return rowMajor(table, node.outputs[0]!, node.inputs[0]!);
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
      const labels = a.slots.map((_, k) => k);
      joint.push([
        { cell: a, labels },
        { cell: b, labels },
      ]);
    }
    return joint;
  }
  if (indices.shape.length !== 1) return undefined;
  if (list.every((v, i) => v === list[0]! + i)) return placed(from, to, (k) => (k === at ? list[0]! : 0))?.map(([a, b]) => [b, a]);
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
    if (!places || !inside) return undefined;
    const byStart = new Map(inside.map((p, i) => [p.start, i] as const));
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
    const a = segments.includes(-1) ? undefined : whole.find(segments);
    if (!a || a.slots.length !== b.slots.length || a.slots.some((s, k) => s.atom !== b.slots[k]!.atom)) return undefined;
    const labels = a.slots.map((_, k) => k);
    joint.push([
      { cell: a, labels },
      { cell: b, labels },
    ]);
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
    const labels = a.slots.map((_, k) => k);
    joint.push([
      { cell: a, labels },
      { cell: b, labels },
    ]);
  }
  return joint;
}

/**
 * Grouped convolutions, where one axis is two virtual axes: input channels (g, I / g), weight (g, O / g) and I / g, output
 * channels (g, O / g); transposed, weight (g, I / g) and O / g.
 */
function groupedConvolution(graph: Graph, table: CellTable, node: Node): readonly JointCell[] | undefined {
  const [z, x, w] = [node.outputs[0]!, node.inputs[0]!, node.inputs[1]!].map((v) => table.of(v));
  if (!z || !x || !w) return undefined;
  const group = numberAttribute(node, "group", 1);
  const size = (v: string, axis: number) => graph.types.get(v)!.shape![axis]!;
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
  for (let b = 0; b < batches; b++) {
    for (let s = 0; s < n; s++) {
      const cells = [
        z.cells.filter((c) => c.segments[0] === b && c.segments[1] === s),
        x.cells.filter((c) => c.segments[0] === b && c.segments[1] === s),
        w.cells.filter((c) => c.segments[0] === s),
      ];
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
            joint.push(consistent([
              { cell: cz, labels: lz },
              { cell: cx, labels: lx },
              { cell: cw, labels: lw },
            ]));
          }
        }
      }
    }
  }
  return joint;
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
  return joint.map(({ cell, labels }) => ({ cell, labels: labels.map((l) => (torn.has(l) ? -1 : l)) }));
}
