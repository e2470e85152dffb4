/**
 * @file Weights that are computed from other parameters: with entries that are frozen at random (W-asymmetric networks, arXiv
 * 2405.20231), as products, whose decay is a constraint (DCS, arXiv 2309.16932), or with a norm of their own.
 */
import { say } from "../../texts/say";
import { type Draft, refuse } from "../source/draft";
import { computable, nameOf, type Site, type TrainingRemedy } from "./remedy";

/** Wraps the call of a layer: `wrapper(nn.Linear(8, 16))`. */
function wrap(site: Site, draft: Draft, kinds: ReadonlySet<string> | undefined, wrapper: string, more = ""): string {
  const { layer, call } = computable(site, weightOf(site), kinds);
  draft.insert(call.start, `${wrapper}(`);
  draft.insert(call.end, `${more})`);
  return nameOf(layer);
}

function weightOf({ subject: { parameters, model } }: Site): string {
  const found = parameters.find((p) => (model.graph.parameters.get(p)?.shape.length ?? 0) > 1);
  return found ?? refuse("there is no matrix among the parameters");
}

/** A parametrisation and the function that gives it to a layer. */
function define(
  site: Site,
  draft: Draft,
  wrapper: string,
  extra: string,
  made: string,
  code: (torch: string, nn: string) => string,
) {
  const { call } = computable(site, weightOf(site));
  const [torch, nn, parametrize] = ["torch", "torch.nn", "torch.nn.utils.parametrize"].map((m) => draft.module(m)) as [
    string,
    string,
    string,
  ];
  const definition = code(torch, nn);
  draft.define(/class (\w+)/.exec(definition)![1]!, definition, call.top);
  draft.define(
    wrapper,
    `def ${wrapper}(layer: ${nn}.Module${extra}) -> ${nn}.Module:
    ${parametrize}.register_parametrization(layer, "weight", ${made})
    return layer`,
    call.top,
  );
}

/** A seed that no other call of the same wrapper in the file has. */
function nextSeed({ source }: Site, wrapper: string): number {
  return source.text.split(`${wrapper}(`).length - 1;
}

/** W-asymmetric masks. */
export const asymmetricWeights: TrainingRemedy = {
  id: "w-asymmetric",
  anywhere: true,
  description:
    "An eighth of each unit's incoming weights is frozen at random values, which differ from unit to unit: units, filters and experts " +
    "cannot be exchanged any more. Masks, values and their integer seed are in the state_dict (arXiv 2405.20231).",
  rules: ["duplicate-units", "collapse"],
  write(site, draft) {
    const seed = nextSeed(site, "asymmetric");
    define(
      site,
      draft,
      "asymmetric",
      ", seed: int",
      "FrozenEntries(layer.weight, seed)",
      (torch, nn) => `class FrozenEntries(${nn}.Module):
    """Holds some entries of each row of a weight at random values (arXiv 2405.20231).

    Rows differ in which entries they hold, so no two units can be exchanged.
    """

    def __init__(self, weight: ${torch}.Tensor, seed: int, share: float = 0.125) -> None:
        super().__init__()
        generator = ${torch}.Generator().manual_seed(seed)
        order = ${torch}.rand(weight.flatten(1).shape, generator=generator).argsort(1)
        frozen = order < max(1, round(share * order.shape[1]))
        values = 0.5 * ${torch}.randn(weight.shape, generator=generator)
        self.register_buffer("seed", ${torch}.tensor(seed))
        frozen = frozen.reshape(weight.shape).to(weight.device)
        self.frozen = ${nn}.Parameter(frozen, requires_grad=False)
        self.values = ${nn}.Parameter(values.to(weight), requires_grad=False)

    def forward(self, weight: ${torch}.Tensor) -> ${torch}.Tensor:
        return ${torch}.where(self.frozen, self.values, weight)`,
    );
    const name = wrap(site, draft, undefined, "asymmetric", `, seed=${seed}`);
    return say`Freeze an eighth of the weights of each unit of \`${name}\` (W-asymmetric)`;
  },
};

/** DCS: sparsity. */
export const sparseProduct: TrainingRemedy = {
  id: "dcs-sparse",
  anywhere: true,
  description:
    "Enforces sparsity by a symmetry: the weight is written as u * v, entry by entry; decay lambda on both is lambda |weight| (an L1 " +
    "penalty), and entries become exactly zero under plain SGD. For layers whose zeros are wanted (arXiv 2309.16932, DCS; spred).",
  rules: ["dead-units"],
  write(site, draft) {
    define(
      site,
      draft,
      "sparse",
      "",
      "EntrywiseProduct()",
      (torch, nn) => `class EntrywiseProduct(${nn}.Module):
    """Writes a weight as u * v; decay on both is an L1 penalty (arXiv 2309.16932)."""

    def forward(self, u: ${torch}.Tensor, v: ${torch}.Tensor) -> ${torch}.Tensor:
        return u * v

    def right_inverse(self, weight: ${torch}.Tensor) -> tuple:
        root = weight.abs().sqrt()
        return root, weight.sign() * root`,
    );
    return say`Make zeros of \`${wrap(site, draft, undefined, "sparse")}\` exact where they are wanted: weight = u * v (DCS)`;
  },
};

const LINEAR: ReadonlySet<string> = new Set(["Linear"]);

/** DCS: low rank. */
export const lowRankProduct: TrainingRemedy = {
  id: "dcs-low-rank",
  anywhere: true,
  description:
    "Enforces low rank by a symmetry: the weight is written as the matrix product U V of full inner width; decay lambda on both is lambda " +
    "times the nuclear norm, and singular values below lambda vanish (arXiv 2309.16932, DCS).",
  rules: ["low-rank"],
  write(site, draft) {
    define(
      site,
      draft,
      "low_rank",
      "",
      "MatrixProduct()",
      (torch, nn) => `class MatrixProduct(${nn}.Module):
    """Writes a weight as U V; decay on both penalises its rank (arXiv 2309.16932)."""

    def forward(self, u: ${torch}.Tensor, v: ${torch}.Tensor) -> ${torch}.Tensor:
        return u @ v

    def right_inverse(self, weight: ${torch}.Tensor) -> tuple:
        u, s, v = ${torch}.linalg.svd(weight, full_matrices=False)
        return u * s.sqrt(), s.sqrt()[:, None] * v`,
    );
    return say`Make the low rank of \`${wrap(site, draft, LINEAR, "low_rank")}\` exact where it is wanted: weight = U V (DCS)`;
  },
};

/** Weight normalisation. */
export const weightNorm: TrainingRemedy = {
  id: "weight-norm",
  anywhere: true,
  description:
    "Weight normalisation, weight = g v / |v| per unit: the layer cannot trade its scale with the next one by way of v; the function is " +
    "the same at the start (Salimans and Kingma 2016, arXiv 1602.07868).",
  rules: ["rescaling-imbalance", "dead-units"],
  write(site, draft) {
    const { call } = computable(site, weightOf(site));
    if (site.source.text.slice(0, call.start).endsWith("weight_norm(")) refuse("it has weight normalisation");
    const name = wrap(site, draft, undefined, `${draft.module("torch.nn")}.utils.weight_norm`);
    return say`Give \`${name}\` weight normalisation`;
  },
};
