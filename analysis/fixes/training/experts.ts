/** @file Mixtures of experts: noise on the router's scores. */
import { say } from "../../texts/say";
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
    return say`Add noise to the scores of the router in training`;
  },
};

/** Copies in parallel that are drawn anew. */
export const redrawnCopies: TrainingRemedy = {
  id: "redraw-copies",
  description:
    "Branches and experts that are deep copies get weights of their own: copies in parallel that start equal stay equal for ever " +
    "(aliases of Net2Net, arXiv 1511.05641).",
  rules: ["identical-branches"],
  write({ source, subject }, draft) {
    const call = subject.call && source.callAt(subject.call);
    if (!call || !/(^|\.)deepcopy$/.test(source.source(call.top, call.node.callee))) refuse("the copy is not made by deepcopy");
    const [torch, nn] = ["torch", "torch.nn"].map((m) => draft.module(m));
    draft.define(
      "redrawn",
      `def redrawn(module: ${nn}.Module) -> ${nn}.Module:
    """Draws the parameters of a copy anew: equal branches would stay equal for ever."""
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
        else:
            for p in part.parameters(recurse=False):
                p.data.add_(0.02 * ${torch}.randn_like(p))
    return module`,
      call.top,
    );
    draft.insert(call.start, "redrawn(");
    draft.insert(call.end, ")");
    return say`Draw the copy's weights anew`;
  },
};
