/** @file `zero-factor-pair`: both factors of a product start at zero, so that neither gets a gradient. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import type { Parameter } from "../graph/graph";
import type { CheckedFile, CheckedModel } from "./checked";
import { linearStructure } from "./contractions";
import { codes, layerName, placeOf, registeredParameter } from "./layers";
import type { Detection, Rule } from "./rule";
import { setsVectors, startingConstant } from "./starts";
import { stuckAtZero } from "./stuck";
import { code, few } from "./words";

/** Zero parameters whose gradients are exactly zero because of each other. */
export const zeroFactorPair: Rule = {
  id: "zero-factor-pair",
  title: "Both factors of a product start at zero",
  severity: "error",
  category: "initialisation",
  since: "0.1.0",
  documentation: {
    what: "Two trained factors of one product both start at zero: a low-rank pair, or a zero gate on a zero layer.",
    why:
      "For y = B A x the gradients are dL/dA = B^T (dL/dy) x^T and dL/dB = (dL/dy) (A x)^T: with A = B = 0 both are exactly zero, " +
      "and stay so, whatever the optimiser. The point (0, 0) is fixed by the product's whole symmetry group GL(r).",
    whenNot:
      "One zero factor is good practice (LoRA's B, zero-initialised gates and last layers of residual branches): the product " +
      "starts at zero and the other factor lets the gradient through. It is not reported.",
    references: [
      "Hu et al. 2021, LoRA (A random, B zero; arXiv 2106.09685)",
      "Bachlechner et al. 2020, ReZero is All You Need (arXiv 2003.04887)",
    ],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class LoraLinear(nn.Module):
    def __init__(self, dim=16, rank=4):
        super().__init__()
        self.base = nn.Linear(dim, dim)
        self.a = nn.Parameter(torch.zeros(rank, dim))
        self.b = nn.Parameter(torch.zeros(dim, rank))

    def forward(self, x):
        return self.base(x) + x @ self.a.T @ self.b.T
`,
    {
      fixed: [["nn.Parameter(torch.zeros(rank, dim))", "nn.Parameter(torch.randn(rank, dim) * 0.02)"]],
      good: `import torch
from torch import nn


class LoraLinear(nn.Module):
    def __init__(self, dim=16, rank=4):
        super().__init__()
        self.base = nn.Linear(dim, dim)
        self.a = nn.Parameter(torch.empty(rank, dim))
        self.b = nn.Parameter(torch.zeros(dim, rank))
        nn.init.kaiming_uniform_(self.a, a=5**0.5)

    def forward(self, x):
        return self.base(x) + x @ self.a.T @ self.b.T
`,
    },
  ),
  claims: [
    {
      kind: "no-gradient",
      says: "At the start the gradients of `a` and `b` are exactly zero.",
      at: "start",
      slices: [{ parameter: "a" }, { parameter: "b" }],
    },
  ],
  check: (file) => file.models.flatMap((model) => detections(file, model)),
};

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  const zero = [...model.graph.parameters.values()].filter((p) => p.trainable && startingConstant(p) === 0);
  if (file.language !== "python" || zero.length < 2) return [];
  const normal = model.normal();
  const stuck = stuckAtZero(normal);
  if (stuck.size < 2) return [];
  const taken = new Set<string>();
  const out: Detection[] = [];
  for (const name of stuck) {
    const first = model.graph.parameters.get(name);
    if (!first || taken.has(name)) continue;
    // The factors that free each other: those that move once this one does not start at zero.
    const freed = partners(normal, stuck, name).filter((p) => !taken.has(p));
    if (freed.length === 0 || isUnits(model, [name, ...freed])) continue;
    taken.add(name);
    for (const p of freed) taken.add(p);
    const found = detection(file, model, first, freed);
    if (found) out.push(found);
  }
  return out;
}

/** The parameters that are not stuck any more when one is drawn at random. */
function partners(normal: ReturnType<CheckedModel["normal"]>, stuck: ReadonlySet<string>, name: string): string[] {
  const parameters = new Map(normal.parameters);
  const { initialisation: _, ...drawn } = parameters.get(name)!;
  parameters.set(name, drawn);
  const left = stuckAtZero({ ...normal, parameters });
  return [...stuck].filter((p) => p !== name && !left.has(p));
}

/** Whether these are layers of hidden units behind a nonlinearity, which symmetric-init reports. */
function isUnits(model: CheckedModel, names: readonly string[]): boolean {
  const wanted = new Set(names);
  const { normal, spaces } = model.analysis();
  const nonlinear = normal.nodes.some((n) => n.operator === "Relu" || n.operator === "Tanh" || n.operator === "Erf");
  return (
    nonlinear &&
    spaces.some((s) => {
      const acting = [...new Set(s.acts.map((a) => a.parameter))];
      const matrices = acting.filter((p) => (model.graph.parameters.get(p)?.shape.length ?? 0) >= 2);
      const all = acting.every((p) => startingConstant(model.graph.parameters.get(p)!) === 0);
      return s.permutable && all && matrices.length >= 2 && matrices.some((p) => wanted.has(p)) && !isProduct(model, matrices);
    })
  );
}

/** Whether two matrices are multiplied without anything between that bends. */
function isProduct(model: CheckedModel, matrices: readonly string[]): boolean {
  const linear = linearStructure(model.analysis().normal);
  for (const c of linear.contractions.values()) {
    if (!matrices.includes(c.weight.name)) continue;
    if (linear.followers(c.node)?.next.some((n) => matrices.includes(n.weight.name))) return true;
  }
  return false;
}

function detection(file: CheckedFile, model: CheckedModel, first: Parameter, freed: readonly string[]): Detection | undefined {
  const cause = first.initialisation?.origin?.range;
  const place = cause?.file === file.file ? { range: cause, file: file.file } : placeOf(file, model, first.name);
  if (!place?.range) return undefined;
  const second = freed[0]!;
  const label = (p: string): string => (p.endsWith(".bias") ? `${layerName(model, p)}.bias` : layerName(model, p));
  const other = registeredParameter(model, second)?.initialisation?.origin?.range ?? placeOf(file, model, second)?.range;
  const own = label(first.name);
  return {
    message: [
      say`${code(own)} and ${few(codes(freed.map(label)))} both start at zero: each one's gradient is exactly zero`,
      say`A factor gets its gradient through the other one; draw one of them at random and leave the other at zero.`,
    ].join("\n"),
    ...place,
    related: other ? [{ label: say`${label(second)} is set here`, range: other }] : [],
    symmetry: `fixed point of the product of ${first.name} and ${second}`,
    ...(cause?.file === file.file
      ? { remedy: { kind: "random-start" as const, calls: [cause], vectors: setsVectors(model, [cause]) } }
      : {}),
  };
}
