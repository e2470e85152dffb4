import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LeastSquares, nonNegativeLeastSquares } from "./leastSquares";
import { dot, Matrix, norm } from "./matrix";
import { compressRows, HouseholderQr, RowCompressor } from "./qr";
import { staircase } from "./staircase";
import { Random } from "./random";
import { exactRank, nullSpace, orthonormalBasis, projector, rank, singularValues } from "./rank";
import { RatioSets, UnionFind } from "./unionFind";

const seeds = fc.integer({ min: 1, max: 1e6 });
const normal = (random: Random, rows: number, columns: number): Matrix =>
  new Matrix(rows, columns, random.normals(rows * columns));
/** A matrix of the given rank, whose non-zero singular values span about four decades. */
const ofRank = (random: Random, rows: number, columns: number, r: number): Matrix => {
  const left = normal(random, rows, r);
  for (let i = 0; i < rows; i++) for (let k = 0; k < r; k++) left.data[i * r + k]! *= 10 ** ((-4 * k) / Math.max(1, r));
  return left.multiply(normal(random, r, columns));
};
const difference = (a: Matrix, b: Matrix): number => {
  assert.equal(a.rows, b.rows);
  assert.equal(a.columns, b.columns);
  return Math.max(0, ...a.data.map((v, i) => Math.abs(v - b.data[i]!)));
};

test("a matrix times its own transpose is the product, bit by bit", () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 11 }), (seed, m, n) => {
      const random = new Random(seed);
      const a = normal(random, m, n);
      // Zeros, which products pass over, alone and in whole groups of columns.
      for (let i = 0; i < a.data.length; i++) if (random.uniform() < 0.4) a.data[i] = 0;
      if (n >= 4) a.data.fill(0, 0, 4);
      assert.deepEqual([...a.timesOwnTranspose().data], [...a.multiply(a.transpose()).data]);
    }),
  );
});

test("QR keeps the Gram matrix, and Q is orthogonal", () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), fc.boolean(), (seed, m, n, pivot) => {
      const a = normal(new Random(seed), m, n);
      const qr = new HouseholderQr(a, { pivot });
      const q = qr.basisRows(0, m);
      assert.ok(difference(q.multiply(q.transpose()), Matrix.identity(m)) < 1e-12);
      assert.ok(
        difference(
          q
            .transpose()
            .selectColumns([...Array(qr.steps).keys()])
            .multiply(qr.upperInOriginalOrder()),
          a,
        ) < 1e-12,
      );
    }),
    { numRuns: 60 },
  );
});

test("pivoting orders the diagonal", () => {
  const a = ofRank(new Random(5), 40, 20, 9);
  const qr = new HouseholderQr(a, { pivot: true });
  for (let k = 1; k < 9; k++) assert.ok(qr.diagonal(k) <= qr.diagonal(k - 1) * (1 + 1e-9));
  assert.ok(qr.diagonal(9) < 1e-13 * qr.diagonal(0));
});

test("rank and null space of matrices of known rank", () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 20 }), fc.nat(20), (seed, m, n, wanted) => {
      const r = Math.min(wanted, m, n);
      const a = r === 0 ? new Matrix(m, n) : ofRank(new Random(seed), m, n, r);
      assert.equal(rank(a).rank, r);
      assert.equal(exactRank(a).rank, r);
      const kernel = nullSpace(a);
      assert.equal(kernel.columns, n - r);
      assert.ok(a.multiply(kernel).maximum() < 1e-10 * Math.max(1, a.maximum()));
      assert.ok(difference(kernel.transpose().multiply(kernel), Matrix.identity(n - r)) < 1e-12);
      const basis = orthonormalBasis(a);
      assert.equal(basis.columns, r);
      assert.ok(difference(projector(basis).multiply(a), a) < 1e-10 * Math.max(1, a.maximum()));
    }),
    { numRuns: 80 },
  );
});

test("a zero matrix has rank 0 by the absolute floor", () => {
  const a = new Matrix(6, 4, new Random(1).normals(24, 1e-15));
  assert.equal(rank(a).rank, 0);
  assert.equal(nullSpace(a).columns, 4);
});

test("an unclear gap is decided by singular values", () => {
  // Kahan's matrix: the pivoted diagonal overrates its smallest singular value.
  const n = 40;
  const s = Math.sin(1.2);
  const c = Math.cos(1.2);
  const a = new Matrix(n, n);
  for (let i = 0; i < n; i++) {
    a.set(i, i, s ** i);
    for (let j = i + 1; j < n; j++) a.set(i, j, -c * s ** i);
  }
  const values = singularValues(a);
  const tolerance = Math.sqrt(values[n - 1]! * values[n - 2]!) / values[0]!;
  assert.equal(exactRank(a, { relative: tolerance }).rank, n - 1);
  assert.equal(rank(a, { relative: tolerance }).rank, n - 1);
});

test("compressed rows have the same null space", () => {
  const random = new Random(3);
  const a = ofRank(random, 200, 15, 11);
  const collected = new RowCompressor(15);
  for (let i = 0; i < 200; i += 7) collected.add(a.selectRows([...Array(Math.min(7, 200 - i)).keys()].map((k) => i + k)));
  for (const r of [compressRows(a), collected.result()]) {
    assert.ok(r.rows <= 15);
    assert.ok(difference(projector(nullSpace(r)), projector(nullSpace(a))) < 1e-9);
  }
});

/** Rows of `groups` groups: each has columns of its own, and all use the last `shared` ones. */
function grouped(random: Random, { groups, rows, own, shared }: Record<"groups" | "rows" | "own" | "shared", number>): Matrix {
  const out = new Matrix(groups * rows, groups * own + shared);
  for (let i = 0; i < out.rows; i++) {
    const group = i % groups;
    for (let j = 0; j < own; j++) out.set(i, j * groups + group, random.normal());
    for (let j = 0; j < shared; j++) out.set(i, groups * own + j, random.normal());
  }
  return out;
}

test("columns that share no rows are factorised apart", () => {
  const random = new Random(5);
  const a = grouped(random, { groups: 12, rows: 40, own: 10, shared: 20 });
  const order = staircase(a)!;
  assert.deepEqual(
    [...order.rows].sort((x, y) => x - y),
    [...Array(a.rows).keys()],
  );
  assert.deepEqual(
    [...order.columns].sort((x, y) => x - y),
    [...Array(a.columns).keys()],
  );
  const arranged = a.selectRows(order.rows).selectColumns(order.columns);
  order.ends.forEach((end, k) => {
    for (let i = end; i < a.rows; i++) for (let j = 0; j <= k; j++) assert.equal(arranged.get(i, j), 0);
  });
  // The first group's own columns end with its rows: 40 of 480.
  assert.equal(order.ends[0], 40);
  assert.equal(staircase(normal(random, 60, 20)), undefined, "nothing to gain without zeros");
});

test("compressed sparse rows have the same inner products", () => {
  const random = new Random(6);
  // Fewer rows than own columns in a group, a column of zeros, columns that depend on others: factors with zeros on the diagonal.
  for (const size of [
    { groups: 20, rows: 50, own: 10, shared: 20 },
    { groups: 25, rows: 11, own: 10, shared: 4 },
    { groups: 30, rows: 10, own: 8, shared: 30 },
  ]) {
    const a = grouped(random, size);
    for (let i = 0; i < a.rows; i++) {
      a.set(i, 3, 0);
      a.set(i, a.columns - 1, 2 * a.get(i, a.columns - 2));
    }
    assert.ok(staircase(a) !== undefined);
    const r = compressRows(a);
    assert.equal(r.rows, a.columns);
    const expected = a.transpose().multiply(a);
    assert.ok(difference(r.transpose().multiply(r), expected) < 1e-12 * expected.maximum() * a.columns);
    assert.ok(difference(projector(nullSpace(r)), projector(nullSpace(a))) < 1e-9);
  }
});

test("least squares of least length", () => {
  fc.assert(
    fc.property(
      seeds,
      fc.integer({ min: 1, max: 15 }),
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 10 }),
      (seed, m, n, w) => {
        const random = new Random(seed);
        const r = Math.min(w, m, n);
        const a = normal(random, m, r).multiply(normal(random, r, n));
        const b = random.normals(m);
        const solver = new LeastSquares(a);
        const x = solver.solve(b);
        const left = a.apply(x).map((v, i) => b[i]! - v);
        // The residual is orthogonal to the columns, x to the kernel, and `reduce` knows the residual's length.
        assert.ok(norm(a.transpose().apply(left)) < 1e-8 * (1 + a.maximum()) * norm(b));
        const kernel = solver.kernel();
        assert.equal(kernel.rows, n - r);
        assert.ok(norm(kernel.apply(x)) < 1e-8 * (1 + norm(x)));
        assert.ok(Math.abs(norm(solver.reduce(b)) - norm(left)) < 1e-8);
      },
    ),
    { numRuns: 80 },
  );
});

test("non-negative least squares meets the conditions of optimality", () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 7 }), (seed, m, n) => {
      const random = new Random(seed);
      const a = normal(random, m, n);
      const b = random.normals(m);
      const { x, residual } = nonNegativeLeastSquares(a, b);
      const left = a.apply(x).map((v, i) => b[i]! - v);
      assert.ok(Math.abs(norm(left) - residual) < 1e-9);
      const gradient = a.transpose().apply(left);
      x.forEach((v, j) => {
        assert.ok(v >= 0);
        assert.ok(gradient[j]! < 1e-7);
        if (v > 0) assert.ok(Math.abs(gradient[j]!) < 1e-7);
      });
    }),
    { numRuns: 80 },
  );
});

test("disjoint sets group what was joined", () => {
  const sets = new UnionFind(6);
  sets.union(0, 3);
  sets.union(3, 5);
  assert.equal(sets.union(0, 5), false);
  const added = sets.add();
  sets.union(added, 1);
  assert.deepEqual(sets.groups([0, 1, 2, 3, 4, 5, 6]), [[0, 3, 5], [1, 6], [2], [4]]);
});

test("ratio sets multiply along paths and make contradictions zero", () => {
  const sets = new RatioSets(6);
  sets.relate(0, 1, 2); // x0 = 2 x1
  sets.relate(1, 2, -3);
  sets.relate(3, 2, 0.5);
  const a = sets.resolve(0);
  const b = sets.resolve(3);
  assert.ok(a && b);
  assert.equal(a.root, b.root);
  assert.ok(Math.abs(a.factor / b.factor - -6 / 0.5) < 1e-12);
  assert.equal(sets.relate(0, 3, -12), false);
  assert.equal(sets.relate(0, 3, 1), true);
  for (const x of [0, 1, 2, 3]) assert.ok(sets.isZero(x));
  assert.ok(!sets.isZero(4));
});

test("random numbers repeat and have the moments they should", () => {
  const a = new Random(42).normals(20000);
  assert.deepEqual(a.slice(0, 5), new Random(42).normals(5));
  assert.notDeepEqual(a.slice(0, 5), new Random(43).normals(5));
  const mean = a.reduce((s, v) => s + v, 0) / a.length;
  assert.ok(Math.abs(mean) < 0.03);
  assert.ok(Math.abs(dot(a, a) / a.length - 1) < 0.04);
  const u = new Random(7).uniforms(20000, -1, 3);
  assert.ok(u.every((v) => v >= -1 && v < 3));
  assert.ok(Math.abs(u.reduce((s, v) => s + v, 0) / u.length - 1) < 0.04);
  assert.deepEqual(
    [...new Random(1).sample(5, 9)].sort((a, b) => a - b),
    [0, 1, 2, 3, 4],
  );
});
