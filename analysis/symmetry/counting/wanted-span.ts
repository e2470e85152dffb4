/**
 * @file The span of a Jacobian's rows where a rank is expected: elimination shows whether it is reached, at a quarter of the cost of
 * an orthogonal basis, which is made only where it is not reached or not clear.
 */
import { Echelon } from "../../numerics/echelon";
import { RowSpan } from "../../numerics/rowSpan";

/** A growing span that gives the same answers as `RowSpan`, sooner where its rank comes to what is wanted. */
export class WantedSpan {
  /** Until it is known that an orthogonal basis is needed. */
  private quick: Echelon | undefined;
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

  /** The smallest singular value of the rows where the wanted rank is clear; else what the last new row left of itself. */
  get smallestKept(): number {
    return this.quick ? (this.clear ?? this.quick.smallestSingularValue()) : this.careful.smallestKept;
  }

  get largestDropped(): number {
    return this.quick ? 0 : this.careful.largestDropped;
  }

  /** Adds a row; returns whether the span grew. */
  add(row: Float64Array): boolean {
    const { quick } = this;
    if (!quick) return this.careful.add(row);
    this.rows.push(row.slice());
    const grew = quick.add(row);
    if (!grew || quick.rank < this.wanted) return grew;
    this.clear = quick.smallestSingularValue();
    if (this.clear < this.tolerance) this.beCareful();
    return grew;
  }

  /** Takes in the rows that are barely new; returns by how much the span grew. */
  settle(): number {
    const before = this.rank;
    this.beCareful();
    this.careful.settle();
    return Math.max(0, this.careful.rank - before);
  }

  /** The part of a vector orthogonal to all rows. */
  remainderOf(vector: ArrayLike<number>): Float64Array {
    this.beCareful();
    return this.careful.remainderOf(vector);
  }

  private beCareful(): void {
    if (!this.quick) return;
    this.quick = undefined;
    for (const row of this.rows.splice(0)) this.careful.add(row);
  }
}
