// Packages the extension: production build, then vsce, then a check of what is inside.
//   node scripts/package.mjs [linux-x64 | linux-arm64 | darwin-arm64 | win32-x64 | win32-arm64 | universal | all]
// A platform's package holds that platform's ONNX Runtime; the universal one, for all other platforms, its WebAssembly build.
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { unzipSync } from "fflate";

const root = path.resolve(import.meta.dirname, "..");
const { name, version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64", "win32-arm64"];
const wanted = process.argv[2] ?? `${process.platform}-${process.arch}`;
const targets = wanted === "all" ? [...PLATFORMS, "universal"] : [wanted];
for (const target of targets) {
  if (target !== "universal" && !PLATFORMS.includes(target)) {
    console.error(`package: no target ${target}; there are ${PLATFORMS.join(", ")}, universal, all`);
    process.exit(1);
  }
  const vsix = path.join("out", `${name}-${target}-${version}.vsix`);
  run([path.join("scripts", "build.mjs"), "--production", `--target=${target}`]);
  const vsce = path.join("node_modules", "@vscode", "vsce", "vsce");
  const platform = target === "universal" ? [] : ["--target", target];
  // Everything is bundled; links in the README stay as they are, relative to the files beside it.
  run([vsce, "package", "--no-dependencies", "--no-rewrite-relative-links", ...platform, "--out", vsix]);
  report(target, vsix);
  if (target === "universal" || target === `${process.platform}-${process.arch}`) tryOut();
}

/** Certifies a model with what was just packaged. */
function tryOut() {
  const model = path.join("testFixtures", "zoo", "onnx", "MlpRelu.onnx");
  const args = [path.join("dist", "cli.js"), "symmetries", model, "--certify"];
  const { stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  const certified = stdout.split("\n").find((line) => line.trim().startsWith("certified"));
  if (certified === undefined) {
    console.error(`package: the packaged command cannot certify ${model}:\n${stdout}`);
    process.exit(1);
  }
}

/** What the package holds, by part; fails where it holds another platform's binaries or lacks its own. */
function report(target, vsix) {
  const files = Object.entries(unzipSync(readFileSync(path.join(root, vsix)))).map(([file, data]) => ({
    file,
    size: data.length,
  }));
  const size = (pattern) => files.reduce((sum, f) => sum + (pattern.test(f.file) ? f.size : 0), 0);
  const native = size(/\/dist\/ort\//);
  const web = size(/\/dist\/ort-web\//);
  const foreign = files.filter((f) => /\/dist\/ort\//.test(f.file) && !f.file.includes(`/ort/${target.replace("-", "/")}/`));
  const right = target === "universal" ? native === 0 && web > 0 : native > 0 && web === 0 && foreign.length === 0;
  const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  const parts = [
    `code ${mb(size(/\.(?:c|m)?js$/) - size(/\/dist\/ort-web\/.*\.mjs$/))}`,
    native > 0 ? `ONNX Runtime for ${target} ${mb(native)}` : `ONNX Runtime in WebAssembly ${mb(web)}`,
    `Python parser ${mb(size(/tree-sitter.*\.wasm$/))}`,
  ];
  console.log(`${vsix}: ${mb(statSync(path.join(root, vsix)).size)}, unpacked: ${parts.join(", ")}`);
  if (!right) {
    console.error(`package: ${vsix} should hold the ONNX Runtime of ${target} and no other`);
    process.exit(1);
  }
}

function run(args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
