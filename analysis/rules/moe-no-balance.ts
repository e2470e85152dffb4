/** @file `moe-no-balance`: a router that chooses a few experts, with nothing that spreads the load. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { type Graph, type Node, producers } from "../graph/graph";
import type { CheckedFile, CheckedModel } from "./checked";
import { linearStructure } from "./contractions";
import { layerName, placeOf } from "./layers";
import { withoutComments } from "./python-code";
import type { Detection, Rule } from "./rule";
import { code } from "./words";

/** What balances experts goes by one of these names in code. */
const BALANCING =
  /aux|balanc|load|z_?loss|importance|expert_bias|route_bias|router_bias|e_score|capacity|noise|jitter|gumbel|entropy|sinkhorn|expert_choice|\.var\(|\bcv\b|cv_squared/i;

/** Top-k routing among experts without noise, bias update or balancing loss. */
export const moeNoBalance: Rule = {
  id: "moe-no-balance",
  title: "Mixture of experts without balancing",
  severity: "warning",
  category: "collapse",
  since: "0.1.0",
  documentation: {
    what: "A router picks the best experts for each token, and neither noise, nor a bias that is updated, nor a loss spreads them.",
    why:
      "Experts are interchangeable together with their router rows: S(E). Only the chosen ones get a gradient, so that an expert that " +
      "is ahead is chosen more, learns more and stays ahead; the others keep their initial weights. Without a term such as E * sum_i " +
      "f_i P_i (f: share of tokens, P: mean probability), which is least at equal load, the router collapses on a few.",
    whenNot:
      "Soft mixtures, in which every expert gets a gradient, do not collapse in this way and are not reported. A balancing term in " +
      "a file that this one does not import cannot be seen: silence the rule there with a reason.",
    references: [
      "Shazeer et al. 2017, Outrageously Large Neural Networks (arXiv 1701.06538)",
      "Fedus, Zoph and Shazeer 2021, Switch Transformers, section 2.2 (arXiv 2101.03961)",
      "Wang et al. 2024, Auxiliary-Loss-Free Load Balancing (arXiv 2408.15664)",
    ],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Moe(nn.Module):
    def __init__(self, dim=16, experts=4):
        super().__init__()
        self.router = nn.Linear(dim, experts)
        self.experts = nn.ModuleList([nn.Linear(dim, dim) for _ in range(experts)])

    def forward(self, x):
        weights, chosen = torch.topk(torch.softmax(self.router(x), dim=-1), 2, dim=-1)
        every = torch.stack([expert(x) for expert in self.experts], dim=-2)
        picked = torch.gather(every, -2, chosen.unsqueeze(-1).expand(*chosen.shape, x.shape[-1]))
        return (weights.unsqueeze(-1) * picked).sum(-2)
`,
    {
      fixed: [
        [
          "from torch import nn",
          'from torch import nn\n\n\ndef with_noise(scores: torch.Tensor, training: bool) -> torch.Tensor:\n    """Noise on the scores of experts in training, so that all are tried (arXiv 1701.06538)."""\n    if not training:\n        return scores\n    return scores + torch.randn_like(scores) / scores.shape[-1]',
        ],
        ["torch.topk(torch.softmax(self.router(x)", "torch.topk(torch.softmax(with_noise(self.router(x), self.training)"],
      ],
      good: `import torch
from torch import nn


class SoftMoe(nn.Module):
    def __init__(self, dim=16, experts=4):
        super().__init__()
        self.router = nn.Linear(dim, experts)
        self.experts = nn.ModuleList([nn.Linear(dim, dim) for _ in range(experts)])

    def forward(self, x):
        shares = torch.softmax(self.router(x), dim=-1)
        every = torch.stack([expert(x) for expert in self.experts], dim=-2)
        return (shares.unsqueeze(-1) * every).sum(-2)
`,
    },
  ),
  claims: [
    {
      kind: "exchange",
      says: "Experts 0 and 1 may change places together with their rows of the router.",
      pairs: [
        [{ parameter: "experts.0.weight" }, { parameter: "experts.1.weight" }],
        [{ parameter: "experts.0.bias" }, { parameter: "experts.1.bias" }],
        [
          { parameter: "router.weight", axis: 0, index: 0 },
          { parameter: "router.weight", axis: 0, index: 1 },
        ],
        [
          { parameter: "router.bias", axis: 0, index: 0 },
          { parameter: "router.bias", axis: 0, index: 1 },
        ],
      ],
    },
    {
      kind: "no-gradient",
      says: "An expert that no token chooses gets no gradient.",
      at: [{ parameter: "router.bias", axis: 0, index: 3, to: -100 }],
      slices: [{ parameter: "experts.3.weight" }, { parameter: "experts.3.bias" }],
    },
  ],
  check: (file) => (file.language === "python" ? file.models.flatMap((model) => detections(file, model)) : []),
};

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  const normal = model.normal();
  const choices = normal.nodes.filter((n) => n.operator === "TopK" || n.operator === "ArgMax");
  if (choices.length === 0 || BALANCING.test(withoutComments(file.text ?? ""))) return [];
  const writers = producers(normal);
  const linear = linearStructure(normal);
  // The places and the scores of one choice are two nodes of the normal form.
  const told = new Set<string>();
  return choices.flatMap((choice): Detection[] => {
    const experts = normal.types.get(choice.inputs[0]!)?.shape?.at(-1);
    const router = routerBehind(choice.inputs[0]!, writers, linear);
    if (router === undefined || experts === undefined || experts < 2 || !hasExperts(model, experts, router)) return [];
    if (told.has(router)) return [];
    told.add(router);
    // Somebody may add noise of the training itself, or the scores may be handed out for a loss elsewhere.
    if (handsOut(normal, choice.inputs[0]!, router)) return [];
    const place = placeOf(file, model, router);
    if (!place) return [];
    const name = layerName(model, router);
    return [
      {
        message: [
          say`router ${code(name)} picks among ${experts} experts with nothing that balances them: it tends to a few`,
          say`Only the chosen experts get gradients. Add a balancing loss, noise on the scores, or a bias per expert that follows its load.`,
        ].join("\n"),
        ...place,
        related: choice.origin.range ? [{ label: say`the experts are chosen here`, range: choice.origin.range }] : [],
        symmetry: `S(${experts}) on the experts with the rows of ${router}`,
        subject: { model, parameters: [router] },
      },
    ];
  });
}

/** The trained weight whose outputs are compared. */
function routerBehind(
  value: string,
  writers: ReadonlyMap<string, Node>,
  linear: ReturnType<typeof linearStructure>,
): string | undefined {
  let at = value;
  for (let steps = 0; steps < 12; steps++) {
    const node = writers.get(at);
    if (!node) return undefined;
    const c = linear.contractions.get(node);
    if (c) return c.weight.name;
    // What a search sees of the scores: less their mean, by their length.
    const off = writers.get(node.inputs[1] ?? "")?.operator;
    if ((node.operator === "Sub" && off === "ReduceMean") || (node.operator === "Div" && off === "Sqrt")) {
      at = node.inputs[0]!;
      continue;
    }
    if (!["Softmax", "Sigmoid", "Add", "Mul", "Div", "Reshape", "Transpose", "Identity", "Cast"].includes(node.operator))
      return undefined;
    const next = node.inputs.filter((i) => writers.has(i) && linear.parameterBehind(i) === undefined);
    // Two sources: a score to which something is added, which may well balance.
    if (next.length !== 1) return undefined;
    at = next[0]!;
  }
  return undefined;
}

/** Whether the model has as many parts of one kind as there are choices, or weights stacked that often. */
function hasExperts(model: CheckedModel, experts: number, router: string): boolean {
  const stacked = [...model.graph.parameters.values()].some(
    (p) => p.shape.length >= 3 && p.shape[0] === experts && p.name !== router,
  );
  const counts = new Map<string, Set<string>>();
  for (const p of model.inventory?.parameters ?? []) {
    const member = /^(.*)\.(\d+)\.[^.]*/.exec(p.name);
    if (!member) continue;
    for (const match of p.name.matchAll(/\.(\d+)(?=\.)/g)) {
      const list = p.name.slice(0, match.index);
      counts.set(list, (counts.get(list) ?? new Set()).add(match[1]!));
    }
  }
  return stacked || [...counts.values()].some((members) => members.size === experts);
}

/** Whether an output of the model depends on the scores and on no expert: it is there for a loss. */
function handsOut(normal: Graph, scores: string, router: string): boolean {
  if (normal.outputs.length < 2) return false;
  const writers = producers(normal);
  return normal.outputs.some((output) => {
    const seen = new Set<string>();
    const pending = [output];
    let others = 0;
    let reaches = false;
    while (pending.length > 0) {
      const value = pending.pop()!;
      if (seen.has(value)) continue;
      seen.add(value);
      if (value === scores || value === router) reaches = true;
      else if (normal.parameters.has(value)) others++;
      for (const i of writers.get(value)?.inputs ?? []) pending.push(i);
    }
    return reaches && others <= 1;
  });
}
