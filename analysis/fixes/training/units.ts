/** @file Fixes around the activation of a layer's units: FiGLU (arXiv 2405.20231), and a normalisation before it. */
import { say } from "../../texts/say";
import type { Layer } from "../../rules/checked";
import type { Syntax } from "../../frontends/python/index";
import { refuse } from "../source/draft";
import { argumentOf, dottedName, expressionsIn, type Located } from "../source/python-source";
import {
  assignmentOf,
  attributeOf,
  type Call,
  constructorOf,
  insertBehind,
  nameOf,
  sequentialItem,
  type Site,
  soleLayer,
  soleUse,
  type TrainingRemedy,
} from "./remedy";

const ACTIVATIONS =
  /^(relu|gelu|silu|tanh|sigmoid|leaky_relu|elu|softplus|mish|hardswish|ReLU|GELU|SiLU|Tanh|Sigmoid|LeakyReLU|ELU|Softplus|Mish|Hardswish)$/;

function unitsOf(site: Site): { layer: Layer; call: Call; width: string } {
  const { parameters, model } = site.subject;
  const weight = parameters.find((p) => (model.graph.parameters.get(p)?.shape.length ?? 0) > 1) ?? refuse("there is no matrix");
  const layer = soleLayer(site, weight);
  const call = constructorOf(site, layer);
  const size = argumentOf(call.node, 1, layer.kind.startsWith("Conv") ? "out_channels" : "out_features");
  if (!size || size === "starred") refuse("the number of units is not written out");
  return { layer, call, width: site.source.source(call.top, size.value) };
}

/** The expression that applies an activation to a call: `F.relu(self.fc1(x))`, `self.fc1(x).relu()`. */
function activationOf({ source }: Site, use: Call): Located<Syntax.Expr> {
  for (const e of expressionsIn(use.top.node)) {
    if (e.kind !== "Call") continue;
    const { callee, args } = e;
    const inner =
      callee.kind === "Attribute" && args.length === 0 ? callee.object : args.length === 1 ? args[0]!.value : undefined;
    const place = inner && source.locate(use.top, inner);
    if (place?.start !== use.start || place.end !== use.end) continue;
    const name = callee.kind === "Attribute" ? callee.name : dottedName(callee);
    if (name !== undefined && ACTIVATIONS.test(name)) return source.locate(use.top, e);
  }
  return refuse("the activation is not applied to the layer directly");
}

/** Replaces the activation of a layer by the fixed gates of FiGLU. */
export const figlu: TrainingRemedy = {
  id: "figlu",
  anywhere: true,
  description:
    "The activation becomes x * sigmoid(F x) with a fixed random matrix F, which gives each unit an identity of its own. F and its integer " +
    "seed are in the state_dict (sigma-asymmetric networks, arXiv 2405.20231).",
  rules: ["duplicate-units", "plasticity-loss"],
  write(site, draft) {
    const { layer, call, width } = unitsOf(site);
    if (layer.kind !== "Linear") refuse("FiGLU is for units of dense layers");
    const [torch, nn, functional] = ["torch", "torch.nn", "torch.nn.functional"].map((m) => draft.module(m));
    draft.define(
      "FiGLU",
      `class FiGLU(${nn}.Module):
    """x * sigmoid(F x) with a fixed random F: no two units are alike (arXiv 2405.20231)."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        generator = ${torch}.Generator().manual_seed(seed)
        mixing = ${torch}.randn(width, width, generator=generator) / width**0.5
        self.register_buffer("seed", ${torch}.tensor(seed))
        self.mixing = ${nn}.Parameter(mixing, requires_grad=False)

    def forward(self, x: ${torch}.Tensor) -> ${torch}.Tensor:
        return x * ${torch}.sigmoid(${functional}.linear(x, self.mixing))`,
      call.top,
    );
    const seed = site.source.text.split("FiGLU(").length - 1;
    const made = `FiGLU(${width}, seed=${seed})`;
    const item = sequentialItem(site, call);
    const next = item?.items[item.index + 1];
    if (item) {
      const kind = next?.node.kind === "Call" ? dottedName(next.node.callee)?.split(".").at(-1) : undefined;
      if (!next || kind === undefined || !ACTIVATIONS.test(kind)) refuse("no activation follows the layer");
      draft.replace(next.start, next.end, made);
    } else {
      const statement = assignmentOf(site, call);
      const use = soleUse(site, layer);
      const activation = activationOf(site, use);
      const gate = `${attributeOf(layer)}_gate`;
      if (site.source.mentions(gate) > 0) refuse(`${gate} is taken`);
      draft.after(statement, `self.${gate} = ${made}`);
      draft.replace(activation.start, use.start, `self.${gate}(`);
      draft.replace(use.end, activation.end, ")");
    }
    return say`Replace the activation of \`${nameOf(layer)}\` by fixed random gates (FiGLU)`;
  },
};

/** A normalisation behind a layer. */
export const normalise: TrainingRemedy = {
  id: "normalise",
  anywhere: true,
  description:
    "A layer norm (for images a group norm of one group) between a layer and its activation: units see inputs of one size and spread, which " +
    "keeps them from dying, and the layer cannot trade its scale with the next one.",
  rules: ["dead-units", "rescaling-imbalance"],
  write(site, draft) {
    const { layer, call, width } = unitsOf(site);
    const nn = draft.module("torch.nn");
    if (!/^(Linear|Conv2d)$/.test(layer.kind)) refuse(`${layer.kind} is neither Linear nor Conv2d`);
    const made = layer.kind === "Linear" ? `${nn}.LayerNorm(${width})` : `${nn}.GroupNorm(1, ${width})`;
    const item = sequentialItem(site, call);
    if (item) {
      if (/Norm/.test(site.source.text.slice(item.items[item.index + 1]?.start ?? 0, item.items[item.index + 1]?.end ?? 0)))
        refuse("a normalisation follows already");
      insertBehind(site, draft, item.items[item.index]!, made);
    } else {
      const statement = assignmentOf(site, call);
      const use = soleUse(site, layer);
      const norm = `${attributeOf(layer)}_norm`;
      if (site.source.mentions(norm) > 0) refuse(`${norm} is taken`);
      draft.after(statement, `self.${norm} = ${made}`);
      draft.insert(use.start, `self.${norm}(`);
      draft.insert(use.end, ")");
    }
    return say`Normalise what \`${nameOf(layer)}\` computes: ${made}`;
  },
};
