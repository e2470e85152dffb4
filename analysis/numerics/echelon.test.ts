/** @file Elimination of rows as they come: rank, rows that are not new, and the smallest singular value. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Echelon } from "./echelon";
import { Matrix } from "./matrix";
import { Random } from "./random";
import { singularValues } from "./rank";

describe("elimination", () => {
  it("keeps as many rows as a product of thin matrices has ranks", () => {
    const random = new Random(3);
    const product = new Matrix(60, 11, random.normals(660)).multiply(new Matrix(11, 30, random.normals(330)));
    const echelon = new Echelon(30);
    for (let i = 0; i < product.rows; i++) echelon.add(product.row(i));
    assert.equal(echelon.rank, 11);
    assert.ok(echelon.smallestSingularValue() > 1e-4);
  });

  it("knows the smallest singular value of square matrices", () => {
    const random = new Random(5);
    for (const n of [1, 5, 6, 33]) {
      const rows = Array.from({ length: n }, () => random.normals(n));
      // One row close to another.
      if (n > 1) rows[n - 1] = rows[0]!.map((x, i) => x + 1e-3 * rows[n - 1]![i]!);
      const echelon = new Echelon(n);
      for (const r of rows) assert.ok(echelon.add(r));
      const unit = rows.map((r) => {
        const length = Math.hypot(...r);
        return r.map((x) => x / length);
      });
      const expected = singularValues(new Matrix(n, n, Float64Array.from(unit.flatMap((r) => Array.from(r))))).at(-1)!;
      assert.ok(Math.abs(echelon.smallestSingularValue() / expected - 1) < 0.01, `${n}`);
    }
  });

  it("keeps no rows of zeros, of infinities, or of what is there", () => {
    const echelon = new Echelon(3);
    assert.equal(echelon.smallestSingularValue(), 1);
    assert.ok(!echelon.add(new Float64Array(3)));
    assert.ok(!echelon.add(Float64Array.of(1, Number.POSITIVE_INFINITY, 0)));
    assert.ok(echelon.add(Float64Array.of(0, 2, 4)));
    assert.ok(!echelon.add(Float64Array.of(0, -1, -2)));
    assert.ok(echelon.add(Float64Array.of(1, 0, 0)));
    assert.equal(echelon.rank, 2);
  });

  it("takes what is barely new only when asked to settle, the best row first, and no more than wanted", () => {
    const rows = [
      [1, 0, 0, 0],
      [1, 1e-8, 0, 0],
      [1, 1e-6, 0, 0],
      [1, 1e-6, 1e-7, 0],
      [1, 0, 0, 1e-12],
    ].map((r) => Float64Array.from(r));
    const echelon = new Echelon(4);
    assert.deepEqual(
      rows.map((r) => echelon.add(r)),
      [true, false, false, false, false],
    );
    assert.equal(echelon.settle(2), 1);
    assert.ok(Math.abs(echelon.smallestSingularValue() / (1e-6 / Math.SQRT2) - 1) < 0.01);
    const all = new Echelon(4);
    for (const r of rows) all.add(r);
    assert.equal(all.settle(4), 2, "what is below the threshold is left");
    assert.ok(all.rounding() < 1e-14);
    assert.ok(all.add(Float64Array.of(0, 0, 0, 3)));
    assert.equal(all.rank, 4);
  });
});
