/**
 * @file syre (Ziyin, Xu and Chuang, arXiv 2408.15495): weight decay towards a frozen random anchor theta_0 instead of towards
 * zero, as an optimiser and as a parametrisation; with a diagonal of distinct decays also against rotations (theorem 3).
 */
import { say } from "../../texts/say";
import type { OptimiserFact } from "../../frontends/python/index";
import { type Draft, refuse } from "../source/draft";
import { dottedName } from "../source/python-source";
import type { Call, Site, TrainingRemedy } from "./remedy";

/** Optimisers whose decay is part of the gradient; AdamW takes it off the weights. */
const COUPLED: ReadonlySet<string> = new Set(["SGD", "Adam", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adamax"]);

const SIGMA = "0.01 / fan_in**0.5";

/** The optimiser of a site, with the call that makes it. @throws NotEditable where there is no decay, or none that is known */
export function decayingOptimiser({ source, subject, file }: Site): { readonly fact: OptimiserFact; readonly call: Call } {
  const fact = subject.optimiser ?? file.facts?.().optimisers.find((o) => o.model === subject.model.name);
  if (!fact) refuse("no optimiser of the model is in this file");
  if (!fact.groups.some((g) => (g.weightDecay ?? 0) > 0)) refuse("the optimiser has no weight decay, which syre needs");
  const call = source.callAt(fact.range) ?? refuse("the call that makes the optimiser is not in this file");
  return { fact, call };
}

function anchored(site: Site, draft: Draft, diagonal: boolean): string {
  const { fact, call } = decayingOptimiser(site);
  const callee = dottedName(call.node.callee) ?? refuse("the optimiser's class is not a name");
  if (callee.split(".").at(-1) !== fact.kind) refuse("the optimiser's class has another name here");
  const decoupled = fact.kind === "AdamW";
  if (!decoupled && !COUPLED.has(fact.kind)) refuse(`how ${fact.kind} decays is not known`);
  if (call.node.args.some((a) => a.name === "maximize" || a.form === "doubleStar")) refuse("the options are not all known");
  const root = callee.split(".")[0]!;
  if (!isTopLevelName(site, root)) refuse(`${root} is not imported at the top of the file`);
  const torch = draft.module("torch");
  const name = `${diagonal ? "Diagonal" : ""}Anchored${fact.kind}`;
  draft.define(name, definition({ name, base: callee, torch, decoupled, diagonal }), call.top);
  const place = site.source.locate(call.top, call.node.callee);
  draft.replace(place.start, place.end, name);
  return diagonal
    ? say`Decay towards a random anchor, each entry at a rate of its own (advanced syre): ${name}`
    : say`Decay towards a random anchor instead of zero (syre): ${name}`;
}

function isTopLevelName({ source }: Site, name: string): boolean {
  return source.top.some(({ node: s }) => {
    if (s.kind === "Import") return s.names.some((n) => (n.alias ?? n.name.split(".")[0]) === name);
    if (s.kind === "ImportFrom") return s.names !== "*" && s.names.some((n) => (n.alias ?? n.name) === name);
    return false;
  });
}

interface Names {
  readonly name: string;
  readonly base: string;
  readonly torch: string;
  readonly decoupled: boolean;
  readonly diagonal: boolean;
}

/**
 * Coupled decay adds -lambda theta_0 to the gradient, decoupled decay adds eta lambda theta_0 to the weights. With the diagonal
 * 1 + xi the rest of the pull is formed as (theta - theta_0) xi: added to 1 first, xi would be rounded away.
 */
function definition({ name, base, torch, decoupled, diagonal }: Names): string {
  const kind = base.split(".").at(-1)!;
  const what = diagonal
    ? `${kind} that decays towards a random anchor, each entry at a rate of its own.`
    : `${kind} that decays towards a frozen random anchor instead of towards zero.`;
  const why = diagonal
    ? "Advanced syre (arXiv 2408.15495): distinct rates remove rotations as well."
    : "Syre (arXiv 2408.15495): no symmetric point attracts, so units do not collapse.";
  const pull = diagonal ? ["                    pull = anchor - (p - anchor) * spread"] : [];
  const by = diagonal ? "pull" : "anchor";
  const rows = diagonal
    ? [
        "            for p, anchor, spread in zip(",
        '                group["params"], group["anchors"], group["spreads"]',
        "            ):",
      ]
    : ['            for p, anchor in zip(group["params"], group["anchors"]):'];
  const draw = `            fan_in = p[0].numel() if p.ndim > 1 else p.numel()
            sigma = ${SIGMA}
            noise = ${torch}.randn(p.shape, generator=generator)
            group["anchors"].append((sigma * noise).to(p))`;
  const spread = `
            uniform = ${torch}.rand(p.shape, generator=generator) * 2 - 1
            group["spreads"].append((0.1 * sigma * uniform).to(p))`;
  const lists = diagonal ? '        group["anchors"], group["spreads"] = [], []' : '        group["anchors"] = []';
  const loop = (body: string): string =>
    ["        for group in self.param_groups:", ...rows, "                if p.grad is not None:", ...pull, body].join("\n");
  const step = decoupled
    ? `        loss = super().step(closure)
${loop(`                    p.add_(${by}, alpha=group["lr"] * group["weight_decay"])`)}
        return loss`
    : `        loss = None
        if closure is not None:
            with ${torch}.enable_grad():
                loss = closure()
${loop(`                    p.grad.add_(${by}, alpha=-group["weight_decay"])`)}
        super().step()
        return loss`;
  return `class ${name}(${base}):
    """${what}

    ${why}
    It acts through the weight decay. The anchors are part of the state_dict.
    """

    seed = 0

    def add_param_group(self, param_group: dict) -> None:
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        generator = ${torch}.Generator().manual_seed(self.seed + len(self.param_groups))
${lists}
        for p in group["params"]:
            if p.dtype in (${torch}.float16, ${torch}.bfloat16):
                raise TypeError(f"keep float32 weights (use autocast), not {p.dtype}")
${draw}${diagonal ? spread : ""}

    @${torch}.no_grad()
    def step(self, closure=None):
${step}`;
}

const RULES = ["duplicate-units", "dead-units", "collapse", "plasticity-loss"] as const;

/** syre as an optimiser. */
export const syre: TrainingRemedy = {
  id: "syre",
  anywhere: true,
  description:
    "Weight decay pulls towards a frozen random anchor (standard deviation 0.01/sqrt(fan in)) instead of towards zero: every reflection " +
    "and permutation symmetry is removed, so that decay cannot make units vanish or become equal. Needs weight decay and float32 " +
    "weights. A subclass of the optimiser does it (arXiv 2408.15495).",
  rules: RULES,
  write: (site, draft) => anchored(site, draft, false),
};

/** Advanced syre as an optimiser. */
export const syreDiagonal: TrainingRemedy = {
  id: "syre-diagonal",
  anywhere: true,
  description:
    "Syre with a rate of decay of its own for each entry, 1 + U(-d, d) with d a tenth of the anchor's deviation: removes rotations as " +
    "well, which act on products of matrices (arXiv 2408.15495, theorem 3).",
  rules: ["attention-product-decay", "linear-chain", "low-rank"],
  write: (site, draft) => anchored(site, draft, true),
};

/** syre as a parametrisation. */
export const syreParametrization: TrainingRemedy = {
  id: "syre-parametrization",
  anywhere: true,
  description:
    "The same as syre, written as torch.nn.utils.parametrize: weight = trained part + anchor, so that any optimiser's decay pulls " +
    "towards the anchor. The names in the state_dict change.",
  rules: RULES,
  write(site, draft) {
    const { source, subject } = site;
    const { call } = decayingOptimiser(site);
    if (subject.model.inventory?.ties.length || subject.model.inventory?.shared.length) refuse("weights are shared");
    const owners = [...source.text.slice(call.start, call.end).matchAll(/([A-Za-z_]\w*)\.parameters\(\s*\)/g)];
    const owner = owners[0]?.[1];
    if (owners.length !== 1 || owner === undefined) refuse("the optimiser's parameters are not `model.parameters()`");
    const enclosed = source.statementAt(call.start)!;
    if (owner === "self" || enclosed.around.some((s) => s.node.kind === "ClassDef")) refuse("the optimiser is made by a class");
    const kinds = [...new Set(subject.model.layers.map((l) => l.kind))].filter((k) => /^(Linear|Conv[123]d)$/.test(k)).sort();
    if (kinds.length === 0) refuse("the model has no layer with a plain weight");
    const [torch, nn, parametrize] = ["torch", "torch.nn", "torch.nn.utils.parametrize"].map((m) => draft.module(m));
    const classes = kinds.map((k) => `${nn}.${k}`).join(", ");
    draft.define(
      "Anchor",
      `class Anchor(${nn}.Module):
    """Shifts a weight by a frozen random anchor (syre, arXiv 2408.15495).

    Weight decay acts on the trained part, so it pulls the weight towards the anchor.
    """

    def __init__(self, anchor: ${torch}.Tensor) -> None:
        super().__init__()
        self.register_buffer("anchor", anchor)

    def forward(self, weight: ${torch}.Tensor) -> ${torch}.Tensor:
        return weight + self.anchor

    def right_inverse(self, weight: ${torch}.Tensor) -> ${torch}.Tensor:
        return weight - self.anchor`,
      call.top,
    );
    draft.define(
      "add_anchors",
      `def add_anchors(model: ${nn}.Module, seed: int = 0) -> None:
    """Gives every weight of the model an anchor; call it before making the optimizer."""
    generator = ${torch}.Generator().manual_seed(seed)
    for module in list(model.modules()):
        if not isinstance(module, ${kinds.length > 1 ? `(${classes})` : classes}):
            continue
        weight = module.weight
        if weight.dtype in (${torch}.float16, ${torch}.bfloat16):
            raise TypeError(f"keep float32 weights (use autocast), not {weight.dtype}")
        fan_in = weight[0].numel()
        noise = ${SIGMA} * ${torch}.randn(weight.shape, generator=generator)
        anchor = Anchor(noise.to(weight))
        ${parametrize}.register_parametrization(module, "weight", anchor)`,
      call.top,
    );
    draft.before(enclosed.statement, `add_anchors(${owner})`);
    return say`Write weights as trained part plus random anchor (syre): add_anchors(${owner})`;
  },
};
