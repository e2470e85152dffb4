/** @file Matrix groups: their roles from the action alone, spectra that no element changes, gauges, alignment, low rank in training. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { readOnnx } from "../../frontends/onnx";
import { elementCount } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { analyse } from "../../symmetry/analyse";
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import { align } from "./align";
import { balanceFrame, invariantSpectrum, matrixFrames, frameSides } from "./matrix-groups";

const ZOO = path.join(__dirname, "..", "..", "..", "testFixtures", "zoo");
const truth = JSON.parse(readFileSync(path.join(ZOO, "truth.json"), "utf8")) as Record<string, { readonly onnx: string }>;

function load(name: string, seed = 1) {
  const found = analyse(readOnnx({ path: path.join(ZOO, truth[name]!.onnx) }).graph);
  const random = new Random(seed);
  const weights: ParameterValues = new Map(
    [...found.normal.parameters.values()].map((p) => [p.name, random.normals(elementCount(p.shape))]),
  );
  const groups = found.symmetries.filter((s) => s.kind === "linear" || s.kind === "rotation");
  return { found, weights, groups, frames: groups.flatMap((g) => matrixFrames(g, found.symmetries, weights)) };
}

const after = (weights: ParameterValues, s: Symmetry, random: Random): ParameterValues =>
  new Map([
    ...weights,
    ...s.act(
      weights,
      s.randomElement(() => random.uniform()),
    ),
  ]);

describe("matrix groups", () => {
  for (const [name, frames] of [
    ["LinearBottleneck", 1],
    ["SelfAttention", 4],
  ] as const) {
    it(`${name}: both sides are found, and the spectrum is the same after any element`, () => {
      const { weights, frames: found } = load(name);
      assert.equal(found.length, frames);
      const random = new Random(5);
      for (const f of found) {
        assert.ok(f.covariant.length > 0 && f.contravariant.length > 0);
        assert.equal(f.basis.rows, f.set.size);
        const [a, b] = [invariantSpectrum(f, weights), invariantSpectrum(f, after(weights, f.symmetry, random))];
        a.forEach((s, i) => assert.ok(Math.abs(s - b[i]!) < 1e-8 * a[0]!, `${s} ${b[i]}`));
      }
    });
  }

  it("the balanced gauge makes both sides equal and keeps the spectrum", () => {
    const { weights, frames } = load("LinearBottleneck");
    const balanced = new Map([...weights].map(([k, v]) => [k, v.slice()]));
    const [f] = frames;
    balanceFrame(f!, balanced);
    const { covariant, contravariant } = frameSides(f!, balanced);
    const gram = (z: typeof covariant) => z.multiply(z.transpose()).data;
    gram(covariant).forEach((x, i) => assert.ok(Math.abs(x - gram(contravariant!)[i]!) < 1e-9));
    const [a, b] = [invariantSpectrum(f!, weights), invariantSpectrum(f!, balanced)];
    a.forEach((s, i) => assert.ok(Math.abs(s - b[i]!) < 1e-9));
  });

  it("alignment undoes elements of matrix groups", () => {
    for (const name of ["LinearBottleneck", "SelfAttention"]) {
      const { found, weights, groups } = load(name);
      const random = new Random(6);
      let moved = weights;
      for (const g of groups) moved = after(moved, g, random);
      const result = align(weights, moved, found.symmetries);
      assert.ok(result.raw > 1e-3, `${name} moved`);
      assert.ok(result.remaining < 1e-6 * result.raw + 1e-12, `${name}: ${result.remaining} of ${result.raw} remain`);
    }
  });

  it("a group that moves no units as a whole has no frame", () => {
    assert.deepEqual(load("MlpRelu").frames, []);
    assert.deepEqual(
      load("RotaryAttention").frames.filter((f) => f.set.size === 2 && f.basis.rows > 2),
      [],
    );
  });
});
