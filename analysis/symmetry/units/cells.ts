/**
 * @file Cells and slots: how the log-scale of a tensor may depend on its indices. A cell is one choice of a segment per
 * axis; its slots are the free factors in it. For each cell and each small set D of slots there is one unknown: a log-scale
 * that depends on exactly the indices in D. All indices behave alike, so this works at any width (ALGORITHM.md 3.1).
 */
import type { BlockAxis } from "../spaces/blocks";
import { isPlain } from "../spaces/blocks";
import type { InferredAxes } from "../spaces/infer";

/** A free factor of one axis inside one cell. */
export interface Slot {
  readonly axis: number;
  /** Position among the factors of its segment. */
  readonly factor: number;
  readonly atom: number;
  readonly size: number;
}

/** One choice of a segment per axis. */
export interface Cell {
  /** Index of the segment along each axis; for a selector, of the block. */
  readonly segments: readonly number[];
  readonly slots: readonly Slot[];
  /** Subsets of the slots, as bit sets, and the unknown of each. */
  readonly unknowns: ReadonlyMap<number, number>;
}

/** A segment of an axis with its place. */
export interface SegmentPlace {
  readonly start: number;
  readonly size: number;
  /** Root atoms and sizes of its factors; pinned ones too. */
  readonly factors: readonly { readonly atom: number; readonly size: number; readonly pinned: boolean }[];
}

/** The cells of a tensor, in row-major order of their segments. */
export interface TensorCells {
  readonly cells: readonly Cell[];
  /** Segments per axis where the axis is plain; undefined for selectors and dependent axes. */
  readonly places: readonly (readonly SegmentPlace[] | undefined)[];
  find(segments: readonly number[]): Cell | undefined;
}

/** Beyond this many cells a tensor is not described: its scales are forced to zero, which is sound. */
const MOST_CELLS = 3000;

/** Numbers the unknowns of all tensors. */
export class CellTable {
  private readonly tensors = new Map<string, TensorCells | undefined>();
  private next = 0;

  constructor(private readonly axes: InferredAxes) {}

  get unknownCount(): number {
    return this.next;
  }

  /** The cells of a value, or undefined where it cannot be described. */
  of(value: string): TensorCells | undefined {
    if (!this.tensors.has(value)) this.tensors.set(value, this.describe(value));
    return this.tensors.get(value);
  }

  private describe(value: string): TensorCells | undefined {
    const axes = this.axes.axes(value);
    if (!axes) return undefined;
    const atoms = this.axes.atoms;
    const plain = (axis: BlockAxis): readonly SegmentPlace[] | undefined => {
      if (!isPlain(axis)) return undefined;
      let start = 0;
      return atoms.normal(axis).map((segment) => {
        const factors = segment.map((a) => ({ atom: a, size: atoms.sizeOf(a), pinned: atoms.isPinned(a) || !atoms.isLeaf(a) }));
        const place = { start, size: factors.reduce((n, f) => n * f.size, 1), factors };
        start += place.size;
        return place;
      });
    };
    const places = axes.map(plain);
    const inBlock = axes.map((axis) =>
      !isPlain(axis) && axis.kind === "dependent" ? axis.options.map((o) => plain(o)!) : undefined,
    );
    const counts: number[] = [];
    for (let i = 0; i < axes.length; i++) {
      const axis = axes[i]!;
      if (isPlain(axis)) counts.push(places[i]!.length);
      else if (axis.kind === "selector") counts.push(axis.count);
      else {
        const options = inBlock[i]!;
        if (options.some((o) => o.length !== options[0]!.length)) return undefined;
        counts.push(options[0]!.length);
      }
    }
    const total = counts.reduce((n, c) => n * c, 1);
    if (total > MOST_CELLS) return undefined;
    const cells: Cell[] = [];
    for (let k = 0; k < total; k++) {
      const segments = new Array<number>(counts.length);
      let rest = k;
      for (let i = counts.length - 1; i >= 0; i--) {
        segments[i] = rest % counts[i]!;
        rest = Math.floor(rest / counts[i]!);
      }
      const slots: Slot[] = [];
      axes.forEach((axis, i) => {
        let place: SegmentPlace | undefined;
        if (isPlain(axis)) place = places[i]![segments[i]!];
        else if (axis.kind === "dependent") {
          const selectorAt = axes.indexOf(axis.selector);
          place = selectorAt < 0 ? undefined : inBlock[i]![segments[selectorAt]!]![segments[i]!];
        }
        place?.factors.forEach((f, factor) => {
          if (!f.pinned && f.size > 1) slots.push({ axis: i, factor, atom: f.atom, size: f.size });
        });
      });
      cells.push({ segments, slots, unknowns: this.number(slots) });
    }
    const strides = new Array<number>(counts.length);
    for (let i = counts.length - 1, n = 1; i >= 0; i--) {
      strides[i] = n;
      n *= counts[i]!;
    }
    return { cells, places, find: (s) => cells[s.reduce((n, v, i) => n + v * strides[i]!, 0)] };
  }

  private number(slots: readonly Slot[]): Map<number, number> {
    const out = new Map<number, number>();
    const most = slots.length > 5 ? 2 : 3;
    const grow = (mask: number, from: number, count: number) => {
      out.set(mask, this.next++);
      if (count === most) return;
      for (let i = from; i < slots.length; i++) grow(mask | (1 << i), i + 1, count + 1);
    };
    grow(0, 0, 0);
    return out;
  }
}
