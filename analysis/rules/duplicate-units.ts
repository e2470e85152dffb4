/** @file `duplicate-units`: units that became copies of each other in a probe. */
import { say } from "../texts/say";
import type { CheckedFile, CheckedModel } from "./checked";
import { atParameter, equalUnitsClaim, exceeds, measuredBy, probedUnits, shareOf, trainedExamples, withError } from "./measured";
import { type Detection, optionOf, type Rule } from "./rule";
import { code } from "./words";

/** Duplicate units, as a probe measured it. */
export const duplicateUnits: Rule = {
  id: "duplicate-units",
  title: "Duplicate units",
  severity: "warning",
  category: "collapse",
  since: "0.1.0",
  measured: true,
  documentation: {
    what: "A share of a layer's units are copies of others at the end of a probe, up to scale and sign.",
    why: "Two units with equal weights are on a mirror of the permutation group, where gradient descent keeps them together. Weights reach it when the loss curves less along their difference than decay and noise pull: E log|1 - lr (h + lambda)| < 0 with h the curvature of a mini-batch. n units then do the work of fewer.",
    whenNot:
      "A few copies among many units are common and harmless. The measure is of weights in the balanced gauge, with a squared relative distance below 0.01.",
    references: [
      "Ziyin 2024, Symmetry Induces Structure and Constraint of Learning (arXiv 2309.16932)",
      "Chen et al. 2023, Stochastic Collapse (arXiv 2306.04251)",
    ],
  },
  options: {
    share: {
      takes: { kind: "number", minimum: 0 },
      default: 0.1,
      description: "Share of duplicates from which on a layer is reported.",
    },
  },
  examples: trainedExamples("lr=1.0, weight_decay=0.05", "lr=0.05"),
  claims: [equalUnitsClaim("Two equal units get equal gradients, before and after each of 2 steps: they stay copies.")],
  check: (file, options) => file.models.flatMap((model) => detections(file, model, options)),
};

function detections(file: CheckedFile, model: CheckedModel, options: Parameters<Rule["check"]>[1]): Detection[] {
  const record = model.probed?.();
  if (!record) return [];
  const least = optionOf(duplicateUnits, "share", options);
  return probedUnits(model, record).flatMap(({ measures, writer, name }) => {
    const { units, duplicates, distinct } = measures.units;
    if (!exceeds(shareOf(duplicates, units), least)) return [];
    const lines = [
      say`${Math.round(duplicates.value ?? 0)} of ${units} units of ${code(name)} are copies of others at the end of the probe`,
      say`${withError(distinct)} units are distinct. ${measuredBy(record)} Random starts, smaller learning rates or larger batches keep them apart.`,
    ];
    return atParameter(file, model, writer, lines, measures.symmetry.group);
  });
}
