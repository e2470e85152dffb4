import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { condensed } from "./condense";
import { Matrix } from "./matrix";
import { Random } from "./random";
import { nullSpace } from "./rank";

const TOLERANCE = { relative: 1e-9, absolute: 1e-9 };

/** A random matrix of the given rank; with `parts`, of equations that see a part of the unknowns each. */
function equations(rows: number, columns: number, rank: number, parts: number): Matrix {
  const random = new Random(5);
  const left = new Matrix(rows, rank, random.normals(rows * rank));
  const right = new Matrix(rank, columns, random.normals(rank * columns));
  for (let i = 0; i < rows; i++) for (let k = 0; k < rank; k++) if (k % parts !== i % parts) left.set(i, k, 0);
  return left.multiply(right);
}

describe("condensed equations", () => {
  for (const [rows, columns, rank, parts] of [
    [2000, 120, 97, 1],
    [3000, 100, 100, 1],
    [1500, 140, 60, 7],
    [300, 90, 41, 1],
  ] as const) {
    it(`have the same solutions: ${rows} of rank ${rank} in ${columns} unknowns, in ${parts} parts`, () => {
      const all = equations(rows, columns, rank, parts);
      const few = condensed(all);
      assert.ok(few.rows <= columns);
      const solutions = nullSpace(few, TOLERANCE);
      assert.equal(solutions.columns, columns - rank);
      assert.ok(solutions.columns === 0 || all.multiply(solutions).maximum() < 1e-8);
    });
  }
});
