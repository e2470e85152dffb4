// `npm run docs`: refreshes what is generated in the documentation.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { documentation } from "../analysis/cli/documentation";

process.chdir(path.resolve(import.meta.dirname, ".."));
for (const [file, text] of await documentation()) writeFileSync(file, text);
