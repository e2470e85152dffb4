/** @file Which sparse vectors are new: what elimination says is what an orthogonal basis says. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../../numerics/random";
import { Span } from "./families";
import { newOnes, sparseVector } from "./sparse-span";

/** Vectors of few entries each, of which some are combinations of earlier ones. */
function vectors(size: number, count: number, random: Random): Float64Array[] {
  const out: Float64Array[] = [];
  for (let k = 0; k < count; k++) {
    const v = new Float64Array(size);
    if (k > 4 && random.uniform() < 0.3) {
      for (let terms = 0; terms < 4; terms++) {
        const f = random.normals(1)[0]!;
        out[random.integer(k)]!.forEach((x, i) => (v[i]! += f * x));
      }
    } else for (let n = 0; n < 6; n++) v[random.integer(size)] = random.normals(1)[0]!;
    out.push(v);
  }
  return out;
}

describe("sparse vectors in turn", () => {
  for (let seed = 1; seed <= 6; seed++) {
    it(`new ones and combinations, seed ${seed}`, () => {
      const given = vectors(120, 100, new Random(seed));
      const span = new Span(120);
      const expected = given.map((v) => span.add([v]) > 0);
      assert.ok(expected.includes(false) && expected.includes(true));
      assert.deepEqual(newOnes(given.map(sparseVector), 120), expected);
    });
  }

  it("what is nearly a combination is judged by an orthogonal basis", () => {
    const base = new Random(3).normals(20);
    const near = (by: number) => base.map((x, i) => (i === 7 ? x + by : x));
    const judge = (by: number) => newOnes([base, near(by), new Float64Array(20)].map(sparseVector), 20);
    assert.deepEqual(judge(1e-4), [true, true, false]);
    // Between the bounds of elimination: the basis has its own tolerance, 1e-7.
    assert.deepEqual(judge(3e-6), [true, true, false]);
    assert.deepEqual(judge(1e-8), [true, false, false]);
    assert.deepEqual(judge(0), [true, false, false]);
  });
});
