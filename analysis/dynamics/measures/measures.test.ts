/** @file Measures on short real trainings in float64, whose symmetries are known, and on weights made for the purpose. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../../numerics/random";
import type { Symmetry } from "../../symmetry/symmetry";
import { align, permute } from "../gauge/align";
import { balance } from "../gauge/balance";
import { pairDistances, unitSets } from "../gauge/units";
import { TestModel, runSettings } from "../testing/trainer";
import { degreesOfBreaking, MirrorChains } from "./breaking";
import { chargeCourse } from "./charges";
import { unitMeasures } from "./units";
import { mirrorOrder, measureCollapse } from "./collapse";

const relu = new TestModel({ sizes: [5, 12, 8, 2], activation: "Relu", batch: 24 });
const tanh = new TestModel({ sizes: [4, 10, 1], activation: "Tanh", batch: 32 });
const teacher = new TestModel({ sizes: [4, 3, 1], activation: "Tanh", batch: 32 });

const of = (model: TestModel, kind: Symmetry["kind"]) => model.analysis.symmetries.filter((s) => s.kind === kind);
const teach = (seed: number) => {
  const weights = new Map([...teacher.initial(seed)].map(([k, w]) => [k, w.map((x) => 3 * x)]));
  return (x: Parameters<TestModel["forward"]>[1]) => teacher.forward(weights, x);
};
const random2 = new Random(9);
const noise = (model: TestModel) => () => ({
  type: "float64" as const,
  shape: [model.mlp.batch, model.mlp.sizes.at(-1)!],
  data: random2.normals(model.mlp.batch * model.mlp.sizes.at(-1)!),
});

describe("charges", () => {
  it("of every rescaling follow the exact law under SGD with decay, and their gradients the identity", () => {
    const settings = runSettings({ weightDecay: 0.03 });
    const run = relu.train({ settings, steps: 60, seed: 1, target: noise(relu), recordings: 7 });
    let seen = 0;
    for (const s of of(relu, "rescaling")) {
      const course = chargeCourse(s, run.recordings, settings)!;
      for (const step of course.slice(0, -1)) {
        assert.ok(step.residual! < 1e-13, `${s.id}: residual ${step.residual}`);
        assert.ok(step.identity! < 1e-8, `${s.id}: identity ${step.identity}`);
        assert.ok(step.drive! < 1e-8, "SGD does not break rescalings kinetically");
        seen++;
      }
    }
    assert.ok(seen >= 12);
  });

  it("tell a wrong claim: the rescalings of ReLU on a network with another nonlinearity", () => {
    const gelu = new TestModel({ sizes: [5, 12, 8, 2], activation: "Gelu", batch: 24 });
    const settings = runSettings();
    const run = gelu.train({ settings, steps: 20, seed: 1, target: noise(gelu), recordings: 5 });
    const wrong = chargeCourse(of(relu, "rescaling").at(-1)!, run.recordings, settings)!;
    assert.ok(wrong[0]!.identity! > 1e-2);
    assert.ok(wrong[0]!.residual! > 1e-6);
  });

  it("Adam and momentum drive them; the drive of SGD is zero", () => {
    for (const settings of [runSettings({ optimiser: "adam", learningRate: 0.01 }), runSettings({ momentum: 0.9 })]) {
      const run = relu.train({ settings, steps: 40, seed: 2, target: noise(relu), recordings: 5 });
      const course = chargeCourse(of(relu, "rescaling").at(-1)!, run.recordings, settings)!;
      assert.ok(course.at(-2)!.drive! > 1e-3, settings.optimiser);
      assert.equal(course.at(-2)!.residual, undefined);
    }
  });
});

describe("the balanced gauge", () => {
  it("keeps the function and does not depend on the scales that it starts from", () => {
    const w = relu.initial(3);
    const random = new Random(4);
    const scaled = new Map(w);
    for (const s of of(relu, "rescaling")) {
      const logs = random.normals(64);
      const moved = new Map([...scaled].map(([k, v]) => [k, v.slice()]));
      for (const { parameter, flat, index, coefficient } of s.diagonal!()) {
        flat.forEach((at, k) => {
          moved.get(parameter)![at]! *= Math.exp(coefficient[k]! * logs[index[k]!]!);
        });
      }
      for (const [k, v] of moved) scaled.set(k, v);
    }
    const x = relu.inputs(random);
    const [a, b] = [balance(w, relu.analysis.symmetries), balance(scaled, relu.analysis.symmetries)];
    for (const [k, v] of a) v.forEach((value, i) => assert.ok(Math.abs(value - b.get(k)![i]!) < 1e-5, `${k}[${i}]`));
    const [y, z] = [relu.forward(w, x), relu.forward(a, x)];
    y.data.forEach((value, i) => assert.ok(Math.abs(value - z.data[i]!) < 1e-9));
    const norm = (p: ReadonlyMap<string, Float64Array>) =>
      [...p.values()].reduce((s, v) => s + v.reduce((t, e) => t + e * e, 0), 0);
    assert.ok(norm(a) <= norm(w) + 1e-9);
  });
});

describe("alignment", () => {
  it("undoes permutations, scales and signs exactly", () => {
    for (const model of [relu, tanh]) {
      const a = model.initial(5);
      const random = new Random(6);
      const b = new Map([...a].map(([k, v]) => [k, v.slice()]));
      for (const s of model.analysis.symmetries) {
        for (const set of unitSets(s)) permute(set, b, random.sample(set.size, set.size));
        for (const { parameter, flat, index, coefficient } of s.diagonal?.() ?? []) {
          const t = (d: number) => Math.sin(3 * d + 1);
          flat.forEach((at, k) => {
            const f = s.kind === "sign" ? (index[k]! % 2 === 0 ? -1 : 1) : Math.exp(coefficient[k]! * t(index[k]!));
            b.get(parameter)![at]! *= f;
          });
        }
      }
      const x = model.inputs(random);
      model.forward(a, x).data.forEach((v, i) => assert.ok(Math.abs(v - model.forward(b, x).data[i]!) < 1e-9, "same function"));
      const found = align(a, b, model.analysis.symmetries);
      assert.ok(found.raw > 0.2, "far apart as they are");
      assert.ok(found.remaining < 1e-9, `${found.remaining} remains`);
      assert.ok(found.ratio < 1e-8);
    }
  });

  it("explains little between replicas that learned different things", () => {
    const [a, b] = [relu.initial(1), relu.initial(2)];
    const found = align(a, b, relu.analysis.symmetries);
    assert.ok(found.remaining > 0.2 && found.remaining < found.raw);
  });
});

describe("units", () => {
  it("distances are those of the exchange itself, for recurrent weights too", () => {
    // Rows and columns of one weight are the same three units.
    const flat = Int32Array.from([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const symmetry = {
      ...of(tanh, "permutation")[0]!,
      units: () => [
        { parameter: "w", axis: 0, copy: 0, units: 3, features: 3, flat },
        { parameter: "w", axis: 1, copy: 0, units: 3, features: 3, flat: Int32Array.from([0, 3, 6, 1, 4, 7, 2, 5, 8]) },
      ],
    };
    const w = new Random(3).normals(9);
    const distances = pairDistances(unitSets(symmetry)[0]!, new Map([["w", w]]));
    for (const [i, j] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      const swap = (k: number) => (k === i ? j : k === j ? i : k);
      let sum = 0;
      for (let r = 0; r < 3; r++) for (let c = 0; c < 3; c++) sum += (w[3 * r + c]! - w[3 * swap(r) + swap(c)]!) ** 2;
      assert.ok(Math.abs(distances.get(i, j) - sum / 2) < 1e-12);
    }
  });

  it("dead and doubled ones are counted in any gauge", () => {
    const w = relu.initial(8);
    const [w0, b0, w1] = [w.get("w0")!, w.get("b0")!, w.get("w1")!];
    // Unit 3 is dead; unit 7 is unit 2 at another scale.
    for (let k = 0; k < 5; k++) {
      w0[3 * 5 + k]! *= 1e-4;
      w0[7 * 5 + k] = 4 * w0[2 * 5 + k]!;
    }
    b0[3]! *= 1e-4;
    b0[7] = 4 * b0[2]!;
    for (let o = 0; o < 8; o++) {
      w1[o * 12 + 3]! *= 1e-4;
      w1[o * 12 + 7] = w1[o * 12 + 2]! / 4;
    }
    const layer = of(relu, "permutation").find((s) => s.parameters.includes("w0"))!;
    const [found] = unitMeasures(layer, w, relu.analysis.symmetries);
    assert.deepEqual(found!.dead, [3]);
    assert.deepEqual(found!.duplicates, [7]);
    assert.equal(found!.distinct, 10);
  });
});

describe("degree of symmetry breaking", () => {
  const replicas = (model: TestModel, change: (w: Map<string, Float64Array>) => void = () => undefined) =>
    [1, 2, 3, 4].map((seed) => {
      const [initial, now] = [model.initial(seed), model.initial(seed)];
      change(now);
      return { now, initial };
    });

  it("is between 0 and 1 at generic weights, with an error; 0 where all units are equal or zero", () => {
    for (const model of [relu, tanh]) {
      const found = degreesOfBreaking(model.analysis.symmetries, replicas(model));
      assert.ok(found.model.value > 0.6 && found.model.value < 0.95, `${found.model.value}`);
      assert.ok(found.model.replicas === 4 && found.model.error > 1e-3 && found.model.error < 0.1);
      const dead = degreesOfBreaking(
        model.analysis.symmetries,
        replicas(model, (w) => w.forEach((v) => v.fill(0))),
      );
      assert.equal(dead.model.value, 0);
    }
    const equal = degreesOfBreaking(
      of(tanh, "permutation"),
      replicas(tanh, (w) => {
        for (let i = 0; i < 10; i++) {
          w.get("w0")!.copyWithin(4 * i, 0, 4);
          w.get("b0")![i] = w.get("b0")![0]!;
          w.get("w1")![i] = w.get("w1")![0]!;
        }
      }),
    );
    assert.equal(equal.model.value, 0);
  });

  it("is 1 where units are of one size and unrelated, and shrinks with them", () => {
    const wide = new TestModel({ sizes: [12, 4, 1], activation: "Tanh", batch: 4 });
    const orthogonal = (size: number) => {
      const w = new Map([...wide.initial(1)].map(([k, v]) => [k, v.map(() => 0)]));
      for (let i = 0; i < 4; i++) w.get("w0")![12 * i + i] = size;
      return w;
    };
    const degree = (now: number) =>
      degreesOfBreaking(of(wide, "permutation").concat(of(wide, "sign")), [{ now: orthogonal(now), initial: orthogonal(1) }])
        .model.value;
    assert.ok(Math.abs(degree(1) - 1) < 1e-12);
    assert.ok(Math.abs(degree(0.25) - 0.25) < 1e-12);
    assert.ok(Math.abs(degree(3) - 1) < 1e-12);
  });

  it("and the share of broken mirrors lose what units lose", () => {
    const chains = of(tanh, "sign").map((s) => new MirrorChains(s, tanh.analysis.symmetries));
    const chain = chains.find((c) => c.mirrors === 10)!;
    const [initial, now] = [tanh.initial(1), tanh.initial(1)];
    const before = chain.orderParameters(initial);
    for (const i of [1, 4, 5]) {
      now.get("w0")!.fill(0, 4 * i, 4 * i + 4);
      now.get("b0")![i] = 0;
      now.get("w1")![i] = 0;
    }
    const after = chain.orderParameters(now);
    assert.ok(Math.abs(chain.brokenShare(after, before) - 0.7) < 1e-12);
    assert.ok(chain.degree(after, before) < chain.degree(before, before) - 0.05);
  });

  it("falls under strong decay in training, and not under weak decay", () => {
    const degree = (weightDecay: number) => {
      const runs = [1, 2, 3].map((seed) =>
        tanh.train({ settings: { weightDecay, learningRate: 0.2 }, steps: 700, seed, target: teach(1), recordings: 3 }),
      );
      return degreesOfBreaking(
        tanh.analysis.symmetries,
        runs.map((r) => ({ now: r.recordings.at(-1)!.parameters, initial: r.recordings[0]!.parameters })),
      ).model;
    };
    const [weak, strong] = [degree(1e-4), degree(0.15)];
    assert.ok(weak.value > 0.5, `weak decay ${weak.value}`);
    assert.ok(
      strong.value < 0.5 && strong.value < weak.value - 3 * Math.hypot(weak.error, strong.error),
      `strong decay ${strong.value}`,
    );
  });
});

describe("collapse along a mirror", () => {
  it("margin and exponent tell what decay does to a unit", async () => {
    const random = new Random(2);
    const batches = Array.from({ length: 12 }, () => tanh.inputs(random));
    const target = teach(1);
    const all = (w: ReadonlyMap<string, Float64Array>, b: number) => tanh.lossAndGradient(w, batches[b]!, target(batches[b]!));
    const functions = {
      batches: batches.length,
      loss: (w: ReadonlyMap<string, Float64Array>) =>
        Promise.resolve(batches.reduce((s, _, b) => s + all(w, b).loss, 0) / batches.length),
      batchGradient: (w: ReadonlyMap<string, Float64Array>, b: number) => Promise.resolve(all(w, b).gradient),
    };
    const trained = tanh
      .train({ settings: { learningRate: 0.2 }, steps: 800, seed: 1, target, recordings: 2 })
      .recordings.at(-1)!.parameters;
    // The mirror of unit 0: all of its weights change sign.
    const unit = (w: ReadonlyMap<string, Float64Array>) => {
      const out = new Map<string, Float64Array>();
      for (const { parameter, flat, index } of of(tanh, "sign")[0]!.diagonal!()) {
        const own = out.get(parameter) ?? new Float64Array(w.get(parameter)!.length);
        out.set(parameter, own);
        flat.forEach((at, k) => {
          if (index[k] === 0) own[at] = w.get(parameter)![at]!;
        });
      }
      return out;
    };
    const mirror = { project: unit };
    assert.ok(mirrorOrder(mirror, trained) > 0.01 && mirrorOrder(mirror, trained) < 1);
    const weak = await measureCollapse(mirror, trained, functions, { learningRate: 0.1, weightDecay: 1e-4 });
    const strong = await measureCollapse(mirror, trained, functions, { learningRate: 0.1, weightDecay: 2 });
    assert.ok(weak.margin < 1 && strong.margin > 1, `${weak.margin} ${strong.margin}`);
    assert.ok(strong.exponent < 0);
    assert.ok(weak.curvature < 0 && weak.exponent > strong.exponent, "without decay a useful unit grows back");
    assert.ok(weak.lossIncrease > 0);
  });
});

describe("large layers", () => {
  it("are compared through a sketch that keeps distances and copies", () => {
    const wide = new TestModel({ sizes: [300, 400, 2], activation: "Tanh", batch: 2 });
    const layer = of(wide, "permutation")[0]!;
    const w = wide.initial(1);
    // Unit 5 is unit 9 with all of its signs turned.
    const flip = (name: string, from: number, to: number, stride: number, count: number) => {
      for (let k = 0; k < count; k++) w.get(name)![to + k * stride] = -w.get(name)![from + k * stride]!;
    };
    flip("w0", 9 * 300, 5 * 300, 1, 300);
    flip("b0", 9, 5, 1, 1);
    flip("w1", 9, 5, 400, 2);
    const [found] = unitMeasures(layer, w, wide.analysis.symmetries);
    assert.deepEqual([...found!.duplicates], [9]);
    const others = found!.nearest.filter((_, i) => i !== 5 && i !== 9);
    // Unrelated vectors of 303 features are at 1 give or take a tenth; the smallest of 400 lies lower.
    assert.ok(Math.min(...others) > 0.4 && Math.max(...others) < 0.95, `${Math.min(...others)} ${Math.max(...others)}`);
  });
});
