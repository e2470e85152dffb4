// Runs the unit tests (*.test.ts beside the code) with node's test runner. Node 20 does not expand globs, so they are
// listed here.  node scripts/unit.mjs [folders or files] [flags of node --test]
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const args = process.argv.slice(2);
const flags = args.filter((a) => a.startsWith("--"));
const places = args.filter((a) => !a.startsWith("--"));
const files = (places.length > 0 ? places : ["analysis", "server", "client"]).flatMap((place) => {
  const full = path.resolve(root, place);
  if (statSync(full).isFile()) return [full];
  const inside = readdirSync(full, { recursive: true, withFileTypes: true });
  return inside.filter((e) => e.isFile() && e.name.endsWith(".test.ts")).map((e) => path.join(e.parentPath ?? e.path, e.name));
});
if (files.length === 0) {
  console.error(`no *.test.ts below ${places.join(", ") || root}`);
  process.exit(1);
}
const reporters = ["spec", "./scripts/failures.mjs"].flatMap((reporter) => [
  `--test-reporter=${reporter}`,
  "--test-reporter-destination=stdout",
]);
const run = spawnSync(process.execPath, ["--import", "tsx", "--test", ...reporters, ...flags, ...files.sort()], {
  cwd: root,
  stdio: "inherit",
});
process.exit(run.status ?? 1);
