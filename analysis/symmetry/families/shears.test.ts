import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../../graph/graph";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { normalForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { Retraction } from "../actions/retraction";
import { certificates } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { shearFamilies, shearSymmetries } from "./shears";

const [SAMPLES, TOKENS, WIDTH] = [4, 3, 4];

const ints = (b: GraphBuilder, ...list: number[]): string => b.constant([list.length], list, "int64");
const linear = (b: GraphBuilder, x: string, name: string, from: number, to: number): string =>
  b.add("Add", [b.add("MatMul", [x, b.parameter(`${name}.weight`, [from, to])]), b.parameter(`${name}.bias`, [to])]);
const layerNorm = (b: GraphBuilder, x: string): string =>
  b.add("LayerNormalization", [x, b.parameter(`${x}.gain`, [WIDTH]), b.parameter(`${x}.shift`, [WIDTH])], {
    axis: -1,
    epsilon: 0,
  });

/** A stream that `read` ends, with one branch behind a layer norm and another that reads it as it is. */
function model(
  read: (b: GraphBuilder, stream: string) => string,
  between = (_b: GraphBuilder, stream: string): string => stream,
): Graph {
  const b = new GraphBuilder();
  const x = b.input("x", [SAMPLES, TOKENS, 3]);
  const first = b.add("Add", [linear(b, x, "embed", 3, WIDTH), b.parameter("positions", [TOKENS, WIDTH])]);
  const hidden = linear(b, layerNorm(b, first), "up", WIDTH, 5);
  const second = b.add("Add", [first, linear(b, b.add("Tanh", [hidden]), "down", 5, WIDTH)]);
  return b.build(read(b, between(b, second)));
}

const head = (b: GraphBuilder, stream: string): string => b.add("Tanh", [linear(b, stream, "head", WIDTH, 2)]);

/** What each family that is told moves, checked at random weights. */
function told(given: Graph): string[][] {
  const graph = normalForm(given).graph;
  const families = shearFamilies(graph);
  const network = Network.of(graph);
  const weights = genericWeights(network, new Random(2));
  const outputs = new Retraction(network, 3);
  const random = new Random(4);
  for (const s of shearSymmetries(graph, families)) {
    assert.equal(s.dimension, WIDTH);
    const moved = s.act(
      weights,
      s.randomElement(() => random.uniform()),
    );
    for (const [p, data] of moved)
      assert.ok(
        data.some((v, i) => Math.abs(v - weights.get(p)![i]!) > 1e-4),
        p,
      );
    assert.ok(outputs.deviation(weights, new Map([...weights, ...moved])) < 1e-9, s.id);
    for (const c of certificates(
      graph,
      weights,
      s.generators(weights).map((g) => g.vector),
    ))
      assert.ok(c < 1e-9, `${s.id}: ${c}`);
  }
  return families.map((f) => f.places.map((p) => `${p.reads ? "-" : "+"}${p.parameter}`).sort());
}

const WRITERS = ["+down.bias", "+down.weight", "+embed.bias", "+embed.weight", "+positions"];

describe("shears along the ones", () => {
  it("writers of a stream and what reads it as it is, norms not", () => {
    assert.deepEqual(told(model(head)), [[...WRITERS, "-head.weight"]]);
  });

  it("through means over tokens, tokens that are picked, and a class token", () => {
    const pooled = (b: GraphBuilder, s: string) => b.add("ReduceMean", [s], { axes: [1], keepdims: 0 });
    assert.deepEqual(told(model(head, pooled)), [[...WRITERS, "-head.weight"]]);
    const picked = (b: GraphBuilder, s: string) => b.add("Gather", [s, b.constant([], [0], "int64")], { axis: 1 });
    assert.deepEqual(told(model(head, picked)), [[...WRITERS, "-head.weight"]]);
    const joined = (b: GraphBuilder, s: string) => {
      const token = b.add("Expand", [b.parameter("token", [1, 1, WIDTH]), ints(b, SAMPLES, 1, WIDTH)]);
      return b.add("Concat", [token, s], { axis: 1 });
    };
    assert.deepEqual(told(model(head, joined)), [[...WRITERS, "+token", "-head.weight"]]);
  });

  it("none where only norms read the stream, or something reads it otherwise", () => {
    assert.deepEqual(told(model((b, s) => head(b, layerNorm(b, s)))), []);
    assert.deepEqual(told(model((b, s) => head(b, b.add("Tanh", [s])))), []);
    assert.deepEqual(told(model((b, s) => head(b, b.add("Mul", [s, b.parameter("scale", [WIDTH])])))), []);
    assert.deepEqual(told(model((b, s) => b.add("Add", [head(b, s), b.add("ReduceMean", [s], { axes: [-1] })]))), []);
    assert.deepEqual(told(model((b, s) => head(b, b.add("Add", [s, b.constant([WIDTH], [1, 2, 3, 4])])))), []);
    assert.deepEqual(told(model((b, s) => head(b, b.add("Slice", [s, ints(b, 3), ints(b, -9), ints(b, 2), ints(b, -1)])))), []);
  });

  it("none where a weight of the stream is read elsewhere", () => {
    const tied = (b: GraphBuilder, s: string): string => b.add("Add", [head(b, s), b.add("ReduceSum", ["embed.weight"])]);
    assert.deepEqual(told(model(tied)), []);
  });
});
