/** @file Checks a file: what the rules detect, with the fixes that can be offered. */
import type { CheckedFile } from "../rules/checked";
import type { Finding } from "../rules/finding";
import { detect } from "../rules/registry";
import type { Remedy, RuleOptions, Subject } from "../rules/rule";
import { comprehension } from "./comprehension";
import { dropBias } from "./drop-bias";
import { dropGain } from "./drop-gain";
import type { Mended } from "./mended";
import { parameterGroups } from "./parameter-groups";
import { randomStart } from "./random-start";
import { removeStatement } from "./remove-statement";
import { trainingFixes } from "./training/registry";

/** A finding with what it is about, for those who make more of it than its fixes. */
export interface Checked {
  readonly finding: Finding;
  readonly subject?: Subject;
}

/** The findings of a file; `options` are those of the configuration, by rule. Never throws on a consistent analysis. */
export function checkFile(file: CheckedFile, options?: (rule: string) => RuleOptions | undefined): Finding[] {
  return checkWithSubjects(file, options).map((c) => c.finding);
}

/** The findings of a file with their subjects. */
export function checkWithSubjects(file: CheckedFile, options?: (rule: string) => RuleOptions | undefined): Checked[] {
  return detect(file, options).map(({ rule, detection }) => {
    const { remedy, subject, severity, message, ...rest } = detection;
    const mended = remedy && file.text !== undefined ? mend(remedy, file.text) : undefined;
    const finding: Finding = {
      ...rest,
      rule: rule.id,
      severity: severity ?? rule.severity,
      message: mended && "reason" in mended ? `${message}\n${mended.reason}` : message,
      fixes: [
        ...(mended && "fix" in mended ? [{ ...mended.fix, remedy: remedy!.kind }] : []),
        ...(subject && file.language === "python" ? trainingFixes(rule.id, file, subject) : []),
      ],
    };
    return { finding, ...(subject ? { subject } : {}) };
  });
}

function mend(remedy: Remedy, text: string): Mended {
  switch (remedy.kind) {
    case "drop-gain":
      return dropGain(remedy, text);
    case "drop-bias":
      return dropBias(remedy, text);
    case "comprehension":
      return comprehension(remedy, text);
    case "random-start":
      return randomStart(remedy, text);
    case "parameter-groups":
      return parameterGroups(remedy, text);
    case "remove-statement":
      return removeStatement(remedy, text);
  }
}
