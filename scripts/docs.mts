// `npm run docs`: refreshes what is generated in the documentation, and the texts that can be translated.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { documentation } from "../analysis/cli/documentation";
import { taggedTexts } from "../analysis/texts/testing/tagged";
import { translatableTexts } from "../client/testing/texts";

process.chdir(path.resolve(import.meta.dirname, ".."));
mkdirSync("docs/rules", { recursive: true });
for (const [file, text] of await documentation()) writeFileSync(file, text);
mkdirSync("l10n", { recursive: true });
const texts = { ...translatableTexts("client"), ...taggedTexts("analysis"), ...taggedTexts("server") };
const sorted = Object.fromEntries(Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync("l10n/bundle.l10n.json", `${JSON.stringify(sorted, undefined, 2)}\n`);
