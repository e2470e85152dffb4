/**
 * @file The span of a Jacobian's rows where a rank is expected: elimination shows whether it is reached, at a quarter of the cost of
 * an orthogonal basis, which is made only where it is not reached or not clear.
 */
import { Echelon } from "../../numerics/echelon";
import { RowSpan } from "../../numerics/rowSpan";

/** Smallest singular values from here on are no rounding, and such that are that many times as large as rounding may be. */
const LEAST_CLEAR = 1e-12;
const MARGIN = 10;
/** What elimination leaves of a row of unit length that a careful look may find something new in. */
const LEAST_NEW = 1e-10;

/** A growing span that gives the same answers as `RowSpan`, sooner where its rank comes to what is wanted. */
export class WantedSpan {
  /** Until it is known that an orthogonal basis is needed. */
  private quick: Echelon | undefined;
  /** From then on: most rows that come are combinations of others, which elimination sees at a fraction of the cost. */
  private sieve: Echelon | undefined;
  private readonly rows: Float64Array[] = [];
  private readonly careful: RowSpan;
  private clear: number | undefined;

  /** Rows of `columns` entries; `tolerance` as in `RowSpan`; the rank that is wanted may be infinite. */
  constructor(
    readonly columns: number,
    private readonly tolerance: number,
    private readonly wanted: number,
  ) {
    this.careful = new RowSpan(columns, tolerance);
    if (wanted <= columns) this.quick = new Echelon(columns);
  }

  /** The rank so far; what is wanted only where it is clear. */
  get rank(): number {
    return this.quick?.rank ?? this.careful.rank;
  }

  /** Whether the rank is what is wanted, beyond rounding, or that of an orthogonal basis. */
  get isClear(): boolean {
    return !this.quick || this.quick.rank >= this.wanted;
  }

  /** The smallest singular value of the rows where the wanted rank is clear; else what the last new row left of itself. */
  get smallestKept(): number {
    return this.quick ? (this.clear ?? this.quick.smallestSingularValue()) : this.careful.smallestKept;
  }

  /** The largest singular value that was taken for zero. */
  get largestDropped(): number {
    return this.quick ? 0 : this.careful.largestDropped;
  }

  /** Adds a row; returns whether the span grew. */
  add(row: Float64Array): boolean {
    const { quick, sieve } = this;
    if (!quick) {
      sieve?.add(row);
      return sieve && sieve.left < LEAST_NEW ? false : this.careful.add(row);
    }
    const grew = quick.add(row);
    // Of combinations of others nothing is left but rounding.
    if (quick.left >= LEAST_NEW) this.rows.push(row.slice());
    if (grew) this.look(quick);
    return grew;
  }

  /** Where the rank is what is wanted, keeps it only if it is clear. */
  private look(quick: Echelon): void {
    if (quick.rank < this.wanted) return;
    this.clear = quick.smallestSingularValue();
    if (!(this.clear >= LEAST_CLEAR && this.clear >= MARGIN * quick.rounding())) this.beCareful();
  }

  /** Takes in the rows that are barely new; returns by how much the span grew. */
  settle(): number {
    const before = this.rank;
    if (this.quick) {
      this.quick.settle(this.wanted);
      this.look(this.quick);
    } else this.careful.settle();
    return Math.max(0, this.rank - before);
  }

  /** No more rows come: where the wanted rank is not reached, an orthogonal basis of all that came says which one is. */
  end(): void {
    if (this.rank >= this.wanted) return;
    this.settle();
    if (this.rank >= this.wanted) return;
    this.beCareful();
    this.careful.settleAll();
  }

  /** The part of a vector orthogonal to all rows. */
  remainderOf(vector: ArrayLike<number>): Float64Array {
    this.beCareful();
    return this.careful.remainderOf(vector);
  }

  private beCareful(): void {
    if (!this.quick) return;
    this.sieve = this.quick;
    this.quick = undefined;
    this.careful.addAll(this.rows.splice(0));
  }
}
