// Packages the extension for one platform: production build, then vsce.  node scripts/package.mjs [linux-x64 | ...]
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const { name, version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const target = process.argv[2] ?? `${process.platform}-${process.arch}`;
const vsix = path.join("out", `${name}-${target}-${version}.vsix`);

run([path.join("scripts", "build.mjs"), "--production", `--target=${target}`]);
const vsce = path.join("node_modules", "@vscode", "vsce", "vsce");
// Everything is bundled; links in the README stay as they are, relative to the files beside it.
run([vsce, "package", "--no-dependencies", "--no-rewrite-relative-links", "--target", target, "--out", vsix]);
console.log(`${vsix}: ${(statSync(path.join(root, vsix)).size / 1e6).toFixed(1)} MB`);

function run(args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
