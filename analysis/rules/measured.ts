/** @file What probe runs measured of a model, as rules read it. */
import type { SettingSummary, SymmetrySummary } from "../dynamics/summary/types";
import type { Trajectory } from "../dynamics/trajectory";
import type { ChannelSpace } from "../symmetry/symmetry";
import type { CheckedFile, CheckedModel } from "./checked";
import { layerName, placeOf } from "./layers";
import type { Detection, Rule } from "./rule";

/** A probe of one model with the author's own setting. */
export interface Probed {
  readonly summary: SettingSummary;
  /** The runs behind it. */
  readonly runs: readonly Trajectory[];
  readonly steps: number;
}

/** A layer of units in a probe: the symmetry that exchanges them, and the weight that writes them. */
export interface ProbedUnits {
  readonly summary: SymmetrySummary;
  readonly space: ChannelSpace | undefined;
  readonly writer: string;
  readonly name: string;
}

/** The permutation symmetries of a probe with what became of their units. */
export function probedUnits(model: CheckedModel): ProbedUnits[] {
  if (!model.probed) return [];
  const { spaces } = model.analysis();
  return model.probed.summary.symmetries.flatMap((summary): ProbedUnits[] => {
    const { symmetry, units } = summary;
    if (symmetry.kind !== "permutation" || !units) return [];
    const space = spaces.find((s) => symmetry.spaces.includes(s.id));
    const acts = space?.acts ?? [];
    const writer =
      acts.find((a) => a.axis === 0 && (model.graph.parameters.get(a.parameter)?.shape.length ?? 0) >= 2)?.parameter ??
      symmetry.parameters[0];
    return writer === undefined ? [] : [{ summary, space, writer, name: layerName(model, writer) }];
  });
}

/** Whether a measured share is at least some least share, beyond two standard errors; one replica has no error to tell. */
export function exceeds(estimate: { readonly value: number; readonly error: number }, least: number): boolean {
  return estimate.value >= least && !(estimate.value - 2 * estimate.error <= 0);
}

/** How a measure was obtained, in words. */
export function measuredBy({ summary, steps }: Probed): string {
  const replicas = `${summary.replicas} ${summary.replicas === 1 ? "replica" : "replicas"}`;
  return `Measured in a probe of ${steps} steps with ${replicas}.`;
}

/** `3.2 +- 0.4`, or the value alone where one replica says nothing of its error. */
export function withError({ value, error }: { readonly value: number; readonly error: number }, digits = 1): string {
  return Number.isFinite(error) ? `${value.toFixed(digits)} ± ${error.toFixed(digits)}` : value.toFixed(digits);
}

/** A detection at the layer that holds a parameter. */
export function atParameter(
  file: CheckedFile,
  model: CheckedModel,
  parameter: string,
  message: readonly string[],
  symmetry: string,
): Detection[] {
  const place = placeOf(file, model, parameter);
  return place
    ? [{ message: message.join("\n"), ...place, related: [], symmetry, subject: { model, parameters: [parameter] } }]
    : [];
}

/**
 * Examples of a rule about training: one network, with options of the optimiser that call for the finding, with others that do
 * not, and not trained at all.
 */
export function trainedExamples(bad: string, fixed: string): Rule["examples"] {
  const network = `class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 32)
        self.fc2 = nn.Linear(32, 3)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())
`;
  const trained = (options: string): string => `import torch
from torch import nn


${network}

model = Net()
optimizer = torch.optim.SGD(model.parameters(), ${options})
`;
  return { bad: trained(bad), fixed: trained(fixed), good: `from torch import nn\n\n\n${network}` };
}
