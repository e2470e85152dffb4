import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { axisOf, type PlainAxis, UNIT } from "./atom-table";
import { AtomStore } from "./atoms";

/** Sizes of the factors of each segment, pinned ones with a bar: `2x3 + |4|`. */
function show(store: AtomStore, axis: PlainAxis): string {
  return store
    .normal(axis)
    .map((s) => s.map((a) => (store.isPinned(a) ? `|${store.sizeOf(a)}|` : store.sizeOf(a))).join("x"))
    .join(" + ");
}

describe("axis atoms", () => {
  it("split reads a leaf as a product, everywhere it occurs", () => {
    const s = new AtomStore();
    const a = s.fresh(6);
    const other = axisOf(a.segments);
    s.split(a, [2, 3]);
    assert.equal(show(s, other), "2x3");
  });

  it("different partitions meet by refinement", () => {
    const s = new AtomStore();
    const a = s.concat([s.fresh(2), s.fresh(4)]);
    const b = s.concat([s.fresh(3), s.fresh(3)]);
    s.unify(a, b);
    assert.equal(show(s, a), "2 + 1 + 3");
    assert.equal(show(s, b), "2 + 1 + 3");
    assert.deepEqual(s.normal(a), s.normal(b));
  });

  it("a product meets a leaf", () => {
    const s = new AtomStore();
    const heads = s.fresh(2);
    const size = s.fresh(3);
    const flat = s.fresh(6);
    s.unify(s.product([heads, size]), flat);
    assert.deepEqual(s.normal(flat), [[s.find(heads.segments[0]![0]!), s.find(size.segments[0]![0]!)]]);
  });

  it("blocks of sizes that do not divide are lists of what they share", () => {
    const s = new AtomStore();
    const a = s.product([s.fresh(2), s.fresh(6)]);
    const b = s.product([s.fresh(3), s.fresh(4)]);
    s.unify(a, b);
    const pieces = s.normal(a);
    assert.deepEqual(
      pieces.map((p) => s.segmentSize(p)),
      [2, 2, 2, 2, 2, 2],
    );
    assert.deepEqual(pieces, s.normal(b));
    assert.ok(!s.isAllPinned(a));
  });

  it("sizes that do not divide pin both where one is pinned", () => {
    const s = new AtomStore();
    const a = s.product([s.fresh(4), s.fresh(3)]);
    const b = s.product([s.pinnedAxis(6), s.fresh(2)]);
    s.unify(a, b);
    assert.ok(s.isAllPinned(a) && s.isAllPinned(b));
  });

  it("pins spread to everything that is united, before and after", () => {
    const s = new AtomStore();
    const [a, b, c] = [s.fresh(5), s.fresh(5), s.fresh(5)];
    s.unify(a, b);
    s.pin(b);
    s.unify(c, a);
    assert.ok([a, b, c].every((x) => s.isAllPinned(x)));
  });

  it("a pinned axis stays one atom however it is cut", () => {
    const s = new AtomStore();
    const tokens = s.pinnedAxis(10);
    const [left, right] = s.chop(tokens, [3, s.axisSize(tokens) - 3]);
    assert.equal(show(s, tokens), "|10|");
    assert.equal(show(s, s.concat([left!, right!])), "|10|");
  });

  it("an axis of size one states nothing", () => {
    const s = new AtomStore();
    const a = s.fresh(1);
    assert.equal(a, UNIT);
    s.unify(a, s.pinnedAxis(1));
    assert.equal(s.axisSize(a), 1);
  });

  it("keeps sizes under any cuts, and cuts where asked", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(1000), { maxLength: 6 }),
        (parts, cuts) => {
          const s = new AtomStore();
          const axis = s.product([s.concat(parts.map((n) => s.fresh(n))), s.fresh(3)]);
          const size = s.axisSize(axis);
          assert.equal(size, 3 * parts.reduce((n, p) => n + p, 0));
          for (const c of cuts) {
            const k = 1 + (c % Math.max(1, size - 1));
            if (k >= size) continue;
            const [left, right] = s.chop(axis, [k, s.axisSize(axis) - k]);
            assert.equal(s.axisSize(left!), k);
            assert.equal(s.axisSize(right!), size - k);
            assert.equal(s.axisSize(axis), size);
          }
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  });
});
