/** @file What a rule is: its documentation, examples and detection in one place. Fixes are in ../fixes, by remedy. */
import type { SourceRange } from "../graph/source";
import type { OptimiserFact } from "../frontends/python/index";
import type { Claim } from "./claim";
import type { CheckedFile, CheckedModel, Layer } from "./checked";
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

/** A bias that may go. */
export interface DropBias {
  readonly kind: "drop-bias";
  /** All layers that the call makes: dropping must be right for each of them. */
  readonly layers: readonly Layer[];
  /** Why the edit may not be offered although the finding stands; a sentence. */
  readonly refusal?: string;
}

/** `[module] * n` that should be a module for each. */
export interface Comprehension {
  readonly kind: "comprehension";
  /** The whole product. */
  readonly range: SourceRange;
}

/** Parameters that start alike and should be drawn. */
export interface RandomStart {
  readonly kind: "random-start";
  /** The calls that set them to a constant. */
  readonly calls: readonly SourceRange[];
  /** True where the calls also set vectors, for which there is no fan in. */
  readonly vectors?: boolean;
}

/** An optimiser that should not decay vectors. */
export interface ParameterGroups {
  readonly kind: "parameter-groups";
  /** The call that makes the optimiser. */
  readonly call: SourceRange;
}

/** A statement that makes something that nothing reads. */
export interface RemoveStatement {
  readonly kind: "remove-statement";
  /** The call on its right-hand side. */
  readonly call: SourceRange;
  /** The attribute that it assigns. */
  readonly attribute: string;
}

/** A norm whose gain and shift the layers behind it can hold. */
export interface DropGain {
  readonly kind: "drop-gain";
  /** The call that makes the norm. */
  readonly call: SourceRange;
  /** Module path of the norm. */
  readonly scope: string;
}

/** A change that fixes can turn into edits. */
export type Remedy = DropGain | DropBias | Comprehension | RandomStart | ParameterGroups | RemoveStatement;

/** What a detection is about, for fixes that change training. */
export interface Subject {
  readonly model: CheckedModel;
  /** The parameters in question, by name; of a chain in the order in which they are applied. */
  readonly parameters: readonly string[];
  /** The optimiser that moves them, where the detection is about its options. */
  readonly optimiser?: OptimiserFact;
  /** The call in question, where it is neither a layer's nor an optimiser's. */
  readonly call?: SourceRange;
  /** Options of the optimiser with the values that the thresholds ask for. */
  readonly values?: { readonly weightDecay?: number; readonly learningRate?: number };
}

/** A finding before fixes are worked out. */
export interface Detection extends Omit<Finding, "rule" | "severity" | "fixes"> {
  /** Where it differs from the rule's own. */
  readonly severity?: Severity;
  readonly remedy?: Remedy;
  readonly subject?: Subject;
}

/** One number that configuration may set. */
export interface RuleOption {
  readonly takes: { readonly kind: "number"; readonly minimum?: number };
  readonly default: number;
  /** A sentence. */
  readonly description: string;
}

/** What configuration sets for a rule, by name of the option; checked when it is read. */
export type RuleOptions = Readonly<Record<string, unknown>>;

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
  /**
   * Python that must give a finding; the same mended, by the rule's own fix where it has one; and Python that looks alike and
   * must not give one. Where the rule is about exported files, the Python is what exports them.
   */
  readonly examples: { readonly bad: string; readonly fixed: string; readonly good: string };
  /** What its page claims by numbers, evaluated on the examples. */
  readonly claims: readonly Claim[];
  /** True where it finds something in ONNX files only. */
  readonly onnxOnly?: boolean;
  /** True where it judges what a probe measured: without a probe it finds nothing. */
  readonly measured?: boolean;
  /** What configuration may set. */
  readonly options?: Readonly<Record<string, RuleOption>>;
  /** Detections; `options` are those of the configuration, by name, where it sets any. */
  check(file: CheckedFile, options?: RuleOptions): readonly Detection[];
}

/** The value of an option: what configuration sets, or the default. */
export function optionOf(rule: Pick<Rule, "options">, name: string, options: RuleOptions | undefined): number {
  const value = options?.[name];
  return typeof value === "number" ? value : (rule.options?.[name]?.default ?? 0);
}
