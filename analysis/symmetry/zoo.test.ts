/** @file The zoo: 36 small models whose symmetries are known, from their ONNX exports. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx";
import { analyse } from "./analyse";
import { FAMILIES, type Family, formatAddress } from "./symmetry";

const ZOO = path.join(__dirname, "..", "..", "testFixtures", "zoo");

/** One row of the zoo's truth. */
interface Truth {
  readonly onnx: string;
  readonly parameters: number;
  readonly continuous: Partial<Record<Family, number>> & { readonly total: number };
  readonly continuousUnderSoftmaxLoss: number;
  readonly spaces: readonly { readonly size: number; readonly acts: readonly string[] }[];
  readonly swaps?: readonly (readonly string[])[];
  readonly frozen?: readonly string[];
}

const truth = JSON.parse(readFileSync(path.join(ZOO, "truth.json"), "utf8")) as Record<string, Truth>;

describe("the zoo, from ONNX", () => {
  for (const [name, row] of Object.entries(truth)) {
    it(name, () => {
      const { graph } = readOnnx({ path: path.join(ZOO, row.onnx) }, row.frozen ? { frozen: row.frozen } : {});
      const found = analyse(graph);
      const expected = Object.fromEntries([...FAMILIES, "total" as const].map((f) => [f, row.continuous[f] ?? 0]));
      assert.deepEqual({ ...found.continuous }, expected, "continuous dimensions by family");
      assert.equal(found.parameters, row.parameters);
      assert.deepEqual(found.opaque, []);
      const listed = (acts: readonly string[]) => [...acts].sort().join(" ");
      assert.deepEqual(
        found.spaces.map((s) => `${s.size}: ${listed(s.acts.map(formatAddress))}`).sort(),
        row.spaces.map((s) => `${s.size}: ${listed(s.acts)}`).sort(),
        "channel spaces",
      );
      assert.deepEqual(found.swaps, row.swaps ?? []);
      assert.equal(analyse(graph, { loss: "softmax" }).continuous.total, row.continuousUnderSoftmaxLoss, "under softmax loss");
    });
  }

  it("names what acts on a space", () => {
    const group = (name: string) =>
      analyse(readOnnx({ path: path.join(ZOO, truth[name]!.onnx) }).graph).spaces.map((s) => s.group);
    assert.deepEqual(group("MlpRelu"), ["S(8) with R+^8", "S(8) with R+^8"]);
    assert.deepEqual(group("MlpTanh"), ["S(8) with Z2^8", "S(8) with Z2^8"]);
    assert.deepEqual(group("MlpGelu"), ["S(8)"]);
    assert.deepEqual(group("LinearBottleneck"), ["S(3) with GL(3)"]);
    assert.deepEqual(group("SelfAttention"), ["S(2)", "S(3) with GL(3) per head", "S(3) with GL(3) per head"]);
    assert.deepEqual(group("GroupedConv"), ["S(2) with R+^2", "S(4) with R+^4 per block", "S(4) with R+^4 per block"]);
    assert.deepEqual(group("RotaryAttention"), ["R+ x O(2) with R*^2"]);
  });
});
