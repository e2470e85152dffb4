// `npm run docs`: refreshes what is generated in the documentation.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { documentation } from "../analysis/cli/documentation";

process.chdir(path.resolve(import.meta.dirname, ".."));
mkdirSync("docs/rules", { recursive: true });
for (const [file, text] of await documentation()) writeFileSync(file, text);
