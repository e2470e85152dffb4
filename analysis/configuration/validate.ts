/** @file Checks a table against the keys that it may have, and reports each mistake at its place. */
import type { SourceRange } from "../graph/source";
import { meant } from "./nearest";
import { type ConfigurableRule, type ConfigurationKey, KEYS, OVERRIDE_KEYS, SEVERITIES, type ValueKind } from "./keys";

/** A mistake in a configuration. */
export interface ConfigurationProblem {
  readonly message: string;
  readonly range: SourceRange;
}

type Path = readonly (string | number)[];

/** Where the value at a path is written. */
export type PlaceOf = (path: Path) => SourceRange;

/** All mistakes in the configuration's table. */
export function validateConfiguration(
  table: Readonly<Record<string, unknown>>,
  rules: readonly ConfigurableRule[],
  placeOf: PlaceOf,
): ConfigurationProblem[] {
  const problems: ConfigurationProblem[] = [];
  new Validator(rules, placeOf, problems).table(table, KEYS, []);
  return problems;
}

class Validator {
  constructor(
    private readonly rules: readonly ConfigurableRule[],
    private readonly placeOf: PlaceOf,
    private readonly problems: ConfigurationProblem[],
  ) {}

  table(table: Readonly<Record<string, unknown>>, keys: Readonly<Record<string, ConfigurationKey>>, at: Path): void {
    for (const [name, value] of Object.entries(table)) {
      const key = Object.hasOwn(keys, name) ? keys[name] : undefined;
      if (key) this.value(value, key.takes, [...at, name]);
      else this.unknown("key", name, Object.keys(keys), [...at, name]);
    }
  }

  private value(value: unknown, takes: ValueKind, at: Path): void {
    switch (takes.kind) {
      case "string":
      case "boolean":
        if (typeof value !== takes.kind) this.wrong(takes.kind === "string" ? "a string" : "true or false", value, at);
        return;
      case "number":
        if (typeof value !== "number" || !Number.isFinite(value)) this.wrong("a number", value, at);
        else if (takes.minimum !== undefined && value < takes.minimum) this.wrong(`at least ${takes.minimum}`, value, at);
        return;
      case "enum":
        if (typeof value !== "string" || !takes.values.includes(value)) this.wrong(listed(takes.values), value, at);
        return;
      case "strings":
        if (takes.one && typeof value === "string") return;
        if (!Array.isArray(value))
          return this.wrong(takes.one ? "a string or a list of strings" : "a list of strings", value, at);
        value.forEach((item, i) => {
          if (typeof item !== "string") this.wrong("a string", item, [...at, i]);
        });
        return;
      case "rules":
        return this.ruleTable(value, at);
      case "overrides":
        return this.overrides(value, at);
    }
  }

  private ruleTable(value: unknown, at: Path): void {
    if (!isTable(value)) return this.wrong("a table of rules", value, at);
    const ids = this.rules.map((r) => r.id);
    for (const [id, setting] of Object.entries(value)) {
      const rule = this.rules.find((r) => r.id === id);
      if (!rule && id !== "*") this.unknown("rule", id, ids, [...at, id]);
      else if (isTable(setting)) {
        const options = Object.entries(rule?.options ?? {}).map(([name, o]): [string, ConfigurationKey] => [
          name,
          { takes: o.takes, description: o.description, example: "" },
        ]);
        const severity: ConfigurationKey = { takes: { kind: "enum", values: SEVERITIES }, description: "", example: "" };
        this.table(setting, { severity, ...Object.fromEntries(options) }, [...at, id]);
      } else this.value(setting, { kind: "enum", values: SEVERITIES }, [...at, id]);
    }
  }

  private overrides(value: unknown, at: Path): void {
    if (!Array.isArray(value)) return this.wrong("a list of tables ([[overrides]])", value, at);
    value.forEach((entry: unknown, i) => {
      if (!isTable(entry)) return this.wrong("a table", entry, [...at, i]);
      this.table(entry, OVERRIDE_KEYS, [...at, i]);
      for (const needed of Object.keys(OVERRIDE_KEYS)) {
        if (!(needed in entry)) this.report(`this override has no ${needed}`, [...at, i]);
      }
    });
  }

  private wrong(expected: string, got: unknown, at: Path): void {
    const name = at.findLast((p) => typeof p === "string") ?? "the value";
    this.report(`${name}: expected ${expected}, not ${shown(got)}`, at);
  }

  private unknown(what: "key" | "rule", name: string, known: readonly string[], at: Path): void {
    const near = meant(name, known);
    this.report(`there is no ${what} ${name}${near === "" ? `; ${what}s are ${known.join(", ")}` : near}`, at);
  }

  private report(message: string, at: Path): void {
    this.problems.push({ message, range: this.placeOf(at) });
  }
}

/** Whether a value is a table. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function listed(values: readonly string[]): string {
  return `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (isTable(value)) return "a table";
  return typeof value === "string" ? `"${value}"` : String(value);
}
