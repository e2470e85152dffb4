/** @file What a rule is: its documentation, examples and detection in one place. Fixes are in ../fixes, by remedy. */
import type { CheckedFile, Layer } from "./checked";
import type { Finding, Severity } from "./finding";

/** What a rule page says. */
export interface RuleDocumentation {
  /** What it finds, in one sentence. */
  readonly what: string;
  /** Why it matters, with the formula. */
  readonly why: string;
  /** When not to care. */
  readonly whenNot: string;
  /** Titles of papers and guides. */
  readonly references: readonly string[];
}

/** A change that fixes can turn into edits. */
export type Remedy = {
  readonly kind: "drop-bias";
  /** All layers that the call makes: dropping must be right for each of them. */
  readonly layers: readonly Layer[];
  /** Why the edit may not be offered although the finding stands; a sentence. */
  readonly refusal?: string;
};

/** A finding before fixes are worked out. */
export interface Detection extends Omit<Finding, "rule" | "severity" | "fixes"> {
  /** Where it differs from the rule's own. */
  readonly severity?: Severity;
  readonly remedy?: Remedy;
}

/** A rule. */
export interface Rule {
  /** Stable: configuration, suppressions and links use it. */
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly category: "redundancy" | "collapse" | "initialisation" | "optimisation" | "sharing" | "opportunity";
  /** Version that brought it. */
  readonly since: string;
  readonly documentation: RuleDocumentation;
  /** Python that must give a finding, the same after its fix, and Python that looks alike and must not. */
  readonly examples: { readonly bad: string; readonly fixed: string; readonly good: string };
  check(file: CheckedFile): readonly Detection[];
}
