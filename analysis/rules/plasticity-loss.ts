/** @file `plasticity-loss`: units that fell silent in a probe. */
import { say } from "../texts/say";
import type { CheckedFile, CheckedModel } from "./checked";
import { exceeds, measuredBy, numbers, ownSetting, silentUnitClaim, trainedExamples } from "./measured";
import { type Detection, optionOf, type Rule } from "./rule";
import { code } from "./words";

/** Loss of plasticity, as a probe measured it. */
export const plasticityLoss: Rule = {
  id: "plasticity-loss",
  title: "Loss of plasticity",
  severity: "info",
  category: "collapse",
  since: "0.1.0",
  measured: true,
  documentation: {
    what: "The share of dormant units grows during a probe: units whose output is far below their layer's mean on all data.",
    why: "A unit is dormant when its mean activity is at most a tenth of its layer's, E|h_i| <= 0.1 mean_j E|h_j|. Behind a ReLU it gets hardly any gradient, so that the share rarely falls; a network with many dormant units learns new targets slowly.",
    whenNot:
      "In supervised training on fixed data growth up to about a quarter is common and often harmless; it matters in continual and reinforcement learning.",
    references: [
      "Sokar et al. 2023, The Dormant Neuron Phenomenon (arXiv 2302.12902)",
      "Dohare et al. 2024, Loss of plasticity in deep continual learning (Nature 632)",
    ],
  },
  options: {
    share: {
      takes: { kind: "number", minimum: 0 },
      default: 0.25,
      description: "Share of dormant units at the end from which on a layer is reported.",
    },
  },
  examples: trainedExamples("lr=6.0", "lr=0.05"),
  claims: [
    silentUnitClaim("A unit that is off on all data has a gradient of exactly zero.", ([, bias]) => [{ ...bias!, to: -100 }]),
  ],
  check: (file, options) => file.models.flatMap((model) => detections(file, model, options)),
};

function detections(file: CheckedFile, model: CheckedModel, options: Parameters<Rule["check"]>[1]): Detection[] {
  const record = model.probed?.();
  if (!record) return [];
  const least = optionOf(plasticityLoss, "share", options);
  const scopes = new Map(model.graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n.origin.scope ?? ""] as const)));
  return ownSetting(record).dormant.flatMap(({ layer: value, ...share }): Detection[] => {
    const [start, end] = [numbers(share.start), numbers(share.end)];
    if (!exceeds(end, least) || end.value - start.value < 0.1 || !model.range) return [];
    const scope = scopes.get(value) ?? "";
    const range = model.layers.find((l) => l.scope === scope)?.constructor ?? model.range;
    const percent = (x: number): string => `${Math.round(100 * x)}%`;
    return [
      {
        message: [
          say`${percent(end.value)} of the units behind ${code(scope === "" ? value : scope)} are dormant at the end of the probe, ${percent(start.value)} at its start`,
          say`${measuredBy(record)} Leaky activations, a smaller learning rate, or decay towards the initial weights keep units alive.`,
        ].join("\n"),
        range,
        file: file.file,
        related: [],
        symmetry: "S(n) on the units",
      },
    ];
  });
}
