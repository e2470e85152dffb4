/** @file Fixes for the products of attention: fields of query and value biases (arXiv 2601.22257), factors without decay. */
import { say } from "../../texts/say";
import { refuse } from "../source/draft";
import { decayingOptimiser } from "./anchored-decay";
import { constructorOf, nameOf, soleLayer, type TrainingRemedy } from "./remedy";

/** Unlearned query and value biases. */
export const biasFields: TrainingRemedy = {
  id: "bias-fields",
  description:
    "Query and value projections get unlearned biases that are drawn anew for each batch (mean 0.5, deviation 0.05 to 0.15) and stay at " +
    "their mean in evaluation: they break the rotations inside heads (Silverstein, Kunin and Shyam, arXiv 2601.22257; gains differ " +
    "between optimisers and can be negative).",
  rules: ["attention-product-decay"],
  write(site, draft) {
    const { parameters, model } = site.subject;
    const weights = [...new Set(parameters)];
    // Query, key, value, output: of each product the first factor gets the field.
    const targets = weights.filter((_, i) => i % 2 === 0).map((w) => soleLayer(site, w));
    if (weights.length !== 4 || targets.length !== 2) refuse("queries, keys and values share a layer");
    if (targets.some((l) => l.kind !== "Linear")) refuse("the projections are no Linear layers");
    if (model.layers.some((l) => l.kind === "MultiheadAttention")) refuse("the projections are inside of MultiheadAttention");
    const [torch, nn] = ["torch", "torch.nn"].map((m) => draft.module(m));
    const calls = targets.map((l) => constructorOf(site, l));
    draft.define(
      "FieldLinear",
      `class FieldLinear(${nn}.Linear):
    """A linear layer with an unlearned bias, drawn anew for each batch (arXiv 2601.22257).

    In evaluation the bias stays at its mean.
    """

    mean = 0.5

    def forward(self, x: ${torch}.Tensor) -> ${torch}.Tensor:
        y = super().forward(x) + self.mean
        if not self.training:
            return y
        width = self.out_features
        deviation = ${torch}.linspace(0.05, 0.15, width, device=y.device, dtype=y.dtype)
        return y + deviation * ${torch}.randn(width, device=y.device, dtype=y.dtype)`,
      calls[0]!.top,
    );
    for (const call of calls) {
      const place = site.source.locate(call.top, call.node.callee);
      draft.replace(place.start, place.end, "FieldLinear");
    }
    return say`Random bias fields on ${targets.map((l) => `\`${nameOf(l)}\``).join(say` and `)}`;
  },
};

/** Most names that a group lists. */
const MOST = 12;

/** Factors of products out of the decay. */
export const undecayedFactors: TrainingRemedy = {
  id: "undecayed-factors",
  description:
    "A parameter group without decay for the factors of products: decay on both factors is a penalty on the rank of the product (nuclear " +
    "norm), decay elsewhere stays.",
  rules: ["attention-product-decay", "linear-chain", "low-rank"],
  write(site, draft) {
    const { call } = decayingOptimiser(site);
    const { source, subject } = site;
    const owners = [...source.text.slice(call.start, call.end).matchAll(/((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)\.parameters\(\s*\)/g)];
    const [match] = owners;
    const first = call.node.args[0];
    const place = first && source.locate(call.top, first.value);
    if (!match || owners.length > 1 || !place || source.text.slice(place.start, place.end) !== match[0]) {
      refuse("the optimiser's parameters are not `model.parameters()`");
    }
    // Blocks repeat their names: the last two parts say which layer it is.
    const all = [...subject.model.graph.parameters.keys()];
    const suffix = (p: string): string => p.split(".").slice(-2).join(".");
    const names = [...new Set(subject.parameters.map(suffix))];
    const meant = new Set(subject.parameters);
    const others = all.some((p) => !meant.has(p) && names.some((n) => p.endsWith(n)) && !sameUpToNumbers(p, subject.parameters));
    if (names.length > MOST || others) refuse("the factors cannot be told by their names");
    const { statement } = source.statementAt(call.start)!;
    const indent = source.indentAt(statement.start);
    if (source.mentions("factors") > 0) refuse("the name factors is taken");
    const list = `(${names.map((n) => `"${n}"`).join(", ")}${names.length === 1 ? "," : ""})`;
    const row = (test: string, more: string): string =>
      `${indent}${source.indent}{"params": [p for n, p in ${match[1]!}.named_parameters() if ${test}]${more}},`;
    const rows = [row("not n.endswith(factors)", ""), row("n.endswith(factors)", ', "weight_decay": 0.0')];
    draft.before(statement, `factors = ${list}`);
    draft.replace(place.start, place.end, ["[", ...rows, `${indent}]`].join("\n"));
    return say`No weight decay on ${names.map((n) => `\`${n}\``).join(", ")}`;
  },
};

/** Whether a parameter is one of the given ones in another block. */
function sameUpToNumbers(name: string, list: readonly string[]): boolean {
  const plain = (n: string): string => n.replace(/\.\d+(?=\.)/g, ".*");
  return list.some((l) => plain(l) === plain(name));
}
