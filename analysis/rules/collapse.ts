/** @file `collapse`: weights that fell onto the fixed set of a symmetry in a probe. */
import { verdictWord } from "../dynamics/verdict/verdict";
import { say } from "../texts/say";
import { attraction, criticalLearningRate, effectiveRate } from "../dynamics/closed-forms/thresholds";
import { roundedDown } from "../dynamics/risk/levers";
import type { RecordedCollapse, RecordedTraining } from "../probe/record/record";
import type { CheckedFile, CheckedModel } from "./checked";
import {
  atParameter,
  equalUnitsClaim,
  exceeds,
  measuredBy,
  numbers,
  ownSetting,
  probedUnits,
  trainedExamples,
  withError,
} from "./measured";
import { type Detection, optionOf, type Rule, type Subject } from "./rule";
import { code } from "./words";

/** Collapse onto a symmetry, as a probe measured it. */
export const collapse: Rule = {
  id: "collapse",
  title: "Collapse onto a symmetry",
  severity: "warning",
  category: "collapse",
  since: "0.1.0",
  measured: true,
  documentation: {
    what: "A probe's weights fell onto the fixed set of a symmetry: what the group could distinguish is gone.",
    why: "On the fixed set of a mirror, O^T theta = 0, the gradient along O vanishes: weights that get there stay. Decay and gradient noise make it attractive when h + lambda + lr v / (2 B) > 0, h being the curvature along O and v its variance over examples. The share of broken mirrors falls from near one towards zero.",
    whenNot: "A symmetry that is restored in part of a wide layer may only say that it is wider than the task needs.",
    references: [
      "Ziyin 2024, Symmetry Induces Structure and Constraint of Learning (arXiv 2309.16932)",
      "Fok, An and Wang 2017, Spontaneous Symmetry Breaking in Neural Networks (arXiv 1710.06096)",
    ],
  },
  options: {
    fall: {
      takes: { kind: "number", minimum: 0 },
      default: 0.2,
      description: "Fall of the share of broken mirrors from which on a symmetry is reported.",
    },
  },
  examples: trainedExamples("lr=1.0, weight_decay=0.1", "lr=0.1, weight_decay=1e-4"),
  claims: [
    equalUnitsClaim(
      "On the mirror of two units the gradient across it is exactly zero, after steps as well: weights that get there stay.",
    ),
  ],
  check: (file, options) => file.models.flatMap((model) => detections(file, model, options)),
};

function detections(file: CheckedFile, model: CheckedModel, options: Parameters<Rule["check"]>[1]): Detection[] {
  const record = model.probed?.();
  if (!record) return [];
  const least = optionOf(collapse, "fall", options);
  return probedUnits(model, record).flatMap(({ measures, writer, name }) => {
    const { verdict } = measures;
    if (verdict?.kind !== "collapses" || !exceeds(numbers(verdict.start), least)) return [];
    if (!(numbers(verdict.start).value - numbers(verdict.end).value >= least)) return [];
    const lines = [
      say`units of ${code(name)} collapse in the probe: share of broken mirrors from ${withError(verdict.start, 2)} to ${withError(verdict.end, 2)}`,
      say`Driven by ${verdictWord(verdict.driver)}. ${measuredBy(record)}`,
    ];
    const found = atParameter(file, model, writer, lines, measures.symmetry.group);
    const optimiser = file.facts?.().optimisers.find((o) => o.model === model.name);
    // Thresholds measured on a smaller copy are not those of the model.
    const values = record.twin ? undefined : valuesBelow(measures.collapse, ownSetting(record).training);
    if (!optimiser || !values) return found;
    return found.map((d) => (d.subject ? { ...d, subject: { ...d.subject, optimiser, values } } : d));
  });
}

/**
 * Options of plain SGD at which the mirror that was measured no longer attracts: half of the threshold
 * h + lambda + lr v / (2 B) = 0 in each of them alone (2306.04251), rounded down. Without those at which it does not attract
 * now, or attracts whatever they are.
 */
export function valuesBelow(
  measured: Pick<RecordedCollapse, "curvature" | "curvatureVariance"> | undefined,
  training: Pick<RecordedTraining, "optimiser" | "learningRate" | "momentum" | "weightDecay">,
): NonNullable<Subject["values"]> | undefined {
  if (!measured || training.optimiser !== "sgd") return undefined;
  // The variance is between mini-batches, so that it stands for that of a single example over the batch size.
  const { curvature, curvatureVariance: variance } = measured;
  const { learningRate, momentum, weightDecay } = training;
  const decay = -(curvature + attraction(0, effectiveRate(learningRate, momentum), variance, 1));
  const rate = criticalLearningRate(curvature, weightDecay, variance, 1) * (1 - momentum);
  const values = {
    ...(decay > 0 && weightDecay > decay ? { weightDecay: roundedDown(decay / 2) } : {}),
    ...(rate > 0 && learningRate > rate ? { learningRate: roundedDown(rate / 2) } : {}),
  };
  return Object.keys(values).length > 0 ? values : undefined;
}
