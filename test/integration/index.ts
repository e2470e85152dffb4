/** @file What VS Code's extension host runs (`extensionTestsPath`). */
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import Mocha from "mocha";

/**
 * Runs all tests of this folder. Writes the counts to $TEST_RESULTS: an extension host that dies half-way can leave
 * VS Code with exit code 0, so the runner wants that file. Rejects when a test failed.
 */
export async function run(): Promise<void> {
  const grep = process.env["MOCHA_GREP"];
  const mocha = new Mocha({ ui: "bdd", color: false, timeout: 60_000, ...(grep !== undefined && { grep }) });
  for (const file of readdirSync(__dirname).sort()) if (file.endsWith(".test.js")) mocha.addFile(path.join(__dirname, file));
  await new Promise<void>((resolve, reject) => {
    const runner = mocha.run((failed) => {
      const { passes: passed = 0, pending: skipped = 0 } = runner.stats ?? {};
      const results = process.env["TEST_RESULTS"];
      if (results !== undefined) writeFileSync(results, JSON.stringify({ passed, failed, skipped }));
      if (failed > 0) reject(new Error(`${failed} tests failed`));
      else resolve();
    });
  });
}
