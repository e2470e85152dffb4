import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../graph/graph";
import { elementCount, tensor, type Tensor } from "../graph/tensor";
import { GraphBuilder } from "../lowering/testing/graph-builder";
import { normalForm } from "../lowering/normal-form";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { findSigmoidUnits, flip } from "./flips";

/** Largest difference of the outputs when the flagged units of every layer are flipped. */
function change(graph: Graph, flags: (count: number) => boolean[]): number {
  const random = new Random(3);
  const weights = new Map([...graph.parameters.values()].map((p) => [p.name, random.normals(elementCount(p.shape))] as const));
  const inputs = graph.inputs.map((i) => [i.name, tensor(i.shape, random.normals(elementCount(i.shape)))] as const);
  const shape = (p: string) => graph.parameters.get(p)!.shape;
  const moved = new Map(weights);
  for (const layer of findSigmoidUnits(graph))
    for (const [p, v] of flip(layer, moved, shape, flags(layer.count))) moved.set(p, v);
  const run = (w: ReadonlyMap<string, Float64Array>): Tensor[] => {
    const values = new Map<string, Tensor>(inputs);
    for (const [p, data] of w) values.set(p, tensor(shape(p), data));
    const out = evaluateGraph(graph, values);
    return graph.outputs.map((o) => out.get(o)!);
  };
  const [before, after] = [run(weights), run(moved)];
  return Math.max(...before.flatMap((t, k) => Array.from(t.data, (x, i) => Math.abs(x - after[k]!.data[i]!))));
}

const counts = (graph: Graph): number[] => findSigmoidUnits(graph).map((u) => u.count);
const someUnits = (count: number): boolean[] => Array.from({ length: count }, (_, i) => i % 2 === 0);

/** A layer with bias: x W + b. */
function linear(b: GraphBuilder, x: string, name: string, from: number, to: number): string {
  return b.add("Add", [b.add("MatMul", [x, b.parameter(`${name}.w`, [from, to])]), b.parameter(`${name}.b`, [to])]);
}

describe("flips of sigmoid units", () => {
  it("between layers with biases: through Gemm, and for two readers", () => {
    const b = new GraphBuilder();
    const z = b.add("Gemm", [b.input("x", [5, 3]), b.parameter("a.w", [4, 3]), b.parameter("a.b", [4])], { transB: 1 });
    const s = b.add("Sigmoid", [z]);
    const graph = normalForm(b.build(linear(b, s, "u", 4, 2), b.add("Tanh", [linear(b, s, "v", 4, 3)]))).graph;
    assert.deepEqual(counts(graph), [4]);
    assert.ok(change(graph, someUnits) < 1e-12);
  });

  it("hard sigmoids flip too, unless their middle is elsewhere", () => {
    for (const [beta, expected] of [
      [0.5, [4]],
      [0.4, []],
    ] as const) {
      const b = new GraphBuilder();
      const s = b.add("HardSigmoid", [linear(b, b.input("x", [5, 3]), "a", 3, 4)], { beta });
      const graph = normalForm(b.build(linear(b, s, "u", 4, 2))).graph;
      assert.deepEqual(counts(graph), expected);
      assert.ok(change(graph, someUnits) < 1e-12);
    }
  });

  it("convolutions, but not into a padded one", () => {
    for (const [pads, expected] of [
      [[0, 0, 0, 0], [3]],
      [[1, 1, 1, 1], []],
    ] as const) {
      const b = new GraphBuilder();
      const x = b.input("x", [2, 2, 5, 5]);
      const z = b.add("Conv", [x, b.parameter("a.w", [3, 2, 3, 3]), b.parameter("a.b", [3])], { pads: [1, 1, 1, 1] });
      const y = b.add("Conv", [b.add("Sigmoid", [z]), b.parameter("u.w", [2, 3, 3, 3]), b.parameter("u.b", [2])], { pads });
      const graph = normalForm(b.build(y)).graph;
      assert.deepEqual(counts(graph), expected);
      assert.ok(change(graph, someUnits) < 1e-12);
    }
  });

  it("not gates, not outputs, not into a layer without a bias or with one that others read", () => {
    const gate = new GraphBuilder();
    const x = linear(gate, gate.input("x", [5, 3]), "a", 3, 4);
    const gated = gate.build(linear(gate, gate.add("Mul", [x, gate.add("Sigmoid", [x])]), "u", 4, 2));
    assert.deepEqual(counts(normalForm(gated).graph), []);

    const output = new GraphBuilder();
    const s = output.add("Sigmoid", [linear(output, output.input("x", [5, 3]), "a", 3, 4)]);
    assert.deepEqual(counts(normalForm(output.build(linear(output, s, "u", 4, 2), s)).graph), []);

    const bare = new GraphBuilder();
    const t = bare.add("Sigmoid", [linear(bare, bare.input("x", [5, 3]), "a", 3, 4)]);
    const read = bare.add("MatMul", [t, bare.parameter("u.w", [4, 2])]);
    assert.deepEqual(counts(normalForm(bare.build(read)).graph), []);

    const shared = new GraphBuilder();
    const r = shared.add("Sigmoid", [linear(shared, shared.input("x", [5, 3]), "a", 3, 4)]);
    const y = linear(shared, r, "u", 4, 2);
    assert.deepEqual(counts(normalForm(shared.build(shared.add("Mul", [y, "u.b"]))).graph), []);
  });
});
