/**
 * @file Lints files as the command line does: configuration of the place, models, rules, suppressions. One linter shares what
 * files of a project import, so that a file that is linted again costs only what changed.
 */
import path from "node:path";
import { type Configuration, isExcluded, type RuleSetting } from "../configuration/configuration";
import type { ConfigurationProblem } from "../configuration/validate";
import { ConfigurationReader } from "../configuration/read";
import { lintFile } from "../lint/lint";
import type { Finding } from "../rules/finding";
import { rules } from "../rules/registry";
import { checkedFile, type LoadedFile, Loader } from "./models";

/** What came of one file. Plain data: it crosses processes and lies in caches. */
export interface FileReport {
  /** As the user named it. */
  readonly file: string;
  readonly findings: readonly Finding[];
  readonly silenced: readonly { readonly finding: Finding; readonly reason: string }[];
  /** Number of models found. */
  readonly models: number;
  /** What could not be analysed, one line each, with its place where it has one. */
  readonly notes: readonly string[];
  /** Why there is nothing: the file cannot be read or is damaged. */
  readonly failure?: string;
}

/** How to lint. */
export interface LinterOptions {
  /** A configuration file instead of those that are found; `false` for none. */
  readonly configuration?: string | false;
  /** Settings of rules over those of the configuration, for `--rule`. */
  readonly rules?: ReadonlyMap<string, RuleSetting>;
}

/** Lints files. */
export class Linter {
  readonly #options: LinterOptions;
  readonly #reader = new ConfigurationReader(rules);
  readonly #loaders = new Map<string, Loader>();

  constructor(options: LinterOptions = {}) {
    this.#options = options;
  }

  /** What is configured for a file or folder, with mistakes in it. */
  configurationFor(place: string): { readonly configuration: Configuration; readonly problems: readonly ConfigurationProblem[] } {
    const { configuration: named, rules: over } = this.#options;
    const read =
      named === false
        ? new ConfigurationReader([]).configurationFor(path.parse(path.resolve(place)).root)
        : named === undefined
          ? this.#reader.configurationFor(place)
          : this.#reader.read(path.resolve(named));
    if (!over || over.size === 0) return read;
    const { configuration } = read;
    // Said last: wins over what the configuration says for single files.
    const everywhere = { folder: path.parse(path.resolve(place)).root, files: ["**"], rules: over };
    return { ...read, configuration: { ...configuration, overrides: [...configuration.overrides, everywhere] } };
  }

  /** Whether the configuration leaves a file out when folders are searched. */
  excludes(file: string): boolean {
    const full = path.resolve(file);
    return isExcluded(this.configurationFor(full).configuration, full);
  }

  /** Lints a file, with the given text instead of what is on disk. Never throws. */
  async lint(file: string, text?: string): Promise<FileReport> {
    const full = path.resolve(file);
    const { configuration } = this.configurationFor(full);
    let loaded: LoadedFile;
    try {
      const loader = this.#loader(configuration);
      loaded = text === undefined ? await loader.load(file) : await loader.loadPython(file, text);
      const { findings, silenced } = lintFile(checkedFile(loaded), {
        configuration,
        path: full,
        complete: loaded.problems.length === 0,
      });
      return {
        file,
        findings: withoutRepeats(findings),
        silenced: silenced.map(({ finding, suppression }) => ({ finding, reason: suppression.reason })),
        models: loaded.models.length,
        notes: loaded.problems.map(({ message, range }) =>
          range ? `${range.file}:${range.start.line + 1}:${range.start.column + 1}: ${message}` : `${file}: ${message}`,
        ),
      };
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      return { file, findings: [], silenced: [], models: 0, notes: [], failure };
    }
  }

  #loader({ models }: Configuration): Loader {
    const key = models.join("\n");
    let loader = this.#loaders.get(key);
    if (!loader) {
      // Rules read graphs; the counting of dimensions is for reports.
      loader = new Loader({ analysis: { numeric: false }, ...(models.length > 0 ? { calls: models } : {}) });
      this.#loaders.set(key, loader);
    }
    return loader;
  }
}

/** A place that two models share is one finding. */
function withoutRepeats(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter((f) => {
    const place = f.range ? `${f.range.file}:${f.range.start.line}:${f.range.start.column}` : (f.node ?? "");
    const key = `${f.rule} ${f.file} ${place} ${f.range ? "" : f.message}`;
    return !seen.has(key) && seen.add(key);
  });
}
