/** @file arXiv 2409.06402: input dimension expansion on real images, its accuracy and the replica distance metric. */
import { pairedDifference } from "../../analysis/dynamics/measures/statistics";
import type { Tensor } from "../../analysis/graph/tensor";
import { tensor } from "../../analysis/graph/tensor";
import { expand, imageTensor, loadDigits } from "../digits";
import { type Effect, plusMinus } from "../effect";
import type { Laboratory, Outcomes } from "../laboratory";

const PAPER = "Zhang et al. 2024, 2409.06402";
const CLAIM =
  "Expanding the input (a constant between the pixels) breaks symmetry: better accuracy, smaller distance between replicas";

export async function inputExpansion(lab: Laboratory, root: string): Promise<Effect> {
  const digits = loadDigits(root, 3000);
  if (!digits) {
    return {
      id: "input-expansion",
      paper: PAPER,
      claim: CLAIM,
      measure: "not measured: the npm package with the images could not be fetched",
      result: "none",
      outcome: "not reproduced",
      remarks: [],
      charts: [],
    };
  }
  const labels = tensor([digits.labels.length], Float64Array.from(digits.labels), "int64");
  const images = imageTensor(digits);
  const run = (model: string, name: string, x: Tensor): Promise<Outcomes> =>
    lab.run({
      model,
      settings: [{ name, training: { learningRate: 0.05, momentum: 0.9, batchSize: 32 } }],
      data: { kind: "tensors", name: "handwritten digits", inputs: new Map([["x", x]]), targets: labels },
      loss: "cross-entropy",
      steps: 600,
      replicas: 4,
      recordings: 6,
    });
  // Same seeds: replicas with the same number start with the same weights and see the images in the same order.
  const plain = await run("Digits", "as they are", images);
  const wide = await run("ExpandedDigits", "expanded", expand(images, 2, 0.5));
  const accuracies = [plain, wide].map((o) => o.result.runs.map((r) => r.evaluation?.accuracy ?? Number.NaN));
  const accuracy = pairedDifference(accuracies[0]!, accuracies[1]!);
  const summaries = [plain, wide].map((o) => o.summary.settings[0]!);
  const distances = summaries.map((s) => s.replicaDistance.mean);
  const difference = {
    value: distances[1]!.value - distances[0]!.value,
    error: Math.hypot(distances[0]!.error, distances[1]!.error),
  };
  const better = accuracy.value > 2 * accuracy.error;
  const closer = difference.value < -2 * difference.error;
  return {
    id: "input-expansion",
    paper: PAPER,
    claim: CLAIM,
    measure: "held-out accuracy and replica distance metric, expanded against plain, on 3,000 handwritten digits",
    result: `accuracy ${plusMinus(summaries[0]!.accuracy!, 3)} to ${plusMinus(summaries[1]!.accuracy!, 3)} (paired difference ${plusMinus(accuracy, 3)}); replica distance ${plusMinus(distances[0]!, 3)} to ${plusMinus(distances[1]!, 3)}`,
    outcome: better && closer ? "reproduced" : better || closer ? "partly" : "not reproduced",
    remarks: [
      "A network of three strided convolutions with batch normalisation and a mean over positions, 600 steps of SGD with momentum, four replicas. The expanded images are 56 x 56: stride 2, the constant 0.5; the network is the same but sees a finer grid, at four times the cost.",
      "The paper trains larger networks on larger images; its exact distance formula is not published in what we could read, ours is the Wasserstein distance of sorted weights over their spread.",
      `The degree of symmetry breaking is ${plusMinus(summaries[0]!.degree)} and ${plusMinus(summaries[1]!.degree)}: expansion acts on the input, and leaves permutations and rescalings of hidden channels as they are.`,
    ],
    charts: [
      {
        title: "Loss on handwritten digits",
        xLabel: "step",
        yLabel: "mini-batch loss",
        series: summaries.map((s) => ({
          name: s.setting,
          points: s.loss.at.map((x, k) => ({ x, y: s.loss.values[k]!.value, error: s.loss.values[k]!.error })),
        })),
        yScale: "log",
      },
    ],
  };
}
