/** @file The measured facts about operators, all of them: what holds is claimed, what does not is refused. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { claimedOf, facts, hasCase } from "./testing/facts";

describe("measured facts about operators", () => {
  it("all 144 have a case", () => {
    assert.equal(facts.length, 144);
    assert.deepEqual(
      facts.filter((f) => !hasCase(f.symmetry)).map((f) => f.symmetry),
      [],
    );
  });
  for (const { symmetry, holds } of facts) {
    it(`${symmetry}: ${holds ? "holds" : "refused"}`, () => {
      const { changes, claimed } = claimedOf(symmetry);
      if (changes !== undefined) assert.equal(changes < 1e-9, holds, `outputs change by ${changes}`);
      assert.equal(claimed, holds, holds ? "not claimed" : "claimed");
    });
  }
});
