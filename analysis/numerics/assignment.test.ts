/** @file Assignments against exhaustive search, and on planted permutations. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bestAssignment } from "./assignment";
import { Matrix } from "./matrix";
import { Random } from "./random";

function permutations(n: number): number[][] {
  if (n === 0) return [[]];
  return permutations(n - 1).flatMap((p) => Array.from({ length: n }, (_, i) => [...p.slice(0, i), n - 1, ...p.slice(i)]));
}

describe("linear assignment", () => {
  it("finds the best of all permutations", () => {
    const random = new Random(1);
    for (let n = 1; n <= 6; n++) {
      for (let round = 0; round < 5; round++) {
        const gain = new Matrix(n, n, random.normals(n * n));
        const value = (p: ArrayLike<number>) =>
          Array.from({ length: n }, (_, i) => gain.get(i, p[i]!)).reduce((a, b) => a + b, 0);
        const best = Math.max(...permutations(n).map(value));
        assert.ok(Math.abs(value(bestAssignment(gain)) - best) < 1e-12);
      }
    }
  });

  it("finds a planted permutation of 200 vectors", () => {
    const random = new Random(2);
    const n = 200;
    const p = random.sample(n, n);
    const a = new Matrix(n, 10, random.normals(n * 10));
    const b = new Matrix(n, 10);
    for (let i = 0; i < n; i++) b.row(p[i]!).set(a.row(i).map((x) => x + 0.01 * random.normal()));
    const found = bestAssignment(a.multiply(b.transpose()));
    // Inner products favour long vectors slightly: compare what is won, not every index.
    const gain = a.multiply(b.transpose());
    const value = (q: ArrayLike<number>) => Array.from({ length: n }, (_, i) => gain.get(i, q[i]!)).reduce((x, y) => x + y, 0);
    assert.ok(value(found) >= value(p) - 1e-9);
    assert.ok(found.filter((j, i) => j === p[i]).length > 0.95 * n);
  });

  it("refuses what is not square or not finite", () => {
    assert.throws(() => bestAssignment(new Matrix(2, 3)), RangeError);
    assert.throws(() => bestAssignment(new Matrix(1, 1, Float64Array.of(Number.NaN))), RangeError);
    assert.equal(bestAssignment(new Matrix(0, 0)).length, 0);
  });
});
