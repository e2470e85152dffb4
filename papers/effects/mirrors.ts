/** @file arXiv 2309.16932: decay with rescaling gives sparsity, with general linear maps low rank, with permutations equal units. */
import { softThreshold } from "../../analysis/dynamics/closed-forms/thresholds";
import { invariantSpectrum, matrixFrames } from "../../analysis/dynamics/gauge/matrix-groups";
import { estimate, pairedDifference } from "../../analysis/dynamics/measures/statistics";
import type { SettingSummary, SymmetrySummary } from "../../analysis/dynamics/summary/types";
import { Matrix } from "../../analysis/numerics/matrix";
import { HouseholderQr } from "../../analysis/numerics/qr";
import { Random } from "../../analysis/numerics/random";
import { type Effect, plusMinus } from "../effect";
import { type Laboratory, teacherTask, tensorsTask } from "../laboratory";

const PAPER = "Ziyin 2023, 2309.16932";
const DECAYS = [0, 0.001, 0.003, 0.01, 0.03];

const decaySettings = (learningRate: number) =>
  DECAYS.map((weightDecay) => ({ name: `decay ${weightDecay}`, training: { learningRate, weightDecay, batchSize: 64 } }));

function hidden(setting: SettingSummary): SymmetrySummary {
  return setting.symmetries.find((s) => s.symmetry.kind === "permutation")!;
}

/** Sparsity: dead units of a ReLU network. */
export async function sparsity(lab: Laboratory): Promise<Effect> {
  const { summary } = await lab.run({
    model: "ReluStudent",
    settings: decaySettings(0.3),
    data: teacherTask(3),
    loss: "mse",
    steps: 6000,
    replicas: 6,
    recordings: 7,
  });
  const units = hidden(summary.settings[0]!).units!.units;
  const last = summary.comparisons.at(-1)!;
  const change = last.deadUnits;
  const points = summary.settings.map((s, i) => ({
    decay: DECAYS[i]!,
    dead: hidden(s).units!.dead,
    distinct: hidden(s).units!.distinct,
  }));
  const significant = change.value > 3 * change.error;
  return {
    id: "sparsity",
    paper: PAPER,
    claim: "Weight decay with a rescaling symmetry gives sparsity",
    measure: `dead units of ${units} (norm below 3 % of the largest), decay ${DECAYS.at(-1)} against none, paired`,
    result: `${plusMinus(points[0]!.dead, 1)} to ${plusMinus(points.at(-1)!.dead, 1)}; difference ${plusMinus(change, 1)}`,
    outcome: significant && change.value > 0.1 * units ? "reproduced" : significant ? "partly" : "not reproduced",
    remarks: [
      "A ReLU network of 24 hidden units learns a teacher of three tanh units, SGD with learning rate 0.3, 6,000 steps, six replicas.",
      "Units that survive are often copies of each other: equal units cost the decay as much as one unit, so that sparsity and equality come together.",
    ],
    charts: [
      {
        title: "ReLU units after training",
        xLabel: "weight decay",
        yLabel: `units of ${units}`,
        series: [
          { name: "dead", points: points.map((p) => ({ x: p.decay, y: p.dead.value, error: p.dead.error })) },
          {
            name: "distinct and alive",
            points: points.map((p) => ({ x: p.decay, y: p.distinct.value, error: p.distinct.error })),
          },
        ],
        yInclude: [0],
      },
    ],
  };
}

/** Identical units of a tanh network. */
export async function identicalUnits(lab: Laboratory): Promise<Effect> {
  const { summary } = await lab.run({
    model: "TanhStudent",
    settings: decaySettings(0.3),
    data: teacherTask(3),
    loss: "mse",
    steps: 6000,
    replicas: 6,
    recordings: 7,
  });
  const units = hidden(summary.settings[0]!).units!.units;
  const points = summary.settings.map((s, i) => ({
    decay: DECAYS[i]!,
    duplicates: hidden(s).units!.duplicates,
    degree: hidden(s).degree!,
  }));
  const perReplica = summary.comparisons.at(-1)!.distinctUnits;
  const significant = perReplica.value < -3 * perReplica.error;
  const most = points.reduce((a, b) => (b.duplicates.value > a.duplicates.value ? b : a));
  return {
    id: "identical-units",
    paper: PAPER,
    claim: "Weight decay with a permutation symmetry makes units identical",
    measure: `copies among ${units} units (squared relative distance below 0.01, up to sign); distinct units, decay ${DECAYS.at(-1)} against none, paired`,
    result: `${plusMinus(points[0]!.duplicates, 1)} copies without decay, at most ${plusMinus(most.duplicates, 1)} (decay ${most.decay}); distinct units change by ${plusMinus(perReplica, 1)}`,
    outcome: significant && most.duplicates.value > 0.3 * units ? "reproduced" : significant ? "partly" : "not reproduced",
    remarks: [
      "A tanh network of 24 hidden units learns a teacher of three tanh units, SGD with learning rate 0.3, 6,000 steps, six replicas.",
    ],
    charts: [
      {
        title: "tanh units after training",
        xLabel: "weight decay",
        yLabel: `copies of ${units}`,
        series: [
          { name: "copies", points: points.map((p) => ({ x: p.decay, y: p.duplicates.value, error: p.duplicates.error })) },
        ],
        yInclude: [0],
      },
      {
        title: "Degree of breaking, permutation of tanh units",
        xLabel: "weight decay",
        yLabel: "mean order parameter",
        series: [{ name: "degree", points: points.map((p) => ({ x: p.decay, y: p.degree.value, error: p.degree.error })) }],
        yInclude: [0, 1],
      },
    ],
  };
}

/** Low rank of a product layer, and the law of its singular values. */
export async function softThresholdLaw(lab: Laboratory): Promise<Effect> {
  const size = 8;
  const batch = 256;
  const target = [2, 1.5, 1.1, 0.8, 0.5, 0.3, 0.15, 0.05];
  const decays = [0.005, 0.03, 0.08, 0.15];
  const { result, analysis } = await lab.run({
    model: "LinearPair",
    settings: decays.map((weightDecay) => ({
      name: `decay ${weightDecay}`,
      training: { learningRate: 0.5, weightDecay, batchSize: batch },
    })),
    data: whitenedTask(target, batch, batch + batch / 4),
    loss: "mse",
    steps: 4000,
    replicas: 4,
    recordings: 2,
    matrixGroups: true,
  });
  const linear = analysis.symmetries.find((s) => s.kind === "linear")!;
  const [frame] = matrixFrames(linear, analysis.symmetries, result.runs[0]!.recordings[0]!.parameters);
  const rows = decays.map((decay) => {
    const runs = result.runs.filter((r) => r.setting === `decay ${decay}`);
    const spectra = runs.map((r) => invariantSpectrum(frame!, r.recordings.at(-1)!.parameters));
    // Mean square over `size` outputs: the loss's gradient is 2/size of the whitened one, so the threshold is lambda size / 2.
    const predicted = softThreshold(target, (decay * size) / 2);
    return { decay, predicted, found: target.map((_, k) => estimate(spectra.map((s) => s[k]!))), spectra };
  });
  const deviations = rows.flatMap((r) =>
    r.spectra.map((s) => Math.max(...target.map((_, k) => Math.abs(s[k]! - r.predicted[k]!)))),
  );
  const ranks = rows.map((r) => estimate(r.spectra.map((s) => s.filter((x) => x > 1e-3 * target[0]!).length)));
  const less = pairedDifference(
    rows[0]!.spectra.map((s) => s.filter((x) => x > 1e-3 * target[0]!).length),
    rows.at(-1)!.spectra.map((s) => s.filter((x) => x > 1e-3 * target[0]!).length),
  );
  const worst = Math.max(...deviations);
  return {
    id: "soft-threshold",
    paper: PAPER,
    claim: "Weight decay with a rotation (general linear) symmetry gives low rank: singular values are soft-thresholded",
    measure: "singular values of the product of two linear layers against max(sigma - lambda', 0)",
    result: `largest deviation ${worst.toExponential(1)} over ${deviations.length} runs; rank ${plusMinus(ranks[0]!, 1)} (decay ${decays[0]}) to ${plusMinus(ranks.at(-1)!, 1)} (decay ${decays.at(-1)})`,
    outcome: worst < 0.01 && less.value < 0 ? "reproduced" : less.value < 0 ? "partly" : "not reproduced",
    remarks: [
      "Two linear layers (8-8-8) fit a matrix with given singular values, whitened inputs, full-batch gradient descent, 4,000 steps, four replicas. The probe's mean square counts 1/8 of the sum over outputs, so the threshold is lambda' = 4 lambda.",
    ],
    charts: [
      {
        title: "Singular values of the product",
        xLabel: "singular value of the target",
        yLabel: "learned",
        series: rows.flatMap((r) => [
          {
            name: `decay ${r.decay}`,
            scattered: true,
            points: r.found.map((e, k) => ({ x: target[k]!, y: e.value, error: e.error })),
          },
          { name: `predicted, ${r.decay}`, predicted: true, points: target.map((t, k) => ({ x: t, y: r.predicted[k]! })) },
        ]),
        yInclude: [0],
        height: 300,
      },
    ],
  };
}

/** Inputs with exactly unit covariance over the first `training` rows, targets of a matrix with given singular values. */
export function whitenedTask(singular: readonly number[], training: number, rows: number) {
  const random = new Random(9);
  const n = singular.length;
  const orthonormal = (r: number, c: number): Matrix =>
    new HouseholderQr(new Matrix(r, c, random.normals(r * c))).basisRows(0, c).transpose();
  const white = orthonormal(training, n);
  const x = random.normals(rows * n);
  for (let k = 0; k < training * n; k++) x[k] = white.data[k]! * Math.sqrt(training);
  const [u, v] = [orthonormal(n, n), orthonormal(n, n)];
  const scaled = new Matrix(
    n,
    n,
    Float64Array.from(u.data, (value, k) => value * singular[k % n]!),
  );
  const w = scaled.multiply(v.transpose());
  const y = new Matrix(rows, n, x).multiply(w.transpose());
  return tensorsTask("a matrix with given singular values, whitened inputs", [rows, n], x, [rows, n], y.data);
}
