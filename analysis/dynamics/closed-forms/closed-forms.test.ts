/** @file Every closed form against the recursion, simulation or minimisation that it summarises. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../../numerics/random";
import {
  adaptiveChargeChange,
  balanceHalfLife,
  momentumChargeFactor,
  nextLinearCharge,
  nextQuadraticCharge,
  stationaryImbalance,
} from "./charges";
import {
  angularStep,
  effectiveLearningRate,
  equilibriumEffectiveRate,
  equilibriumNorm,
  nextSquaredNorm,
  relaxationSteps,
  squaredNormCourse,
  undecayedNorm,
} from "./scale-invariance";
import { anchorDeviation, displacedEquilibrium, escapeSteps, syreForce } from "./syre";
import {
  attraction,
  collapseExponent,
  collapseExponentError,
  collapseMargin,
  criticalBatchSize,
  criticalDecay,
  criticalLearningRate,
  effectiveRate,
  softThreshold,
  stepsToShrink,
  unitDies,
} from "./thresholds";

const near = (actual: number, expected: number, relative: number, what?: string) =>
  assert.ok(
    Math.abs(actual - expected) <= relative * Math.abs(expected),
    `${what ?? ""} ${actual}, expected ${expected} within ${relative}`,
  );

/** The two-weight product loss (uv - c)^2 / 2 + lambda/2 (u^2 + v^2) by gradient descent. */
function trainProduct(c: number, decay: number): number {
  let [u, v] = [0.3, 0.4];
  for (let i = 0; i < 20000; i++) {
    const e = u * v - c;
    [u, v] = [u - 0.05 * (e * v + decay * u), v - 0.05 * (e * u + decay * v)];
  }
  return u * v;
}

describe("thresholds", () => {
  it("decay above the critical one collapses a product, and the survivor is soft-thresholded", () => {
    // At u = v = 0 the curvatures are -c and c, so that the critical decay is c.
    assert.equal(criticalDecay(-0.5), 0.5);
    assert.equal(criticalDecay(0.2), 0);
    for (const decay of [0.1, 0.45, 0.55, 0.8]) {
      const expected = softThreshold([0.5], decay)[0]!;
      assert.ok(Math.abs(trainProduct(0.5, decay) - expected) < 1e-4, `decay ${decay}`);
      assert.equal(unitDies(decay, 0.5), expected === 0);
    }
  });

  it("time to shrink is that of the linear recursion", () => {
    let [s, n] = [1, 0];
    while (s > 1e-3) {
      s *= 1 - 0.01 * (0.3 + 0.1);
      n++;
    }
    near(stepsToShrink(1e-3, 0.01, 0.3, 0.1), n, 0.01);
    assert.equal(stepsToShrink(1e-3, 0.01, -0.3, 0.1), Infinity);
  });

  it("the collapse margin passes 1 where the regularised loss at the symmetric point becomes the lower one", () => {
    const loss = (s: number) => 0.5 * (s * s - 1) ** 2;
    for (const decay of [0.1, 0.5, 1.5]) {
      const s = 0.8;
      const total = (x: number) => loss(x) + 0.5 * decay * x * x;
      assert.equal(collapseMargin(decay, s * s, loss(0) - loss(s)) > 1, total(0) < total(s), `decay ${decay}`);
    }
    assert.equal(collapseMargin(0, 1, 0.3), 0);
    assert.equal(collapseMargin(0.1, 1, 0), Infinity);
  });

  it("the exponent changes sign at the critical learning rate and batch size", () => {
    const [h, decay, v, batch] = [-0.15, 0.05, 1, 4];
    const random = new Random(5);
    const curvatures = Array.from({ length: 40000 }, () => h + Math.sqrt(v / batch) * random.normal());
    const critical = criticalLearningRate(h, decay, v, batch);
    assert.ok(collapseExponent(0.85 * critical, curvatures, decay) > 0);
    assert.ok(collapseExponent(1.15 * critical, curvatures, decay) < 0);
    assert.ok(collapseExponentError(critical, curvatures, decay) < 0.01);
    near(criticalBatchSize(h, decay, v, critical), batch, 1e-12);
    assert.equal(criticalLearningRate(0.1, 0.05, v, batch), 0);
    assert.equal(criticalBatchSize(0.1, 0.05, v, 0.1), Infinity);
    // The continuous limit forgets c^2 against v/B.
    near(attraction(decay, critical, v, batch), -h, 0.05);
    assert.ok(Number.isNaN(collapseExponent(0.1, [], 0)));
  });

  it("the worked example of batch sizes", () => {
    near(criticalLearningRate(-0.02, 0, 4, 32), 0.04 / 0.1254, 1e-12);
    near(criticalLearningRate(-0.02, 0, 4, 8), 0.04 / 0.5004, 1e-12);
  });

  it("momentum moves slow directions 1/(1-beta) times faster", () => {
    let [s, velocity] = [1, 0];
    for (let i = 0; i < 1000; i++) {
      velocity = 0.9 * velocity + 0.05 * s;
      s -= 0.002 * velocity;
    }
    near(Math.log(s) / -1000, effectiveRate(0.002, 0.9) * 0.05, 0.03);
    assert.throws(() => effectiveRate(0.1, 1), RangeError);
  });
});

/** Scale-invariant weights under heavy-ball SGD with tangential gradients |g| at unit norm. Means over the second half. */
function turnWeights(options: { rate: number; decay: number; momentum: number; steps: number; persistent?: boolean }) {
  const size = options.persistent ? 2 : 60;
  const random = new Random(11);
  let w = random.normals(size);
  const velocity = new Float64Array(size);
  let [fourth, angle, n] = [0, 0, 0];
  for (let step = 0; step < options.steps; step++) {
    const r = Math.hypot(...w);
    const g = options.persistent ? Float64Array.of(-w[1]! / r, w[0]! / r) : random.normals(size, 1 / Math.sqrt(size - 1));
    const radial = g.reduce((sum, x, i) => sum + x * w[i]!, 0) / (r * r);
    const next = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      velocity[i] = options.momentum * velocity[i]! + (g[i]! - radial * w[i]!) / r + options.decay * w[i]!;
      next[i] = w[i]! - options.rate * velocity[i]!;
    }
    if (step > options.steps / 2) {
      fourth += r ** 4;
      const cosine = next.reduce((sum, x, i) => sum + x * w[i]!, 0) / (r * Math.hypot(...next));
      angle += Math.acos(Math.min(1, cosine));
      n++;
    }
    w = next;
  }
  return { norm: (fourth / n) ** 0.25, angle: angle / n };
}

describe("scale-invariant weights", () => {
  it("reach the predicted norm and angle with independent gradients, with and without momentum", () => {
    for (const momentum of [0, 0.9]) {
      const rate = momentum === 0 ? 0.1 : 0.01;
      const seen = turnWeights({ rate, decay: 0.005, momentum, steps: 20000 });
      near(seen.norm, equilibriumNorm(rate, 0.005, 1, momentum), 0.02, `norm, momentum ${momentum}`);
      near(seen.angle, angularStep(rate, 0.005, momentum), 0.04, `angle, momentum ${momentum}`);
    }
  });

  it("reach the norm of 2105.02716 with persistent gradients", () => {
    const seen = turnWeights({ rate: 0.002, decay: 0.001, momentum: 0.9, steps: 200000, persistent: true });
    near(seen.norm, equilibriumNorm(0.002, 0.001, 1, 0.9, "persistent"), 0.03);
  });

  it("AdamW turns by its own angle", () => {
    const [rate, decay, beta] = [0.002, 0.1, 0.9];
    const random = new Random(3);
    const size = 100;
    const w = random.normals(size, 0.1);
    const [m, v] = [new Float64Array(size), new Float64Array(size).fill(1)];
    let [angle, n] = [0, 0];
    for (let step = 0; step < 12000; step++) {
      const before = w.slice();
      const g = random.normals(size);
      const radial = g.reduce((s, x, i) => s + x * w[i]!, 0) / w.reduce((s, x) => s + x * x, 0);
      for (let i = 0; i < size; i++) {
        const gi = g[i]! - radial * w[i]!;
        m[i] = beta * m[i]! + (1 - beta) * gi;
        v[i] = 0.999 * v[i]! + 0.001 * gi * gi;
        w[i] = w[i]! * (1 - rate * decay) - (rate * m[i]!) / Math.sqrt(v[i]!);
      }
      if (step < 6000) continue;
      const cosine = w.reduce((s, x, i) => s + x * before[i]!, 0) / (Math.hypot(...w) * Math.hypot(...before));
      angle += Math.acos(Math.min(1, cosine));
      n++;
    }
    near(angle / n, angularStep(rate, decay, beta, "adamw"), 0.05);
  });

  it("the recursion settles at the equilibrium, at the predicted pace, and grows as predicted without decay", () => {
    const [rate, decay, g2] = [0.05, 0.01, 2];
    const star = equilibriumNorm(rate, decay, g2);
    let square = 9 * star * star;
    const start = square * square - star ** 4;
    const steps = Math.round(relaxationSteps(rate, decay));
    for (let i = 0; i < steps; i++) square = nextSquaredNorm(square, rate, decay, g2);
    near((square * square - star ** 4) / start, Math.exp(-1), 0.02);
    for (let i = 0; i < 20 * steps; i++) square = nextSquaredNorm(square, rate, decay, g2);
    near(Math.sqrt(square), star, 1e-3);
    near(effectiveLearningRate(rate, star), equilibriumEffectiveRate(rate, decay, g2), 1e-12);
    let free = 1;
    for (let i = 0; i < 5000; i++) free = nextSquaredNorm(free, rate, 0, g2);
    near(Math.sqrt(free), undecayedNorm(1, rate, g2, 5000), 1e-2);
    assert.equal(equilibriumNorm(rate, 0, g2), Infinity);
    assert.equal(relaxationSteps(rate, 0), Infinity);
    const course = squaredNormCourse(1, rate, decay, 0, new Float64Array(20 * steps).fill(g2));
    near(Math.sqrt(course.at(-1)!), star, 1e-2);
  });
});

describe("charges", () => {
  it("follow the exact recursion under SGD", () => {
    // Loss (uv - 1)^2 / 2, in = u, out = v; and the same for a translation of (a, b) with loss of a - b.
    let [u, v] = [2, 0.2];
    let [a, b] = [1, 3];
    const [rate, decay] = [0.05, 0.1];
    for (let i = 0; i < 50; i++) {
      const e = u * v - 1;
      const [gu, gv] = [e * v, e * u];
      const expected = nextQuadraticCharge(v * v - u * u, rate, decay, gv * gv - gu * gu);
      [u, v] = [u - rate * (gu + decay * u), v - rate * (gv + decay * v)];
      assert.ok(Math.abs(v * v - u * u - expected) < 1e-13);
      const shift = nextLinearCharge(a + b, rate, decay);
      const d = a - b;
      [a, b] = [a - rate * (d + decay * a), b - rate * (-d + decay * b)];
      assert.ok(Math.abs(a + b - shift) < 1e-13);
    }
  });

  it("half-life and stationary imbalance", () => {
    const [rate, decay] = [0.01, 0.02];
    let q = 1;
    for (let i = 0; i < Math.round(balanceHalfLife(rate, decay)); i++) q = nextQuadraticCharge(q, rate, decay, 0);
    near(q, 0.5, 1e-3);
    for (let i = 0; i < 60000; i++) q = nextQuadraticCharge(q, rate, decay, 3);
    near(q, stationaryImbalance(rate, decay, 3), 1e-3);
    assert.equal(balanceHalfLife(rate, 0), Infinity);
  });

  it("decay under momentum is a damped oscillator, over and under the critical damping", () => {
    for (const [rate, decay, beta] of [
      [0.1, 0.05, 0.5],
      [0.1, 0.5, 0.95],
    ] as const) {
      // A free weight: the loss does not see it.
      let [w, velocity] = [1, 0];
      const steps = 40;
      for (let i = 0; i < steps; i++) {
        velocity = beta * velocity + decay * w;
        w -= rate * velocity;
      }
      assert.ok(Math.abs(w - momentumChargeFactor("linear", rate, decay, beta, steps)) < 0.03, `beta ${beta}: ${w}`);
    }
    near(momentumChargeFactor("quadratic", 0.01, 0.001, 0.9, 5000), Math.exp(-2 * 0.1 * 0.001 * 5000), 0.01);
    const critical = (1 - 0.5) ** 2 / (4 * 0.1 * (1 + 0.5));
    near(
      momentumChargeFactor("quadratic", 0.1, critical, 0.5, 30),
      momentumChargeFactor("quadratic", 0.1, critical * 1.0001, 0.5, 30),
      1e-2,
    );
  });

  it("adaptive steps change a charge by the drive of kinetic symmetry breaking", () => {
    const [rate, decay] = [0.02, 0.1];
    const [w, out, uw, uo] = [0.7, -1.1, 1, -0.4];
    const next = (x: number, u: number) => (1 - rate * decay) * x - rate * u;
    const change = next(out, uo) ** 2 - next(w, uw) ** 2 - (out * out - w * w);
    near(change, adaptiveChargeChange(out * out - w * w, rate, decay, out * uo - w * uw, uo * uo - uw * uw), 1e-12);
  });
});

describe("syre", () => {
  it("moves an attracting symmetric point to the displaced equilibrium", () => {
    const [h, decay, anchor] = [0.2, 0.1, 0.03];
    let s = 0;
    for (let i = 0; i < 5000; i++) s -= 0.05 * (h * s + decay * (s - anchor));
    near(s, displacedEquilibrium(decay, anchor, h), 1e-9);
    assert.ok(Number.isNaN(displacedEquilibrium(decay, anchor, -0.2)));
  });

  it("leaves a saddle in the predicted number of steps, and never without decay", () => {
    const [h, decay, anchor, rate] = [-0.4, 0.1, 0.003, 0.01];
    let [s, n] = [0, 0];
    while (Math.abs(s) < 0.5) {
      s -= rate * (h * s + decay * (s - anchor));
      n++;
    }
    near(escapeSteps(rate, decay, anchor, h, 0.5), n, 0.02);
    assert.equal(escapeSteps(rate, 0, anchor, h, 0.5), Infinity);
    assert.equal(escapeSteps(rate, 0.5, anchor, h, 0.5), Infinity);
    near(syreForce(0.1, anchorDeviation(100), 4), 0.1 * 0.001 * 2, 1e-12);
  });
});
