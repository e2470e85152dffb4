/**
 * @file The algebra of axis atoms (ALGORITHM.md's engine A): axes are concatenations of row-major products of atoms, and
 * every statement "these two axes are one coordinate system" is made true by refining and uniting atoms. Different
 * partitions of one axis therefore meet by refinement, never by failure; what cannot be made to meet is pinned.
 */
import { AtomTable, axisOf, type Form, type PlainAxis, type Segment, UNIT } from "./atom-table";

/** Blocks that are made single entries at most where two ways of grouping one axis do not divide each other. */
const MOST_TOLD_APART = 64;

/** The table with the operations that refine and unite atoms. */
export class AtomStore extends AtomTable {
  /** Consecutive parts of an axis; the lengths, none of them zero, add up to its size. */
  chop(axis: PlainAxis, lengths: readonly number[]): readonly PlainAxis[] {
    if (lengths.length === 1) return [axis];
    if (this.isAllPinned(axis)) return lengths.map((n) => this.pinnedAxis(n));
    const pending = [...this.normal(axis)].reverse();
    return lengths.map((length, k) => {
      const part: Segment[] = [];
      for (let remaining = length; remaining > 0 && pending.length > 0; ) {
        // What was cut before may occur again: look at what it is made of now.
        const segment = this.front(pending);
        const n = this.segmentSize(segment);
        pending.pop();
        if (n <= remaining) {
          part.push(segment);
          remaining -= n;
        } else {
          const parts = this.isFreeLeaf(segment)
            ? this.cutLeaf(segment[0]!, pieceSizes(n, remaining, lengths, k + 1))
            : this.cutSegment(segment, remaining);
          for (let i = parts.length - 1; i >= 0; i--) pending.push(parts[i]!);
        }
      }
      return axisOf(part);
    });
  }

  /** Whether a segment is one atom that may be refined. */
  private isFreeLeaf(segment: Segment): boolean {
    return segment.length === 1 && !this.pins[segment[0]!]! && this.forms[segment[0]!] === undefined;
  }

  /** Refines a leaf into pieces of the given sizes. */
  private cutLeaf(leaf: number, sizes: readonly number[]): readonly Segment[] {
    const concat = sizes.map((n): Segment => [this.atom(n, false)]);
    this.refine(leaf, { concat });
    return concat;
  }

  /**
   * The single entries of an axis at the given places; the axis is cut around them and nowhere else. Throws RangeError for
   * places outside of it.
   */
  entries(axis: PlainAxis, places: readonly number[]): readonly PlainAxis[] {
    const distinct = [...new Set(places)].sort((a, b) => a - b);
    const size = this.axisSize(axis);
    if (!distinct.every((p) => Number.isInteger(p) && p >= 0 && p < size)) {
      throw new RangeError(`entries ${distinct.join(", ")} of an axis of ${size}`);
    }
    const lengths: number[] = [];
    let end = 0;
    for (const p of distinct) {
      if (p > end) lengths.push(p - end);
      lengths.push(1);
      end = p + 1;
    }
    if (end < size) lengths.push(size - end);
    const parts = this.chop(axis, lengths);
    const at = new Map<number, PlainAxis>();
    let start = 0;
    lengths.forEach((length, k) => {
      if (length === 1) at.set(start, parts[k]!);
      start += length;
    });
    return places.map((p) => at.get(p)!);
  }

  /** Refines a segment's head so that a boundary falls nearer to entry k; returns the segments in its place. */
  private cutSegment(segment: Segment, k: number): Segment[] {
    let at = 0;
    while (this.sizeOf(segment[at]!) === 1) at++;
    const head = this.find(segment[at]!);
    const prefix = segment.slice(0, at);
    const rest = segment.slice(at + 1);
    const n = this.sizes[head]!;
    const inner = this.segmentSize(rest);
    const whole = Math.floor(k / inner);
    const partial = k % inner > 0;
    const pieces = [whole, partial ? 1 : 0, n - whole - (partial ? 1 : 0)].filter((p) => p > 0);
    if (pieces.length === 1) {
      // A head of size 1 was skipped above, so this is a head of one entry in need of a cut further right: impossible.
      throw new Error("axis algebra: a cut made no progress");
    }
    const pinned = this.pins[head]!;
    const atoms = pieces.map((p) => this.atom(p, pinned));
    // A pinned atom may be shared with axes that have nothing to do with this cut: it stays one atom there.
    if (!pinned) this.refine(head, { concat: atoms.map((a) => [a]) });
    return atoms.map((a) => [...prefix, a, ...rest]);
  }

  /** Part [start, end) of an axis; the whole axis itself where nothing is cut off. */
  slice(axis: PlainAxis, start: number, end: number): PlainAxis {
    if (end <= start) return axisOf([]);
    const size = this.axisSize(axis);
    if (start <= 0 && end >= size) return axis;
    // Index lists take the same entries again and again.
    const expanded = this.normal(axis);
    const memo = axis.memo ?? this.memoOf(axis);
    memo.expanded = expanded;
    const known = (memo.slices ??= new Map<string, PlainAxis>());
    const key = `${start}:${end}`;
    let part = known.get(key);
    if (!part) {
      part = this.isAllPinned(axis) ? this.pinnedAxis(end - start) : this.partOf(axis, start, end);
      known.set(key, part);
    }
    return part;
  }

  /** Entries [start, end) of an axis that is not all pinned; only the segments that have some of them are looked at. */
  private partOf(axis: PlainAxis, start: number, end: number): PlainAxis {
    const segments = this.normal(axis);
    let first = 0;
    let at = 0;
    for (let n = this.segmentSize(segments[0]!); at + n <= start; n = this.segmentSize(segments[first]!)) {
      at += n;
      first++;
    }
    let last = first;
    let stop = at;
    while (stop < end) stop += this.segmentSize(segments[last++]!);
    const around = last - first === segments.length ? axis : axisOf(segments.slice(first, last));
    const lengths = [start - at, end - start, stop - end].filter((n) => n > 0);
    return this.chop(around, lengths)[start > at ? 1 : 0]!;
  }

  /** Concatenation in order; pieces that are all pinned become one pinned atom. */
  concat(parts: readonly PlainAxis[]): PlainAxis {
    if (parts.length === 1) return parts[0]!;
    if (parts.every((p) => this.isAllPinned(p))) return this.pinnedAxis(parts.reduce((n, p) => n + this.axisSize(p), 0));
    // A unit axis inside a concatenation is an entry of its own: give it an atom, so that it can be told apart.
    return axisOf(parts.flatMap((p) => (p === UNIT ? [[this.atom(1, true)]] : p.segments)));
  }

  /** Row-major product, outermost first. Neighbouring pinned factors become one. */
  product(factors: readonly PlainAxis[]): PlainAxis {
    let out: PlainAxis = UNIT;
    for (const f of factors) out = this.multiply(out, f);
    return out;
  }

  private multiply(a: PlainAxis, b: PlainAxis): PlainAxis {
    if (a === UNIT) return b;
    if (b === UNIT) return a;
    const tail = b.segments.length === 1 ? b.segments[0]! : [this.wrap(b)];
    if (this.isAllPinned(b)) {
      const n = this.axisSize(b);
      return axisOf(this.normal(a).map((s) => this.appendPinned(s, n)));
    }
    return axisOf(a.segments.map((s) => [...s, ...tail]));
  }

  private appendPinned(segment: Segment, size: number): Segment {
    const last = segment.at(-1);
    if (last !== undefined && this.isLeaf(last) && this.isPinned(last)) {
      return [...segment.slice(0, -1), this.atom(this.sizeOf(last) * size, true)];
    }
    return [...segment, this.atom(size, true)];
  }

  /** A concatenation as one atom. */
  private wrap(axis: PlainAxis): number {
    const a = this.atom(this.axisSize(axis), false);
    this.refine(a, { concat: axis.segments });
    return a;
  }

  /** Reads an axis as a product of sizes, outermost first. */
  split(axis: PlainAxis, sizes: readonly number[]): readonly PlainAxis[] {
    if (this.isAllPinned(axis)) return sizes.map((n) => this.pinnedAxis(n));
    const segments = this.normal(axis);
    if (segments.length > 1) {
      const only = sizes.findIndex((n) => n > 1);
      if (sizes.every((n, i) => i === only || n === 1)) return sizes.map((_, i) => (i === only ? axis : UNIT));
    }
    const grouped = segments.length === 1 ? this.group(segments[0]!, sizes) : undefined;
    if (grouped) return grouped;
    const parts = sizes.map((n) => this.fresh(n));
    this.unify(axis, this.product(parts));
    return parts;
  }

  /** Takes factors from the right until each size is filled, refining leaves; undefined where that does not work out. */
  private group(segment: Segment, sizes: readonly number[]): readonly PlainAxis[] | undefined {
    const work = [...segment];
    const out: PlainAxis[] = [];
    for (let i = sizes.length - 1; i >= 0; i--) {
      const factors: number[] = [];
      let need = sizes[i]!;
      while (need > 1) {
        const a = work.pop();
        if (a === undefined) return undefined;
        const root = this.find(a);
        const n = this.sizes[root]!;
        if (need % n === 0) {
          factors.unshift(root);
          need /= n;
        } else if (n % need === 0 && this.isLeaf(root)) {
          const [outer, inner] = this.factor(root, need);
          factors.unshift(inner);
          work.push(outer);
          need = 1;
        } else {
          return undefined;
        }
      }
      out.unshift(factors.length === 0 ? UNIT : axisOf([factors]));
    }
    // Entries of size 1 left over belong to the outermost part: their identity matters to channel shuffles.
    if (work.length > 0) {
      const first = out[0]!;
      out[0] = axisOf([[...work, ...first.segments[0]!]]);
    }
    return out;
  }

  /** Reads a leaf of size n as (n / inner, inner). A pinned leaf is replaced, not refined. */
  private factor(leaf: number, inner: number): readonly [number, number] {
    const pinned = this.pins[leaf]!;
    const pair = [this.atom(this.sizes[leaf]! / inner, pinned), this.atom(inner, pinned)] as const;
    if (!pinned) this.refine(leaf, { product: pair });
    return pair;
  }

  /** States that two axes of equal size are one coordinate system. */
  unify(x: PlainAxis, y: PlainAxis): void {
    // An axis of size 1 may be broadcast or carry the identity of a single entry; either way it states nothing.
    if (x === y || this.axisSize(x) === 1) return;
    if (this.isAllPinned(x)) return this.pin(y);
    if (this.isAllPinned(y)) return this.pin(x);
    const [p, q] = [this.leafOf(x), this.leafOf(y)];
    if (p >= 0 && q >= 0 && this.sizes[p] === this.sizes[q]) return this.union(p, q);
    const [a, b] = [this.normal(x), this.normal(y)];
    if (a === b) return;
    if (a.length === 1 && b.length === 1 && this.segmentSize(a[0]!) === this.segmentSize(b[0]!)) {
      return this.unifyProducts(a[0]!, b[0]!);
    }
    const left = [...a].reverse();
    const right = [...b].reverse();
    while (left.length > 0 && right.length > 0) {
      const one = this.front(left);
      const other = this.front(right);
      const n = this.segmentSize(one);
      const m = this.segmentSize(other);
      if (n === m) {
        left.pop();
        right.pop();
        this.unifyProducts(one, other);
      } else {
        const [list, segment, k] = n > m ? [left, one, m] : [right, other, n];
        list.pop();
        if (this.isFreeLeaf(segment) && this.takeStructure(segment[0]!, n > m ? right : left)) continue;
        const parts = this.cutSegment(segment, k);
        for (let i = parts.length - 1; i >= 0; i--) list.push(parts[i]!);
      }
    }
  }

  /**
   * Lets a leaf be the concatenation of the first segments of a reversed list, where some of them are just as long; they
   * are taken off the list. All of them are expanded and shorter, so that none contains the leaf.
   */
  private takeStructure(leaf: number, list: Segment[]): boolean {
    let rest = this.sizes[leaf]!;
    let k = list.length;
    while (rest > 0 && k > 0 && this.isExpanded(list[k - 1]!)) rest -= this.segmentSize(list[--k]!);
    if (rest !== 0) return false;
    const taken = list.splice(k).reverse();
    // A single entry without an atom has no place in a concatenation.
    if (taken.some((s) => s.length === 0)) {
      for (let i = taken.length - 1; i >= 0; i--) list.push(taken[i]!);
      return false;
    }
    this.refine(leaf, { concat: taken });
    return true;
  }

  /** The first segment of a reversed list, expanded in place if atoms were refined since the list was made. */
  private front(list: Segment[]): Segment {
    const segment = list.at(-1)!;
    if (this.isExpanded(segment)) return segment;
    list.pop();
    const out: Segment[] = [];
    this.expandInto(segment, out);
    for (let i = out.length - 1; i >= 0; i--) list.push(out[i]!);
    return list.at(-1)!;
  }

  private unifyProducts(x: Segment, y: Segment): void {
    if (x.length === 1 && y.length === 1) return this.union(x[0]!, y[0]!);
    const a = [...x];
    const b = [...y];
    while (a.length > 0 && b.length > 0) {
      const p = this.find(a.at(-1)!);
      const q = this.find(b.at(-1)!);
      const n = this.sizes[p]!;
      const m = this.sizes[q]!;
      if (p === q || n === m) {
        a.pop();
        b.pop();
        this.union(p, q);
      } else if (n === 1) this.pinSegment([a.pop()!]);
      else if (m === 1) this.pinSegment([b.pop()!]);
      else {
        const [list, big, small] = n > m ? [a, p, m] : [b, q, n];
        if (Math.max(n, m) % small !== 0 || !this.splittable(big)) {
          // Blocks of two lengths: told apart one by one, each cuts the other.
          if (this.tellBlocksApart(a, b)) return this.unify(axisOf([a]), axisOf([b]));
          this.pinSegment(x);
          this.pinSegment(y);
          return;
        }
        list.pop();
        const form = this.forms[big];
        if (form && "product" in form) list.push(...form.product);
        else list.push(...this.factor(big, small));
      }
    }
    // A single entry that the other side does not tell apart cannot change places with another one.
    this.pinSegment(a);
    this.pinSegment(b);
  }

  /**
   * Makes single entries of what counts the blocks of two segments of equal size, so that they become lists of blocks. False
   * where they are no products of free leaves, or there are too many blocks.
   */
  private tellBlocksApart(x: Segment, y: Segment): boolean {
    if (this.segmentSize(x) !== this.segmentSize(y)) return false;
    if (![...x, ...y].every((a) => this.isLeaf(a) && !this.isPinned(a))) return false;
    const heads = [x, y].flatMap((s) => (s.length > 1 ? [this.find(s[0]!)] : [])).filter((h) => this.sizes[h]! > 1);
    if (heads.length === 0 || heads.some((h) => this.sizes[h]! > MOST_TOLD_APART)) return false;
    for (const head of new Set(heads)) this.cutLeaf(head, new Array<number>(this.sizes[head]!).fill(1));
    return true;
  }

  private splittable(root: number): boolean {
    const form = this.forms[root];
    return form === undefined || "product" in form;
  }

  private union(a: number, b: number): void {
    a = this.find(a);
    b = this.find(b);
    if (a === b) return;
    if (this.pins[a] !== this.pins[b]) this.pinSegment([this.pins[a] ? b : a]);
    const fa = this.forms[a];
    const fb = this.forms[b];
    if (fa && fb) {
      this.unify(structure(fa), structure(fb));
      a = this.find(a);
      b = this.find(b);
      if (a === b) return;
    }
    // The leaf takes the structure of the other.
    const [child, root] = this.forms[a] === undefined ? [a, b] : [b, a];
    this.parent[child] = root;
    this.forms[child] = undefined;
    this.version++;
  }
}

/** Sizes of the pieces of a segment of n entries that is cut after `first` of them and further on by the lengths from `next`. */
function pieceSizes(n: number, first: number, lengths: readonly number[], next: number): number[] {
  const out = [first];
  let left = n - first;
  for (let k = next; left > 0; k++) {
    const size = Math.min(left, lengths[k] ?? left);
    out.push(size);
    left -= size;
  }
  return out;
}

function structure(form: Form): PlainAxis {
  return axisOf("product" in form ? [form.product] : form.concat);
}
