/** @file `dead-units`: units that vanished in a probe. */
import { say } from "../texts/say";
import type { CheckedFile, CheckedModel } from "./checked";
import { atParameter, exceeds, measuredBy, probedUnits, shareOf, silentUnitClaim, trainedExamples, withError } from "./measured";
import { type Detection, optionOf, type Rule } from "./rule";
import { code } from "./words";

/** Dead units, as a probe measured it. */
export const deadUnits: Rule = {
  id: "dead-units",
  title: "Dead units",
  severity: "warning",
  category: "collapse",
  since: "0.1.0",
  measured: true,
  documentation: {
    what: "A share of a layer's units has all but vanished in a probe: their weights, in and out together, are near zero.",
    why: "A unit u s(w.x) of a homogeneous layer dies under decay lambda when no direction of its gradient exceeds it, lambda > sigma_max(E[delta x^T]): the curvature at zero along the unit is lambda - sigma_max > 0, so that zero attracts. Noise in the gradient adds to that. A dead unit stays dead: at zero its gradient is zero.",
    whenNot:
      "Sparsity may be wanted (pruning). Short probes see the beginning only. Units that are merely silent on the probe's data are dormant, which `plasticity-loss` is about.",
    references: [
      "Ziyin 2024, Symmetry Induces Structure and Constraint of Learning (arXiv 2309.16932)",
      "Chen et al. 2023, Stochastic Collapse (arXiv 2306.04251)",
    ],
  },
  options: {
    share: {
      takes: { kind: "number", minimum: 0 },
      default: 0.1,
      description: "Share of dead units from which on a layer is reported.",
    },
  },
  examples: trainedExamples("lr=1.0, weight_decay=0.05", "lr=0.1, weight_decay=1e-4"),
  claims: [
    silentUnitClaim("A unit whose weights are zero, in and out, has a gradient of exactly zero.", (unit) =>
      unit.map((slice) => ({ ...slice, to: 0 })),
    ),
  ],
  check: (file, options) => file.models.flatMap((model) => detections(file, model, options)),
};

function detections(file: CheckedFile, model: CheckedModel, options: Parameters<Rule["check"]>[1]): Detection[] {
  const record = model.probed?.();
  if (!record) return [];
  const least = optionOf(deadUnits, "share", options);
  return probedUnits(model, record).flatMap(({ measures, writer, name }) => {
    const { units, dead } = measures.units;
    if (!exceeds(shareOf(dead, units), least)) return [];
    const lines = [
      say`${Math.round(dead.value ?? 0)} of ${units} units of ${code(name)} died in the probe: their weights are all but zero`,
      say`${withError(dead)} units per run. ${measuredBy(record)} Less weight decay, a smaller learning rate or larger batches keep them.`,
    ];
    return atParameter(file, model, writer, lines, measures.symmetry.group);
  });
}
