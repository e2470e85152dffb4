import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AtomStore } from "./atoms";
import { BlockAlgebra } from "./blocks";

describe("axes with blocks", () => {
  it("a reshape that changes the element count ends in an error", () => {
    const atoms = new AtomStore();
    const blocks = new BlockAlgebra(atoms);
    const never = { indexed: () => false, joined: () => false };
    assert.throws(() => blocks.reshape([atoms.fresh(4), atoms.fresh(3)], [4, 3], [5, 3], never), RangeError);
    assert.throws(() => blocks.reshape([atoms.fresh(4)], [4], [2, 2, 2], never), RangeError);
    assert.throws(() => blocks.reshape([atoms.fresh(4), atoms.fresh(3)], [4, 3], [4], never), RangeError);
  });
});
