/** @file arXiv 1710.06096: the order parameter falls with the learning rate as |w|^2 = a - b eta^2 and vanishes at a critical rate. */
import { fitCriticalRate } from "../../analysis/dynamics/measures/critical-rate";
import { estimate } from "../../analysis/dynamics/measures/statistics";
import { balance } from "../../analysis/dynamics/gauge/balance";
import { type Effect, plusMinus } from "../effect";
import { type Laboratory, teacherTask } from "../laboratory";

export async function criticalRate(lab: Laboratory): Promise<Effect> {
  const rates = [0.05, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4];
  const { result, analysis } = await lab.run({
    model: "TanhStudent",
    settings: rates.map((learningRate) => ({
      name: `rate ${learningRate}`,
      training: { learningRate, weightDecay: 0.01, batchSize: 8 },
    })),
    data: teacherTask(3, 1),
    loss: "mse",
    steps: 4000,
    replicas: 6,
    recordings: 5,
  });
  // Distance from the symmetric point of all sign flips: the norm of all hidden units' weights, over the last recordings.
  const orders = rates.map((rate) =>
    estimate(
      result.runs
        .filter((r) => r.setting === `rate ${rate}` && r.divergedAt === undefined)
        .map((r) => {
          const norms = r.recordings.slice(-2).map(({ parameters }) => {
            const b = balance(parameters, analysis.symmetries);
            let square = 0;
            for (const name of ["fc1.weight", "fc1.bias", "fc2.weight"]) for (const x of b.get(name)!) square += x * x;
            return Math.sqrt(square);
          });
          return norms.reduce((a, b) => a + b, 0) / norms.length;
        }),
    ),
  );
  const shown = rates.flatMap((rate, i) => (orders[i]!.replicas > 0 ? [{ rate, order: orders[i]! }] : []));
  const fit = fitCriticalRate(
    shown.map((s) => s.rate),
    shown.map((s) => s.order.value),
  );
  const { a, b, criticalRate: eta } = fit;
  const falls = b.value > 2 * b.error;
  const vanishes = shown.some((s) => s.order.value < 0.1 * Math.max(...shown.map((x) => x.order.value)));
  const fits = fit.residual < 0.03;
  const last = Math.max(...rates);
  return {
    id: "critical-rate",
    paper: "Fok, An & Wang 2017, 1710.06096",
    claim: "The order parameter falls continuously with the learning rate, |w|^2 = a - b eta^2, to zero at a critical rate",
    measure: "norm of the hidden units' weights at the end of training at eight constant learning rates, batch 8, noisy targets",
    result: `a = ${plusMinus(a)}, b = ${plusMinus(b)}, root mean square residual ${(100 * fit.residual).toFixed(1)} % of the largest |w|^2; fitted critical rate ${Number.isFinite(eta.value) ? plusMinus(eta) : "none"}; ${vanishes ? "the order parameter vanishes within the sweep" : `at learning rate ${last} it has not vanished`}`,
    outcome: falls && fits && vanishes ? "reproduced" : falls ? "partly" : "not reproduced",
    remarks: [
      "The paper's law is heuristic physics: it is fitted, not predicted. Training at rates above the sweep's becomes unstable before anything else could be seen.",
      ...(shown.length < rates.length ? [`Runs at ${rates.length - shown.length} rates diverged.`] : []),
    ],
    charts: [
      {
        title: "Order parameter against learning rate",
        xLabel: "learning rate squared",
        yLabel: "|w|^2",
        series: [
          {
            name: "measured",
            scattered: true,
            points: shown.map(({ rate, order }) => ({
              x: rate * rate,
              y: order.value ** 2,
              error: 2 * order.value * order.error,
            })),
          },
          {
            name: "fit a - b eta^2",
            predicted: true,
            points: shown.map(({ rate }) => ({ x: rate * rate, y: a.value - b.value * rate * rate })),
          },
        ],
        yInclude: [0],
      },
    ],
  };
}
