/** @file arXiv 2105.02716: Noether charges follow their equations of motion; norms of scale-invariant weights reach equilibrium. */
import { estimate } from "../../analysis/dynamics/measures/statistics";
import { type Effect, plusMinus } from "../effect";
import { type Laboratory, teacherTask } from "../laboratory";

const PAPER = "Tanaka & Kunin 2021, 2105.02716";

/** The exact law of rescaling charges under SGD, and its breaking by momentum and Adam. */
export async function charges(lab: Laboratory): Promise<Effect> {
  const settings = [
    { name: "SGD", training: { learningRate: 0.1, weightDecay: 0.02, batchSize: 64 } },
    { name: "momentum", training: { learningRate: 0.02, momentum: 0.9, weightDecay: 0.02, batchSize: 64 } },
    { name: "AdamW", training: { optimiser: "adamw" as const, learningRate: 0.01, weightDecay: 0.02, batchSize: 64 } },
  ];
  const { summary } = await lab.run({
    model: "ReluStudent",
    settings,
    data: teacherTask(3),
    loss: "mse",
    steps: 800,
    replicas: 4,
    recordings: 41,
  });
  const rescaling = summary.settings.map((s) => s.symmetries.find((x) => x.symmetry.kind === "rescaling" && x.charges)!.charges!);
  const [sgd, momentum, adam] = rescaling as [(typeof rescaling)[0], (typeof rescaling)[0], (typeof rescaling)[0]];
  const exact = sgd.residual!.value < 1e-4 && sgd.identity.value < 1e-3;
  const driven = adam.drive.value > 10 * sgd.drive.value;
  const start = sgd.imbalance.values[0]!.value;
  return {
    id: "charges",
    paper: PAPER,
    claim:
      "Charges obey Noether's learning dynamics: conserved up to decay and step noise under SGD, driven by momentum and Adam",
    measure:
      "largest relative residual of Q' = (1 - eta lambda)^2 Q + eta^2 (|g_out|^2 - |g_in|^2) over all units and recorded steps (float32); share of updates along the symmetry",
    result: `residual ${sgd.residual!.value.toExponential(1)}; drive ${sgd.drive.value.toExponential(1)} (SGD), ${plusMinus(momentum.drive, 3)} (momentum), ${plusMinus(adam.drive, 3)} (AdamW)`,
    outcome: exact && driven ? "reproduced" : exact ? "partly" : "not reproduced",
    remarks: ["A ReLU network of 24 hidden units, decay 0.02, 800 steps, four replicas, 40 recorded steps each."],
    charts: [
      {
        title: "Imbalance of incoming and outgoing weights",
        xLabel: "step",
        yLabel: "mean |Q| / (|out|^2 + |in|^2)",
        series: [
          ...rescaling.map((c, i) => ({
            name: settings[i]!.name,
            points: c.imbalance.at.map((x, k) => ({ x, y: c.imbalance.values[k]!.value, error: c.imbalance.values[k]!.error })),
          })),
        ],
        yInclude: [0, start],
      },
    ],
  };
}

/** The equilibrium norm of weights before batch normalisation. */
export async function equilibrium(lab: Laboratory): Promise<Effect> {
  const settings = [0.02, 0.1].map((weightDecay) => ({
    name: `decay ${weightDecay}`,
    training: { learningRate: 0.1, weightDecay, batchSize: 16 },
  }));
  const { summary } = await lab.run({
    model: "NormedStudent",
    settings,
    data: teacherTask(3, 0.5),
    loss: "mse",
    steps: 3000,
    replicas: 4,
    recordings: 151,
  });
  const scales = summary.settings.map((s) => s.symmetries.find((x) => x.norms?.equilibriumRatio)!.norms!);
  const ratios = scales.map((s) => s.equilibriumRatio!);
  const near = ratios.filter((r) => Math.abs(r.value - 1) < Math.max(0.15, 2 * r.error)).length;
  return {
    id: "equilibrium",
    paper: PAPER,
    claim: "Norms of scale-invariant weights reach the predicted equilibrium r^4 = eta E|g|^2 / (2 lambda)",
    measure:
      "r^4 at the end over the predicted value (1 within 15 % or two standard errors counts), mean over 24 rows before batch normalisation, gradients averaged over the second half of the run",
    result: ratios.map((r, i) => `${plusMinus(r)} (${settings[i]!.name})`).join(", "),
    outcome: near === ratios.length ? "reproduced" : near > 0 ? "partly" : "not reproduced",
    remarks: [
      `SGD with learning rate 0.1, batch 16, noisy targets, 3,000 steps, four replicas. The prediction has no free parameter; ${estimate(ratios.map((r) => r.value)).value.toFixed(2)} on average.`,
    ],
    charts: [
      {
        title: "Norm of rows before batch normalisation",
        xLabel: "step",
        yLabel: "mean norm",
        series: scales.map((s, i) => ({
          name: settings[i]!.name,
          points: s.norm.at.map((x, k) => ({ x, y: s.norm.values[k]!.value, error: s.norm.values[k]!.error })),
        })),
        yInclude: [0],
      },
      {
        title: "Effective learning rate eta / r^2",
        xLabel: "step",
        yLabel: "effective learning rate",
        series: scales.map((s, i) => ({
          name: settings[i]!.name,
          points: s.effectiveRate.at.map((x, k) => ({
            x,
            y: s.effectiveRate.values[k]!.value,
            error: s.effectiveRate.values[k]!.error,
          })),
        })),
        yScale: "log",
      },
    ],
  };
}
