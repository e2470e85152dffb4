/** @file Queries, keys and values of each head in turn: that they are weights of their own, whatever the layout, and all is known by rule. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../../graph/graph";
import { onWholeParameters, sliceOf, wholeSlice } from "../../graph/slices";
import { normalForm } from "../../lowering/normal-form";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { Random } from "../../numerics/random";
import { axisLabels } from "../../report/axes";
import { Retraction } from "../actions/retraction";
import { analyse } from "../analyse";
import { measureDimension } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { increments } from "../counting/scaled";
import { formatAddress } from "../symmetry";
import { onWholeTensors } from "./addresses";

const BATCH = 5;
const TOKENS = 4;
const WIDTH = 5;

function int64(g: GraphBuilder, ...values: number[]): string {
  return g.constant([values.length], values, "int64");
}

function pickOne(g: GraphBuilder, from: string, axis: number, index: number): string {
  return g.add("Gather", [from, g.constant([], [index], "int64")], { axis });
}

function range(g: GraphBuilder, from: string, axis: number, start: number, end: number): string {
  return g.add("Slice", [from, int64(g, start), int64(g, end), int64(g, axis)]);
}

/** softmax(q k) v of tensors [batch, heads, tokens, size], and what a projection makes of all heads together. */
function attended(g: GraphBuilder, q: string, k: string, v: string, width: number): string {
  const scores = g.add("Softmax", [g.add("MatMul", [q, g.add("Transpose", [k], { perm: [0, 1, 3, 2] })])], { axis: -1 });
  const heads = g.add("Transpose", [g.add("MatMul", [scores, v])], { perm: [0, 2, 1, 3] });
  const flat = g.add("Reshape", [heads, int64(g, BATCH, TOKENS, width)]);
  return g.add("MatMul", [flat, g.parameter("out", [width, width])]);
}

/** x w + b, w as PyTorch keeps it where `transposed`. */
function projected(g: GraphBuilder, x: string, width: number, transposed = false): string {
  const w = transposed
    ? g.add("Transpose", [g.parameter("qkv.weight", [width, WIDTH])], { perm: [1, 0] })
    : g.parameter("qkv.weight", [WIDTH, width]);
  return g.add("Add", [g.add("MatMul", [x, w]), g.parameter("qkv.bias", [width])]);
}

const LAYOUTS: Record<string, () => Graph> = {
  "an axis of three in front of the channels (BLOOM)": () => {
    const g = new GraphBuilder(18);
    const y = projected(g, g.input("x", [BATCH, TOKENS, WIDTH]), 18, true);
    const apart = g.add("Reshape", [y, int64(g, BATCH, TOKENS, 2, 3, 3)]);
    const [q, k, v] = [0, 1, 2].map((i) => g.add("Transpose", [pickOne(g, apart, 3, i)], { perm: [0, 2, 1, 3] }));
    return g.build(attended(g, q!, k!, v!, 6));
  },
  "chunks of each head's channels, behind a transpose (GPT-NeoX)": () => {
    const g = new GraphBuilder(18);
    const y = projected(g, g.input("x", [BATCH, TOKENS, WIDTH]), 18);
    const apart = g.add("Transpose", [g.add("Reshape", [y, int64(g, BATCH, TOKENS, 2, 9)])], { perm: [0, 2, 1, 3] });
    const [q, k, v] = [0, 1, 2].map((i) => range(g, apart, 3, 3 * i, 3 * i + 3));
    return g.build(attended(g, q!, k!, v!, 6));
  },
  "queries of several heads before the key and the value of their group (Falcon)": () => {
    const g = new GraphBuilder(18);
    const y = projected(g, g.input("x", [BATCH, TOKENS, WIDTH]), 24);
    const apart = g.add("Reshape", [y, int64(g, BATCH, TOKENS, 2, 4, 3)]);
    const expanded = (part: string): string => g.add("Expand", [part, int64(g, BATCH, TOKENS, 2, 2, 3)]);
    const parts = [range(g, apart, 3, 0, 2), expanded(range(g, apart, 3, 2, 3)), expanded(range(g, apart, 3, 3, 4))];
    const [q, k, v] = parts.map((part) => {
      const flat = g.add("Reshape", [part, int64(g, BATCH, TOKENS, 4, 3)]);
      return g.add("Transpose", [flat], { perm: [0, 2, 1, 3] });
    });
    return g.build(attended(g, q!, k!, v!, 12));
  },
  "channels of a convolution, heads beside the batch (diffusion)": () => {
    const g = new GraphBuilder(18);
    const weights = [g.parameter("qkv.weight", [18, WIDTH, 1]), g.parameter("qkv.bias", [18])];
    const y = g.add("Conv", [g.input("x", [BATCH, WIDTH, TOKENS]), ...weights]);
    const apart = g.add("Reshape", [y, int64(g, 2 * BATCH, 9, TOKENS)]);
    const [q, k, v] = [0, 1, 2].map((i) => range(g, apart, 1, 3 * i, 3 * i + 3));
    const scores = g.add("Softmax", [g.add("MatMul", [g.add("Transpose", [q!], { perm: [0, 2, 1] }), k!])], { axis: -1 });
    const heads = g.add("MatMul", [v!, g.add("Transpose", [scores], { perm: [0, 2, 1] })]);
    const flat = g.add("Reshape", [heads, int64(g, BATCH, 6, TOKENS)]);
    return g.build(g.add("Conv", [flat, g.parameter("out", [6, 6, 1])]));
  },
};

/** Attention of GPT-NeoX behind a norm: the first two of a head's four channels are turned, heads are a batch of products. */
function partlyTurned(): Graph {
  const [tokens, width] = [6, 8];
  const g = new GraphBuilder(21);
  const x = g.input("x", [BATCH, tokens, width]);
  const normed = g.add("LayerNormalization", [x, g.parameter("norm.weight", [width]), g.parameter("norm.bias", [width])], {
    axis: -1,
  });
  const y = g.add("Add", [g.add("MatMul", [normed, g.parameter("qkv.weight", [width, 24])]), g.parameter("qkv.bias", [24])]);
  const apart = g.add("Transpose", [g.add("Reshape", [y, int64(g, BATCH, tokens, 2, 12)])], { perm: [0, 2, 1, 3] });
  const table = (of: (angle: number) => number): string =>
    g.constant(
      [1, 1, tokens, 2],
      Array.from({ length: 2 * tokens }, (_, i) => of(0.7 * Math.floor(i / 2))),
    );
  const turned = (part: string): string => {
    const [first, rest] = [range(g, part, 3, 0, 2), range(g, part, 3, 2, 4)];
    const aside = g.add("Concat", [g.add("Neg", [range(g, first, 3, 1, 2)]), range(g, first, 3, 0, 1)], { axis: 3 });
    const sum = g.add("Add", [g.add("Mul", [first, table(Math.cos)]), g.add("Mul", [aside, table(Math.sin)])]);
    return g.add("Concat", [sum, rest], { axis: 3 });
  };
  const [q, k] = [turned(range(g, apart, 3, 0, 4)), turned(range(g, apart, 3, 4, 8))];
  const scores = g.add("Softmax", [g.add("MatMul", [q, g.add("Transpose", [k], { perm: [0, 1, 3, 2] })])], { axis: -1 });
  const [weights, values] = [scores, range(g, apart, 3, 8, 12)].map((value, i) =>
    g.add("Reshape", [value, int64(g, 2 * BATCH, tokens, i === 0 ? tokens : 4)]),
  );
  const mixed = g.add("Reshape", [g.add("MatMul", [weights!, values!]), int64(g, BATCH, 2, tokens, 4)]);
  const flat = g.add("Reshape", [g.add("Transpose", [mixed], { perm: [0, 2, 1, 3] }), int64(g, BATCH, tokens, width)]);
  return g.build(
    g.add("Add", [g.add("MatMul", [flat, g.parameter("out.weight", [width, width])]), g.parameter("out.bias", [width])]),
  );
}

describe("queries, keys and values of each head in turn", () => {
  for (const [layout, graph] of Object.entries(LAYOUTS)) {
    it(`${layout}: all that is measured is known by rule, and acts on the whole weights`, () => {
      const found = analyse(graph(), { numeric: false });
      const network = Network.of(found.normal);
      const weights = genericWeights(network, new Random(3));
      const outputs = new Retraction(network, 4);
      const random = new Random(5);
      for (const s of found.symmetries) {
        for (const p of s.parameters) assert.ok(found.graph.parameters.has(p), `${s.id} moves ${p}`);
        const element = s.randomElement(() => random.uniform());
        const moved = new Map([...weights, ...s.act(weights, element)]);
        assert.ok(outputs.deviation(weights, moved) < 1e-9, `${s.group} on ${s.parameters.join()}`);
      }
      const explained = increments(found.symmetries, weights).reduce((n, i) => n + i.gained, 0);
      const matrices = found.symmetries.filter((s) => s.kind === "linear" && s.group.startsWith("GL(3)"));
      assert.equal(matrices.length, 2, "queries with keys, and values with the projection");
      assert.equal(explained, measureDimension(found.normal, { explained }).dimension);
    });

    it(`${layout}: the weights that were parameters are cut from the whole ones`, () => {
      const plain = graph();
      const { graph: apart, slices } = normalForm(plain, { slices: true });
      assert.equal(slices.size, 6);
      const networks = [normalForm(plain).graph, onWholeParameters(apart, slices)].map((g) => Network.of(g));
      const weights = genericWeights(networks[0]!, new Random(3));
      const moved = new Map([...weights].map(([p, v]) => [p, v.map((x) => 1.1 * x + 0.1)]));
      const [a, b] = networks.map((n) => new Retraction(n, 5).deviation(weights, moved));
      assert.ok(Math.abs(a! - b!) < 1e-12 * a!, `${a} and ${b}`);
    });
  }

  it("with biases behind a norm, of each head some channels turned by positions (GPT-NeoX): all that is measured is known by rule", () => {
    const found = analyse(partlyTurned(), { numeric: false });
    const network = Network.of(found.normal);
    const weights = genericWeights(network, new Random(3));
    const outputs = new Retraction(network, 4);
    const random = new Random(5);
    for (const s of found.symmetries) {
      const moved = new Map([
        ...weights,
        ...s.act(
          weights,
          s.randomElement(() => random.uniform()),
        ),
      ]);
      assert.ok(outputs.deviation(weights, moved) < 1e-9, `${s.group} on ${s.parameters.join()}`);
    }
    const groups = found.symmetries.filter((s) => s.origin === "rule").map((s) => s.group);
    for (const group of ["GL(2)^2", "GL(4)^2", "SO(2)^2"]) assert.ok(groups.includes(group), group);
    const explained = increments(found.symmetries, weights).reduce((n, i) => n + i.gained, 0);
    assert.equal(explained, measureDimension(found.normal, { explained }).dimension);
    const acts = new Set(found.spaces.flatMap((s) => s.acts.map(formatAddress)));
    assert.ok(acts.has("qkv.weight.reshape(8, 2, 12)/2[2:4]"), [...acts].join(" "));
  });

  it("stay one weight where something reads all of a head's channels", () => {
    const g = new GraphBuilder(18);
    const y = projected(g, g.input("x", [BATCH, TOKENS, WIDTH]), 18);
    const apart = g.add("Reshape", [y, int64(g, BATCH, TOKENS, 2, 3, 3)]);
    const [q, k, v] = [0, 1, 2].map((i) => g.add("Transpose", [pickOne(g, apart, 3, i)], { perm: [0, 2, 1, 3] }));
    const graph = g.build(attended(g, q!, k!, v!, 6), g.add("Tanh", [apart]));
    assert.equal(normalForm(graph, { slices: true }).slices.size, 0);
  });

  it("stay one weight where the channels are not made by weights alone", () => {
    const g = new GraphBuilder(18);
    const y = g.add("Tanh", [projected(g, g.input("x", [BATCH, TOKENS, WIDTH]), 18)]);
    const apart = g.add("Reshape", [y, int64(g, BATCH, TOKENS, 2, 3, 3)]);
    const [q, k, v] = [0, 1, 2].map((i) => g.add("Transpose", [pickOne(g, apart, 3, i)], { perm: [0, 2, 1, 3] }));
    assert.equal(normalForm(g.build(attended(g, q!, k!, v!, 6)), { slices: true }).slices.size, 0);
  });

  it("stay one weight where one is added to the other: coordinates that are turned", () => {
    const slices = (operator: string) => {
      const g = new GraphBuilder(18);
      const y = projected(g, g.input("x", [BATCH, TOKENS, WIDTH]), 12);
      const apart = g.add("Reshape", [y, int64(g, BATCH, TOKENS, 3, 4)]);
      const table = g.constant([TOKENS, 1, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
      const parts = [range(g, apart, 3, 0, 2), g.add("Mul", [range(g, apart, 3, 2, 4), table])];
      return normalForm(g.build(g.add("Tanh", [g.add(operator, parts)])), { slices: true }).slices.size;
    };
    assert.deepEqual([slices("Sub"), slices("Mul")], [0, 4]);
  });

  it("have no scale where some of one layer's heads are read together and the others one by one", () => {
    const g = new GraphBuilder(18);
    const y = g.add("MatMul", [g.input("x", [BATCH, TOKENS, WIDTH]), g.parameter("qkv", [WIDTH, 12])]);
    const apart = g.add("Reshape", [y, int64(g, BATCH, TOKENS, 4, 3)]);
    const parts = [range(g, apart, 2, 0, 2), range(g, apart, 2, 2, 3), range(g, apart, 2, 3, 4)];
    const found = analyse(g.build(...parts.map((part) => g.add("Tanh", [part]))), { numeric: false });
    assert.deepEqual(
      found.symmetries.flatMap((s) => (s.dimension > 0 ? [`${s.kind} ${s.group}`] : [])),
      [],
    );
  });

  it("have addresses in the shape that the weight is read in, and axis labels by them", () => {
    const found = analyse(LAYOUTS["an axis of three in front of the channels (BLOOM)"]!(), { numeric: false });
    const acts = found.spaces.map((s) => s.acts.map(formatAddress).sort());
    assert.deepEqual(acts, [
      ["out/0=(2,3):0", "qkv.bias/0=(2,9):0", "qkv.weight/0=(2,9):0"],
      [
        "qkv.bias.reshape(2, 3, 3)[:, 0]/1",
        "qkv.bias.reshape(2, 3, 3)[:, 1]/1",
        "qkv.weight.reshape(2, 3, 3, 5)[:, 0]/1",
        "qkv.weight.reshape(2, 3, 3, 5)[:, 1]/1",
      ],
      ["out/0=(2,3):1", "qkv.bias.reshape(2, 3, 3)[:, 2]/1", "qkv.weight.reshape(2, 3, 3, 5)[:, 2]/1"],
    ]);
    const { axes } = axisLabels("m", found);
    assert.deepEqual(axes["qkv.weight.reshape(2, 3, 3, 5)[:, 2]"], [-1, 2, -1]);
    assert.deepEqual(axes["qkv.weight"], [[0, -1], -1]);
  });
});

describe("slices of an axis that is read as a product", () => {
  const w = { name: "w", type: "float32", shape: [4, 24], trainable: true, origin: {} } as const;
  const part = (start: number, end: number) => sliceOf(wholeSlice(w), 1, [start, end], false, [2, 6, 2])!;
  const told = (size: number, ...acts: Parameters<typeof onWholeTensors>[0]) => {
    const slices = new Map([part(0, 3), part(3, 5), part(5, 6)].map((s) => [s.parameter.name, s]));
    return onWholeTensors(acts, size, slices).map(formatAddress);
  };
  const [first, , last] = [part(0, 3), part(3, 5), part(5, 6)].map((s) => s.parameter.name) as [string, string, string];

  it("are called by that shape, and are no slices of another one", () => {
    assert.deepEqual([first, last], ["w.reshape(4, 2, 6, 2)[:, :, 0:3]", "w.reshape(4, 2, 6, 2)[:, :, 5]"]);
    assert.deepEqual(
      [part(0, 3).parameter.shape, part(5, 6).parameter.shape],
      [
        [4, 12],
        [4, 4],
      ],
    );
    assert.equal(sliceOf(part(0, 3), 1, [0, 2], false), undefined);
    assert.equal(sliceOf(sliceOf(wholeSlice(w), 1, [1, 9], false)!, 1, [0, 1], false, [2, 2, 2]), undefined, "not in line");
    assert.equal(
      sliceOf(sliceOf(wholeSlice(w), 1, [8, 16], false)!, 1, [1, 2], false, [2, 2, 2])!.parameter.name,
      "w.reshape(4, 6, 2, 2)[:, 2:4, 1]",
    );
  });

  it("have addresses on a factor, on a part of it, on one entry of those outside, or in the slice's own shape", () => {
    assert.deepEqual(told(3, { parameter: first, axis: 1, factors: [2, 3, 2], factor: 1 }), ["w.reshape(4, 2, 6, 2)/2[0:3]"]);
    assert.deepEqual(told(2, { parameter: first, axis: 1, factors: [2, 3, 2], factor: 0 }), [
      "w.reshape(4, 2, 6, 2)[:, :, 0:3]/1",
    ]);
    assert.deepEqual(told(2, { parameter: last, axis: 1, segment: [2, 4] }), ["w.reshape(4, 2, 6, 2)[:, 1, 5]/1"]);
    assert.deepEqual(told(4, { parameter: last, axis: 1 }), ["w.reshape(4, 2, 6, 2)[:, :, 5].reshape(4, 4)/1"]);
    assert.deepEqual(told(4, { parameter: last, axis: 0 }), ["w.reshape(4, 2, 6, 2)[:, :, 5]/0"]);
  });
});
