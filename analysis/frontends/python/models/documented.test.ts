/** @file Shapes that the author wrote down: annotations, comments, docstrings; and that code which says otherwise is believed. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { model, prepare } from "../testing/project.fixture";

before(prepare);

const SEQUENCE = "self.a, self.b = nn.Linear(12, 20), nn.Linear(20, 12)";
const MIX = "return self.b(torch.relu(self.a(x))).mean(1)";
const IMAGE = "self.c, self.h = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)";

/** The constructor, the function, and the shapes of its inputs without the batch. */
const CASES: Readonly<Record<string, readonly [init: string, forward: string, shapes: readonly (readonly number[])[]]>> = {
  "an annotation of jaxtyping": [
    IMAGE,
    '(self, x: Float[Tensor, "batch 3 40 40"]):\n        return self.h(self.c(x).mean((2, 3)))',
    [[3, 40, 40]],
  ],
  "an annotation of jaxtyping in Optional, with any number of axes before": [
    SEQUENCE,
    `(self, x: Optional[Float[Tensor, "*batch 7 12"]] = None):\n        ${MIX}`,
    [[7, 12]],
  ],
  "an annotation of torchtyping": [SEQUENCE, `(self, x: TensorType["b", 9, 12]):\n        ${MIX}`, [[9, 12]]],
  "tokens by annotation": [
    "self.e = nn.Embedding(30, 6)",
    '(self, codes: Int[Tensor, "b 7"]):\n        return self.e(codes).mean(1)',
    [[7]],
  ],
  "a comment behind the head": [SEQUENCE, `(self, x):  # x: [B, T, C]\n        ${MIX}`, [[5, 12]]],
  "comments behind parameters": [
    "self.q, self.k = nn.Linear(12, 20), nn.Linear(12, 20)",
    `(
        self,
        query: torch.Tensor,  # (B, D)
        keys: torch.Tensor = None,  # (B, T, D)
    ):
        return self.q(query)`,
    [[12]],
  ],
  "a comment that is nothing but sizes": [SEQUENCE, `(self, x):\n        # (B, 11, C)\n        ${MIX}`, [[11, 12]]],
  "Google's docstrings": [
    SEQUENCE,
    `(self, x):
        """Mixes.

        Args:
            x (torch.Tensor): input of shape (batch, 8, dim)

        Returns:
            (batch, dim) features
        """
        ${MIX}`,
    [[8, 12]],
  ],
  "NumPy's docstrings": [
    SEQUENCE,
    `(self, x, mask=None):
        """Mixes.

        Parameters
        ----------
        x : torch.Tensor, shape (n_samples, 9, n_features)
            The input.
        mask : Tensor, shape (n_samples, 3), optional
        """
        ${MIX}`,
    [[9, 12]],
  ],
  "sizes with crosses": [
    IMAGE,
    `(self, x):
        """
        x: B x T x C x H x W
        """
        b, t = x.shape[:2]
        return self.h(self.c(x.flatten(0, 1)).mean((2, 3)).view(b, t, -1).mean(1))`,
    [[5, 3, 64, 64]],
  ],
  "what the code contradicts": [
    IMAGE,
    '(self, x):\n        """x: (B, T)"""\n        return self.h(self.c(x).mean((2, 3)))',
    [[3, 64, 64]],
  ],
  "types in brackets, which are none": [
    SEQUENCE,
    `(self, x):
        """
        Args:
            x (Tensor, optional): rows of features (see above)
        """
        return self.b(torch.relu(self.a(x)))`,
    [[12]],
  ],
};

describe("shapes that are written down", () => {
  for (const [name, [init, forward, shapes]] of Object.entries(CASES)) {
    it(`are read from ${name}`, () => {
      const text = `import torch
from torch import nn, Tensor
from typing import Optional
from jaxtyping import Float, Int
from torchtyping import TensorType

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        ${init}

    def forward${forward}
`;
      const { graph, contradictions } = model(text, "Model");
      assert.deepEqual(contradictions, []);
      assert.deepEqual(
        graph.inputs.map((i) => i.shape.slice(1)),
        shapes,
      );
    });
  }

  it("of a class's docstring, with time before the batch", () => {
    const { graph } = model(
      `import torch
from torch import nn

class Model(nn.Module):
    r"""Averages over time.

    Shape:
        - Input: :math:\`(L, N, C_{in})\`
        - Output: :math:\`(N, C_{out})\`
    """
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(12, 20)

    def forward(self, input):
        return self.a(input).mean(0)
`,
      "Model",
    );
    assert.deepEqual(graph.inputs[0]?.shape, [5, 4, 12]);
  });
});
