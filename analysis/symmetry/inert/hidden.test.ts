import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../../graph/graph";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { normalForm } from "../../lowering/normal-form";
import { analyse } from "../analyse";
import { certifyGenerators } from "../counting/jacobian";
import { hiddenParameters } from "./hidden";

/** A map of four channels to which a perceptron of the time adds a number each, and what comes after. */
function network(after: (b: GraphBuilder, h: string, time: string) => string): Graph {
  const b = new GraphBuilder();
  const x = b.input("x", [3, 2, 5]);
  const t = b.input("t", [3, 2]);
  const hidden = b.add("Tanh", [b.add("Add", [b.add("MatMul", [t, b.parameter("t1", [2, 3])]), b.parameter("t1bias", [3])])]);
  const time = b.add("MatMul", [hidden, b.parameter("t2", [3, 4])]);
  const h = b.add("Conv", [x, b.parameter("filters", [4, 2, 1])]);
  const sum = b.add("Add", [h, b.add("Unsqueeze", [time, b.constant([1], [2], "int64")])]);
  return b.build(after(b, sum, time));
}

const normed = (b: GraphBuilder, h: string, groups: number): string =>
  b.add("GroupNormalization", [h, b.parameter("gain", [4]), b.parameter("bias", [4])], { num_groups: groups });
const out = (b: GraphBuilder, h: string): string => b.add("Conv", [b.add("Sigmoid", [h]), b.parameter("out", [2, 4, 1])]);
const hiddenOf = (graph: Graph): readonly string[] => [...hiddenParameters(normalForm(graph).graph)].sort();

describe("parameters hidden behind what is forgotten", () => {
  const perChannel = network((b, h) => out(b, normed(b, h, 4)));

  it("are all that make what is added to whole channels before each is normalised", () => {
    assert.deepEqual(hiddenOf(perChannel), ["t1", "t1bias", "t2"]);
  });

  it("are seen by norms of several channels, by nonlinearities, and on other ways", () => {
    assert.deepEqual(hiddenOf(network((b, h) => out(b, normed(b, h, 1)))), []);
    assert.deepEqual(hiddenOf(network((b, h) => out(b, normed(b, b.add("Relu", [h]), 4)))), []);
    const gated = network((b, h, time) =>
      b.add("Mul", [out(b, normed(b, h, 4)), b.add("ReduceMean", [time, b.constant([1], [1], "int64")], { keepdims: 0 })]),
    );
    assert.deepEqual(hiddenOf(gated), []);
  });

  it("are free: solved for, and by rule at any size", () => {
    const { continuous, symmetries } = analyse(perChannel);
    // By hand: the perceptron's 6 + 3 + 12 weights; filters have four scales.
    assert.deepEqual([continuous.translation, continuous.scale, continuous.total], [21, 4, 25]);
    assert.deepEqual(moved(symmetries), ["t1", "t1bias", "t2"]);
    const byRule = analyse(perChannel, { numeric: false });
    assert.deepEqual(moved(byRule.symmetries), ["t1", "t1bias", "t2"]);
    const weights = new Map(
      [...byRule.normal.parameters.values()].map((p) => [
        p.name,
        Float64Array.from({ length: p.shape.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(1 + i)),
      ]),
    );
    const vectors = byRule.symmetries.filter((s) => s.kind === "translation").flatMap((s) => s.generators(weights));
    assert.equal(vectors.length, 21);
    const deviation = certifyGenerators(
      byRule.normal,
      weights,
      vectors.map((g) => g.vector),
    );
    assert.ok(deviation < 1e-12, `deviation ${deviation}`);
  });
});

function moved(symmetries: ReturnType<typeof analyse>["symmetries"]): readonly string[] {
  return [...new Set(symmetries.flatMap((s) => (s.kind === "translation" ? s.parameters : [])))].sort();
}
