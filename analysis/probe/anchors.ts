/** @file The frozen random anchors of syre (arXiv 2408.15495), drawn for whatever graph is trained. */
import { anchorDeviation } from "../dynamics/closed-forms/syre";
import type { Graph } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import { Random } from "../numerics/random";
import type { AnchorPlan, ProbeSetting } from "./types";

/**
 * Anchors theta_0 of all trainable parameters as a reparametrisation: the model is evaluated at theta + theta_0, and the decay
 * of theta is a pull of the weights towards theta_0. With `diagonal` the penalty is |theta|_D^2 with distinct D_ii = 1 + U(-d, d):
 * theta is scaled by D^-1/2, which changes each entry's learning rate by 1 / D_ii as well.
 */
export function anchorsOf(graph: Graph, plan: AnchorPlan): NonNullable<ProbeSetting["reparametrisation"]> {
  const random = new Random(plan.seed ^ 0x5e);
  const out = new Map<string, { shift: Float64Array; scale?: Float64Array }>();
  for (const p of graph.parameters.values()) {
    if (!p.trainable) continue;
    const size = elementCount(p.shape);
    // Vectors have no fan in: their own length stands for it.
    const fanIn = p.shape.length > 1 ? size / p.shape[0]! : Math.max(1, size);
    const shift = random.normals(size, (plan.strength ?? 1) * anchorDeviation(fanIn));
    const { diagonal } = plan;
    const scale =
      diagonal === undefined
        ? undefined
        : Float64Array.from({ length: size }, () => 1 / Math.sqrt(1 + diagonal * (2 * random.uniform() - 1)));
    out.set(p.name, { shift, ...(scale ? { scale } : {}) });
  }
  return out;
}
