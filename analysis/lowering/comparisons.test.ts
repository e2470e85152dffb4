import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { analyse } from "../symmetry/analyse";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

const SAMPLES = 5;

/** What a network makes of four hidden channels z = x w. */
type Head = (b: GraphBuilder, z: string, samples: number) => string;

/** The continuous dimension of x -> head(x w), having checked that the normal form computes the same. */
function dimension(head: Head, samples = SAMPLES): number {
  const b = new GraphBuilder();
  const x = b.input("x", [samples, 3]);
  const y = head(b, b.add("MatMul", [x, b.parameter("w", [3, 4])]), samples);
  const graph = b.build(y);
  const random = new Random(7);
  const values = new Map([[x, tensor([samples, 3], random.normals(3 * samples))]]);
  for (const [name, { shape }] of graph.parameters) {
    values.set(name, tensor(shape, random.normals(shape.reduce((n, d) => n * d, 1))));
  }
  const form = normalForm(graph).graph;
  const [before, after] = [evaluateGraph(graph, values).get(y)!, evaluateGraph(form, values).get(y)!];
  before.data.forEach((v, i) => assert.ok(Math.abs(v - after.data[i]!) < 1e-12, `entry ${i}: ${v} against ${after.data[i]}`));
  return analyse(graph).continuous.total;
}

const number = (b: GraphBuilder, x: number): string => b.constant([], [x]);
const out = (b: GraphBuilder, h: string): string => b.add("MatMul", [h, b.parameter("v", [4, 2])]);
const signOf: Head = (b, z) => b.add("Sign", [z]);

describe("what comparisons see", () => {
  it("is the sign of what is compared with zero: each channel may be scaled", () => {
    const gated: Head = (b, z) => out(b, b.add("Where", [b.add("Greater", [z, number(b, 0)]), b.add("Tanh", [z]), z]));
    assert.equal(dimension(gated), 0, "tanh sees how long z is");
    const steps: Head = (b, z) => out(b, b.add("Where", [b.add("Less", [number(b, 0), z]), number(b, 1), number(b, -2)]));
    assert.equal(dimension(steps), 4);
    assert.equal(
      dimension((b, z) => out(b, signOf(b, z, SAMPLES))),
      4,
    );
  });

  // modReLU on a state that was reflected: all that a step makes of the state is as long as the state.
  it("is the sign of what was picked of a sequence, and of what a vector was multiplied with", () => {
    const b = new GraphBuilder();
    const x = b.input("x", [SAMPLES, 2, 3]);
    const step = (t: number): string =>
      b.add("MatMul", [b.add("Gather", [x, b.constant([], [t], "int64")], { axis: t === 0 ? 1 : -2 }), "w"]);
    b.parameter("w", [3, 4]);
    const bias = b.parameter("bias", [4]);
    const normal = b.parameter("normal", [4]);
    const soft = (z: string): string =>
      b.add("Mul", [b.add("Sign", [z]), b.add("Relu", [b.add("Add", [b.add("Abs", [z]), bias])])]);
    const h = soft(step(0));
    const along = b.add("Unsqueeze", [b.add("MatMul", [h, normal]), b.constant([1], [1], "int64")]);
    const part = b.add("Div", [b.add("Mul", [along, normal]), b.add("MatMul", [normal, normal])]);
    const next = soft(b.add("Add", [b.add("Sub", [h, b.add("Add", [part, part])]), step(1)]));
    const { continuous } = analyse(b.build(out(b, next)));
    // The reflection's normal has a length that is not read; weights before and behind the state trade a scale.
    assert.deepEqual([continuous.scale, continuous.rescaling, continuous.total], [1, 1, 2]);
  });

  it("is all of what is compared with another number", () => {
    const steps: Head = (b, z) => out(b, b.add("Where", [b.add("Greater", [z, number(b, 0.5)]), number(b, 1), number(b, -2)]));
    assert.equal(dimension(steps), 0);
  });

  it("is the sign of a difference: both may be scaled and shifted together", () => {
    // Each half against the other one: two pairs of channels with a scale each, and what both of a pair have in common.
    const paired: Head = (b, z) => {
      const part = (from: number): string =>
        b.add("Slice", [z, ...[[from], [from + 2], [1]].map((v) => b.constant([1], v, "int64"))]);
      const larger = b.add("Where", [b.add("GreaterOrEqual", [part(0), part(2)]), number(b, 1), number(b, 3)]);
      return b.add("MatMul", [larger, b.parameter("v", [2, 2])]);
    };
    assert.equal(dimension(paired), 2 + 2 * 3);
  });

  it("is the order of what is searched: one scale, and what is added to all", () => {
    const looked: Head = (b, z) =>
      b.add("Gather", [b.parameter("codes", [4, 2]), b.add("ArgMax", [z], { axis: 1, keepdims: 0 })]);
    assert.equal(dimension(looked), 1 + 3);
    // The two largest entries themselves are read by a softmax, which sees their size.
    const mixed: Head = (b, z) => {
      const best = b.addAll("TopK", [z, b.constant([1], [2], "int64")], 2, { axis: 1 });
      const found = b.add("Gather", [b.parameter("codes", [4, 2]), best[1]!]);
      const shares = b.add("Reshape", [b.add("Softmax", [best[0]!], { axis: 1 }), b.constant([3], [SAMPLES, 2, 1], "int64")]);
      return b.add("ReduceSum", [b.add("Mul", [found, shares]), b.constant([1], [1], "int64")], { keepdims: 0 });
    };
    assert.equal(dimension(mixed), 3);
  });

  it("is everything where the batch says nothing of lengths", () => {
    const steps: Head = (b, z) => out(b, b.add("Where", [b.add("Greater", [z, number(b, 0)]), number(b, 1), number(b, -2)]));
    assert.equal(dimension(steps, 1), 0, "one sample");
    const spread: Head = (b, z, samples) => {
      const mean = b.add("ReduceMean", [z, b.constant([1], [0], "int64")], { keepdims: 1 });
      return steps(b, b.add("Expand", [mean, b.constant([2], [samples, 4], "int64")]), samples);
    };
    assert.equal(dimension(spread), 0, "the same for all samples");
    const turned: Head = (b, z, samples) => {
      const flat = b.add("Transpose", [b.add("Sign", [b.add("Transpose", [z], { perm: [1, 0] })])], { perm: [1, 0] });
      return samples > 0 ? out(b, flat) : flat;
    };
    assert.equal(dimension(turned), 0, "channels in place of samples");
  });

  it("is no length where epsilons are kept: a router of zeros computes what it did", () => {
    const b = new GraphBuilder();
    const x = b.input("x", [SAMPLES, 3]);
    const graph = b.build(out(b, b.add("Sign", [b.add("MatMul", [x, b.parameter("w", [3, 4])])])));
    const { nodes } = normalForm(graph, { epsilon: "keep" }).graph;
    assert.deepEqual(
      nodes.map((n) => n.operator),
      ["MatMul", "Sign", "MatMul"],
    );
  });
});
