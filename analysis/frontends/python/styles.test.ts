/** @file Whole files in the manners people write models: model hubs, image model collections, Lightning, one-file GPTs. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { analyse } from "../../symmetry/analyse";
import { measureDimension } from "../../symmetry/counting/jacobian";
import { prepare, project } from "./testing/project.fixture";

before(prepare);

for (const [path, names] of [
  ["huggingface.py", ["FinchNorm", "FinchRotary", "FinchAttention", "FinchMLP", "FinchLayer", "FinchModel", "FinchForCausalLM"]],
  ["vision.py", ["SqueezeGate", "MixerBlock", "Mixer", "WindowAttention", "Windows"]],
  ["lightning.py", ["Autoencoder"]],
  [
    "geometric.py",
    [
      "Gin",
      "Gat2",
      "Trans",
      "TransBeta",
      "Cheb",
      "Gated",
      "Edge",
      "DynamicOr",
      "Sgc",
      "Seq",
      "Prop",
      "Nn",
      "OwnConv",
      "Own",
      "Gcn",
      "Gat",
      "Sage",
    ],
  ],
] as const) {
  test(`${path}: every module is understood`, () => {
    const file = project().analyse(`testFixtures/python/styles/${path}`);
    assert.deepEqual(
      file.models.map((m) => m.name),
      names,
    );
    for (const m of file.models) {
      assert.deepEqual(
        m.opaque.map((o) => `${o.operator}: ${o.reason}`),
        [],
        m.name,
      );
      assert.ok(m.graph.outputs.length > 0, m.name);
    }
    assert.deepEqual(file.problems, []);
  });
}

test("a tied output head is one parameter, and grouped key-value heads keep their own width", () => {
  const { graph } = project().analyseNamed("testFixtures/python/styles/huggingface.py", "FinchForCausalLM");
  assert.ok(graph.parameters.has("model.embed_tokens.weight"));
  assert.ok(!graph.parameters.has("lm_head.weight"));
  assert.deepEqual(graph.parameters.get("model.layers.1.self_attn.k_proj.weight")?.shape, [16, 48]);
  assert.equal(graph.parameters.get("model.layers.1.self_attn.k_proj.weight")?.initialisation?.std, 0.02);
});

test("a factory that a registry builds can be named", () => {
  const m = project().analyseNamed("testFixtures/python/styles/vision.py", "mixer_tiny");
  assert.deepEqual(m.opaque, []);
  assert.ok(!m.graph.parameters.has("stages.0.2.token.weight"));
  assert.ok(m.graph.parameters.has("stages.1.1.se.reduce.weight"));
});

test("facts of a Lightning module: groups, decay, schedule, loss", () => {
  const { facts } = project().analyse("testFixtures/python/styles/lightning.py");
  const [optimiser] = facts.optimisers;
  assert.equal(optimiser?.kind, "AdamW");
  assert.equal(optimiser?.model, "Autoencoder");
  assert.equal(optimiser?.wholeModel, true);
  assert.deepEqual(
    optimiser?.groups.map((g) => [g.learningRate, g.weightDecay, g.parameters?.every((p) => p.endsWith("bias"))]),
    [
      [0.002, 0.02, false],
      [0.002, 0, true],
    ],
  );
  assert.deepEqual(
    facts.schedules.map((s) => s.kind),
    ["OneCycleLR"],
  );
  assert.deepEqual(
    facts.losses.map((s) => s.kind),
    ["mse_loss"],
  );
  assert.equal(facts.trains, true);
});

test("the GPT fixture: tied embedding, fused attention, both attention paths, initialisation", () => {
  const p = project();
  const file = p.analyse("testFixtures/python/gpt/model.py");
  assert.deepEqual(
    file.models.map((m) => m.name),
    ["LayerNorm", "CausalSelfAttention", "MLP", "Block", "GPT"],
  );
  for (const m of file.models) assert.deepEqual(m.opaque, [], m.name);
  const { graph } = file.models.at(-1)!;
  assert.ok(graph.parameters.has("transformer.wte.weight"));
  assert.ok(!graph.parameters.has("lm_head.weight"));
  assert.equal(graph.parameters.get("transformer.h.0.attn.c_attn.weight")?.initialisation?.std, 0.02);
  assert.equal(graph.parameters.get("transformer.h.1.mlp.c_proj.weight")?.initialisation?.std, 0.02 / Math.sqrt(4));
  assert.equal(graph.parameters.get("transformer.h.0.attn.c_attn.bias")?.initialisation?.constant, 0);
});

test("the GPT fixture: facts come from the training script beside the model", () => {
  const files = ["testFixtures/python/gpt/model.py", "testFixtures/python/gpt/train.py"];
  const p = project({}, {}, files);
  const facts = p.trainingFacts(files[0]!);
  assert.deepEqual(
    facts.map((f) => f.path),
    files,
  );
  const found = facts[1]!.facts;
  const [optimiser] = found.optimisers;
  assert.equal(optimiser?.kind, "AdamW");
  assert.equal(optimiser?.range.file, files[0]);
  assert.equal(optimiser?.model, "GPT");
  assert.equal(optimiser?.wholeModel, true);
  assert.deepEqual(
    optimiser?.groups.map((g) => [g.weightDecay, g.learningRate]),
    [
      [0.1, 1e-3],
      [0, 1e-3],
    ],
  );
  assert.ok(optimiser?.groups[0]?.parameters?.includes("transformer.wte.weight"));
  assert.ok(optimiser?.groups[1]?.parameters?.every((n) => /ln_/.test(n)));
  assert.deepEqual(optimiser?.betas?.value, [0.9, 0.99]);
  assert.equal(optimiser?.weightDecay, undefined);
  assert.equal(found.batchSize?.value, 12);
  assert.equal(found.accumulation?.value, 4);
  assert.equal(found.gradientClipping?.value, 1);
  assert.deepEqual(
    found.schedules.map((s) => s.kind),
    ["by hand"],
  );
  assert.deepEqual(
    found.losses.map((s) => s.kind),
    ["cross_entropy"],
  );
  assert.equal(found.trains, true);
});

// What each has measured: parameters less the rank of the Jacobian, over graphs with random edges.
for (const [name, total] of Object.entries({
  Gin: 8,
  Gat2: 6,
  Trans: 32,
  TransBeta: 12,
  Edge: 4,
  Nn: 6,
  Own: 13,
  Gcn: 8,
  Gat: 12,
  Sage: 8,
})) {
  test(`a graph network's symmetries are found through its edges: ${name}`, () => {
    const { graph } = project().analyseNamed("testFixtures/python/styles/geometric.py", name);
    const { continuous, measurable, normal } = analyse(graph);
    assert.equal(continuous.total, total);
    assert.equal(measureDimension(measurable ?? normal, { draws: 3 }).dimension, total);
  });
}
