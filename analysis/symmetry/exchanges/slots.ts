/**
 * @file Slots: parts of values at fixed coordinates along some axes (channel j of a layer, expert k of a router, all of a branch),
 * followed back through what only moves entries, changes their sign or takes them from a constant. Two slots with one origin
 * have equal entries, up to a sign and an offset.
 */
import { type Graph, type Node, numberAttribute, numbersAttribute } from "../../graph/graph";
import { ABSENT, type Numbering, numberingOf } from "../../graph/numbering";
import { elementCount, type Shape } from "../../graph/tensor";

/** Part of a value: its entries at the index along the axes, counted in row-major order along these; all of it without axes. */
export interface Slot {
  /** The value's number. */
  readonly value: number;
  /** Rising. */
  readonly axes: readonly number[];
  readonly index: number;
  /** How entries were chosen and put in another order on the way, empty where they are all in their row-major order. */
  readonly layout: string;
  /** What it was followed from is sign times this and the offset. */
  readonly sign: number;
  readonly offset: number;
}

/** Slots of one value at one place have one key, whatever was done to their entries on the way. */
export function slotKey(s: Pick<Slot, "value" | "axes" | "index">): string {
  return `${s.value}|${s.axes.join()}|${s.index}`;
}

/** Whether two slots have equal entries, up to sign and offset. */
export function sameSlot(a: Slot, b: Slot): boolean {
  return a.value === b.value && a.index === b.index && a.layout === b.layout && a.axes.join() === b.axes.join();
}

/** Coordinates of an index in row-major order. */
export function coordinatesOf(index: number, sizes: readonly number[]): number[] {
  const out = new Array<number>(sizes.length).fill(0);
  for (let i = sizes.length - 1, rest = index; i >= 0; i--) {
    out[i] = rest % sizes[i]!;
    rest = Math.floor(rest / sizes[i]!);
  }
  return out;
}

/** The index of coordinates in row-major order. */
export function indexOf(coordinates: readonly number[], sizes: readonly number[]): number {
  return coordinates.reduce((n, c, i) => n * sizes[i]! + c, 0);
}

/** One step back through a movement: the slot of the operand that a slot of the result is. */
interface Place {
  readonly value: number;
  readonly at: Map<number, number>;
  readonly layout: string;
  readonly sign: number;
  readonly offset: number;
}

/** Blocks of axes of a Reshape with equal numbers of entries; axes of size one are in none. */
interface ReshapeBlock {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/** Slots of the values of one graph. */
export class Slots {
  readonly numbering: Numbering;
  private readonly known = new Map<string, readonly Slot[]>();
  private readonly reversed = new Map<string, Map<string, number[]>>();

  constructor(readonly graph: Graph) {
    this.numbering = numberingOf(graph);
  }

  /** Shape of a value; undefined where it is not known. */
  shape(value: number): Shape | undefined {
    return value === ABSENT ? undefined : this.numbering.types[value]?.shape;
  }

  sizes(value: number, axes: readonly number[]): number[] {
    const shape = this.shape(value)!;
    return axes.map((a) => shape[a]!);
  }

  /** The node that writes a value. */
  writer(value: number): Node | undefined {
    const at = value === ABSENT ? ABSENT : this.numbering.writer(value);
    return at === ABSENT ? undefined : this.graph.nodes[at];
  }

  /** The number that all entries of a small constant are. */
  number(value: number): number | undefined {
    const data = this.numbering.constants[value]?.data;
    return data?.length === 1 ? data[0] : undefined;
  }

  /** Whether a node only moves entries or changes them by constants, so that slots are followed through it. */
  isMovement(at: number): boolean {
    const node = this.graph.nodes[at]!;
    if (node.domain !== "") return false;
    if (MOVEMENTS.has(node.operator)) return true;
    return this.affine(at) !== undefined;
  }

  /** The slot followed back as far as it goes. */
  origin(value: number, axes: readonly number[], index: number): Slot {
    let [sign, offset, layout] = [1, 0, ""];
    const sizes = this.sizes(value, axes);
    let at = new Map(coordinatesOf(index, sizes).map((c, i) => [axes[i]!, c]));
    let v = value;
    for (;;) {
      const shape = this.shape(v)!;
      for (const a of at.keys()) if (shape[a] === 1) at.delete(a);
      const back = this.back(v, at);
      if (!back) break;
      offset += sign * back.offset;
      sign *= back.sign;
      if (back.layout !== "") layout += `${back.layout};`;
      v = back.value;
      at = back.at;
    }
    const rising = [...at.keys()].sort((a, b) => a - b);
    const own = indexOf(
      rising.map((a) => at.get(a)!),
      this.sizes(v, rising),
    );
    return { value: v, axes: rising, index: own, layout, sign, offset };
  }

  /** The axes of a movement's result that slots along these axes of operand `value` lie on; undefined where they are no slots. */
  forward(node: number, value: number, axes: readonly number[]): number[] | undefined {
    const { operator } = this.graph.nodes[node]!;
    const out = this.numbering.outputs[node]![0]!;
    const shape = this.shape(out);
    const own = this.shape(value);
    if (!shape || !own) return undefined;
    if (operator === "Transpose") return sorted(axes.map((a) => this.permutation(node).indexOf(a)));
    if (operator === "Reshape") {
      const blocks = reshapeBlocks(own, shape);
      if (!blocks) return axes.length === 0 ? [] : undefined;
      return sorted(blocks.filter((b) => b.from.some((a) => axes.includes(a))).flatMap((b) => b.to));
    }
    if (operator === "Concat") {
      const axis = this.axis(node, shape.length, 0);
      return sorted([...axes, axis]);
    }
    if (operator === "Gather" && own.length > shape.length) {
      const axis = this.axis(node, own.length, 0);
      return axes.filter((a) => a !== axis).map((a) => (a > axis ? a - 1 : a));
    }
    if (operator === "Expand") return axes.map((a) => a + shape.length - own.length);
    if (own.length !== shape.length) return axes.length === 0 ? [] : undefined;
    return [...axes];
  }

  private axis(node: number, rank: number, fallback: number): number {
    const axis = numberAttribute(this.graph.nodes[node]!, "axis", fallback);
    return axis < 0 ? axis + rank : axis;
  }

  private permutation(node: number): readonly number[] {
    const rank = this.shape(this.numbering.inputs[node]![0]!)!.length;
    return numbersAttribute(this.graph.nodes[node]!, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  }

  /** x, sign and offset where a node is sign * x + offset with x of the result's shape. */
  private affine(at: number): { readonly value: number; readonly sign: number; readonly offset: number } | undefined {
    const node = this.graph.nodes[at]!;
    if (node.domain !== "") return undefined;
    const [a, b] = this.numbering.inputs[at]!;
    if (a === undefined) return undefined;
    const found = this.affineOf(node.operator, a, b);
    const shape = this.shape(this.numbering.outputs[at]![0]!);
    return found && shape && String(this.shape(found.value)) === String(shape) ? found : undefined;
  }

  private affineOf(operator: string, a: number, b: number | undefined) {
    if (operator === "Neg") return { value: a, sign: -1, offset: 0 };
    if (b === undefined) return undefined;
    const [x, y] = [this.number(a), this.number(b)];
    if ((x === undefined) === (y === undefined)) return undefined;
    const [c, value] = x === undefined ? [y!, a] : [x, b];
    if (operator === "Add") return { value, sign: 1, offset: c };
    if (operator === "Sub") return x === undefined ? { value, sign: 1, offset: -c } : { value, sign: -1, offset: c };
    return operator === "Mul" && c === -1 ? { value, sign: -1, offset: 0 } : undefined;
  }

  /** The operand's slot that a slot of a value is, where a movement writes the value. */
  private back(value: number, at: ReadonlyMap<number, number>): Place | undefined {
    const k = this.numbering.writer(value);
    if (k === ABSENT || !this.isMovement(k)) return undefined;
    const { operator } = this.graph.nodes[k]!;
    const first = this.numbering.inputs[k]![0]!;
    const [own, shape] = [this.shape(first), this.shape(value)];
    const affine = this.affine(k);
    if (affine) return { ...affine, at: new Map(at), layout: "" };
    if (!own || !shape) return undefined;
    const place = (to: Map<number, number>, layout: string): Place => ({ value: first, at: to, layout, sign: 1, offset: 0 });
    if (operator === "Identity") return place(new Map(at), "");
    if (operator === "Transpose") {
      const perm = this.permutation(k);
      const rest = perm.filter((_, i) => !at.has(i) && shape[i]! > 1);
      const isInOrder = rest.every((p, i) => i === 0 || rest[i - 1]! < p);
      const to = new Map([...at].map(([a, c]) => [perm[a]!, c]));
      return place(to, isInOrder ? "" : `T${perm.join()} of ${remaining(own, to)}`);
    }
    if (operator === "Reshape") return this.backReshape(own, shape, at, place);
    if (operator === "Concat") return this.backConcat(k, shape.length, at);
    if (operator === "Expand") {
      const shift = shape.length - own.length;
      const kept = [...at].filter(([a]) => a >= shift && own[a - shift]! > 1).map(([a, c]) => [a - shift, c] as const);
      return place(new Map(kept), `E${remaining(shape, at)} of ${remaining(own, new Map(kept))}`);
    }
    if (operator === "Gather") return this.backGather(k, own, shape, at, place);
    return operator === "Split" ? this.backSplit(k, value, own, at, place) : this.backSlice(k, own, shape, at, place);
  }

  private backReshape(own: Shape, shape: Shape, at: ReadonlyMap<number, number>, place: Placing): Place | undefined {
    const blocks = reshapeBlocks(own, shape);
    if (!blocks) return at.size === 0 ? place(new Map(), "") : undefined;
    const out = new Map<number, number>();
    for (const { from, to } of blocks) {
      const held = to.filter((a) => at.has(a)).length;
      if (held === 0) continue;
      if (held < to.length) return undefined;
      const index = indexOf(
        to.map((a) => at.get(a)!),
        to.map((a) => shape[a]!),
      );
      coordinatesOf(
        index,
        from.map((a) => own[a]!),
      ).forEach((c, i) => out.set(from[i]!, c));
    }
    return place(out, "");
  }

  private backConcat(node: number, rank: number, at: ReadonlyMap<number, number>): Place | undefined {
    const axis = this.axis(node, rank, 0);
    let c = at.get(axis);
    if (c === undefined) return undefined;
    for (const part of this.numbering.inputs[node]!) {
      const size = this.shape(part)?.[axis];
      if (size === undefined) return undefined;
      if (c < size) return { value: part, at: new Map([...at, [axis, c]]), layout: "", sign: 1, offset: 0 };
      c -= size;
    }
    return undefined;
  }

  private backGather(node: number, own: Shape, shape: Shape, at: ReadonlyMap<number, number>, place: Placing): Place | undefined {
    const picks = this.numbering.constants[this.numbering.inputs[node]![1]!];
    if (!picks || picks.shape.length > 1) return undefined;
    const axis = this.axis(node, own.length, 0);
    const entry = (i: number): number => (picks.data[i]! < 0 ? picks.data[i]! + own[axis]! : picks.data[i]!);
    if (picks.shape.length === 0) {
      const moved = [...at].map(([a, c]) => [a >= axis ? a + 1 : a, c] as const);
      return place(new Map([...moved, [axis, entry(0)]]), "");
    }
    const c = at.get(axis) ?? (shape[axis] === 1 ? 0 : undefined);
    if (c !== undefined) return place(new Map([...at, [axis, entry(c)]]), "");
    return place(new Map(at), `G${axis}:${picks.data.join()} of ${remaining(own, at)}`);
  }

  private backSplit(node: number, value: number, own: Shape, at: ReadonlyMap<number, number>, place: Placing): Place | undefined {
    const axis = this.axis(node, own.length, 0);
    let start = 0;
    for (const out of this.numbering.outputs[node]!) {
      const size = out === ABSENT ? undefined : this.shape(out)?.[axis];
      if (size === undefined) return undefined;
      if (out === value) {
        const c = at.get(axis) ?? (size === 1 ? 0 : undefined);
        if (c !== undefined) return place(new Map([...at, [axis, start + c]]), "");
        return place(new Map(at), `S${axis}:${start}:1:${size} of ${remaining(own, at)}`);
      }
      start += size;
    }
    return undefined;
  }

  private backSlice(node: number, own: Shape, shape: Shape, at: ReadonlyMap<number, number>, place: Placing): Place | undefined {
    const inputs = this.numbering.inputs[node]!;
    const list = (i: number): readonly number[] | undefined => {
      const v = inputs[i] ?? ABSENT;
      return v === ABSENT ? undefined : Array.from(this.numbering.constants[v]?.data ?? [Number.NaN]);
    };
    const starts = list(1);
    if (!starts || inputs.slice(1).some((v) => v !== ABSENT && !this.numbering.constants[v])) return undefined;
    const axes = list(3) ?? starts.map((_, i) => i);
    const steps = list(4) ?? starts.map(() => 1);
    const out = new Map(at);
    let layout = "";
    for (let i = 0; i < starts.length; i++) {
      const axis = axes[i]! < 0 ? axes[i]! + own.length : axes[i]!;
      const [size, step] = [own[axis]!, steps[i]!];
      const from = starts[i]! < 0 ? starts[i]! + size : starts[i]!;
      const start = Math.min(Math.max(from, 0), step < 0 ? size - 1 : size);
      const c = at.get(axis) ?? (shape[axis] === 1 ? 0 : undefined);
      if (c !== undefined) out.set(axis, start + step * c);
      else if (shape[axis] !== size || step !== 1) layout += `S${axis}:${start}:${step}:${shape[axis]}`;
    }
    return place(out, layout === "" ? "" : `${layout} of ${remaining(own, out)}`);
  }

  /** Where slots of a value along these axes come from, by index. Made once. */
  origins(value: number, axes: readonly number[]): readonly Slot[] {
    const key = `${value}|${axes.join()}`;
    let known = this.known.get(key);
    if (!known) {
      const count = this.sizes(value, axes).reduce((n, d) => n * d, 1);
      known = Array.from({ length: count }, (_, i) => this.origin(value, axes, i));
      this.known.set(key, known);
    }
    return known;
  }

  /** The indices of slots of a value along these axes, by the keys of where they come from. Made once. */
  indices(value: number, axes: readonly number[]): ReadonlyMap<string, readonly number[]> {
    const key = `${value}|${axes.join()}`;
    let known = this.reversed.get(key);
    if (!known) {
      known = new Map<string, number[]>();
      for (const [i, s] of this.origins(value, axes).entries()) {
        const own = slotKey(s);
        const list = known.get(own);
        if (list) list.push(i);
        else known.set(own, [i]);
      }
      this.reversed.set(key, known);
    }
    return known;
  }
}

/** A shape without the axes that a slot is at. */
function remaining(shape: Shape, at: ReadonlyMap<number, number>): string {
  return shape.map((n, a) => (at.has(a) ? "*" : n)).join();
}

type Placing = (to: Map<number, number>, layout: string) => Place;

const MOVEMENTS: ReadonlySet<string> = new Set([
  "Identity",
  "Transpose",
  "Reshape",
  "Concat",
  "Slice",
  "Split",
  "Gather",
  "Expand",
]);

function sorted(axes: readonly number[]): number[] {
  return [...new Set(axes)].sort((a, b) => a - b);
}

/** The blocks of a Reshape, the finest there are; undefined for tensors without entries. */
function reshapeBlocks(own: Shape, shape: Shape): ReshapeBlock[] | undefined {
  if (elementCount(own) === 0) return undefined;
  const out: ReshapeBlock[] = [];
  for (let i = 0, j = 0; i < own.length || j < shape.length; ) {
    const [from, to]: [number[], number[]] = [[], []];
    let [m, n] = [1, 1];
    do {
      if (m <= n && i < own.length) {
        m *= own[i]!;
        if (own[i]! > 1) from.push(i);
        i++;
      } else if (j < shape.length) {
        n *= shape[j]!;
        if (shape[j]! > 1) to.push(j);
        j++;
      } else return undefined;
    } while (m !== n);
    if (from.length > 0) out.push({ from, to });
  }
  return out;
}
