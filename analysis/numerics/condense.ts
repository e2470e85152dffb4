/**
 * @file Fewer equations with the same solutions: each is added to several random ones of a few more than there are unknowns (a
 * sparse embedding: Nelson and Nguyen 2013). That preserves the null space of many equations at the cost of reading them, where
 * factorising all would take most of the time.
 */
import { Matrix } from "./matrix";
import { compressRows } from "./qr";
import { Random } from "./random";

/** Equations per unknown that are kept, and for good measure. */
const ROWS_PER_COLUMN = 1.5;
const MORE_ROWS = 32;
/** How often there have to be as many for it to pay. */
const WORTHWHILE = 2;
/** Unknowns below which factorising costs nothing. */
const FEW = 64;
/** To how many of them each equation is added. */
const COPIES = 6;
const SEED = 71;

/**
 * A matrix with the same null space and at most as many rows as columns, of rows of about the same length. Not the triangular
 * factor: singular values change by moderate factors.
 */
export function condensed(a: Matrix): Matrix {
  const { rows, columns, data } = a;
  const kept = Math.ceil(ROWS_PER_COLUMN * columns) + MORE_ROWS;
  if (columns < FEW || rows < WORTHWHILE * kept) return compressRows(a);
  const random = new Random(SEED);
  const out = new Matrix(kept, columns);
  const scale = 1 / Math.sqrt(COPIES);
  for (let i = 0; i < rows; i++) {
    for (let copy = 0; copy < COPIES; copy++) {
      const to = Math.floor(random.uniform() * kept) * columns;
      const factor = random.uniform() < 0.5 ? -scale : scale;
      for (let j = 0, from = i * columns; j < columns; j++, from++) out.data[to + j]! += factor * data[from]!;
    }
  }
  return compressRows(out);
}
