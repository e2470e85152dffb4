/** @file `decay-on-scale-invariant`: what weight decay does to weights before a normalisation. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { angularStep, relaxationSteps } from "../dynamics/closed-forms/scale-invariance";
import { roundedDown } from "../dynamics/risk/levers";
import { isDecoupled } from "./decay";
import { codes, layerName } from "./layers";
import type { Detection, Rule } from "./rule";
import { invariantGroups, type InvariantGroup } from "./scale-decay";
import { few, number } from "./words";

/** Angle per step in radians above which training of a direction becomes erratic (learning rate times decay of 0.005). */
const LARGEST_ANGLE = 0.1;

/** Decay on weights whose scale the function does not see. */
export const decayOnScaleInvariant: Rule = {
  id: "decay-on-scale-invariant",
  title: "Weight decay on scale-invariant weights",
  severity: "info",
  category: "optimisation",
  since: "0.1.0",
  documentation: {
    what: "Weights before a normalisation are decayed: this does not limit the function, it sets their effective learning rate.",
    why:
      "f(a w) = f(w) for a > 0, so the gradient is orthogonal to w and shrinks like 1/|w|: only the direction learns, with rate " +
      "lr / |w|^2. Decay pulls |w| in, steps push it out; in equilibrium |w|^4 = lr E|g|^2 / (2 lambda), and the direction turns by " +
      "sqrt(2 lr lambda) radians per step (with momentum b divided by sqrt(1 + b)), whatever the loss. It takes (1 - b) / (4 lr " +
      "lambda) steps to get there. Learning rate and decay act as one number, their product.",
    whenNot:
      "This is how most convolutional networks are trained, and it works: the finding states the numbers. It is a warning only " +
      "where the angle exceeds 0.1 rad per step.",
    references: [
      "van Laarhoven 2017, L2 Regularization versus Batch and Weight Normalization (arXiv 1706.05350)",
      "Wan et al. 2020, Spherical Motion Dynamics (arXiv 2006.08419)",
      "Kosson, Messmer and Jaggi 2023, Rotational Equilibrium (arXiv 2305.17212)",
      "Tanaka and Kunin 2021, Noether's Learning Dynamics (arXiv 2105.02716)",
    ],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))


model = Net()
matrices = [p for p in model.parameters() if p.ndim > 1]
vectors = [p for p in model.parameters() if p.ndim <= 1]
groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=5e-4)
`,
    {
      fixed: [
        ["self.conv = nn.Conv2d(1, 8, 3, bias=False)\n        self.norm = nn.BatchNorm2d(8)", "self.conv = nn.Conv2d(1, 8, 3)"],
        ["self.head(self.norm(self.conv(x)).relu", "self.head(self.conv(x).relu"],
      ],
      good: `import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 10)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())


model = Net()
groups = [
    {"params": [model.fc1.weight, model.fc2.weight]},
    {"params": [model.fc1.bias, model.fc2.bias], "weight_decay": 0.0},
]
optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=5e-4)
`,
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "Each of the 8 kernels has one direction that does not move the function, its size; without the norm none has.",
      parameters: ["conv.weight"],
      bad: 8,
      fixed: 0,
    },
  ],
  check: (file) => {
    const seen = new Set<InvariantGroup["optimiser"]>();
    return invariantGroups(file).flatMap((g) => {
      if (g.weightDecay <= 0 || seen.has(g.optimiser)) return [];
      seen.add(g.optimiser);
      return [detection(file.file, g, file.facts?.().steps?.value)];
    });
  },
};

/** @param training length of the training in steps, where the code says it */
function detection(file: string, group: InvariantGroup, training: number | undefined): Detection {
  const { optimiser, model, weights, weightDecay, learningRate, momentum } = group;
  const names = weights.map((w) => layerName(model, w));
  const n = weights.length;
  const head =
    n === 1
      ? say`weight decay ${number(weightDecay)} on 1 scale-invariant weight only sets its effective learning rate`
      : say`weight decay ${number(weightDecay)} on ${n} scale-invariant weights only sets their effective learning rate`;
  const known = learningRate !== undefined && learningRate > 0;
  const decoupled = isDecoupled(optimiser.kind);
  // Adam with decay in the gradient has no closed form that is known to hold.
  const closed = known && (decoupled || /^SGD$/.test(optimiser.kind));
  const angle = closed ? angularStep(learningRate, weightDecay, momentum, decoupled ? "adamw" : "sgd") : undefined;
  const steps = closed ? relaxationSteps(learningRate, weightDecay, decoupled ? 0 : momentum) : undefined;
  // What learning rate times decay may be at most.
  const product = ((LARGEST_ANGLE ** 2 / 2) * (1 + momentum)) / (decoupled ? 1 - momentum : 1);
  const lines = [
    head,
    say`A normalisation divides by the scale of ${few(codes(names))}; the function does not see it.`,
    ...(angle === undefined
      ? []
      : [
          say`In equilibrium they turn by ${number(angle)} rad per step, reached after about ${number(steps!)} steps${against(steps!, training)} (closed form).`,
        ]),
  ];
  const tooFast = angle !== undefined && angle > LARGEST_ANGLE;
  if (tooFast) lines.push(say`More than ${LARGEST_ANGLE} rad per step is unstable: lower the decay or the learning rate.`);
  return {
    message: lines.join("\n"),
    ...(tooFast ? { severity: "warning" as const } : {}),
    range: optimiser.range,
    file,
    related: [],
    symmetry: `R+ on ${weights.slice(0, 3).join(", ")}${n > 3 ? ` and ${n - 3} more` : ""}`,
    ...(tooFast
      ? { subject: { model, parameters: weights, optimiser, values: slower(learningRate!, weightDecay, product) } }
      : {}),
  };
}

/** The time to equilibrium against the length of the training. */
function against(steps: number, training: number | undefined): string {
  if (training === undefined) return "";
  return steps > training ? say`, which this training of ${number(training)} does not see` : say` of ${number(training)}`;
}

/** The decay, or the rate, at which the angle stays below the largest one. */
function slower(rate: number, decay: number, product: number): { readonly weightDecay: number; readonly learningRate: number } {
  return { weightDecay: roundedDown(product / rate), learningRate: roundedDown(product / decay) };
}
