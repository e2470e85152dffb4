/** @file From what the rules find to what is reported: configured severities, options, and suppressions. */
import { type Configuration, settingFor } from "../configuration/configuration";
import { checkFile } from "../fixes/check";
import type { CheckedFile } from "../rules/checked";
import type { Finding } from "../rules/finding";
import { readSuppressions, type Suppressed, suppress, UNUSED_SUPPRESSION, unusedSuppression } from "./suppressions";

/** What is reported of a file. */
export interface Linted {
  readonly findings: readonly Finding[];
  /** What comments silenced, for reports that list it. */
  readonly silenced: Suppressed["silenced"];
}

/** How to lint. */
export interface LintOptions {
  readonly configuration: Configuration;
  /** Absolute path of the file, which overrides are matched against. */
  readonly path: string;
  /** Whether all of the file was understood; if not, a suppression may be of use that seems not to be. */
  readonly complete: boolean;
}

/** Whether a finding of a text is reported: its rule is not switched off there, and no comment silences it. */
export function isReported(
  finding: Finding,
  { configuration, path, text }: Pick<LintOptions, "configuration" | "path"> & { readonly text: string },
): boolean {
  if (settingFor(configuration, finding.rule, path).severity === "off") return false;
  return suppress([finding], readSuppressions(text)).kept.length > 0;
}

/** Checks a file by all rules that are switched on for it. */
export function lintFile(file: CheckedFile, { configuration, path, complete }: LintOptions): Linted {
  const found = checkFile(file, (rule) => settingFor(configuration, rule, path).options).flatMap((f): Finding[] => {
    const { severity = f.severity } = settingFor(configuration, f.rule, path);
    return severity === "off" ? [] : [{ ...f, severity }];
  });
  if (file.text === undefined) return { findings: found, silenced: [] };
  const { text } = file;
  const suppressions = readSuppressions(text);
  if (suppressions.length === 0) return { findings: found, silenced: [] };
  // Findings in other files (a factory's call) are silenced where they are shown.
  const here = found.filter((f) => f.range === undefined || f.range.file === file.file);
  const elsewhere = found.filter((f) => !here.includes(f));
  const { kept, silenced, unused } = suppress(here, suppressions);
  const { severity = configuration.unusedSuppressions } = settingFor(configuration, UNUSED_SUPPRESSION, path);
  const idle =
    severity === "off" || !complete
      ? []
      : unused
          .filter((s) => s.rules.every((rule) => settingFor(configuration, rule, path).severity !== "off"))
          .map((s) => unusedSuppression(file.file, text, s, severity));
  return { findings: [...kept, ...elsewhere, ...idle], silenced };
}
