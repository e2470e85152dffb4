/**
 * @file Keeps the documentation true: output that it shows is what the commands print. In a page, a comment
 * `<!-- noether COMMAND -->` stands before the block with that command's output.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { configurationSchema } from "../configuration/keys";
import { configurationPage } from "../configuration/page";
import { rules } from "../rules/registry";
import { withFixLists } from "./fix-documentation";
import { separateTexts } from "./manifest";
import { ruleDocumentation, withRuleTable } from "./rule-documentation";
import { run } from "./run";

/** The texts of package.json. */
const TEXTS = "package.nls.json";
const EXAMPLE = /^<!-- noether (.+?) -->\n(?:\n?```.*\n[^]*?\n```\n)?/gm;

/** All generated or refreshed files of the documentation, by path relative to the repository's root, which must be the current folder. */
export async function documentation(): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  const pages = [...readdirSync("docs").map((f) => path.join("docs", f)), "README.md"].filter((f) => f.endsWith(".md"));
  for (const page of pages) out.set(page, await refreshed(withFixLists(withRuleTable(readFileSync(page, "utf8")))));
  for (const [file, text] of await ruleDocumentation()) out.set(file, text);
  const known = existsSync(TEXTS) ? (JSON.parse(readFileSync(TEXTS, "utf8")) as Record<string, string>) : {};
  const { manifest, texts } = separateTexts(out.get("package.json")!, known);
  out.set("package.json", manifest);
  out.set(TEXTS, texts);
  out.set(path.join("docs", "configuration.md"), `${configurationPage()}\n`);
  out.set(path.join("docs", "noether.schema.json"), `${JSON.stringify(configurationSchema(rules), undefined, 2)}\n`);
  return out;
}

/** A page with the output of each command that it names behind it. */
export async function refreshed(page: string): Promise<string> {
  const outputs = new Map<string, string>();
  for (const [, command] of page.matchAll(EXAMPLE)) outputs.set(command!, await output(command!));
  return page.replace(EXAMPLE, (_, command: string) => {
    const language = /--format (mermaid|json)/.exec(command)?.[1] ?? (command.includes("--diff") ? "diff" : "text");
    return `<!-- noether ${command} -->\n\n\`\`\`${language}\n${outputs.get(command)}\n\`\`\`\n`;
  });
}

async function output(command: string): Promise<string> {
  let out = "";
  await run([...command.split(" "), ...(command.startsWith("check ") ? ["--no-cache"] : [])], {
    out: (text) => (out += `${text}\n`),
    error: () => {},
    isTTY: false,
    columns: 110,
    environment: {},
  });
  return out.trimEnd();
}
