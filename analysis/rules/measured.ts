/** @file What a probe measured of a model, as rules read it. */
import { say } from "../texts/say";
import type { Measured, ProbeRecord, RecordedMeasures, RecordedSetting } from "../probe/record/record";
import type { Claim, Setting, Slice } from "./claim";
import type { CheckedFile, CheckedModel } from "./checked";
import { layerName, placeOf } from "./layers";
import type { Detection, Rule } from "./rule";

/** What rules judge: the author's own setting, which is a probe's first. */
export function ownSetting(record: ProbeRecord): RecordedSetting {
  return record.settings[0]!;
}

/** A mean with its standard error, as numbers; NaN where there is none. */
export interface MeanWithError {
  readonly value: number;
  readonly error: number;
}

/** A measured value as numbers. */
export function numbers({ value, error }: Measured): MeanWithError {
  return { value: value ?? Number.NaN, error: error ?? Number.NaN };
}

/** A measured count as a share of a whole. */
export function shareOf(count: Measured, whole: number): MeanWithError {
  const { value, error } = numbers(count);
  return { value: value / whole, error: error / whole };
}

/** A layer of units in a probe: the symmetry that exchanges them, and the weight that writes them. */
export interface ProbedUnits {
  readonly measures: RecordedMeasures & { readonly units: NonNullable<RecordedMeasures["units"]> };
  readonly writer: string;
  readonly name: string;
}

/** The permutation symmetries of a probe with what became of their units. */
export function probedUnits(model: CheckedModel, record: ProbeRecord): ProbedUnits[] {
  return ownSetting(record).symmetries.flatMap((measures): ProbedUnits[] => {
    const { symmetry, units } = measures;
    const writer = symmetry.writer ?? symmetry.parameters[0];
    if (symmetry.kind !== "permutation" || !units || writer === undefined) return [];
    return [{ measures: { ...measures, units }, writer, name: layerName(model, writer) }];
  });
}

/** Whether a measured share is at least some least share, beyond two standard errors; one replica has no error to tell. */
export function exceeds({ value, error }: MeanWithError, least: number): boolean {
  return value >= least && !(value - 2 * error <= 0);
}

/** How a measure was obtained, in words. */
export function measuredBy(record: ProbeRecord): string {
  const { replicas, training } = ownSetting(record);
  const runs = replicas === 1 ? say`1 replica` : say`${replicas} replicas`;
  const how = say`${training.optimiser}, learning rate ${training.learningRate}, weight decay ${training.weightDecay}`;
  const what = record.twin ? say` on a smaller copy of the model` : "";
  return say`Measured in a probe of ${record.steps} steps with ${runs}${what} (${how}).`;
}

/** `3.2 +- 0.4`, or the value alone where one replica says nothing of its error. */
export function withError(measured: Measured, digits = 1): string {
  const { value, error } = numbers(measured);
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

/** The weights of one unit of the network of {@link trainedExamples}: in, bias, out. */
function unitOfExample(index: number): readonly Slice[] {
  return [
    { parameter: "fc1.weight", axis: 0, index },
    { parameter: "fc1.bias", axis: 0, index },
    { parameter: "fc2.weight", axis: 1, index },
  ];
}

/** That two equal units of that network get equal gradients, before and after steps. */
export function equalUnitsClaim(says: string): Claim {
  const [first, second] = [unitOfExample(0), unitOfExample(1)];
  return {
    kind: "equal-gradients",
    says,
    steps: 2,
    at: second.map((slice, i) => ({ ...slice, to: first[i]! })),
    pairs: first.map((slice, i) => [slice, second[i]!] as const),
  };
}

/** That one unit of that network gets no gradient where it is set to what `at` gives its weights. */
export function silentUnitClaim(says: string, at: (unit: readonly Slice[]) => readonly Setting[]): Claim {
  const unit = unitOfExample(0);
  return { kind: "no-gradient", says, at: at(unit), slices: unit };
}
