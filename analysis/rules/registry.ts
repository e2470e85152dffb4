/** @file All rules, and how a file is checked by them. */
import { biasBeforeNorm } from "./bias-before-norm";
import type { CheckedFile } from "./checked";
import { inertKeyBias } from "./inert-key-bias";
import type { Detection, Rule } from "./rule";

/** All rules, by the order in which they are documented. */
export const rules: readonly Rule[] = [biasBeforeNorm, inertKeyBias];

/** What the rules detect in a file. */
export function detect(file: CheckedFile): { readonly rule: Rule; readonly detection: Detection }[] {
  return rules.flatMap((rule) => rule.check(file).map((detection) => ({ rule, detection })));
}
