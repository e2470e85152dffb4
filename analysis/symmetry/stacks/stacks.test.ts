/** @file Stacks: who shares a frame with whom, that a stacked graph computes the same, what acts on it and what it is called. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readOnnx } from "../../frontends/onnx/index";
import type { Graph } from "../../graph/graph";
import { normalForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { Retraction } from "../actions/retraction";
import { analyse } from "../analyse";
import { batch } from "../counting/jacobian";
import { Network } from "../counting/network";
import { Program } from "../counting/program";
import { genericWeights } from "../counting/sampling";
import { carriers, shown } from "./carriers";
import { partners } from "./partners";
import { stackedGraph } from "./stacked-graph";

const FOLDER = new URL("../../../testFixtures/architectures/onnx/", import.meta.url).pathname;
const BUFFERS = ["c", "s"];

function model(name: string): Graph {
  return readOnnx({ path: `${FOLDER}${name}.onnx` }, { frozen: BUFFERS }).graph;
}

function normal(name: string): { readonly graph: Graph; readonly network: Network } {
  const { graph } = normalForm(model(name), {});
  return { graph, network: Network.of(graph) };
}

function partnersOf({ network }: { readonly network: Network }): string[][] {
  return partners(network, carriers(network), shown(network));
}

describe("partners", () => {
  it("are real and imaginary parts at every step, and no products on the way", () => {
    const state = normal("ComplexStateSpace");
    const sets = partnersOf(state);
    assert.equal(sets.length, 6, "a pair per step but the last, which outputs show");
    for (const set of sets) {
      assert.equal(set.length, 2);
      for (const value of set) assert.notEqual(state.network.producer(value)!.node.operator, "Mul");
    }
  });

  it("are all four parts of a quaternion, between the maps and behind them", () => {
    assert.deepEqual(
      partnersOf(normal("QuaternionBottleneck")).map((s) => s.length),
      [4, 4],
    );
  });

  it("are never computed from one another", () => {
    for (const name of ["LstmTwoLayers", "ConjugateGate", "ComplexAttention", "LinearRecurrentUnit"]) {
      const { network } = normal(name);
      for (const set of partnersOf({ network })) {
        const members = new Set(set);
        for (const value of set) {
          const { leaves } = new Program(network, [value], members);
          assert.ok(!leaves.some((l) => members.has(l)), `${name}: ${value} is computed from its partners`);
        }
      }
    }
  });
});

describe("a stacked graph", () => {
  for (const name of ["ComplexLayers", "UnitaryRnn", "QuaternionBottleneck"]) {
    it(`of ${name} computes the same`, () => {
      const plain = normal(name);
      const { graph, stacks } = stackedGraph(plain.graph, partnersOf(plain));
      assert.ok(stacks.length > 0);
      const stacked = Network.of(graph);
      const weights = genericWeights(plain.network, new Random(4));
      const [before, after] = [plain.network, stacked].map((network) => {
        const program = new Program(network, graph.outputs);
        return program.results(program.evaluate(batch(network, weights, new Random(5)))).flatMap((t) => Array.from(t.data));
      });
      assert.deepEqual(after, before);
    });
  }
});

describe("groups on stacks", () => {
  const expected: Readonly<Record<string, readonly string[]>> = {
    ComplexLayers: ["rotation U(1)", "rotation U(1)", "rotation U(1)"],
    ComplexBottleneck: ["linear GL(2, C)"],
    SpectralOperator: ["linear GL(2, C)", "linear GL(2, C)"],
    QuaternionBottleneck: ["rotation Sp(1)"],
    ComplexAttention: ["linear GL(4)", "linear GL(4)"],
    ConjugateGate: ["rotation U(1)", "rotation U(1)", "rotation U(1)", "rotation U(1)"],
    Circulant: ["linear a linear group of dimension 4"],
    HouseholderFlow: ["rotation U(1)"],
    FourierKan: ["translation R", "translation R"],
    SplitRectifier: [],
    GroupedRotaryNormed: [],
  };
  for (const [name, groups] of Object.entries(expected)) {
    it(`${name}, at weights of their own`, () => {
      const { normal: form, symmetries } = analyse(model(name));
      const found = symmetries.filter((s) => s.id.startsWith("stacked-"));
      assert.deepEqual(
        found.map((s) => `${s.kind} ${s.group}`),
        groups,
      );
      const network = Network.of(form);
      const retraction = new Retraction(network, 3);
      const random = new Random(6);
      const weights = genericWeights(network, new Random(70));
      for (const s of found) {
        const moved = s.act(
          weights,
          s.randomElement(() => random.uniform()),
        );
        assert.deepEqual([...moved.keys()].sort(), [...s.parameters].sort(), "it moves what it says");
        assert.ok(retraction.deviation(weights, new Map([...weights, ...moved])) < 1e-9, `${s.id} moves the outputs`);
        assert.equal(s.generators(weights).length, s.dimension);
        for (const mirror of s.mirrors?.(weights) ?? []) {
          const flipped = s.act(weights, mirror.element);
          assert.ok(
            retraction.deviation(weights, new Map([...weights, ...flipped])) < 1e-9,
            `a mirror of ${s.id} moves the outputs`,
          );
        }
      }
    });
  }
});
