/** @file `inert-key-bias`: the bias of the keys of softmax attention. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { detectInertBiases, isCancelledBySoftmax } from "./inert";
import type { Rule } from "./rule";
import { values } from "./words";

/** Biases that add one number to all scores that a softmax compares. */
export const inertKeyBias: Rule = {
  id: "inert-key-bias",
  title: "Key bias under softmax attention",
  severity: "info",
  category: "redundancy",
  since: "0.1.0",
  documentation: {
    what: "The bias of an attention's keys adds the same number to every score of a query, which softmax cancels.",
    why:
      "q . (k_j + b) = q . k_j + q . b, and q . b does not depend on the key j: softmax over j is unchanged, so the gradient of b " +
      "is exactly zero. The query's bias does count (it weighs keys), so only the key's can go.",
    whenNot:
      "Rotary positions turn the bias by another angle at each key, and a norm of the keys mixes it with them: there the bias " +
      "counts and nothing is reported. Fused projections (qkv in one layer) hold the key bias as a part, which cannot be left out " +
      "alone. Checkpoints with the bias need its key dropped.",
    references: [
      "Bao et al. 2021, BEiT (queries and values have a bias, keys have none)",
      "Namazifar et al. 2023, Role of Bias Terms in Dot-Product Attention",
    ],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.scale = dim**-0.5

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(-2, -1) * self.scale
        return torch.softmax(scores, dim=-1) @ self.value(x)
`,
    {
      fixed: [["self.key = nn.Linear(dim, dim)", "self.key = nn.Linear(dim, dim, bias=False)"]],
      good: [["torch.softmax(scores, dim=-1)", "torch.sigmoid(scores)"]],
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "None of the 32 entries of `key.bias` moves the function under softmax; under a sigmoid all of them do.",
      parameters: ["key.bias"],
      bad: 32,
      good: 0,
    },
    { kind: "flat", says: "All entries of `query.bias` move it.", parameters: ["query.bias"], bad: 0 },
    { kind: "same-function", says: "Without the keys' bias the model computes the same." },
  ],
  check: (file) =>
    detectInertBiases(
      file,
      isCancelledBySoftmax,
      ({ subject, count }) => say`${subject} has no effect: softmax cancels what it adds to all scores alike (${values(count)})`,
    ),
};
