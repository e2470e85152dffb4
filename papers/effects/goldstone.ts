/** @file arXiv 1710.06096: every broken continuous symmetry leaves a direction without curvature (a Goldstone mode) at a minimum. */
import { FlatParameters, fullSpectrum, hessianProduct } from "../../analysis/dynamics/measures/hessian";
import { estimate } from "../../analysis/dynamics/measures/statistics";
import { type Effect, plusMinus } from "../effect";
import type { Experiment, Laboratory } from "../laboratory";
import { whitenedTask } from "./mirrors";

/** Eigenvalues below this share of the largest count as zero: float32 gradients leave about 1e-4 of it. */
const ZERO = 3e-3;

export async function goldstone(lab: Laboratory): Promise<Effect> {
  const batch = 256;
  const experiment: Experiment = {
    model: "LinearPair",
    settings: [{ name: "no decay", training: { learningRate: 0.5, batchSize: batch } }],
    data: whitenedTask([2, 1.8, 1.6, 1.4, 1.2, 1, 0.8, 0.6], batch, batch + batch / 4),
    loss: "mse",
    steps: 3000,
    replicas: 4,
    recordings: 2,
    matrixGroups: true,
  };
  const { result, analysis } = await lab.run(experiment);
  const objective = await lab.objective(experiment);
  const names = [...result.graph.parameters.values()].filter((p) => p.trainable).map((p) => p.name);
  const spectra: Float64Array[] = [];
  try {
    for (const run of result.runs) {
      const at = run.recordings.at(-1)!.parameters;
      const flat = new FlatParameters(names, at);
      const product = hessianProduct(flat, at, async (w) => (await objective.evaluate(w)).gradient);
      spectra.push(await fullSpectrum(product, flat.size));
    }
  } finally {
    objective.dispose();
  }
  const expected = analysis.continuous.total;
  const counts = spectra.map((s) => s.filter((v) => Math.abs(v) < ZERO * s[0]!).length);
  const gap = Math.min(...spectra.map((s) => s[s.length - expected - 1]! / s[0]!));
  const left = Math.max(
    ...spectra.map(
      (s) =>
        Math.max(
          ...[...s]
            .map(Math.abs)
            .sort((a, b) => a - b)
            .slice(0, expected),
        ) / s[0]!,
    ),
  );
  const exact = counts.every((c) => c === expected);
  return {
    id: "goldstone",
    paper: "Fok, An & Wang 2017, 1710.06096",
    claim: "Each broken continuous symmetry leaves one zero eigenvalue of the Hessian at a minimum",
    measure: `eigenvalues of the Hessian below ${ZERO} of the largest, against the number of continuous symmetries that the analysis finds`,
    result: `${plusMinus(estimate(counts), 1)} of ${spectra[0]!.length} eigenvalues are zero, ${expected} expected; the largest of them is ${left.toExponential(1)} and the smallest other one ${gap.toExponential(1)} of the largest`,
    outcome: exact ? "reproduced" : "not reproduced",
    remarks: [
      "Two linear layers (8-8-8) trained to the minimum without decay, four replicas; Hessian-vector products are central differences of the probe's float32 gradients.",
    ],
    charts: [
      {
        title: "Hessian spectrum at the minimum",
        xLabel: "eigenvalue, in order",
        yLabel: "share of the largest",
        series: [
          {
            name: "replica 1",
            scattered: true,
            points: [...spectra[0]!].map((v, i) => ({ x: i + 1, y: Math.max(Math.abs(v) / spectra[0]![0]!, 1e-8) })),
          },
          {
            name: `${spectra[0]!.length} - ${expected}: predicted end of the curved directions`,
            predicted: true,
            points: [
              { x: spectra[0]!.length - expected + 0.5, y: 1e-6 },
              { x: spectra[0]!.length - expected + 0.5, y: 1 },
            ],
          },
        ],
        yScale: "log",
      },
    ],
  };
}
