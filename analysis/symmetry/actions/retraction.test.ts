import assert from "node:assert/strict";
import { it } from "node:test";
import { readOnnx } from "../../frontends/onnx/index";
import { Random } from "../../numerics/random";
import { analyse } from "../analyse";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { Retraction } from "./retraction";

const FILE = new URL("../../../testFixtures/zoo/onnx/MlpRelu.onnx", import.meta.url).pathname;

it("a step that changes what only few inputs show is taken back", () => {
  const network = Network.of(analyse(readOnnx({ path: FILE }).graph, { numeric: false }).normal);
  const weights = new Map(genericWeights(network, new Random(3)));
  // One unit is on for few inputs: what it is multiplied by may be anything as far as the others tell.
  const bias = [...weights.keys()].find((p) => p.startsWith("fc2") && p.endsWith("bias"))!;
  const reader = [...weights.keys()].find((p) => p.startsWith("fc3") && p.endsWith("weight"))!;
  const units = weights.get(bias)!.length;
  weights.set(
    bias,
    weights.get(bias)!.map((x, i) => (i === 0 ? -1.5 : x)),
  );
  const moved = new Map([[reader, weights.get(reader)!.map((x, i) => (i % units === 0 ? x + 1 : x))]]);
  let hidden = 0;
  const others = Array.from({ length: 10 }, (_, k) => new Retraction(network, 100 + k));
  for (let seed = 1; seed <= 6; seed++) {
    const retraction = new Retraction(network, seed);
    if (retraction.deviation(weights, new Map([...weights, ...moved])) === 0) hidden++;
    const back = retraction.toFibre(weights, moved, [reader], new Set());
    const deviation = Math.max(...others.map((o) => o.deviation(weights, new Map([...weights, ...back]))));
    assert.ok(deviation < 1e-8, `seed ${seed}: outputs move by ${deviation}`);
  }
  assert.ok(hidden > 0, "some samples hide it");
});
