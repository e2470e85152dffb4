/** @file All rules, and how a file is checked by them. */
import { absorbedValueBias } from "./absorbed-value-bias";
import { aliasedModules } from "./aliased-modules";
import { attentionProductDecay } from "./attention-product-decay";
import { batchNormFolded } from "./batch-norm-folded";
import { biasBeforeNorm } from "./bias-before-norm";
import type { CheckedFile } from "./checked";
import { codebookCollapse } from "./codebook-collapse";
import { collapse } from "./collapse";
import { deadUnits } from "./dead-units";
import { decayOnNorm } from "./decay-on-norm";
import { decayOnScaleInvariant } from "./decay-on-scale-invariant";
import { doubledRecurrentBias } from "./doubled-recurrent-bias";
import { duplicateUnits } from "./duplicate-units";
import { foldableNormGain } from "./foldable-norm-gain";
import { identicalBranches } from "./identical-branches";
import { inertDirectionBeforeNorm } from "./inert-direction-before-norm";
import { inertKeyBias } from "./inert-key-bias";
import { placeKey } from "./layers";
import { inputExpansion } from "./input-expansion";
import { linearChain } from "./linear-chain";
import type { Detection, Rule, RuleOptions } from "./rule";
import { lowRank } from "./low-rank";
import { moeNoBalance } from "./moe-no-balance";
import { plasticityLoss } from "./plasticity-loss";
import { rescalingImbalance } from "./rescaling-imbalance";
import { softmaxShiftDrift } from "./softmax-shift-drift";
import { sslNoAsymmetry } from "./ssl-no-asymmetry";
import { symmetricInit } from "./symmetric-init";
import { tiedWeights } from "./tied-weights";
import { undecayedScaleInvariant } from "./undecayed-scale-invariant";
import { unusedParameters } from "./unused-parameters";
import { zeroFactorPair } from "./zero-factor-pair";

/** All rules, by the order in which they are documented. */
export const rules: readonly Rule[] = [
  biasBeforeNorm,
  inertDirectionBeforeNorm,
  inertKeyBias,
  absorbedValueBias,
  doubledRecurrentBias,
  foldableNormGain,
  linearChain,
  attentionProductDecay,
  symmetricInit,
  zeroFactorPair,
  identicalBranches,
  aliasedModules,
  moeNoBalance,
  codebookCollapse,
  sslNoAsymmetry,
  tiedWeights,
  unusedParameters,
  decayOnNorm,
  decayOnScaleInvariant,
  undecayedScaleInvariant,
  softmaxShiftDrift,
  rescalingImbalance,
  batchNormFolded,
  inputExpansion,
  deadUnits,
  duplicateUnits,
  lowRank,
  plasticityLoss,
  collapse,
];

/** What the rules detect in a file; a place that several models share is reported once by each rule. */
export function detect(
  file: CheckedFile,
  options?: (rule: string) => RuleOptions | undefined,
): { readonly rule: Rule; readonly detection: Detection }[] {
  return rules.flatMap((rule) => {
    const seen = new Set<string>();
    return rule.check(file, options?.(rule.id)).flatMap((detection) => {
      const key = detection.range ? placeKey(detection.range) : undefined;
      if (key !== undefined && seen.has(key)) return [];
      if (key !== undefined) seen.add(key);
      return [{ rule, detection }];
    });
  });
}
