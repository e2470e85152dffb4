/** @file `tied-weights`: a tie between layers that is undone again, or a tied tensor that the optimiser has twice. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import type { CheckedFile } from "./checked";
import { trainedModel } from "./decay";
import { codes, layerName } from "./layers";
import type { Detection, Rule } from "./rule";
import { code, few } from "./words";

/** Ties that do not hold, and tied tensors that are stepped twice. */
export const tiedWeights: Rule = {
  id: "tied-weights",
  title: "Weights that were to be tied",
  severity: "warning",
  category: "sharing",
  since: "0.1.0",
  documentation: {
    what: "One layer is given the weight of another one and loses it again, or the shared tensor stands twice in an optimiser.",
    why:
      "A tie makes one tensor act on both ends, so that a change of basis of the residual stream moves both: GL becomes O(d). When " +
      "either layer, or its parameter, is made anew after the tie, there are two tensors again, silently, and twice the " +
      "parameters. A tensor that is listed twice is stepped twice per iteration: its learning rate doubles, and so does its decay.",
    whenNot: "Initialising a tied weight in place (nn.init, .data, .copy_) keeps the tie and is not reported.",
    references: [
      "Press and Wolf 2016, Using the Output Embedding to Improve Language Models (arXiv 1608.05859)",
      "PyTorch documentation, torch.optim, parameter groups",
    ],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Lm(nn.Module):
    def __init__(self, vocabulary=50, dim=16):
        super().__init__()
        self.emb = nn.Embedding(vocabulary, dim)
        self.head = nn.Linear(dim, vocabulary, bias=False)
        self.head.weight = self.emb.weight
        self.emb.weight = nn.Parameter(torch.randn(vocabulary, dim) * 0.02)

    def forward(self, ids):
        return self.head(self.emb(ids).tanh())
`,
    {
      fixed: [
        ["import torch\n", ""],
        ["self.emb.weight = nn.Parameter(torch.randn(vocabulary, dim) * 0.02)", "nn.init.normal_(self.emb.weight, std=0.02)"],
      ],
      good: [
        ["import torch\n", ""],
        [
          "self.emb.weight = nn.Parameter(torch.randn(vocabulary, dim) * 0.02)",
          "self.apply(self._init)\n\n    def _init(self, module):\n        if isinstance(module, (nn.Linear, nn.Embedding)):\n            nn.init.normal_(module.weight, std=0.02)",
        ],
      ],
    },
  ),
  claims: [
    { kind: "entries", says: "With the broken tie there are 1,600 trained entries, with the tie 800.", bad: 1600, fixed: 800 },
  ],
  check: (file) => [...brokenTies(file), ...steppedTwice(file)],
};

function brokenTies(file: CheckedFile): Detection[] {
  return file.models.flatMap((model) =>
    (model.inventory?.ties ?? []).flatMap(({ names, range, holds }): Detection[] => {
      const known = names.flatMap((n) => n ?? []);
      if (holds || range.file !== file.file || known.length === 0) return [];
      const [owner, holder] = names;
      const what =
        owner !== undefined && holder !== undefined
          ? say`${code(owner)} and ${code(holder)} are tied here, and one of them is replaced later: the tie does not hold`
          : say`${code(known[0]!)} is tied here to a layer that is replaced later: the tie does not hold`;
      return [
        {
          message: `${what}\n${say`Set the tie last: after all layers are made and no parameter is assigned any more.`}`,
          range,
          file: file.file,
          related: [],
          symmetry: `two tensors instead of one: ${known.join(", ")}`,
        },
      ];
    }),
  );
}

function steppedTwice(file: CheckedFile): Detection[] {
  return (file.facts?.().optimisers ?? []).flatMap((optimiser): Detection[] => {
    const model = trainedModel(file, optimiser);
    if (!model || optimiser.range.file !== file.file) return [];
    const seen = new Set<string>();
    const twice = new Set<string>();
    for (const p of optimiser.groups.flatMap((g) => g.parameters ?? [])) {
      if (seen.has(p)) twice.add(p);
      seen.add(p);
    }
    if (twice.size === 0) return [];
    const names = [...twice].flatMap((p) => {
      const registered = model.inventory?.parameters.find((r) => r.name === p);
      return [p, ...(registered?.aliases ?? [])];
    });
    const layers = [...new Set(names.map((n) => layerName(model, n)))];
    return [
      {
        message: [
          say`${code([...twice][0]!)}${twice.size > 1 ? say` and ${twice.size - 1} more` : ""} ${twice.size > 1 ? say`are` : say`is`} in this optimiser twice: stepped and decayed twice`,
          say`It is one tensor under the names of ${few(codes(layers))}. Give the optimiser ${code("model.parameters()")}, which lists it once.`,
        ].join("\n"),
        range: optimiser.range,
        file: file.file,
        related: [],
        symmetry: `one tensor, listed twice: ${[...twice].slice(0, 4).join(", ")}`,
      },
    ];
  });
}
