/**
 * @file The span of rows that come one at a time, by Gram and Schmidt with reorthogonalisation (Giraud, Langou, Rozložník 2005:
 * twice is enough). Says after each row whether it was new: sampling can end as soon as enough is known.
 */

/** Remainders of unit rows from here on are taken in at once: dividing by less magnifies rounding, time after time. */
const STRONG = 0.1;
/** Of rows that wait those are taken in of which at least this part as much is new as of the best: more rows may show the rest better. */
const STEP = 0.03;
/** Remainders of unit rows from here on are orthogonal enough. */
const ENOUGH = 0.05;
/** Weak rows that wait at most. */
const MOST_WAITING = 60;

/** A growing orthonormal basis in one array. */
export class RowSpan {
  private basis: Float64Array;
  private used = 0;
  private readonly work: Float64Array;
  private waiting: { readonly row: Float64Array; readonly left: number }[] = [];
  /** The shortest remainder that counted as new, and the longest that did not, of rows of unit length. */
  smallestKept = 1;
  largestDropped = 0;

  /** Rows of `columns` entries; what is left of a unit row counts as new from `tolerance` on. */
  constructor(
    readonly columns: number,
    private readonly tolerance: number,
  ) {
    this.basis = new Float64Array(Math.max(1, Math.min(columns, 64)) * columns);
    this.work = new Float64Array(columns);
  }

  get rank(): number {
    return this.used;
  }

  /**
   * Adds a row; returns whether the span grew. Rows of zeros, and with entries that are not finite, add nothing. A row of which
   * little is new waits: dividing by little magnifies rounding, and most often another row shows the same direction better.
   */
  add(row: ArrayLike<number>, mostWaiting = MOST_WAITING): boolean {
    const { columns: n, work } = this;
    let length = 0;
    for (let i = 0; i < n; i++) length += row[i]! * row[i]!;
    length = Math.sqrt(length);
    if (!(length > 1e-300) || !Number.isFinite(length) || this.used === n) return false;
    for (let i = 0; i < n; i++) work[i] = row[i]! / length;
    const left = this.remainder();
    if (left >= STRONG) {
      this.append(left);
      return true;
    }
    if (left < this.tolerance) this.largestDropped = Math.max(this.largestDropped, left);
    else {
      const kept = new Float64Array(n);
      for (let i = 0; i < n; i++) kept[i] = row[i]! / length;
      this.wait(kept, left, mostWaiting);
    }
    return false;
  }

  /** Adds all rows there are so far: none of them is lost while it waits, and what is barely new in them is taken in too. */
  addAll(rows: readonly ArrayLike<number>[]): void {
    for (const row of rows) this.add(row, Number.POSITIVE_INFINITY);
    this.settleAll();
  }

  /** Keeps a row for later, in place of the one with least new in it where many wait. */
  private wait(row: Float64Array, left: number, most: number): void {
    const { waiting } = this;
    if (waiting.length < most) {
      waiting.push({ row, left });
      return;
    }
    let least = 0;
    for (let k = 1; k < waiting.length; k++) if (waiting[k]!.left < waiting[least]!.left) least = k;
    if (waiting[least]!.left < left) waiting[least] = { row, left };
  }

  /**
   * Takes in rows that wait, the one with most new in it first, as long as more is new in the next one than a small part of that.
   * Returns by how much the span grew: zero when none is left.
   */
  settle(): number {
    return this.takeIn(STEP);
  }

  /** Takes in all rows that wait, the one with most new in it first: no others come that would show the rest better. */
  settleAll(): number {
    return this.takeIn(0);
  }

  private takeIn(step: number): number {
    const before = this.used;
    let rest = this.waiting.map(({ row }) => {
      this.work.set(row);
      return { row, length: this.remainder(), vector: this.work.slice() };
    });
    let least = 0;
    while (rest.length > 0 && this.used < this.columns) {
      const best = rest.reduce((a, b) => (b.length > a.length ? b : a));
      if (best.length < this.tolerance) {
        this.largestDropped = Math.max(this.largestDropped, best.length);
        rest = [];
      }
      if (best.length < Math.max(this.tolerance, least)) break;
      least = Math.max(least, step * best.length);
      // What is little has rounding along the span in it, which is as much as itself once it is as long as the others.
      for (let i = 0; i < this.columns; i++) this.work[i] = best.vector[i]! / best.length;
      const left = this.remainder();
      this.append(left, best.length * left);
      rest = rest.filter((r) => r !== best && r.length >= this.tolerance);
      for (const r of rest) r.length = this.without(r.vector);
    }
    this.waiting = rest.map(({ row, length }) => ({ row, left: length }));
    return this.used - before;
  }

  /** Takes the last vector of the basis off a vector that is orthogonal to the others; returns what is left of it. */
  private without(vector: Float64Array): number {
    const { columns: n, basis } = this;
    const at = (this.used - 1) * n;
    let f = 0;
    for (let i = 0; i < n; i++) f += vector[i]! * basis[at + i]!;
    let sum = 0;
    for (let i = 0; i < n; i++) {
      vector[i]! -= f * basis[at + i]!;
      sum += vector[i]! ** 2;
    }
    return Math.sqrt(sum);
  }

  /** The part of a vector orthogonal to all rows. */
  remainderOf(vector: ArrayLike<number>): Float64Array {
    this.work.set(vector);
    this.project();
    this.project();
    return this.work.slice();
  }

  /** Projects the work row off the span and returns what is left of it. */
  private remainder(): number {
    this.project();
    let left = this.length();
    // Where most of a unit row is left, one pass is as good as two (Daniel, Gragg, Kaufman, Stewart 1976).
    if (left < ENOUGH) {
      this.project();
      left = this.length();
    }
    return left;
  }

  private length(): number {
    let sum = 0;
    for (const x of this.work) sum += x * x;
    return Math.sqrt(sum);
  }

  private append(left: number, kept = left): void {
    const { columns: n, work } = this;
    this.smallestKept = Math.min(this.smallestKept, kept);
    const at = this.used * n;
    if (at + n > this.basis.length) {
      const grown = new Float64Array(Math.min(n, 2 * this.used) * n);
      grown.set(this.basis);
      this.basis = grown;
    }
    for (let i = 0; i < n; i++) this.basis[at + i] = work[i]! / left;
    this.used++;
  }

  /**
   * Takes off what lies in the span. Four vectors of the basis at once: they are orthogonal, so that it makes no difference, and
   * the row is read and written a quarter as often.
   */
  private project(): void {
    const { columns: n, work, basis } = this;
    let k = 0;
    for (; k + 3 < this.used; k += 4) {
      const [a, b, c, d] = [k * n, (k + 1) * n, (k + 2) * n, (k + 3) * n];
      let fa = 0;
      let fb = 0;
      let fc = 0;
      let fd = 0;
      for (let i = 0; i < n; i++) {
        const x = work[i]!;
        fa += x * basis[a + i]!;
        fb += x * basis[b + i]!;
        fc += x * basis[c + i]!;
        fd += x * basis[d + i]!;
      }
      if (fa === 0 && fb === 0 && fc === 0 && fd === 0) continue;
      for (let i = 0; i < n; i++) {
        work[i]! -= fa * basis[a + i]! + fb * basis[b + i]! + fc * basis[c + i]! + fd * basis[d + i]!;
      }
    }
    for (; k < this.used; k++) {
      const at = k * n;
      let f = 0;
      for (let i = 0; i < n; i++) f += work[i]! * basis[at + i]!;
      if (f === 0) continue;
      for (let i = 0; i < n; i++) work[i]! -= f * basis[at + i]!;
    }
  }
}
