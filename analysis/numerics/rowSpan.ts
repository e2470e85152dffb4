/**
 * @file The span of rows that come one at a time, by Gram and Schmidt with reorthogonalisation (Giraud, Langou, Rozložník 2005:
 * twice is enough). Says after each row whether it was new: sampling can end as soon as enough is known.
 */

/** Remainders of unit rows from here on are taken in at once. */
const STRONG = 1e-4;
/** Weak rows that wait at most. */
const MOST_WAITING = 60;

/** A growing orthonormal basis in one array. */
export class RowSpan {
  private basis: Float64Array;
  private used = 0;
  private readonly work: Float64Array;
  private waiting: Float64Array[] = [];
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
  add(row: ArrayLike<number>): boolean {
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
    else if (this.waiting.length < MOST_WAITING) {
      const kept = new Float64Array(n);
      for (let i = 0; i < n; i++) kept[i] = row[i]! / length;
      this.waiting.push(kept);
    }
    return false;
  }

  /** Takes in the rows that wait, the one with most new in it first; returns by how much the span grew. */
  settle(): number {
    const before = this.used;
    let rows = this.waiting;
    this.waiting = [];
    while (rows.length > 0 && this.used < this.columns) {
      const lengths = rows.map((r) => {
        this.work.set(r);
        return this.remainder();
      });
      let best = 0;
      lengths.forEach((l, k) => {
        if (l > lengths[best]!) best = k;
      });
      if (lengths[best]! < this.tolerance) {
        this.largestDropped = Math.max(this.largestDropped, lengths[best]!);
        break;
      }
      this.work.set(rows[best]!);
      this.append(this.remainder());
      rows = rows.filter((_, k) => k !== best && lengths[k]! >= this.tolerance);
    }
    return this.used - before;
  }

  /** Projects the work row off the span and returns what is left of it. */
  private remainder(): number {
    const { work, columns: n } = this;
    this.project();
    this.project();
    let left = 0;
    for (let i = 0; i < n; i++) left += work[i]! * work[i]!;
    return Math.sqrt(left);
  }

  private append(left: number): void {
    const { columns: n, work } = this;
    this.smallestKept = Math.min(this.smallestKept, left);
    const at = this.used * n;
    if (at + n > this.basis.length) {
      const grown = new Float64Array(Math.min(n, 2 * this.used) * n);
      grown.set(this.basis);
      this.basis = grown;
    }
    for (let i = 0; i < n; i++) this.basis[at + i] = work[i]! / left;
    this.used++;
  }

  /** Takes off what lies in the span. */
  private project(): void {
    const { columns: n, work, basis } = this;
    for (let k = 0, at = 0; k < this.used; k++, at += n) {
      let s0 = 0;
      let s1 = 0;
      let i = 0;
      for (; i + 1 < n; i += 2) {
        s0 += work[i]! * basis[at + i]!;
        s1 += work[i + 1]! * basis[at + i + 1]!;
      }
      if (i < n) s0 += work[i]! * basis[at + i]!;
      const f = s0 + s1;
      if (f === 0) continue;
      for (i = 0; i < n; i++) work[i]! -= f * basis[at + i]!;
    }
  }
}
