/**
 * @file Test support: architectures that no rule was written for (testFixtures/architectures). What is explained by family, the
 * spaces and the swaps are reviewed by hand in expected.json; measured.json was measured by PyTorch alone.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { it } from "node:test";
import { readOnnx } from "../../frontends/onnx/index";
import { analyse } from "../analyse";
import { measureDimension } from "../counting/jacobian";
import { FAMILIES, formatAddress } from "../symmetry";

const FOLDER = new URL("../../../testFixtures/architectures/", import.meta.url).pathname;

interface Expected {
  /** Dimensions per family; families that are not named are zero. */
  readonly explained: Readonly<Record<string, number>>;
  /** Addresses per space. */
  readonly spaces: readonly (readonly string[])[];
  readonly swaps: readonly (readonly [string, string])[];
  /** Why less is explained than measured; absent where all is explained. */
  readonly missing?: string;
}

interface Measured {
  readonly parameters: number;
  readonly dimension: number;
  readonly frozen: readonly string[];
}

const expected = JSON.parse(readFileSync(`${FOLDER}expected.json`, "utf8")) as Readonly<Record<string, Expected>>;
const measured = JSON.parse(readFileSync(`${FOLDER}measured.json`, "utf8")) as Readonly<Record<string, Measured>>;

/** Tests the architectures of one of several shares, so that files can run side by side. */
export function testArchitectures(share: number, shares: number): void {
  it("all have expectations", () => {
    const files = readdirSync(`${FOLDER}onnx`).map((f) => f.replace(".onnx", ""));
    assert.deepEqual(files.sort(), Object.keys(expected).sort());
  });

  for (const [name, want] of Object.entries(expected).filter((_, k) => k % shares === share)) {
    it(name, () => {
      const truth = measured[name];
      const { graph } = readOnnx({ path: `${FOLDER}onnx/${name}.onnx` }, { frozen: truth?.frozen ?? [] });
      const found = analyse(graph);
      const families = Object.fromEntries(FAMILIES.flatMap((f) => (found.continuous[f] > 0 ? [[f, found.continuous[f]]] : [])));
      assert.deepEqual(families, want.explained, "what is explained, by family");
      assert.deepEqual(
        found.spaces.map((s) => s.acts.map(formatAddress).sort().join(" ")).sort(),
        want.spaces.map((s) => [...s].sort().join(" ")).sort(),
        "the spaces",
      );
      assert.deepEqual(found.swaps, want.swaps, "the swaps");
      const { total } = found.continuous;
      if (truth) assert.equal(found.parameters, truth.parameters, "the trained parameters");
      const dimension =
        truth?.dimension ?? measureDimension((found.apart ?? found).normal, { explained: total, seed: 5 }).dimension;
      assert.ok(total <= dimension, `explained ${total} of ${dimension}: something is claimed that is not there`);
      if (want.missing === undefined) assert.equal(total, dimension, "explained against measured");
      else assert.ok(total < dimension, `all is explained: expected.json need not say "${want.missing}" any more`);
    });
  }
}
