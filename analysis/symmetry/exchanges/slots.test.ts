/** @file Slots of values behind random movements: what leads back to a slot and what leads ahead from it agree. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { Random } from "../../numerics/random";
import { inferShapes } from "../../operators/inference";
import { parseRoot, slotKey, Slots } from "./slots";

/** Random movements of a value of some channels, one after the other, some joined again. */
function movements(random: Random): Graph {
  const b = new GraphBuilder();
  const pick = (n: number): number => Math.floor(random.uniform() * n);
  const ints = (...values: number[]): string => b.constant([values.length], values, "int64");
  let value = b.parameter("w", [4, 6]);
  let shape = [4, 6];
  const moves: (() => void)[] = [
    () => {
      value = b.add("Transpose", [value], { perm: [...shape.keys()].reverse() });
      shape.reverse();
    },
    () => {
      const total = elementCount(shape);
      const options = [[2, total / 2], [total], [total / 6, 3, 2], [1, total]].filter((s) => s.every(Number.isInteger));
      shape = options[pick(options.length)]!;
      value = b.add("Reshape", [value, ints(...shape)]);
    },
    () => {
      const axis = pick(shape.length);
      const parts = pick(2) === 0 ? [value, value] : [value, b.add("Neg", [value]), value];
      value = b.add("Concat", parts, { axis });
      shape = shape.map((n, a) => (a === axis ? n * parts.length : n));
    },
    () => {
      const axis = pick(shape.length);
      const picks = Array.from({ length: 1 + pick(4) }, () => pick(shape[axis]!) - (pick(2) === 0 ? shape[axis]! : 0));
      value = b.add("Gather", [value, ints(...picks)], { axis });
      shape = shape.map((n, a) => (a === axis ? picks.length : n));
    },
    () => {
      if (shape.length === 1) return;
      const axis = pick(shape.length);
      value = b.add("Gather", [value, b.constant([], [pick(shape[axis]!)], "int64")], { axis });
      shape = shape.filter((_, a) => a !== axis);
    },
    () => {
      const axis = pick(shape.length);
      const step = 1 + pick(2);
      const [start, n] = [pick(shape[axis]!), shape[axis]!];
      value = b.add("Slice", [value, ints(start), ints(n), ints(axis), ints(step)]);
      shape = shape.map((m, a) => (a === axis ? Math.ceil((n - start) / step) : m));
    },
    () => {
      const axis = pick(shape.length);
      const n = shape[axis]!;
      if (n < 2) return;
      [, value] = b.addAll("Split", [value, ints(1, n - 1)], 2, { axis }) as [string, string];
      shape = shape.map((m, a) => (a === axis ? n - 1 : m));
    },
    () => {
      shape = [2, ...shape];
      value = b.add("Expand", [value, ints(...shape)]);
    },
  ];
  for (let k = 2 + pick(4); k > 0; k--) if (elementCount(shape) < 200) moves[pick(moves.length)]!();
  return b.build(value);
}

describe("slots", () => {
  it("are found again from where they come from", () => {
    const random = new Random(11);
    let found = 0;
    for (let trial = 0; trial < 150; trial++) {
      const graph = inferShapes(movements(random)).graph;
      const slots = new Slots(graph);
      const value = slots.numbering.of(graph.outputs[0]!);
      const shape = slots.shape(value)!;
      for (let set = 0; set < 1 << shape.length; set++) {
        const axes = [...shape.keys()].filter((a) => (set >> a) & 1);
        const roots = slots.roots(value, axes);
        if (!roots) continue;
        const count = axes.reduce((n, a) => n * shape[a]!, 1);
        const byOrigin = new Map<string, number[]>();
        for (let i = 0; i < count; i++) {
          const key = slotKey(slots.origin(value, axes, i));
          byOrigin.set(key, [...(byOrigin.get(key) ?? []), i]);
        }
        for (const root of roots) {
          const [from, own] = parseRoot(root);
          const size = slots.sizes(from, own).reduce((n, d) => n * d, 1);
          for (let index = 0; index < size; index++) {
            const slot = { value: from, axes: own, index };
            assert.deepEqual(slots.indices(value, axes, slot), byOrigin.get(slotKey(slot)) ?? []);
            byOrigin.delete(slotKey(slot));
            found++;
          }
        }
        assert.equal(byOrigin.size, 0, "every origin is one of the roots");
      }
    }
    assert.ok(found > 3000);
  });
});
