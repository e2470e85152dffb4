import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../../graph/graph";
import { int64Vector } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { certificates } from "../counting/jacobian";
import { Network } from "../counting/network";
import { Program } from "../counting/program";
import { genericWeights } from "../counting/sampling";
import { sketch } from "../counting/testing/models";
import type { ParameterValues } from "../symmetry";
import { actingAxes } from "./axes";
import { weightProducts } from "./products";

type Shapes = Readonly<Record<string, readonly number[]>>;
type Line = Parameters<typeof sketch>[0]["lines"][number];

/** A layer whose weight [6, 4] is made of parameters, with a rectifier behind it. */
function layer(parameters: Shapes, ...lines: readonly Line[]): Graph {
  return sketch({
    inputs: { x: [5, 6] },
    parameters,
    constants: { to: int64Vector([6, 4]) },
    lines: [...lines, ["flat", "Reshape", ["w", "to"]], ["z", "MatMul", ["x", "flat"]], ["y", "Relu", ["z"]]],
    outputs: ["y"],
  });
}

/** The output at an input that hangs on nothing but its size. */
function outputAt(network: Network, weights: ParameterValues): Float64Array {
  const program = new Program(network, ["y"]);
  const x = Float64Array.from({ length: 30 }, (_, i) => Math.sin(i + 1));
  const values = program.evaluate((leaf) => {
    const p = network.graph.parameters.get(leaf);
    if (p) return { type: "float64", shape: p.shape, data: weights.get(leaf)! };
    return leaf === "x" ? { type: "float64", shape: [5, 6], data: x } : undefined;
  });
  return program.results(values)[0]!.data;
}

/** Sizes of the groups between the factors; every direction and a finite element of each are checked on the way. */
function groups(graph: Graph): number[] {
  const network = Network.of(graph);
  const random = new Random(3);
  const weights = genericWeights(network, random);
  const before = outputAt(network, weights);
  const found = weightProducts(network, weights, actingAxes(graph));
  for (const product of found) {
    assert.equal(product.generators.length, product.size ** 2);
    assert.ok(product.atoms.length > 0);
    const vectors = product.generators.map((g) => g.vector);
    for (const c of certificates(graph, weights, vectors, { seed: 5 })) assert.ok(c < 1e-8, `${c}`);
    const moved = product.act(
      weights,
      product.entries.map((_, k) => 0.3 * Math.cos(k + 1)),
    );
    assert.equal(moved.size, 2);
    const after = outputAt(network, new Map([...weights, ...moved]));
    after.forEach((y, i) => assert.ok(Math.abs(y - before[i]!) < 1e-8, `${y} ${before[i]}`));
  }
  return found.map((p) => p.size);
}

describe("products of weights", () => {
  it("may be written with a MatMul of more than two axes", () => {
    assert.deepEqual(groups(layer({ a: [2, 3, 2], b: [2, 4] }, ["w", "MatMul", ["a", "b"]])), [2]);
  });

  it("may be written with any equation whose result has the outer axes in any order", () => {
    const equation = { equation: "arb,rcd->acbd" };
    assert.deepEqual(groups(layer({ a: [3, 2, 2], b: [2, 2, 2] }, ["w", "Einsum", ["a", "b"], equation])), [2]);
  });

  it("have one group over all the axes that are summed", () => {
    assert.deepEqual(
      groups(layer({ a: [2, 6, 2], b: [2, 2, 4] }, ["w", "Einsum", ["a", "b"], { equation: "ris,srj->ij" }])),
      [4],
    );
  });

  it("have one group per index that both keep", () => {
    assert.deepEqual(
      groups(layer({ a: [3, 2, 2], b: [3, 2, 4] }, ["w", "Einsum", ["a", "b"], { equation: "kir,krj->kij" }])),
      [2, 2, 2],
    );
  });

  it("have none where nothing is summed over both, or one sums alone", () => {
    assert.deepEqual(groups(layer({ a: [6], b: [4] }, ["w", "Einsum", ["a", "b"], { equation: "i,j->ij" }])), []);
    assert.deepEqual(groups(layer({ a: [6, 2, 3], b: [2, 4] }, ["w", "Einsum", ["a", "b"], { equation: "irs,rj->ij" }])), []);
  });
});
