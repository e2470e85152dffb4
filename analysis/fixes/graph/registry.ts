/** @file All rewrites of graphs. */
import { dropBiases, foldNorms, removeUnread, separateShared } from "./exact";
import type { GraphRewrite } from "./rewrite";
import { activationBetween, asymmetricWeights, expandedInput, sparseProducts, syreAnchors } from "./training";

/** Exact ones first. */
export const graphRewrites: readonly GraphRewrite[] = [
  dropBiases,
  foldNorms,
  removeUnread,
  separateShared,
  expandedInput,
  syreAnchors,
  asymmetricWeights,
  sparseProducts,
  activationBetween,
];
