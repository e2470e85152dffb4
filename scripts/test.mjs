// `npm test`: every check of the project, in order of speed; goes on after a failure and lists all at the end.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { beginFailures, endFailures } from "./failures.mjs";

const root = path.resolve(import.meta.dirname, "..");
const { name, version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const target = `${process.platform}-${process.arch}`;
const vsix = path.join("out", `${name}-${target}-${version}.vsix`);

const bin = (tool, file) => path.join("node_modules", tool, file);
const steps = [
  ["format", bin("@biomejs/biome", "bin/biome"), "format", "."],
  ["lint and import direction", bin("oxlint", "bin/oxlint"), "-c", "oxlint.config.mjs", "--type-aware"],
  ["types", bin("typescript", "bin/tsc"), "-b"],
  ["unit tests", "scripts/unit.mjs"],
  ["package, universal", "scripts/package.mjs", "universal"],
  ["package", "scripts/package.mjs", target],
  ["build", "scripts/build.mjs"],
  ["VS Code, packaged extension", "scripts/run-integration.mjs", "--vsix", vsix],
  ["VS Code, source tree", "scripts/run-integration.mjs"],
];

const failed = [];
beginFailures();
for (const [title, ...args] of steps) {
  const begin = Date.now();
  console.log(`\n--- ${title}`);
  const ok = node(...args);
  console.log(`--- ${title}: ${ok ? "ok" : "FAILED"} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
  if (!ok) failed.push(title);
}
console.log(failed.length === 0 ? "\nall checks passed" : `\n${endFailures()}\nFAILED: ${failed.join("; ")}`);
process.exit(failed.length === 0 ? 0 : 1);

function node(...args) {
  return spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status === 0;
}
