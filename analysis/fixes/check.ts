/** @file Checks a file: what the rules detect, with the fixes that can be offered. */
import type { CheckedFile } from "../rules/checked";
import type { Finding } from "../rules/finding";
import { detect } from "../rules/registry";
import { dropBias } from "./drop-bias";

/** The findings of a file. Never throws on a consistent analysis. */
export function checkFile(file: CheckedFile): Finding[] {
  return detect(file).map(({ rule, detection }) => {
    const { remedy, severity, message, ...rest } = detection;
    const mended = remedy && file.text !== undefined ? dropBias(remedy, file.text) : undefined;
    return {
      ...rest,
      rule: rule.id,
      severity: severity ?? rule.severity,
      message: mended && "reason" in mended ? `${message}\n${mended.reason}` : message,
      fixes: mended && "fix" in mended ? [mended.fix] : [],
    };
  });
}
