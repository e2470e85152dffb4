import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readOnnx } from "../../frontends/onnx/index";
import { Random } from "../../numerics/random";
import { analyse } from "../analyse";
import { certifyGenerators } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { Retraction } from "./retraction";

const FOLDER = new URL("../../../testFixtures/architectures/onnx/", import.meta.url).pathname;

describe("directions beyond the engines", () => {
  for (const [name, count, loss] of [
    ["PostNormEncoder", 1],
    ["NormedBranch", 2],
    // A square and an identity inside of a unit trade with the path around it.
    ["SquaredRectifiers", 2],
    ["fused_convolution", 3],
    // One row of a factored matrix is left of two classes: gains of the hidden units make up for whatever it is.
    ["BatchEnsemble", 5, "softmax"],
  ] as const) {
    it(`${name}: the outputs stay, here and at other weights`, () => {
      const found = analyse(readOnnx({ path: `${FOLDER}${name}.onnx` }).graph, loss ? { loss } : {});
      const own = found.symmetries.filter((s) => s.id.startsWith("curve"));
      assert.equal(own.length, count);
      const network = Network.of(found.measurable!);
      const outputs = new Retraction(network, 3);
      const random = new Random(5);
      for (const weights of [found.genericWeights!, genericWeights(network, new Random(8))]) {
        for (const s of own) {
          const vectors = s.generators(weights).map((g) => g.vector);
          assert.ok(certifyGenerators(found.measurable!, weights, vectors) < 1e-8);
          const moved = s.act(weights, Float64Array.of(0.1));
          assert.ok([...moved].some(([p, data]) => data.some((x, i) => Math.abs(x - weights.get(p)![i]!) > 1e-3)));
          assert.ok(outputs.deviation(weights, new Map([...weights, ...moved])) < 1e-9);
          const element = s.randomElement(() => random.uniform());
          assert.equal(element.length, 1);
        }
      }
    });
  }
});
