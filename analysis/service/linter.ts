/**
 * @file Lints files as the command line does: configuration of the place, models, rules, suppressions. One linter shares what
 * files of a project import, so that a file that is linted again costs only what changed.
 */
import path from "node:path";
import { isExcluded } from "../configuration/configuration";
import type { ReadConfiguration } from "../configuration/read";
import { lintFile } from "../lint/lint";
import type { Finding } from "../rules/finding";
import { settled } from "./cells";
import { Configured, type ConfigurationSources } from "./configured";
import { checkedFile } from "./checked-file";
import type { LoadedFile } from "./loaded";

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
  /** Number of places where the text does not parse. */
  readonly broken: number;
  /** Why there is nothing: the file cannot be read or is damaged. */
  readonly failure?: string;
}

/** Lints files. */
export class Linter {
  readonly #configured: Configured;

  constructor(sources: ConfigurationSources = {}) {
    this.#configured = new Configured(sources);
  }

  /** What is configured for a file or folder, with mistakes in it. */
  configurationFor(place: string): ReadConfiguration {
    return this.#configured.configurationFor(place);
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
      const loader = this.#configured.loaderFor(configuration);
      loaded = text === undefined ? await loader.load(file) : await loader.loadPython(file, text);
      const { findings, silenced } = lintFile(checkedFile(loaded), {
        configuration,
        path: full,
        complete: loaded.problems.length === 0,
      });
      return {
        file,
        findings: withoutRepeats(findings).map((f) => located(f, loaded)),
        silenced: silenced.map(({ finding, suppression }) => ({ finding: located(finding, loaded), reason: suppression.reason })),
        models: loaded.models.length,
        broken: loaded.problems.filter((p) => p.syntax).length,
        notes: settled(loaded.problems, file, loaded.cells).map(({ message, range }) =>
          range ? `${range.file}:${range.start.line + 1}:${range.start.column + 1}: ${message}` : `${file}: ${message}`,
        ),
      };
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      return { file, findings: [], silenced: [], models: 0, notes: [], broken: 0, failure };
    }
  }
}

/** A finding as it leaves: one in a notebook says its cell. */
function located(finding: Finding, { file, cells }: LoadedFile): Finding {
  const moved = settled(finding, file, cells);
  return cells ? { ...moved, file: moved.range?.file ?? file } : moved;
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
