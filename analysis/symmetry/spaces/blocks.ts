/**
 * @file Axes whose blocks differ. A fused projection read as (3, heads, size) holds query, key and value along its first
 * axis: three coordinate systems, not one repeated. Such an axis is a *selector*; the axes inside *depend* on it. This one
 * device covers fused projections, repeated key/value heads and channel shuffles (ALGORITHM.md 2.3).
 */
import { type PlainAxis, UNIT } from "./atom-table";
import type { AtomStore } from "./atoms";

/** Chooses among `count` blocks. */
export interface Selector {
  readonly kind: "selector";
  readonly count: number;
}

/** An axis that is `options[i]` inside block i of its selector. */
export interface Dependent {
  readonly kind: "dependent";
  readonly selector: Selector;
  readonly options: readonly PlainAxis[];
}

/** An axis of a tensor under inference. */
export type BlockAxis = PlainAxis | Selector | Dependent;

/** Whether an axis is neither a selector nor depends on one. */
export function isPlain(axis: BlockAxis): axis is PlainAxis {
  return !("kind" in axis);
}

/** Whether an axis counts blocks of which each has axes of its own. */
export function isSelector(axis: BlockAxis): axis is Selector {
  return "kind" in axis && axis.kind === "selector";
}

function isDependent(axis: BlockAxis, selector?: Selector): axis is Dependent {
  return "kind" in axis && axis.kind === "dependent" && (selector === undefined || axis.selector === selector);
}

/** The axes with every dependent axis of `selector` replaced by its option in block i; the selector itself is kept. */
function choose(axes: readonly BlockAxis[], selector: Selector, i: number): BlockAxis[] {
  return axes.map((a) => (isDependent(a, selector) ? a.options[i]! : a));
}

/** Beyond this many blocks a selector is not worth its cost: blocks are then taken as alike. */
const MOST_BLOCKS = 256;

/** Longest axis whose alternating entries are told apart one by one. */
const MOST_ALTERNATING = 32;

/** What becomes of a reshaped tensor further on. */
export interface Later {
  /** Whether entries of an output axis are picked one by one. */
  indexed(axis: number): boolean;
  /** Whether what becomes of them is concatenated again, before weights read it. */
  joined(): boolean;
}

const NOTHING_LATER: Later = { indexed: () => false, joined: () => true };

/** Movement of axes with blocks over one atom store. */
export class BlockAlgebra {
  constructor(readonly atoms: AtomStore) {}

  /** The number of entries of an axis. */
  size(axis: BlockAxis): number {
    if (isPlain(axis)) return this.atoms.axisSize(axis);
    return isSelector(axis) ? axis.count : this.atoms.axisSize(axis.options[0]!);
  }

  /** States that all blocks are alike: dependent axes become plain, the selector a pinned axis. */
  settle(axes: readonly BlockAxis[]): readonly PlainAxis[] {
    // Nearly always there are none.
    if (axes.every(isPlain)) return axes;
    return axes.map((axis) => this.settled(axis));
  }

  /** One axis without blocks. */
  settled(axis: BlockAxis): PlainAxis {
    if (isPlain(axis)) return axis;
    if (isSelector(axis)) return this.atoms.pinnedAxis(axis.count);
    for (const o of axis.options.slice(1)) this.atoms.unify(axis.options[0]!, o);
    return axis.options[0]!;
  }

  /** The axes left when entry `index` of axis `at` is picked, or undefined where that axis is no selector. */
  pick(axes: readonly BlockAxis[], at: number, index: number): readonly BlockAxis[] | undefined {
    const selector = axes[at];
    if (selector === undefined || !isSelector(selector)) return undefined;
    return choose(
      axes.filter((_, i) => i !== at),
      selector,
      index,
    );
  }

  /**
   * Tensors of one entry along axis `at`, stacked along it: a selector there, and dependent axes where the tensors differ.
   * Undefined where they do not differ, or there are too many. The axes of the tensors are plain.
   */
  stack(pieces: readonly (readonly PlainAxis[])[], at: number): readonly BlockAxis[] | undefined {
    const first = pieces[0]!;
    if (pieces.length < 2 || pieces.length > MOST_BLOCKS) return undefined;
    const selector: Selector = { kind: "selector", count: pieces.length };
    let differ = false;
    const out = first.map((axis, k): BlockAxis => {
      if (k === at) return selector;
      const options = pieces.map((p) => p[k]!);
      if (options.every((o) => this.atoms.isAllPinned(o)) || options.every((o) => this.sameAtoms(axis, o))) return axis;
      differ = true;
      return { kind: "dependent", selector, options };
    });
    return differ ? out : undefined;
  }

  /**
   * Tensors with blocks along one and the same axis, concatenated along another one, block by block. Undefined where the
   * blocks do not match; nothing has been stated then.
   */
  join(pieces: readonly (readonly BlockAxis[])[], at: number): readonly BlockAxis[] | undefined {
    const first = pieces[0]!;
    const place = first.findIndex(isSelector);
    const chosen = pieces.map((p) => p[place]);
    if (
      place < 0 ||
      place === at ||
      chosen.some((s) => s === undefined || !isSelector(s) || s.count !== this.size(first[place]!))
    ) {
      return undefined;
    }
    const selectors = chosen as readonly Selector[];
    const fits = (axis: BlockAxis, p: number) => isPlain(axis) || axis === selectors[p] || isDependent(axis, selectors[p]);
    if (!pieces.every((axes, p) => axes.every((a) => fits(a, p)))) return undefined;
    const selector: Selector = { kind: "selector", count: selectors[0]!.count };
    return first.map((_, k): BlockAxis => {
      if (k === place) return selector;
      const axes = pieces.map((p) => p[k]!);
      const merged = (parts: readonly PlainAxis[]): PlainAxis => {
        if (k === at) return this.atoms.concat(parts);
        for (const other of parts.slice(1)) this.atoms.unify(parts[0]!, other);
        return parts[0]!;
      };
      if (axes.every(isPlain)) return merged(axes);
      const inBlock = (b: number) => axes.map((a) => (isDependent(a) ? a.options[b]! : (a as PlainAxis)));
      return { kind: "dependent", selector, options: Array.from({ length: selector.count }, (_, b) => merged(inBlock(b))) };
    });
  }

  /** Whether two axes are made of the same atoms in the same order. */
  sameAtoms(a: PlainAxis, b: PlainAxis): boolean {
    if (a === b) return true;
    const [x, y] = [this.atoms.normal(a), this.atoms.normal(b)];
    return x.length === y.length && x.every((s, i) => s.length === y[i]!.length && s.every((atom, k) => atom === y[i]![k]));
  }

  /**
   * Axes of the same entries in another shape; `later` tells what becomes of them, which decides whether blocks are worth
   * telling apart.
   */
  reshape(axes: readonly BlockAxis[], from: readonly number[], to: readonly number[], later: Later): readonly BlockAxis[] {
    if (from.includes(0) || to.includes(0)) return to.map((n) => this.atoms.pinnedAxis(n));
    const out = new Array<BlockAxis>(to.length);
    let i = 0;
    let j = 0;
    while (i < from.length || j < to.length) {
      if (i < from.length && from[i] === 1) i++;
      else if (j < to.length && to[j] === 1) out[j++] = UNIT;
      else {
        const [i0, j0] = [i, j];
        let n = from[i++]!;
        let m = to[j++]!;
        while (n !== m) {
          // Shapes of different element counts contradict each other: the node becomes opaque.
          if ((n < m ? i >= from.length : j >= to.length) || !Number.isFinite(n * m))
            throw new RangeError("a reshape changes the element count");
          if (n < m) n *= from[i++]!;
          else m *= to[j++]!;
        }
        const made = this.regroup(axes.slice(i0, i), to.slice(j0, j), {
          indexed: (k) => later.indexed(j0 + k),
          joined: later.joined,
        });
        for (let k = j0; k < j; k++) out[k] = made[k - j0]!;
      }
    }
    return out;
  }

  /** One group of axes read as other sizes with the same product. */
  private regroup(axes: readonly BlockAxis[], sizes: readonly number[], later: Later): readonly BlockAxis[] {
    const parts = axes.filter((a) => !(isPlain(a) && this.atoms.axisSize(a) === 1 && axes.length > 1));
    if (parts.length === 1 && sizes.length === 1) return parts;
    const at = parts.findIndex(isSelector);
    if (at >= 0) return this.regroupSelector(parts, at, sizes);
    const dependent = parts.find((a) => isDependent(a)) as Dependent | undefined;
    if (dependent) {
      if (parts.some((a) => isDependent(a) && a.selector !== dependent.selector)) {
        return this.regroupPlain(this.settle(parts), sizes, later);
      }
      const byBlock = dependent.options.map((_, b) =>
        this.regroupPlain(choose(parts, dependent.selector, b) as PlainAxis[], sizes, NOTHING_LATER),
      );
      return sizes.map((_, k) => ({
        kind: "dependent",
        selector: dependent.selector,
        options: byBlock.map((made) => made[k] as PlainAxis),
      }));
    }
    return this.regroupPlain(parts as readonly PlainAxis[], sizes, later);
  }

  private regroupSelector(parts: readonly BlockAxis[], at: number, sizes: readonly number[]): readonly BlockAxis[] {
    const selector = parts[at] as Selector;
    const rest = parts.filter((_, i) => i !== at);
    const simple = rest.every((a) => isPlain(a) || isDependent(a, selector));
    const blocks = Array.from({ length: selector.count }, (_, b) => b);
    const inBlock = (b: number) => choose(rest, selector, b) as PlainAxis[];
    if (simple && sizes.length === 1 && at === 0) {
      return [this.atoms.concat(blocks.map((b) => this.atoms.product(inBlock(b))))];
    }
    if (simple && sizes.length === 1 && at === parts.length - 1) {
      return [this.interleave(blocks.map((b) => this.atoms.product(inBlock(b))))];
    }
    // The selector survives where it is an axis of the result too.
    const keeps =
      at === 0 && sizes[0] === selector.count
        ? 0
        : at === parts.length - 1 && sizes.at(-1) === selector.count
          ? sizes.length - 1
          : -1;
    if (keeps >= 0 && rest.length > 0) {
      const others = sizes.filter((_, k) => k !== keeps);
      const made = [...this.regroup(rest, others, NOTHING_LATER)];
      made.splice(keeps, 0, selector);
      return made;
    }
    return this.regroupPlain(this.settle(parts), sizes, NOTHING_LATER);
  }

  /** Entry 0 of each piece, then entry 1 of each, and so on: what merging (size, blocks) does to memory order. */
  private interleave(pieces: readonly PlainAxis[]): PlainAxis {
    const n = this.atoms.axisSize(pieces[0]!);
    const entries = pieces.map((p) => this.atoms.chop(p, new Array<number>(n).fill(1)));
    const order: PlainAxis[] = [];
    for (let i = 0; i < n; i++) for (const e of entries) order.push(e[i]!);
    return this.atoms.concat(order);
  }

  private regroupPlain(parts: readonly PlainAxis[], sizes: readonly number[], later: Later): readonly BlockAxis[] {
    const merged = this.atoms.product(parts);
    if (sizes.length === 1) return [merged];
    if (!this.atoms.isAllPinned(merged)) {
      // Blocks need something inside that tells them apart: single entries along a last axis are left to be pinned.
      const lasting = sizes.findLastIndex((n) => n > 1);
      const k = sizes.findIndex(
        (n, i) => n > 1 && n <= MOST_BLOCKS && i < lasting && (later.indexed(i) || (i === 0 && this.hasUnequalBlocks(merged, n))),
      );
      if (k >= 0) return this.blocks(merged, sizes, k);
      if (lasting > 0 && this.atoms.axisSize(merged) <= MOST_ALTERNATING && later.indexed(lasting) && !later.joined()) {
        return this.alternating(merged, sizes, lasting);
      }
    }
    return this.atoms.split(merged, sizes);
  }

  /** Reads an axis as sizes[0] x .. with a selector at position k. */
  private blocks(axis: PlainAxis, sizes: readonly number[], k: number): readonly BlockAxis[] {
    const count = sizes[k]!;
    const inside = sizes.slice(k + 1);
    const length = inside.reduce((n, s) => n * s, 1);
    const outer = k === 0 ? [] : this.atoms.split(axis, [...sizes.slice(0, k), count * length]);
    const rest = k === 0 ? axis : outer[k]!;
    const selector: Selector = { kind: "selector", count };
    const pieces = this.atoms.chop(rest, new Array<number>(count).fill(length)).map((p) => this.atoms.split(p, inside));
    const dependents = inside.map((_, i): Dependent => ({ kind: "dependent", selector, options: pieces.map((p) => p[i]!) }));
    return [...outer.slice(0, k), selector, ...dependents];
  }

  /** Reads an axis as .. x sizes[k] with a selector at the last position k: entries that alternate. */
  private alternating(axis: PlainAxis, sizes: readonly number[], k: number): readonly BlockAxis[] {
    const count = sizes[k]!;
    const outer = sizes.slice(0, k);
    const entries = this.atoms.chop(axis, new Array<number>(this.atoms.axisSize(axis)).fill(1));
    const selector: Selector = { kind: "selector", count };
    const pieces = Array.from({ length: count }, (_, i) =>
      this.atoms.split(this.atoms.concat(entries.filter((_e, at) => at % count === i)), outer),
    );
    const dependents = outer.map((_, i): Dependent => ({ kind: "dependent", selector, options: pieces.map((p) => p[i]!) }));
    return [...dependents, selector, ...sizes.slice(k + 1).map(() => UNIT)];
  }

  /** Whether an axis already is a concatenation of `count` equally long blocks that are not all made of the same atoms. */
  private hasUnequalBlocks(axis: PlainAxis, count: number): boolean {
    const segments = this.atoms.normal(axis);
    if (segments.length < count) return false;
    const length = this.atoms.axisSize(axis) / count;
    let first: string | undefined;
    let equal = true;
    let at = 0;
    for (let b = 0; b < count; b++) {
      let filled = 0;
      const atoms: number[] = [];
      while (filled < length && at < segments.length) {
        filled += this.atoms.segmentSize(segments[at]!);
        atoms.push(-1, ...segments[at]!);
        at++;
      }
      if (filled !== length) return false;
      const signature = atoms.join();
      first ??= signature;
      if (signature !== first) equal = false;
    }
    return !equal;
  }
}
