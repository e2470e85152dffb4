/**
 * @file The keys of the configuration, one entry each: what it takes and what it means. Validation, the JSON schema and what
 * `noether init` writes are functions of this table.
 */
/** What a key takes. */
export type ValueKind =
  | { readonly kind: "string" | "boolean" }
  | { readonly kind: "number"; readonly minimum?: number }
  | { readonly kind: "enum"; readonly values: readonly string[] }
  | { readonly kind: "strings"; readonly one?: true }
  | { readonly kind: "rules" }
  | { readonly kind: "overrides" };

/** One key. */
export interface ConfigurationKey {
  readonly takes: ValueKind;
  readonly description: string;
  /** As TOML, for documentation. */
  readonly example: string;
}

/** What a rule may be set to. */
export const SEVERITIES = ["error", "warning", "info", "hint", "off"] as const;

/** Keys of `noether.toml`, and of `[tool.noether]` in pyproject.toml. */
export const KEYS: Readonly<Record<string, ConfigurationKey>> = {
  extends: {
    takes: { kind: "strings", one: true },
    description: "Configuration files that this one builds on, relative to it; later ones win, and this one over all.",
    example: 'extends = "../noether.toml"',
  },
  exclude: {
    takes: { kind: "strings" },
    description: "Globs of files that are left out when folders are searched; a file that is named is checked all the same.",
    example: 'exclude = ["tests/**", "legacy"]',
  },
  rules: {
    takes: { kind: "rules" },
    description:
      "Severity of each rule, or a table with `severity` and the rule's options. The key `*` stands for all rules that are not named.",
    example: '[rules]\nlinear-chain = "off"',
  },
  overrides: {
    takes: { kind: "overrides" },
    description: "Rules for the files that match `files`; later entries win.",
    example: '[[overrides]]\nfiles = ["experiments/**"]\nrules = { "*" = "hint" }',
  },
  models: {
    takes: { kind: "strings" },
    description: "How classes are made and called where code does not say it, as in the comment `# noether: ...`.",
    example: 'models = ["Net(width=64), input=(8, 3, 32, 32)"]',
  },
  baseline: {
    takes: { kind: "string" },
    description: "File of accepted findings, relative to this one: only what exceeds it is reported.",
    example: 'baseline = "noether-baseline.json"',
  },
  "unused-suppressions": {
    takes: { kind: "enum", values: SEVERITIES },
    description: "How comments that suppress nothing are reported.",
    example: 'unused-suppressions = "warning"',
  },
};

/** Keys of an entry of `overrides`. */
export const OVERRIDE_KEYS: Readonly<Record<string, ConfigurationKey>> = {
  files: {
    takes: { kind: "strings", one: true },
    description: "Globs relative to the configuration file.",
    example: 'files = ["experiments/**"]',
  },
  rules: KEYS["rules"]!,
};

/** An option of a rule. */
export interface RuleOption {
  readonly takes: ValueKind;
  readonly description: string;
  readonly default: string | number | boolean | readonly string[];
}

/** The part of a rule that configuration knows. */
export interface ConfigurableRule {
  readonly id: string;
  readonly title: string;
  readonly options?: Readonly<Record<string, RuleOption>>;
}

/** The JSON schema (draft 7) of `noether.toml`. */
export function configurationSchema(rules: readonly ConfigurableRule[]): object {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Configuration of Noether",
    ...tableSchema(KEYS, rules),
  };
}

function tableSchema(keys: Readonly<Record<string, ConfigurationKey>>, rules: readonly ConfigurableRule[]): object {
  const properties = Object.entries(keys).map(([name, { takes, description }]) => [
    name,
    { description, ...valueSchema(takes, rules) },
  ]);
  return { type: "object", additionalProperties: false, properties: Object.fromEntries(properties) };
}

function valueSchema(takes: ValueKind, rules: readonly ConfigurableRule[]): object {
  switch (takes.kind) {
    case "string":
    case "boolean":
      return { type: takes.kind };
    case "number":
      return { type: "number", ...(takes.minimum === undefined ? {} : { minimum: takes.minimum }) };
    case "enum":
      return { enum: takes.values };
    case "strings": {
      const list = { type: "array", items: { type: "string" } };
      return takes.one ? { oneOf: [{ type: "string" }, list] } : list;
    }
    case "rules": {
      const setting = (rule?: ConfigurableRule): object => ({
        ...(rule ? { description: rule.title } : { description: "All rules that are not named." }),
        oneOf: [
          { enum: SEVERITIES },
          {
            type: "object",
            additionalProperties: false,
            properties: {
              severity: { enum: SEVERITIES },
              ...Object.fromEntries(
                Object.entries(rule?.options ?? {}).map(([name, o]) => [
                  name,
                  { description: o.description, default: o.default, ...valueSchema(o.takes, rules) },
                ]),
              ),
            },
          },
        ],
      });
      const entries = rules.map((rule) => [rule.id, setting(rule)]);
      return { type: "object", additionalProperties: false, properties: { "*": setting(), ...Object.fromEntries(entries) } };
    }
    case "overrides":
      return { type: "array", items: { ...tableSchema(OVERRIDE_KEYS, rules), required: ["files", "rules"] } };
  }
}
