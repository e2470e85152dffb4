// Runs test/window with Mocha and writes what became of each test to $TEST_RESULTS; scripts/run-integration.mjs starts it.
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import Mocha from "mocha";
import { collectResults } from "../test/results.mjs";

const { MOCHA_GREP: grep, TEST_RESULTS: file } = process.env;
const mocha = new Mocha({ ui: "bdd", color: false, timeout: 120_000, ...(grep !== undefined && { grep }) });
const folder = path.resolve(import.meta.dirname, "..", "test", "window");
for (const name of readdirSync(folder)) if (name.endsWith(".test.mjs")) mocha.addFile(path.join(folder, name));
await mocha.loadFilesAsync();
const results = collectResults(
  mocha.run(() => {
    writeFileSync(file, JSON.stringify(results));
    process.exit(0);
  }),
);
