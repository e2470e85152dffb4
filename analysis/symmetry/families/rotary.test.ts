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
import { rotaryFamilies, rotarySymmetries } from "./rotary";

const [SAMPLES, TOKENS, WIDTH] = [2, 3, 4];

interface Model {
  readonly heads: number;
  readonly keyHeads: number;
  readonly depth: number;
  /** Angle per position and coordinate of a head; the same for both of a pair unless a test wants it otherwise. */
  readonly angle: (position: number, coordinate: number) => number;
  /** How the second of a pair is brought to the place of the first, with its sign. */
  readonly turned: (b: GraphBuilder, x: string) => string;
  readonly fused?: boolean;
  readonly bias?: boolean;
  /** What else is made of the queries. */
  readonly also?: (b: GraphBuilder, q: string) => string;
}

const ints = (b: GraphBuilder, ...list: number[]): string => b.constant([list.length], list, "int64");
const slice = (b: GraphBuilder, x: string, from: number, to: number): string =>
  b.add("Slice", [x, ints(b, from), ints(b, to), ints(b, -1)]);

/** Rotary attention, values without a weight. */
function attention({ heads, keyHeads, depth, angle, turned, fused, bias, also }: Model): Graph {
  const b = new GraphBuilder();
  const x = b.input("x", [SAMPLES, TOKENS, WIDTH]);
  const [nq, nk] = [heads * depth, keyHeads * depth];
  const linear = (name: string, rows: number): string => {
    const y = b.add("MatMul", [x, b.parameter(`${name}.weight`, [WIDTH, rows])]);
    return bias ? b.add("Add", [y, b.parameter(`${name}.bias`, [rows])]) : y;
  };
  const both = fused ? linear("qk", nq + nk) : "";
  const q = fused ? slice(b, both, 0, nq) : linear("q", nq);
  const k = fused ? slice(b, both, nq, nq + nk) : linear("k", nk);
  const table = (f: (a: number) => number): string => {
    const data = Array.from({ length: TOKENS * depth }, (_, i) => f(angle(Math.floor(i / depth), i % depth)));
    return b.constant([TOKENS, depth], data);
  };
  const [cos, sin] = [table(Math.cos), table(Math.sin)];
  const rotated = (y: string, n: number): string => {
    const split = b.add("Transpose", [b.add("Reshape", [y, ints(b, SAMPLES, TOKENS, n, depth)])], { perm: [0, 2, 1, 3] });
    return b.add("Add", [b.add("Mul", [split, cos]), b.add("Mul", [turned(b, split), sin])]);
  };
  let keys = rotated(k, keyHeads);
  if (keyHeads < heads) {
    const apart = b.add("Reshape", [keys, ints(b, SAMPLES, keyHeads, 1, TOKENS, depth)]);
    const wide = b.add("Expand", [apart, ints(b, SAMPLES, keyHeads, heads / keyHeads, TOKENS, depth)]);
    keys = b.add("Reshape", [wide, ints(b, SAMPLES, heads, TOKENS, depth)]);
  }
  const scores = b.add("MatMul", [rotated(q, heads), b.add("Transpose", [keys], { perm: [0, 1, 3, 2] })]);
  return b.build(b.add("Softmax", [scores], { axis: -1 }), ...(also ? [also(b, q)] : []));
}

/** Halves of the first `turning` coordinates of a head change places; the rest stays, with an angle of zero. */
const halves =
  (depth: number, turning = depth) =>
  (b: GraphBuilder, x: string): string => {
    const parts = [b.add("Neg", [slice(b, x, turning / 2, turning)]), slice(b, x, 0, turning / 2)];
    return b.add("Concat", turning < depth ? [...parts, slice(b, x, turning, depth)] : parts, { axis: -1 });
  };
const neighbours =
  (depth: number, heads: number) =>
  (b: GraphBuilder, x: string): string => {
    const apart = b.add("Reshape", [x, ints(b, SAMPLES, heads, TOKENS, depth / 2, 2)]);
    const turned = b.add("Concat", [b.add("Neg", [slice(b, apart, 1, 2)]), slice(b, apart, 0, 1)], { axis: -1 });
    return b.add("Reshape", [turned, ints(b, SAMPLES, heads, TOKENS, depth)]);
  };

const byHalves = (depth: number) => (t: number, c: number) => t / 3 ** (c % (depth / 2));
const DEPTH = 4;
const PLAIN: Model = { heads: 2, keyHeads: 2, depth: DEPTH, angle: byHalves(DEPTH), turned: halves(DEPTH) };

/** The numbers of complex factors that are told, each checked at random weights. */
function counts(model: Model): number[] {
  const graph = normalForm(attention(model)).graph;
  const families = rotaryFamilies(graph);
  const network = Network.of(graph);
  const weights = genericWeights(network, new Random(2));
  const outputs = new Retraction(network, 3);
  const random = new Random(4);
  for (const s of rotarySymmetries(graph, families)) {
    const moved = s.act(
      weights,
      s.randomElement(() => random.uniform()),
    );
    assert.ok([...moved].some(([p, data]) => data.some((v, i) => Math.abs(v - weights.get(p)![i]!) > 1e-3)));
    assert.ok(outputs.deviation(weights, new Map([...weights, ...moved])) < 1e-9, s.id);
    const vectors = s.generators(weights).map((g) => g.vector);
    assert.equal(vectors.length, s.dimension);
    for (const c of certificates(graph, weights, vectors)) assert.ok(c < 1e-9, `${s.id}: ${c}`);
  }
  return families.map((f) => f.count);
}

describe("rotary positions by rule", () => {
  it("one complex factor for each pair of each head, halves or neighbours", () => {
    assert.deepEqual(counts(PLAIN), [4]);
    assert.deepEqual(counts({ ...PLAIN, bias: true }), [4]);
    const angle = (t: number, c: number) => t / 3 ** Math.floor(c / 2);
    assert.deepEqual(counts({ ...PLAIN, angle, turned: neighbours(DEPTH, 2) }), [4]);
  });

  it("of each head of the keys, where queries share them, and of queries and keys in one weight", () => {
    assert.deepEqual(counts({ ...PLAIN, heads: 4 }), [4]);
    assert.deepEqual(counts({ ...PLAIN, heads: 4, keyHeads: 1 }), [2]);
    assert.deepEqual(counts({ ...PLAIN, fused: true, bias: true }), [4]);
  });

  it("only the first coordinates are turned: others are no pairs", () => {
    const angle = (t: number, c: number) => (c < 4 ? t / 3 ** (c % 2) : 0);
    assert.deepEqual(counts({ heads: 1, keyHeads: 1, depth: 8, angle, turned: halves(8, 4) }), [2]);
  });

  it("none where the two of a pair turn by other angles, or the queries are read elsewhere too", () => {
    assert.deepEqual(counts({ ...PLAIN, angle: (t, c) => t / 3 ** c }), []);
    assert.deepEqual(counts({ ...PLAIN, turned: (b, x) => b.add("Neg", [halves(DEPTH)(b, x)]) }), [4], "turned backwards");
    assert.deepEqual(counts({ ...PLAIN, also: (b, q) => b.add("Tanh", [q]) }), []);
    assert.deepEqual(counts({ ...PLAIN, fused: true, also: (b, q) => b.add("Tanh", [q]) }), []);
  });
});
