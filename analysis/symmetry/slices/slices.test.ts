/** @file Weights that share a tensor: that they are told apart, and that what acts on them acts on the tensor. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readOnnx } from "../../frontends/onnx/index";
import type { Graph } from "../../graph/graph";
import { cut, onWholeParameters, sliceOf, wholeSlice } from "../../graph/slices";
import { normalForm } from "../../lowering/normal-form";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { Random } from "../../numerics/random";
import { Retraction } from "../actions/retraction";
import { analyse } from "../analyse";
import type { ModelAnalysis } from "../analysis";
import { measureDimension } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { formatAddress, type ParameterValues } from "../symmetry";
import { onWholeTensors } from "./addresses";

const FOLDER = new URL("../../../testFixtures/architectures/onnx/", import.meta.url).pathname;
const MODELS = ["LayerStack", "UnboundLayers", "HeadLoop", "ExpertLoop", "SummedBranches", "OverlappingRows"];

function model(name: string): Graph {
  return readOnnx({ path: `${FOLDER}${name}.onnx` }).graph;
}

function int64(g: GraphBuilder, ...values: number[]): string {
  return g.constant([values.length], values, "int64");
}

function actsOf({ spaces }: ModelAnalysis): string[][] {
  return spaces.map((s) => s.acts.map(formatAddress).sort());
}

/** A recurrence in both directions, all of whose weights are in one tensor per kind. */
function bothDirections(activation: string): Graph {
  const g = new GraphBuilder(18);
  const weights = [g.parameter("w", [2, 3, 3]), g.parameter("r", [2, 3, 3]), g.parameter("b", [2, 6])];
  const y = g.add("RNN", [g.input("x", [3, 6, 3]), ...weights], {
    hidden_size: 3,
    direction: "bidirectional",
    activations: [activation, activation],
  });
  const flat = g.add("Reshape", [g.add("Transpose", [y], { perm: [0, 2, 1, 3] }), int64(g, 18, 6)]);
  return g.build(g.add("MatMul", [flat, g.parameter("head", [6, 2])]));
}

describe("weights that share a tensor", () => {
  it("are parameters of their own in the normal form, which as a network of the tensors computes the same", () => {
    for (const name of MODELS) {
      const graph = model(name);
      const plain = Network.of(normalForm(graph).graph);
      const { graph: apart, slices } = normalForm(graph, { slices: true });
      assert.ok(slices.size > 1, `${name} is cut`);
      const joined = onWholeParameters(apart, slices);
      assert.deepEqual([...joined.parameters.keys()], [...graph.parameters.keys()], name);
      const weights = genericWeights(plain, new Random(3));
      const [a, b] = [plain, Network.of(joined)].map((n) => new Retraction(n, 5));
      const moved = new Map([...weights].map(([p, v]) => [p, v.map((x) => 1.1 * x + 0.1)]));
      assert.equal(a!.deviation(weights, moved), b!.deviation(weights, moved), name);
    }
  });

  it("have actions on the tensor: of random elements, of those that are owned, of mirrors and fixed sets", () => {
    for (const name of MODELS) {
      const analysis = analyse(model(name));
      const network = Network.of(analysis.measurable ?? analysis.normal);
      const outputs = new Retraction(network, 4);
      const random = new Random(2);
      const weights = analysis.genericWeights ?? genericWeights(network, random);
      for (const s of analysis.symmetries) {
        for (const p of s.parameters) assert.ok(analysis.graph.parameters.has(p), `${name}: ${s.id} moves ${p}`);
        const element = s.randomElement(() => random.uniform());
        const moved = s.act(weights, element);
        const all = new Map([...weights, ...moved]);
        assert.ok(outputs.deviation(weights, all) < 1e-8, `${name}: ${s.id} leaves the outputs`);
        const own: ParameterValues = new Map([...weights].map(([p, v]) => [p, v.slice()]));
        const again = new Map([...own, ...s.act(own, element, new Set(own.values()))]);
        for (const [p, v] of all) assert.deepEqual(again.get(p), v, `${name}: ${s.id} on ${p}`);
        for (const m of [...(s.mirrors?.(weights) ?? [])].slice(0, 3)) {
          const flipped = s.act(weights, m.element);
          for (const [p, part] of m.project(weights)) {
            const [before, after] = [weights.get(p)!, flipped.get(p)!];
            part.forEach((x, i) => assert.ok(Math.abs(before[i]! - 2 * x - after[i]!) < 1e-12, `${name}: ${s.id}`));
          }
        }
        const set = s.kind === "permutation" || s.kind === "swap" ? s.fixedSet(weights) : undefined;
        if (!set) continue;
        const fixed = new Map([...weights, ...set.project(weights)]);
        const still = s.act(fixed, element);
        for (const [p, v] of still)
          v.forEach((x, i) => assert.ok(Math.abs(x - fixed.get(p)![i]!) < 1e-12, `${name}: ${s.id} on ${p}`));
      }
    }
  });

  it("have units and factors where the actions move them", () => {
    const analysis = analyse(model("LayerStack"));
    const weights = genericWeights(Network.of(analysis.normal), new Random(1));
    let seen = 0;
    for (const s of analysis.symmetries) {
      const { units, diagonal } = s;
      if (units) {
        const exchange = Float64Array.of(1, 0, 2);
        const moved = s.act(weights, exchange);
        for (const { parameter, flat, features } of units()) {
          const [before, after] = [weights.get(parameter)!, moved.get(parameter)!];
          for (let k = 0; k < features; k++) assert.equal(after[flat[k]!], before[flat[features + k]!]);
          seen++;
        }
      }
      if (diagonal) {
        const element = s.randomElement(() => 0.7);
        const moved = s.act(weights, element);
        for (const { parameter, flat, index, coefficient } of diagonal()) {
          flat.forEach((at, k) => {
            const factor = Math.exp(coefficient[k]! * element[index[k]!]!);
            assert.ok(Math.abs(moved.get(parameter)![at]! - factor * weights.get(parameter)![at]!) < 1e-12);
          });
          seen++;
        }
      }
    }
    assert.ok(seen >= 12, `${seen} blocks were compared`);
  });

  it("of both directions of a recurrence in one operator have a space and scalings each", () => {
    const found = analyse(bothDirections("Relu"));
    assert.deepEqual(actsOf(found), [
      ["b[0]/0=(2,3):1", "head/0[0:3]", "r[0]/0", "r[0]/1", "w[0]/0"],
      ["b[1]/0=(2,3):1", "head/0[3:6]", "r[1]/0", "r[1]/1", "w[1]/0"],
    ]);
    assert.equal(found.continuous.total, measureDimension(found.apart!.normal, { explained: found.continuous.total }).dimension);
    assert.equal(found.continuous.rescaling, 6);
    assert.deepEqual(found.swaps, []);
  });

  it("are told apart behind a transpose, by single entries and by ranges", () => {
    const layers = (pick: (g: GraphBuilder, transposed: string, k: number) => string): ModelAnalysis => {
      const g = new GraphBuilder(18);
      const transposed = g.add("Transpose", [g.parameter("w", [4, 3, 4])], { perm: [1, 2, 0] });
      let h = g.input("x", [8, 4]);
      for (let k = 0; k < 3; k++) h = g.add("Relu", [g.add("MatMul", [h, pick(g, transposed, k)])]);
      return analyse(g.build(g.add("MatMul", [h, g.parameter("head", [4, 2])])));
    };
    const entries = layers((g, w, k) => g.add("Gather", [w, g.constant([], [k], "int64")], { axis: 0 }));
    const ranges = layers((g, w, k) =>
      g.add("Squeeze", [g.add("Slice", [w, int64(g, k), int64(g, k + 1), int64(g, 0)]), int64(g, 0)]),
    );
    for (const found of [entries, ranges]) {
      assert.deepEqual(found.opaque, []);
      assert.equal(found.continuous.rescaling, 12);
      assert.deepEqual(actsOf(found), [
        ["w[:, 0]/0", "w[:, 1]/1"],
        ["w[:, 1]/0", "w[:, 2]/1"],
        ["head/0", "w[:, 2]/0"],
      ]);
    }
  });

  it("stay together where something reads the tensor whole, with strides, or along another axis", () => {
    const read: readonly ((g: GraphBuilder, w: string, x: string) => string)[] = [
      (g, w, x) => g.add("MatMul", [x, g.add("ReduceSum", [w, int64(g, 0)], { keepdims: 0 })]),
      (g, w, x) =>
        g.add("MatMul", [
          x,
          g.add("Squeeze", [g.add("Slice", [w, int64(g, 0), int64(g, 2), int64(g, 0), int64(g, 2)]), int64(g, 0)]),
        ]),
      (g, w, x) => g.add("MatMul", [x, g.add("Gather", [w, g.constant([], [1], "int64")], { axis: 2 })]),
    ];
    for (const [k, other] of read.entries()) {
      const g = new GraphBuilder(18);
      const w = g.parameter("w", [3, 3, 3]);
      const x = g.input("x", [6, 3]);
      const layer = (from: string, at: number): string =>
        g.add("Tanh", [g.add("MatMul", [from, g.add("Gather", [w, g.constant([], [at], "int64")], { axis: 0 })])]);
      const graph = g.build(layer(layer(x, 0), 1), other(g, w, x));
      assert.equal(normalForm(graph, { slices: true }).slices.size, 0, `reader ${k}`);
    }
  });
});

describe("addresses on slices", () => {
  const w = { name: "w", type: "float32", shape: [2, 6, 4], trainable: true, origin: {} } as const;
  const whole = wholeSlice(w);
  const named = (...slices: ReturnType<typeof sliceOf>[]) => new Map(slices.map((s) => [s!.parameter.name, s!]));
  const told = (size: number, slices: ReturnType<typeof named>, ...acts: (readonly [string, number])[]) =>
    onWholeTensors(
      acts.map(([parameter, axis]) => ({ parameter, axis })),
      size,
      slices,
    ).map(formatAddress);

  it("are called as NumPy calls them and know their entries", () => {
    const second = sliceOf(whole, 0, [1, 2], true)!;
    const part = sliceOf(second, 1, [1, 3], false)!;
    assert.deepEqual([second.parameter.name, part.parameter.name], ["w[1]", "w[1, :, 1:3]"]);
    assert.deepEqual(part.parameter.shape, [6, 2]);
    const values = cut(
      Float64Array.from({ length: 48 }, (_, i) => i),
      part,
    );
    assert.deepEqual([...values], [25, 26, 29, 30, 33, 34, 37, 38, 41, 42, 45, 46]);
  });

  it("are those of the tensor where all slices are alike", () => {
    const slices = named(sliceOf(whole, 0, [0, 1], true), sliceOf(whole, 0, [1, 2], true));
    assert.deepEqual(told(4, slices, ["w[0]", 1], ["w[1]", 1]), ["w/2"]);
    assert.deepEqual(told(4, slices, ["w[0]", 1]), ["w[0]/1"]);
    assert.deepEqual(told(6, slices, ["w[0]", 0], ["w[1]", 1]), ["w[0]/0", "w[1]/1"]);
  });

  it("along the axis that is cut are segments, runs of them, or the space once for each", () => {
    const pieces = named(sliceOf(whole, 1, [0, 2], false), sliceOf(whole, 1, [2, 4], false), sliceOf(whole, 1, [4, 6], false));
    const names = [...pieces.keys()];
    assert.deepEqual(told(2, pieces, [names[0]!, 1]), ["w/1[0:2]"]);
    assert.deepEqual(told(2, pieces, ...names.map((n) => [n, 1] as const)), ["w/1=(3,2):1"]);
    assert.deepEqual(told(4, pieces, [names[0]!, 1], [names[1]!, 1]), ["w/1[0:4]"]);
    assert.deepEqual(told(4, pieces, ...names.map((n) => [n, 2] as const)), ["w/2"]);
    assert.deepEqual(told(4, pieces, [names[1]!, 2]), ["w[:, 2:4]/2"]);
  });
});
