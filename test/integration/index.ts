/** @file What VS Code's extension host runs (`extensionTestsPath`). */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import Mocha from "mocha";
import { collectResults } from "../results.mjs";
import { picturesTaken, takePicture } from "./user";

/** Where the window is pictured as it looked when a test failed. */
const PICTURES = path.join(__dirname, "failures");

/**
 * Runs all tests of this folder, or of the folder in it that $TEST_FOLDER names. Writes what became of each to $TEST_RESULTS:
 * an extension host that dies half-way can leave VS Code with exit code 0, so the runner wants that file. Rejects when a test
 * failed.
 */
export async function run(): Promise<void> {
  const grep = process.env["MOCHA_GREP"];
  const mocha = new Mocha({ ui: "bdd", color: false, timeout: 60_000, ...(grep !== undefined && { grep }) });
  const folder = path.join(__dirname, process.env["TEST_FOLDER"] ?? "");
  for (const file of readdirSync(folder).sort()) if (file.endsWith(".test.js")) mocha.addFile(path.join(folder, file));
  await new Promise<void>((resolve, reject) => {
    const runner = mocha.run((failed) => {
      const file = process.env["TEST_RESULTS"];
      if (file !== undefined) writeFileSync(file, JSON.stringify(results));
      void picturesTaken().then(() => {
        if (failed > 0) reject(new Error(`${failed} tests failed`));
        else resolve();
      });
    });
    const results = collectResults(runner);
    // Not in a hook: by then the test's own hooks have cleared the window.
    runner.on("fail", (test) => {
      mkdirSync(PICTURES, { recursive: true });
      takePicture(path.join(PICTURES, `${test.fullTitle().replace(/\W+/g, "-")}.png`));
    });
  });
}
