/** @file `bias-before-norm`: a bias whose value a normalisation subtracts again. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { detectInertBiases, isSubtractedAgain } from "./inert";
import type { Rule } from "./rule";
import { values } from "./words";

/** Biases that cancel in a subtracted mean: before batch norm, instance norm, group norm with one channel per group. */
export const biasBeforeNorm: Rule = {
  id: "bias-before-norm",
  title: "Bias before a normalisation",
  severity: "warning",
  category: "redundancy",
  since: "0.1.0",
  documentation: {
    what: "A layer's bias is added to every entry of a channel, and the next normalisation subtracts that channel's mean.",
    why:
      "mean(x + b) = mean(x) + b, so (x + b) - mean(x + b) = x - mean(x): the output does not depend on b, its gradient is exactly " +
      "zero, and weight decay or an adaptive optimiser moves it for nothing. The normalisation's own shift does the work. " +
      "Without the bias the model computes the same function with fewer parameters, less memory for optimiser state and one " +
      "addition less per layer.",
    whenNot:
      "The saved checkpoints hold the bias: loading them afterwards needs strict=False or the key dropped. With the norm in " +
      "inference mode from the start (frozen statistics) the bias does count, and nothing is reported. Layer norm and group norm " +
      "with several channels per group forget one direction of the bias only, which is not this rule.",
    references: [
      "Ioffe and Szegedy 2015, Batch Normalization, section 3.2",
      "PyTorch performance tuning guide: disable bias for convolutions directly followed by a batch norm",
    ],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        return self.head(x.mean((2, 3)))
`,
    {
      fixed: [["self.conv = nn.Conv2d(3, 16, 3, padding=1)", "self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)"]],
      good: [["torch.relu(self.norm", "self.norm(torch.relu"]],
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "None of the 16 entries of `conv.bias` moves the function; after an activation all of them do.",
      parameters: ["conv.bias"],
      bad: 16,
      good: 0,
    },
    { kind: "same-function", says: "Without the bias the model computes the same." },
  ],
  check: (file) =>
    detectInertBiases(file, isSubtractedAgain, ({ subject, by, several, count }) => {
      return several
        ? say`${subject} has no effect: ${by} subtract its mean (${values(count)})`
        : say`${subject} has no effect: ${by} subtracts its mean (${values(count)})`;
    }),
};
