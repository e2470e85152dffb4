/** @file Verdicts on short real trainings whose outcome is known, and on courses made for the purpose. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Symmetry } from "../../symmetry/symmetry";
import { Balancer } from "../gauge/balance";
import { MirrorChains } from "../measures/breaking";
import type { RunSettings } from "../measures/settings";
import { runSettings, TestModel } from "../testing/trainer";
import { type SymmetryCourse, symmetryCourses } from "./course";
import { verdictOf, withError } from "./verdict";

const model = new TestModel({ sizes: [4, 10, 1], activation: "Tanh", batch: 32 });
const teacher = new TestModel({ sizes: [4, 3, 1], activation: "Tanh", batch: 32 });
const truth = new Map([...teacher.initial(1)].map(([k, w]) => [k, w.map((x) => 3 * x)]));

function judge(kind: Symmetry["kind"], options: Partial<RunSettings>, steps: number, constant?: number) {
  const settings = runSettings({ learningRate: 0.2, ...options });
  const chains = model.analysis.symmetries
    .filter((s) => s.kind === kind)
    .map((s) => new MirrorChains(s, model.analysis.symmetries));
  const balancer = new Balancer(model.analysis.symmetries);
  const chain = chains.find((c) => c.mirrors > 1)!;
  const courses = [1, 2, 3].map((seed) => {
    const initial = model.initial(seed);
    if (constant !== undefined) for (const w of initial.values()) w.fill(constant);
    const run = model.train({ settings, steps, seed, target: (x) => teacher.forward(truth, x), initial, recordings: 11 });
    return symmetryCourses([chain], balancer, run, settings)[0]!;
  });
  return verdictOf(courses, settings);
}

describe("verdicts", () => {
  it("random weights break a permutation and stay broken", () => {
    const v = judge("permutation", {}, 200);
    assert.deepEqual([v.kind, v.driver], ["breaks", "initialisation"]);
    assert.equal(v.mirrors, 9);
    assert.ok(v.end.value > 0.9 && v.end.replicas === 3);
  });

  it("constant weights stay symmetric for ever", () => {
    const v = judge("permutation", {}, 100, 0.1);
    assert.deepEqual([v.kind, v.driver], ["stays symmetric", "initialisation"]);
    assert.equal(v.end.value, 0);
    assert.equal(Math.round(v.restored), 9);
  });

  it("strong decay makes units equal, at a step, and is named as what drives it", () => {
    const v = judge("permutation", { weightDecay: 0.1 }, 500);
    assert.deepEqual([v.kind, v.driver], ["collapses", "weight decay"]);
    assert.ok(v.step!.value > 20 && v.step!.value < 500, `step ${v.step!.value}`);
    assert.ok(v.restored > 2);
    assert.match(v.evidence.join("; "), /decay pulls more/);
  });
});

describe("verdicts on given courses", () => {
  const symmetry = model.analysis.symmetries[0]!;
  const course = (degrees: readonly number[], budget?: SymmetryCourse["budget"]): SymmetryCourse => ({
    symmetry,
    mirrors: 100,
    at: degrees.map((_, i) => 10 * i),
    degrees: Float64Array.from(degrees),
    broken: Float64Array.from(degrees),
    orders: Float64Array.from(degrees),
    weakest: Float64Array.from(degrees, (d) => d / 10),
    ...(budget ? { budget } : {}),
  });

  it("the step of a collapse is where half of it has happened for good", () => {
    const v = verdictOf([course([1, 0.9, 1, 0.5, 0.2])], runSettings());
    assert.equal(v.kind, "collapses");
    assert.ok(Math.abs(v.step!.value - 28) < 1e-9);
  });

  it("a fall within its error is no collapse", () => {
    const v = verdictOf([course([1, 1, 0.7]), course([1, 1, 1]), course([1, 1, 1])], runSettings());
    assert.equal(v.kind, "breaks");
  });

  it("names the gradient or large steps where decay does not pull", () => {
    const fall = [1, 0.8, 0.1];
    const by = (decay: number, gradient: number, steps: number) =>
      verdictOf([course(fall, { decay, gradient, steps })], runSettings()).driver;
    assert.equal(by(0, -0.01, 1e-5), "architecture and data");
    assert.equal(by(0, -0.01, 0.02), "learning rate");
    assert.equal(by(-0.01, 0.002, 1e-3), "weight decay");
  });

  it("tells where an unfinished shrinking is heading", () => {
    const shrinking = { ...course([1, 1, 1, 1, 1]), weakest: Float64Array.of(1, 0.5, 0.25, 0.125, 0.0625) };
    const v = verdictOf([shrinking], runSettings());
    // log2(0.0625 / 0.001) halvings of 10 steps each after step 40.
    assert.ok(Math.abs(v.heading! - (40 + 10 * Math.log2(62.5))) < 1e-6);
    assert.equal(verdictOf([course([1, 1, 1, 1])], runSettings()).heading, undefined);
  });

  it("never shows a degree without its error or the lack of it", () => {
    assert.equal(withError({ value: 0.5, error: 0.02, replicas: 4 }), "0.50 +- 0.02");
    assert.match(withError({ value: 0.5, error: Number.NaN, replicas: 1 }), /one replica/);
    assert.throws(() => verdictOf([], runSettings()), RangeError);
  });
});
