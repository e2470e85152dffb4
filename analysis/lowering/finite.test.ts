/** Guards of attention against rows of scores that see nothing, as PyTorch's exporter writes them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Graph } from "../graph/graph";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

const HIDDEN = Number.NEGATIVE_INFINITY;

/** Softmax of masked products of a layer's outputs with each other, zero where it is no number. */
function guarded(
  mask: (b: GraphBuilder) => string,
  guard = (b: GraphBuilder, weights: string) => b.add("IsNaN", [weights]),
): Graph {
  const b = new GraphBuilder();
  const x = b.add("MatMul", [b.input("x", [2, 3, 4]), b.parameter("w", [4, 4])]);
  const scores = b.add("MatMul", [x, b.add("Transpose", [x], { perm: [0, 2, 1] })]);
  const weights = b.add("Softmax", [b.add("Add", [scores, mask(b)])], { axis: -1 });
  const safe = b.add("Where", [guard(b, weights), b.constant([], [0]), weights]);
  return b.build(b.add("MatMul", [safe, x]));
}

const isGuarded = (graph: Graph): boolean => normalForm(graph).graph.nodes.some((n) => n.operator === "Where");

test("the guard of a softmax goes where every row sees something", () => {
  const causal = [0, HIDDEN, HIDDEN, 0, 0, HIDDEN, 0, 0, 0];
  assert.equal(isGuarded(guarded((b) => b.constant([3, 3], causal))), false);
  assert.equal(isGuarded(guarded((b) => b.constant([1], [0.5]))), false);
});

test("it stays where a row sees nothing, or an input says what is seen, or it guards something else", () => {
  const padded = [0, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, 0, 0, 0];
  assert.equal(isGuarded(guarded((b) => b.constant([3, 3], padded))), true);
  assert.equal(isGuarded(guarded((b) => b.constant([3, 1], [0, HIDDEN, 0]))), true);
  assert.equal(isGuarded(guarded((b) => b.input("mask", [3, 3]))), true);
  const causal = (b: GraphBuilder) => b.constant([3, 3], [0, HIDDEN, HIDDEN, 0, 0, HIDDEN, 0, 0, 0]);
  assert.equal(isGuarded(guarded(causal, (b) => b.add("IsNaN", [b.input("other", [2, 3, 3])]))), true);
});
