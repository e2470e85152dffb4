/** @file The column of gradients, by operator: vector-Jacobian products as nodes. */
import type { GradientRule } from "./common";
import { contractionGradients } from "./contraction";
import { convolutionGradients } from "./convolution";
import { elementwiseGradients } from "./elementwise";
import { movementGradients } from "./movement";
import { normalizationGradients } from "./normalization";
import { poolingGradients } from "./pooling";
import { reductionGradients } from "./reduction";

/** Gradients of operators of the standard domain; the table joins them with their entries. */
export const gradients: Readonly<Record<string, GradientRule>> = {
  ...elementwiseGradients,
  ...contractionGradients,
  ...convolutionGradients,
  ...poolingGradients,
  ...reductionGradients,
  ...movementGradients,
  ...normalizationGradients,
};
