/** @file The texts of client and pages that can be translated; `l10n/bundle.l10n.json` lists them with those of the analysis. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** `l10n.t("...")` of the extension and `t("...")` of its pages: a literal behind the parenthesis, possibly on its own line. */
const CALL = /\b(?:l10n\.)?t\(\s*("(?:[^"\\\n]|\\.)*")/g;

/** All texts below a folder, sorted; each stands for itself in English. */
export function translatableTexts(folder: string): Record<string, string> {
  const found = new Set<string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts") || file.endsWith(".test.ts") || file.startsWith("testing")) continue;
    for (const [, literal] of readFileSync(path.join(folder, file), "utf8").matchAll(CALL))
      found.add(JSON.parse(literal!) as string);
  }
  return Object.fromEntries([...found].sort().map((text) => [text, text]));
}
