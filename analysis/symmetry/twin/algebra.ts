/** @file Cutting, joining, splitting and equating sized axes; what the axis rules of the operator table ask for. */
import { boundary, type Least, proportional, shareOfFree, shareOfPinned } from "./shares";
import {
  atomsOf,
  blamed,
  axisOf,
  close,
  expand,
  fixed,
  newSize,
  oldSize,
  open,
  Size,
  SizeConflict,
  type SizedAxis,
  type SizedSegment,
  UNIT,
} from "./sizes";

/** What the algebra does where the source leaves a choice. */
export interface Choices {
  /** The new size of an axis that nothing else decides. */
  size(old: number): number;
}

/** Algebra of sized axes. All methods throw SizeConflict where new sizes contradict each other. */
export class SizeAlgebra {
  constructor(private readonly choices: Choices) {}

  /** The new size, choosing what is still open. */
  close(axis: SizedAxis): number {
    return newSize(axis) ?? close(axis, (n) => this.choices.size(n));
  }

  /** Concatenation in order. */
  concat(parts: readonly SizedAxis[]): SizedAxis {
    return parts.length === 1 ? parts[0]! : { segments: parts.flatMap((p) => p.segments) };
  }

  /** Row-major product, outermost first. */
  product(factors: readonly SizedAxis[]): SizedAxis {
    let out = UNIT;
    for (const f of factors) {
      if (out === UNIT) out = f;
      else if (f !== UNIT) {
        const tail = f.segments.length === 1 ? f.segments[0]! : [wrap(f)];
        out = { segments: out.segments.map((s) => [...s, ...tail]) };
      }
    }
    return out;
  }

  /** Parts [0, k) and [k, size) in old entries; `cuts` are all places where this axis is cut (k among them). */
  cut(axis: SizedAxis, k: number, cuts: readonly number[] = [k], least?: Least): readonly [SizedAxis, SizedAxis] {
    const size = oldSize(axis);
    if (k <= 0) return [{ segments: [] }, axis];
    if (k >= size) return [axis, { segments: [] }];
    const segments = expand(axis);
    const left: SizedSegment[] = [];
    let at = 0;
    for (let i = 0; i < segments.length; i++) {
      const n = oldSize({ segments: [segments[i]!] });
      if (at + n <= k) {
        left.push(segments[i]!);
        at += n;
        continue;
      }
      const rest = segments.slice(i + 1);
      if (at === k) return [{ segments: left }, { segments: [segments[i]!, ...rest] }];
      const inside = cuts.flatMap((c) => (c > at && c < at + n ? [c - at] : []));
      const [a, b] = this.cutSegment(segments[i]!, k - at, inside, least && ((from, to) => least(from + at, to + at)));
      return [{ segments: [...left, ...a.segments] }, { segments: [...b.segments, ...rest] }];
    }
    return [axis, { segments: [] }];
  }

  private cutSegment(segment: SizedSegment, k: number, cuts: readonly number[], least?: Least): readonly [SizedAxis, SizedAxis] {
    const axis: SizedAxis = { segments: [segment] };
    const n = oldSize(axis);
    const [head, ...rest] = segment as readonly [Size, ...Size[]];
    const inner = n / head.old;
    if (head.isOpen && !head.form && k % inner === 0) {
      const places = [...new Set(cuts.filter((c) => c % inner === 0).map((c) => c / inner))].sort((a, b) => a - b);
      const bounds = [0, ...places, head.old];
      const pieces = bounds.slice(1).map((b, i) => open(b - bounds[i]!));
      head.refine({ axis: this.concat(pieces) });
      return this.cut({ segments: [[head, ...rest]] }, k);
    }
    const value = this.close(axis);
    const at = atomsOf(axis).length > 0 ? proportional(axis, k, value) : boundary(n, value, k, cuts, least);
    return [fixed(k, at), fixed(n - k, value - at)];
  }

  /** Part [start, end). */
  slice(axis: SizedAxis, start: number, end: number, cuts: readonly number[] = [], least?: Least): SizedAxis {
    const all = [...new Set([...cuts, start, end])];
    const size = oldSize(axis);
    const [, tail] = this.cut(axis, start, all, least);
    if (end >= size) return tail;
    // The first cut may have made two axes of one: the second one falls into what is left of it.
    const value = newSize(axis);
    if (value === undefined || newSize(tail) === undefined)
      return this.cut(
        tail,
        end - start,
        all.map((c) => c - start),
      )[0];
    const [head] = this.cut(axis, end, all, least);
    const kept = newSize(head)! - (value - newSize(tail)!);
    const [part] = this.cut(
      tail,
      end - start,
      all.map((c) => c - start),
    );
    return newSize(part) === kept ? part : fixed(end - start, kept);
  }

  /** Reads an axis as a product of the given old sizes, outermost first. */
  split(axis: SizedAxis, sizes: readonly number[]): readonly SizedAxis[] {
    if (sizes.length === 1) return [axis];
    const parts = this.splitChunks(expand(axis), sizes);
    if (parts) return parts;
    // Entries are not told apart any further: only the number of them counts.
    const value = this.close(axis);
    return this.splitSegment([new Size(oldSize(axis), value)], sizes)!;
  }

  /** Splits chunk by chunk, where a chunk is as few segments as hold whole copies of the inner sizes. */
  private splitChunks(segments: readonly SizedSegment[], sizes: readonly number[]): readonly SizedAxis[] | undefined {
    if (segments.length === 1) return this.splitSegment(segments[0]!, sizes);
    const inner = sizes.slice(1).reduce((n, s) => n * s, 1);
    const outer: SizedAxis[] = [];
    let common: readonly SizedAxis[] | undefined;
    let chunk: SizedSegment[] = [];
    for (const s of segments) {
      chunk.push(s);
      const n = oldSize({ segments: chunk });
      if (n % inner !== 0) continue;
      let parts: readonly SizedAxis[] | undefined;
      if (chunk.length === 1) parts = this.splitSegment(s, [n / inner, ...sizes.slice(1)]);
      else if (n === inner) parts = [UNIT, ...this.split({ segments: chunk }, sizes.slice(1))];
      if (!parts) return undefined;
      outer.push(parts[0]!);
      const rest = parts.slice(1);
      if (!common) common = rest;
      else rest.forEach((p, i) => this.unify(common![i]!, p));
      chunk = [];
    }
    return chunk.length === 0 && common ? [this.concat(outer), ...common] : undefined;
  }

  /** Takes factors from the right until each size is filled; undefined where that does not work out. */
  private splitSegment(segment: SizedSegment, sizes: readonly number[]): readonly SizedAxis[] | undefined {
    const work = [...segment];
    const out: SizedAxis[] = [];
    for (let i = sizes.length - 1; i >= 0; i--) {
      const factors: Size[] = [];
      let need = sizes[i]!;
      while (need > 1) {
        const last = work.pop()?.root;
        if (!last) return undefined;
        const form = last.form;
        const n = last.old;
        if (n === 1) continue;
        if (need % n === 0) {
          factors.unshift(last);
          need /= n;
        } else if (form && "product" in form) work.push(...form.product);
        else if (n % need === 0) {
          if (form) {
            const [outer, inside] = this.split(form.axis, [n / need, need]) as [SizedAxis, SizedAxis];
            work.push(wrap(outer));
            factors.unshift(wrap(inside));
          } else {
            const [outer, inside] = this.factor(last, need);
            work.push(outer);
            factors.unshift(inside);
          }
          need = 1;
        } else return undefined;
      }
      out.unshift(factors.length === 0 ? UNIT : { segments: [factors] });
    }
    return work.every((s) => s.old === 1) ? out : undefined;
  }

  /** Reads a leaf as (n / inner, inner). An open leaf stays the product of the two. */
  private factor(leaf: Size, inner: number): readonly [Size, Size] {
    const outer = leaf.old / inner;
    const value = leaf.value;
    if (value === undefined) {
      const pair = [new Size(outer), new Size(inner)] as const;
      leaf.refine({ product: pair });
      return pair;
    }
    const free = leaf.atom !== undefined;
    const chosen = free ? shareOfFree(value, outer, inner) : shareOfPinned(value, outer, inner);
    if (chosen === undefined)
      throw new SizeConflict(
        `${value} in the place of ${leaf.old} cannot be read as (${outer}, ${inner})`,
        free ? [leaf.atom!] : [],
      );
    const [a, b] = [new Size(outer, chosen[0], leaf.atom), new Size(inner, chosen[1], leaf.atom)];
    return [a, b];
  }

  /** States that two axes of equal old size are one. Axes of old size 1 may be broadcast: nothing is stated of them. */
  unify(x: SizedAxis, y: SizedAxis): void {
    const n = oldSize(x);
    if (x === y || n !== oldSize(y) || n === 1) return;
    const [a, b] = [newSize(x), newSize(y)];
    if (a !== undefined && b !== undefined) {
      if (a === b) return;
      // Part by part first: the part that differs says more than the whole.
      this.match([...expand(x)].reverse(), [...expand(y)].reverse());
      throw new SizeConflict(`${n} became ${a} here and ${b} there`, blamed(x, y));
    }
    this.match([...expand(x)].reverse(), [...expand(y)].reverse());
  }

  private match(left: SizedSegment[], right: SizedSegment[]): void {
    while (left.length > 0 && right.length > 0) {
      const a = this.front(left);
      const b = this.front(right);
      const n = oldSize({ segments: [a] });
      const m = oldSize({ segments: [b] });
      if (n === m) {
        left.pop();
        right.pop();
        this.unifySegments(a, b);
        continue;
      }
      // One open size against a whole concatenation takes its structure at once.
      const [list, other, long, k] = n > m ? [left, right, a, m] : [right, left, b, n];
      list.pop();
      if (long.length === 1 && long[0]!.isOpen && !long[0]!.form) {
        const taken: SizedSegment[] = [];
        let covered = 0;
        const whole = oldSize({ segments: [long] });
        while (covered < whole && other.length > 0) {
          taken.push(this.front(other));
          other.pop();
          covered += oldSize({ segments: [taken.at(-1)!] });
        }
        if (covered === whole) {
          long[0]!.refine({ axis: { segments: taken } });
          continue;
        }
        other.push(...taken.reverse());
      }
      const [head, rest] = this.cutSegment(long, k, [k]);
      list.push(...[...rest.segments].reverse(), ...[...head.segments].reverse());
    }
  }

  /** The first segment of a reversed list, expanded again since sizes may have been refined. */
  private front(list: SizedSegment[]): SizedSegment {
    const out = expand({ segments: [list.pop()!] });
    for (let i = out.length - 1; i >= 0; i--) list.push(out[i]!);
    return list.at(-1)!;
  }

  private unifySegments(x: SizedSegment, y: SizedSegment): void {
    const a = [...x];
    const b = [...y];
    while (a.length > 0 && b.length > 0) {
      const p = a.at(-1)!.root;
      const q = b.at(-1)!.root;
      if (p === q || p.old === q.old) {
        a.pop();
        b.pop();
        this.unifySizes(p, q);
        continue;
      }
      if (p.old === 1 || q.old === 1) {
        (p.old === 1 ? a : b).pop();
        continue;
      }
      const [list, big, small] = p.old > q.old ? [a, p, q] : [b, q, p];
      const form = big.form;
      if (form && "product" in form) {
        list.pop();
        list.push(...form.product);
      } else if (!form && big.old % small.old === 0) {
        list.pop();
        list.push(...this.factor(big, small.old));
      } else {
        const left = this.close({ segments: [a] });
        const right = this.close({ segments: [b] });
        if (left !== right) throw new SizeConflict(`sizes ${left} and ${right} do not meet`, blamed({ segments: [a, b] }));
        return;
      }
    }
  }

  private unifySizes(p: Size, q: Size): void {
    if (p.root === q.root) return;
    if (p.isOpen && !p.form) p.follow(q);
    else if (q.isOpen && !q.form) q.follow(p);
    else {
      // Both known, or structured: compare entry by entry.
      const [a, b] = [p.value, q.value];
      if (a !== undefined && b !== undefined) {
        if (a !== b) throw new SizeConflict(`${p.old} became ${a} here and ${b} there`, blamed(axisOf(p), axisOf(q)));
      } else if (p.form && q.form) this.match([...expand(axisOf(p))].reverse(), [...expand(axisOf(q))].reverse());
      else this.fit(p.form ? p : q, p.form ? q.value! : p.value!);
    }
  }

  /** Distributes a known size over a structure with open parts. */
  private fit(size: Size, value: number): void {
    const form = size.form!;
    if ("product" in form) {
      const openParts = form.product.filter((s) => s.isOpen);
      const known = form.product.reduce((n, s) => n * (s.value ?? 1), 1);
      if (openParts.length === 1 && value % known === 0) return this.assign(openParts[0]!, value / known);
      const parts = this.splitSegment(
        [new Size(size.old, value)],
        form.product.map((s) => s.old),
      );
      if (!parts) throw new SizeConflict(`${value} cannot be read as a product`);
      form.product.forEach((s, i) => this.assign(s, newSize(parts[i]!)!));
      return;
    }
    const segments = form.axis.segments;
    let offset = 0;
    const cuts = segments.slice(0, -1).map((s) => (offset += oldSize({ segments: [s] })));
    let start = 0;
    segments.forEach((s, i) => {
      const end = i < cuts.length ? boundary(size.old, value, cuts[i]!, cuts) : value;
      this.assignSegment(s, end - start);
      start = end;
    });
  }

  private assign(size: Size, value: number): void {
    const known = size.value;
    if (known !== undefined) {
      if (known !== value) throw new SizeConflict(`${size.old} became ${known} here and ${value} there`, blamed(axisOf(size)));
    } else if (size.form) this.fit(size, value);
    else size.set(value);
  }

  private assignSegment(segment: SizedSegment, value: number): void {
    if (segment.length === 1) this.assign(segment[0]!, value);
    else {
      const whole = new Size(oldSize({ segments: [segment] }));
      whole.refine({ product: segment });
      this.assign(whole, value);
    }
  }

  /** Makes the axis have a new size. */
  bind(axis: SizedAxis, value: number): void {
    const n = oldSize(axis);
    if (axis === UNIT || n === 1) {
      if ((newSize(axis) ?? 1) !== value) throw new SizeConflict(`an axis of size 1 would get ${value}`);
      return;
    }
    const known = newSize(axis);
    if (known === undefined) this.unify(axis, fixed(n, value));
    if ((newSize(axis) ?? value) !== value)
      throw new SizeConflict(`${n} became ${newSize(axis)} here and ${value} there`, blamed(axis));
  }

  /** The axes of a tensor in another shape (old sizes). */
  reshape(axes: readonly SizedAxis[], from: readonly number[], to: readonly number[]): readonly SizedAxis[] {
    const out = new Array<SizedAxis>(to.length);
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
          if (n < m) n *= from[i++]!;
          else m *= to[j++]!;
        }
        const made = this.split(this.product(axes.slice(i0, i)), to.slice(j0, j));
        for (let k = j0; k < j; k++) out[k] = made[k - j0]!;
      }
    }
    return out;
  }
}

/** An axis as one size. */
function wrap(axis: SizedAxis): Size {
  if (axis.segments.length === 1 && axis.segments[0]!.length === 1) return axis.segments[0]![0]!;
  const size = new Size(oldSize(axis));
  size.refine({ axis });
  return size;
}
