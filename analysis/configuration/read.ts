/**
 * @file Finds and reads configuration: the nearest `noether.toml`, or `[tool.noether]` of the nearest pyproject.toml that has
 * one, upwards from a folder. Configuration is data; nothing of it is ever executed.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import type { SourceRange } from "../graph/source";
import {
  type Configuration,
  DEFAULT_CONFIGURATION,
  type Override,
  type RuleSetting,
  type RuleSeverity,
  slashed,
} from "./configuration";
import type { ConfigurableRule } from "./keys";
import { parseToml, type TomlDocument, TomlError } from "./toml";
import { type ConfigurationProblem, isTable, validateConfiguration } from "./validate";

/** A configuration that was read, with what is wrong in it. What is wrong is left out of the configuration. */
export interface ReadConfiguration {
  readonly configuration: Configuration;
  readonly problems: readonly ConfigurationProblem[];
}

/** Reads and remembers configurations; a file is read again when it has changed. */
export class ConfigurationReader {
  readonly #rules: readonly ConfigurableRule[];
  readonly #base: Configuration;
  readonly #read = new Map<string, { readonly stamp: string; readonly result: ReadConfiguration }>();

  /**
   * `rules`: what may be configured.
   * `base`: what holds where no file says otherwise, for example an editor's settings.
   */
  constructor(rules: readonly ConfigurableRule[], base: Configuration = DEFAULT_CONFIGURATION) {
    this.#rules = rules;
    this.#base = base;
  }

  /** What holds for a file or folder. */
  configurationFor(place: string): ReadConfiguration {
    const file = nearestConfiguration(place);
    return file === undefined ? { configuration: this.#base, problems: [] } : this.read(file);
  }

  /** The configuration in a file. */
  read(file: string): ReadConfiguration {
    const known = this.#read.get(file);
    const { configuration } = known?.result ?? {};
    if (known && configuration && stamp([file, ...configuration.files]) === known.stamp) return known.result;
    const result = this.#chain(file, [], this.#base);
    this.#read.set(file, { stamp: stamp([file, ...result.configuration.files]), result });
    return result;
  }

  /** A file on top of those that it extends. */
  #chain(file: string, above: readonly string[], under: Configuration): ReadConfiguration {
    let table: Readonly<Record<string, unknown>> | undefined;
    let document: TomlDocument;
    const start: SourceRange = { file, start: { line: 0, column: 0 }, end: { line: 0, column: 1 } };
    try {
      document = parseToml(file, readFileSync(file, "utf8").replace(/^\uFEFF/, ""));
      table = ownTable(file, document);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const range = error instanceof TomlError ? error.range : start;
      return { configuration: { ...under, files: [...under.files, file] }, problems: [{ message, range }] };
    }
    const prefix = isPyproject(file) ? ["tool", "noether"] : [];
    const placeOf = (at: readonly (string | number)[]): SourceRange => {
      for (let n = at.length; n >= 0; n--) {
        const found = document.range([...prefix, ...at.slice(0, n)]);
        if (found) return found;
      }
      return start;
    };
    const problems = validateConfiguration(table ?? {}, this.#rules, placeOf);
    let base = under;
    strings(table?.["extends"]).forEach((name, i) => {
      const target = path.resolve(path.dirname(file), slashed(name));
      const place = placeOf(typeof table?.["extends"] === "string" ? ["extends"] : ["extends", i]);
      if ([...above, file].includes(target)) {
        problems.push({ message: `extends goes in a circle: ${[...above, file, target].join(" -> ")}`, range: place });
      } else if (!existsSync(target)) {
        problems.push({ message: `extends: ${target} does not exist`, range: place });
      } else {
        const inner = this.#chain(target, [...above, file], base);
        problems.push(...inner.problems);
        base = inner.configuration;
      }
    });
    return { configuration: apply(base, table ?? {}, file), problems };
  }
}

/** The configuration file that holds for a file or folder. */
export function nearestConfiguration(place: string): string | undefined {
  let folder = path.resolve(place);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) folder = path.dirname(folder);
  for (;;) {
    const own = path.join(folder, "noether.toml");
    if (existsSync(own)) return own;
    const project = path.join(folder, "pyproject.toml");
    if (existsSync(project) && hasTable(project)) return project;
    const above = path.dirname(folder);
    if (above === folder) return undefined;
    folder = above;
  }
}

function isPyproject(file: string): boolean {
  return path.basename(file) === "pyproject.toml";
}

/** Whether a pyproject.toml configures Noether. One that may, but is no TOML, does: the mistake is to be reported. */
function hasTable(file: string): boolean {
  let text: string;
  try {
    text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  } catch {
    return false;
  }
  // Most files do not mention it at all.
  if (!/\bnoether\b/.test(text)) return false;
  try {
    const { tool } = parseToml(file, text).value;
    return isTable(tool) && Object.hasOwn(tool, "noether");
  } catch {
    return /^\s*\[+\s*tool\s*\.\s*noether\b|^\s*tool\s*\.\s*noether\b/m.test(text);
  }
}

function ownTable(file: string, document: TomlDocument): Readonly<Record<string, unknown>> | undefined {
  if (!isPyproject(file)) return document.value;
  const tool = document.value["tool"];
  const own = isTable(tool) ? tool["noether"] : undefined;
  return isTable(own) ? own : undefined;
}

function stamp(files: readonly string[]): string {
  return files
    .map((f) => {
      const stat = statSync(f, { throwIfNoEntry: false });
      return `${f} ${stat?.mtimeMs} ${stat?.size}`;
    })
    .join("\n");
}

function strings(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === "string") : [];
}

/** A file's table over what it builds on. What is of a wrong kind was reported, and is passed over here. */
function apply(base: Configuration, table: Readonly<Record<string, unknown>>, file: string): Configuration {
  const folder = path.dirname(file);
  const { baseline, exclude, models, overrides, "unused-suppressions": unused } = table;
  const own: Override[] = (Array.isArray(overrides) ? overrides : [])
    .filter(isTable)
    .map((o) => ({ folder, files: strings(o["files"]), rules: ruleSettings(o["rules"]) }));
  return {
    files: [...base.files, file],
    exclude: [...base.exclude, ...strings(exclude).map((glob) => ({ folder, glob }))],
    rules: new Map([...base.rules, ...ruleSettings(table["rules"])]),
    overrides: [...base.overrides, ...own],
    models: [...base.models, ...strings(models)],
    unusedSuppressions: isSeverity(unused) ? unused : base.unusedSuppressions,
    ...(typeof baseline === "string"
      ? { baseline: path.resolve(folder, slashed(baseline)) }
      : base.baseline === undefined
        ? {}
        : { baseline: base.baseline }),
  };
}

/** The settings of rules in a table, whatever is wrong in it left out. */
export function ruleSettings(value: unknown): Map<string, RuleSetting> {
  const out = new Map<string, RuleSetting>();
  if (!isTable(value)) return out;
  for (const [id, setting] of Object.entries(value)) {
    if (isSeverity(setting)) out.set(id, { severity: setting, options: {} });
    else if (isTable(setting)) {
      const { severity, ...options } = setting;
      out.set(id, { ...(isSeverity(severity) ? { severity } : {}), options });
    }
  }
  return out;
}

function isSeverity(value: unknown): value is RuleSeverity {
  return value === "error" || value === "warning" || value === "info" || value === "hint" || value === "off";
}
