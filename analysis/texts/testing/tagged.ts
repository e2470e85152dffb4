/** @file The texts of the analysis and the server that can be translated; `l10n/bundle.l10n.json` lists them with those of the client. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** `say` and `mark` with their text; `plural(n, "one", "many")`, whose many is its one with an s where it is not said. */
const TAG = /\b(?:say|mark)`/g;
const PLURAL = /\bplural\((?:[^()"]|\([^()]*\))*, "([^"]+)"(?:, "([^"]+)")?\)/g;

/** All texts below a folder that are tagged, as keys: `{0}`, `{1}` for values, in the order in which they are written. */
export function taggedTexts(folder: string): Record<string, string> {
  const found = new Set<string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (
      !file.endsWith(".ts") ||
      file.endsWith(".test.ts") ||
      /(?:^|[\\/])(?:testing|texts)[\\/]/.test(file) ||
      file.includes("node_modules")
    )
      continue;
    const text = readFileSync(path.join(folder, file), "utf8");
    for (const { index, 0: tag } of text.matchAll(TAG)) found.add(templateKey(text, index + tag.length));
    for (const [, one, many = `${one}s`] of text.matchAll(PLURAL)) found.add(`{0} ${one}`).add(`{0} ${many}`);
  }
  return Object.fromEntries([...found].sort().map((text) => [text, text]));
}

/** The key of the template whose text starts at `at`; values may hold templates of their own. */
function templateKey(text: string, at: number): string {
  let key = "";
  let values = 0;
  for (let i = at; text[i] !== "`"; i++) {
    if (i >= text.length) throw new Error(`a text does not end: ${text.slice(at, at + 60)}`);
    if (text[i] === "\\") key += text[++i];
    else if (text.startsWith("${", i)) {
      i = valueEnd(text, i + 2);
      key += `{${values++}}`;
    } else key += text[i];
  }
  return key;
}

/** Where the bracket stands that ends the value of a template which starts at `at`. */
function valueEnd(text: string, at: number): number {
  let depth = 0;
  for (let i = at; ; i++) {
    const c = text[i];
    if (c === "}" && depth === 0) return i;
    if (c === "{") depth++;
    if (c === "}") depth--;
    if (c === '"') for (i++; text[i] !== '"'; i++) if (text[i] === "\\") i++;
    if (c === "`") {
      for (i++; text[i] !== "`"; i++) {
        if (text[i] === "\\") i++;
        else if (text.startsWith("${", i)) i = valueEnd(text, i + 2);
      }
    }
  }
}
