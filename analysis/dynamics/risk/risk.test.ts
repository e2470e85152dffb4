/** @file Risks from settings: levels on known recipes, honesty about what is assumed, levers that lower the level. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decayLevers, roundedDown } from "./levers";
import { collapseRisk, short } from "./risk";
import { settingsFor, type TrainingFactsLike, type TrainingSettings } from "./settings";

const sgd: TrainingSettings = {
  optimiser: "SGD",
  adaptive: false,
  decayForm: "coupled",
  learningRate: 0.1,
  weightDecay: 0.05,
  momentum: 0,
  batchSize: 128,
  steps: 10000,
  assumed: [],
};
const adamW: TrainingSettings = {
  ...sgd,
  optimiser: "AdamW",
  adaptive: true,
  decayForm: "decoupled",
  learningRate: 1e-3,
  weightDecay: 0.1,
  momentum: 0.9,
};

describe("collapse risk", () => {
  it("names what would happen by the kind of the symmetry", () => {
    const what = (kind: Parameters<typeof collapseRisk>[0]["kind"]) => collapseRisk({ kind }, sgd).what;
    assert.deepEqual(
      (["permutation", "swap", "rescaling", "sign", "linear", "rotation", "scale", "translation", "unread"] as const).map(what),
      ["identical units", "identical units", "sparsity", "sparsity", "low rank", "low rank", "scale drift", "none", "none"],
    );
  });

  it("is quiet on common recipes", () => {
    const resnet = { ...sgd, momentum: 0.9, weightDecay: 5e-4, steps: 78000 };
    for (const settings of [resnet, adamW, { ...sgd, weightDecay: 0 }]) {
      for (const kind of ["permutation", "rescaling", "linear", "scale", "translation"] as const) {
        assert.equal(collapseRisk({ kind }, settings).level, "low", `${kind} with ${settings.optimiser}`);
      }
    }
  });

  it("is high where decay exceeds what holds strong directions, and its best lever lowers it", () => {
    const risk = collapseRisk({ kind: "rescaling" }, sgd);
    assert.equal(risk.level, "high");
    assert.equal(risk.bestLever?.kind, "weight decay");
    assert.equal(collapseRisk({ kind: "rescaling" }, { ...sgd, weightDecay: risk.bestLever.value! }).level, "low");
    assert.match(
      risk.sentence,
      /^Weight decay 0\.05: units whose gradient per weight stays below 0\.05 shrink .* expect sparsity\.$/,
    );
    assert.ok(
      risk.assumed.some((a) => a.includes("0.005")),
      "what is not known is said",
    );
  });

  it("noise of small batches raises it to medium, and larger batches lower it", () => {
    const noisy = { ...sgd, weightDecay: 1e-4, momentum: 0.9, batchSize: 4 };
    const risk = collapseRisk({ kind: "permutation" }, noisy);
    assert.equal(risk.level, "medium");
    assert.equal(risk.formulaName, "noiseThreshold");
    assert.equal(risk.bestLever?.kind, "batch size");
    assert.equal(collapseRisk({ kind: "permutation" }, { ...noisy, batchSize: risk.bestLever.value! + 1 }).level, "low");
    const lower = risk.levers.find((l) => l.kind === "learning rate")!;
    assert.equal(collapseRisk({ kind: "permutation" }, { ...noisy, learningRate: lower.value! }).level, "low");
  });

  it("is low where training ends before anything can shrink", () => {
    const risk = collapseRisk({ kind: "linear" }, { ...sgd, learningRate: 1e-3, steps: 1000 });
    assert.equal(risk.level, "low");
    assert.match(risk.sentence, /training has 1000/);
  });

  it("trusts a measured curvature more than typical values", () => {
    const held = collapseRisk({ kind: "rescaling" }, { ...sgd, weightDecay: 0.05 }, { curvature: -0.8, variance: 0.1 });
    assert.deepEqual([held.level, held.basis], ["low", "measured"]);
    const near = collapseRisk({ kind: "rescaling" }, { ...sgd, weightDecay: 0.05 }, { curvature: -0.06, variance: 0.1 });
    assert.equal(near.level, "medium");
    const falling = collapseRisk({ kind: "rescaling" }, { ...sgd, weightDecay: 0.05 }, { curvature: -0.03, variance: 0.1 });
    assert.equal(falling.level, "high");
    assert.ok(falling.levers.length > 0);
  });

  it("judges decoupled decay by Adam's normalised updates", () => {
    const risk = collapseRisk({ kind: "linear" }, { ...adamW, weightDecay: 2 });
    assert.deepEqual([risk.level, risk.formulaName], ["high", "adamThreshold"]);
    assert.equal(risk.formula.standing, "heuristic");
  });

  it("scale-invariant weights turn too fast at large eta lambda, and never count as collapsing", () => {
    const risk = collapseRisk({ kind: "scale" }, { ...sgd, weightDecay: 0.1 });
    assert.equal(risk.level, "high");
    assert.match(risk.sentence, /do not collapse/);
    assert.equal(collapseRisk({ kind: "scale" }, { ...sgd, weightDecay: risk.bestLever!.value! }).level, "low");
    assert.equal(collapseRisk({ kind: "scale" }, { ...sgd, weightDecay: 0 }).formulaName, "undecayedNorm");
  });
});

describe("training settings of a symmetry", () => {
  const optimiser = {
    kind: "AdamW",
    learningRate: { value: 3e-4 },
    weightDecay: { value: 0.1 },
    betas: { value: [0.95, 0.99] as const },
    groups: [
      { parameters: ["w1", "w2"], weightDecay: 0.2 },
      { parameters: ["b1", "g"], weightDecay: 0 },
    ],
  };
  const facts: TrainingFactsLike = { optimisers: [optimiser], batchSize: { value: 8 }, accumulation: { value: 4 } };
  const rank = (p: string) => (p.startsWith("w") ? 2 : 1);

  it("come from the group of its parameters; biases beside two matrices do not count", () => {
    const s = settingsFor(["w1", "b1", "w2"], facts, rank);
    assert.deepEqual(
      [s.learningRate, s.weightDecay, s.momentum, s.batchSize, s.decayForm, s.adaptive],
      [3e-4, 0.2, 0.95, 32, "decoupled", true],
    );
    assert.deepEqual(s.assumed, ["10000 steps"]);
  });

  it("an undecayed factor keeps a product alive", () => {
    const s = settingsFor(["g", "w2"], facts, rank);
    assert.equal(s.weightDecay, 0);
    assert.ok(s.assumed.some((a) => a.includes("smallest")));
  });

  it("picks the optimiser that moves the parameters", () => {
    const other = { kind: "SGD", learningRate: { value: 1 }, groups: [{ parameters: ["head"] }] };
    assert.equal(settingsFor(["head"], { optimisers: [optimiser, other] }).optimiser, "SGD");
  });

  it("says what it assumed when the code tells nothing", () => {
    const s = settingsFor(["w"], { optimisers: [] });
    assert.equal(s.weightDecay, 0);
    assert.equal(s.assumed.length, 4);
  });
});

describe("numbers in words", () => {
  it("round down to two digits, and print short", () => {
    assert.deepEqual([0.0129, 0.012, 371, 0].map(roundedDown), [0.012, 0.012, 370, 0]);
    assert.deepEqual([0.05, 1234, 2e-5, 1e7, 0, Infinity].map(short), ["0.05", "1234", "2e-5", "1e+7", "0", "infinitely many"]);
    assert.deepEqual(
      decayLevers({ ...sgd, weightDecay: 0.006 }, 0.005, 0.0055).map((l) => l.kind),
      ["weight decay", "batch size", "break symmetry"],
    );
  });
});
