/**
 * @file Cells and slots: how the log-scale of a tensor may depend on its indices. A cell is one choice of a segment per
 * axis; its slots are the free factors in it. For each cell and each small set D of slots there is one unknown: a log-scale
 * that depends on exactly the indices in D. All indices behave alike, so this works at any width (ALGORITHM.md 3.1).
 */
import { ABSENT, type Numbering } from "../../graph/numbering";
import type { PlainAxis } from "../spaces/atom-table";
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
  /** The segment itself along each axis; undefined along selectors. */
  readonly places: readonly (SegmentPlace | undefined)[];
  readonly slots: readonly Slot[];
  /** Small subsets of the slots, as bit sets, the empty one first. */
  readonly masks: readonly number[];
  /** How far the unknown of the first subset is behind the first one of the tensor; the others follow in order. */
  readonly offset: number;
}

/** A segment of an axis with its place. */
export interface SegmentPlace {
  readonly start: number;
  readonly size: number;
  /** Root atoms and sizes of its factors; pinned ones too. */
  readonly factors: readonly { readonly atom: number; readonly size: number; readonly pinned: boolean }[];
}

/** The cells of a tensor, in row-major order of their segments, and its unknowns. */
export interface TensorCells {
  /** The same list for tensors whose axes have the same segments: their cells correspond in order. */
  readonly cells: readonly Cell[];
  /** The first unknown; those of all cells follow each other. */
  readonly first: number;
  /** How many unknowns there are. */
  readonly unknowns: number;
  /** Number of segments (or blocks) per axis. */
  readonly counts: readonly number[];
  /** Which axes choose among blocks. */
  readonly selectors: readonly boolean[];
  /** Segments per axis where the axis is plain; undefined for selectors and dependent axes. */
  readonly places: readonly (readonly SegmentPlace[] | undefined)[];
  find(segments: readonly number[]): Cell | undefined;
  /** Index of the segment by the entry that it starts at, along an axis; undefined where the axis is not plain. */
  starts(axis: number): ReadonlyMap<number, number> | undefined;
}

/** Beyond this many cells a tensor is not described: its scales are forced to zero, which is sound. */
const MOST_CELLS = 3000;

/** Beyond this many unknowns no tensor of many cells is described any more. */
const MOST_UNKNOWNS = 4_000_000;

/** Beyond this many pieces a pinned axis (a table looked up entry by entry) is one: all its entries scale alike. */
const MOST_PINNED_PIECES = 16;

const NO_FACTORS: SegmentPlace["factors"] = [];

/** Bit sets hold this many slots; those beyond it carry no scale. */
const MOST_SLOTS = 30;

/** The free factors of the segments of a cell. Lists that grow keep room for more, and there are very many of these. */
function slotsAlong(places: readonly (SegmentPlace | undefined)[]): Slot[] {
  let count = 0;
  for (const place of places) for (const f of place?.factors ?? NO_FACTORS) if (isFree(f)) count++;
  const slots = new Array<Slot>(count);
  for (let axis = places.length - 1; axis >= 0; axis--) {
    const factors = places[axis]?.factors ?? NO_FACTORS;
    for (let factor = factors.length - 1; factor >= 0; factor--) {
      const f = factors[factor]!;
      if (isFree(f)) slots[--count] = { axis, factor, atom: f.atom, size: f.size };
    }
  }
  return slots;
}

function isFree({ pinned, size }: SegmentPlace["factors"][number]): boolean {
  return !pinned && size > 1;
}

/** Numbers the unknowns of all tensors. The axes must be inferred to the end: what their atoms are made of is read once. */
export class CellTable {
  /** By number of the value; null where a value cannot be described. */
  private readonly tensors: (TensorCells | null | undefined)[];
  private readonly placesOf = new Map<PlainAxis, readonly SegmentPlace[]>();
  /** The same for axes of one atom, by atom: nearly all are. */
  private readonly placesOfAtom: (readonly SegmentPlace[] | undefined)[] = [];
  /** Forms of the tensors that were described last: what follows each other in a graph is mostly of one form. */
  private readonly recent: Form[] = [];
  private nextRecent = 0;
  private next = 0;

  readonly numbering: Numbering;

  constructor(private readonly axes: InferredAxes) {
    this.numbering = axes.numbering;
    this.tensors = new Array<TensorCells | null | undefined>(axes.numbering.count).fill(undefined);
  }

  get unknownCount(): number {
    return this.next;
  }

  /** The cells of a value, or undefined where it cannot be described. */
  of(value: string): TensorCells | undefined {
    return this.at(this.numbering.of(value));
  }

  /** The same by the value's number. */
  at(value: number): TensorCells | undefined {
    if (value === ABSENT) return undefined;
    const known = this.tensors[value];
    if (known !== undefined) return known ?? undefined;
    const made = this.describe(value);
    this.tensors[value] = made ?? null;
    return made;
  }

  /** Lets a value have the cells and unknowns of another one, if it is of the very same axes. */
  share(value: number, other: number): void {
    const [own, its] = [this.axes.axesOf(value), this.axes.axesOf(other)];
    if (own === undefined || own.length !== its?.length || this.tensors[value] !== undefined) return;
    for (let i = 0; i < own.length; i++) if (own[i] !== its[i] || !isPlain(own[i]!)) return;
    this.tensors[value] = this.at(other) ?? null;
  }

  private describe(value: number): TensorCells | undefined {
    const axes = this.axes.axesOf(value);
    if (!axes) return undefined;
    const form = this.recentForm(axes) ?? this.formOf(axes);
    if (form === undefined) return undefined;
    const first = this.next;
    this.next += form.unknowns;
    return new Cells(form, first);
  }

  /** The form of tensors with these axes; undefined where that would be too many cells. */
  private formOf(axes: readonly BlockAxis[]): Form | undefined {
    const rank = axes.length;
    const places = new Array<readonly SegmentPlace[] | undefined>(rank);
    let inBlock: (readonly (readonly SegmentPlace[])[] | undefined)[] = NO_BLOCKS;
    const counts = new Array<number>(rank);
    let total = 1;
    for (let i = 0; i < rank; i++) {
      const axis = axes[i]!;
      if (isPlain(axis)) {
        places[i] = this.segments(axis);
        counts[i] = places[i]!.length;
      } else if (axis.kind === "selector") {
        counts[i] = axis.count;
      } else {
        const options = axis.options.map((o) => this.segments(o));
        if (options.some((o) => o.length !== options[0]!.length)) return undefined;
        if (inBlock === NO_BLOCKS) inBlock = new Array<readonly (readonly SegmentPlace[])[] | undefined>(rank);
        inBlock[i] = options;
        counts[i] = options[0]!.length;
      }
      total *= counts[i]!;
    }
    // Cells along one axis alone are no more than the pieces that the graph itself has put there.
    if (total > MOST_CELLS && (total > Math.max(...counts) || this.next > MOST_UNKNOWNS)) return undefined;
    return this.newForm(axes, places, inBlock, counts, total);
  }

  /** The form of a recent tensor whose axes have these very segments. */
  private recentForm(axes: readonly BlockAxis[]): Form | undefined {
    for (const form of this.recent) {
      const { places } = form;
      let i = places.length === axes.length ? 0 : -1;
      while (i >= 0 && i < places.length) {
        const axis = axes[i]!;
        i = isPlain(axis) && this.segments(axis) === places[i] ? i + 1 : -1;
      }
      if (i >= 0) return form;
    }
    return undefined;
  }

  private newForm(
    axes: readonly BlockAxis[],
    places: readonly (readonly SegmentPlace[] | undefined)[],
    inBlock: readonly (readonly (readonly SegmentPlace[])[] | undefined)[],
    counts: readonly number[],
    total: number,
  ): Form {
    const rank = axes.length;
    const cells = new Array<Cell>(total);
    let unknowns = 0;
    for (let k = 0; k < total; k++) {
      const segments = total === 1 ? (zeros[rank] ??= new Array<number>(rank).fill(0)) : new Array<number>(rank);
      if (total > 1) {
        let rest = k;
        for (let i = rank - 1; i >= 0; i--) {
          segments[i] = rest % counts[i]!;
          rest = Math.floor(rest / counts[i]!);
        }
      }
      const chosen = new Array<SegmentPlace | undefined>(rank);
      for (let i = 0; i < rank; i++) chosen[i] = places[i]?.[segments[i]!] ?? placeInBlock(axes, inBlock, segments, i);
      const slots = slotsAlong(chosen);
      const masks = smallSubsets(Math.min(slots.length, MOST_SLOTS));
      cells[k] = { segments, places: chosen, slots, masks, offset: unknowns };
      unknowns += masks.length;
    }
    const isAllPlain = !places.includes(undefined);
    const selectors = isAllPlain
      ? (noes[rank] ??= new Array<boolean>(rank).fill(false))
      : axes.map((a) => !isPlain(a) && a.kind === "selector");
    const form: Form = {
      cells,
      unknowns,
      places,
      counts: total === 1 ? (ones[rank] ??= new Array<number>(rank).fill(1)) : counts,
      selectors,
      starts: undefined,
    };
    if (isAllPlain) {
      this.recent[this.nextRecent] = form;
      this.nextRecent = (this.nextRecent + 1) % RECENT_FORMS;
    }
    return form;
  }

  /** The segments of an axis with their places. Axes are shared between values, so they are kept. */
  private segments(axis: PlainAxis): readonly SegmentPlace[] {
    const { atoms } = this.axes;
    const normal = atoms.normal(axis);
    if (normal.length === 1 && normal[0]!.length <= 1) {
      const atom = normal[0]![0];
      if (atom === undefined) return WHOLE_OF_ONE;
      return (this.placesOfAtom[atom] ??= [this.place(normal[0]!, 0)]);
    }
    const known = this.placesOf.get(axis);
    if (known) return known;
    if (normal.length > MOST_PINNED_PIECES && atoms.isAllPinned(axis)) {
      const size = atoms.axisSize(axis);
      const whole = [{ start: 0, size, factors: [{ atom: normal[0]![0]!, size, pinned: true }] }];
      this.placesOf.set(axis, whole);
      return whole;
    }
    let start = 0;
    const made = normal.map((segment): SegmentPlace => {
      const place = this.place(segment, start);
      start += place.size;
      return place;
    });
    this.placesOf.set(axis, made);
    return made;
  }

  /** A segment that begins at entry `start`. */
  private place(segment: readonly number[], start: number): SegmentPlace {
    const { atoms } = this.axes;
    let size = 1;
    const factors = segment.map((a) => {
      const factor = { atom: a, size: atoms.sizeOf(a), pinned: atoms.isPinned(a) || !atoms.isLeaf(a) };
      size *= factor.size;
      return factor;
    });
    return { start, size, factors };
  }
}

const NO_BLOCKS: undefined[] = [];

/** The one segment of an axis of size 1 without an atom. */
const WHOLE_OF_ONE: readonly SegmentPlace[] = [{ start: 0, size: 1, factors: [] }];

/** How many forms are remembered. */
const RECENT_FORMS = 8;

/** What tensors with the same segments have in common. */
interface Form {
  readonly cells: readonly Cell[];
  readonly unknowns: number;
  readonly places: readonly (readonly SegmentPlace[] | undefined)[];
  readonly counts: readonly number[];
  readonly selectors: readonly boolean[];
  /** By axis: index of the segment by the entry that it starts at. Made when asked for. */
  starts: (ReadonlyMap<number, number> | undefined)[] | undefined;
}

/** The segment of a dependent axis in the block that its selector is at. */
function placeInBlock(
  axes: readonly BlockAxis[],
  inBlock: readonly (readonly (readonly SegmentPlace[])[] | undefined)[],
  segments: readonly number[],
  at: number,
): SegmentPlace | undefined {
  const axis = axes[at]!;
  if (isPlain(axis) || axis.kind !== "dependent") return undefined;
  const selectorAt = axes.indexOf(axis.selector);
  return selectorAt < 0 ? undefined : inBlock[at]![segments[selectorAt]!]![segments[at]!];
}

/** Lists by rank that all tensors of one cell share; never written to. */
const zeros: (number[] | undefined)[] = [];
const ones: (number[] | undefined)[] = [];
const noes: (boolean[] | undefined)[] = [];

class Cells implements TensorCells {
  constructor(
    private readonly form: Form,
    readonly first: number,
  ) {}

  get cells(): readonly Cell[] {
    return this.form.cells;
  }

  get unknowns(): number {
    return this.form.unknowns;
  }

  get places(): readonly (readonly SegmentPlace[] | undefined)[] {
    return this.form.places;
  }

  get counts(): readonly number[] {
    return this.form.counts;
  }

  get selectors(): readonly boolean[] {
    return this.form.selectors;
  }

  starts(axis: number): ReadonlyMap<number, number> | undefined {
    const places = this.form.places[axis];
    const known = (this.form.starts ??= []);
    return (known[axis] ??= places && new Map(places.map((p, i) => [p.start, i])));
  }

  find(segments: readonly number[]): Cell | undefined {
    let at = 0;
    for (let i = 0; i < this.counts.length; i++) {
      if (segments[i]! < 0 || segments[i]! >= this.counts[i]!) return undefined;
      at = at * this.counts[i]! + segments[i]!;
    }
    return this.cells[at];
  }
}

/** The cell of a tensor that has one of its unknowns. */
export function cellOf({ cells, first }: TensorCells, unknown: number): Cell {
  let at = 0;
  for (let end = cells.length; end - at > 1; ) {
    const middle = (at + end) >> 1;
    if (first + cells[middle]!.offset <= unknown) at = middle;
    else end = middle;
  }
  return cells[at]!;
}

/** How many segments a tensor has along an axis. */
export function segmentCount(tensor: TensorCells, axis: number): number {
  return tensor.cells.length === 0 ? 0 : tensor.counts[axis]!;
}

const subsets: (readonly number[] | undefined)[] = [];

/** The subsets of n slots that have an unknown, as bit sets: up to three slots, or two where there are more than five. */
function smallSubsets(n: number): readonly number[] {
  const known = subsets[n];
  if (known) return known;
  const out: number[] = [];
  const most = n > 5 ? 2 : 3;
  const grow = (mask: number, from: number, count: number) => {
    out.push(mask);
    if (count === most) return;
    for (let i = from; i < n; i++) grow(mask | (1 << i), i + 1, count + 1);
  };
  grow(0, 0, 0);
  subsets[n] = out;
  return out;
}
