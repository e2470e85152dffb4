// `npm run demo`: builds if need be, then does the main job on models that ship with the repository.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
if (!existsSync(path.join(root, "dist", "cli.js"))) run([0], "scripts/build.mjs");
show([0], "symmetries", "testFixtures/zoo/zoo.py::PreLnTransformer", "--certify");
// Its example has findings, and the exit code says so.
show([1], "check", "testFixtures/python/demo.py");

function show(expected, ...args) {
  console.log(`\n$ noether ${args.join(" ")}\n`);
  run(expected, "dist/cli.js", ...args);
}

/** Ends the demo where a step ends otherwise than expected. */
function run(expected, ...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (!expected.includes(status)) process.exit(status || 1);
}
