/** @file Spans of which a rank is expected. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Matrix } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import { WantedSpan } from "./wanted-span";

describe("a span of which a rank is expected", () => {
  const random = new Random(7);
  const product = new Matrix(40, 6, random.normals(240)).multiply(new Matrix(6, 20, random.normals(120)));

  for (const [what, wanted] of [
    ["the rank there is", 6],
    ["more than there is", 9],
    ["nothing in particular", Number.POSITIVE_INFINITY],
  ] as const) {
    it(`has the rank of its rows, with ${what} expected`, () => {
      const span = new WantedSpan(20, 1e-9, wanted);
      for (let i = 0; i < product.rows; i++) span.add(product.row(i));
      while (span.rank < wanted && span.settle() > 0);
      assert.equal(span.rank, 6);
      assert.ok(span.smallestKept > 1e6 * span.largestDropped);
    });
  }

  it("does not take rounding for rank", () => {
    const noise = new Random(8);
    const span = new WantedSpan(20, 1e-9, 7);
    for (let i = 0; i < product.rows; i++) span.add(product.row(i).map((x) => x + 1e-13 * noise.normal()));
    while (span.settle() > 0);
    assert.equal(span.rank, 6);
  });

  it("finds weak rows whatever is expected", () => {
    for (const wanted of [7, 8, 12]) {
      const span = new WantedSpan(20, 1e-9, wanted);
      for (let i = 0; i < product.rows; i++) span.add(product.row(i).map((x, k) => (k === i % 2 ? x + 1e-7 * (i + 1) : x)));
      while (span.rank < wanted && span.settle() > 0);
      assert.equal(span.rank, Math.min(8, wanted));
    }
  });

  it("says what is orthogonal to its rows", () => {
    const span = new WantedSpan(20, 1e-9, 6);
    for (let i = 0; i < product.rows; i++) span.add(product.row(i));
    const rest = span.remainderOf(random.normals(20));
    for (let i = 0; i < product.rows; i++) assert.ok(Math.abs(product.row(i).reduce((s, x, k) => s + x * rest[k]!, 0)) < 1e-11);
  });
});
