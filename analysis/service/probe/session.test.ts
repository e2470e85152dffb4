/** @file Sessions on the zoo's exported models: what is told on the way, what is recorded, what is compared. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Prober } from "../../probe/probe";
import type { ProbeEvent } from "../../probe/record/events";
import { RunCancelled } from "../../runtime";
import { loadFile } from "../models";
import { runProbe } from "./session";
import { ComparisonError } from "./settings";

const prober = new Prober();
after(() => prober.dispose());

const load = async (name: string) => {
  const { models } = await loadFile(`testFixtures/zoo/onnx/${name}.onnx`);
  return models[0]!;
};
const training = { weightDecay: 0.01, learningRate: 0.1, batchSize: 16 };

describe("a session", async () => {
  const model = await load("MlpRelu");

  it("tells plan, device, points and live measures, and records what JSON keeps", async () => {
    const events: ProbeEvent[] = [];
    const record = await runProbe(
      { model },
      { steps: 40, replicas: 2, training, compare: ["syre", "no-decay"] },
      { prober, onEvent: (e) => events.push(e) },
    );
    const kinds = events.map((e) => e.kind);
    assert.equal(kinds[0], "started");
    assert.ok(kinds.indexOf("device") < kinds.indexOf("points"));
    assert.equal(kinds.at(-1), "phase");
    const started = events[0] as Extract<ProbeEvent, { kind: "started" }>;
    assert.deepEqual(started.settings, ["as it is", "syre", "no decay"]);
    const live = events.filter((e) => e.kind === "measures");
    // The first and the last state of every run are always measured.
    for (const setting of started.settings) {
      for (const replica of [0, 1]) {
        const own = live.filter((e) => e.setting === setting && e.replica === replica);
        assert.deepEqual([own[0]?.step, own.at(-1)?.step], [0, 40]);
      }
    }
    const first = live[0]!;
    assert.ok(first.degree !== null && first.degree > 0.5 && first.loss !== null);
    const rescaling = first.symmetries.find((s) => s.kind === "rescaling")!;
    assert.ok(rescaling.imbalance! > 0 && rescaling.weakest! > 0);
    assert.equal(first.symmetries.find((s) => s.kind === "permutation")!.units, 8);
    assert.deepEqual(JSON.parse(JSON.stringify(record)), record);
    assert.deepEqual(
      record.settings.map((s) => s.name),
      started.settings,
    );
    assert.equal(record.comparisons.length, 2);
    const permutation = record.settings[0]!.symmetries.find((s) => s.symmetry.kind === "permutation")!;
    assert.equal(permutation.symmetry.writer, "fc1.weight");
    const { units, end } = permutation.similarity!;
    assert.equal(end.length, units.length ** 2);
    units.forEach((_, i) => {
      assert.equal(end[i * units.length + i], 1);
    });
    assert.equal(record.settings[0]!.runs.length, 2);
    assert.equal(record.settings[0]!.training.clipNorm, null);
  });

  it("compares a changed model, with paired initial weights", async () => {
    const graph = { ...model.graph };
    const record = await runProbe(
      { model },
      { steps: 20, replicas: 2, training, compare: [{ name: "the same", graph }] },
      { prober },
    );
    const [comparison] = record.comparisons;
    // The same network from the same weights on the same data: no difference, with an error of zero.
    assert.equal(comparison!.loss.value, 0);
    assert.equal(comparison!.degree.value, 0);
  });

  it("draws anchors for the twin where a twin is trained", async () => {
    const record = await runProbe(
      { model },
      { steps: 20, replicas: 2, training, compare: ["advanced-syre"], budget: { twin: true } },
      { prober },
    );
    assert.match(record.twin!.reason, /twin was asked for/);
    assert.ok(record.comparisons[0]!.degree.value !== null);
  });

  it("refuses comparisons that say nothing, and ends at once when asked to", async () => {
    await assert.rejects(runProbe({ model }, { compare: ["syre"] }, { prober }), (e) => {
      assert.ok(e instanceof ComparisonError);
      return /needs weight decay/.test(e.message);
    });
    const abort = new AbortController();
    const own = new Prober();
    const run = runProbe(
      { model },
      { steps: 1_000_000, training },
      { prober: own, signal: abort.signal, onEvent: (e) => e.kind === "points" && abort.abort() },
    );
    await assert.rejects(run, RunCancelled);
    own.dispose();
  });
});

it("records spectra of matrix groups", async () => {
  const model = await load("LinearBottleneck");
  const record = await runProbe({ model }, { steps: 30, replicas: 2, training }, { prober });
  const linear = record.settings[0]!.symmetries.find((s) => s.ranks)!;
  const { ranks } = linear;
  assert.equal(ranks!.spectrum.end.length, ranks!.full);
  assert.equal(ranks!.course.values.length, ranks!.course.at.length);
  assert.ok(ranks!.spectrum.end[0]!.value! >= ranks!.spectrum.end.at(-1)!.value!);
});

it("charges of every kind of group obey their identities, and SGD moves them as predicted", async () => {
  const seen = new Map<string, number>();
  for (const name of ["LinearBottleneck", "SelfAttention", "RmsNormStream", "SoftmaxClassifier"]) {
    const model = await load(name);
    const record = await runProbe(
      { model },
      { steps: 20, replicas: 1, training: { ...training, learningRate: 0.02 } },
      { prober },
    );
    for (const { symmetry, charges } of record.settings[0]!.symmetries) {
      if (!charges) continue;
      const where = `${name} ${symmetry.kind} ${symmetry.group}`;
      // Softmax shifts are symmetries of the loss of a classifier, not of its logits.
      assert.ok(charges.identity.value! < 2e-4, `${where}: identity ${charges.identity.value}`);
      if (charges.residual) assert.ok(charges.residual.value! < 1e-5, `${where}: residual ${charges.residual.value}`);
      seen.set(symmetry.kind, (seen.get(symmetry.kind) ?? 0) + (charges.residual ? 1 : 0));
    }
  }
  for (const kind of ["linear", "translation", "scale"]) assert.ok(seen.get(kind)! > 0, `${kind}: ${[...seen].join()}`);
  assert.ok(seen.has("rotation"));
});
