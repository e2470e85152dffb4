// `npm run docs`: refreshes what is generated in the documentation, and the texts that can be translated.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { documentation } from "../analysis/cli/documentation";
import { translatableTexts } from "../client/testing/texts";

process.chdir(path.resolve(import.meta.dirname, ".."));
mkdirSync("docs/rules", { recursive: true });
for (const [file, text] of await documentation()) writeFileSync(file, text);
mkdirSync("l10n", { recursive: true });
writeFileSync("l10n/bundle.l10n.json", `${JSON.stringify(translatableTexts("client"), undefined, 2)}\n`);
