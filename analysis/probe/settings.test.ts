/** @file Training facts as a probe's settings: what the code says is the default, and what is changed is really changed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NO_FACTS, type OptimiserFact, type TrainingFacts } from "../frontends/python/facts/facts";
import { settingsFromFacts } from "./settings";

const range = { file: "a.py", start: { line: 0, column: 0 }, end: { line: 0, column: 1 } };
const fact = <T>(value: T) => ({ value, range, source: String(value), certainty: "literal" as const });

const optimiser: OptimiserFact = {
  kind: "AdamW",
  range,
  source: "AdamW(...)",
  model: "Net",
  wholeModel: true,
  learningRate: fact(3e-4),
  weightDecay: fact(0.1),
  groups: [
    { parameters: ["fc.weight"], learningRate: 3e-4, weightDecay: 0.1 },
    { parameters: ["fc.bias"], learningRate: 3e-4, weightDecay: 0 },
  ],
};
const facts: TrainingFacts = { ...NO_FACTS, optimisers: [optimiser], batchSize: fact(1024) };

describe("settings from training facts", () => {
  it("groups keep only what differs from the optimiser's own options", () => {
    const { training, notes } = settingsFromFacts(facts, "Net");
    assert.deepEqual([training.optimiser, training.learningRate, training.weightDecay], ["adamw", 3e-4, 0.1]);
    assert.deepEqual(training.groups, [{ parameters: ["fc.bias"], weightDecay: 0 }]);
    assert.equal(training.batchSize, 256);
    assert.match(notes.join(), /batches of 256 stand for those of 1024/);
  });

  it("an optimiser that a probe does not know is trained as Adam, and said so", () => {
    const { training, notes } = settingsFromFacts({ ...NO_FACTS, optimisers: [{ ...optimiser, kind: "Lion", groups: [] }] });
    assert.equal(training.optimiser, "adam");
    assert.match(notes.join(), /Lion is trained as Adam/);
  });
});
