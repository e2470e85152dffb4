// `npm run demo`: builds if need be, then does the main job on models that ship with the repository.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
if (!existsSync(path.join(root, "dist", "cli.js"))) run([0], "scripts/build.mjs");
show([0], "symmetries", "testFixtures/zoo/zoo.py::PreLnTransformer", "--certify");
// Its example has findings, and the exit code says so.
show([1], "check", "testFixtures/python/demo.py");

function show(...args) {
  console.log(`\n$ noether ${args.join(" ")}\n`);
  run("dist/cli.js", ...args);
}

/** Ends the demo where a step fails; 1 says that there are findings, which is what the example is for. */
function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0 && status !== 1) process.exit(status ?? 1);
}
