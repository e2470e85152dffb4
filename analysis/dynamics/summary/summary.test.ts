/** @file The summary of real short runs: every number is there with its error, settings are paired by replica. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runSettings, TestModel } from "../testing/trainer";
import { summarise } from "./summary";

const model = new TestModel({ sizes: [4, 10, 1], activation: "Relu", batch: 16 });
const teacher = new TestModel({ sizes: [4, 3, 1], activation: "Tanh", batch: 16 });
const truth = new Map([...teacher.initial(1)].map(([k, w]) => [k, w.map((x) => 3 * x)]));

describe("summary of a probe", () => {
  const settings = [
    { name: "plain", training: runSettings({ learningRate: 0.2 }) },
    { name: "decay", training: runSettings({ learningRate: 0.2, weightDecay: 0.15 }) },
  ];
  const runs = settings.flatMap(({ name, training }) =>
    [1, 2, 3].map((seed) => ({
      ...model.train({ settings: training, steps: 300, seed, target: (x) => teacher.forward(truth, x), recordings: 6 }),
      setting: name,
    })),
  );
  const found = summarise(model.analysis, settings, runs);

  it("has every symmetry with its degree, verdict, charges and units", () => {
    const plain = found.settings[0]!;
    assert.equal(plain.symmetries.length, model.analysis.symmetries.length);
    const rescaling = plain.symmetries.find((s) => s.symmetry.kind === "rescaling" && s.degree)!;
    assert.ok(rescaling.charges!.residual!.value < 1e-12 && rescaling.charges!.identity.value < 1e-8);
    assert.equal(rescaling.verdict!.kind, "breaks");
    const permutation = plain.symmetries.find((s) => s.symmetry.kind === "permutation")!;
    assert.equal(permutation.units!.units, 10);
    assert.equal(permutation.course!.at.length, permutation.course!.values.length);
    assert.ok(plain.degree.value > 0.5 && plain.degree.value < 1 && plain.degree.error > 0 && plain.degree.replicas === 3);
    assert.equal(plain.loss.at.length, 100);
    assert.ok(plain.finalLoss.value < plain.loss.values[0]!.value);
    assert.ok(plain.alignment!.ratio.value > 0 && plain.alignment!.ratio.value < 1);
    assert.ok(plain.replicaDistance.mean.error > 0);
  });

  it("compares settings over pairs of replicas", () => {
    const [difference] = found.comparisons;
    assert.deepEqual([difference!.setting, difference!.against], ["decay", "plain"]);
    assert.ok(difference!.degree.value < -2 * difference!.degree.error, "decay restores symmetry");
    assert.ok(difference!.loss.value > 0);
    assert.ok(difference!.deadUnits.value + (difference!.distinctUnits.value < 0 ? 1 : 0) > 0);
    const decayed = found.settings[1]!;
    assert.ok(decayed.symmetries.some((s) => s.verdict?.kind === "collapses" && s.verdict.driver === "weight decay"));
  });

  it("predicts charges from the start alone, with decay and without", () => {
    for (const { setting, symmetries } of found.settings) {
      const { charges } = symmetries.find((s) => s.symmetry.kind === "rescaling" && s.degree)!;
      const [measured, predicted] = [charges!.size, charges!.predicted!];
      assert.deepEqual(predicted.at, measured.at);
      assert.equal(predicted.values[0]!.value, measured.values[0]!.value);
      const [start, end, law] = [measured.values[0]!, measured.values.at(-1)!, predicted.values.at(-1)!].map((v) => v.value);
      // Gradients are known at six of 300 steps only.
      assert.ok(Math.abs(law! - end!) < 0.1 * start!, `${setting}: ${law} for ${end}`);
      if (setting === "decay") assert.ok(end! < 0.2 * start!);
    }
  });

  it("says what diverged", () => {
    const broken = runs.map((r) => (r.setting === "plain" && r.replica === 2 ? { ...r, divergedAt: 150 } : r));
    const again = summarise(model.analysis, settings, broken);
    assert.equal(again.settings[0]!.diverged, 1);
    assert.match(again.notes.join(), /1 of 3 replicas of plain diverged/);
  });
});
