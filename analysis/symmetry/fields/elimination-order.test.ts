import assert from "node:assert/strict";
import { test } from "node:test";
import { Matrix } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import type { Block } from "./constraints";
import { EliminationOrder } from "./elimination-order";

const blockOf = (unknowns: readonly number[]): Block => ({ unknowns, matrix: new Matrix(1, unknowns.length) });

/** The same step, found by looking at everything: the first of the unknowns whose blocks have the fewest. */
function cheapest(pending: readonly number[], left: readonly Block[]): { own: number[]; touched: Block[] } {
  const touching = (u: number): Block[] => left.filter((b) => b.unknowns.includes(u));
  const costs = pending.map((u) => new Set(touching(u).flatMap((b) => b.unknowns)).size);
  const first = pending[costs.indexOf(Math.min(...costs))]!;
  const touched = touching(first);
  const isSame = (u: number): boolean => {
    const other = touching(u);
    return other.length === touched.length && other.every((b) => touched.includes(b));
  };
  return { own: pending.filter(isSame), touched };
}

test("each step takes the unknowns whose blocks have the fewest, whatever earlier steps left", () => {
  const random = new Random(3);
  for (let trial = 0; trial < 60; trial++) {
    const count = 3 + random.integer(25);
    const unknowns = Array.from(random.sample(200, count), (u) => u + 7);
    let left = Array.from({ length: random.integer(14) }, () =>
      blockOf(Array.from(random.sample(count, 1 + random.integer(Math.min(5, count))), (i) => unknowns[i]!)),
    );
    const order = new EliminationOrder(unknowns, left);
    let pending = unknowns;
    for (let step = order.take(); step; step = order.take()) {
      const expected = cheapest(pending, left);
      assert.deepEqual(step.own, expected.own);
      assert.deepEqual(step.touched, expected.touched);
      pending = pending.filter((u) => !expected.own.includes(u));
      const rest = [...new Set(expected.touched.flatMap((b) => b.unknowns))].filter((u) => !expected.own.includes(u));
      left = left.filter((b) => !expected.touched.includes(b));
      const fresh = rest.length > 0 && random.integer(4) > 0 ? blockOf(rest) : undefined;
      if (fresh) left.push(fresh);
      order.leave(fresh);
    }
    assert.deepEqual(pending, []);
  }
});
