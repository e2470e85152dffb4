/** @file Spans of rows: rank, rows that say little, and matrix exponentials. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exponential } from "./exponential";
import { Matrix } from "./matrix";
import { Random } from "./random";
import { RowSpan } from "./rowSpan";

describe("the span of rows", () => {
  it("has the rank of a product of thin matrices", () => {
    const random = new Random(3);
    const a = new Matrix(60, 7, random.normals(420));
    const b = new Matrix(7, 20, random.normals(140));
    const product = a.multiply(b);
    const span = new RowSpan(20, 1e-9);
    for (let i = 0; i < product.rows; i++) span.add(product.row(i));
    assert.equal(span.rank + span.settle(), 7);
    assert.ok(span.largestDropped < 1e-13);
  });

  it("takes what is barely new only when asked to settle, the best row first", () => {
    const span = new RowSpan(3, 1e-9);
    assert.ok(span.add([1, 0, 0]));
    assert.ok(!span.add([1, 1e-7, 0]));
    assert.ok(!span.add([1, 1e-5, 0]));
    assert.equal(span.rank, 1);
    assert.equal(span.settle(), 1, "both show the same direction");
    assert.ok(Math.abs(span.smallestKept - 1e-5) < 1e-8);
    assert.ok(!span.add([0, 5, 0]));
  });

  it("leaves rows without a direction out", () => {
    const span = new RowSpan(2, 1e-9);
    assert.ok(!span.add([0, 0]));
    assert.ok(!span.add([Number.NaN, 1]));
    assert.equal(span.rank, 0);
  });
});

describe("the exponential of a matrix", () => {
  it("turns the generator of rotations into a rotation", () => {
    const g = exponential(new Matrix(2, 2, Float64Array.of(0, -2, 2, 0)));
    for (const [k, x] of [Math.cos(2), -Math.sin(2), Math.sin(2), Math.cos(2)].entries())
      assert.ok(Math.abs(g.data[k]! - x) < 1e-13);
  });

  it("is the inverse of that of the negative", () => {
    const a = new Matrix(4, 4, new Random(5).normals(16, 2));
    const inverse = exponential(
      new Matrix(
        4,
        4,
        a.data.map((x) => -x),
      ),
    );
    const product = exponential(a).multiply(inverse);
    for (let i = 0; i < 4; i++) product.data[5 * i]! -= 1;
    assert.ok(product.maximum() < 1e-8);
    assert.throws(() => exponential(new Matrix(2, 3)), RangeError);
  });
});
