import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../graph/graph";
import { elementCount, type Tensor, tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { analyse } from "../symmetry/analyse";
import { normalForm } from "./normal-form";
import { GraphBuilder } from "./testing/graph-builder";

const [SAMPLES, EXPERTS] = [8, 3];

/** The weight of expert k, of shape [samples, 1], by what a router says of three experts. */
type Choice = (b: GraphBuilder, scores: string) => (k: number) => string;

/** Three tanh experts, chosen by the router in a parameter. */
function experts(choice: Choice): Graph {
  const b = new GraphBuilder();
  const x = b.input("x", [SAMPLES, 2]);
  const weight = choice(b, b.add("MatMul", [x, b.parameter("router", [2, EXPERTS])]));
  const terms = Array.from({ length: EXPERTS }, (_, k) => {
    return b.add("Mul", [weight(k), b.add("Tanh", [b.add("MatMul", [x, b.parameter(`expert.${k}`, [2, 2])])])]);
  });
  return b.build(terms.reduce((sum, term) => b.add("Add", [sum, term])));
}

function valuesOf(graph: Graph): Map<string, Tensor> {
  const random = new Random(3);
  const values = new Map([["x", tensor([SAMPLES, 2], random.normals(2 * SAMPLES))]]);
  for (const [name, { shape }] of graph.parameters) values.set(name, tensor(shape, random.normals(elementCount(shape))));
  return values;
}

const outputsOf = (graph: Graph, values: ReadonlyMap<string, Tensor>) =>
  evaluateGraph(graph, values).get(graph.outputs[0]!)!.data;
const integers = (b: GraphBuilder, ...list: number[]): string => b.constant([list.length], list, "int64");
const isPlace = (b: GraphBuilder, places: string, k: number): string =>
  b.add("Cast", [b.add("Equal", [places, b.constant([], [k], "int64")])], { to: 11 });
const best = (b: GraphBuilder, scores: string): string => b.add("ArgMax", [scores], { axis: -1, keepdims: 1 });

const byArgMax: Choice = (b, scores) => {
  const places = best(b, scores);
  return (k) => isPlace(b, places, k);
};
const byTopTwo: Choice = (b, scores) => {
  const [found, places] = b.addAll("TopK", [scores, integers(b, 2)], 2, { axis: -1 }) as [string, string];
  const shares = b.add("Softmax", [found], { axis: -1 });
  return (k) => b.add("ReduceSum", [b.add("Mul", [shares, isPlace(b, places, k)]), integers(b, 1)], { keepdims: 1 });
};
const byRange: Choice = (b, scores) => {
  const mask = b.add("Cast", [b.add("Equal", [integers(b, 0, 1, 2), best(b, scores)])], { to: 11 });
  const shares = b.add("Mul", [b.add("Softmax", [scores], { axis: -1 }), mask]);
  return (k) => b.add("Gather", [shares, integers(b, k)], { axis: 1 });
};

describe("places that are compared with numbers", () => {
  for (const [name, choice] of Object.entries({ byArgMax, byTopTwo, byRange })) {
    it(`${name}: experts change places, with the router's columns`, () => {
      const graph = experts(choice);
      const values = valuesOf(graph);
      const before = outputsOf(graph, values);
      assert.deepEqual([...outputsOf(normalForm(graph).graph, values)], [...before]);
      const swaps = analyse(graph, { numeric: false }).symmetries.filter((s) => s.kind === "swap");
      assert.equal(swaps.length, EXPERTS - 1);
      for (const swap of swaps) {
        const weights = new Map([...graph.parameters.keys()].map((p) => [p, values.get(p)!.data] as const));
        const moved = swap.act(weights, Float64Array.of(1));
        assert.ok(swap.parameters.includes("router"));
        const after = new Map(values);
        for (const [p, data] of moved) after.set(p, tensor(graph.parameters.get(p)!.shape, data));
        assert.notDeepEqual([...after.get("expert.0")!.data], [...values.get("expert.0")!.data]);
        outputsOf(graph, after).forEach((v, i) => assert.ok(Math.abs(v - before[i]!) < 1e-12));
      }
    });
  }

  it("not where two experts have one place, but for those two, and not where the place itself is read", () => {
    const swapsOf = (choice: Choice) => analyse(experts(choice), { numeric: false }).swaps;
    const twice: Choice = (b, scores) => {
      const places = best(b, scores);
      return (k) => isPlace(b, places, k === 2 ? 1 : k);
    };
    assert.deepEqual(
      swapsOf(twice).map((s) => s.toSorted()),
      [["expert.1", "expert.2"]],
    );
    const numbered: Choice = (b, scores) => {
      const places = best(b, scores);
      return (k) => b.add("Mul", [isPlace(b, places, k), b.add("Cast", [places], { to: 11 })]);
    };
    assert.deepEqual(swapsOf(numbered), []);
  });
});
