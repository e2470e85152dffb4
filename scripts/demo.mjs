// `npm run demo`: builds if need be, then does the main job on models that ship with the repository.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
if (!existsSync(path.join(root, "dist", "cli.js"))) run([0], "scripts/build.mjs");
show("symmetries", "testFixtures/zoo/zoo.py::PreLnTransformer", "--certify");
show("check", "test/fixtures/ws/net.py");

function show(...args) {
  console.log(`\n$ noether ${args.join(" ")}\n`);
  run("dist/cli.js", ...args);
}

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
