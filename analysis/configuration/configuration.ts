/** @file What can be configured, as the rest of the program sees it. */
import picomatch from "picomatch";
import type { Severity } from "../rules/finding";

/** How loud a rule is; `off` silences it. */
export type RuleSeverity = Severity | "off";

/** What is said of one rule. */
export interface RuleSetting {
  /** Absent: the rule's own. */
  readonly severity?: RuleSeverity;
  /** The rule's own options by name; validated against the rule. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** Settings for the files that match a pattern. */
export interface Override {
  /** Globs relative to `folder`. */
  readonly files: readonly string[];
  readonly folder: string;
  readonly rules: ReadonlyMap<string, RuleSetting>;
}

/** All settings that hold for a folder. Globs are relative to the folder of the file that says them. */
export interface Configuration {
  /** The file that it was read from, and those that it extends; empty for the defaults. */
  readonly files: readonly string[];
  readonly exclude: readonly { readonly folder: string; readonly glob: string }[];
  /** By rule; `*` stands for all rules that are not named. */
  readonly rules: ReadonlyMap<string, RuleSetting>;
  readonly overrides: readonly Override[];
  /** Classes and how to make and call them, as in the pragma: `Model(width=64), input=(8, 3, 32, 32)`. */
  readonly models: readonly string[];
  /** How suppressions that suppress nothing are reported. */
  readonly unusedSuppressions: RuleSeverity;
  /** Absolute path of the baseline; absent where none is named. */
  readonly baseline?: string;
}

/** What holds where nothing is configured. */
export const DEFAULT_CONFIGURATION: Configuration = {
  files: [],
  exclude: [],
  rules: new Map(),
  overrides: [],
  models: [],
  unusedSuppressions: "warning",
};

/** What holds for one rule in one file. */
export function settingFor(configuration: Configuration, rule: string, file: string): RuleSetting {
  let found: RuleSetting = { options: {} };
  const take = (rules: ReadonlyMap<string, RuleSetting>): void => {
    for (const key of ["*", rule]) {
      const said = rules.get(key);
      if (said) found = { ...found, ...said, options: { ...found.options, ...said.options } };
    }
  };
  take(configuration.rules);
  for (const o of configuration.overrides) {
    if (o.files.some((glob) => matches(glob, o.folder, file))) take(o.rules);
  }
  return found;
}

/** Whether a file is left out when folders are searched. */
export function isExcluded(configuration: Configuration, file: string): boolean {
  return configuration.exclude.some(({ glob, folder }) => matches(glob, folder, file));
}

/** Whether an absolute path matches a glob below a folder. A glob without a slash matches names in any folder. */
function matches(glob: string, folder: string, file: string): boolean {
  const base = slashed(folder).replace(/\/$/, "");
  const full = slashed(file);
  if (!full.startsWith(`${base}/`)) return false;
  const relative = full.slice(base.length + 1);
  return matcher(glob)(relative);
}

/** A path or glob as Windows may write it, with the separators that all systems know. */
export function slashed(name: string): string {
  return name.replaceAll("\\", "/");
}

const matchers = new Map<string, (path: string) => boolean>();

function matcher(glob: string): (path: string) => boolean {
  let known = matchers.get(glob);
  if (!known) {
    const plain = slashed(glob).replace(/^\.\//, "").replace(/\/$/, "");
    const anywhere = plain.includes("/") ? plain : `**/${plain}`;
    // What names a folder means all that is in it.
    known = picomatch([anywhere, `${anywhere}/**`], { dot: true });
    matchers.set(glob, known);
  }
  return known;
}
