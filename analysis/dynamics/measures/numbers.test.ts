/** @file Measures that are plain numerics: statistics, replica distances, ranks, fits, Hessian spectra, noise, norms. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Matrix } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import { runSettings } from "../testing/trainer";
import type { Recording } from "../trajectory";
import { fitCriticalRate } from "./critical-rate";
import { FlatParameters, fullSpectrum, hessianProduct, lanczos, nearZeroEigenvalues } from "./hessian";
import { gradientNoiseScale, midpointBarrier } from "./noise";
import { normCourse } from "./norms";
import { featureSpectrum, productSpectrum, spectrumMeasures } from "./rank";
import { replicaDistance, wasserstein } from "./replica-distance";
import { decayOf, rateOf } from "./settings";
import { estimate, linearFit, overPairs, pairedDifference } from "./statistics";
import { dormantFraction } from "./units";

const near = (a: number, b: number, tolerance = 1e-9) => assert.ok(Math.abs(a - b) <= tolerance, `${a}, expected ${b}`);

describe("estimates", () => {
  it("have standard errors that match repeated draws", () => {
    const random = new Random(1);
    const errors: number[] = [];
    const values: number[] = [];
    for (let k = 0; k < 2000; k++) {
      const e = estimate(random.normals(8));
      values.push(e.value);
      errors.push(e.error ** 2);
    }
    const spread = Math.sqrt(values.reduce((s, v) => s + v * v, 0) / values.length);
    near(Math.sqrt(errors.reduce((a, b) => a + b, 0) / errors.length), spread, 0.02);
    assert.ok(Number.isNaN(estimate([3]).error));
    assert.deepEqual(estimate([1, Number.NaN, 3]).replicas, 2);
    near(pairedDifference([1, 2, 3], [2, 3, 4]).value, 1);
    near(pairedDifference([1, 2, 3], [2, 3, 4]).error, 0);
    assert.throws(() => pairedDifference([1], [1, 2]), RangeError);
  });

  it("the jackknife over replicas matches repeated draws of a pair statistic", () => {
    const random = new Random(2);
    const [values, errors]: [number[], number[]] = [[], []];
    for (let k = 0; k < 1500; k++) {
      const x = random.normals(6);
      const e = overPairs(6, (a, b) => Math.abs(x[a]! - x[b]!));
      values.push(e.value);
      errors.push(e.error ** 2);
    }
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    near(mean, 2 / Math.sqrt(Math.PI), 0.03);
    const spread = Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length);
    near(Math.sqrt(errors.reduce((a, b) => a + b, 0) / errors.length) / spread, 1.1, 0.2);
    assert.ok(Number.isNaN(overPairs(2, () => 1).error));
  });

  it("a straight line is fitted with its errors", () => {
    const random = new Random(3);
    const x = Float64Array.from({ length: 40 }, (_, i) => i / 10);
    const fit = linearFit(
      x,
      x.map((v) => 2 - 0.5 * v + 0.1 * random.normal()),
    );
    assert.ok(Math.abs(fit.slope.value + 0.5) < 3 * fit.slope.error && fit.slope.error < 0.03);
    assert.ok(Math.abs(fit.intercept.value - 2) < 3 * fit.intercept.error);
  });
});

describe("replica distance", () => {
  it("is the mean difference of sorted weights, blind to their order", () => {
    near(wasserstein(Float64Array.of(3, 1, 2), Float64Array.of(2, 4, 3)), 1);
    near(wasserstein(Float64Array.of(3, 1, 2), Float64Array.of(1, 2, 3)), 0);
    assert.throws(() => wasserstein(new Float64Array(2), new Float64Array(3)), RangeError);
  });

  it("ranks replicas that differ in their statistics above those that agree", () => {
    const random = new Random(5);
    const draw = (spread: number): ParameterValues =>
      new Map([
        ["w", random.normals(400, 1 + spread * random.normal())],
        ["b", new Float64Array(5)],
        ["dead", new Float64Array(100)],
      ]);
    const same = replicaDistance(Array.from({ length: 8 }, () => draw(0)));
    const different = replicaDistance(Array.from({ length: 8 }, () => draw(0.4)));
    assert.deepEqual(
      same.layers.map((l) => l.parameter),
      ["w"],
    );
    assert.ok(different.mean.value > same.mean.value + 2 * Math.hypot(different.mean.error, same.mean.error));
    assert.ok(same.mean.value < 0.12);
  });
});

describe("ranks", () => {
  it("of a product of known rank", () => {
    const random = new Random(6);
    const left = new Matrix(9, 4, random.normals(36));
    const right = new Matrix(4, 7, random.normals(28));
    right.row(3).set(right.row(2));
    const values = productSpectrum(left, right);
    assert.equal(values.length, 4);
    const m = spectrumMeasures(values);
    assert.deepEqual([m.numericalRank, m.full], [3, 4]);
    assert.ok(m.effectiveRank > 1 && m.effectiveRank <= 3 && m.stableRank >= 1 && m.stableRank <= 3);
    const flat = spectrumMeasures([2, 2, 2]);
    near(flat.effectiveRank, 3);
    near(flat.stableRank, 3);
    assert.equal(spectrumMeasures([0, 0]).effectiveRank, 0);
  });

  it("of features without their mean", () => {
    const features = Matrix.fromRows(Array.from({ length: 6 }, (_, i) => [i + 10, 5, 2 * i]));
    assert.equal(spectrumMeasures(featureSpectrum(features)).numericalRank, 1);
  });
});

describe("critical learning rate", () => {
  it("is read off a sweep with points on both sides of the transition", () => {
    const rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
    const order = rates.map((eta) => Math.sqrt(Math.max(0, 1 - (eta / 0.45) ** 2)));
    const fit = fitCriticalRate(rates, order);
    near(fit.criticalRate.value, 0.45, 1e-9);
    assert.equal(fit.points, 4);
    assert.ok(Number.isNaN(fitCriticalRate(rates, [1, 0, 0, 0, 0, 0]).criticalRate.value));
    assert.ok(Number.isNaN(fitCriticalRate(rates, [1, 1.1, 1.2, 1.3, 1.4, 1.5]).criticalRate.value));
    assert.throws(() => fitCriticalRate([1, 2], [1, 2]), RangeError);
  });
});

describe("Hessian", () => {
  const random = new Random(8);
  const size = 40;
  const [a, b] = [new Matrix(25, size, random.normals(25 * size)), random.normals(25)];
  // Loss |A x - b|^2 / 2 in two parameters: rank 25, 15 zero eigenvalues.
  const point: ParameterValues = new Map([
    ["p", random.normals(30)],
    ["q", random.normals(10)],
    ["frozen", new Float64Array(3)],
  ]);
  const flat = new FlatParameters(["p", "q"], point);
  const gradient = (w: ParameterValues) => {
    const x = flat.flatten(w);
    const g = a.transpose().apply(a.apply(x).map((v, i) => v - b[i]!));
    return Promise.resolve(new Map([["p", g.slice(0, 30)] as const, ["q", g.slice(30)] as const]));
  };
  const product = hessianProduct(flat, point, gradient, 1e-4);
  const gram = a.transpose().multiply(a);

  it("products are those of the matrix", async () => {
    const v = random.normals(size);
    const [found, expected] = [await product(v), gram.apply(v)];
    found.forEach((x, i) => near(x, expected[i]!, 1e-6));
    assert.deepEqual([...(await product(new Float64Array(size)))], new Array(size).fill(0));
  });

  it("spectra agree, Lanczos converges at the ends, and zeros are counted", async () => {
    const spectrum = await fullSpectrum(product, size);
    const run = await lanczos(product, size, { steps: 30 });
    near(run.values[0]!, spectrum[0]!, 1e-4);
    assert.ok(run.residuals[0]! < 1e-2);
    near(
      run.weights.reduce((s, w) => s + w, 0),
      1,
      1e-9,
    );
    const exact = await nearZeroEigenvalues(product, size);
    assert.deepEqual([exact.count, exact.exact], [15, true]);
    const estimated = await nearZeroEigenvalues(product, size, { exactSize: 0, probes: 12, steps: 40 });
    assert.ok(
      !estimated.exact && Math.abs(estimated.count - 15) < 3 * estimated.error + 1,
      `${estimated.count} +- ${estimated.error}`,
    );
  });

  it("few steps in a spectrum that crowds around zero say that they do not resolve it", async () => {
    // Half of the eigenvalues are zero, the others crowd from just beyond the threshold on.
    const n = 400;
    const crowded = (i: number): number => (i % 2 === 0 ? 0 : 0.004 * 1.014 ** i);
    const largest = crowded(n - 1);
    const diagonal = async (v: Float64Array): Promise<Float64Array> => v.map((x, i) => (crowded(i) / largest) * x);
    const truth = Array.from({ length: n }, (_, i) => crowded(i) / largest).filter((v) => v <= 3e-3).length;
    const at = (steps: number) => nearZeroEigenvalues(diagonal, n, { exactSize: 0, relative: 3e-3, probes: 2, steps });
    const [few, many] = [await at(6), await at(150)];
    assert.ok(few.error > 0.25 * few.count, `${few.count} +- ${few.error}`);
    assert.ok(many.error < few.error && Math.abs(many.count - truth) < 0.25 * truth, `${many.count} of ${truth}`);
  });
});

describe("noise, barriers, dormant units, settings", () => {
  it("noise scale averages before it divides", () => {
    near(
      gradientNoiseScale([
        { signal: 1, trace: 30, small: 4, large: 64 },
        { signal: 3, trace: 10, small: 4, large: 64 },
      ]),
      10,
    );
    assert.equal(gradientNoiseScale([{ signal: -1, trace: 1, small: 1, large: 2 }]), Infinity);
    assert.ok(Number.isNaN(gradientNoiseScale([])));
  });

  it("barrier of a double well", async () => {
    const loss = (w: ParameterValues) => Promise.resolve((w.get("w")![0]! ** 2 - 1) ** 2);
    const at = (x: number): ParameterValues => new Map([["w", Float64Array.of(x)]]);
    near(await midpointBarrier(at(-1), at(1), loss), 1);
    near(await midpointBarrier(at(1), at(1), loss), 0);
  });

  it("dormant units by their share of activity", () => {
    const meanAbsolute = Float64Array.of(1, 1, 0, 0.05);
    near(dormantFraction({ meanAbsolute, active: new Float64Array(4) }), 0.5);
    near(dormantFraction({ meanAbsolute, active: new Float64Array(4) }, 0), 0.25);
  });

  it("groups with patterns have their own decay and rate", () => {
    const settings = runSettings({
      weightDecay: 0.1,
      learningRate: 0.2,
      groups: [{ parameters: ["*.bias", "norm.*"], weightDecay: 0, learningRate: 0.4 }],
    });
    assert.deepEqual(
      ["fc.bias", "norm.weight", "fc.weight", "biased"].map((p) => decayOf(settings, p)),
      [0, 0, 0.1, 0.1],
    );
    near(rateOf(settings, "fc.bias", 0.1), 0.2);
  });
});

describe("scale-invariant norms", () => {
  it("reach the predicted equilibrium on a recorded run, and only then the ratio is one", () => {
    const size = 80;
    const settings = runSettings({ learningRate: 0.1, weightDecay: 0.01 });
    const symmetry: Symmetry = {
      id: "scale:0",
      kind: "scale",
      parameters: ["w"],
      diagonal: () => [
        {
          parameter: "w",
          flat: Int32Array.from({ length: size }, (_, i) => i),
          index: new Int32Array(size),
          coefficient: new Float64Array(size).fill(1),
        },
      ],
    } as Pick<Symmetry, "id" | "kind" | "parameters" | "diagonal"> as Symmetry;
    const random = new Random(4);
    let w = random.normals(size);
    const recordings: Recording[] = [];
    const steps = 4000;
    for (let step = 0; step <= steps; step++) {
      const square = w.reduce((s, x) => s + x * x, 0);
      const draw = random.normals(size, 1 / Math.sqrt(size - 1));
      const radial = draw.reduce((s, x, i) => s + x * w[i]!, 0) / square;
      const g = draw.map((x, i) => (x - radial * w[i]!) / Math.sqrt(square));
      if (step % 100 === 0) {
        const state = { step, parameters: new Map([["w", w]]), learningRate: 0.1, activity: new Map() };
        recordings.push(step < steps ? { ...state, gradient: new Map([["w", g]]) } : state);
      }
      w = w.map((x, i) => x * (1 - 0.1 * 0.01) - 0.1 * g[i]!);
    }
    const course = normCourse(symmetry, recordings, settings)!;
    near(course.equilibriumRatio!, 1, 0.1);
    assert.ok(normCourse(symmetry, recordings.slice(0, 3), settings)!.equilibriumRatio! > 10);
    assert.equal(course.steps.length, 41);
    assert.equal(normCourse({ ...symmetry, kind: "rescaling" }, recordings, settings), undefined);
  });
});
