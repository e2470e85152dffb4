/** @file Checks a file: what the rules detect, with the fixes that can be offered. */
import type { CheckedFile } from "../rules/checked";
import type { Finding } from "../rules/finding";
import { detect } from "../rules/registry";
import type { Remedy, RuleOptions } from "../rules/rule";
import { comprehension } from "./comprehension";
import { dropBias } from "./drop-bias";
import type { Mended } from "./mended";
import { parameterGroups } from "./parameter-groups";
import { randomStart } from "./random-start";
import { removeStatement } from "./remove-statement";
import { trainingFixes } from "./training/registry";

/** The findings of a file; `options` are those of the configuration, by rule. Never throws on a consistent analysis. */
export function checkFile(file: CheckedFile, options?: (rule: string) => RuleOptions | undefined): Finding[] {
  return detect(file, options).map(({ rule, detection }) => {
    const { remedy, subject, severity, message, ...rest } = detection;
    const mended = remedy && file.text !== undefined ? mend(remedy, file.text) : undefined;
    return {
      ...rest,
      rule: rule.id,
      severity: severity ?? rule.severity,
      message: mended && "reason" in mended ? `${message}\n${mended.reason}` : message,
      fixes: [
        ...(mended && "fix" in mended ? [mended.fix] : []),
        ...(subject && file.language === "python" ? trainingFixes(rule.id, file, subject) : []),
      ],
    };
  });
}

function mend(remedy: Remedy, text: string): Mended {
  switch (remedy.kind) {
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
