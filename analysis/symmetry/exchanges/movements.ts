/**
 * @file Movements: nodes that only move entries, change their signs or take them from a constant. How each of them takes places,
 * coordinates along some axes, from its operand to its result and back.
 */
import { type Graph, type Node, numberAttribute, numbersAttribute } from "../../graph/graph";
import { ABSENT, type Numbering, numberingOf } from "../../graph/numbering";
import { elementCount, type Shape } from "../../graph/tensor";

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
export interface Place {
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

/** The movements of one graph. */
export class Movements {
  readonly numbering: Numbering;

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

  protected axis(node: number, rank: number, fallback: number): number {
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
  protected back(value: number, at: ReadonlyMap<number, number>): Place | undefined {
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
    const cuts = this.cuts(node, own);
    if (!cuts) return undefined;
    const out = new Map(at);
    let layout = "";
    for (const { axis, start, step } of cuts) {
      const c = at.get(axis) ?? (shape[axis] === 1 ? 0 : undefined);
      if (c !== undefined) out.set(axis, start + step * c);
      else if (shape[axis] !== own[axis] || step !== 1) layout += `S${axis}:${start}:${step}:${shape[axis]}`;
    }
    return place(out, layout === "" ? "" : `${layout} of ${remaining(own, out)}`);
  }

  /** Where a Slice starts along the axes that it cuts, and its steps; undefined where these are no constants. */
  private cuts(node: number, own: Shape): { readonly axis: number; readonly start: number; readonly step: number }[] | undefined {
    const inputs = this.numbering.inputs[node]!;
    const list = (i: number): readonly number[] | undefined => {
      const v = inputs[i] ?? ABSENT;
      return v === ABSENT ? undefined : Array.from(this.numbering.constants[v]?.data ?? [Number.NaN]);
    };
    const starts = list(1);
    if (!starts || inputs.slice(1).some((v) => v !== ABSENT && !this.numbering.constants[v])) return undefined;
    const axes = list(3) ?? starts.map((_, i) => i);
    const steps = list(4) ?? starts.map(() => 1);
    return starts.map((s, i) => {
      const axis = axes[i]! < 0 ? axes[i]! + own.length : axes[i]!;
      const [size, step] = [own[axis]!, steps[i]!];
      const from = s < 0 ? s + size : s;
      return { axis, start: Math.min(Math.max(from, 0), step < 0 ? size - 1 : size), step };
    });
  }

  /**
   * Where a place of an operand is in the result of a movement, for results along these axes, all longer than one: the other
   * way round than `back`.
   */
  protected ahead(
    value: number,
    axes: readonly number[],
    operand: number,
    at: ReadonlyMap<number, number>,
  ): ReadonlyMap<number, number>[] {
    const k = this.numbering.writer(value);
    const [own, shape] = [this.shape(operand)!, this.shape(value)!];
    return this.anyAhead(k, value, axes, operand, at, own, shape)
      .map((place) => new Map([...place].filter(([a]) => shape[a]! > 1)))
      .filter((place) => place.size === axes.length && axes.every((a) => place.has(a)));
  }

  private anyAhead(
    k: number,
    value: number,
    axes: readonly number[],
    operand: number,
    at: ReadonlyMap<number, number>,
    own: Shape,
    shape: Shape,
  ): Map<number, number>[] {
    const { operator } = this.graph.nodes[k]!;
    const inputs = this.numbering.inputs[k]!;
    if (operator === "Transpose") {
      const perm = this.permutation(k);
      return [new Map([...at].map(([a, c]) => [perm.indexOf(a), c] as const))];
    }
    if (operator === "Reshape") {
      const out = new Map<number, number>();
      for (const { from, to } of reshapeBlocks(own, shape)?.filter((b) => b.from.some((a) => at.has(a))) ?? []) {
        if (!from.every((a) => at.has(a))) return [];
        const index = indexOf(
          from.map((a) => at.get(a)!),
          from.map((a) => own[a]!),
        );
        coordinatesOf(
          index,
          to.map((a) => shape[a]!),
        ).forEach((c, i) => out.set(to[i]!, c));
      }
      return [out];
    }
    if (operator === "Concat") {
      const axis = this.axis(k, shape.length, 0);
      const starts: number[] = [];
      let start = 0;
      for (const part of inputs) {
        if (part === operand) starts.push(start);
        start += this.shape(part)![axis]!;
      }
      return starts.map((s) => new Map([...at, [axis, s + (at.get(axis) ?? 0)]]));
    }
    if (operator === "Expand") {
      const shift = shape.length - own.length;
      const moved = new Map([...at].map(([a, c]) => [a + shift, c] as const));
      return axes
        .filter((a) => !moved.has(a))
        .reduce((all, a) => all.flatMap((m) => Array.from({ length: shape[a]! }, (_, c) => new Map([...m, [a, c]]))), [moved]);
    }
    if (operator === "Gather") return this.gatheredAhead(k, axes, at, own, shape);
    if (operator === "Split") {
      const axis = this.axis(k, own.length, 0);
      const outputs = this.numbering.outputs[k]!;
      const start = outputs.slice(0, outputs.indexOf(value)).reduce((n, o) => n + this.shape(o)![axis]!, 0);
      if (!at.has(axis)) return [new Map(at)];
      const c = at.get(axis)! - start;
      return c >= 0 && c < shape[axis]! ? [new Map([...at, [axis, c]])] : [];
    }
    if (operator !== "Slice") return [new Map(at)];
    const out = new Map(at);
    for (const { axis, start, step } of this.cuts(k, own)!) {
      if (!at.has(axis)) continue;
      const c = (at.get(axis)! - start) / step;
      if (!Number.isInteger(c) || c < 0 || c >= shape[axis]!) return [];
      out.set(axis, c);
    }
    return [out];
  }

  private gatheredAhead(
    k: number,
    axes: readonly number[],
    at: ReadonlyMap<number, number>,
    own: Shape,
    shape: Shape,
  ): Map<number, number>[] {
    const picks = this.numbering.constants[this.numbering.inputs[k]![1]!]!;
    const axis = this.axis(k, own.length, 0);
    const places = Array.from(picks.data, (p) => (p < 0 ? p + own[axis]! : p));
    const c = at.get(axis) ?? 0;
    if (picks.shape.length === 0) {
      const kept = [...at].filter(([a]) => a !== axis).map(([a, i]) => [a > axis ? a - 1 : a, i] as const);
      return places[0] === c ? [new Map(kept)] : [];
    }
    if (shape[axis]! > 1 && !axes.includes(axis)) return at.has(axis) ? [] : [new Map(at)];
    return places.flatMap((p, i) => (p === c ? [new Map([...at, [axis, i]])] : []));
  }
}

/** A shape without the axes that a slot is at. */
function remaining(shape: Shape, at: ReadonlyMap<number, number>): string {
  return shape.map((n, a) => (at.has(a) ? "*" : n)).join();
}

type Placing = (to: Map<number, number>, layout: string) => Place;

/** The operators that `back` knows the way through; a new one needs a case there. */
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

export function sorted(axes: readonly number[]): number[] {
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
