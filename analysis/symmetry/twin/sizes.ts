/**
 * @file Sizes under shrinking. An axis is a concatenation of row-major products of sizes, each of which has an old value and,
 * once it is known, a new one. Stating that two axes are one makes their new sizes equal; what is not known yet is refined
 * until it fits, as atoms are in symmetry/spaces. Unlike there, pinned axes are followed too: they shrink as well.
 */

/** One size. Once `value` is set it stays. */
export class Size {
  private link: Size | undefined;
  private known: number | undefined;
  private structure: Form | undefined;

  constructor(
    readonly old: number,
    value?: number,
    /** The free atom that this is the size of, if any. */
    readonly atom?: number,
    /** How many of its entries are padding, where a Pad made it. */
    readonly padding = 0,
  ) {
    this.known = value;
  }

  /** The size that stands for this one and all that are equal to it. */
  get root(): Size {
    let s: Size = this;
    while (s.link) s = s.link;
    return s;
  }

  /** What it is made of, unless it is a leaf. */
  get form(): Form | undefined {
    return this.root.structure;
  }

  /** The new size; undefined while some part of it is open. */
  get value(): number | undefined {
    const r = this.root;
    if (r.known !== undefined || !r.structure) return r.known;
    const value = "product" in r.structure ? productOf(r.structure.product) : newSize(r.structure.axis);
    r.known = value;
    return value;
  }

  /** Whether nothing has decided the value yet. */
  get isOpen(): boolean {
    return this.value === undefined;
  }

  /** Sets the value of an open leaf. */
  set(value: number): void {
    this.root.known = value;
  }

  /** Gives an open leaf a structure. */
  refine(form: Form): void {
    this.root.structure = form;
  }

  /** Makes an open leaf equal to another size. */
  follow(other: Size): void {
    const [a, b] = [this.root, other.root];
    if (a !== b) a.link = b;
  }
}

type Form = { readonly product: readonly Size[] } | { readonly axis: SizedAxis };

/** A row-major product, outermost first; empty for 1. */
export type SizedSegment = readonly Size[];

/** An axis: segments in order of concatenation. */
export interface SizedAxis {
  readonly segments: readonly SizedSegment[];
}

/** An axis of size 1. */
export const UNIT: SizedAxis = { segments: [[]] };

/** The sizes cannot be what was asked for; another choice of input sizes or of free sizes may work. */
export class SizeConflict extends Error {
  override readonly name = "SizeConflict";
  constructor(
    message: string,
    /** Free atoms whose sizes disagree, if it is about them. */
    readonly atoms: readonly number[] = [],
  ) {
    super(message);
  }
}

function productOf(sizes: readonly Size[]): number | undefined {
  let n = 1;
  for (const s of sizes) {
    const v = s.value;
    if (v === undefined) return undefined;
    n *= v;
  }
  return n;
}

/** The new size of an axis; undefined while some part of it is open. */
export function newSize(axis: SizedAxis): number | undefined {
  let n = 0;
  for (const s of axis.segments) {
    const v = productOf(s);
    if (v === undefined) return undefined;
    n += v;
  }
  return n;
}

function oldSegment(segment: SizedSegment): number {
  let n = 1;
  for (const s of segment) n *= s.old;
  return n;
}

/** The size of an axis in the source graph. */
export function oldSize(axis: SizedAxis): number {
  let n = 0;
  for (const s of axis.segments) n += oldSegment(s);
  return n;
}

/** An axis of one size. */
export function axisOf(size: Size): SizedAxis {
  return size.old === 1 ? UNIT : { segments: [[size]] };
}

/** An axis of one open size. */
export function open(old: number): SizedAxis {
  return old === 1 ? UNIT : axisOf(new Size(old));
}

/** How many entries of an axis are padding; the same number before and after shrinking. */
export function paddingOf(axis: SizedAxis): number {
  const size = axis.segments.length === 1 && axis.segments[0]!.length === 1 ? axis.segments[0]![0]!.root : undefined;
  return size?.padding ?? 0;
}

/** An axis of a known new size. */
export function fixed(old: number, value: number): SizedAxis {
  return old === 1 && value === 1 ? UNIT : { segments: [[new Size(old, value)]] };
}

/** The axis with all structure spliced in: products anywhere, concatenations at the head of a segment. */
export function expand(axis: SizedAxis): readonly SizedSegment[] {
  const out: SizedSegment[] = [];
  const pending = [...axis.segments].reverse();
  while (pending.length > 0) {
    const work = [...pending.pop()!].reverse();
    const done: Size[] = [];
    let distributed = false;
    while (work.length > 0) {
      const size = work.pop()!.root;
      const form = size.form;
      if (form && "product" in form) work.push(...[...form.product].reverse());
      else if (form && done.length === 0) {
        const rest = work.reverse();
        for (const s of [...form.axis.segments].reverse()) pending.push([...s, ...rest]);
        distributed = true;
        break;
      } else done.push(size);
    }
    if (!distributed) out.push(done);
  }
  return out;
}

/** Visits all leaves of an axis. */
export function leaves(axis: SizedAxis, visit: (leaf: Size) => void): void {
  const pending = axis.segments.flat();
  while (pending.length > 0) {
    const size = pending.pop()!.root;
    const form = size.form;
    if (!form) visit(size);
    else if ("product" in form) pending.push(...form.product);
    else pending.push(...form.axis.segments.flat());
  }
}

/** Free atoms that an axis is made of. */
export function atomsOf(...axes: readonly SizedAxis[]): number[] {
  const out = new Set<number>();
  for (const axis of axes) {
    leaves(axis, (leaf) => {
      if (leaf.atom !== undefined) out.add(leaf.atom);
    });
  }
  return [...out];
}

/** The free atoms that a disagreement between axes is about; none where pinned sizes may be the cause. */
export function blamed(...axes: readonly SizedAxis[]): number[] {
  let pinned = false;
  for (const axis of axes) leaves(axis, (leaf) => (pinned ||= leaf.atom === undefined && leaf.old > 1));
  return pinned ? [] : atomsOf(...axes);
}

/** Gives every open leaf of the axis a size. */
export function close(axis: SizedAxis, choose: (old: number) => number): number {
  leaves(axis, (leaf) => {
    if (leaf.isOpen) leaf.set(choose(leaf.old));
  });
  return newSize(axis)!;
}

/** How many of the new entries precede each old entry of an axis: old indices of the entries that are kept, in order. */
export function keptEntries(axis: SizedAxis): number[] {
  const out: number[] = [];
  let offset = 0;
  for (const segment of axis.segments) {
    let picks = [0];
    for (const size of segment) {
      const inner = keptOf(size);
      picks = picks.flatMap((p) => inner.map((i) => p * size.old + i));
    }
    for (const p of picks) out.push(offset + p);
    offset += oldSegment(segment);
  }
  return out;
}

function keptOf(size: Size): number[] {
  const form = size.form;
  if (form) return keptEntries("product" in form ? { segments: [form.product] } : form.axis);
  return Array.from({ length: size.value! }, (_, i) => i % size.old);
}
