/**
 * @file Axis atoms: a table of what they are made of, which of them are one, and which are pinned; and axes as
 * concatenations of row-major products of them (ALGORITHM.md's engine A). Here they are looked up; what refines and unites
 * them is in `atoms.ts`.
 */
import type { AxisFactor, AxisLayout } from "../../graph/axes";

/** A row-major product of atoms, outermost first; empty for size 1. */
export type Segment = readonly number[];

/** An axis as a concatenation of segments. Immutable; what its atoms are made of is looked up in the store. */
export class PlainAxis {
  /** What the store has made of it before; only the store looks here. */
  memo: AxisMemo | undefined = undefined;

  /** @param atom the one atom that it is; NO_ATOM for all others, whose segments are given */
  constructor(
    readonly atom: number,
    private list: readonly Segment[] | undefined,
  ) {}

  /** Of nearly all axes, which are one atom, the list is never asked for: it is made then. */
  get segments(): readonly Segment[] {
    return (this.list ??= [[this.atom]]);
  }
}

/** Stands for the atom of an axis that is not a single one. */
const NO_ATOM = -1;

/** Results for one axis. */
interface AxisMemo {
  /** State of the store that `expanded` is for. */
  version: number;
  expanded: readonly Segment[];
  slices: Map<string, PlainAxis> | undefined;
  layout: AxisLayout | undefined;
  layoutVersion: number;
}

/** An axis of these segments. */
export function axisOf(segments: readonly Segment[]): PlainAxis {
  const [only] = segments;
  return new PlainAxis(segments.length === 1 && only!.length === 1 ? only![0]! : NO_ATOM, segments);
}

/** What a structured atom is made of: a product of atoms, or segments one after the other. */
export type Form = { readonly product: readonly number[] } | { readonly concat: readonly Segment[] };

/** An axis of size 1: one empty product. */
export const UNIT: PlainAxis = axisOf([[]]);

const UNIT_LAYOUT: AxisLayout = [[]];

/** Union-find over atoms with structure. All operations are near-linear in the number of segments they touch. */
export class AtomTable {
  protected readonly parent: number[] = [];
  protected readonly sizes: number[] = [];
  protected readonly forms: (Form | undefined)[] = [];
  protected readonly pins: boolean[] = [];
  /** By root atom: the axis of it alone, and the atom as others see it. */
  private readonly alone: (readonly Segment[] | undefined)[] = [];
  private readonly factors: (AxisFactor | undefined)[] = [];
  private readonly layouts: (AxisLayout | undefined)[] = [];
  /** Grows with every change, so that expanded axes can be cached. */
  protected version = 0;

  /** A new leaf atom. */
  atom(size: number, pinned: boolean): number {
    const id = this.parent.length;
    this.parent.push(id);
    this.sizes.push(size);
    this.forms.push(undefined);
    this.pins.push(pinned);
    this.alone.push(undefined);
    this.factors.push(undefined);
    this.layouts.push(undefined);
    return id;
  }

  /** The representative of an atom's class. */
  find(a: number): number {
    let root = a;
    while (this.parent[root]! !== root) root = this.parent[root]!;
    while (this.parent[a]! !== root) {
      const next = this.parent[a]!;
      this.parent[a] = root;
      a = next;
    }
    return root;
  }

  /** The number of entries of an atom. */
  sizeOf(a: number): number {
    return this.sizes[this.find(a)]!;
  }

  /** Whether nothing may act on an atom. */
  isPinned(a: number): boolean {
    return this.pins[this.find(a)]!;
  }

  /** True for an atom that is no further structured. */
  isLeaf(a: number): boolean {
    return this.forms[this.find(a)] === undefined;
  }

  /** The number of entries of a segment: the product of its atoms' sizes. */
  segmentSize(segment: Segment): number {
    let n = 1;
    for (const a of segment) n *= this.sizeOf(a);
    return n;
  }

  /** The number of entries of an axis: the sum over its segments. */
  axisSize(axis: PlainAxis): number {
    if (axis.atom !== NO_ATOM) return this.sizeOf(axis.atom);
    let n = 0;
    for (const s of axis.segments) n += this.segmentSize(s);
    return n;
  }

  private axisOfNew(size: number, pinned: boolean): PlainAxis {
    return new PlainAxis(this.atom(size, pinned), undefined);
  }

  /** An axis of one new free atom; no atom at all for size 1. */
  fresh(size: number): PlainAxis {
    return size === 1 ? UNIT : this.axisOfNew(size, false);
  }

  /** An axis of one new pinned atom. */
  pinnedAxis(size: number): PlainAxis {
    return size === 1 ? UNIT : this.axisOfNew(size, true);
  }

  /**
   * The axis with all structure spliced in: products anywhere, concatenations at the head of a segment (they distribute
   * over the rest); a concatenation further right stays one nested atom.
   */
  normal(axis: PlainAxis): readonly Segment[] {
    if (axis === UNIT) return UNIT.segments;
    const { memo } = axis;
    // Nearly all axes are one leaf, which needs no memory of its own.
    const leaf = memo === undefined ? this.leafOf(axis) : NO_ATOM;
    if (leaf !== NO_ATOM) return (this.alone[leaf] ??= [[leaf]]);
    if (memo !== undefined && memo.version === this.version) return memo.expanded;
    const from = memo === undefined ? axis.segments : memo.expanded;
    const out = this.expandedAll(from);
    if (memo === undefined) this.memoOf(axis).expanded = out;
    else {
      memo.version = this.version;
      memo.expanded = out;
    }
    return out;
  }

  /** The representative of the one atom that an axis is, where that is a leaf; NO_ATOM for others. */
  protected leafOf(axis: PlainAxis): number {
    if (axis.atom === NO_ATOM) return NO_ATOM;
    const root = this.find(axis.atom);
    return this.forms[root] === undefined ? root : NO_ATOM;
  }

  /** What is kept of an axis, made where nothing is yet. */
  protected memoOf(axis: PlainAxis): AxisMemo {
    return (axis.memo ??= {
      version: this.version,
      expanded: axis.segments,
      slices: undefined,
      layout: undefined,
      layoutVersion: -1,
    });
  }

  /** The segments with all structure spliced in; the list itself where there is none. */
  private expandedAll(from: readonly Segment[]): readonly Segment[] {
    let first = 0;
    while (first < from.length && this.isExpanded(from[first]!)) first++;
    if (first === from.length) return from;
    if (from.length === 1) {
      // Nearly all axes are one atom, and most of those that are united are leaves: they share one list.
      const alone = this.leafAlone(from[0]!);
      if (alone !== undefined) return alone;
    }
    const made = from.slice(0, first);
    for (let i = first; i < from.length; i++) this.expandInto(from[i]!, made);
    return made;
  }

  /** The axis that is a segment of one atom, where that is a leaf: one list for each atom. */
  private leafAlone(segment: Segment): readonly Segment[] | undefined {
    if (segment.length !== 1) return undefined;
    const root = this.find(segment[0]!);
    return this.forms[root] === undefined ? (this.alone[root] ??= [[root]]) : undefined;
  }

  /** The axis as the rest of the code sees it. */
  layout(axis: PlainAxis): AxisLayout {
    const segments = this.normal(axis);
    if (segments === UNIT.segments) return UNIT_LAYOUT;
    if (segments.length === 1 && segments[0]!.length === 1) {
      const atom = segments[0]![0]!;
      const factor = this.factorOf(atom);
      const known = this.layouts[atom];
      return known?.[0]![0] === factor ? known : (this.layouts[atom] = [[factor]]);
    }
    const { memo } = axis;
    if (memo?.layout !== undefined && memo.layoutVersion === this.version) return memo.layout;
    const made = segments.map((s) => s.map((a): AxisFactor => this.factorOf(a)));
    if (memo) {
      memo.layout = made;
      memo.layoutVersion = this.version;
    }
    return made;
  }

  /** The atom as a factor; one object for as long as it stays as it is, if it is a leaf. */
  private factorOf(a: number): AxisFactor {
    const atom = this.find(a);
    const form = this.forms[atom];
    if (form && "concat" in form) {
      const parts = form.concat.map((s) => s.map((inner) => this.factorOf(inner)));
      return { atom, size: this.sizes[atom]!, pinned: this.pins[atom]!, parts };
    }
    const known = this.factors[atom];
    if (known !== undefined && known.pinned === this.pins[atom]) return known;
    const made = { atom, size: this.sizes[atom]!, pinned: this.pins[atom]! };
    this.factors[atom] = made;
    return made;
  }

  protected expandInto(segment: Segment, out: Segment[]): void {
    if (this.isExpanded(segment)) {
      out.push(segment);
      return;
    }
    const pending: Segment[] = [segment];
    while (pending.length > 0) {
      const next = pending.pop()!;
      const alone = this.leafAlone(next);
      if (alone !== undefined) {
        out.push(alone[0]!);
        continue;
      }
      const work: number[] = [];
      for (let i = next.length - 1; i >= 0; i--) work.push(next[i]!);
      const done: number[] = [];
      let atHead = true;
      let distributed = false;
      while (work.length > 0) {
        const root = this.find(work.pop()!);
        const form = this.forms[root];
        if (form && "product" in form) {
          for (let i = form.product.length - 1; i >= 0; i--) work.push(form.product[i]!);
        } else if (form && atHead) {
          if (work.length === 0 && done.length === 0) {
            for (let i = form.concat.length - 1; i >= 0; i--) pending.push(form.concat[i]!);
          } else {
            const rest = work.reverse();
            for (let i = form.concat.length - 1; i >= 0; i--) pending.push([...done, ...form.concat[i]!, ...rest]);
          }
          distributed = true;
          break;
        } else {
          done.push(root);
          if (this.sizes[root]! > 1) atHead = false;
        }
      }
      if (!distributed) out.push(done);
    }
  }

  /** Whether nothing may act on any part of the axis; true for size 1. */
  isAllPinned(axis: PlainAxis): boolean {
    const leaf = this.leafOf(axis);
    if (leaf !== NO_ATOM) return this.pins[leaf]!;
    for (const s of this.normal(axis)) for (const a of s) if (!this.pins[a]!) return false;
    return true;
  }

  /** Forbids any action on the axis. */
  pin(axis: PlainAxis): void {
    for (const s of axis.segments) this.pinSegment(s);
  }

  protected pinSegment(segment: Segment): void {
    const pending = [...segment];
    while (pending.length > 0) {
      const root = this.find(pending.pop()!);
      const form = this.forms[root];
      if (this.pins[root]! && !form) continue;
      if (!this.pins[root]!) this.version++;
      this.pins[root] = true;
      if (form && "product" in form) pending.push(...form.product);
      else if (form) for (const s of form.concat) pending.push(...s);
    }
  }

  protected refine(leaf: number, form: Form): void {
    this.forms[leaf] = form;
    this.version++;
  }

  /** Whether a segment is made of representatives without structure to splice in. */
  protected isExpanded(segment: Segment): boolean {
    for (const a of segment) if (this.parent[a] !== a || this.forms[a] !== undefined) return false;
    return true;
  }
}
