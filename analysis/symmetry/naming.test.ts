import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { analyse } from "./analyse";
import { formatAddress } from "./symmetry";

const FOLDER = new URL("../../testFixtures/architectures/onnx/", import.meta.url).pathname;

/** The group of the space that has an address. */
function groupAt(model: string, address: string): string {
  const { spaces } = analyse(readOnnx({ path: `${FOLDER}${model}.onnx` }).graph);
  const space = spaces.find((s) => s.acts.some((a) => formatAddress(a) === address));
  assert.ok(space, `no space acts at ${address}`);
  return space.group;
}

describe("names of groups", () => {
  it("a matrix group belongs to the piece of a concatenation that it mixes", () => {
    assert.match(groupAt("NormedUNet", "up.weight/1"), /GL\(2\)/);
    assert.doesNotMatch(groupAt("NormedUNet", "a.weight/0"), /GL/);
  });

  it("and not to the places over which it is repeated", () => {
    assert.match(groupAt("PerceiverRead", "latents/1"), /O\(2\)/);
    assert.doesNotMatch(groupAt("PerceiverRead", "latents/0"), /O\(|GL/);
    assert.doesNotMatch(groupAt("SharedExpertMixture", "w1/0"), /O\(/);
  });
});
