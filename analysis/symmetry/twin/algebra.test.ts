/** @file The algebra of sizes: cuts, splits and equations keep what they are told, or say that they cannot. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SizeAlgebra } from "./algebra";
import { boundary } from "./shares";
import { axisOf, fixed, keptEntries, newSize, oldSize, open, Size, SizeConflict, type SizedAxis } from "./sizes";

const algebra = new SizeAlgebra({ size: (old) => Math.min(old, 5) });
const free = (old: number, value: number): SizedAxis => axisOf(new Size(old, value, 1));

describe("boundaries", () => {
  it("every piece keeps an entry, single entries stay single, and all add up", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 2, maxLength: 6 }),
        fc.integer({ min: 0, max: 60 }),
        (pieces, extra) => {
          const n = pieces.reduce((a, b) => a + b, 0);
          const value = Math.min(n, pieces.length + extra);
          let at = 0;
          const cuts = pieces.slice(0, -1).map((p) => (at += p));
          const bounds = [0, ...cuts.map((c) => boundary(n, value, c, cuts)), value];
          pieces.forEach((p, i) => {
            const size = bounds[i + 1]! - bounds[i]!;
            assert.ok(size >= 1 && size <= p, `${size} of ${p}`);
          });
        },
      ),
    );
  });

  it("refuses fewer entries than pieces", () => {
    assert.throws(() => boundary(10, 2, 3, [3, 6]), SizeConflict);
  });

  it("pieces keep what is asked for", () => {
    assert.equal(
      boundary(30, 6, 5, [5], (from) => (from === 0 ? 3 : 1)),
      3,
    );
  });
});

describe("axes", () => {
  it("a slice of known sizes has what lies between its cuts", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), fc.nat(), fc.nat(), fc.nat(), (n, a, b, c) => {
        const value = 3 + (c % (n - 2));
        const [start, end] = [a % n, b % n].sort((x, y) => x - y) as [number, number];
        if (start === end) return;
        const axis = fixed(n, value);
        const part = algebra.slice(axis, start, end);
        assert.equal(oldSize(part), end - start);
        const left = newSize(algebra.cut(axis, start, [start, end])[0]) ?? 0;
        const right = newSize(algebra.cut(axis, end, [start, end])[1]) ?? 0;
        assert.equal(left + newSize(part)! + right, value);
      }),
    );
  });

  it("a split multiplies back to what was split", () => {
    const windows = algebra.split(fixed(56, 16), [8, 7]);
    assert.deepEqual(windows.map(newSize), [8, 2]);
    assert.deepEqual(algebra.split(fixed(49, 4), [7, 7]).map(newSize), [2, 2]);
    assert.throws(() => algebra.split(fixed(56, 7), [8, 7]), SizeConflict);
  });

  it("parts that were put together are found again", () => {
    const heads = free(8, 2);
    const width = free(64, 3);
    const back = algebra.split(algebra.product([heads, width]), [8, 64]);
    assert.deepEqual(back.map(newSize), [2, 3]);
    const three = algebra.concat([
      algebra.product([heads, width]),
      algebra.product([heads, width]),
      algebra.product([heads, width]),
    ]);
    assert.deepEqual(algebra.split(three, [3, 8, 64]).map(newSize), [3, 2, 3]);
  });

  it("blocks of one selector must be equally long", () => {
    assert.throws(
      () => algebra.split(algebra.concat([free(64, 3), free(64, 4)]), [2, 64]),
      (e) => e instanceof SizeConflict && e.atoms.length > 0,
    );
  });

  it("open sizes take the structure of what they meet", () => {
    const places = open(197);
    algebra.unify(places, algebra.concat([fixed(1, 1), algebra.product([fixed(14, 3), fixed(14, 3)])]));
    assert.equal(newSize(places), 10);
    assert.deepEqual(keptEntries(places), [0, 1, 2, 3, 15, 16, 17, 29, 30, 31]);
  });

  it("what is open in one factor is found from the other", () => {
    const [a, b] = [open(7), open(7)];
    const both = open(49);
    algebra.unify(both, algebra.product([a, b]));
    algebra.unify(b, fixed(7, 2));
    algebra.unify(both, fixed(49, 6));
    assert.deepEqual([a, b].map(newSize), [3, 2]);
  });

  it("says which free atoms disagree, and none where space may be the cause", () => {
    const conflict = (x: SizedAxis, y: SizedAxis): SizeConflict => {
      try {
        algebra.unify(x, y);
      } catch (e) {
        if (e instanceof SizeConflict) return e;
      }
      return assert.fail("no conflict");
    };
    assert.deepEqual(conflict(free(64, 3), free(64, 4)).atoms, [1]);
    assert.deepEqual(conflict(fixed(64, 3), free(64, 4)).atoms, []);
    const map = (places: number) => algebra.product([free(64, 3), fixed(49, places)]);
    assert.deepEqual(conflict(map(4), map(9)).atoms, []);
  });
});
