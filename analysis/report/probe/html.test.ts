/** @file The page of a probe: self-contained, complete, honest about errors. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { summarise } from "../../dynamics/summary/summary";
import { runSettings, TestModel } from "../../dynamics/testing/trainer";
import { makeRecord } from "../../probe/record/make";
import type { TrainingSettings } from "../../probe/types";
import { probeHtml } from "./html";

const model = new TestModel({ sizes: [4, 8, 1], activation: "Relu", batch: 8 });
const target = () => ({ type: "float64" as const, shape: [8, 1], data: new Float64Array(8).fill(0.3) });

function page(replicas: number) {
  const settings = [0, 0.3].map((weightDecay) => ({
    name: `decay <${weightDecay}>`,
    training: runSettings({ learningRate: 0.2, weightDecay }),
  }));
  const runs = settings.flatMap(({ name, training }) =>
    Array.from({ length: replicas }, (_, seed) => ({
      ...model.train({ settings: training, steps: 120, seed, target, recordings: 4 }),
      setting: name,
    })),
  );
  const training = (s: (typeof settings)[number]["training"]): TrainingSettings => ({
    ...s,
    dampening: 0,
    nesterov: false,
    epsilon: 1e-8,
    clipNorm: Infinity,
    schedule: { kind: "constant" },
  });
  return probeHtml(
    makeRecord({
      name: "Tiny & small",
      summary: summarise(model.analysis, settings, runs),
      modelOf: () => model.analysis,
      replicas,
      result: {
        parameters: 49,
        loss: "mse",
        settings: settings.map((s) => ({ name: s.name, training: training(s.training) })),
        data: { description: "constant targets", examples: 8 },
        device: {
          device: "cpu",
          trials: [{ provider: "cuda", outcome: "unavailable", reason: "no library" }],
          processes: 1,
          batched: 1,
        },
        runs,
        steps: 120,
        seed: 1,
        notes: ["a <note>"],
        seconds: 0.5,
        cached: false,
      },
    }),
  );
}

describe("the page of a probe", () => {
  const html = page(3);

  it("is one well-formed document without anything from outside", () => {
    assert.match(html, /^<!doctype html>/);
    assert.ok(!/<script|src=|@import|url\(/.test(html));
    // Every opened element is closed, in order.
    const open: string[] = [];
    for (const [, slash, name, , self] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)((?:\s[^<>]*?)?)(\/?)>/g)) {
      if (self === "/" || name === "meta" || name === "br") continue;
      if (slash === "/") assert.equal(open.pop(), name);
      else open.push(name!);
    }
    assert.deepEqual(open, []);
    assert.ok(html.includes("Tiny &amp; small") && html.includes("a &lt;note&gt;") && !html.includes("<note>"));
  });

  it("shows degrees with errors, verdicts with their step, comparisons, devices", () => {
    assert.match(html, /degree of symmetry breaking [\d.]+ &plusmn; /);
    assert.match(html, /class="collapses">collapses at step \d+/);
    assert.match(html, /driven by: weight decay/);
    assert.match(html, /What the settings change/);
    assert.match(html, /cuda: unavailable \(no library\)/);
    assert.ok((html.match(/<svg /g) ?? []).length >= 4);
    assert.ok(!/NaN|undefined|Infinity/.test(html));
  });

  it("says so where there is one replica only", () => {
    const single = page(1);
    assert.match(single, /too few replicas for an error/);
    assert.ok(!/NaN|undefined/.test(single));
  });
});
