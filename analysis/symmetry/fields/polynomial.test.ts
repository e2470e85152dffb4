import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readOnnx } from "../../frontends/onnx/index";
import { normalForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { certificates } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { sketch } from "../counting/testing/models";
import { actingAxes } from "./axes";
import { polynomialEnds } from "./polynomial";
import { stationTangents } from "./trunk";

const FOLDER = new URL("../../../testFixtures/", import.meta.url).pathname;
const read = (path: string, loss?: "softmax") =>
  normalForm(readOnnx({ path: `${FOLDER}${path}.onnx` }).graph, loss ? { loss } : {}).graph;

describe("polynomial blocks", () => {
  it("end where rectifiers, softmaxes and roots read, and not where values are multiplied", () => {
    const endsOf = (path: string) => {
      const network = Network.of(read(path));
      const ends = new Set(polynomialEnds(network));
      return network.steps.flatMap(({ node }) => (node.inputs.some((i) => ends.has(i)) ? [node.operator] : [])).sort();
    };
    assert.deepEqual(endsOf("zoo/onnx/MlpRelu"), ["Relu", "Relu"]);
    assert.deepEqual(endsOf("zoo/onnx/SelfAttention"), ["Softmax"]);
    assert.deepEqual(endsOf("zoo/onnx/LoraLinear"), []);
  });

  it("directions leave the outputs as they are", () => {
    const graph = read("architectures/onnx/BatchEnsemble", "softmax");
    const network = Network.of(graph);
    const weights = genericWeights(network, new Random(4));
    const found = stationTangents(network, weights, actingAxes(graph), 3, polynomialEnds(network), { channelwise: true });
    assert.equal(found.length, 28);
    for (const c of certificates(graph, weights, found, { seed: 9 })) assert.ok(c < 1e-8, `${c}`);
  });

  it("do not end within the arithmetic of indices, where no other values will do", () => {
    const graph = sketch({
      inputs: { x: [5, 2] },
      parameters: { places: [2, 3], table: [4, 2] },
      constants: { zero: 0, three: 3 },
      lines: [
        ["at", "MatMul", ["x", "places"]],
        ["below", "Floor", ["at"]],
        ["least", "Max", ["below", "zero"]],
        ["most", "Min", ["least", "three"]],
        ["index", "Cast", ["most"], { to: 7 }],
        ["row", "Gather", ["table", "index"], { axis: 0 }],
        ["left", "Sub", ["at", "below"]],
        ["share", "Tanh", ["left"]],
      ],
      outputs: ["row", "share"],
    });
    const network = Network.of(graph);
    assert.deepEqual(polynomialEnds(network), ["left"]);
    assert.ok(stationTangents(network, genericWeights(network, new Random(4)), actingAxes(graph), 3, polynomialEnds(network)));
  });
});
