import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readOnnx } from "../../frontends/onnx/index";
import { normalForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { certificates } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { actingAxes } from "./axes";
import { stationsOf, stationTangents } from "./trunk";

const FOLDER = new URL("../../../testFixtures/architectures/onnx/", import.meta.url).pathname;
const read = (name: string) => normalForm(readOnnx({ path: `${FOLDER}${name}.onnx` }).graph).graph;

describe("trunks", () => {
  it("a sum with the input is a station where the input counts as what came before", () => {
    const network = Network.of(read("SquaredRectifiers"));
    const [passing, whole] = [true, false].map((inputsPass) => stationsOf(network, inputsPass));
    const sum = network.steps.find(({ node }) => node.operator === "Add" && node.inputs.includes("x"))!.node.outputs[0]!;
    assert.equal(whole![0], sum);
    assert.ok(passing!.indexOf(sum) > 0, "the branch has stations of its own where the input passes by");
    for (const o of network.outputs) assert.ok(!passing!.includes(o) && !whole!.includes(o));
  });

  it("directions leave the outputs as they are, and channel by channel there are fewer", () => {
    const graph = read("SubPixelResidual");
    const network = Network.of(graph);
    const weights = genericWeights(network, new Random(4));
    const axes = actingAxes(graph);
    const stations = stationsOf(network, true);
    const all = stationTangents(network, weights, axes, 3, stations);
    const scalings = stationTangents(network, weights, axes, 3, stations, { channelwise: true });
    assert.ok(scalings.length < all.length, `${scalings.length} of ${all.length}`);
    for (const c of certificates(graph, weights, [...all, ...scalings], { seed: 9 })) assert.ok(c < 1e-8, `${c}`);
  });
});
