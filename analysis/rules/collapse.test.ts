import assert from "node:assert/strict";
import { test } from "node:test";
import { collapseExponent } from "../dynamics/closed-forms/thresholds";
import { valuesBelow } from "./collapse";

/** Curvatures of mini-batches with a mean and a variance. */
const batches = (mean: number, variance: number): number[] => [mean - Math.sqrt(variance), mean + Math.sqrt(variance)];
const sgd = (learningRate: number, weightDecay: number, momentum = 0) =>
  ({ optimiser: "sgd", learningRate, weightDecay, momentum }) as const;

test("where decay makes a mirror attract, less decay is asked for, and then it repels", () => {
  const [curvature, curvatureVariance] = [-0.01, 1e-4];
  const now = sgd(0.1, 0.05);
  assert.ok(collapseExponent(0.1, batches(curvature, curvatureVariance), now.weightDecay) < 0);
  const values = valuesBelow({ curvature, curvatureVariance }, now);
  assert.equal(values?.weightDecay, 0.0049);
  assert.equal(values?.learningRate, undefined, "no rate is low enough");
  assert.ok(collapseExponent(0.1, batches(curvature, curvatureVariance), values.weightDecay!) > 0);
});

test("where noise makes a mirror attract, a lower rate is asked for, and then it repels", () => {
  const [curvature, curvatureVariance] = [-0.1, 4];
  const now = sgd(0.2, 1e-3);
  assert.ok(collapseExponent(0.2, batches(curvature, curvatureVariance), now.weightDecay) < 0);
  const values = valuesBelow({ curvature, curvatureVariance }, now);
  assert.equal(values?.weightDecay, undefined, "no decay is low enough");
  assert.ok(collapseExponent(values!.learningRate!, batches(curvature, curvatureVariance), now.weightDecay) > 0);
  const withMomentum = valuesBelow({ curvature, curvatureVariance }, sgd(0.2, 1e-3, 0.9));
  assert.ok(Math.abs(withMomentum!.learningRate! / values!.learningRate! - 0.1) < 0.01, "ten times the effective rate");
});

test("nothing is asked for where the mirror repels, attracts by itself, or the thresholds do not hold", () => {
  assert.equal(valuesBelow({ curvature: -1, curvatureVariance: 1e-4 }, sgd(0.1, 0.05)), undefined);
  assert.equal(valuesBelow({ curvature: 0.2, curvatureVariance: 1e-4 }, sgd(0.1, 0.05)), undefined);
  assert.equal(valuesBelow({ curvature: -0.01, curvatureVariance: 1e-4 }, { ...sgd(0.1, 0.05), optimiser: "adam" }), undefined);
  assert.equal(valuesBelow(undefined, sgd(0.1, 0.05)), undefined);
});
