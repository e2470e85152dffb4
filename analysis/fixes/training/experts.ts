/** @file Mixtures of experts: noise on the router's scores. */
import { refuse } from "../source/draft";
import { soleLayer, soleUse, type TrainingRemedy } from "./remedy";

/** Noise that spreads tokens among experts. */
export const routerNoise: TrainingRemedy = {
  id: "router-noise",
  description:
    "Noise of deviation 1/E on the scores of the E experts in training: experts that are behind keep being tried, and equal ones become " +
    "different (Shazeer et al. 2017, arXiv 1701.06538).",
  rules: ["moe-no-balance"],
  write(site, draft) {
    const router = soleLayer(site, site.subject.parameters[0] ?? refuse("there is no router"));
    const use = soleUse(site, router);
    const self = use.node.callee.kind === "Attribute" ? use.node.callee.object : undefined;
    if (self?.kind !== "Name" || self.id !== "self") refuse("the router is not an attribute of the module that calls it");
    const torch = draft.module("torch");
    draft.define(
      "with_noise",
      `def with_noise(scores: ${torch}.Tensor, training: bool) -> ${torch}.Tensor:
    """Noise on the scores of experts in training, so that all are tried (arXiv 1701.06538)."""
    if not training:
        return scores
    return scores + ${torch}.randn_like(scores) / scores.shape[-1]`,
      use.top,
    );
    draft.insert(use.start, "with_noise(");
    draft.insert(use.end, ", self.training)");
    return `Add noise to the scores of the router in training`;
  },
};
